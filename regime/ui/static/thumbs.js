// Thumbnails of the toy tasks: sketches of their data in a box of 64 by 48, circles for +1 and squares for -1.
const { cos, sin, PI } = Math;
const range = count => [...Array(count).keys()];
const around = count => range(count).map(k => 2 * PI * k / count);
const fixed = number => number.toFixed(1);
const circle = (x, y, r = 1.8) => `<circle class="pos" cx="${fixed(x)}" cy="${fixed(y)}" r="${r}"/>`;
const box = (x, y, width, height, css = 'pixel') => `<rect class="${css}" x="${fixed(x)}" y="${fixed(y)}" width="${width}" height="${height}"/>`;
const square = (x, y) => box(x - 1.6, y - 1.6, 3.2, 3.2, 'neg');
const mark = (x, y, sign) => sign > 0 ? circle(x, y) : square(x, y);
const outline = (x, y, r) => `<circle class="curve" cx="${x}" cy="${y}" r="${r}"/>`;
const path = points => `<path class="curve" d="M${points.map(([x, y]) => `${fixed(x)} ${fixed(y)}`).join('L')}"/>`;
// A curve and a few points on it.
const curve = (points, every) =>
  path(points) + points.filter((_, k) => k % every === Math.floor(every / 3)).map(point => circle(...point)).join('');
const along = y => range(81).map(k => [4 + 0.7 * k, y(k)]);
const signs = [-1, 1], quadrants = signs.flatMap(p => signs.map(q => [p, q]));

const SKETCHES = {
  rings: () => around(20).map(a => circle(32 + 19 * cos(a), 24 + 19 * sin(a)) + square(32 + 9.5 * cos(a), 24 + 9.5 * sin(a))),
  spirals: () => range(18).map(k => 0.15 + 0.85 * k / 17).map(t => [20 * t * cos(2.6 * PI * t), 20 * t * sin(2.6 * PI * t)])
    .map(([x, y]) => circle(32 + x, 24 + y) + square(32 - x, 24 - y)),
  xor: () => quadrants.flatMap(([p, q]) => [[0, 0], ...around(6).map(a => [5.5 * cos(a), 5 * sin(a)])]
    .map(([x, y]) => mark(32 + 13 * p + x, 24 - 12 * q + y, p * q))),
  moons: () => range(13).map(k => PI * k / 12)
    .map(a => circle(25 - 16 * cos(a), 30 - 18 * sin(a)) + square(39 + 16 * cos(a), 18 + 18 * sin(a))),
  circle: () => [outline(32, 24, 18), ...around(24).map(a => mark(32 + 18 * cos(a), 24 + 18 * sin(a), cos(2 * a + 0.3)))],
  sine: () => [curve(along(k => 24 - 12 * sin(0.14 * k) - 6 * sin(0.35 * k)), 12)],
  step: () => [
    path([[4, 36], [32, 36], [32, 12], [60, 12]]),
    ...[[8, 36], [16, 36], [24, 36], [40, 12], [48, 12], [56, 12]].map(place => circle(...place)),
  ],
  parity: () => [
    ...['+-++--+-', '--+-++-+', '-++--+++'].flatMap((row, j) => [...row].map((sign, i) => mark(9 + 6.6 * i, 12 + 12 * j, sign + '1'))),
    box(4.5, 5, 22, 38, 'curve'),
  ],
  'single-index': () => [curve(range(81).map(k => [8 + 0.6 * k, 40 - 0.02 * (k - 40) ** 2]), 10)],
  'multi-index': () => {
    const branch = range(23).map(k => [2 * 1.12 ** (k + 1), 30 / 1.12 ** (k + 1)]);
    return [
      ...quadrants.map(([p, q]) => path(branch.map(([x, y]) => [32 + p * x, 24 - 0.75 * q * y]))),
      ...quadrants.map(([p, q]) => mark(32 + 18 * p, 24 - 14 * q, p * q)),
    ];
  },
  smooth: () => [curve(along(k => 38 - 0.34 * k + 4 * sin(0.06 * k)), 15)],
  teacher: () => {
    const inputs = [12, 24, 36].map(y => [10, y]), units = [6, 18, 30, 42].map(y => [33, y]), output = [55, 24];
    const lines = [...inputs.flatMap(a => units.map(b => [a, b])), ...units.map(b => [b, output])];
    return [...lines.map(path), ...[...inputs, ...units, output].map(([x, y]) => circle(x, y, 2.6))];
  },
  'modular-addition': () => [
    outline(32, 24, 19), path([[32, 10.5], [32, 24], [42.5, 30.5]]),
    ...around(12).map(a => circle(32 + 19 * sin(a), 24 - 19 * cos(a), 1.5)),
  ],
  digits: () => ['01110', '10001', '00001', '00110', '00001', '10001', '01110']
    .flatMap((row, y) => [...row].map((cell, x) => cell === '1' ? box(19.5 + 5 * x, 6.5 + 5 * y, 4.6, 4.6) : '')),
  'breast-cancer': () => {
    const benign = [[13, 14], [12, 35], [51, 37]], malignant = [[31, 24], [50, 13]];
    return [
      ...benign.map(([x, y]) => outline(x, y, 7) + circle(x, y, 2.5)),
      ...malignant.map(([x, y]) => outline(x, y, 9.5) + box(x - 4, y - 4, 8, 8, 'neg')),
    ];
  },
  own: () => [
    box(44, 8, 12, 32), ...[8, 16, 24, 32, 40].map(y => path([[8, y], [56, y]])), ...[8, 20, 32, 44, 56].map(x => path([[x, 8], [x, 40]])),
  ],
};

// The sketch of a task as the inside of an SVG.
export const sketch = task => SKETCHES[task]().join('');
