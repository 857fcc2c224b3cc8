// The hand on a map: a pointer that reads, drags, zooms and presses, and one cell for the keyboard. Two elements are that cell in
// turn, since a screen reader speaks when the focus goes to another.
import { describe } from './map_words.js';

// Pixels that a pointer moves before it drags.
const DRAG = 4;
const NEARER = { '+': 1.5, '=': 1.5, '-': 1 / 1.5, 0: 0 };

export const mapHand = (element, stage, press) => {
  const grid = element.querySelector('.cells'), spot = element.querySelector('.spot'), told = element.querySelector('.told');
  const hint = told.textContent;
  let [here, spare] = grid.querySelectorAll('[role=gridcell]'), focus = [0, 0], drag = null, dragged = false, under = null;

  const say = (column, row) => describe(stage.map, stage.places(column, row), stage.view.chosen);
  const lay = (mark, column, row) => {
    mark.style.setProperty('--column', column);
    mark.style.setProperty('--row', stage.map.rows - 1 - row);
  };
  const label = () => {
    const [column, row] = focus;
    here.ariaLabel = say(column, row);
    here.ariaColIndex = column + 1;
    here.parentElement.ariaRowIndex = stage.map.rows - row;
    lay(here, column, row);
    if (under ?? grid.contains(document.activeElement)) told.textContent = under ? say(...under) : here.ariaLabel;
  };
  const go = (column, row) => {
    const { columns, rows } = stage.map;
    focus = [Math.min(columns - 1, Math.max(0, column)), Math.min(rows - 1, Math.max(0, row))];
    stage.reveal(...focus);
    [here, spare] = [spare, here];
    label();
    here.parentElement.hidden = false;
    here.focus({ preventScroll: true });
    spare.parentElement.hidden = true;
  };
  const at = event => {
    const box = grid.getBoundingClientRect(), { x, y, across, up } = stage.view, { columns, rows } = stage.map;
    const [right, down] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    const column = Math.floor(x + across * right), row = rows - 1 - Math.floor(y + up * down);
    return { right, down, place: [Math.min(columns - 1, Math.max(0, column)), Math.min(rows - 1, Math.max(0, row))] };
  };

  const on = (name, hear, options) => grid.addEventListener(name, event => stage.map?.axes && hear(event), options);  // not before there is a map

  on('keydown', event => {
    const [column, row] = focus, leap = Math.ceil(stage.map.rows / 10);
    const to = {
      ArrowRight: [column + 1, row], ArrowLeft: [column - 1, row], ArrowUp: [column, row + 1], ArrowDown: [column, row - 1],
      Home: [0, event.ctrlKey ? Infinity : row], End: [Infinity, event.ctrlKey ? 0 : row],
      PageUp: [column, row + leap], PageDown: [column, row - leap],
    }[event.key];
    if (to) go(...to);
    else if (stage.zooms && event.key in NEARER && !event.ctrlKey && !event.metaKey) {
      stage.zoomBy(NEARER[event.key]);
      stage.reveal(...focus);
    } else return;
    event.preventDefault();
  });
  on('focusin', () => {
    stage.reveal(...focus);
    told.textContent = here.ariaLabel;
  });

  on('pointerdown', event => {
    dragged = false;
    if (stage.view.zoom > 1 && event.button === 0) drag = { x: event.clientX, y: event.clientY, from: { ...stage.view } };
  });
  on('pointermove', event => {
    if (drag) {
      const [right, down] = [event.clientX - drag.x, event.clientY - drag.y], { x, y, across, up } = drag.from;
      if (!dragged && Math.hypot(right, down) < DRAG) return;
      if (!dragged) grid.setPointerCapture(event.pointerId);
      dragged = true;
      stage.panTo(x - right / grid.clientWidth * across, y - down / grid.clientHeight * up);
    }
    under = at(event).place;
    lay(spot, ...under);
    spot.hidden = false;
    told.textContent = say(...under);
  });
  for (const name of ['pointerup', 'pointercancel']) grid.addEventListener(name, () => { drag = null; });
  grid.addEventListener('pointerleave', () => {
    spot.hidden = true;
    under = null;
  });
  on('wheel', event => {
    if (!stage.zooms || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    const { right, down } = at(event);
    stage.zoomBy(Math.exp(-event.deltaY / 300), right, down);
  }, { passive: false });
  on('click', event => {
    const byKey = event.detail === 0;
    if (dragged && !byKey) return;
    if (!byKey) focus = at(event).place;
    label();
    press(...focus);
  });

  return {
    // Tells nothing of the last map any more, and puts the keyboard's cell into the upper left corner of one with other axes.
    begin: others => {
      if (others) focus = [0, stage.map.rows - 1];
      spot.hidden = true;
      under = null;
      told.textContent = hint;
      label();
    },
    label,
  };
};
