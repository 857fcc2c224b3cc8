"""The lessons as the page fetches them when the Learn tab is opened: one file of all text, and a file for each run."""

import json
from functools import cache, partial

from starlette.routing import BaseRoute

from regime.data import FOLDER
from regime.ui.lessons.read import LESSONS, glossary, lesson, written
from regime.ui.lessons.runs import RUNS, shipped_run
from regime.ui.run import shipped
from regime.ui.run.link import query
from regime.ui.static_files import address, fingerprint, json_route


@cache
def run_file(name: str) -> str:
    """Return the name of a run's file, which changes with the run."""
    if kind := RUNS[name].example:
        return shipped.name(kind)
    return f"lesson-{name}-{fingerprint((FOLDER / 'lessons' / f'{name}.json').read_text())}.json"


@cache
def text_file() -> str:
    """Return the name of the file of all lessons, which changes with them."""
    sources = [written(f"lessons/{name}") for name in LESSONS] + [written("glossary"), *map(run_file, RUNS)]
    return f"lessons-{fingerprint(''.join(sources))}.json"


@cache
def _text() -> str:
    runs = {
        name: {"file": run_file(name), "label": run.label, "query": query(run.config.to_dict())} for name, run in RUNS.items()
    }
    terms = {names[0]: sentence for names, sentence in glossary().items()}
    return json.dumps({"lessons": [lesson(name) for name in LESSONS], "terms": terms, "runs": runs}, separators=(",", ":"))


@cache
def _run(name: str) -> str:
    return json.dumps(shipped_run(name)["frame"], separators=(",", ":"))


def routes() -> list[BaseRoute]:
    """Return the routes of the files."""
    own = [name for name, run in RUNS.items() if run.example is None]
    files = {text_file(): _text, **{run_file(name): partial(_run, name) for name in own}}
    return [json_route(f"{address()}/{file}", make) for file, make in files.items()]
