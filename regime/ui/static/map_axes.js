// Where values lie along an axis of a map, counted in cells: the middle of the first is at 0.5.
export const position = (axis, value) => {
  const sorted = axis.values.map((other, k) => [other, k]).sort((a, b) => a[0] - b[0]);
  let next = sorted.findIndex(([other]) => other >= value);
  if (next <= 0) next = next === 0 ? 1 : sorted.length - 1;
  const [[low, from], [high, to]] = [sorted[next - 1], sorted[next]];
  return 0.5 + from + (to - from) * Math.log(value / low) / Math.log(high / low);
};

const round = (low, high, steps) => {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    found.push(...steps.map(step => Number((step * 10 ** power).toPrecision(1))));
  }
  return found.filter(value => value >= low && value <= high);
};

// What an axis is marked with between two positions, as [value, position]: its values; of many numbers, round ones among them.
export const marks = (axis, first, last, most) => {
  const shown = axis.values.map((value, k) => [value, k + 0.5]).filter(([, at]) => at >= first && at <= last);
  const every = Math.ceil(shown.length / most), own = shown.filter((_, k) => k % every === 0);
  if (shown.length < 8 || axis.values.some(value => !(value > 0))) return own;
  const numbers = shown.map(([value]) => value), low = Math.min(...numbers), high = Math.max(...numbers);
  const fine = round(low, high, [1, 2, 5]), kept = fine.length > most ? round(low, high, [1]) : fine;
  return kept.length > 1 ? kept.map(value => [value, position(axis, value)]) : own;
};
