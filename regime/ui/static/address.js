// The page's address: the tab that is open, with the run, the card or the lesson that it shows, so that it opens as it is.
const TABS = { toy: 'train', sweep: 'map', probe: 'probe', checkpoints: 'pretraining' };
const FRAME = ['embed', 'hide'];
const OTHERS = [...FRAME, 'tab', '__theme'];

const said = () => [...new URLSearchParams(location.search)];
// Of the page's own address, how it is framed goes on.
export const kept = (...names) => said().filter(([name]) => names.includes(name));
const joined = (own, more) => [own, new URLSearchParams(more).toString()].filter(Boolean).join('&');
export const address = (own, more = []) => {
  const url = new URL(location.pathname, location.href);
  url.search = joined(own, more);
  return url.href;
};

// By tab, what it shows beside what it comes with; at first that of the link that the page was opened with.
const shown = {};
const linked = said().filter(([name]) => !OTHERS.includes(name) && !/^(_|view|utm_|fbclid|gclid)/.test(name)), asked = Object.fromEntries(linked);
if (linked.length) shown[asked.lesson ? 'learn' : asked.claim ? 'reproductions' : TABS[asked.run ?? 'toy']] = new URLSearchParams(linked).toString();

// A tab that is opened is a step of the browser's history, so that its Back leads to the one before; what a tab shows is not.
let open = Object.keys(shown)[0] ?? kept('tab')[0]?.[1] ?? 'train';
history.replaceState({ ...history.state, tab: open }, '');
const write = () => {
  const tab = document.querySelector('.screens [role=tab][aria-selected=true]')?.dataset.tabId ?? 'train';
  const own = shown[tab] ?? (tab === 'train' ? '' : `tab=${tab}`), frame = kept(...FRAME);
  history[tab === open ? 'replaceState' : 'pushState']({ ...history.state, tab }, '', address(own, [...frame, ...kept('__theme')]));
  open = tab;
  // On the Hub the page is in an iframe, whose address nobody sees: the Hub puts the query into its own.
  if (parent !== window) parent.postMessage({ queryString: joined(own, frame) }, 'https://huggingface.co');
};

// The address follows what a tab shows, which is named by its kind of run or, without runs, by itself; and the tab that is open.
export const follow = (place, own) => {
  shown[TABS[place] ?? place] = own;
  write();
};
addEventListener('popstate', ({ state }) => {
  open = state?.tab ?? open;
  const more = [...document.querySelectorAll('.screens .overflow-dropdown button')];  // tabs that a narrow window has no place for: no ids
  (document.querySelector(`.screens [role=tab][data-tab-id=${open}]`) ?? more.find(button => button.textContent.toLowerCase() === open))?.click();
});
new MutationObserver(write).observe(document.body, { subtree: true, attributeFilter: ['aria-selected'] });
