// How the address frames the page: `embed=1` leaves one tab without its surroundings, `hide=depth,seeds` leaves out controls.
const early = globalThis.early = [];
const heard = event => {
  const button = event.target.closest?.('[data-do], .chips button');
  if (button && !button.closest('[data-panel]').onclick) early.push(button);
};
document.addEventListener('click', heard);
const query = new URLSearchParams(location.search), run = query.get('run'), style = document.createElement('style');
if (query.get('embed') === '1') document.documentElement.dataset.embed = KINDS.includes(run) ? run : 'toy';
const names = query.getAll('hide').join().split(',').filter(Boolean);
const ids = names.flatMap(name => KINDS.map(kind => '#' + CSS.escape(`${kind}-${name.replaceAll('_', '-')}`)));
style.textContent = ids.map(id => `.field${id} { display: none !important; }`).join('\n');
document.head.append(style);
