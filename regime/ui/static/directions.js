// Features of a toy network of many inputs: what it predicts of held-out points, and along which input directions its outputs change.
import { nice } from './axis.js';
import { paintInk, paintSigned, pointed } from './canvas.js';
import { apart, fill, html, number } from './format.js';
import { around, plane } from './plane.js';
import { unpack } from './run.js';

const DIRECTIONS = [0, 1, 2];
const FEW = 12;  // different targets, or classes, up to which each has a tick, and two learners stand side by side
const LEARNERS = { network: 'var(--net)', twin: 'var(--twin)' };
const percent = value => `${number(100 * value)}%`;
const largest = values => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

// Draws predictions and directions of the first seed.
export const directions = (root, tab) => {
  const { run, at } = tab, start = run.started.view, now = run.view(at), { shape } = start.directions, image = shape.length > 1;
  const figures = [...image ? ['all'] : [], ...DIRECTIONS].map(() => html`<figure><canvas role="img"></canvas><figcaption></figcaption></figure>`);
  fill(root, html`<div class="head"><div><h2 id="features">Features: what it predicts and what it looks at</h2><p>${start.predictions.classes ? 'Held-out points by class: the output of the true class, and its target as a line.'
      : 'Held-out points: the target across, the prediction upward; on the diagonal both agree.'}</p></div>
    <p class="legend always"><span><i class="key net"></i>network</span><span><i class="key twin"></i>twin</span><span>Seed 1</span></p></div>
    <div class="features many"><div><h3>Predictions</h3><div class="predictions"></div><output class="pointed" aria-hidden="true"></output></div>
    <div class="looks"><h3>Learned input directions</h3><p class="note">The average gradient outer product (AGOP) of the network\u2019s function f, before centering and scaling, says how much f
      changes along each input (the first picture${image ? '' : '; lines: at the start'}), and along which directions of inputs it changes the most (the others).</p>
    ${!image && html`<div class="bars" role="img"></div><p class="ticks" aria-hidden="true"><span>1</span><span style="right:0">${shape[0]}</span></p>`}
    <div class="vectors ${image && 'images'}">${figures}</div><output class="pointed" aria-hidden="true"></output></div></div>`);
  predictions(root.querySelector('.predictions'), start.predictions, now.predictions ?? {}, tab);
  const looks = root.querySelector('.looks'), said = looks.querySelector('.pointed'), known = now.directions ?? {}, names = run.started.read?.inputs ?? [];
  const input = k => image ? `pixel ${k % shape[1] + 1}, ${Math.floor(k / shape[1]) + 1}` : `input ${k + 1}${names.length === shape[0] ? ` (${apart(names[k])})` : ''}`;
  if (!image) bars(looks.querySelector('.bars'), unpack(known.diagonal), unpack(run.view(0).directions?.diagonal), run, input, said);
  pictures(looks.querySelectorAll('figure'), known, image ? shape : [1, shape[0]], tab.theme, input, said);
};

// What the learners predict now, against the targets: on square axes, or by class.
export const predictions = (root, { targets, classes }, now, { run }) => {
  const wanted = unpack(targets), learners = Object.entries(LEARNERS).map(([name, color]) => ({ name, color, values: unpack(now[name]) }));
  const all = run.history.map(event => largest(unpack(event.view.predictions?.network))), y = around(1.05 * Math.max(largest(wanted), ...all, 0.1));  // a target at the edge would not be seen
  const names = Object.keys(run.started.read?.classes ?? {}), count = classes ? Math.max(...classes) + 1 : 0;
  const x = classes ? { low: -0.5, high: count - 0.5, ticks: count > FEW ? [0, count - 1] : Array.from({ length: count }, (_, k) => k), names, centered: count <= FEW } : y;
  const shift = (classes ? 0.16 : new Set(wanted).size > FEW ? 0 : y.high / 40) * (classes && count > FEW ? 0 : 1);
  const dots = learners.flatMap(({ name, color, values }, side) => Array.from(values, (value, k) =>
    ({ at: [(classes ? classes[k] : wanted[k]) + shift * (2 * side - 1), value], color, name, k })));
  const text = ({ name, k, at: [, value] }) => `${name}: ${number(value)}, target ${number(wanted[k])}${classes ? `, class ${apart(names[classes[k]] ?? classes[k])}` : ''}`;
  const error = values => values.length ? number(values.reduce((sum, value, k) => sum + Math.abs(value - wanted[k]), 0) / values.length) : 'not known yet';
  const label = `Predictions of ${wanted.length} held-out points. Mean distance from the target: ${learners.map(({ name, values }) => `${name} ${error(values)}`).join(', ')}`;
  const guide = classes ? [[x.low, wanted[0]], [x.high, wanted[0]]] : [[y.low, y.low], [y.high, y.high]];
  plane(root, { x, y, dots, guide, label }, text, root.nextElementSibling);
};

// The share of each input, the diagonal of the AGOP over its trace: bars now, lines at the start.
const bars = (root, now, start, { history }, input, said) => {
  const top = nice(Math.max(...history.map(event => largest(unpack(event.view.directions?.diagonal))), 0.01)), height = value => 100 * value / top;
  const most = [...now.keys()].sort((a, b) => now[b] - now[a]).slice(0, 3).map(k => `${input(k)} ${percent(now[k])}`);
  root.setAttribute('aria-label', `Share of each input: ${most.length ? `most ${most.join(', ')}` : 'not known'}`);
  fill(root, html`<span class="tick">${percent(top)}</span>${Array.from(now, (value, k) => html`<i style="height:${height(value)}%"></i>${start.length > 0 && html`<b style="--k:${k};bottom:${height(start[k])}%"></b>`}`)}`);
  root.style.setProperty('--n', now.length);
  root.onpointermove = event => {
    const area = root.getBoundingClientRect(), k = Math.max(0, Math.min(now.length - 1, Math.floor(now.length * (event.clientX - area.left) / area.width)));
    said.textContent = now.length ? `${input(k)}: ${percent(now[k])}${start.length ? `, ${percent(start[k])} at the start` : ''}` : '';
  };
  root.onpointerleave = () => { said.textContent = ''; };
};

// Directions as rows of colors, or as images, after that of all pixels' shares.
const pictures = (figures, { diagonal, shares, vectors }, [rows, columns], theme, input, said) => {
  const parts = unpack(vectors), part = k => parts.subarray(k * rows * columns, (k + 1) * rows * columns), share = unpack(shares);
  const all = figures.length > DIRECTIONS.length ? [{ name: 'Pixels', values: unpack(diagonal), ink: true }] : [];
  const known = [...all, ...DIRECTIONS.map(k => ({ name: `Direction ${k + 1}`, values: part(k), of: share[k] }))];
  figures.forEach((figure, n) => {
    const [canvas, caption] = figure.children, { name, values, of, ink } = known[n], most = largest(values), top = values.findIndex(value => Math.abs(value) === most);
    fill(caption, html`<b>${name}</b> ${of !== undefined && percent(of)}`);
    canvas.setAttribute('aria-label', values.length ? `${name}${of === undefined ? '' : `, ${percent(of)} of the change`}; most: ${input(top)}, ${number(values[top])}` : `${name}: not known`);
    if (canvas.shown === vectors && canvas.theme === theme) return;
    Object.assign(canvas, { shown: vectors, theme });
    (ink ? paintInk : paintSigned)(canvas, columns, values.length / columns, values.map(value => value / (most || 1)));
    pointed(canvas, (column, row) => values.length ? `${name}, ${input(row * columns + column)}: ${number(values[row * columns + column])}` : '', said);
  });
};
