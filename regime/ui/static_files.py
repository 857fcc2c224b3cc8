"""The page's scripts and styles: files beside this module in `static`, and uPlot's, which a package carries.

The app serves them under an address that changes with their content, so that a browser may keep them for good. A script imports
others by their names. FACTS are the module `facts.js`.
"""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from regime.config.base import ROWS
from regime.config.models import ADDITION
from regime.measures.definitions import DEFINITIONS
from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE
from regime.plots.charts import CURVES, LOOKS
from regime.plots.dial import DIAL
from regime.plots.palette import sheet as palette
from regime.plots.words import FIELDS, NAMES, OPTIONS

OWN = Path(str(files("regime.ui"))) / "static"
VENDOR = Path(find_spec("youplot").origin).parent / "vendor"
UPLOT = ("uplot.iife.min.js", "uplot.min.css")
STYLE = "style.css"
SHEETS = (
    *("page", "head", "form", "transport", "pictures", "charts", "verdict"),
    *("tables", "exports", "map", "border", "wall", "learn", "narrow", "embed", "forced"),
)
"""What the style sheet is made of, in order."""
FACTS = {
    "NAMES": NAMES,
    "ROWS": ROWS,
    "ADDITION": ADDITION,
    "FIELDS": FIELDS,
    "OPTIONS": OPTIONS,
    "DEFINITIONS": DEFINITIONS,
    "BOUNDS": {"lazyBelow": LAZY_BELOW, "richAbove": RICH_ABOVE},
    "ZONES": DIAL,
    "LOOKS": LOOKS,
    "CURVES": CURVES,
}
"""What Python knows and the page's scripts have to know, too: names, bounds, zones."""
TYPES = {".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
_offered: dict[str, Callable[[], str]] = {}
FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}


@cache
def contents() -> dict[str, str]:
    """Return all files by name."""
    plot, sheet = ((VENDOR / name).read_text(encoding="utf-8") for name in UPLOT)
    known = "".join(f"export const {name} = {json.dumps(value, ensure_ascii=False)};\n" for name, value in FACTS.items())
    own = {path.name: path.read_text(encoding="utf-8") for path in OWN.iterdir() if path.suffix in TYPES}
    style = "\n".join([sheet, palette(), *(own.pop(f"{name}.css") for name in SHEETS)])
    return {**own, "facts.js": known, "uplot.js": f"{plot}\nexport default uPlot;\n", STYLE: style}


@cache
def address() -> str:
    """Return where the files are, relative to the page."""
    return f"static-{fingerprint(json.dumps(contents()))}"


def fingerprint(text: str) -> str:
    """Return what stands for a text in the address of its file."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def script(name: str) -> str:
    """Return what a component runs as it loads: the function `mount` of a module, which takes what Gradio gives a component."""
    load = f"const {{mount}} = await import(new URL('{address()}/{name}.js', document.baseURI))"
    return f"(async () => {{ {load}; await mount({{element, props, trigger, watch}}); ready(element); }})();"


def offer(stem: str, source: str, make: Callable[[], str]) -> str:
    """Offer a JSON text beside the scripts, made once, when it is first asked for; return its name, which changes with it.

    Args:
        stem: how the name begins.
        source: what it is made of.
        make: returns the text.
    """
    name = f"{stem}-{fingerprint(source)}.json"
    _offered.setdefault(name, cache(make))
    return name


def route() -> BaseRoute:
    """Return the route of the files and of what is offered; Gradio compresses them for a browser that takes it so."""
    return Route(f"/{address()}/{{name}}", _serve)


async def _serve(request: Request) -> Response:
    name = request.path_params["name"]
    text = _offered[name]() if name in _offered else contents().get(name)
    if text is None:
        return Response(status_code=404)
    return Response(text, media_type=TYPES[Path(name).suffix], headers=FOR_GOOD)
