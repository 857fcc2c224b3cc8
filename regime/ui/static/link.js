// The buttons that copy the link to the run that is shown, and an iframe of it; the page's address follows the link.
export const mount = ({ element, props, watch }) => {
  const [linked, framed] = element.querySelectorAll('button'), said = element.querySelector('[role=status]');
  // Of the page's own address, how it is framed goes on.
  const kept = (...names) => [...new URLSearchParams(location.search)].filter(([name]) => names.includes(name));
  const query = more => [props.value, new URLSearchParams(more).toString()].filter(Boolean).join('&');
  const link = more => {
    const url = new URL(location.pathname, location.href);
    url.search = query(more);
    return url.href;
  };
  watch('value', () => {
    if (!props.value) return;
    const frame = kept('embed', 'hide');
    history.replaceState(history.state, '', link([...frame, ...kept('__theme')]));
    // On the Hub the page is in an iframe, whose address nobody sees: the Hub puts the query into its own.
    if (parent !== window) parent.postMessage({ queryString: query(frame) }, 'https://huggingface.co');
  });
  const hand = async text => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = 'Copied';
      setTimeout(() => { said.textContent = ''; }, 3000);
    } catch {  // as in an iframe that may not write to the clipboard
      const field = Object.assign(document.createElement('input'), { readOnly: true, value: text, ariaLabel: 'Copy this' });
      said.replaceChildren(field);
      field.select();
    }
  };
  linked.addEventListener('click', () => hand(link(kept('embed', 'hide'))));
  framed.addEventListener('click', () => {
    const url = link([['embed', '1'], ...kept('hide')]).replaceAll('&', '&amp;');
    hand(`<iframe src="${url}" title="Lazy or rich?" width="100%" height="900" loading="lazy"></iframe>`);
  });
};
