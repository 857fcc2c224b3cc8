// The button that copies the link to the run that is shown; the page's address follows the link.
const button = element.querySelector('button'), said = element.querySelector('[role=status]');
const link = () => {
  const url = new URL(location.pathname, location.href);
  url.search = props.value;
  return url.href;
};
watch('value', () => {
  if (!props.value) return;
  const query = new URLSearchParams(location.search), theme = query.get('__theme');
  history.replaceState(history.state, '', link() + (theme ? '&__theme=' + encodeURIComponent(theme) : ''));
});
button.addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText(link());
    said.textContent = 'Copied';
  } catch {
    window.prompt('The link to this run:', link());
  }
  setTimeout(() => { said.textContent = ''; }, 3000);
});
