// A map in the page: its canvas, contours, ticks and legend, what it is colored by, and the part of it that is in sight.
import { meaning } from './format.js';
import { marks } from './map_axes.js';
import { contours } from './map_lines.js';
import { painter } from './map_paint.js';
import { indexOf, kind, placesOf } from './map_store.js';
import { number, tick } from './map_words.js';

// Cells that stay in sight along an axis, however near.
const FEWEST = 8;
const STEP = 1.5;
const LEGEND = { unsure: 'No verdict', lost: 'Diverged or failed', none: 'Not defined', pending: 'Not run yet' };
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// `changed` is called whenever what is to be said of a cell may be another.
export const mapView = (element, changed) => {
  const find = css => element.querySelector(css);
  const area = find('.map-area'), svg = find('.lines'), measure = find('.measure'), held = find('.held'), zoom = find('.map-zoom');
  const paint = painter(find('canvas'));
  const view = { chosen: 0, held: [], zoom: 1, x: 0, y: 0, across: 1, up: 1 };
  let map = null, laid = '', kinds = {}, ends = '', lines = [];  // `laid`: the axes that the view is of

  const places = (column, row) => [column, row, ...view.held.slice(2)];
  const furthest = () => Math.max(map.columns, map.rows) / FEWEST;

  // Counts what is in sight: view.across columns of them from the left after view.x, view.up rows from the top after view.y.
  const measureSight = () => {
    const part = cells => Math.max(Math.min(cells, FEWEST), cells / view.zoom);
    [view.across, view.up] = [part(map.columns), part(map.rows)];
    [view.x, view.y] = [clamp(view.x, 0, map.columns - view.across), clamp(view.y, 0, map.rows - view.up)];
  };
  const draw = () => {
    measureSight();
    for (const name of ['x', 'y', 'across', 'up']) area.style.setProperty(`--${name}`, view[name]);
    area.classList.toggle('near', view.zoom > 1);
    svg.setAttribute('viewBox', [view.x, view.y, view.across, view.up].join(' '));
    paint.all(map, view);
    const [across, up] = map.axes, bottom = map.rows - view.y - view.up;
    const ticks = (axis, side, first, size, most) => marks(axis, first, first + size, most).map(([value, at]) =>
      Object.assign(document.createElement('span'), { textContent: tick(value), style: `${side}:${100 * (at - first) / size}%` }));
    find('.x-ticks').replaceChildren(...ticks(across, 'left', view.x, view.across, element.clientWidth < 500 ? 6 : 12));
    find('.y-ticks').replaceChildren(...up ? ticks(up, 'bottom', bottom, view.up, 12) : []);
  };

  const legend = () => {
    const entries = [...Object.entries(LEGEND).filter(([look]) => kinds[look] > 0), ...lines];
    find('.map-legend').replaceChildren(...entries.map(([look, words]) => {
      const item = document.createElement('li'), sample = document.createElement('i');
      sample.className = look;
      item.append(sample, words);
      return item;
    }));
  };
  const outline = () => {
    const { drawing, legend: entries } = contours(map, view);
    svg.innerHTML = drawing;
    lines = entries;
    legend();
  };

  // Draws everything, after a change of what the map is colored by, or of the range of its colors.
  const repaint = () => {
    if (!map?.axes) return;
    kinds = {};
    for (let row = 0; row < map.rows; row++) {
      for (let column = 0; column < map.columns; column++) {
        const look = kind(map.cells[indexOf(map, places(column, row))], view.chosen);
        kinds[look] = (kinds[look] ?? 0) + 1;
      }
    }
    const { name, label } = map.measures[view.chosen], [low, high] = map.ends[view.chosen];
    ends = String([low, high]);
    const words = view.chosen === 0 ? ['lazy', 'rich'] : low > high ? ['', ''] : [number(low), number(high)];
    [find('.low').textContent, find('.high').textContent] = words;
    measure.title = meaning(name) || '0 is lazy and 1 is rich, from kernel and function together.';
    find('.cells').ariaLabel = `Map of regimes, colored by ${label.toLowerCase()}`;
    draw();
    outline();
    changed();
  };

  const lay = () => {
    Object.assign(view, { chosen: 0, held: [], zoom: 1, x: 0, y: 0 });
    measure.replaceChildren(...map.measures.map((m, k) => new Option(m.label, k)));
    held.replaceChildren(...map.axes.slice(2).map((axis, k) => {
      const name = document.createElement('label'), select = document.createElement('select');
      select.append(...axis.values.map((value, at) => new Option(tick(value), at)));
      select.addEventListener('change', () => {
        view.held[k + 2] = +select.value;
        repaint();
      });
      name.append(`${axis.label} `, select);
      return name;
    }));
    find('.x-name').textContent = map.axes[0].label;
    find('.y-name').textContent = map.axes[1]?.label ?? '';
    find('.cells').ariaRowCount = map.rows;
    find('.cells').ariaColCount = map.columns;
    zoom.hidden = furthest() < 2;
  };

  const panTo = (x, y) => {
    Object.assign(view, { x, y });
    draw();
  };
  // Zooms about a point, given as shares of the area.
  const zoomBy = (factor, right = 0.5, down = 0.5) => {
    const [x, y] = [view.x + right * view.across, view.y + down * view.up];
    view.zoom = clamp(view.zoom * factor, 1, Math.max(1, furthest()));
    measureSight();
    panTo(x - right * view.across, y - down * view.up);
  };

  measure.addEventListener('change', () => {
    view.chosen = +measure.value;
    repaint();
  });
  zoom.addEventListener('click', event => {
    const factor = { in: STEP, out: 1 / STEP, all: 0 }[event.target.name];
    if (factor !== undefined) zoomBy(factor);
  });
  const refit = () => {
    if (!area.clientWidth) return;
    paint.fit();
    repaint();
  };
  new ResizeObserver(refit).observe(area);
  const themes = new MutationObserver(() => element.isConnected ? refit() : themes.disconnect());
  for (const root of [document.documentElement, document.body]) themes.observe(root, { attributeFilter: ['class'] });

  return {
    get map() { return map; },
    get zooms() { return !zoom.hidden; },
    view, places, panTo, zoomBy,
    // Shows another map; one with the same axes, as a run that goes on has, as the one before was. Returns whether it has others.
    show: next => {
      map = next;
      element.classList.toggle('empty', !map?.axes);
      if (!map?.axes) return false;
      const shape = JSON.stringify([map.axes, map.measures]), others = shape !== laid;
      laid = shape;
      if (others) lay();
      repaint();
      return others;
    },
    // Draws cells that are new in the map that is shown, and contours where they are.
    update: (indices, outlined) => {
      if (String(map.ends[view.chosen]) !== ends && view.chosen !== 0) return repaint();
      let entered = false;
      for (const index of indices) {
        const [column, row = 0, ...others] = placesOf(map, index), look = kind(map.cells[index], view.chosen);
        if (others.some((place, k) => place !== (view.held[k + 2] ?? 0))) continue;
        paint.one(map, view, column, row);
        kinds[look] = (kinds[look] ?? 0) + 1;
        kinds.pending--;
        entered ||= kinds[look] === 1 || kinds.pending === 0;
      }
      if (outlined) outline();
      else if (entered) legend();
      changed();
    },
    // Moves the part in sight until a cell is in it.
    reveal: (column, row) => {
      const top = map.rows - 1 - row;
      const x = clamp(view.x, column + 1 - view.across, column), y = clamp(view.y, top + 1 - view.up, top);
      if (x !== view.x || y !== view.y) panTo(x, y);
    },
  };
};
