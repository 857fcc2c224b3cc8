const field = element.querySelector('input, select, textarea'), box = field.type === 'checkbox';
const typed = () => field.value.trim() && (field.type === 'number' ? field.valueAsNumber : field.value);
const read = () => box ? field.checked : typed();
const show = value => { field[box ? 'checked' : 'value'] = value; };
const paint = () => {};
