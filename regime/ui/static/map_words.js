// What a map says of its cells, in words and numbers.
import { MINUS, number as rounded, short } from './format.js';
import { indexOf } from './map_store.js';

// Three digits, so that neighbors can be told apart.
export const number = value => {
  const size = Math.abs(value ?? 0);
  return size < 1e-3 || size >= 1e5 ? rounded(value) : String(+value.toPrecision(3)).replace('-', MINUS);
};
export const tick = value => String(typeof value === 'number' ? short(value) : value);

// The value of a cell's measure, with its interval where it has one.
export const measured = (cell, k) => {
  const [value, low, high] = cell.numbers.slice(3 * k, 3 * k + 3);
  return number(value) + (low === null ? '' : ` [${number(low)}, ${number(high)}]`);
};

export const describe = (map, places, chosen) => {
  const where = map.axes.map((axis, k) => `${axis.label} ${tick(axis.values[places[k] ?? 0])}`).join(', ');
  const cell = map.cells[indexOf(map, places)];
  if (!cell) return `${where}: not run yet`;
  if (cell.error) return `${where}: failed. ${cell.error}`;
  const shown = [...new Set([0, chosen, 1, 2])].filter(k => map.measures[k]).slice(0, 3);
  const numbers = shown.map(k => `${map.measures[k].label} ${measured(cell, k)}`).join('; ');
  return `${where}: ${cell.label}. ${numbers}${cell.reached ? '' : '; the loss asked for was not reached'}`;
};
