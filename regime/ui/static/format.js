// Numbers, names and markup as the page writes them.
import { DEFINITIONS, FIELDS } from './facts.js';

export const MINUS = '\u2212', DASH = '\u2013';
const RAISED = { '-': '\u207b', '+': '', ...'\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079' };

// A value with a few significant digits, and no exponent in the range that a reader compares by eye.
export const number = (value, digits = 2) => {
  if (value === null || value === undefined) return DASH;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e5) {
    const [leading, exponent] = value.toExponential(1).split('e');
    return `${leading.replace('-', MINUS)}\u00d710${[...exponent].map(sign => RAISED[sign]).join('')}`;
  }
  const power = size.toExponential(digits - 1).split('e')[1];  // of the rounded value: 0.096 keeps two digits, 0.0996 is 0.10
  return value.toFixed(Math.max(0, digits - 1 - power)).replace('-', MINUS);
};

// A tick's number, short.
export const tickText = value => {
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-3 && size < 1e5)) return String(Number(value.toPrecision(6))).replace('-', MINUS);
  return value.toExponential().replace('e+', 'e').replace('-', MINUS);
};

// A setting's number, short: a width of 4096 as it is, but not all digits of the square root of 2.
export const short = value => Number.isInteger(value) ? value : Number(value.toPrecision(5));

// A time span in words: `12 s`, `3 min 20 s`, `4 h 39 min`.
export const duration = seconds => {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const rest = whole % 60, minutes = Math.floor(whole / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ''}`;
  return `${minutes} min${rest ? ` ${rest} s` : ''}`;
};

export const byteSize = count => count >= 1e9 ? `${Number((count / 1e9).toPrecision(2))} GB` : `${Math.round(count / 1e6)} MB`;
export const capital = text => text.replace(/^[a-z]/, letter => letter.toUpperCase());  // a formula's Greek stays

// A name that holds its own place in a sentence: one written from right to left would turn what stands beside it.
export const apart = name => /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/.test(name) ? `\u2068${name}\u2069` : name;

// A sentence of the package with its numbers as the page writes them: 2740 is no 2.74e+03.
export const prose = text => text.replaceAll(/\d[\d.]*e[+-]\d+/g, value => tickText(Number(value)));

// A description as a sentence: with a capital, and with a full stop.
export const sentence = text => capital(text) + (text.endsWith('.') ? '' : '.');

// The definition of a measure as a sentence; empty for what is no measure.
export const meaning = name => name in DEFINITIONS ? sentence(DEFINITIONS[name]) : '';

// A field of a configuration in words: `learning_rate` is `Step size`.
export const fieldName = name => FIELDS[name] ?? capital(name.replaceAll('_', ' '));

// Modules of transformers whose paths do not say what they are.
const BLOCKS = {
  head: 'Readout', wte: 'Word embedding', wpe: 'Position embedding', embed_in: 'Word embedding', embed_tokens: 'Word embedding', embed_positions: 'Position embedding',
  ln_f: 'Final norm', norm: 'Final norm', final_layer_norm: 'Final norm', lm_head: 'Word logits', embed_out: 'Word logits',
};

// A block's module path in words: `encoder.layer.0`, `h.0` and `model.layers.0` are `Block 1`.
export const blockName = path => {
  const match = /(?:^|\.)(?:layers?|h|blocks?)\.(\d+)$/.exec(path);
  if (match) return `Block ${Number(match[1]) + 1}`;
  const last = path.slice(path.lastIndexOf('.') + 1);
  return BLOCKS[last] ?? capital(last.replaceAll('_', ' '));
};

// Markup that escapes by construction: html`<p>${text}</p>` escapes text, and takes other markup and lists of both as they are.
class Markup {
  constructor(text) { this.text = text; }
  toString() { return this.text; }
}
const shown = value => {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(shown).join('');
  return String(value).replace(/[&<>"'`]/g, sign => `&#${sign.charCodeAt(0)};`);
};
export const html = (parts, ...values) => new Markup(parts.reduce((text, part, k) => text + shown(values[k - 1]) + part));

document.addEventListener('scroll', ({ target }) => { target.across = target.scrollLeft; }, true);  // to read it later costs a layout
const FOCUSABLE = 'a, button, input, select, summary, [tabindex]';
// Puts markup into an element, unless it is there. The focus and what is scrolled stay where they are, and a button that is held down
// is not taken from under the pointer: what is new comes when it is let go.
export const fill = (root, markup) => {
  if (root.filled === markup.text || root.querySelector('button:active')) return;
  const all = css => [...root.querySelectorAll(css)], across = all('.scroll').map(box => box.across);
  const focused = root.contains(document.activeElement) ? all(FOCUSABLE).indexOf(document.activeElement) : -1;
  root.filled = markup.text;
  root.innerHTML = markup.text;
  all('.scroll').forEach((box, k) => { if (across[k]) box.scrollLeft = across[k]; });
  all(FOCUSABLE)[focused]?.focus({ preventScroll: true });
};

// A word of the page, or a measure's name, whose definition opens at a press.
export const term = (name, text) => html`<button type="button" class="term" popovertarget="term-${name}">${text}</button>`;
