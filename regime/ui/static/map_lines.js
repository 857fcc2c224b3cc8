// The contours of a map and the slopes that are expected of them, as SVG in units of cells, from the upper left corner.
import { position } from './map_axes.js';

const shown = (map, view, { measure, axis, knob, at }) => {
  const [across, up, ...others] = map.axes, drawn = [across.name, up?.name];
  const held = others.every((other, k) => at[other.name] === other.values[view.held[k + 2] ?? 0]);
  const colored = view.chosen === 0 || measure === map.measures[view.chosen].name;
  return colored && held && drawn.includes(axis) && drawn.includes(knob);
};

// The ends of the expected line: through the middle of the contour, as far as it goes.
const ends = ({ points, expected }) => {
  const mean = k => points.reduce((sum, point) => sum + Math.log(point[k]), 0) / points.length;
  return [points[0], points.at(-1)].map(([size]) => [size, Math.exp(mean(1) + expected * (Math.log(size) - mean(0)))]);
};

const path = (look, spots) => `<path class="${look}" d="M${spots.map(spot => spot.map(v => v.toFixed(3)).join(' ')).join('L')}"/>`;

// The drawing, and its legend: [class of its sample, text].
export const contours = (map, view) => {
  const lines = map.lines.filter(line => shown(map, view, line)), [across, up] = map.axes;
  const legend = lines.map(line => [`line ${line.look}`, line.name]);
  if (lines.some(line => line.expected !== null)) legend.push(['line expected', 'Slope that theory expects']);
  const drawing = lines.map(line => {
    const spot = ([size, knob]) => {
      const [x, y] = line.knob === up.name ? [size, knob] : [knob, size];
      return [position(across, x), map.rows - position(up, y)];
    };
    const spots = line.points.map(spot), theory = line.expected === null ? '' : path('expected', ends(line).map(spot));
    return path('halo', spots) + path(`contour ${line.look}`, spots) + theory;
  });
  return { drawing: drawing.join(''), legend };
};
