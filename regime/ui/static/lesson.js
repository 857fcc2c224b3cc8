// The lessons of the Learn tab: steps beside live panels, a guess before the answer, one thing to do, and what is done.
import { follow } from './address.js';
import { fill, html } from './format.js';
import { pressed } from './lesson_goal.js';
import { progress } from './lesson_progress.js';
import { Stage } from './lesson_stage.js';
import { opens, paragraphs, prose, termId } from './lesson_text.js';

const RIGHT = 'Yes. ', WRONG = 'Not so. ';
const key = (lesson, step) => `${lesson.id}.${step}`;

class Lessons {
  constructor(root, { lessons, runs, terms }) {
    Object.assign(this, { root, lessons, runs, at: [0, 0] });
    this.done = progress(lessons.map(lesson => lesson.steps.map((_, k) => key(lesson, k))));
    this.guesses = {};  // the answer that was chosen last, by step
    [this.nav, this.told, this.box] = root.querySelectorAll('nav, .telling, .stage');
    fill(root.querySelector('.glossary'), html`${Object.entries(terms).map(([term, sentence]) => html`<div id="${termId(term)}" class="definition" popover>${sentence}</div>`)}`);
    fill(this.nav, html`<ol>${lessons.map(({ title }, k) => html`<li><button type="button" data-lesson="${k}"><b>${k + 1}</b> ${title}<i aria-hidden="true">\u2713</i><span class="sr-only"></span></button></li>`)}</ol>`);
    this.stage = new Stage(this.box, runs, () => this.update());
    root.addEventListener('click', event => this.press(event.target.closest('button, a')));
  }

  get lesson() { return this.lessons[this.at[0]]; }
  get step() { return this.lesson.steps[this.at[1]]; }
  get key() { return key(this.lesson, this.at[1]); }
  get guess() { return this.guesses[this.key]; }

  // Opens a step. A visitor who asked for it is led to its heading, and its address stands in the page's.
  open(lesson, step, asked = true) {
    this.at = [lesson, Math.max(0, Math.min(step, this.lessons[lesson].steps.length - 1))];
    this.told.innerHTML = `${this.markup()}`;
    this.reached = this.done.has(this.key);
    this.stage.show(this.step, this.step.guess && this.guess === undefined);
    this.update();
    const current = this.nav.querySelector('[aria-current]').parentElement;
    current.parentElement.scrollTo({ left: current.offsetLeft - current.offsetWidth / 2 });
    if (!asked) return;
    this.told.querySelector('h3').focus();
    follow('learn', new URLSearchParams({ lesson: this.lesson.id, step: this.at[1] + 1 }).toString());
  }

  markup() {
    const { lesson, step, at: [which, number] } = this, { guess, task, then } = step;
    return html`<h2>${lesson.title}</h2>${number === 0 && html`<p class="sub">${prose(lesson.about)}</p>`}
      <h3 tabindex="-1">${step.title}</h3>${paragraphs(step.text)}
      ${guess && html`<div class="guess"><p id="lesson-guess"><b>Guess.</b> ${prose(guess.question)}</p><div role="group" aria-labelledby="lesson-guess">
        ${guess.options.map((option, k) => html`<button type="button" class="option" data-guess="${k}" aria-pressed="false">${prose(option.text)}</button>`)}</div></div>`}
      <div class="answer" role="status"></div>
      ${task && html`<div class="task"><i class="check" aria-hidden="true"></i><div><b class="sr-only">To do.</b>${paragraphs(task.text)}${opens(task.done, this.runs)}</div></div>`}
      <div class="said" role="status"></div>${then && html`<div class="then" hidden>${paragraphs(then)}</div>`}
      <div class="turn"><button type="button" class="chip" data-turn="-1" ${which + number === 0 && html`disabled`}>Back</button>
      <span>Step ${number + 1} of ${lesson.steps.length}</span><button type="button" class="chip primary" data-turn="1" ${this.next(1) === null && html`disabled`}>Next</button></div>`;
  }

  // The place of the step before or after this one, across lessons; null beyond the ends.
  next(turn) {
    const [lesson, step] = this.at, other = this.lessons[lesson + turn];
    if (this.lesson.steps[step + turn]) return [lesson, step + turn];
    return other ? [lesson + turn, turn > 0 ? 0 : other.steps.length - 1] : null;
  }

  press(button) {
    const { lesson, guess, turn } = button?.dataset ?? {};
    if (lesson !== undefined) this.open(Number(lesson), 0);
    else if (turn !== undefined) this.open(...this.next(Number(turn)));
    else if (guess !== undefined) {
      this.guesses[this.key] = Number(guess);
      this.stage.reveal();
    } else if (button && pressed(button, this.step.task?.done)) this.reached = true;
    this.update();
  }

  // Shows what was guessed and done; what is focused stays.
  update() {
    const { step, told, guess } = this, option = step.guess?.options[guess];
    const open = step.guess && !option;
    this.reached ||= Boolean(step.task) && !open && this.stage.met(step.task.done);
    told.querySelectorAll('[data-guess]').forEach((button, k) => {
      button.setAttribute('aria-pressed', k === guess);
      button.classList.toggle('is-right', Boolean(option) && step.guess.options[k].right);
    });
    fill(told.querySelector('.answer'), html`${option && html`<p><b>${option.right ? RIGHT : WRONG}</b>${prose(option.why)}</p>`}`);
    const ready = !open && (!step.task || this.reached);
    told.querySelector('.task')?.classList.toggle('is-done', this.reached);
    fill(told.querySelector('.said'), html`${step.task && this.reached && html`<p class="sr-only">Done.</p>`}`);
    const then = told.querySelector('.then');
    if (then) then.hidden = !ready;
    if (ready) this.done.add(this.key);
    this.nav.querySelectorAll('button').forEach((button, k) => {
      const complete = this.done.complete(k);
      button.classList.toggle('is-done', complete);
      button.querySelector('.sr-only').textContent = complete ? ', done' : '';
      if (k === this.at[0]) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
    });
  }
}

// `props.value` is the name of the file that has the text of all lessons. A link may name a lesson and a step of it.
export const mount = async ({ element, props }) => {
  const lessons = new Lessons(element.querySelector('.lessons'), await (await fetch(new URL(props.value, import.meta.url))).json());
  const query = new URLSearchParams(location.search), asked = lessons.lessons.findIndex(({ id }) => id === query.get('lesson'));
  const [lesson, step] = asked < 0 ? lessons.done.first() : [asked, Number(query.get('step') ?? 1) - 1 || 0];
  lessons.open(lesson, step, false);
};
