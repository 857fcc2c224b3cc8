// The map of a sweep: takes frames of new cells, draws them, and submits the number of a cell that is pressed.
import { mapHand } from './map_hand.js';
import { indexOf, known, newest, take } from './map_store.js';
import { cellTable } from './map_table.js';
import { mapView } from './map_view.js';

// How often, and after how many milliseconds, what is missing is asked for again.
const TRIES = 5, PATIENCE = 1000;
// Counted for the page, so that two presses of a cell differ also where Gradio has built the component anew between them.
let presses = 0;

export const mount = ({ element, props, trigger, watch }) => {
  const told = element.querySelector('.told'), table = cellTable(element.querySelector('.map-table'));
  const stage = mapView(element, () => hand.label());
  const hand = mapHand(element, stage, (column, row) => {
    submit({ picked: [indexOf(stage.map, stage.places(column, row)), ++presses] });
  });
  let asking = 0, tries = TRIES;

  const submit = value => {
    props.value = value;
    trigger('submit');
  };
  const show = map => {
    const others = stage.show(map);
    table.show(map);
    if (map.axes) hand.begin(others);
    else told.textContent = 'The map begins when its first cells are there.';
  };
  const ask = () => {
    if (asking || tries === 0) return;
    tries--;
    asking = setTimeout(() => {
      asking = 0;
      if (stage.map.behind) ask();
    }, PATIENCE);
    submit({ run: stage.map.run, have: stage.map.taken });
  };
  const accept = frame => {
    const begun = stage.map?.axes, { map, fresh } = take(frame);
    if (map !== stage.map || (map.axes && !begun)) show(map);
    else if (map.axes) {
      stage.update(fresh, frame.lines);
      table.update(fresh);
    }
    if (map.behind) return ask();
    clearTimeout(asking);
    [asking, tries] = [0, TRIES];
  };
  const receive = async () => {
    if (typeof props.value !== 'string') {  // what this component itself has submitted before it was built anew
      if (newest()) show(newest());
      return;
    }
    const value = props.value, frame = JSON.parse(value);
    if (!frame.address) accept(frame);
    else if (known(frame.run)) show(known(frame.run));
    else {
      const answer = await fetch(new URL(frame.address, document.baseURI)), shipped = await answer.json();
      if (props.value === value) accept(shipped);
    }
  };
  watch('value', receive);
  receive();
};
