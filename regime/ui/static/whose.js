// Whose the results are: dimmed as soon as the form is touched, until the server says that they are the form's.
export const mount = ({ element, props, watch }) => {
  const line = element.querySelector('p'), screen = element.closest('.tabitem');
  const mark = stale => screen?.classList.toggle('stale', stale);
  const paint = () => {
    const text = Array.isArray(props.value) ? props.value[0] : '';
    line.textContent = text;
    mark(text !== '');
  };
  screen?.addEventListener('input', event => { if (event.target.closest('.controls')) mark(true); });
  watch('value', paint);
  paint();
};
