// Tables of layers and blocks: a row each, from input to output, with the same columns for toys and transformers.
import { nice } from './axis.js';
import { DASH, blockName, capital, fill, html, meaning, number, sentence, term } from './format.js';
import { NAMES } from './facts.js';

const HEAT = 'kernel_distance_centered';
const COLUMNS = ['kernel_change', 'representation_change', 'parameter_movement'], BLOCK_COLUMNS = [...COLUMNS, 'taylor_gap'];
const FULL = ['kernel_share', 'kernel_change', HEAT, 'representation_change', 'feature_movement', 'parameter_movement'];
const STOPS = ['--amount-0', '--amount-1', '--amount-2', '--amount-3'];
const LABELS = ['rich', 'mixed', 'lazy', 'no verdict'];
const DENSE = 14;  // with more blocks than this the rows are lower, so that all are seen together
const THIRDS = 6;  // blocks from which on early, middle and late ones are distinguished
const EVEN = 1.5;  // where no third of the blocks moves this many times as far as another, they move alike
const STRIPS = 24;  // cells of a strip: more are not told apart
const HEADS = {
  'by step': ['Kernel distance', 'step by step'], [HEAT]: ['Kernel distance', 'at this step'], kernel_share: [NAMES.kernel_share, '\u25cb start \u25cf now'],
  taylor_gap: [NAMES.taylor_gap, 'the block by itself'], regime: ['Regime', 'the block by itself'], representation_change: ['Represen\u00adtation'],
};

// Draws the layers of a toy: their shares of the kernel at the start and now, and how far each moved.
export const layerTable = (root, { run, at }) => {
  const unmeasured = (run.started?.view.scales ?? []).map(({ layer }) => ({ layer, measures: {}, undefined: {}, floors: {}, intervals: {} }));
  const rows = run.history[at]?.layers ?? unmeasured, tops = Object.fromEntries(COLUMNS.map(measure => [measure, top(rows, measure)]));
  const body = rows.map((row, k) => html`<tr><th scope="row">${blockName(row.layer)}</th>${share(row, run.history[0]?.layers[k])}${COLUMNS.map(measure => bar(row, measure, tops[measure]))}</tr>`);
  fill(root, html`<h2>Which layer moves</h2><p class="sub">The tangent kernel says which points learn together; each layer has its share of it.</p>
    ${table(['Layer', 'kernel_share', ...COLUMNS], body, 'Layers, from input to output')}`);
};

// Draws the blocks of a transformer: how far each kernel turned at every step, and the same columns as for toys.
export const blockTable = (root, { run, pinned, at }) => {
  const rows = run.history[at]?.blocks ?? [], most = Math.max(top(run.history.flatMap(event => event.blocks), HEAT, 0.01), 0.01);
  const before = new Map((pinned?.last?.blocks ?? []).map(row => [row.layer, row]));
  const tops = Object.fromEntries(BLOCK_COLUMNS.map(measure => [measure, top([...rows, ...before.values()], measure)]));
  const every = Math.ceil(run.history.length / STRIPS) || 1, last = run.history.length - 1;
  const shown = run.history.map((event, k) => [event, k]).filter(([, k]) => k % every === 0 || k === last);
  const body = rows.map((row, k) => html`<tr><th scope="row" title="${row.layer}">${blockName(row.layer)}</th>${strip(row, k, shown, at, most)}${bar(row, HEAT, most, 'heat', before)}
    ${BLOCK_COLUMNS.map(measure => bar(row, measure, tops[measure], '', before))}${share(row, run.history[0]?.blocks[k])}${regime(row)}</tr>`);
  fill(root, html`<div class="head"><div><h2>Block by block: ${mostMoved(rows)}</h2><p>${regimes(rows)} A row is one block's part of the tangent kernel, which says which examples
    learn together. Darker: it turned further. Black line: ${term('interval', '95% interval')}. Hatched: ${term('floor', 'noise floor')}.${before.size ? ' Tick: the pinned run.' : ''}</p></div>
    <p class="heat-scale">Kernel distance, centered: 0 <i></i> ${number(most)}</p></div>
    ${table(['Block', 'by step', HEAT, ...BLOCK_COLUMNS, 'kernel_share', 'regime'], body, 'Blocks, from input to output', rows.length > DENSE ? 'dense' : '')}`);
};

// Draws every layer of a model with its module path; a press on a heading sorts, undefined values stay last.
export const fullTable = (root, { run, at }) => {
  const rows = modules(run, at), { by = null, down = true } = root.sorted ?? {};
  const value = row => row.measures[by] ?? null;
  const order = by === null ? rows : by === 'Layer' ? (down ? [...rows].reverse() : rows) : [...rows].sort((a, b) => {
    if (value(a) === null || value(b) === null) return (value(a) === null) - (value(b) === null);
    return down ? value(b) - value(a) : value(a) - value(b);
  });
  const sorted = name => name !== by ? 'none' : down ? 'descending' : 'ascending';
  const head = ['Layer', ...FULL].map(name => html`<th scope="col" aria-sort="${sorted(name)}"><button type="button" data-by="${name}" title="${meaning(name) || 'Path of the module.'}">${NAMES[name] ?? name}</button></th>`);
  const body = order.map(row => html`<tr><th scope="row"><code>${row.layer}</code></th>${FULL.map(name => row.measures[name] === null || row.measures[name] === undefined
    ? none(row, name, '') : html`<td title="${row.measures[name]}">${number(row.measures[name])}</td>`)}</tr>`);
  const held = root.querySelector('button:focus')?.dataset.by, left = root.querySelector('.scroll')?.scrollLeft ?? 0;
  fill(root, html`<p class="sub">Press a heading to sort. A dash is a value that is undefined; hover over it to read why.</p>
    ${scroll('All layers', html`<table class="full"><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`)}`);
  root.querySelector('.scroll').scrollLeft = left;
  if (held) root.querySelector(`[data-by="${held}"]`).focus();
  root.onclick = event => {
    const pressed = event.target.closest('thead button')?.dataset.by;
    if (!pressed) return;
    root.sorted = { by: pressed, down: pressed === by ? !down : true };
    fullTable(root, { run, at });
  };
};

// The rows of all layers at a measurement, which come by measure, with their names where they change.
const modules = ({ history }, at) => {
  const { values, undefined: reasons, layers = history[0].modules.layers } = history[at]?.modules ?? { layers: [] };
  return layers.map((layer, k) => ({ layer, measures: Object.fromEntries(FULL.map(name => [name, values[name][k]])), undefined: reasons[k] ?? {} }));
};

// Says which third of the blocks turned most, as computed from their rows.
export const mostMoved = rows => {
  const known = rows.filter(row => typeof row.measures[HEAT] === 'number'), values = known.map(row => row.measures[HEAT]);
  if (!values.length) return 'no kernel to compare';
  if (Math.max(...values) <= 0) return 'nothing has moved yet';
  if (values.length < THIRDS) return `the ${blockName(known[values.indexOf(Math.max(...values))].layer).toLowerCase()} turned most`.replace('the block', 'block');
  const third = values.length / 3, means = [0, 1, 2].map(k => {
    const part = values.slice(Math.round(k * third), Math.round((k + 1) * third));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const [most, least] = [Math.max(...means), Math.min(...means)], names = ['the early blocks', 'the middle blocks', 'the late blocks'];
  if (most < EVEN * least) return 'all blocks move about as far';
  return `${names[means.indexOf(most)]} move most, ${names[means.indexOf(least)]} least`;
};

// Says which blocks are lazy and which are rich, such as "Rich: blocks 1 to 4."
export const regimes = rows => LABELS.map(label => {
  const names = rows.filter(({ regime }) => typeof regime?.index === 'number' && regime.label === label).map(row => blockName(row.layer));
  return names.length ? `${capital(label)}: ${listed(names)}.` : '';
}).filter(Boolean).join(' ');

// Joins names of blocks, those that follow each other as a range.
const listed = names => {
  const runs = [], numbers = names.filter(name => name.startsWith('Block ')).map(name => Number(name.slice(6)));
  numbers.forEach(block => { if (runs.length && block === runs.at(-1).at(-1) + 1) runs.at(-1).push(block); else runs.push([block]); });
  const spans = runs.map(run => run.length === 1 ? run[0] : `${run[0]} to ${run.at(-1)}`).join(', ');
  const others = names.filter(name => !name.startsWith('Block ')).map(name => name.toLowerCase());
  return [...(spans ? [`block${numbers.length > 1 ? 's' : ''} ${spans}`] : []), ...others].join(', ');
};

const regime = row => {
  const own = row.regime;
  if (typeof own?.index !== 'number') {
    const reason = sentence(own ? own.reasons[0] : row.undefined.kernel_share ?? 'it has no kernel');
    return html`<td class="regime" title="${reason}">${DASH}<span class="sr-only">${reason}</span></td>`;
  }
  return html`<td class="regime is-${own.label === 'no verdict' ? 'none' : own.label}" title="${own.reasons.join('; ')}">${own.label}</td>`;
};

const top = (rows, measure, otherwise = 1) => {
  const values = rows.map(row => row.measures[measure]).filter(Boolean);
  return values.length ? nice(Math.max(...values)) : otherwise;
};
const none = (row, measure, css) => {
  const reason = sentence(row.undefined[measure] ?? 'not measured yet');
  return html`<td class="${css}" title="${reason}"><span aria-hidden="true">${DASH}</span><span class="sr-only">${reason}</span></td>`;
};
const percent = (value, most) => Math.max(0, Math.min(100, 100 * value / most)).toFixed(1);

// A value as a bar over its hatched floor, with its interval, and a tick where a pinned run has it.
const bar = (row, measure, most, css = '', before = null) => {
  const value = row.measures[measure];
  if (typeof value !== 'number') return none(row, measure, 'bar');
  const floor = measure === HEAT && row.floors[measure], interval = row.intervals[measure], other = before?.get(row.layer)?.measures[measure];
  const [low, high] = interval ? interval.map(end => percent(end, most)) : [], text = number(value);
  return html`<td class="bar"${interval && html` title="95% interval ${number(interval[0])} to ${number(interval[1])}"`}><span class="rail ${css}">
    ${typeof floor === 'number' && html`<u class="floor" style="width:${percent(floor, most)}%"></u>`}<i style="width:${percent(value, most)}%"></i>
    ${interval && html`<b style="left:${low}%;width:${(high - low).toFixed(1)}%"></b>`}${typeof other === 'number' && html`<u class="tick" style="left:${percent(other, most)}%"></u>`}</span><span${text.includes('\u00d7') && html` class="long"`}>${text}</span></td>`;
};

const share = (row, start) => {
  const now = row.measures.kernel_share, before = start?.measures.kernel_share;
  if (typeof now !== 'number') return none(row, 'kernel_share', 'share');
  const known = typeof before === 'number';
  return html`<td class="share"><span class="rail" aria-hidden="true">${known && html`<i class="ring" style="left:${(100 * before).toFixed(1)}%"></i>`}<i class="disc" style="left:${(100 * now).toFixed(1)}%"></i></span>
    <span><span class="sr-only">${known && `from ${rounded(before)} to `}</span>${rounded(now)}</span></td>`;
};
const rounded = part => part > 0 && part < 0.005 ? '<1%' : `${Math.round(100 * part)}%`;

// One block over the run: a cell a measurement; the one that is shown is outlined.
const strip = (row, index, shown, at, most) => {
  const value = event => event.blocks[index]?.measures[HEAT] ?? null;
  if (shown.every(([event]) => value(event) === null)) return none(row, HEAT, 'strip');  // a block that has no kernel
  const cells = shown.map(([event, k]) => html`<i${k === at && html` class="at"`} style="background:${shade(value(event), most)}" title="Step ${event.step}: ${number(value(event))}"></i>`);
  const [first, last] = [shown[0][0], shown.at(-1)[0]];
  return html`<td class="strip"><span role="img" aria-label="From ${number(value(first))} to ${number(value(last))} over ${last.step} steps">${cells}</span></td>`;
};

// A color between the four stops of the amount scale; none where the value is undefined.
export const shade = (value, most) => {
  if (value === null) return 'none';
  const place = 3 * Math.min(1, Math.max(0, value / most)), stop = Math.min(2, Math.floor(place));
  return `color-mix(in srgb,var(${STOPS[stop + 1]}) ${Math.round(100 * (place - stop))}%,var(${STOPS[stop]}))`;
};

const table = (heads, body, label, css = '') => {
  const cells = heads.map(head => {
    const [name, note] = HEADS[head] ?? [NAMES[head] ?? head];
    return html`<th scope="col" title="${meaning(head === 'by step' ? HEAT : head)}">${name}${note && html`<small>${note}</small>`}</th>`;
  });
  return scroll(label, html`<table class="rows ${css}"><thead><tr>${cells}</tr></thead><tbody>${body}</tbody></table>`);
};
// A box that scrolls by itself, also by keyboard, so that the page never scrolls sideways.
const scroll = (label, inside) => html`<div class="scroll" tabindex="0" role="region" aria-label="${label}">${inside}</div>`;
