// Scales of charts: where a value lies between the ends, and at which round numbers there are ticks.

const ROUND = [1, 2, 5], FINE = [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];  // steps of a decade
const CLOSE = 4, WIDE = 1000;  // ratios of the ends: below the one steps are fine, from the other on an axis has whole decades

// A log axis between round numbers, over `most` decades at most, and over a factor of `least` at least.
export const decades = (values, most = 8, least = 1.25) => {
  const positive = values.filter(value => value > 0);
  if (!positive.length) return { low: 0.01, high: 1, log: true, ticks: [] };
  const top = Math.max(...positive), end = Math.min(Math.max(Math.min(...positive), top / 10 ** most), top / least);
  const ladder = top / end < CLOSE ? FINE : ROUND, high = above(top, ladder), wide = high / end >= WIDE;
  const low = wide ? 10 ** Math.floor(exponent(end)) : below(end, ladder), ends = [low, high].map(end => Math.floor(exponent(end) + 1e-9));
  const every = wide ? Math.ceil((ends[1] - ends[0] + 1) / 6) : 1, ticks = [];
  for (let power = ends[0]; power <= ends[1]; power += every) ticks.push(...(wide ? [1] : ladder).map(step => step * 10 ** power));
  return { low, high, log: true, ticks: ticks.filter(tick => tick >= low * 0.999 && tick <= high * 1.001) };
};

// A fixed log axis, reaching as much further up as its values need, to a hundred at most.
export const raised = (axis, values) => {
  const top = nice(Math.min(100, Math.max(axis.high, ...values)));
  return axis.log && top > axis.high ? { ...axis, high: top, ticks: [...new Set([...axis.ticks, 10, 100])].filter(tick => tick <= top) } : axis;
};
const exponent = value => Math.log10(value);

// The smallest of a decade's steps, times a power of ten, that is not below the value; and the largest that is not above it.
const above = (value, steps) => [...steps, 10].map(step => step * 10 ** Math.floor(exponent(value))).find(round => round >= value * 0.999);
const below = (value, steps) => steps.map(step => step * 10 ** Math.floor(exponent(value))).findLast(round => round <= value * 1.001);
export const nice = value => above(value, ROUND);

// Training steps from 0; a run without steps still has a width. A small chart has no room for three numbers of four digits.
export const stepsAxis = (steps, small) => {
  const high = Math.max(steps, 1);
  return { low: 0, high, ticks: steps > 3 && !(small && steps >= 1000) ? [...new Set([0, Math.floor(steps / 2), steps])] : [0, high] };
};

// Where a value lies, in percent from the low end; what is outside sits on the edge.
export const place = (axis, value) => {
  const f = axis.log ? v => Math.log10(Math.max(v, axis.low)) : v => v;
  const [low, high] = [f(axis.low), f(axis.high)];
  return high > low ? 100 * Math.min(1, Math.max(0, (f(value) - low) / (high - low))) : 0;
};
