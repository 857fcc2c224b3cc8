// Tells the control of the step size what the server knows, through this hidden element.
const publish = () => {
  element.dataset.known = JSON.stringify(props.value);
  document.dispatchEvent(new Event('regime-known'));
};
element.id = id;
watch('value', publish);
publish();
