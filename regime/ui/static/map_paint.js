// Paints the cells of a map onto a canvas, in device pixels.
import { indexOf, kind } from './map_store.js';

const SHADES = 128;
const STOPS = ['--amount-0', '--amount-1', '--amount-2', '--amount-3'];

// The colors of the page's theme, as it is now.
const palette = (canvas, pen) => {
  const style = getComputedStyle(canvas), variable = name => style.getPropertyValue(name).trim();
  const rgb = name => {
    pen.fillStyle = variable(name);
    return [1, 3, 5].map(at => parseInt(pen.fillStyle.slice(at, at + 2), 16));
  };
  const stops = STOPS.map(rgb);
  const shades = Array.from({ length: SHADES + 1 }, (_, k) => {
    const place = 3 * k / SHADES, stop = Math.min(2, Math.floor(place)), share = place - stop;
    return `rgb(${stops[stop].map((value, c) => Math.round(value + share * (stops[stop + 1][c] - value))).join(' ')})`;
  });
  const [ground, panel, hairline, ink] = ['--ground', '--panel', '--hairline', '--ink-2'].map(variable);
  return { shades, ground, panel, hairline, ink };
};

// Diagonal lines for cells that have no verdict.
const hatching = (pen, color, ratio) => {
  const side = Math.round(7 * ratio), tile = new OffscreenCanvas(side, side), lines = tile.getContext('2d');
  lines.strokeStyle = color;
  lines.globalAlpha = 0.5;
  lines.lineWidth = 1.5 * ratio;
  for (const shift of [-side, 0, side]) {
    lines.moveTo(shift - 1, side + 1);
    lines.lineTo(shift + side + 1, -1);
  }
  lines.stroke();
  return pen.createPattern(tile, 'repeat');
};

export const painter = canvas => {
  const pen = canvas.getContext('2d', { alpha: false });
  let colors, hatches, ratio = 1;

  const shade = (map, chosen, value) => {
    const { linear } = map.measures[chosen], [low, high] = chosen === 0 ? [0, 1] : map.ends[chosen];
    const of = v => linear ? v : Math.log(Math.max(v, 1e-12));
    const share = high > low ? (of(value) - of(low)) / (of(high) - of(low)) : 0.5;
    return colors.shades[Math.round(SHADES * Math.min(1, Math.max(0, share)))];
  };

  // A cross for what is lost, a dash for what is not defined, small where cells are.
  const sign = (look, x, y, width, height) => {
    const reach = Math.min(3.5 * ratio, width / 3, height / 3), [cx, cy] = [x + width / 2, y + height / 2];
    pen.strokeStyle = colors.ink;
    pen.lineWidth = Math.min(1.2 * ratio, reach);
    pen.beginPath();
    for (const tilt of look === 'lost' ? [-1, 1] : [0]) {
      pen.moveTo(cx - reach, cy - tilt * reach);
      pen.lineTo(cx + reach, cy + tilt * reach);
    }
    pen.stroke();
  };

  const one = (map, view, column, row) => {
    if (!colors) return;  // has no place in the page yet
    const wide = canvas.width / view.across, tall = canvas.height / view.up;
    const [left, right] = [column, column + 1].map(at => Math.round((at - view.x) * wide));
    const [top, bottom] = [map.rows - 1 - row, map.rows - row].map(at => Math.round((at - view.y) * tall));
    const gap = Math.min(wide, tall) < 6 * ratio ? 0 : Math.round(ratio);
    const box = [left, top, right - left - gap, bottom - top - gap];
    const cell = map.cells[indexOf(map, [column, row, ...view.held.slice(2)])], look = kind(cell, view.chosen);
    const value = cell?.numbers[3 * view.chosen] ?? null;
    const fill = color => {
      pen.fillStyle = color;
      pen.fillRect(...box);
    };
    if (value !== null && look !== 'lost') fill(shade(map, view.chosen, value));
    else fill(look === 'unsure' ? colors.ground : colors.panel);
    if (look === 'unsure') fill(hatches[value > 0.5 ? 1 : 0]);
    if (look === 'lost' || look === 'none') sign(look, ...box);
    if (look === 'pending' && gap) {
      pen.strokeStyle = colors.hairline;
      pen.lineWidth = gap;
      pen.strokeRect(left + gap / 2, top + gap / 2, box[2] - gap, box[3] - gap);
    }
  };

  const all = (map, view) => {
    if (!colors) return;
    pen.fillStyle = colors.ground;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    const last = Math.min(map.columns, Math.ceil(view.x + view.across)), top = map.rows - Math.floor(view.y);
    for (let row = Math.max(0, Math.floor(map.rows - view.y - view.up)); row < top; row++) {
      for (let column = Math.floor(view.x); column < last; column++) one(map, view, column, row);
    }
  };

  // Fits the canvas to its place in the page, and takes the colors of its theme.
  const fit = () => {
    ratio = devicePixelRatio;
    [canvas.width, canvas.height] = [canvas.clientWidth, canvas.clientHeight].map(side => Math.round(side * ratio));
    colors = palette(canvas, pen);
    // one for cells near to the ground, one for those far from it
    hatches = [colors.ink, colors.ground].map(color => hatching(pen, color, ratio));
  };
  return { one, all, fit };
};
