// What the network, its twin and its infinite-width limit compute: maps for two inputs, curves for one, words for more.
import { paintSigned, pointed } from './canvas.js';
import { predictions } from './directions.js';
import { fill, html, number, sentence, term } from './format.js';
import { line } from './lines.js';
import { unpack } from './run.js';

const PANELS = {
  network: ['Network', 'The network that is trained.', 'net'],
  twin: ['Linearized twin', 'Its tangent at step 0, trained.', 'twin'],
  infinite: ['Infinite width', 'The limit, without a seed.', 'limit'],
  difference: ['Network \u2212 twin', 'What the linear view misses.', ''],
};
const LEARNERS = ['network', 'twin', 'infinite'];

// Whether the pictures are maps, in the colors of -1 and +1: the function has two inputs and one output.
export const mapped = run => run.started?.view.points?.[0].length === 3;

// Draws the functions of the first seed and of its learners, as their inputs allow.
export const pictures = (root, { run, at, theme }) => {
  const view = run.view(at), started = run.started?.view ?? {};
  if (!started.points) return run.started ? unmapped(root, run, at, started) : fill(root, html``);
  const missing = run.history[at]?.undefined.infinite_train_loss;
  if (mapped(run)) maps(root, view, started, missing, theme);
  else oneInput(root, view, started);
};

const count = (many, name) => `${many} ${name}${many > 1 ? 's' : ''}`;
// What stands in the place of a picture: of few inputs, predictions; those of more stand with the features.
const unmapped = (root, run, at, { inputs, outputs, predictions: wanted, directions }) => {
  const own = wanted && !directions;
  fill(root, html`<p class="sub">A function from ${count(inputs, 'input')} to ${count(outputs, 'output')} has no picture. ${own
    ? 'Held-out points by class: the output of the true class, and its target as a line.' : html`See <button type="button" class="term">what it predicts and what it looks at</button>.`}</p>
    ${own && html`<p class="legend always"><span><i class="key net"></i>network</span><span><i class="key twin"></i>twin</span></p><div class="predictions"></div>
      <output class="pointed" aria-hidden="true"></output>`}`);
  const below = root.querySelector('button');  // no link: the page's address is another's base, and to follow one loads the page anew
  if (below) below.onclick = () => root.closest('.tabitem').querySelector('#features')?.scrollIntoView();
  if (own) predictions(root.querySelector('.predictions'), wanted, run.view(at).predictions ?? {}, { run });
};

// The training points, round for +1 and square for -1, as strokes of no length.
const points = started => {
  const spots = sign => started.points.filter(([, , label]) => label > 0 === sign > 0)
    .map(([x, y]) => `M${(50 + 50 * x / started.extent).toFixed(1)} ${(50 - 50 * y / started.extent).toFixed(1)}h.01`).join('');
  const [pos, neg] = [spots(1), spots(-1)];
  return html`<svg class="points" viewBox="0 0 100 100" aria-hidden="true"><path class="edge pos" d="${pos}"/><path class="pos" d="${pos}"/>
    <path class="edge neg" d="${neg}"/><path class="neg" d="${neg}"/></svg>`;
};

// Four maps on one color scale; where there is no infinite width, why; at first only the training points.
const maps = (root, view, started, missing, theme) => {
  const over = points(started);
  fill(root, html`<div class="pictures">${Object.entries(PANELS).map(([name, [title, note, key]]) => html`<figure>
    <div class="map" data-map="${name}" role="img">${name === 'infinite' && missing ? html`<p>${sentence(missing)}</p>` : html`<canvas></canvas>${name !== 'difference' && over}`}</div>
    <figcaption><b>${key && html`<i class="key ${key}"></i>`}${name === 'twin' || name === 'infinite' ? term(name, title) : title}</b>
    <output class="pointed" aria-hidden="true"></output><span>${note}</span></figcaption></figure>`)}</div>`);
  const values = Object.fromEntries(LEARNERS.map(name => [name, unpack(view[name])]));
  values.difference = values.network.map((value, k) => value - values.twin[k]);
  Object.keys(PANELS).forEach(name => {
    const box = root.querySelector(`[data-map=${name}]`), canvas = box.querySelector('canvas'), [title, note] = PANELS[name];
    box.setAttribute('aria-label', `${title}: ${name === 'infinite' && missing ? missing : `${note} ${range(values[name])}`}`);
    if (!canvas || (canvas.shown === view && canvas.theme === theme)) return;
    Object.assign(canvas, { shown: view, theme });
    const size = Math.sqrt(values[name].length);
    canvas.hidden = !size;
    if (!size) return;
    const flat = column => row => values[name][column * size + size - 1 - row];  // x-major, y upward
    paintSigned(canvas, size, size, Array.from({ length: size * size }, (_, k) => flat(k % size)(Math.floor(k / size))));
    const spot = cell => started.extent * (2 * (cell + 0.5) / size - 1);
    const said = box.parentElement.querySelector('.pointed');
    pointed(canvas, (column, row) => `${number(flat(column)(row))} at ${number(spot(column))}, ${number(-spot(row))}`, said);
  });
};
const range = values => values.length ? `From ${number(Math.min(...values))} to ${number(Math.max(...values))}.` : '';

// One input: what each learner computes over it, with the training points.
const oneInput = (root, view, started) => {
  const known = LEARNERS.filter(name => name in view).map(name => {
    const values = [...unpack(view[name])], last = values.length - 1;
    return { name: PANELS[name][0], look: PANELS[name][2], points: values.map((value, k) => [started.extent * (2 * k / last - 1), value]) };
  });
  fill(root, html`<div class="pictures curves"><div class="legend always">${known.map(({ name, look }) => html`<span><i class="key ${look}"></i>${name}</span>`)}
    <span>Dots: training points</span></div><div class="function"></div></div>`);
  line(root.querySelector('.function'), known, {
    x: { low: -started.extent, high: started.extent, ticks: [-1, 0, 1] }, y: { low: -2, high: 2, ticks: [-2, -1, 0, 1, 2] }, dots: started.points,
    label: 'What each learner computes over the input, with the training points',
  });
};
