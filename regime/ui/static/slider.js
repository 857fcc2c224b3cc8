const stops = JSON.parse(element.querySelector('.slider').dataset.stops);
const range = element.querySelector('input'), shown = element.querySelector('output');
let exact = null;
const read = () => exact ?? stops[range.valueAsNumber];
const show = value => {
  exact = stops.includes(value) ? null : value;
  const far = stop => Math.abs(Math.log(stop / value));
  range.value = stops.reduce((best, stop, index) => far(stop) < far(stops[best]) ? index : best, 0);
};
range.addEventListener('input', () => { exact = null; });
const paint = () => {
  shown.textContent = read();
  range.setAttribute('aria-valuetext', read());
  range.style.setProperty('--done', 100 * range.valueAsNumber / (stops.length - 1) + '%');
};
