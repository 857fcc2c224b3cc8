// The step size: a slider over factors of the automatic step size, with bands where training is unstable or diverges.
const known = {};  // what the server says, of a preview and of the run that is shown: auto, top, edges, stability
const per = 4;  // slider steps to a factor of 2
const short = value => String(Number(value.toPrecision(value < 1 ? 2 : 3)));
const place = factor => 100 * Math.min(1, Math.max(0, (per * Math.log2(factor) + 16) / 36));

// The number in a field: null where it is empty; where what is typed is none, as much of it as the browser tells.
export const amount = field => {
  const number = field.valueAsNumber, wrong = field.validity.badInput || (field.value !== '' && !Number.isFinite(number));
  field.setAttribute('aria-invalid', wrong);
  return wrong ? field.value || 'no number' : field.value === '' ? null : number;
};

// Binds the control in a form: what it reads, shows, and paints when its value or what is known changes.
export const stepSize = box => {
  const [range, rate] = box.querySelectorAll('input');
  const shown = box.querySelector('output'), note = box.querySelector('.ends');
  const [unstable, divergent, now] = box.querySelectorAll('.bands > *');
  const paint = () => {
    const {auto, top, edges = [], stability} = known;
    if (!auto) return;
    const chosen = rate.value === '' ? auto : rate.valueAsNumber;
    range.value = Math.round(per * Math.log2(chosen / auto)) || 0;
    range.style.setProperty('--done', place(chosen / auto) + '%');
    rate.placeholder = 'auto, ' + short(auto);
    const said = top ? short(chosen * top) : short(chosen / auto) + ' \u00d7 auto';
    shown.textContent = said;
    range.setAttribute('aria-valuetext', said);
    const from = edges.map(edge => place(edge / (top * auto)));
    unstable.style.cssText = edges.length ? `left:${from[0]}%;right:0` : 'display:none';
    divergent.style.cssText = edges.length > 1 ? `left:${from[1]}%;right:0` : 'display:none';
    now.style.cssText = top && stability ? `left:${place(stability / (top * auto))}%` : 'display:none';
    const ends = edges.map((edge, index) => (index ? 'Diverges above ' : 'Settles below ') + short(edge));
    const mark = top && stability ? ['The mark is its value in the run: ' + short(stability) + '.'] : [];
    note.replaceChildren(...[...ends, ...mark].map(text => {
      const part = document.createElement('span');
      part.textContent = text;
      return part;
    }));
  };
  range.addEventListener('input', () => {
    const {auto} = known;
    if (auto) rate.value = range.valueAsNumber ? Number((auto * 2 ** (range.valueAsNumber / per)).toPrecision(3)) : '';
  });
  const repaint = () => {
    if (box.isConnected) paint();
    else document.removeEventListener('regime-known', repaint);
  };
  document.addEventListener('regime-known', repaint);
  return {
    read: () => amount(rate),
    show: value => { rate.value = value ?? ''; },
    paint,
  };
};

// Takes what the server says.
export const tell = said => {
  if (Object.entries(said).every(([name, value]) => JSON.stringify(known[name]) === JSON.stringify(value))) return;
  Object.assign(known, said);
  document.dispatchEvent(new Event('regime-known'));
};
