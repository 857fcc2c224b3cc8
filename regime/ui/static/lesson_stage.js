// What stands beside a step: one shipped run or two, each drawn by the page's own panels, with one slider over their measurements.
import { html } from './format.js';
import { reached } from './lesson_goal.js';
import { PANELS } from './panels.js';
import { Run } from './run.js';
import { time } from './time.js';

// A run as a panel takes it: what of it is shown, up to where, and at which measurement.
class Pane {
  constructor(stage, name, whole) {
    Object.assign(this, { stage, name, whole, run: whole, pinned: null, chosen: null, hovered: null });
  }

  get at() { return Math.min(this.hovered ?? this.chosen ?? Infinity, this.run.history.length - 1); }
  get newest() { return this.at === this.run.history.length - 1; }
  get scrubbed() { return this.hovered !== null || this.chosen !== null; }
  get theme() { return document.body.classList.contains('dark') ? 'dark' : 'light'; }

  // Shows the run as it stood after a number of measurements, when what came later was not known.
  hold(count) {
    const history = this.whole.history.slice(0, count), { steps } = this.whole;
    this.run = Object.assign(new Run(), this.whole, { history, finished: null, status: 'paused', tick: { step: history.at(-1).step, steps, seconds_left: null } });
  }

  nearest(step) {
    const { history } = this.run, far = k => Math.abs(history[k].step - step);
    return history.reduce((best, _, k) => far(k) < far(best) ? k : best, 0);
  }

  point(step) { this.stage.point(step); }
  redraw() { this.stage.redraw(); }
}

export class Stage {
  constructor(root, runs, changed) {
    Object.assign(this, { root, runs, changed, panes: [], loaded: {}, step: null });
    this.seen = new IntersectionObserver(() => this.redraw());  // a panel that comes into sight is drawn then
    new MutationObserver(() => this.redraw()).observe(document.body, { attributeFilter: ['class'] });
    addEventListener('resize', () => this.redraw());
    root.addEventListener('toggle', () => this.redraw(), true);
    root.addEventListener('change', event => event.target.name === 'lesson-run' && this.choose(event.target.value));
  }

  // Fetches a run, once.
  load(name) {
    this.loaded[name] ??= fetch(new URL(this.runs[name].file, import.meta.url)).then(answer => answer.json()).then(frame => {
      const run = new Run();
      frame.events.forEach(event => run.take(event));
      return Object.assign(run, { status: frame.status, tick: frame.tick });
    });
    return this.loaded[name];
  }

  // Shows the runs of a step: side by side, or one of those that can be chosen; held at their start until the guess is made.
  async show(step, held) {
    const names = (step.runs ?? step.choose).split(', ');
    Object.assign(this, { step, held, panes: [] });
    const all = await Promise.all(names.map(name => this.load(name)));
    if (this.step !== step) return;  // another step was opened meanwhile
    this.all = all.map((run, k) => new Pane(this, names[k], run));
    const views = step.panels.split(', ').map(name => html`<section class="view v-${name}" data-view="${name}"></section>`), label = name => this.runs[name].label;
    const panes = step.choose ? names.slice(0, 1) : names;
    const choice = step.choose && html`<fieldset class="control segments"><legend>Which run</legend><div class="options">${names.map((name, k) => html`<label>
      <input type="radio" name="lesson-run" value="${name}" ${k === 0 && html`checked`}><span>${label(name)}</span></label>`)}</div></fieldset>`;
    this.root.innerHTML = html`${choice}<div class="panes ${panes.length > 1 && 'pair'}">${panes.map(name => html`<section class="pane" ${!step.choose && html`aria-label="${label(name)}"`}>
      ${panes.length > 1 && html`<h2 class="of">${label(name)}</h2>`}${views}</section>`)}</div><div class="v-time"></div>`.text;
    this.panes = step.choose ? this.all.slice(0, 1) : this.all;
    if (this.held) this.all.forEach(pane => pane.hold(1));
    else this.start();
    this.root.querySelectorAll('[data-view]').forEach(view => this.seen.observe(view));
    this.fresh = true;  // what is marked has not been scrolled to
    this.redraw();
  }

  // Shows the whole runs from now on.
  reveal() {
    if (!this.held) return;
    this.held = false;
    this.all?.forEach(pane => { pane.run = pane.whole; });
    this.start();
    this.redraw();
  }

  start() { if (this.step.from === 'start') this.all?.forEach(pane => { pane.chosen = 0; }); }

  choose(name) {
    const pane = this.all.find(each => each.name === name), { chosen } = this.panes[0];
    Object.assign(pane, { chosen: chosen === null ? null : Math.min(chosen, pane.run.history.length - 1) });
    this.panes = [pane];
    this.redraw();
  }

  // Shows the measurements nearest to a step while it is pointed at.
  point(step) {
    this.panes.forEach(pane => { pane.hovered = step === null ? null : pane.nearest(step); });
    this.redraw();
  }

  met(goal) { return !this.held && this.panes.some(pane => reached(goal, pane)); }

  redraw() {
    this.due ??= requestAnimationFrame(() => {
      this.due = null;
      this.draw();
    });
  }

  draw() {
    if (!this.panes.length || !this.root.checkVisibility()) return;
    this.root.querySelectorAll('.pane').forEach((box, k) => box.querySelectorAll('[data-view]').forEach(view => PANELS[view.dataset.view](view, this.panes[k])));
    const slider = this.root.querySelector('.v-time'), [first] = this.panes;
    const choose = at => {
      const { step } = first.run.history[at];
      this.panes.forEach(pane => { pane.chosen = pane.nearest(step); });
      this.redraw();
    };
    slider.hidden = this.held || first.run.history.length < 2;
    time(slider, { run: first.run, at: first.at, newest: first.newest, choose });
    this.mark();
    this.changed();
  }

  // Marks what the step speaks of, brings it into sight when the step is new, and leaves out what is still to come.
  mark() {
    const marked = this.step.mark ? this.root.querySelectorAll(this.step.mark) : [];
    marked.forEach(each => each.classList.add('marked'));
    if (this.step.hide) this.root.querySelectorAll(this.step.hide).forEach(each => each.classList.add('out'));
    const beside = this.root.offsetLeft > 0;  // and not below the text, which is read first
    if (this.fresh && beside && marked.length) {
      const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
      marked[0].scrollIntoView({ block: 'nearest', behavior: calm ? 'auto' : 'smooth' });
    }
    this.fresh = false;
  }
}
