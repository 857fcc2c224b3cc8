// What a tab asks for, and gets of its run: a small frame an event. It keeps the history and has every panel of the tab drawn from it.
import { follow } from './address.js';
import { PANELS } from './panels.js';
import { Run } from './run.js';
import { tell } from './step_size.js';

const tabs = {};  // by kind of run: Gradio may build a tab's elements anew when it is opened again
const reported = new Set();
const QUICK = 2;  // seconds that a run may still take for one to begin by itself in its place
const LATE = 1000;  // milliseconds that a panel out of sight may be behind its run

export class Tab {
  constructor() {
    Object.assign(this, { run: new Run(), pinned: null, before: null, visit: undefined, serial: 0, theme: '', query: '', undecided: false });
    this.told = {};  // what the server says of the form
    this.touched = false;  // whether the form was, since the server last spoke of it
    this.released = false;  // whether a knob was let go whose run may begin by itself
    this.chosen = null;  // the measurement on the slider; null follows the run
    this.hovered = null;  // the one under the pointer
    this.error = '';  // why the newest press's run was refused or ended
    this.quick = false;  // whether the run that the newest press asked for is known to be a short one
    this.asks = 0;
    this.heard = { visit: undefined, serial: 0 };  // of the newest frame that came, taken or not
    this.lost = false;  // whether the whole run was asked for, since a frame before one that came is missing
    this.sight = new IntersectionObserver(seen => {  // a panel that comes into sight is drawn then
      seen.forEach(({ target, isIntersecting }) => { target.seen = isIntersecting; });
      this.redraw();
    });
    this.drawn = 0;  // when all panels last were, also those out of sight
    this.waiting = [];  // requests of the time before the server could be reached
  }

  get at() { return Math.min(this.hovered ?? this.chosen ?? Infinity, this.run.history.length - 1); }
  get newest() { return this.at === this.run.history.length - 1; }
  get scrubbed() { return this.hovered !== null || this.chosen !== null; }

  send(request) { this.waiting.push(request); }

  // Asks the server to do something; what is pressed shows at once.
  ask(name, more = {}) {
    const quick = name === 'run' && !this.touched && Boolean(this.told.quick);
    this.released = false;  // a press says more than a knob
    if (!['all', 'pause'].includes(name)) Object.assign(this, { before: this.before ?? {}, error: '', announced: true, quick });
    this.send(JSON.stringify({ do: name, ...more, number: ++this.asks }));
    this.redraw();
  }

  // Keeps the run that is shown beside those to come, or lets it go.
  pin(kept) {
    this.pinned = kept ? Object.assign(new Run(), this.run, { history: [...this.run.history] }) : null;
    this.redraw();
  }

  // Starts a run by itself where a knob was let go and the run is a short one, unless it would end a longer one, or one that waits.
  follow() {
    if (!this.released || this.touched) return;
    this.released = false;
    const long = this.before ? this.before.kind || !this.quick : this.run.status === 'running' && this.run.left > QUICK;
    if (this.told.quick && !long) this.ask('run');
  }

  choose(at) {
    this.chosen = at < this.run.history.length - 1 ? at : null;
    this.redraw();
  }

  // Shows the measurement nearest to a step while it is pointed at.
  point(step) {
    const { history } = this.run, far = k => Math.abs(history[k].step - step);
    const near = step === null || !history.length ? null : history.reduce((best, _, k) => far(k) < far(best) ? k : best, 0);
    if (near === this.hovered) return;
    this.hovered = near;
    this.redraw();
  }

  // Takes a frame, and asks for the whole run where frames are missing: also once more, where the answer is from before one that came.
  hand(frame) {
    const { heard } = this;
    this.heard = { visit: frame.visit, serial: frame.visit === heard.visit ? Math.max(heard.serial, frame.serial) : frame.serial };
    this.lost &&= !frame.whole;
    this.error = frame.error ?? this.error;
    this.take(frame);
    const behind = this.heard.visit !== this.visit || this.heard.serial > this.serial;
    if (behind && !this.lost) this.ask('all');
    this.lost = behind;
    this.redraw();
  }

  // Takes a frame; returns false where one before it is missing, or the beginning of its run.
  take({ visit, run, serial, whole, events, before = null, pin, status, tick, more, told }) {
    const known = visit === this.visit;
    if (known && (whole ? serial < this.serial : serial <= this.serial)) return true;
    const other = run !== this.run.id, length = other ? 0 : this.run.history.length;
    const cut = other && events[0]?.kind !== 'started';  // a tab that a link opens has not even the shipped run
    if (!whole && ((known && serial !== this.serial + 1) || cut || events.some(({ at }) => at > length + events.length))) return false;
    if (other) Object.assign(this, { run: Object.assign(new Run(), { id: run }), chosen: null, hovered: null });
    this.announced = this.announced || (before === null ? status !== this.run.status : this.before === null);
    Object.assign(this, { visit, serial, before });
    events.forEach(event => this.run.take(event));
    Object.assign(this.run, { status, tick });
    Object.assign(this.told, told);
    if (more !== undefined) this.undecided = more;
    if (pin) this.pin(true);
    const started = events.find(({ kind }) => kind === 'started');
    if (run && started?.query && started.query !== this.query) {  // not the shipped one, which a tab opens with
      this.query = started.query;
      follow(this.run.config.kind, this.query);
    }
    return true;
  }

  // Takes what the server says of the form. Of a form that has changed since, it does not tell what is asked, nor begins a run.
  hear({ asked, changes, ...said }) {
    const now = this.screen?.querySelector('[data-changes]')?.dataset.changes, old = changes != null && now !== undefined && changes !== Number(now);
    Object.assign(this.told, said, !old && { asked });
    this.touched &&= old;
    this.redraw();
    this.follow();
  }

  // Draws once before the next picture of the screen, however many frames have come.
  redraw() {
    this.due ??= requestAnimationFrame(() => {
      this.due = null;
      this.draw();
    });
  }

  draw() {
    this.theme = document.body.classList.contains('dark') ? 'dark' : 'light';
    if (this.told.rate) tell({ ...this.told.rate, stability: this.run.history[this.at]?.stability });
    // While a run goes on, panels out of sight wait: to draw them costs time, and so does to ask what is hidden.
    const all = this.run.status !== 'running' || performance.now() - this.drawn > LATE;
    if (all) this.drawn = performance.now();
    const panels = [...this.screen?.querySelectorAll('[data-panel]') ?? []];
    panels.forEach(root => this.sight.observe(root));
    panels.filter(root => root.seen || (all && root.checkVisibility())).forEach(root => {
      try {
        PANELS[root.dataset.panel](root, this);
        ready(root);
      } catch (error) {  // one panel that cannot be drawn must not take the others with it
        if (!reported.has(root.dataset.panel)) console.error(root.dataset.panel, error);
        reported.add(root.dataset.panel);
      }
    });
    tellUnder();
  }
}

// Where the mouse rests on a panel; what is drawn under it is told as if it had moved there.
let rests = null;
document.addEventListener('pointermove', ({ target, pointerType, clientX, clientY, isTrusted }) => {
  if (isTrusted) rests = pointerType === 'mouse' && target.closest?.('[data-panel]') ? { clientX, clientY, bubbles: true } : null;
});
document.documentElement.addEventListener('pointerleave', () => { rests = null; });
const tellUnder = () => {
  const under = rests && document.elementFromPoint(rests.clientX, rests.clientY);
  if (under?.closest('[data-panel]')) under.dispatchEvent(new PointerEvent('pointermove', rests));
};

const redrawAll = () => Object.values(tabs).forEach(tab => tab.redraw());
new MutationObserver(redrawAll).observe(document.body, { attributeFilter: ['class'] });
addEventListener('resize', redrawAll);
document.addEventListener('toggle', redrawAll, true);
document.addEventListener('regime-broken', () => Object.values(tabs).forEach(tab => {
  if (tab.before || tab.run.status === 'running') tab.ask('all');
}));
document.addEventListener('click', redrawAll);  // what a button that was held down has kept back

// The tab that an element stands in, which keeps what it knows while its elements come and go.
export const tabOf = element => {
  const tab = tabs[element.querySelector('[data-kind]').dataset.kind] ??= new Tab(), screen = element.closest('.tabitem');
  if (tab.screen === screen) return tab;
  tab.screen = screen;
  // Gradio builds what is folded when it is first opened.
  const places = ({ addedNodes }) => [...addedNodes].some(node => node.querySelector?.('[data-panel]'));
  new MutationObserver(changes => changes.some(places) && tab.redraw()).observe(screen, { childList: true, subtree: true });
  screen.addEventListener('input', event => {
    if (!event.target.closest('.controls')) return;
    Object.assign(tab, { touched: true, released: false, error: '' });
    screen.classList.add('stale');  // at once: drawing every panel anew may take a while
    tab.redraw();
  });
  screen.addEventListener('change', event => {
    tab.released = Boolean(event.target.closest('.controls .field'));
    tab.follow();
  });
  return tab;
};

// `props.value` is JSON: at first the file that has the run of the first screen; then a frame, or what the server opens in this tab.
export const mount = async ({ element, props, trigger, watch }) => {
  const first = JSON.parse(props.value), tab = tabOf(element);
  tab.send = request => {
    props.value = request;
    trigger('submit');
  };
  tab.waiting.splice(0).slice(-1).forEach(tab.send);
  const take = () => {
    const frame = JSON.parse(props.value);
    if (frame.do) return;
    if (frame.open) return tab.ask('open', { config: frame.open, ahead: frame.ahead });
    if (!frame.refused) return tab.hand(frame);
    Object.assign(tab, { before: null, lost: false, announced: true });
    return tab.redraw();
  };
  watch('value', take);
  if (first.file && tab.visit === undefined) {
    tab.told = { ...first.told, ...tab.told };
    tab.query = first.query;
    const shipped = await (await fetch(new URL(first.file, import.meta.url))).json();
    if (tab.visit === undefined) tab.take({ ...shipped, before: tab.before });  // a link may have asked
  } else if (!first.file) take();
  tab.redraw();
};
