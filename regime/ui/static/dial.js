// The verdict: its word, where it lies between lazy and rich, how sure it is, and why.
import { ZONES } from './facts.js';
import { capital, fill, html, prose, term } from './format.js';

const EVIDENCE = 2;  // how many of a verdict's first reasons are its measures; what follows is a remark
const MEANING = {
  lazy: 'Its features barely moved: its linear twin would do.',
  mixed: 'Its features moved, but not far.',
  rich: 'It learned features it did not have at the start.',
  'no verdict': 'The evidence does not settle it: no label is given.',
};
const percent = share => `${(100 * share).toFixed(2)}%`;

// Draws the verdict of the measurement that is shown, under a title.
export const dial = (root, tab, title) => {
  const { run, pinned, at } = tab, verdict = run.history[at]?.verdict ?? null;
  const label = verdict?.label, word = verdict ? capital(label) : 'Starting', css = { 'no verdict': 'none' }[label] ?? label ?? 'blank';
  const reasons = verdict?.reasons ?? ['The verdict follows the first steps'];
  fill(root, html`<section class="dial is-${css}" aria-label="${title}: ${word}"><p class="kicker">${title}<span>Bar: ${term('interval', '95% interval')}</span></p>
    <h2><span class="word">${word}</span> <span class="standing">${verdict && standing(tab, verdict)}</span></h2>${scale(verdict, pinned?.last?.verdict.index)}
    <ul>${reasons.slice(0, 3).map((reason, k) => html`<li class="${k < EVIDENCE ? 'evidence' : 'remark'}">${prose(reason)}</li>`)}</ul>${verdict && means(verdict)}${verdict && advice(tab, verdict)}</section>`);
};

const standing = ({ run, at, newest }, verdict) => {
  const { step } = run.history[at];  // of the measurement: a run may be held after it
  if (!newest) return `at step ${step}, ${verdict.agree}`;
  const held = { running: 'so far, ', paused: `paused; measured at step ${step}: `, stopped: `stopped; measured at step ${step}: ` };
  return (held[run.status] ?? '') + verdict.agree;
};

// A verdict's numbers are not those of the charts, where there are several seeds.
const means = ({ index, seeds }) => index !== null && seeds.length > 1 &&
  html`<p class="means">Geometric means of ${seeds.length} seeds; charts show plain means.</p>`;

// What to change for another verdict, once the run has one: before, it would come and go with every measurement.
const advice = ({ run, newest }, verdict) => verdict.advice.length > 0 && run.status !== 'running' && newest &&
  html`<p class="advice">${prose(verdict.advice.join('. '))}.</p>`;

// The zones, a dot for each seed, a bar for the interval, a ring for the mean, and a tick for a pinned run.
const scale = (verdict, pinned) => {
  const placed = verdict !== null && verdict.index !== null, mark = (css, at, more = '') => html`<i class="${css}" style="left:${percent(at)}${more}"></i>`;
  const [low, high] = (placed && verdict.interval) || [];
  const text = [
    placed ? `${verdict.index.toFixed(2)} from 0, lazy, to 1, rich` : 'no position yet',
    low !== undefined && `interval ${low.toFixed(2)} to ${high.toFixed(2)}`,
    typeof pinned === 'number' && `the pinned run at ${pinned.toFixed(2)}`,
  ].filter(Boolean).join(', ');
  return html`<div class="scale" role="img" aria-label="${text}"><div class="track">${ZONES.map(([name, from, to]) => html`<i class="${name}" style="width:${percent(to - from)}"></i>`)}</div>
    ${placed && verdict.seeds.filter(seed => seed !== null).map(seed => mark('seed', seed))}${low !== undefined && mark('interval', low, `;width:${percent(high - low)}`)}
    ${placed && mark('mean', verdict.index)}${typeof pinned === 'number' && mark('pinned', pinned)}</div>
    <div class="words" aria-hidden="true">${ZONES.map(([name, from, to]) => html`<span style="width:${percent(to - from)}" title="${MEANING[name]}">${name === verdict?.label ? html`<b>${name}</b>` : html`<span>${name}</span>`}</span>`)}</div>
    <p class="meaning">${MEANING[verdict?.label] ?? 'Lazy keeps its first features; rich learns new ones.'}</p>`;
};
