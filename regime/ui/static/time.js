// The slider over a run's measurements: all panels show the chosen one, without a request; at its right end they follow the run.
export const time = (root, tab) => {
  const { run, at } = tab, last = run.history.length - 1;
  if (!root.childElementCount) {
    root.innerHTML = '<label class="control">Look back <input type="range" min="0" step="1" aria-label="Measurement that is shown"><output></output></label>';
    root.querySelector('input').addEventListener('input', event => tab.choose(event.target.valueAsNumber));
  }
  const range = root.querySelector('input');
  root.classList.toggle('idle', last < 1);
  range.max = Math.max(last, 1);
  range.value = Math.max(at, 0);
  range.style.setProperty('--done', `${100 * range.value / range.max}%`);
  const text = at < 0 ? '' : `step ${run.history[at].step}${tab.newest ? ', newest' : ''}`;
  root.querySelector('output').textContent = text;
  range.setAttribute('aria-valuetext', text);
};
