const publish = () => {
  element.dataset.known = JSON.stringify(props.value);
  document.dispatchEvent(new Event('regime-known'));
};
element.id = id;
watch('value', publish);
publish();
