// How the address frames the page: `embed=1` leaves one tab without its surroundings, `hide=depth,seeds` leaves out controls.
// And what is pressed before the script that answers it has come: it is pressed again when `ready` is told so.
const early = new Set(), alive = new WeakSet();
document.addEventListener('click', event => {
  const button = event.target.closest?.('.html-container button');
  for (let node = button; node; node = node.parentElement) if (alive.has(node)) return;
  if (button) early.add(button);
}, true);
globalThis.ready = root => {
  if (alive.has(root)) return;
  alive.add(root);
  early.forEach(button => root.contains(button) && early.delete(button) && button.click());
};
const query = new URLSearchParams(location.search), run = query.get('run'), style = document.createElement('style');
if (query.get('embed') === '1') document.documentElement.dataset.embed = KINDS.includes(run) ? run : 'toy';
const names = query.getAll('hide').join().split(',').filter(Boolean);
const ids = names.flatMap(name => KINDS.map(kind => '#' + CSS.escape(`${kind}-${name.replaceAll('_', '-')}`)));
style.textContent = ids.map(id => `.field${id} { display: none !important; }`).join('\n');
document.head.append(style);
