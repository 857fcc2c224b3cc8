// Scales of charts: where a value lies between the ends, and at which round numbers there are ticks.

// A log axis of at most `most` whole decades up to a 1-2-5 number, so that it rarely moves while a run grows.
export const decades = (values, most = 8) => {
  const positive = values.filter(value => value > 0);
  if (!positive.length) return { low: 0.01, high: 1, log: true, ticks: [] };
  const top = nice(Math.max(...positive)), high = Math.ceil(exponent(top));
  const bottom = Math.max(Math.floor(Math.min(exponent(Math.min(...positive)), exponent(top) - 1.3)), high - most);
  const steps = high - bottom < 3 ? [1, 2, 5] : [1], every = Math.ceil((high - bottom + 1) / 6), ticks = [];
  for (let power = bottom; power <= high; power += every) ticks.push(...steps.map(step => step * 10 ** power));
  return { low: 10 ** bottom, high: top, log: true, ticks: ticks.filter(tick => tick <= top * 1.001) };
};

// A fixed log axis, reaching as much further up as its values need, to a hundred at most.
export const raised = (axis, values) => {
  const top = nice(Math.min(100, Math.max(axis.high, ...values)));
  return axis.log && top > axis.high ? { ...axis, high: top, ticks: [...new Set([...axis.ticks, 10, 100])].filter(tick => tick <= top) } : axis;
};
const exponent = value => Math.log10(value);

// The smallest 1, 2 or 5 times a power of ten that is not below the value.
export const nice = value => {
  const power = 10 ** Math.floor(exponent(value));
  return [1, 2, 5, 10].map(step => step * power).find(round => round >= value * 0.999);
};

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
