// Where the regime changes: every run that a search has tried is a dot, which opens it; the border is where they change sides.
import { decades, place } from './axis.js';
import { differing, lowered } from './comparison.js';
import { ROWS, ZONES } from './facts.js';
import { capital, fieldName, fill, html, number, short, tickText } from './format.js';

const AXES = ['alpha', 'learning_rate', 'width'], SIDES = { lazy: 'Where lazy ends', rich: 'Where rich begins' };
const HINT = 'A ring is lazy, a diamond mixed, a disc rich; a small dot has no verdict. Press one to open its run.';
const INDEX = { low: 0, high: 1 };
const css = label => label === 'no verdict' ? 'none' : label;
const words = axis => lowered(fieldName(axis));
const digits = value => tickText(short(value));
const range = interval => interval ? `${number(interval[0])} to ${number(interval[1])}` : null;

// Draws what is varied, how far the search is, its runs, and what it came to.
export const border = (root, tab) => {
  if (!root.childElementCount) build(root, tab);
  const found = tab.border ?? { seen: [] }, seen = found.seen.toSorted((one, other) => one.value - other.value);
  const [button, status, bar, chart, said, reasons, table] = root.querySelectorAll('.find button, .state, progress, .tried, .pointed, .reasons, details');
  button.textContent = found.going ? 'Stop' : 'Find the border';
  status.classList.toggle('bad', Boolean(found.error));
  const whose = seen.length ? others(tab, found) : '';
  fill(status, html`${standing(found)} ${whose}`);
  bar.hidden = !found.going;
  bar.value = found.fraction ?? 0;
  root.classList.toggle('other', whose !== '');
  chart.hidden = table.hidden = said.hidden = !seen.length;
  if (seen.length) drawn(chart, found, seen, say(said, found));
  fill(reasons, html`${(found.border?.reasons ?? []).map(reason => html`<li>${reason.replaceAll(`${found.axis} =`, `${words(found.axis)} =`)}</li>`)}`);
  fill(table.lastElementChild, html`<table class="rows compared"><caption class="sr-only">Runs that were tried</caption><thead><tr><th scope="col">${fieldName(found.axis ?? '')}</th><th scope="col">Verdict</th>
    <th scope="col">Regime index</th><th scope="col">95% interval</th></tr></thead><tbody>${seen.map(row)}</tbody></table>`);
};

const row = ({ value, label, index, interval, agree }) => html`<tr><th scope="row">${digits(value)}</th><td>${capital(label)}</td><td>${number(index)}</td><td>${range(interval) ?? agree}</td></tr>`;

const standing = ({ going, error, border: end, place: queue, values, axis, seen }) => {
  if (error) return error;
  if (end) return `${seen.length} runs were tried.`;
  if (!going) return seen.length ? `Stopped after ${seen.length} ${seen.length > 1 ? 'runs' : 'run'}.` : '';
  if (values) return `${seen.length} runs tried. Now at ${words(axis)} = ${values.map(digits).join(', ')}.`;
  return queue ? `In the queue, ${queue - 1} before it.` : 'Starting.';
};

// Says which other settings than the form's a search was of, apart from the one that it varies; empty where there are none.
const others = ({ told, touched }, { config, axis, going }) => {
  if (touched || told.bad) return 'This border is of settings from before.';
  const other = told.searched && differing(config, told.searched, axis);
  return other ? `This border is of runs with ${other}.${going ? '' : " Press Find the border for the form's."}` : '';
};

const say = (said, { axis }) => run => {
  said.textContent = run ? `${capital(words(axis))} ${digits(run.value)}: ${run.label}, index ${number(run.index)}${run.interval ? `, 95% ${range(run.interval)}` : ''}, ${run.agree}` : HINT;
};

// The chart: value against regime index. The pointer takes the nearest dot; keys go from one to the next.
const drawn = (chart, { axis, border: end }, seen, tell) => {
  const x = decades(seen.map(run => run.value)), ticks = x.ticks.length > 6 ? x.ticks.filter(tick => /^[^25]*$/.test(tick.toExponential().split('e')[0])) : x.ticks;
  const held = document.activeElement?.closest?.('.trial')?.dataset.value, up = index => 100 - 100 * index, across = value => place(x, value).toFixed(2);
  const tabbed = seen.some(run => String(run.value) === chart.held) ? chart.held : String(seen[0].value);
  const ends = end?.interval?.map((value, k) => across(value ?? [x.low, x.high][k]));
  fill(chart, html`<div class="plot" role="group" aria-label="Regime index against ${words(axis)}, ${seen.length} runs">
    <svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">${ZONES.map(([name, from, to]) => html`<rect class="${name}" y="${up(to)}" width="100" height="${100 * (to - from)}"/>`)}
    ${ends && html`<rect class="interval" x="${ends[0]}" width="${ends[1] - ends[0]}" height="100"/>`}${end?.value && html`<path class="at" d="M${across(end.value)} 0V100"/>`}
    <path class="whisker" d="${seen.filter(run => run.interval).map(({ value, interval: [low, high] }) => `M${across(value)} ${up(low)}V${up(high)}`).join('')}"/></svg>
    ${ZONES.map(([name, from, to]) => html`<span class="tick y" style="bottom:${50 * (from + to)}%" aria-hidden="true">${name}</span>`)}${ticks.map(tick => html`<span class="tick x" style="left:${place(x, tick)}%" aria-hidden="true">${tickText(tick)}</span>`)}
    ${seen.map(run => html`<button type="button" class="trial is-${css(run.label)}" data-value="${run.value}" tabindex="${String(run.value) === tabbed ? 0 : -1}" style="left:${across(run.value)}%;bottom:${place(INDEX, run.index ?? 0)}%"
      aria-label="${digits(run.value)}: ${run.label}, index ${number(run.index)}"></button>`)}</div>`);
  const plot = chart.firstElementChild, dots = [...plot.querySelectorAll('button')], of = dot => seen[dots.indexOf(dot)];
  if (held && document.activeElement === document.body) dots.find(dot => dot.dataset.value === held)?.focus();
  const near = event => dots.reduce((best, dot) => far(dot, event) < far(best, event) ? dot : best);
  plot.onpointermove = event => tell(of(near(event)));
  plot.onpointerleave = () => tell(null);
  dots.forEach(dot => {
    dot.onfocus = () => {
      chart.held = dot.dataset.value;
      tell(of(dot));
    };
  });
  plot.onclick = event => chart.open(of(event.target.closest('button') ?? near(event)).value);
  plot.onkeydown = event => {
    const at = dots.indexOf(event.target), to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: dots.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    dots[to]?.focus();
  };
};

const far = (dot, { clientX, clientY }) => {
  const { left, top, width, height } = dot.getBoundingClientRect();
  return Math.hypot(clientX - left - width / 2, clientY - top - height / 2);
};

const menu = (name, label, options) => html`<div class="control typed"><label for="border-${name}">${label}</label><select id="border-${name}">${Object.entries(options).map(([value, text]) => html`<option value="${value}">${text}</option>`)}</select></div>`;

const build = (root, tab) => {
  fill(root, html`<h2>Where the regime changes</h2><p class="sub">The form's run at other values of one setting, until two of different regimes are close. Every value is tried.</p>
    <div class="find">${menu('axis', 'Vary', Object.fromEntries(AXES.map(axis => [axis, fieldName(axis)])))}${menu('side', 'Border', SIDES)}<button type="button" class="chip"></button></div>
    <p class="state notice" role="status"></p><progress max="1" aria-label="Of the runs that train" hidden></progress><div class="tried chart"></div><p class="pointed">${HINT}</p><ul class="reasons"></ul>
    <details><summary>Runs as a table</summary><div class="scroll" tabindex="0" role="region" aria-label="Runs that were tried"></div></details>`);
  const chosen = name => root.querySelector(`#border-${name}`).value;
  root.querySelector('button').onclick = () => {
    if (tab.border?.going) return tab.search({ do: 'stop' });
    const asked = { axis: chosen('axis'), side: chosen('side') };
    const rows = Object.fromEntries(ROWS.map(name => [name, tab.screen.querySelector(`[data-name=${name}] textarea`)?.value]).filter(([, text]) => text));
    tab.border = { ...asked, seen: [], going: true, rows };
    tab.search({ do: 'find', ...asked });
    return tab.redraw();
  };
  // Own rows are a mark in what the server sends; the page has them.
  root.querySelector('.tried').open = value => {
    const { config, axis, rows } = tab.border, own = Object.keys(rows).filter(name => config[name]);
    tab.ask('open', { config: { ...config, ...Object.fromEntries(own.map(name => [name, rows[name]])), [axis]: value } });
  };
};
