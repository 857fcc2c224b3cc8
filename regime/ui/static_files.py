"""The page's scripts and style sheet, which lie beside this module in `static`."""

from importlib.resources import files


def static(name: str) -> str:
    """Return the text of a file of `regime/ui/static`."""
    return files("regime.ui").joinpath("static", name).read_text(encoding="utf-8")
