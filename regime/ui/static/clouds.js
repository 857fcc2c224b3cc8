// How examples lie in the representation of each block of a transformer: faint at the first measurement, strong now, colored by label.
import { apart, blockName, fill, html, number } from './format.js';
import { around, plane } from './plane.js';
import { unpack } from './run.js';

const COLORS = 8;  // classes that have a color each, as in the style sheet; more, or values, lie on a scale

// Draws a small plane for each block of the first seed; where events have no representations it is empty, and takes no room.
export const clouds = (root, { run, at }) => {
  root.classList.toggle('idle', !run.history.length);  // a run that begins keeps the place of the one before
  if (!run.history.length) return;
  const now = run.view(at).representations ?? {}, then = run.view(0).representations ?? {}, blocks = Object.keys(now);
  if (!blocks.length) {
    fill(root, html``);
    return;
  }
  const { values = [], names = [] } = run.started?.view.labels ?? {}, [low, high] = [Math.min(...values), Math.max(...values)];
  const mixed = value => `color-mix(in srgb,var(--fn-high) ${Math.round(100 * (value - low) / (high - low || 1))}%,var(--fn-low))`;
  const classes = names.length > 0 && names.length <= COLORS;
  const color = k => values[k] === undefined ? 'var(--ink-2)' : classes ? `var(--label-${values[k]})` : mixed(values[k]);
  const label = k => values[k] === undefined ? '' : ` ${apart(names[values[k]] ?? number(values[k]))}`;
  const square = k => classes && k % 2 === 1;  // beside the color
  const key = (stroke, text, k) => html`<span><i class="spot ${square(k) && 'square'}" style="background:${stroke}"></i>${text}</span>`;
  const legend = classes ? names.map((name, k) => key(`var(--label-${k})`, name, k)) : values.length ? [low, high].map(value => key(mixed(value), `label ${names[value] ?? number(value)}`)) : [];
  fill(root, html`<div class="head"><div><h2>How examples lie, block by block</h2><p>Each block\u2019s representation of the first probe examples along its two main directions, turned to fit
    the start. Faint: then. Strong: now.</p></div><p class="legend always">${legend}</p></div>
    <div class="clouds">${blocks.map(block => html`<figure><div></div><figcaption title="${block}">${blockName(block)}</figcaption></figure>`)}</div><output class="pointed" aria-hidden="true"></output>`);
  const said = root.querySelector('output');
  root.querySelectorAll('figure').forEach((figure, k) => {
    const block = blocks[k], [first, last] = [then, now].map(view => points(view[block]));
    const dots = [...first.map((place, n) => ({ at: place, color: color(n), square: square(values[n]), faint: true, n })), ...last.map((place, n) => ({ at: place, color: color(n), square: square(values[n]), n }))];
    const text = dot => `${blockName(block)}, example ${dot.n + 1}${label(dot.n)} ${dot.faint ? 'then' : 'now'}: ${dot.at.map(value => number(value)).join(', ')}`;
    const most = Math.max(...dots.flatMap(dot => dot.at.map(Math.abs)), 0.1), moved = first.map(([x, y], n) => Math.hypot(x - last[n][0], y - last[n][1]));
    const about = `${blockName(block)}: ${last.length} examples${moved.length ? `, moved by ${number(moved.reduce((sum, part) => sum + part, 0) / moved.length)} on average, in units of their spread at the start` : ''}`;
    plane(figure.firstElementChild, { x: { ...around(most), ticks: [0] }, dots, label: about, bare: true }, text, said);
  });
};

const points = packed => {
  const flat = unpack(packed);
  return Array.from({ length: flat.length / 2 }, (_, n) => [flat[2 * n], flat[2 * n + 1]]);
};
