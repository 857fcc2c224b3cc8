// What stands around a run: presets, links, what to watch, whose the results are, the buttons, and a line about the form's run.
import { address, kept } from './address.js';
import { differing } from './comparison.js';
import { announce, progress } from './progress.js';

// Text of the page's own, whose markup is known.
const write = (root, text) => { if (root.written !== text) root.innerHTML = root.written = text; };

// The presets: the one whose configuration the form holds looks pressed.
export const chips = (root, tab) => {
  const { preset } = tab.told;
  if (preset !== undefined && preset !== root.preset) {
    root.preset = preset;
    root.querySelectorAll('button').forEach(chip => chip.setAttribute('aria-pressed', chip.textContent === preset));
    const pressed = root.querySelector('[aria-pressed=true]');  // on a phone the row scrolls, and it may lie beside it
    if (pressed) root.scrollTo({ left: pressed.offsetLeft - root.offsetLeft + (pressed.offsetWidth - root.clientWidth) / 2 });
  }
  root.onclick = event => {
    const chip = event.target.closest('button');
    if (!chip) return;
    tab.told.preset = chip.textContent;
    tab.ask('preset', { name: chip.textContent });
  };
};

export const story = (root, { told }) => { if (told.story) write(root, told.story); };

// The form's run, or why the last one that was pressed for did not come to its end.
export const notice = (root, { told, error }) => {
  const text = error || told.notice;
  if (text === undefined) return;
  if (root.textContent !== text) root.textContent = text;
  root.classList.toggle('bad', Boolean(error || told.bad));
};

// What was said of a file goes with the run.
export const files = (root, { run }) => {
  if ((root.run ??= run.id) !== run.id) root.textContent = '';
  root.run = run.id;
};

const going = ({ run, before }) => before !== null || run.status === 'running';

// Whose the results are: of the form's run, if it has not been turned since, or of one that is pinned before it, there is nothing to say.
const others = ({ run, told: { asked, against } }) => {
  if (asked === undefined || !run.config.kind || JSON.stringify(run.config) === JSON.stringify(against)) return '';
  if (asked === null) return 'These results are of settings from before: the form has an error.';
  const other = differing(run.config, asked);
  return other && `These results are of a run with ${other}.`;
};

// They are dimmed as soon as the form is touched, until the server says that they are the form's.
export const whose = (root, tab) => {
  const of = others(tab), text = of && !tab.told.bad ? `${of} Press ${going(tab) ? 'Pause, then Run,' : 'Run'} for the form's.` : of;
  if (root.textContent !== text) root.textContent = text;
  tab.screen.classList.toggle('stale', text !== '' || Boolean(tab.touched));
};

// The buttons that a run's status allows, and how far it is.
export const transport = (root, tab) => {
  const { run, pinned } = tab, goes = going(tab), held = run.status === 'paused';
  const button = name => root.querySelector(`[data-do=${name}]`), focused = root.contains(document.activeElement) && document.activeElement;
  const set = (name, state) => Object.entries(state).forEach(([key, value]) => { if (button(name) && button(name)[key] !== value) button(name)[key] = value; });
  set('run', { hidden: goes, textContent: held && !others(tab) ? 'Continue' : 'Run' });
  set('pause', { hidden: !goes });
  set('step', { ariaDisabled: String(goes) });  // not disabled, which would lose the focus between two steps
  set('pin', { textContent: pinned ? 'Unpin' : 'Pin', disabled: !pinned && !run.last });
  set('more', { hidden: goes || !tab.undecided });
  if (focused && !focused.checkVisibility()) button(goes ? 'pause' : 'run').focus();
  root.onclick = event => {
    const name = event.target.closest('button')?.dataset.do;
    if (name === 'pin') tab.pin(!tab.pinned);
    else if (name && !(name === 'step' && going(tab))) tab.ask(name);
  };
  const bar = root.querySelector('[data-progress]');
  progress(bar, tab);
  if (tab.announced) announce(bar, tab);
  tab.announced = false;
};

// Copies a text and says so; where that is not allowed, as in some iframes, shows it to be copied by hand.
export const copy = async (text, said) => {
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = 'Copied';
    setTimeout(() => { said.textContent = ''; }, 3000);
  } catch {
    const field = Object.assign(document.createElement('input'), { readOnly: true, value: text, ariaLabel: 'Copy this' });
    said.replaceChildren(field);
    field.select();
    field.onblur = () => document.hasFocus() && said.replaceChildren();  // it lies over what to watch
  }
};

// The buttons that copy the link to the run that is shown, and an iframe of it.
export const link = (root, tab) => {
  const [linked, framed] = root.querySelectorAll('button'), said = root.querySelector('[role=status]');
  linked.onclick = () => copy(address(tab.query, kept('embed', 'hide')), said);
  framed.onclick = () => {
    const url = address(tab.query, [['embed', '1'], ...kept('hide')]).replaceAll('&', '&amp;');
    copy(`<iframe src="${url}" title="Lazy or rich?" width="100%" height="900" loading="lazy"></iframe>`, said);
  };
};
