// Pictures of numbers: an (n, m) array on a canvas, a pixel each, which the style sheet stretches.
import { color } from './colors.js';

// Paints rows of values: `hue` gives [red, green, blue], and `share` how opaque that is, from 0 to 1.
const paint = (canvas, columns, rows, hue, share) => {
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
  if (!columns || !rows) return;  // not measured yet
  const pen = canvas.getContext('2d'), image = pen.createImageData(columns, rows);
  for (let k = 0; k < columns * rows; k++) {
    const color = hue(k);
    image.data[4 * k] = color[0];
    image.data[4 * k + 1] = color[1];
    image.data[4 * k + 2] = color[2];
    image.data[4 * k + 3] = 255 * share(k);
  }
  pen.putImageData(image, 0, 0);
};

// Paints values of both signs: hue by sign, opacity by size up to 1. Zero is the background, so that it follows the theme.
export const paintSigned = (canvas, columns, rows, values) => {
  const low = color('fn-low'), high = color('fn-high');
  paint(canvas, columns, rows, k => values[k] > 0 ? high : low, k => Math.abs(values[k]));
};

// Paints values from 0 to 1 as ink of the page's theme.
export const paintInk = (canvas, columns, rows, values) => {
  const ink = color('kernel');
  paint(canvas, columns, rows, () => ink, k => values[k]);
};

// Says what is under the pointer: `say(column, row)` returns text for one pixel; nothing is under it outside.
export const pointed = (canvas, say, told) => {
  canvas.onpointermove = event => {
    const box = canvas.getBoundingClientRect();
    const at = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    told.textContent = say(at((event.clientX - box.left) / box.width, canvas.width), at((event.clientY - box.top) / box.height, canvas.height));
  };
  canvas.onpointerleave = () => { told.textContent = ''; };
};
