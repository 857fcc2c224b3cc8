// What the Train tab asks for, and hears of, a search for the border between two regimes: every frame has all of it.
import { tabOf } from './feed.js';

export const mount = ({ element, props, trigger, watch }) => {
  const tab = tabOf(element);
  let asks = 0;
  tab.search = request => {
    props.value = JSON.stringify({ ...request, number: ++asks });
    trigger('submit');
  };
  watch('value', () => {
    const frame = JSON.parse(props.value);
    if (!frame.seen) return;  // what the page itself has asked
    tab.border = { ...frame, rows: tab.border?.rows };
    tab.redraw();
  });
};
