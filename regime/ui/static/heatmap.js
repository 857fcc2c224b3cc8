// The map of a sweep: draws its cells and contours, and submits the number of a cell that is pressed.
const pick = (css) => element.querySelector(css);
const measure = pick('.measure'), grid = pick('.cells'), told = pick('.told'), held = pick('.held');
const stops = ['--amount-0', '--amount-1', '--amount-2', '--amount-3'];
let chosen = 0, fixed = {}, shape = '', focus = 0, presses = 0;

const raised = (digits) => [...digits].map(digit => '\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079'[digit]).join('');
const text = (value) => {
  if (value === null || value === undefined) return '\u2013';
  if (Math.abs(value) >= 1e5) return value.toExponential(1).replace(/e\+(\d+)/, (_, digits) => '\u00d710' + raised(digits));
  return value && Math.abs(value) < 1e-3 ? (value > 0 ? '<' : '<\u2212') + '0.001' : String(+value.toPrecision(3));
};
const tick = (value) => typeof value === 'number' ? String(+value.toPrecision(3)) : String(value);
const shade = (share) => {
  const place = 3 * Math.min(1, Math.max(0, share)), stop = Math.min(2, Math.floor(place));
  return `color-mix(in srgb, var(${stops[stop + 1]}) ${Math.round(100 * (place - stop))}%, var(${stops[stop]}))`;
};
const range = (map, m) => {
  if (m.label === map.measures[0].label) return [0, 1];
  const values = Object.values(map.cells).map(cell => cell.v[chosen][0]).filter(v => v !== null && (m.linear || v > 0));
  if (!values.length) return [0.01, 1];
  return [Math.min(...values), Math.max(...values)];
};
const share = (m, [low, high], value) => {
  const f = m.linear ? (v) => v : (v) => Math.log(Math.max(v, 1e-12));
  return high > low ? (f(value) - f(low)) / (f(high) - f(low)) : 0.5;
};
const strides = (axes) => axes.map((_, k) => axes.slice(k + 1).reduce((n, axis) => n * axis.values.length, 1));
const index = (map, column, row) => {
  const steps = strides(map.axes);
  return map.axes.reduce((sum, axis, k) => sum + steps[k] * (k === 0 ? column : k === 1 ? row : fixed[axis.name] || 0), 0);
};
const point = (map, column, row) => map.axes.map((axis, k) =>
  `${axis.label} ${tick(axis.values[k === 0 ? column : k === 1 ? row : fixed[axis.name] || 0])}`).join(', ');
const say = (map, column, row) => {
  const cell = map.cells[index(map, column, row)], where = point(map, column, row);
  if (!cell) return `${where}: not run yet`;
  if (cell.e) return `${where}: failed. ${cell.e}`;
  const shown = [...new Set([0, chosen, 1, 2])].filter(k => map.measures[k]).slice(0, 3).map(k => {
    const [value, low, high] = cell.v[k];
    return `${map.measures[k].label} ${text(value)}` + (low === null ? '' : ` [${text(low)}, ${text(high)}]`);
  });
  return `${where}: ${cell.l}. ${shown.join('; ')}` + (cell.r ? '' : '; the loss asked for was not reached');
};
const build = (map) => {
  const columns = map.axes[0].values.length, rows = map.axes[1] ? map.axes[1].values.length : 1;
  const key = JSON.stringify([map.axes, map.measures.length]);
  if (key === shape) return [columns, rows];
  shape = key; fixed = {}; focus = 0;
  measure.innerHTML = ''; held.innerHTML = ''; grid.innerHTML = '';
  map.measures.forEach((m, k) => measure.append(new Option(m.label, k, k === 0, k === 0)));
  chosen = 0;
  map.axes.slice(2).forEach(axis => {
    const label = document.createElement('label'), select = document.createElement('select');
    axis.values.forEach((value, k) => select.append(new Option(tick(value), k)));
    select.addEventListener('change', () => { fixed[axis.name] = +select.value; paint(); });
    label.append(`${axis.label} `, select);
    held.append(label);
  });
  grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  for (let row = rows - 1; row >= 0; row--) {
    const line = document.createElement('div');
    line.setAttribute('role', 'row');
    for (let column = 0; column < columns; column++) {
      const cell = document.createElement('button');
      cell.type = 'button';
      cell.setAttribute('role', 'gridcell');
      cell.dataset.place = `${column},${row}`;
      line.append(cell);
    }
    grid.append(line);
  }
  const ticks = (axis, side, most) => marks(axis, most).map(([value, at]) => {
    const label = document.createElement('span');
    label.textContent = tick(value);
    label.style[side] = `${at}%`;
    return label;
  });
  pick('.x-ticks').replaceChildren(...ticks(map.axes[0], 'left', element.clientWidth < 500 ? 6 : 12));
  pick('.y-ticks').replaceChildren(...(map.axes[1] ? ticks(map.axes[1], 'bottom', 12) : []));
  pick('.x-name').textContent = map.axes[0].label;
  pick('.y-name').textContent = map.axes[1] ? map.axes[1].label : '';
  return [columns, rows];
};
const place = (axis, value) => {
  const f = Math.log, known = axis.values.map((other, k) => [other, k]).sort((a, b) => a[0] - b[0]);
  let next = known.findIndex(([other]) => other >= value);
  if (next <= 0) next = next === 0 ? 1 : known.length - 1;
  const [[low, from], [high, to]] = [known[next - 1], known[next]];
  return 100 * (0.5 + from + (to - from) * (f(value) - f(low)) / (f(high) - f(low))) / known.length;
};
// What an axis is marked with, and where in percent: its values; of many numbers, round ones among them.
const marks = (axis, most) => {
  const {values} = axis, every = Math.ceil(values.length / most);
  const own = values.map((value, k) => [value, 100 * (k + 0.5) / values.length]).filter((_, k) => k % every === 0);
  if (values.length < 8 || values.some(value => !(value > 0))) return own;
  const low = Math.min(...values), high = Math.max(...values);
  const round = (steps) => {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      found.push(...steps.map(step => Number((step * 10 ** power).toPrecision(1))));
    }
    return found.filter(value => value >= low && value <= high);
  };
  const fine = round([1, 2, 5]), kept = fine.length > most ? round([1]) : fine;
  return kept.length > 1 ? kept.map(value => [value, place(axis, value)]) : own;
};
// The key of what is drawn beside the colors: [class of its sample, text].
const legend = (entries) => pick('.map-legend').replaceChildren(...entries.map(([css, words]) => {
  const item = document.createElement('li'), sample = document.createElement('i');
  sample.className = css;
  item.append(sample, words);
  return item;
}));
const lines = (map) => {
  const entries = [], regime = chosen === 0;
  let theory = false;
  let drawn = '';
  map.lines.forEach(line => {
    if (!regime && line.measure !== map.measures[chosen].name) return;
    const [across, up] = map.axes;
    if (!up || ![across.name, up.name].includes(line.knob) || ![across.name, up.name].includes(line.axis)) return;
    if (map.axes.slice(2).some(axis => line.at[axis.name] !== axis.values[fixed[axis.name] || 0])) return;
    const spot = ([size, knob]) => {
      const [x, y] = line.knob === up.name ? [size, knob] : [knob, size];
      return [place(across, x), 100 - place(up, y)];
    };
    const path = (points) => 'M' + points.map(p => spot(p).map(v => v.toFixed(2)).join(' ')).join('L');
    drawn += `<path class="halo" d="${path(line.points)}"/><path class="contour ${line.look}" d="${path(line.points)}"/>`;
    entries.push([`line ${line.look}`, line.name]);
    if (line.expected !== null) {
      const logs = line.points.map(p => p.map(Math.log));
      const mean = (k) => logs.reduce((sum, p) => sum + p[k], 0) / logs.length;
      const ends = [line.points[0], line.points[line.points.length - 1]].map(([size]) =>
        [size, Math.exp(mean(1) + line.expected * (Math.log(size) - mean(0)))]);
      drawn += `<path class="expected" d="${path(ends)}"/>`;
      theory = true;
    }
  });
  pick('.lines').innerHTML = drawn;
  const shown = [['unsure', 'No verdict'], ['lost', 'Diverged or failed'], ['pending', 'Not run yet']];
  if (theory) entries.push(['line expected', 'Slope that theory expects']);
  legend([...shown.filter(([css]) => grid.querySelector(`.${css}`)), ...entries]);
};
const paint = () => {
  const map = props.value;
  element.classList.toggle('empty', !map || !map.axes.length);
  if (!map || !map.axes.length) { told.textContent = 'The map begins when its first cells are there.'; return; }
  const [columns, rows] = build(map), m = map.measures[chosen], ends = range(map, m);
  [...grid.querySelectorAll('button')].forEach((button, order) => {
    const [column, row] = button.dataset.place.split(',').map(Number), cell = map.cells[index(map, column, row)];
    const value = cell && cell.v[chosen][0];
    const empty = value === undefined || value === null;
    button.style.background = empty ? '' : shade(share(m, ends, value));
    button.className = !cell ? 'pending' : cell.e || cell.l === 'diverged' ? 'lost' : cell.l === 'no verdict' && chosen === 0 ? 'unsure' : '';
    button.setAttribute('aria-label', say(map, column, row));
    button.tabIndex = order === focus ? 0 : -1;
  });
  pick('.low').textContent = chosen === 0 ? 'lazy' : text(ends[0]);
  pick('.high').textContent = chosen === 0 ? 'rich' : text(ends[1]);
  measure.title = m.meaning;
  lines(map);
};
measure.addEventListener('change', () => { chosen = +measure.value; paint(); });
const show = (event) => {
  const button = event.target.closest('.cells button');
  if (button) told.textContent = button.getAttribute('aria-label');
};
grid.addEventListener('pointerover', show);
grid.addEventListener('focusin', show);
grid.addEventListener('keydown', event => {
  const buttons = [...grid.querySelectorAll('button')], columns = props.value.axes[0].values.length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  if (!step || !buttons[focus + step]) return;
  event.preventDefault();
  buttons[focus].tabIndex = -1;
  focus += step;
  buttons[focus].tabIndex = 0;
  buttons[focus].focus();
});
grid.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  focus = [...grid.querySelectorAll('button')].indexOf(button);
  const [column, row] = button.dataset.place.split(',').map(Number);
  props.value = { ...props.value, picked: [index(props.value, column, row), ++presses] };
  trigger('submit');
});
watch('value', paint);
paint();
