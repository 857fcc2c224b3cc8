let given = Array.isArray(props.value) ? props.value[1] : 0;
const own = () => Array.isArray(props.value) ? props.value[0] : props.value;
show(own());
paint();
element.addEventListener('input', () => { props.value = read(); paint(); trigger('input'); });
watch('value', () => {
  const value = props.value;
  if (!Array.isArray(value) || value[1] === given) { if (value !== read()) props.value = read(); return; }
  given = value[1];
  show(value[0]);
  props.value = read();
  paint();
});
