// A figure of a card, on uPlot's axes: dots with their intervals, curves and dashed guides, in any order of x; the pointer takes the nearest point.
import { nice } from './axis.js';
import { css } from './colors.js';
import { capital, fieldName, fill, html, number, tickText } from './format.js';
import { NAMES } from './facts.js';
import uPlot from './uplot.js';

const STEPS = [[1], [1, 3], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]], MOST = 6;  // ticks of a decade, and of an axis
const HINT = 'Point at a dot or a line for its values.';
const faint = color => `color-mix(in srgb, ${color} 15%, transparent)`;
const word = name => NAMES[name] ?? fieldName(name);

// An axis that holds all values with a margin, and its round ticks; where few values are measured, those.
const axisOf = (values, log, measured = []) => {
  const known = values.filter(value => value !== null && (!log || value > 0)), f = log ? Math.log10 : value => value, back = log ? value => 10 ** value : value => value;
  if (!known.length) return { low: log ? 0.1 : 0, high: 1, log, ticks: [] };
  const [first, last] = [f(Math.min(...known)), f(Math.max(...known))], margin = 0.07 * (last - first) || (log ? 0.3 : Math.abs(last) / 10 || 1);
  const low = back(first - margin), high = back(last + margin), inside = tick => tick >= low && tick <= high;
  const own = [...new Set(measured)].sort((a, b) => a - b), gap = Math.min(...own.slice(1).map((value, k) => f(value) - f(own[k])));
  if (own.length > 2 && own.length <= MOST + 1 && gap > 0.1 * (last - first)) return { low, high, log, ticks: own };
  const ticks = log ? decadesIn(low, high).filter(inside) : [];
  return { low, high, log, ticks: ticks.length > 1 ? ticks : evenly(low, high) };
};
const decadesIn = (low, high) => {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))], every = Math.ceil((last - first) / MOST);
  const all = steps => Array.from({ length: last - first + 1 }, (_, k) => first + k).filter(power => power % every === 0).flatMap(power => steps.map(step => step * 10 ** power));
  return STEPS.map(all).find(ticks => ticks.filter(tick => tick >= low && tick <= high).length > 2) ?? all(STEPS.at(-1));
};
const evenly = (low, high) => {
  const step = nice((high - low) / MOST);
  return Array.from({ length: MOST + 2 }, (_, k) => Number(((Math.ceil(low / step) + k) * step).toPrecision(12))).filter(tick => tick <= high);
};

const SHAPES = {
  disc: (pen, x, y, r) => pen.arc(x, y, r, 0, 7),
  square: (pen, x, y, r) => pen.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r),
  diamond: (pen, x, y, r) => [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]].forEach(([dx, dy], k) => pen[k ? 'lineTo' : 'moveTo'](x + r * dx, y + r * dy)),
  triangle: (pen, x, y, r) => [[0, -1.2], [1.1, 0.9], [-1.1, 0.9]].forEach(([dx, dy], k) => pen[k ? 'lineTo' : 'moveTo'](x + r * dx, y + r * dy)),
};

// Points of a series, without gaps and without what a log axis cannot show.
const pointsOf = ({ x, y, low, high }, { log_x: logX, log_y: logY }) => x.map((at, k) => ({ x: at, y: y[k], low: low?.[k] ?? null, high: high?.[k] ?? null }))
  .map(point => point.y === null || (logX && point.x <= 0) || (logY && point.y <= 0) ? null : point);

const paint = (plot, spec, held) => {
  const pen = plot.ctx, ratio = devicePixelRatio, { left, top, width, height } = plot.bbox;
  const at = ({ x, y }) => [plot.valToPos(x, 'x', true), plot.valToPos(y, 'y', true)];
  const end = (point, side) => plot.valToPos(Math.max(point[side], spec.log_y ? plot.scales.y.min : -Infinity), 'y', true);
  pen.save();
  pen.beginPath();
  pen.rect(left - 6 * ratio, top - 6 * ratio, width + 12 * ratio, height + 12 * ratio);
  pen.clip();
  spec.series.toReversed().forEach(series => {
    const points = pointsOf(series, spec), color = css(series.color), spread = points.filter(point => point?.low != null && point.high != null);
    Object.assign(pen, { strokeStyle: color, fillStyle: color, lineWidth: (series.style === 'line' ? 2.25 : 1.25) * ratio, lineJoin: 'round' });
    pen.setLineDash(series.style === 'guide' ? [6 * ratio, 4 * ratio] : []);
    pen.beginPath();
    if (series.style === 'dots') {
      spread.forEach(point => {
        pen.moveTo(at(point)[0], end(point, 'low'));
        pen.lineTo(at(point)[0], end(point, 'high'));
      });
      pen.stroke();
      points.filter(Boolean).forEach(point => {
        pen.beginPath();
        SHAPES[series.marker](pen, ...at(point), 4 * ratio);
        pen.closePath();
        pen.fill();
      });
      return;
    }
    points.forEach((point, k) => point && pen[points[k - 1] ? 'lineTo' : 'moveTo'](...at(point)));
    pen.stroke();
    if (!spread.length) return;
    pen.beginPath();
    spread.forEach(point => pen.lineTo(at(point)[0], end(point, 'high')));
    spread.toReversed().forEach(point => pen.lineTo(at(point)[0], end(point, 'low')));
    pen.fillStyle = faint(color);
    pen.fill();
  });
  if (held) {
    Object.assign(pen, { strokeStyle: css('ink'), lineWidth: 1.5 * ratio });
    pen.setLineDash([]);
    pen.beginPath();
    pen.arc(...at(held), 8 * ratio, 0, 7);
    pen.stroke();
  }
  pen.restore();
};

const make = (box, spec, hold) => {
  const all = spec.series.flatMap(series => pointsOf(series, spec).filter(Boolean)), measured = spec.series.filter(({ style }) => style === 'dots').flatMap(({ x }) => x);
  const x = axisOf(all.map(point => point.x), spec.log_x, measured), y = axisOf(all.flatMap(point => [point.y, point.low ?? point.y, point.high ?? point.y]), spec.log_y);
  const scale = axis => ({ distr: axis.log ? 3 : 1, auto: false, range: (_, low, high) => [low, high], min: axis.low, max: axis.high });
  const axis = ({ ticks }) => ({ splits: () => ticks, filter: (_, shown) => shown, values: (_, shown) => shown.map(tickText), stroke: css('ink-2'), font: '12px "IBM Plex Sans", system-ui, sans-serif', ticks: { show: false } });
  return new uPlot({
    width: box.clientWidth, height: box.clientHeight, legend: { show: false }, padding: [8, 14, 0, 0],
    cursor: { x: false, y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { x: { time: false, ...scale(x) }, y: scale(y) },
    series: [{}, { show: false }],
    axes: [{ ...axis(x), grid: { show: false }, size: 22, gap: 4 }, { ...axis(y), grid: { stroke: css('hairline'), width: 1 }, size: 48, gap: 6 }],
    hooks: { draw: [plot => paint(plot, spec, hold())] },
  }, [[x.low, x.high], [null, null]], box);
};

// The point nearest to the pointer.
const nearest = (plot, spec, { offsetX, offsetY }) => {
  const far = point => Math.hypot(plot.valToPos(point.x, 'x') - offsetX, plot.valToPos(point.y, 'y') - offsetY);
  const points = spec.series.flatMap(series => pointsOf(series, spec).filter(Boolean).map(point => ({ ...point, name: series.name })));
  return points.reduce((one, other) => one && far(one) <= far(other) ? one : other, null);
};
const range = ({ low, high }) => low === null || high === null ? '' : `, 95% ${number(low, 3)} to ${number(high, 3)}`;
const said = (point, spec) => `${capital(point.name)}, ${word(spec.x).toLowerCase()} ${tickText(Number(point.x.toPrecision(4)))}: ${number(point.y, 3)}${range(point)}`;

const KEYS = {
  disc: html`<circle cx="8" cy="6" r="4"/>`, square: html`<path d="M4.400 2.400h7.200v7.200H4.400z"/>`, diamond: html`<path d="M8 1l5 5-5 5-5-5z"/>`, triangle: html`<path d="M8 1.200l4.400 8.400H3.600z"/>`,
  line: html`<path class="stroke" d="M0 6H18"/>`, guide: html`<path class="stroke dashed" d="M0 6H18"/>`,
};
const key = ({ name, style, color, marker }) => html`<span><svg viewBox="0 0 18 12" width="18" height="12" style="--color:var(--${color})" aria-hidden="true">${KEYS[style === 'dots' ? marker : style]}</svg>${name}</span>`;

// Draws a figure into an element, and again where its size or the theme has changed.
export const claimFigure = (root, spec) => {
  const text = JSON.stringify(spec);
  if (root.drawn !== text) {
    root.drawn = text;
    root.chart?.plot?.destroy();
    fill(root, html`<figcaption><h4>${spec.title}</h4><p class="legend always">${spec.series.map(key)}</p></figcaption><p class="axis">${word(spec.y)}</p>
      <div class="canvas" role="img" aria-label="${spec.title}. ${capital(word(spec.y))} against ${word(spec.x)}: ${spec.series.map(({ name, x }) => `${name}, ${x.length} points`).join('; ')}. The values are in a table under Details."></div>
      <p class="axis x">${word(spec.x)}</p><output class="pointed" aria-hidden="true">${HINT}</output>`);
    root.chart = { box: root.querySelector('.canvas'), plot: null, key: '', held: null };
    root.sized?.disconnect();
    root.sized = new ResizeObserver(() => claimFigure(root, spec));
    root.sized.observe(root.chart.box);
  }
  const { chart } = root, { box } = chart, shown = [box.clientWidth, box.clientHeight, document.body.classList.contains('dark')].join();
  if (!box.clientWidth || chart.key === shown) return;
  chart.plot?.destroy();
  Object.assign(chart, { key: shown, held: null, plot: make(box, spec, () => chart.held) });
  const output = root.querySelector('output'), tell = point => {
    if (point?.name === chart.held?.name && point?.x === chart.held?.x) return;
    chart.held = point;
    output.textContent = point ? said(point, spec) : HINT;
    chart.plot.redraw(false);
  };
  chart.plot.over.onpointermove = event => tell(nearest(chart.plot, spec, event));
  chart.plot.over.onpointerleave = () => tell(null);
};

// The numbers of a figure as a table.
export const figureTable = spec => html`<div class="scroll" tabindex="0" role="region" aria-label="${spec.title}, as a table"><table class="rows compared"><caption class="sr-only">${spec.title}</caption>
  <thead><tr><th scope="col">Series</th><th scope="col">${word(spec.x)}</th><th scope="col">${word(spec.y)}</th><th scope="col">95% interval</th></tr></thead>
  <tbody>${spec.series.flatMap(({ name, x, y, low, high }) => x.map((at, k) => html`<tr><th scope="row">${name}</th><td>${tickText(Number(at.toPrecision(4)))}</td><td>${number(y[k], 3)}</td>
    <td>${low?.[k] == null || high?.[k] == null ? '' : `${number(low[k], 3)} to ${number(high[k], 3)}`}</td></tr>`))}</tbody></table></div>`;
