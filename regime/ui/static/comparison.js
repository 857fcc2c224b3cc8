// The pinned run beside the one that is shown.
import { NAMES, OPTIONS, ROWS } from './facts.js';
import { fieldName, fill, html, meaning, number, short } from './format.js';

const OFF = ['bottleneck', 'max_seeds', 'at_loss'];  // fields of which null means that there is none; of others, that it is chosen
const FEW = 3;  // settings, or values, that are named; more are counted
const MEASURES = ['kernel_change', 'linearization_gap', 'taylor_gap', 'representation_change', 'train_loss', 'test_loss', 'test_error'];

// Draws what differs between the two runs, and their measures; nothing without a pinned run.
export const comparison = (root, { run, pinned, at }) => {
  if (!pinned?.last) return fill(root, html``);
  const last = [pinned.last, run.history[at]];
  const names = Object.keys(run.config).filter(name => name in pinned.config && JSON.stringify(pinned.config[name]) !== JSON.stringify(run.config[name]));
  const changes = names.filter(name => !ROWS.includes(name)).map(name => `${fieldName(name)}: ${value(name, pinned.config)} \u2192 ${value(name, run.config)}`);
  if (names.some(name => ROWS.includes(name))) changes.push('Other rows');
  const shown = MEASURES.map(name => [name, last.map(event => event?.measures[name] ?? null)]).filter(([, values]) => values.some(each => each !== null));
  fill(root, html`<h2>Beside the pinned run</h2><p class="sub">${changes.length ? `Pinned run \u2192 this run. ${changes.join('; ')}.` : 'Both runs have the same settings.'}</p>
    <div class="scroll"><table class="rows compared"><thead><tr><th scope="col">Measure</th><th scope="col">Pinned, step ${pinned.last.step}</th><th scope="col">This run, step ${last[1]?.step ?? 0}</th></tr></thead>
    <tbody><tr><th scope="row">Verdict</th>${last.map(event => html`<td>${event?.verdict.label ?? 'not known yet'}</td>`)}</tr>
    ${shown.map(([name, values]) => html`<tr title="${meaning(name)}"><th scope="row">${NAMES[name]}</th>${values.map(each => html`<td>${number(each)}</td>`)}</tr>`)}</tbody></table></div>`);
};

// The first few of several texts, and how many there are beside them.
const listed = parts => [parts.slice(0, FEW).join(', '), ...parts.length > FEW ? [`${parts.length - FEW} more`] : []].join(' and ');

// A setting's value in words.
export const value = (name, { [name]: setting }) => {
  if (setting === null) return OFF.includes(name) ? 'none' : 'auto';
  if (!Array.isArray(setting)) return typeof setting === 'number' ? short(setting) : OPTIONS[setting] ?? setting;
  if (setting.length > FEW && setting.every(Number.isFinite)) return `${setting[0]} to ${setting.at(-1)} in ${setting.length}`;
  return listed(setting.map(each => OPTIONS[each] ?? each ?? 'none'));
};

// A configuration's settings; of a sweep those of its base, too, and the values of an axis in their place.
export const settings = ({ base, axes, kind, ...fields }) => ({ ...base, ...fields, kind: base?.kind ?? kind, ...axes });
export const lowered = name => name.charAt(0).toLowerCase() + name.slice(1);

// Says in words what a run has other than what is asked for, apart from one field; empty where it has the same.
export const differing = (config, asked, except) => {
  const shown = settings(config), wanted = settings(asked), other = name => name in wanted && JSON.stringify(shown[name]) !== JSON.stringify(wanted[name]);
  const changed = Object.keys(shown).filter(name => name !== except && other(name));
  return listed(changed.map(name => ROWS.includes(name) ? 'other rows' : `${lowered(fieldName(name))} ${value(name, shown)}`));
};
