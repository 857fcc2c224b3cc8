"""The page's scripts and styles: files beside this module in `static`, and uPlot's, which a package carries.

The app serves them under an address that changes with their content, so that a browser may keep them for good. A script imports
others by their names. What Python knows and the page has to know, too, is the module `facts.js`.
"""

import hashlib
import json
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from regime.ui.facts import facts

OWN = Path(str(files("regime.ui"))) / "static"
VENDOR = Path(find_spec("youplot").origin).parent / "vendor"
UPLOT = ("uplot.iife.min.js", "uplot.min.css")
TYPES = {".js": "text/javascript", ".css": "text/css"}
FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}


@cache
def contents() -> dict[str, str]:
    """Return all files by name."""
    paths = [*OWN.iterdir(), *(VENDOR / name for name in UPLOT)]
    known = "".join(f"export const {name} = {json.dumps(value, ensure_ascii=False)};\n" for name, value in facts().items())
    return {path.name: path.read_text(encoding="utf-8") for path in paths if path.suffix in TYPES} | {"facts.js": known}


@cache
def address() -> str:
    """Return where the files are, relative to the page."""
    return f"static-{hashlib.sha256(json.dumps(contents()).encode()).hexdigest()[:12]}"


def script(name: str) -> str:
    """Return what a component runs as it loads: the function `mount` of a module, which takes what Gradio gives a component."""
    return f"import(new URL('{address()}/{name}.js', document.baseURI)).then(m => m.mount({{element, props, trigger, watch}}));"


def routes() -> list[BaseRoute]:
    """Return the routes of the files."""
    return [Route(f"/{address()}/{{name}}", _serve)]


async def _serve(request: Request) -> Response:
    name = request.path_params["name"]
    if (text := contents().get(name)) is None:
        return Response(status_code=404)
    return Response(text, media_type=TYPES[Path(name).suffix], headers=FOR_GOOD)


def static(name: str) -> str:
    """Return the text of a file of `regime/ui/static`."""
    return contents()[name]
