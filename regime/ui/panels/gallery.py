"""The gallery: links to runs worth seeing that no preset has, each with what to see in it."""

from regime.ui.form.presets import GALLERY
from regime.ui.run.link import query_of
from regime.ui.text import escape


def gallery() -> str:
    """Draw the gallery as markup: every link opens a tab of its own, since a visit's runs live in this one."""
    link = '<li><a class="paper" href="?{}" target="_blank" rel="noopener">{}</a>. {}</li>'
    links = "".join(link.format(escape(query_of(run.config)), run.name, run.story) for run in GALLERY)
    return f"<h2>Worth seeing</h2><p class='sub'>Runs that no preset has. Each opens in a tab of its own.</p><ul>{links}</ul>"
