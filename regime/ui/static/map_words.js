// What a map says of its cells, in words and numbers.
import { indexOf } from './map_store.js';

const raised = digits => [...digits].map(digit => '\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079'[digit]).join('');
export const number = value => {
  if (value === null || value === undefined) return '\u2013';
  if (Math.abs(value) >= 1e5) return value.toExponential(1).replace(/e\+(\d+)/, (_, digits) => `\u00d710${raised(digits)}`);
  return value && Math.abs(value) < 1e-3 ? `<${value > 0 ? '' : '\u2212'}0.001` : String(+value.toPrecision(3));
};
export const tick = value => typeof value === 'number' ? String(+value.toPrecision(3)) : String(value);

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
