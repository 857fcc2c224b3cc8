// Curves over steps, drawn by uPlot: log axes, dashes, bands of spread, floors, bounds, forecasts, a pinned run, names at the ends.
import { decades, place, raised, stepsAxis } from './axis.js';
import { css } from './colors.js';
import { LOOKS } from './facts.js';
import { fill, html, number, tickText } from './format.js';
import uPlot from './uplot.js';

const ROOM = 5;  // least factor between the ends of an axis while a run goes on, so that it moves but a few times
const RUNAWAY = 30;  // how far above the network's largest value an axis reaches, for curves that leave it
const faint = (name, share) => `color-mix(in srgb, ${css(name)} ${100 * share}%, transparent)`;
const drawn = new WeakMap();

// Points of several curves over one list of steps, as uPlot takes them: undefined where a curve has no point, null where it has a gap.
const aligned = (curves, axis) => {
  const steps = [...new Set(curves.flatMap(points => points.map(([step]) => step)))].sort((a, b) => a - b);
  const order = new Map(steps.map((step, k) => [step, k]));
  // What is above the axis leaves the chart, where it can be seen to.
  const inside = value => value === null || (axis.log && value <= 0) ? null : Math.max(axis.low, value);
  return [steps, ...curves.map(points => {
    const values = Array.from({ length: steps.length });
    points.forEach(([step, value]) => { values[order.get(step)] = inside(value); });
    return values;
  })];
};

// Mean minus and plus one standard deviation, as a factor so that a log axis shows it evenly.
const spread = (points, deviations) => [-1, 1].map(sign => points.map(([step, value], k) => {
  const deviation = deviations[k][1];
  if (value === null || deviation === null || value <= 0) return [step, null];
  return [step, value * (1 + deviation / value) ** sign];
}));

// Everything that one chart shows of a run: its axes and its curves, each {points, look, name}, and pairs of curves with a band between.
export const content = (tab, { parts, axis, most, floor, small }) => {
  const { run, pinned } = tab, curves = [], bands = [];
  const series = parts.map(part => ({ ...part, points: run.series(part.measure), ahead: run.predicted(part.measure) }));
  const kept = pinned ? parts.filter(part => part.pinned).map(part => pinned.series(part.measure)) : [];
  const values = lists => lists.flat().map(([, value]) => value).filter(value => value !== null);
  const known = values([...series.flatMap(({ points, ahead }) => [points, ahead]), ...kept]);
  const own = values([...series.filter(({ look }) => look !== 'twin' && look !== 'limit').map(({ points }) => points), ...kept]);
  const reach = RUNAWAY * Math.max(...own, 0);
  const y = axis ? raised(axis, known) : decades(reach > 0 ? known.map(value => Math.min(value, reach)) : known, most, run.status === 'running' ? ROOM : undefined);
  const area = (low, high, fillStyle) => {
    if (high.filter(([, value]) => value !== null).length < 2) return;
    bands.push({ series: [curves.length + 2, curves.length + 1], fill: fillStyle });
    curves.push({ points: low }, { points: high });
  };
  if (floor) {
    const floors = run.series(parts[0].measure, 'floors');
    area(floors.map(([step, value]) => [step, value === null ? null : y.low]), floors, faint('ink-2', 0.16));
  }
  kept.forEach(points => curves.push({ points, look: 'pinned' }));
  series.forEach(({ measure, points, ahead, look, name, marks }) => {
    area(...spread(points, run.series(measure, 'spread')), faint(LOOKS[look][0], look === 'test' ? 0.08 : 0.16));
    if (ahead.length) curves.push({ points: ahead, look, ahead: true });
    curves.push({ points, look, name, marks, measure });
  });
  return { x: stepsAxis(run.steps, small), y, curves, bands };
};

// The dotted lines across a chart: bounds of the verdict, and what theory expects.
const across = (plot, lines) => {
  const pen = plot.ctx, { left, top, width, height } = plot.bbox;
  pen.save();
  pen.strokeStyle = css('ink-2');
  pen.lineWidth = devicePixelRatio;
  lines.forEach(({ value, dash }) => {
    const y = top + height * (1 - place(plot.axis, value) / 100);
    pen.setLineDash(dash.map(part => part * devicePixelRatio));
    pen.beginPath();
    pen.moveTo(left, y);
    pen.lineTo(left + width, y);
    pen.stroke();
  });
  pen.restore();
};

// A curve of one point has no line.
const lone = (plot, k) => plot.data[k].filter(value => Number.isFinite(value)).length === 1;

const make = ({ box, width, height }, { x, y, curves, bands }, lines, small) => {
  const look = ({ look, ahead, marks }) => {
    if (!look) return { width: 0, points: { show: false } };
    const [stroke, width, dash] = LOOKS[look];
    return {
      stroke: ahead ? faint(stroke, 0.5) : css(stroke), width: ahead ? 1.5 : width, dash,
      points: marks ? { show: true, size: 6, fill: css('ground') } : { show: lone, size: 4, fill: css(stroke) },
    };
  };
  const fixed = { auto: false, range: (_, low, high) => [low, high] };
  const text = { filter: (_, ticks) => ticks, stroke: css('ink-2'), font: '12px "IBM Plex Sans", system-ui, sans-serif', ticks: { show: false } };
  const plot = new uPlot({
    width, height, legend: { show: false }, padding: [8, small ? 16 : 14, 0, 0],
    cursor: { x: false, y: false, points: { show: false }, drag: { x: true, y: false } },
    scales: { x: { time: false, ...fixed, min: x.low, max: x.high }, y: { distr: y.log ? 3 : 1, ...fixed, min: y.low, max: y.high } },
    series: [{}, ...curves.map(look)], bands,
    axes: [
      { ...text, grid: { show: false }, size: 22, gap: 4, splits: (own, _, low, high) => own.zoomed ? [low, (low + high) / 2, high].map(Math.round) : own.ticks ?? x.ticks, values: (_, ticks) => ticks.map(tickText) },
      { ...text, grid: { stroke: css('hairline'), width: 1 }, size: small ? 42 : 46, gap: 6, splits: own => own.axis?.ticks ?? y.ticks, values: (_, ticks) => ticks.map(tickText) },
    ],
    hooks: { draw: [own => own.axis && across(own, lines)], setSelect: [own => { own.zoomed = own.select.width > 0; }] },
  }, null, box);
  plot.over.addEventListener('dblclick', () => { plot.zoomed = false; plot.setScale('x', plot.full); });
  return plot;
};

// Names beside the ends of curves, with the value at the step that is shown, so far apart that none overlap.
const ends = (shown, y) => {
  const gap = 7.5, placed = [];
  shown.map(part => ({ ...part, at: place(y, part.value) })).sort((a, b) => a.at - b.at).forEach(part => {
    placed.push({ ...part, at: Math.max(part.at, placed.length ? placed.at(-1).at + gap : 0) });
  });
  const over = Math.max(0, (placed.at(-1)?.at ?? 0) - 100);
  return placed.map(part => html`<span class="end ${part.look}" style="bottom:${(part.at - over).toFixed(1)}%">${part.name} ${number(part.value)}</span>`);
};

// Draws curves into an element: `parts` are {measure, name, look, marks, pinned}; `axis` is fixed, or else a log axis that holds them.
export const curves = (root, tab, spec) => {
  const { run, pinned, at } = tab, shown = content(tab, spec), { x, y } = shown, event = run.history[at];
  const lines = [
    ...(spec.bounds ?? []).map(value => ({ value, dash: [1.5, 3.5] })),
    ...run.references.filter(known => known.measure === spec.parts[0].measure).map(({ value }) => ({ value, dash: [6, 4] })),
  ];
  let chart = drawn.get(root);
  if (!chart) {
    root.innerHTML = `<div class="legend" aria-hidden="true"></div><div class="chart curves ${spec.css ?? ''}" role="img"><div class="plot" aria-hidden="true"></div></div>`;
    const box = root.querySelector('.plot');
    drawn.set(root, chart = { box, key: '', plot: null, width: box.clientWidth, height: box.clientHeight });
    new ResizeObserver(() => {  // to ask at every picture would lay the page out
      if (chart.width === box.clientWidth && chart.height === box.clientHeight) return;
      Object.assign(chart, { width: box.clientWidth, height: box.clientHeight });
      tab.redraw();
    }).observe(box);
  }
  const key = JSON.stringify([tab.theme, y.log, lines, chart.width, chart.height, shown.bands, shown.curves.map(({ look, ahead }) => [look, ahead])]);
  if (!chart.width) return;  // not seen
  if (key !== chart.key) {
    chart.plot?.destroy();
    Object.assign(chart, { key, plot: make(chart, shown, lines, spec.small) });
    chart.now = chart.plot.over.appendChild(Object.assign(document.createElement('i'), { className: 'now' }));
    chart.names = chart.plot.over.appendChild(Object.assign(document.createElement('div'), { className: 'names' }));
    chart.plot.over.onpointermove = moved => tab.point(chart.plot.posToVal(moved.offsetX, 'x'));
    chart.plot.over.onpointerleave = () => tab.point(null);
  }
  const { plot } = chart;
  Object.assign(plot, { axis: y, ticks: x.ticks, full: { min: x.low, max: x.high } });
  plot.batch(() => {
    plot.setData(aligned(shown.curves.map(({ points }) => points), y), false);
    if (!plot.zoomed) plot.setScale('x', plot.full);
    plot.setScale('y', { min: y.low, max: y.high });
  });
  const where = event ? 100 * plot.valToPos(event.step, 'x') * devicePixelRatio / plot.bbox.width : -1;
  chart.now.style.cssText = tab.scrubbed && where >= 0 && where <= 100 ? `left:${where}%` : 'display:none';
  const values = shown.curves.filter(({ name }) => name).map(part => ({ ...part, value: event?.measures[part.measure] ?? null })).filter(({ value }) => value !== null);
  fill(chart.names, html`${spec.small ? [] : ends(values, y)}`);
  const known = ({ measure }) => shown.curves.some(curve => curve.measure === measure && curve.points.some(([, value]) => value !== null));
  const valued = ({ measure }) => values.find(part => part.measure === measure);
  const named = spec.parts.filter(part => !run.history.length || known(part))
    .map(part => html`<span><i class="key ${part.look}"></i>${part.name}${valued(part) && html` <b>${number(valued(part).value)}</b>`}</span>`);
  const legend = root.querySelector('.legend'), beside = Boolean(pinned) && spec.parts.some(part => part.pinned);
  legend.classList.toggle('always', beside && !spec.small);
  fill(legend, spec.small ? html`` : html`${named}${beside && html`<span><i class="key pinned"></i>pinned run</span>`}`);
  const spoken = values.map(({ name, value }) => `${name} ${number(value)}`).join(', ') || 'nothing yet';
  root.querySelector('.chart').setAttribute('aria-label', `${spec.what} over ${run.steps} steps; at step ${event?.step ?? 0}: ${spoken}`);
};
