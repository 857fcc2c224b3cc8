// The tangent kernel of the first seed over its mean diagonal, at the start and now, and how its pattern changed.
import { paintInk, paintSigned, pointed } from './canvas.js';
import { fill, html, number, term } from './format.js';
import { unpack } from './run.js';

const CHANGE = 0.4;  // where the colors of the change end, in units of the mean diagonal

// Draws the three matrices, points ordered by class.
export const kernels = (root, { run, at, theme }) => {
  const start = run.started?.view.kernel ?? {}, now = run.view(at).kernel ?? {};
  const first = unpack(start.rows), last = unpack(now.rows), both = first.length && last.length;
  const change = both ? last.map((value, k) => value - first[k]) : new Float32Array();
  const growth = both ? `, ${number(now.scale / start.scale)}\u00d7 as large` : '';
  const parts = [['Start', '', first], ['Now', growth, last], ['Change', `, \u00b1${CHANGE}`, change]];
  fill(root, html`<h2>${term('kernel', 'Tangent kernel')}</h2><p class="sub">Held-out points, ordered by class. Dark: a step on one point moves the output
    at the other, so the two learn together. A lazy network keeps its pattern.</p><div class="kernels">${parts.map(([title]) => html`<figure>
    <div class="square" role="img">${rail(start.targets)}<canvas></canvas></div><figcaption><b>${title}</b><span class="growth"></span><output class="pointed" aria-hidden="true"></output></figcaption></figure>`)}</div>`);
  root.querySelectorAll('figure').forEach((figure, k) => {
    const [title, note, values] = parts[k], canvas = figure.querySelector('canvas'), size = Math.sqrt(values.length), said = figure.querySelector('.pointed');
    figure.querySelector('.growth').textContent = note;
    figure.firstElementChild.setAttribute('aria-label', `${title} of the kernel${note}${alike(values, start.targets)}`);
    canvas.hidden = !size;
    const shown = k === 0 ? start.rows : now.rows;
    if (!size || (canvas.shown === shown && canvas.theme === theme)) return;
    Object.assign(canvas, { shown, theme });
    const top = Math.max(...values, 1e-9);
    if (title === 'Change') paintSigned(canvas, size, size, values.map(value => value / CHANGE));
    else paintInk(canvas, size, size, values.map(value => value / top));
    pointed(canvas, (column, row) => `${number(values[row * size + column])} (${row + 1}, ${column + 1})`, said);
  });
};

// The rows' classes along the left, in shades from the lowest target to the highest.
const rail = targets => {
  if (!targets?.length || targets.at(-1) === targets[0]) return '';
  const stops = targets.map((target, k) => {
    const share = Math.round(100 * (target - targets[0]) / (targets.at(-1) - targets[0]));
    return `color-mix(in srgb,var(--fn-high) ${share}%,var(--fn-low)) ${100 * k / targets.length}% ${100 * (k + 1) / targets.length}%`;
  });
  return html`<i class="rail" style="background:linear-gradient(${stops.join()})"></i>`;
};

// What the picture shows, in numbers: the mean over pairs of one class, and over the others.
const alike = (values, targets) => {
  const size = Math.sqrt(values.length), sums = [[0, 0], [0, 0]];
  if (!size || targets?.length !== size) return '';
  values.forEach((value, k) => {
    const sum = sums[Number(targets[Math.floor(k / size)] === targets[k % size])];
    sum[0] += value;
    sum[1] += 1;
  });
  const [others, same] = sums.map(([sum, count]) => number(count ? sum / count : null));
  return `; mean ${same} within classes, ${others} between`;
};
