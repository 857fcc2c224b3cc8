// One form: its value is {name: value} of all its parts, empty is null, how many `changes` it has, and the events of those that
// are `waiting` for the server to read rows. What the server gives is [value, number, changed names].
import { short } from './format.js';
import { pad } from './pad.js';
import { amount, stepSize } from './step_size.js';
import { sketch } from './thumbs.js';

const options = box => JSON.parse(box.dataset.options);

// A native field: a line, a text, a number, a menu or a box to tick.
const typed = box => {
  const field = box.querySelector('input, select, textarea');
  if (field.type === 'checkbox') return { read: () => field.checked, show: value => { field.checked = value; } };
  if (field.type === 'number') return number(field);
  const read = () => field.value.trim() ? field.value : null;
  const show = value => { field.value = value ?? ''; };
  if (!box.querySelector('datalist')) return { read, show };
  // A browser offers only what contains the value: while another is chosen, the value stands aside.
  field.addEventListener('focus', () => { field.placeholder = field.value; field.value = ''; });
  field.addEventListener('blur', () => { field.value ||= field.placeholder; field.placeholder = ''; });
  return { read: () => read() ?? (field.placeholder || null), show };
};

// A number, written short: until it is changed it is still the one that was given.
const number = field => {
  let exact = null, written = null;
  return {
    read: () => {
      const now = amount(field);
      return now === written ? exact : now;
    },
    show: value => {
      const known = typeof value === 'number';
      field.value = known ? short(value) : value ?? '';
      written = amount(field);
      exact = known ? value : written;
    },
  };
};

// One of a few values, all visible; a value that is none of them, as a link may give it, is kept until one is chosen.
const choice = box => {
  const values = options(box), radios = [...box.querySelectorAll('input')];
  let other;
  box.querySelectorAll('svg').forEach((svg, index) => { svg.innerHTML = sketch(values[index]); });
  return {
    read: () => other === undefined ? values[radios.findIndex(radio => radio.checked)] : other,
    show: value => {
      const place = values.indexOf(value);
      other = place < 0 ? value : undefined;
      radios.forEach((radio, index) => { radio.checked = index === place; });
    },
    touched: () => { other = undefined; },
  };
};

// A slider over stops, evenly spaced; a value between stops is kept until it is moved.
const slider = box => {
  const stops = options(box), range = box.querySelector('input'), shown = box.querySelector('output');
  let exact = null;
  const read = () => exact ?? stops[range.valueAsNumber];
  return {
    read,
    show: value => {
      exact = stops.includes(value) ? null : value;
      const far = stop => Math.abs(Math.log(stop / value));
      range.value = stops.reduce((best, stop, index) => far(stop) < far(stops[best]) ? index : best, 0);
    },
    touched: () => { exact = null; },
    paint: () => {
      shown.textContent = read();
      range.setAttribute('aria-valuetext', read());
      range.style.setProperty('--done', 100 * range.valueAsNumber / (stops.length - 1) + '%');
    },
  };
};

// What the server says beside the fields, as markup of its own.
const told = box => {
  let markup = null;
  return { read: () => markup, show: value => { markup = value; box.innerHTML = value ?? ''; } };
};

const fold = box => ({ read: () => box.open, show: value => { box.open = Boolean(value); } });

// A file to drop or to choose; `send` takes its content and its number, which `count` gives.
const upload = (box, { count, send }) => {
  const [button, input] = box.children;
  const take = file => {
    if (!file) return;
    const number = count(), reader = new FileReader();
    reader.addEventListener('load', () => send({ file: reader.result, number }));
    reader.readAsDataURL(file.slice(0, 8e6));  // rows are far smaller: the server refuses that much
  };
  button.addEventListener('click', () => input.click());
  input.addEventListener('change', () => { take(input.files[0]); input.value = ''; });
  box.addEventListener('dragover', event => event.preventDefault());
  box.addEventListener('drop', event => { event.preventDefault(); take(event.dataTransfer.files[0]); });
  return { read: () => null, show: () => {} };
};

const SPLIT = ['samples', 'test_samples', 'probe_samples'];  // what own rows are used for
const KINDS = { slider, choice, told, fold, upload, pad, step: stepSize };

// Whether somebody has used a control since the page drew it, which is possible before this script has come.
const used = box => [...box.querySelectorAll('input, textarea, select')].some(field => {
  if (field.tagName === 'SELECT') return [...field.options].some(option => option.defaultSelected && !option.selected);
  return ['radio', 'checkbox'].includes(field.type) ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
});

export const mount = ({ element, props, trigger, watch }) => {
  const parts = {};
  let changes = 0;  // so that an answer says which of them it knows
  let newest = 0;  // of the changes, the last one that gave rows: files may be answered in another order
  const waiting = {};  // newest changes of rows, or of how they are read, that the server has not answered, by event
  const rows = { read: () => parts.csv.read(), send: text => { parts.csv.show(text); send('csv'); }, split: () => SPLIT.map(name => parts[name].read()) };
  const file = { count: () => { newest = changes += 1; return newest; }, send: data => trigger('upload', data) };
  const ways = { upload: file, pad: rows };
  for (const box of element.querySelectorAll('[data-name]'))
    parts[box.dataset.name] = { box, ...(KINDS[box.dataset.control] ?? typed)(box, ways[box.dataset.control]) };
  const publish = () => {
    props.value = { ...Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part.read()])), changes, waiting: Object.keys(waiting) };
    element.dataset.changes = changes;
  };
  const send = name => {
    parts[name].touched?.();
    parts[name].paint?.();
    parts.pad?.paint();
    changes += 1;
    const { event } = parts[name].box.dataset;
    if (event !== 'input') waiting[event] = changes;
    if (event === 'edit') newest = changes;
    publish();
    trigger(event);
  };
  const show = (value, names) => {
    const answers = names.includes('answers') ? value.answers ?? changes : undefined;
    const older = names.includes('file') && value.file < newest;
    if (older || waiting.edit > answers) { publish(); return; }  // to other rows: those that came since are still to be answered
    for (const event of Object.keys(waiting)) if (waiting[event] <= answers) delete waiting[event];
    for (const name of names.filter(name => name in parts)) {
      parts[name].show(value[name]);
      parts[name].paint?.();
    }
    parts.pad?.paint();
    changes += 1;
    if (!names.includes('task') && names.some(name => parts[name]?.box.dataset.event === 'edit')) waiting.edit = changes;  // a file
    publish();
  };
  // The last value: the page's own, or one that the server gave before this script had come.
  let [first, given] = Array.isArray(props.value) ? props.value : [props.value, 0];
  const early = Object.keys(parts).filter(name => parts[name].box.matches('.field') && used(parts[name].box));
  show(first, Object.keys(first).filter(name => !early.includes(name)));
  early.forEach(send);
  element.addEventListener('input', event => {
    const box = event.target.closest('.field');
    if (box) send(box.dataset.name);
  });
  element.addEventListener('toggle', publish, true);
  watch('value', () => {
    const value = props.value;
    if (!Array.isArray(value) || value[1] === given) { publish(); return; }
    given = value[1];
    show(value[0], value[2]);
    trigger('input');  // so that the server says of it what it says of what is typed
  });
};
