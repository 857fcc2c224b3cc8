// The panels of the page by name: what draws each `data-panel` of a tab from the run, and the measurement, that it shows.
import { border } from './border.js';
import { clouds } from './clouds.js';
import { comparison } from './comparison.js';
import { curves } from './curves.js';
import { dial } from './dial.js';
import { ADDITION, BOUNDS, CURVES, NAMES } from './facts.js';
import { features } from './features.js';
import { DASH, fill, html, number, sentence, term } from './format.js';
import { kernels } from './kernel.js';
import { outcome } from './outcome.js';
import { mapped, pictures } from './picture.js';
import { blockTable, fullTable, layerTable } from './table.js';
import { time } from './time.js';
import { chips, files, link, notice, story, transport, whose } from './tools.js';

const OFF_SCALE = 100;  // distances beyond it are shown as that
const net = { look: 'net', pinned: true };
const parts = name => CURVES[name].map(([measure, named, look]) => ({ measure, name: named, look, marks: look === 'test', pinned: look === 'net' }));
const SHARES = { low: 0, high: 1, ticks: [0, 0.25, 0.5, 0.75, 1] };
const MULTIPLES = [
  ['kernel_change', { low: 1e-3, high: 10, log: true, ticks: [1e-3, 1e-2, 0.1, 1, 10] }, 'How far the tangent kernel turned or grew.', [BOUNDS.lazyBelow, BOUNDS.richAbove]],
  ['linearization_gap', { low: 1e-3, high: 1, log: true, ticks: [1e-3, 1e-2, 0.1, 1] }, 'How far the network is from its twin.', [BOUNDS.lazyBelow]],
  ['representation_change', { low: 1e-4, high: 1, log: true, ticks: [1e-4, 1e-2, 1] }, 'How far the hidden features moved, 1\u00a0\u2212\u00a0CKA.', []],
];
const LOSSES = { mse: 'Half the mean squared error', 'cross-entropy': 'Mean cross-entropy' };
const REGIMES = { toy: 'Training regime', probe: 'Training regime, all layers together', checkpoints: 'From the first checkpoint to this one' };
const TOKENS = 'Mean negative log-probability of a token.';

// A panel with its own head over what another draws.
const headed = (head, draw) => (root, tab) => {
  if (root.childElementCount !== 2) root.replaceChildren(document.createElement('div'), document.createElement('div'));
  fill(root.children[0], head(tab));
  draw(root.children[1], tab);
};
const titled = (title, note) => html`<h2>${title}</h2><p class="sub">${note}</p>`;
const chart = spec => (root, tab) => curves(root, tab, typeof spec === 'function' ? spec(tab) : spec);
const words = ({ run }) => run.config.readout === 'next-token';

const picturesHead = tab => html`<div class="head"><div><h2>One task, three learners</h2><p>The ${term('twin', 'linearized twin')} is a linear model with the
  features of the start. Where the network leaves it, features were learned.</p></div>
  <p class="fn-scale"><span>Seed 1 of ${tab.run.config.seeds ?? 1}</span>${mapped(tab.run) && html`\u22121 <i></i> +1`}</p></div>`;

const lossHead = ({ run, at }) => {
  const event = run.history[at], skill = event?.step ? event.measures.forecast_skill : null;
  return html`<div class="head"><div><h2>Loss and its forecast</h2><p>${LOSSES[run.config.loss]}. The twin's path is known before the first step: a lazy network
    follows it, a rich one leaves it.</p></div><p class="skill"><b>${typeof skill === 'number' ? skill < 0 ? 'below 0' : number(skill) : DASH}</b> ${term('forecast_skill', 'forecast skill')}; 1 is perfect</p></div>`;
};

const abilitiesHead = tab => titled('What it can do', words(tab) ? TOKENS : `Share of ${tab.run.config.task === ADDITION ? 'sums' : 'texts'} that the model gets right.`);

// Three distances from the start, side by side, on axes that never move.
const multiples = (root, tab) => {
  if (!root.childElementCount) {
    root.className = 'multiples';
    root.innerHTML = MULTIPLES.map(() => '<div class="multiple"><div></div><div></div><p class="note"></p></div>').join('');
  }
  const event = tab.run.history[tab.at];
  MULTIPLES.forEach(([measure, axis, note, bounds], k) => {
    const [head, body, below] = root.children[k].children, value = event?.measures[measure] ?? null, deviation = event?.spread[measure] ?? null;
    const reason = sentence(event ? event.undefined[measure] ?? 'undefined' : 'not run yet');
    const shown = value === null ? html`<b title="${reason}">${DASH}</b>` : value > OFF_SCALE ? html`<b>> ${OFF_SCALE}</b>`
      : html`<b>${number(value)}</b>${deviation !== null && html` <small>\u00b1 ${number(deviation)}</small>`}`;
    fill(head, html`<h3>${term(measure, NAMES[measure])}</h3><p class="key-number">${shown}</p>`);
    curves(body, tab, { parts: [{ measure, name: NAMES[measure], ...net }], axis, bounds, floor: true, small: true, css: 'small', what: NAMES[measure] });
    const known = tab.run.references.filter(each => each.measure === measure);
    fill(below, html`${note}${known.map(each => ` Dashed: ${each.meaning}.`)}`);
  });
};

export const PANELS = {
  chips,
  files,
  link,
  story,
  whose,
  notice,
  transport,
  time,
  pictures: headed(picturesHead, pictures),
  features,
  loss: headed(lossHead, chart({ parts: parts('toy-loss'), what: 'Loss', css: 'tall' })),
  distances: headed(({ run, pinned }) => titled('Distance from the start', html`Dotted: bounds of the verdict. Gray: ${term('floor', 'noise floor')}.${run.config.seeds > 1 && ' Light blue: spread over seeds.'}${pinned && ' Dash and dots: the pinned run.'}`), multiples),
  compare: comparison,
  layers: layerTable,
  kernels,
  outcome,
  border,
  blocks: blockTable,
  clouds,
  modules: fullTable,
  dial: (root, tab) => dial(root, tab, REGIMES[tab.run.config.kind]),
  'probe-loss': headed(tab => titled('Loss', `${words(tab) ? TOKENS : 'Mean over the texts.'} Dashed: the linearized twin.`), chart({ parts: parts('probe-loss'), what: 'Loss' })),
  'probe-kernels': headed(() => titled('Kernel, all layers', 'Distance leaves out growth: it is turning alone.'), chart({ parts: parts('probe-kernels'), what: 'Kernel of all layers', most: 4 })),
  abilities: headed(abilitiesHead, chart(tab => words(tab) ? { parts: parts('text-loss'), what: 'Loss' } : { parts: parts('abilities'), what: 'Accuracy', axis: SHARES })),
  'from-first': headed(() => titled('Distance from the first checkpoint', 'How far kernel and last features moved.'), chart({ parts: parts('from-first'), what: 'Distance from the first checkpoint', most: 4 })),
};
