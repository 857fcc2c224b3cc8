const options = JSON.parse(element.querySelector('fieldset').dataset.options);
const radios = [...element.querySelectorAll('input')];
let other;
const read = () => other === undefined ? options[radios.findIndex(radio => radio.checked)] : other;
const show = value => {
  const place = options.indexOf(value);
  other = place < 0 ? value : undefined;
  radios.forEach((radio, index) => { radio.checked = index === place; });
};
radios.forEach(radio => radio.addEventListener('input', () => { other = undefined; }));
const paint = () => {};
