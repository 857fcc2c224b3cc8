// What a finished toy run is compared with: every predictor's error side by side, and how its layers were scaled.
import { capital, DASH, fill, html, meaning, number, sentence } from './format.js';

const PREDICTORS = {
  '': 'Network', twin_: 'Linearized twin', infinite_: 'Infinite width',
  kernel_start_: 'Regression, first kernel', kernel_now_: 'Regression, last kernel',
};
const SCALES = { weight: 'Multiplier of W', weight_init: 'Std of W', bias: 'Multiplier of b', bias_init: 'Std of b', weight_speed: 'Step on W' };

// Draws the errors of all predictors, and how the layers are scaled.
export const outcome = (root, { run, at }) => {
  const event = run.history[at], skill = event?.measures.forecast_skill, open = root.querySelector('details')?.open;
  const foreseen = typeof skill === 'number' && ` The twin foresaw ${Math.round(100 * Math.max(0, skill))}% of the variance of the path.`;
  const rows = Object.entries(PREDICTORS).map(([prefix, name]) => html`<tr><th scope="row">${name}</th>${['train', 'test'].map(points => cell(event, `${prefix}${points}_error`))}</tr>`);
  const scales = (run.started?.view.scales ?? []).map(row => html`<tr><th scope="row">${capital(row.layer)}</th>${Object.keys(SCALES).map(name => html`<td>${row[name] ? number(row[name]) : DASH}</td>`)}</tr>`);
  fill(root, html`<h2>Who predicts best</h2><p class="sub">Share of points in the wrong class, in regression of the variance; \u00b1 is the spread over seeds.${foreseen}</p>
    <div class="scroll"><table class="rows compared"><caption class="sr-only">Errors side by side</caption><thead><tr><th scope="col">Predictor</th><th scope="col">Train error</th><th scope="col">Held-out error</th></tr></thead><tbody>${rows}</tbody></table></div>
    <details><summary>How the layers are scaled</summary><p class="sub">A layer computes multiplier \u00d7 W a, plus multiplier \u00d7 b. A step on W moves the matrix that acts by the last column
    times the step size: by its ratios the steps of two parameterizations convert into each other.</p><div class="scroll"><table class="rows compared"><thead><tr>${['Layer', ...Object.values(SCALES)].map(name => html`<th scope="col">${name}</th>`)}</tr></thead>
    <tbody>${scales}</tbody></table></div></details>`);
  root.querySelector('details').open = Boolean(open);
};

const cell = (event, measure) => {
  const value = event?.measures[measure];
  if (typeof value !== 'number') return html`<td title="${sentence(event?.undefined[measure] ?? 'not measured yet')}">${DASH}</td>`;
  const spread = event.spread[measure];
  return html`<td title="${meaning(measure)}">${number(value)}${spread ? html` <small>\u00b1${number(spread)}</small>` : ''}</td>`;
};
