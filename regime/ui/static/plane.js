// Dots on a plane: weights with the paths they took, examples, predictions. SVG in percent of its box; what lies outside sits on the edge.
import { place } from './axis.js';
import { fill, html, tickText } from './format.js';

// An axis as long on either side of 0, up to a multiple of half a power of ten, so that it rarely moves while a run grows.
export const around = most => {
  const power = 10 ** Math.floor(Math.log10(most)), reach = Math.ceil(2 * most / power) * power / 2;
  return { low: -reach, high: reach, ticks: [-reach, 0, reach] };
};

// Draws dots, each {at: [x, y], color, faint, square}, over paths, lists of points; `say` returns the text of the dot nearest to the pointer.
export const plane = (root, { x, y = x, dots, paths = [], guide, label, bare }, say, said) => {
  const at = ([a, b]) => `${place(x, a).toFixed(1)} ${(100 - place(y, b)).toFixed(1)}`, line = points => `M${points.map(at).join('L')}`;
  const strokes = new Map();  // of no length, a path for each look
  dots.forEach(dot => {
    const look = JSON.stringify([`${dot.faint ? 'faint' : 'dot'} ${dot.square ? 'square' : ''}`, dot.color]);
    strokes.set(look, `${strokes.get(look) ?? ''}M${at(dot.at)}h.01`);
  });
  const painted = [...strokes].map(([look, d]) => {
    const [css, color] = JSON.parse(look);
    return html`<path class="${css}" style="stroke:${color}" d="${d}"/>`;
  });
  const ticks = x.ticks.map(tick => html`<span style="left:${place(x, tick)}%;translate:-${x.centered ? 50 : place(x, tick)}%;max-width:${100 / x.ticks.length}%">${x.names?.[tick] ?? tickText(tick)}</span>`);
  fill(root, html`<div class="plane" role="img" aria-label="${label}"><svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
    <path class="grid" d="${x.ticks.map(tick => `M${place(x, tick)} 0V100`).join('')}${y.ticks.map(tick => `M0 ${100 - place(y, tick)}H100`).join('')}"/>
    ${guide && html`<path class="guide" d="${line(guide)}"/>`}<path class="trail" d="${paths.map(line).join('')}"/>${painted}</svg>
    ${y !== x && y.ticks.map(tick => html`<span class="tick y" style="bottom:${place(y, tick)}%">${tickText(tick)}</span>`)}</div>${!bare && html`<p class="ticks" aria-hidden="true">${ticks}</p>`}`);
  const box = root.firstElementChild;
  box.onpointermove = event => {
    const area = box.getBoundingClientRect(), across = 100 * (event.clientX - area.left) / area.width, up = 100 * (area.bottom - event.clientY) / area.height;
    const away = ({ at: [a, b] }) => Math.hypot(place(x, a) - across, place(y, b) - up);
    said.textContent = dots.length ? say(dots.reduce((best, dot) => away(dot) < away(best) ? dot : best)) : '';
  };
  box.onpointerleave = () => { said.textContent = ''; };
};
