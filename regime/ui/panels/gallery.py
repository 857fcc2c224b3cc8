"""The gallery: links to runs worth seeing that no preset has, each with what to see in it."""

from regime.ui.form.presets import GALLERY
from regime.ui.markup import render
from regime.ui.run.link import query_of


def gallery() -> str:
    """Draw the gallery as markup."""
    return render("gallery", runs=[(run, query_of(run.config)) for run in GALLERY])
