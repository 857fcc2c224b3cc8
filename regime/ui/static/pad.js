// Own points: a square to put points of two classes into, by pointer or keyboard; they are own rows like any others.
const SIDE = 1.5;  // the square reaches from -SIDE to SIDE, as the tasks' own points do
const STEP = 0.1;
const HEAD = 'x1,x2,class';
const LEAST = 16;
const short = value => String(Number(value.toFixed(2)));

// The points that a text of rows has, where it is this square's own.
export const parse = text => {
  const [head, ...lines] = (text ?? '').trim().split('\n');
  return head === HEAD ? lines.map(line => line.split(',')).map(([x, y, name]) => ({ x: Number(x), y: Number(y), name })) : [];
};
export const write = points => points.length ? [HEAD, ...points.map(({ x, y, name }) => `${short(x)},${short(y)},${name}`)].join('\n') : null;

// Binds the square in a form; `rows` reads and sends the text of the rows, and knows how many of them are used for what.
export const pad = (box, rows) => {
  const plane = box.querySelector('[tabindex]'), svg = box.querySelector('svg'), said = box.querySelector('output');
  const at = { x: 0, y: 0 };
  const chosen = () => box.querySelector('input:checked').value;
  const place = ({ x, y }) => `M${50 + 50 * x / SIDE} ${50 - 50 * y / SIDE}h.01`;
  const paint = () => {
    const points = parse(rows.read()), drawn = name => points.filter(point => point.name === name).map(place).join('');
    for (const name of ['blue', 'orange']) {
      const [edge, inner] = svg.querySelectorAll(`.${name === 'blue' ? 'pos' : 'neg'}`);
      for (const path of [edge, inner]) path.setAttribute('d', drawn(name));
    }
    const count = name => points.filter(point => point.name === name).length;
    const [train, test, probe] = rows.split(), uses = `${train} to train on, ${test} held out, ${probe} for the kernel`;
    const more = !points.length ? '' : points.length < LEAST ? `; ${LEAST - points.length} more to begin` : train + test <= points.length ? `: ${uses}` : '';
    said.textContent = `${count('blue')} blue, ${count('orange')} orange${more}`;
    svg.querySelector('.cursor').setAttribute('d', `M${50 + 50 * at.x / SIDE - 3} ${50 - 50 * at.y / SIDE}h6m-3 -3v6`);
  };
  const change = points => { rows.send(write(points)); paint(); };
  const add = (x, y, name = chosen()) => change([...parse(rows.read()), { x, y, name }]);
  plane.addEventListener('pointerdown', event => {
    const area = svg.getBoundingClientRect();
    at.x = SIDE * (2 * (event.clientX - area.left) / area.width - 1);
    at.y = SIDE * (1 - 2 * (event.clientY - area.top) / area.height);
    add(at.x, at.y, event.shiftKey ? (chosen() === 'blue' ? 'orange' : 'blue') : chosen());
  });
  plane.addEventListener('keydown', event => {
    const step = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
    if (!step && event.key !== ' ' && event.key !== 'Enter') return;
    event.preventDefault();
    if (!step) { add(at.x, at.y); return; }
    at.x = Math.max(-SIDE, Math.min(SIDE, at.x + step[0]));
    at.y = Math.max(-SIDE, Math.min(SIDE, at.y + step[1]));
    paint();
    said.textContent += `; at ${short(at.x)}, ${short(at.y)}`;
  });
  const [undo, clear] = box.querySelectorAll('button');
  undo.addEventListener('click', () => change(parse(rows.read()).slice(0, -1)));
  clear.addEventListener('click', () => change([]));
  return { read: () => null, show: paint, paint };
};
