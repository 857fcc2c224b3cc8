// What a toy network's features are, at the start and now: units of one or two inputs and the plane of first-layer weights.
import { nice } from './axis.js';
import { paintSigned, pointed } from './canvas.js';
import { directions } from './directions.js';
import { DASH, fill, html, number } from './format.js';
import { around, plane } from './plane.js';
import { unpack } from './run.js';

const SHOWN = 8;  // units, as an event has them
const BRIGHT = 2;  // where the colors of maps end, in root mean squares of all units at the start
const STEPS = 60;  // points of a path at most
const largest = arrays => arrays.reduce((most, array) => array.reduce((known, value) => Math.max(known, Math.abs(value)), most), 0);
const range = (part, scale) => part.length ? `${number(scale * Math.min(...part))} to ${number(scale * Math.max(...part))}` : DASH;

// Draws the features of the first seed, as the inputs allow; nothing where a run has none.
export const features = (root, tab) => {
  const { run, at } = tab, start = run.started?.view ?? {};
  if (start.directions) return directions(root, tab);
  if (!start.units) return fill(root, html``);
  const maps = unpack(start.units.maps).length === start.units.tracked.length * start.units.size ** 2;
  const shade = number(BRIGHT * start.units.scale);
  fill(root, html`<div class="head"><div><h2 id="features">Features: what its units respond to</h2><p>Outputs of the units of ${start.units.layer} that changed the most, ${maps ? 'at the start above, now below'
    : 'at the start faint, now strong'}. Under each: its number, and its change in units of its size.</p></div>
    <p class="fn-scale"><span>Seed 1</span>${maps && html`\u2212${shade} <i></i> +${shade}`}</p></div>
    <div class="features"><div><div class="units ${!maps && 'drawn'}">${start.units.tracked.slice(0, SHOWN).map(() => html`<figure><div role="img">${maps ? html`<canvas></canvas><canvas></canvas>`
      : html`<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true"><path class="faint"/><path class="strong"/></svg>`}</div><figcaption></figcaption></figure>`)}</div>
    <output class="pointed" aria-hidden="true"></output><p class="note">Weights of the first layer: a dot a unit, now, with its path from where it was born, ${maps
      ? 'weight to input 1 across, to input 2 upward' : 'weight across, bias upward'}. In a lazy network the dots tremble, in a rich one they travel.</p></div>
    <div><h3>Weights of the first layer</h3><div class="weights"></div><output class="pointed" aria-hidden="true"></output></div></div>`);
  (maps ? unitMaps : unitCurves)(root, start.units, shownUnits(start.units, run.view(at).units), tab);
  weights(root.querySelector('.weights'), start.weights, tab);
};

// The units that are shown, each with its number, change, and outputs at the start and now.
const shownUnits = ({ tracked, maps }, now) => {
  const first = unpack(maps), points = first.length / tracked.length, last = unpack(now?.maps), change = unpack(now?.change);
  return (now?.most ?? tracked.slice(0, SHOWN)).map((unit, k) => {
    const place = tracked.indexOf(unit);
    return { unit, sources: [maps, now?.maps], change: change[k] ?? null, parts: [first.subarray(place * points, (place + 1) * points), last.subarray(k * points, (k + 1) * points)] };
  });
};

// Says in words what each figure shows; returns figures with their units.
const captioned = (root, shown, scale) => [...root.querySelectorAll('.units figure')].map((figure, k) => {
  const each = shown[k], [box, caption] = figure.children;
  fill(caption, html`<b>${each.unit}</b> ${number(each.change)}`);
  box.setAttribute('aria-label', `Unit ${each.unit}, changed by ${number(each.change)}. Output at the start ${range(each.parts[0], scale)}, now ${range(each.parts[1], scale)}`);
  return [box, each];
});

const unitMaps = (root, { size, extent, scale }, shown, { theme }) => {
  const said = root.querySelector('.units + .pointed'), spot = cell => number(extent * (2 * cell / (size - 1) - 1));
  captioned(root, shown, scale).forEach(([box, { unit, sources, parts }]) => parts.forEach((part, k) => {
    const canvas = box.children[k], value = (column, row) => part[column * size + size - 1 - row];  // x-major, y upward
    canvas.style.visibility = part.length ? 'visible' : 'hidden';
    if (!part.length || (canvas.shown === sources[k] && canvas.unit === unit && canvas.theme === theme)) return;
    Object.assign(canvas, { shown: sources[k], unit, theme });
    paintSigned(canvas, size, size, Array.from({ length: size * size }, (_, cell) => value(cell % size, Math.floor(cell / size)) / BRIGHT));
    pointed(canvas, (column, row) => `Unit ${unit} ${k ? 'now' : 'at the start'}: ${number(scale * value(column, row))} at ${spot(column)}, ${spot(size - 1 - row)}`, said);
  }));
};

const unitCurves = (root, { maps, size, extent, scale }, shown, { run }) => {
  const said = root.querySelector('.units + .pointed'), all = [maps, ...run.history.map(event => event.view.units?.maps)].map(unpack);
  const high = nice(largest(all) || 1), low = all.some(array => array.some(value => value < 0)) ? -high : 0;
  const d = part => part.length ? `M${Array.from(part, (value, k) => `${(100 * k / (size - 1)).toFixed(1)} ${(100 * (high - value) / (high - low)).toFixed(1)}`).join('L')}` : '';
  captioned(root, shown, scale).forEach(([box, { unit, parts }]) => {
    box.querySelectorAll('path').forEach((path, k) => path.setAttribute('d', d(parts[k])));
    box.onpointermove = event => {
      const area = box.getBoundingClientRect(), k = Math.round(Math.min(1, Math.max(0, (event.clientX - area.left) / area.width)) * (size - 1));
      const [first, last] = parts.map(part => number(part.length ? scale * part[k] : null));
      said.textContent = `Unit ${unit} at ${number(extent * (2 * k / (size - 1) - 1))}: ${first} at the start, ${last} now`;
    };
    box.onpointerleave = () => { said.textContent = ''; };
  });
};

// Each unit's first two weights (with one input its weight and bias): a dot now, and the path over the measurements up to now.
const weights = (root, { units, rows, scale }, { run, at }) => {
  const known = [rows, ...run.history.map(event => event.view.weights)], columns = unpack(rows).length / units.length;
  const every = Math.ceil(known.length / STEPS), past = known.slice(0, at + 2).filter(Boolean);
  const steps = past.filter((_, k) => k % every === 0 || k === past.length - 1).map(unpack);
  const spot = (unit, row) => [0, 1].map(k => scale * row[unit * columns + k]);
  const paths = units.map((_, unit) => steps.map(row => spot(unit, row)));
  const dots = paths.map((path, unit) => ({ at: path.at(-1), color: 'var(--net)', unit, moved: Math.hypot(...path.at(-1).map((value, k) => value - path[0][k])) }));
  const mean = dots.reduce((sum, { moved }) => sum + moved / dots.length, 0), most = dots.reduce((best, dot) => dot.moved > best.moved ? dot : best);
  const text = ({ unit, at: [a, b], moved }) => `Unit ${units[unit]}: ${number(a)}, ${number(b)}; moved by ${number(moved)}`;
  const label = `Weights of ${units.length} units of the first layer. They moved by ${number(mean)} on average from where they were born; most moved ${text(most)}`;
  const far = largest(known.map(packed => unpack(packed).filter((_, k) => k % columns < 2)));
  plane(root, { x: around(scale * far || 1), dots, paths, label }, text, root.parentElement.querySelector('.pointed'));
};
