// The cells of a map as a table, a page of them at a time, built while it is open.
import { placesOf } from './map_store.js';
import { measured, tick } from './map_words.js';

const ROWS = 20;

const element = (tag, text, scope) => {
  const made = document.createElement(tag);
  made.textContent = text;
  if (scope) made.scope = scope;
  return made;
};
const row = cells => {
  const made = document.createElement('tr');
  made.append(...cells);
  return made;
};

export const cellTable = details => {
  const [back, on] = details.querySelectorAll('button'), page = details.querySelector('input');
  const table = details.querySelector('table'), total = details.querySelector('.total');
  let map = null, first = 0, size = 0;

  const line = index => {
    const cell = map.cells[index], places = placesOf(map, index);
    const values = map.axes.map((axis, k) => element('th', tick(axis.values[places[k]]), 'row'));
    const numbers = map.measures.map((_, k) => element('td', cell && !cell.error ? measured(cell, k) : ''));
    return row([...values, element('td', cell ? cell.error ? `failed: ${cell.error}` : cell.label : 'not run yet'), ...numbers]);
  };
  const draw = () => {
    if (!details.open || !map?.axes) return;
    const heads = [...map.axes.map(axis => axis.label), 'Regime', ...map.measures.map((m, k) => k ? m.label : 'Regime, 0 to 1')];
    const head = document.createElement('thead'), body = document.createElement('tbody');
    head.append(row(heads.map(text => element('th', text, 'col'))));
    body.append(...Array.from({ length: Math.min(ROWS, map.size - first) }, (_, k) => line(first + k)));
    table.replaceChildren(head, body);
    page.max = Math.ceil(map.size / ROWS);
    page.value = first / ROWS + 1;
    total.textContent = `of ${page.max}`;
    back.disabled = first === 0;
    on.disabled = first + ROWS >= map.size;
  };
  const turn = to => {
    first = ROWS * (Math.min(page.max, Math.max(1, Math.round(to) || 1)) - 1);
    draw();
  };

  details.addEventListener('toggle', draw);
  back.addEventListener('click', () => turn(+page.value - 1));
  on.addEventListener('click', () => turn(+page.value + 1));
  page.addEventListener('change', () => turn(+page.value));
  return {
    show: next => {
      map = next;
      if (map.axes && map.size !== size) [first, size] = [0, map.size];
      draw();
    },
    update: indices => {
      if (indices.some(index => index >= first && index < first + ROWS)) draw();
    },
  };
};
