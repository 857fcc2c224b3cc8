// A card of the wall as markup: the claim, its paper, every number against its tolerance, and what leads back to how it was made.
import { lowered, settings, value } from './comparison.js';
import { capital, DASH, duration, fieldName, html, MINUS } from './format.js';
import { figureTable } from './claim_figure.js';

export const OUTCOMES = { pass: 'Pass', undecided: 'Undecided', fail: 'Fail', shown: 'Shown' };
const MEANINGS = {
  pass: 'every interval lies inside its tolerance', undecided: 'an interval reaches over the edge of its tolerance',
  fail: 'an interval lies outside its tolerance', shown: 'nothing was expected of the numbers',
};
const SIGNS = {
  pass: html`<path d="M4 8.500l2.700 2.700L12 5.500"/>`, fail: html`<path d="M5 5l6 6M11 5l-6 6"/>`,
  undecided: html`<path d="M4.500 8h7"/>`, shown: html`<circle cx="8" cy="8" r="1.500"/>`,
};
export const badge = (outcome, css = '') => html`<span class="outcome is-${outcome}" title="${OUTCOMES[outcome]}: ${MEANINGS[outcome]}"><svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><circle class="disc" cx="8" cy="8" r="8"/><g>${SIGNS[outcome]}</g></svg><span class="${css}">${OUTCOMES[outcome]}</span></span>`;

// Decimals enough to tell the ends of an interval, or of a tolerance, from each other.
const FEWEST = 2, MOST = 6;
const decimals = ({ interval: [from, to], low, high }) => {
  const spans = [to - from, low === null || high === null ? 0 : high - low].filter(span => span > 0);
  return spans.length ? Math.min(MOST, Math.max(0, 1 - Math.floor(Math.log10(Math.min(...spans))))) : FEWEST;
};
const raised = power => [...String(power)].map(sign => sign === '-' ? '\u207b' : '\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079'[sign]).join('');
const digits = (value, places) => {
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 1e-3 && size < 1e5) return value.toFixed(size < 100 ? places : Math.min(places, 1)).replace('-', MINUS);
  const [leading, power] = value.toExponential(1).split('e');
  return `${leading}\u00d710${raised(Number(power))}`.replace('1.0\u00d7', '').replace('-', MINUS);
};

const CLOSE = 30;  // percent between two ticks that have room for their numbers
// The number as a dot, its interval as a whisker, and the tolerance as a band, which is open where it has no end.
const strip = (found, places) => {
  const { value, interval: [from, to], low, high } = found, ends = [from, to, value, low, high].filter(end => end !== null);
  const [least, most] = [Math.min(...ends), Math.max(...ends)], margin = 0.18 * (most - least) || Math.abs(value) || 1;
  const at = end => (100 * (end - least + margin) / (most - least + 2 * margin)).toFixed(2), [start, stop] = [low === null ? 0 : at(low), high === null ? 100 : at(high)];
  const tick = (place, ...marks) => html`<span class="tick" style="left:${place}%">${[...new Set(marks.map(end => digits(end, places)))].join(` ${DASH} `)}</span>`;
  const both = low !== null && high !== null, close = both && stop - start < CLOSE;
  return html`<div class="strip is-${found.outcome}" aria-hidden="true"><i class="rail"></i>${(low !== null || high !== null) && html`<i class="band${low === null && ' from'}${high === null && ' to'}" style="left:${start}%;width:${stop - start}%"></i>`}
    <i class="whisker" style="left:${at(from)}%;width:${at(to) - at(from)}%"></i><i class="dot" style="left:${at(value)}%"></i>
    ${close ? tick((Number(start) + Number(stop)) / 2, low, high) : [low !== null && tick(start, low), high !== null && tick(stop, high)]}</div>`;
};
const tolerance = ({ low, high }, places) => low === null && high === null ? '' : low === null ? `, tolerance: at most ${digits(high, places)}`
  : high === null ? `, tolerance: at least ${digits(low, places)}` : `, tolerance: ${digits(low, places)} to ${digits(high, places)}`;

// One number of a card.
const finding = found => {
  const places = decimals(found), { interval: [from, to], against } = found;
  return html`<li><p class="what">${capital(found.what)}${against && html` <em>against ${against}</em>`}</p><div class="measured">${strip(found, places)}
    <p class="ours"><b>${digits(found.value, places)}</b>${to > from && html` <span>95% ${digits(from, places)} to ${digits(to, places)}</span>`}<small>expected ${found.expected}<span class="sr-only">${tolerance(found, places)}</span></small></p>${badge(found.outcome, 'sr-only')}</div></li>`;
};
export const findings = all => html`<ul class="findings">${all.map(finding)}</ul>`;
export const figures = all => html`<div class="figures">${all.map((_, k) => html`<figure data-figure="${k}"></figure>`)}</div>`;

export const paper = ({ paper: { authors, year, title, arxiv } }) => {
  const name = `${authors} ${year}`;
  return arxiv ? html`<a class="paper" href="https://arxiv.org/abs/${arxiv}" target="_blank" rel="noopener" title="${title}">${name}</a>` : html`<cite title="${title}">${name}</cite>`;
};
const file = (folder, name, label) => html`<a class="chip" href="${folder}/${name}" download="${name}">${label}</a>`;
export const files = ({ id, figures: drawn }, folder) => html`${file(folder, `${id}.json`, 'Card, JSON')}${drawn.map((_, k) => ['csv', 'png', 'svg'].map(ending => file(folder, `${id}-${k + 1}.${ending}`, `Figure${drawn.length > 1 ? ` ${k + 1}` : ''}, ${ending.toUpperCase()}`)))}`;
const when = ({ form, seconds, date, machine }) => `${capital(form)} form, ${duration(Math.max(1, seconds))}, ${date}, ${machine}`;

// A card as it stands on the wall; what is folded is filled when it is opened.
export const card = (shown, folder) => {
  const { id, title, claim, published, outcome, absent, figures: drawn } = shown;
  return html`<article class="claim" id="claim-${id}" data-id="${id}" data-outcome="${outcome}" tabindex="-1" aria-labelledby="claim-${id}-title">
    <header><p class="id">${id}</p>${badge(outcome)}<h3 id="claim-${id}-title">${title}</h3></header>
    <p class="sentence">${claim}</p><p class="published"><span>${paper(shown)}:</span> ${published}</p>
    <div class="body"><div class="shipped"><div class="standing"><p class="id">Shipped, ${shown.form} form</p>${badge(outcome)}</div>${findings(shown.findings)}${figures(drawn)}</div><section class="live" aria-label="${id}, run here" hidden></section></div>
    <footer><p class="note">${when(shown)}${drawn.length > 1 && html`<span class="further">. ${drawn.length - 1} more figure${drawn.length > 2 && 's'} under Details</span>`}</p>
      <div class="acts">${absent ? html`<p class="note absent">${absent}</p>` : html`<button type="button" class="chip" data-act="run">Run it here</button>`}<button type="button" class="chip" data-act="link">Copy link</button>
        <details class="files"><summary class="chip">Download</summary><div class="menu">${files(shown, folder)}</div></details><span role="status"></span></div>
      <details class="more"><summary>Details</summary><div></div></details></footer></article>`;
};

const words = fields => {
  const all = settings(fields), names = Object.keys(all).filter(name => name !== 'kind');
  return names.map((name, k) => `${k ? lowered(fieldName(name)) : fieldName(name)} ${value(name, all)}`).join(', ') || 'All settings by default';
};
const shortened = ({ fields, link }) => html`<li>${words(fields)}${link && html` <a class="paper" href="?${link}" target="_blank" rel="noopener">Open this run<span class="sr-only">: ${words(fields)}</span></a>`}</li>`;
const configs = ({ what, configs: all }) => all.length > 0 && html`<details><summary>${capital(what)}: ${all.length} configuration${all.length > 1 && 's'}</summary><ul class="configs">${all.map(shortened)}</ul></details>`;

// What is under Details: how it was measured, the numbers of its figures, the configurations, the versions.
export const details = shown => html`<h4>How it was measured</h4><p>${shown.method}</p>
  <h4>Paper</h4><p>${paper(shown)}, ${shown.paper.title}${shown.paper.arxiv && `, arXiv ${shown.paper.arxiv}`}</p>
  ${shown.figures.length > 0 && html`<h4>Numbers of the figure${shown.figures.length > 1 && 's'}</h4>${shown.figures.map(figure => html`<details><summary>${figure.title}</summary>${figureTable(figure)}</details>`)}`}
  ${shown.findings.some(found => found.configs.length) && html`<h4>Configurations</h4><p class="note">Settings that are not named have their defaults; seeds begin at Seed, which is 0 where it is not named.</p>${shown.findings.map(configs)}`}
  <h4>Made with</h4><p>${Object.entries(shown.versions).map(([name, version]) => `${name} ${version}`).join(', ')}; ${shown.machine}</p>`;
