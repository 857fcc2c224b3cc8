// Pictures of numbers: an (n, m) array on a canvas, a pixel each, which the style sheet stretches.
import { color } from './colors.js';

// Paints rows of values as [red, green, blue, share of opacity].
export const paint = (canvas, columns, rows, shade) => {
  canvas.width = columns;
  canvas.height = rows;
  if (!columns || !rows) return;  // not measured yet
  const pen = canvas.getContext('2d'), image = pen.createImageData(columns, rows);
  for (let k = 0; k < columns * rows; k++) {
    const [red, green, blue, share] = shade(k);
    image.data.set([red, green, blue, 255 * Math.min(1, Math.max(0, share))], 4 * k);
  }
  pen.putImageData(image, 0, 0);
};

// Paints values of both signs: hue by sign, opacity by size up to 1. Zero is the background, so that it follows the theme.
export const paintSigned = (canvas, columns, rows, values) => {
  const low = color('fn-low'), high = color('fn-high');
  paint(canvas, columns, rows, k => [...(values[k] > 0 ? high : low), Math.abs(values[k])]);
};

// Paints values from 0 to 1 as ink of the page's theme.
export const paintInk = (canvas, columns, rows, values) => {
  const ink = color('kernel');
  paint(canvas, columns, rows, k => [...ink, values[k]]);
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
