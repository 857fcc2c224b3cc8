"""Permalinks: a run's configuration in the page's address, `?run=toy&width=64`, and the button that copies it."""

from urllib.parse import urlencode

import gradio as gr

from regime.config import KINDS, Runnable
from regime.config.tasks import CSV
from regime.errors import ConfigError
from regime.models.texts import OWN

FOREIGN = ("_", "view")
"""Names of a query that belong to Gradio and its host, by how they begin."""
SCRIPT = """
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
"""


def query(fields: dict[str, object]) -> str:
    """The permalink's query of a configuration; own rows stay out of it."""
    config = KINDS[str(fields["kind"])].from_dict(fields)
    return config.to_query().replace("kind=", "run=", 1)


def linked(pairs: list[tuple[str, str]]) -> Runnable | None:
    """The configuration that a page's query asks for, if any.

    Raises:
        ConfigError: the query is not a permalink of a run; the message names the field, its value and what is allowed.
    """
    own = [(name, text) for name, text in pairs if not name.startswith(FOREIGN)]
    if not own:
        return None
    kind = dict(own).get("run", "toy")
    if kind not in KINDS:
        raise ConfigError(f"run = {kind!r:.80} is not allowed; allowed: one of {', '.join(map(repr, KINDS))}")
    if (task := dict(own).get("task")) in (CSV, OWN):
        raise ConfigError(f"task = {task!r} is not allowed in a link: it does not hold your rows; paste them and press Run")
    return KINDS[kind].from_query(urlencode([(name, text) for name, text in own if name != "run"]))


def link_button(fields: dict[str, object]) -> gr.HTML:
    """Copies the link to the run that is shown; its value is the link's query, which the page's address follows."""
    return gr.HTML(
        query(fields),
        html_template='<button type="button" class="chip">Copy link</button><span role="status"></span>',
        js_on_load=SCRIPT,
        elem_classes="link",
        apply_default_css=False,
    )
