// The presets: a press submits [name, number of presses]; the one whose name is the value looks pressed.
export const mount = ({ element, props, trigger, watch }) => {
  const presets = element.querySelector('.chips');
  const paint = () => presets.querySelectorAll('button').forEach(chip => {
    const name = Array.isArray(props.value) ? props.value[0] : props.value;
    chip.setAttribute('aria-pressed', chip.textContent === name);
  });
  let presses = 0;
  presets.addEventListener('click', event => {
    const chip = event.target.closest('button');
    if (!chip) return;
    props.value = [chip.textContent, ++presses];
    paint();
    trigger('submit');
  });
  watch('value', paint);
  paint();
};
