// Lines over a plane that is no training step: functions of one input, paths of weights. SVG in percent of its box; strokes do not scale.
import { place } from './axis.js';
import { fill, html, number, tickText } from './format.js';

// Draws lines, each {points, look, name}, and single dots, on two fixed axes; says the values under the pointer.
export const line = (root, lines, { x, y, dots = [], label }) => {
  const at = ([a, b]) => `${place(x, a).toFixed(1)} ${(100 - place(y, b)).toFixed(1)}`;
  const path = points => `M${points.map(at).join('L')}${points.length === 1 ? 'h.01' : ''}`;
  fill(root, html`<div class="chart function" role="img" aria-label="${label}"><div class="plot" aria-hidden="true">
    <svg viewBox="0 0 100 100" preserveAspectRatio="none">${y.ticks.map(tick => html`<path class="grid" d="M0 ${100 - place(y, tick)}H100"/>`)}
    <path class="sample" d="${dots.map(point => `M${at(point)}h.01`).join('')}"/>
    ${lines.filter(({ points }) => points.length).map(({ points, look }) => html`<path class="line ${look}" d="${path(points)}"/>`)}</svg>
    ${y.ticks.map(tick => html`<span class="tick y" style="bottom:${place(y, tick)}%">${tickText(tick)}</span>`)}
    ${x.ticks.map(tick => html`<span class="tick x" style="left:${place(x, tick)}%">${tickText(tick)}</span>`)}
    <output class="readout"></output></div></div>`);
  const plot = root.querySelector('.plot'), said = root.querySelector('.readout');
  plot.onpointermove = event => {
    const box = plot.getBoundingClientRect(), where = x.low + (x.high - x.low) * (event.clientX - box.left) / box.width;
    const near = points => points.reduce((best, point) => Math.abs(point[0] - where) < Math.abs(best[0] - where) ? point : best);
    said.textContent = [`at ${number(where)}`, ...lines.filter(({ points }) => points.length).map(({ name, points }) => `${name} ${number(near(points)[1])}`)].join(', ');
  };
  plot.onpointerleave = () => { said.textContent = ''; };
};
