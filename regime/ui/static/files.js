// The files of the run that is shown: a press asks for one; the server hands it over, or says why there is none.
import { tabOf } from './feed.js';

export const mount = ({ element, props, trigger, watch }) => {
  const tab = tabOf(element), menu = element.querySelector('.menu'), said = element.querySelector('[role=status]');
  let presses = 0;
  menu.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (!button) return;
    said.textContent = `Making ${button.name} \u2026`;
    props.value = [button.name, ++presses, tab.visit ?? ''];
    trigger('submit');
  });
  watch('value', () => {
    const value = props.value;
    if (!value || Array.isArray(value)) return;
    said.textContent = value.said ?? '';
    if (!value.file) return;
    // Stays to be pressed where the browser lets no script start a download.
    const link = Object.assign(document.createElement('a'), { href: value.file.url, download: value.file.orig_name });
    link.textContent = value.file.orig_name;
    said.append(link, ' is ready.');
    link.click();
  });
};
