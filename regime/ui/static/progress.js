// How far a run is, and how long it will still take.
import { byteSize, capital, duration, fill, html } from './format.js';

// Draws step, time left and a bar; before a run begins, its place in the queue or how much of a model has come.
export const progress = (root, { run, before }) => {
  const unit = root.dataset.progress;
  const { status, steps, step, tick, finished, left } = run;
  if (before?.kind === 'queued') {
    const ahead = before.place - 1;
    return bar(root, ahead ? `in the queue, ${ahead} before it` : 'next in the queue', before.seconds === null ? 'waiting' : before.seconds < 1 ? 'begins soon' : `begins in about ${duration(before.seconds)}`, 0);
  }
  if (before?.kind === 'fetching') {
    const share = before.total ? Math.min(1, before.bytes / before.total) : 0;
    return bar(root, `fetching ${before.model}`, before.total ? `${byteSize(before.bytes)} of ${byteSize(before.total)}` : 'asking the Hub', share);
  }
  if (before) return bar(root, 'starting', '', 0);
  const trained = steps > 0 && step === steps && tick.seconds_left === null;
  const when = status === 'finished' ? `finished in ${duration(finished.seconds)}` : status !== 'running' ? status : trained ? 'trying the advice' : left === null ? 'starting' : `${duration(left)} left`;
  return bar(root, `${unit} ${step} of ${steps}`, when, steps ? Math.min(1, step / steps) : Number(status === 'finished'));
};

const bar = (root, text, when, share) => {
  if (!root.querySelector('.bar')) {
    fill(root, html`<div class="progress"><p><b></b><span></span></p><div class="bar" role="progressbar" aria-label="Training" aria-valuemin="0" aria-valuemax="100"><i></i></div></div>
      <p class="sr-only" aria-live="polite"></p>`);
  }
  root.querySelector('b').textContent = text;
  root.querySelector('span').textContent = when;
  const box = root.querySelector('.bar');
  box.setAttribute('aria-valuenow', Math.round(100 * share));
  box.setAttribute('aria-valuetext', `${text}, ${when}`);
  box.firstElementChild.style.width = `${100 * share}%`;
};

// Says what a screen reader hears when a run starts, ends or stops; the steps between are not read out.
export const announce = (root, { run, before }) => {
  const unit = root.dataset.progress;
  const spoken = root.querySelector('.sr-only'), { status } = run;
  const going = before || status === 'running', ended = status === 'finished' ? 'Finished' : `${capital(status)} at step ${run.step}`;
  const label = run.last?.verdict.label ?? 'no verdict', said = (run.last?.step ?? run.step) === run.step ? label : `${label} at step ${run.last.step}`;
  const text = going ? 'Training started' : unit !== 'step' ? `${capital(status)}: ${run.step} of ${run.steps} ${unit}s` : `${ended}: ${said}`;
  if (spoken.textContent !== text) spoken.textContent = text;
};
