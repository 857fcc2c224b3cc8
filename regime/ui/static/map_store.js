// The cells of maps, by run. They are kept here since each is sent once, and Gradio builds a component anew as its tab is opened.
import { BOUNDS, NAMES } from './facts.js';
import { fieldName } from './format.js';

const KEPT = 2;
// Measures that are colored by their value; the others by its logarithm.
const LINEAR = ['regime_index', 'forecast_skill', 'test_error', 'twin_test_error', 'kernel_start_test_error', 'kernel_now_test_error'];
const maps = new Map();
let latest = null;

// What a cell looks like when colored by a measure, beside its color; 'none' where it has none of that measure.
export const kind = (cell, measure) => {
  if (!cell) return 'pending';
  if (cell.error || cell.label === 'diverged') return 'lost';
  if (cell.label === 'no verdict' && measure === 0) return 'unsure';
  return cell.numbers[3 * measure] === null ? 'none' : 'colored';
};

export const known = run => maps.get(run);
export const newest = () => latest;

// The number of the cell at a place: column, row, and the values at which the other axes are held.
export const indexOf = (map, places) => map.strides.reduce((sum, stride, k) => sum + stride * (places[k] ?? 0), 0);
export const placesOf = (map, index) => map.strides.map((stride, k) => Math.floor(index / stride) % map.axes[k].values.length);

const open = run => {
  const map = { run, axes: null, cells: [], taken: 0, found: 0, lines: [], behind: false };
  maps.set(run, map);
  if (maps.size > KEPT) maps.delete(maps.keys().next().value);
  return map;
};

const word = value => value ?? 'none';

const scale = (map, frame) => {
  const measures = frame.measures.map(name => ({ name, label: NAMES[name], linear: LINEAR.includes(name) }));
  const axes = Object.entries(frame.axes).map(([name, values]) => ({ name, label: fieldName(name), values: values.map(word) }));
  const sizes = axes.map(axis => axis.values.length);
  const strides = sizes.map((_, k) => sizes.slice(k + 1).reduce((product, size) => product * size, 1));
  Object.assign(map, { axes, measures, strides, size: sizes[0] * strides[0], columns: sizes[0], rows: sizes[1] ?? 1 });
  map.ends = measures.map(() => [Infinity, -Infinity]);
};

const add = (map, [index, label, numbers, error, reached]) => {
  map.cells[index] = { label, numbers, error, reached };
  map.measures.forEach((measure, k) => {
    const value = numbers[3 * k], ends = map.ends[k];
    if (value === null || (!measure.linear && value <= 0)) return;
    ends[0] = Math.min(ends[0], value);
    ends[1] = Math.max(ends[1], value);
  });
};

// A contour: its crossings, and the slope that is expected through their middle.
const line = ({ measure, level, axis, knob, at, crossings, expected }) => ({
  measure, axis, knob,
  at: Object.fromEntries(Object.entries(at).map(([name, value]) => [name, word(value)])),
  look: measure !== 'kernel_change' ? 'gap' : level === BOUNDS.richAbove ? 'kernel' : 'kernel thin',
  name: `${NAMES[measure]} is ${level}`,
  points: crossings.map(({ size, knob: value }) => [size, value]),
  expected: expected && (expected.low + expected.high) / 2
});

// Takes a frame; returns its map and the numbers of the cells that are new. `behind` tells that something sent before is missing.
export const take = frame => {
  const map = latest = maps.get(frame.run) ?? open(frame.run);
  let fresh = [];
  if (!map.axes && frame.axes) scale(map, frame);
  if (map.axes) {
    fresh = frame.cells.filter(([index]) => !map.cells[index]);
    fresh.forEach(cell => add(map, cell));
    if (frame.from <= map.taken) map.taken = Math.max(map.taken, frame.from + frame.cells.length);
    if (frame.lines) [map.lines, map.found] = [frame.lines.map(line), frame.found];
  }
  map.behind = frame.from > map.taken || frame.found > map.found;
  return { map, fresh: fresh.map(([index]) => index) };
};
