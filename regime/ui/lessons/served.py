"""The lessons as the page fetches them when the Learn tab is opened: one file of all text, and a file for each run."""

import json
from functools import partial

from regime.data import FOLDER
from regime.ui.lessons.read import LESSONS, glossary, lesson, written
from regime.ui.lessons.runs import RUNS, shipped_run
from regime.ui.run.examples import example_file
from regime.ui.run.link import query_of
from regime.ui.static_files import offer


def run_file(name: str) -> str:
    """Return the name of a run's file, which changes with the run."""
    if kind := RUNS[name].example:
        return example_file(kind)
    return offer(f"lesson-{name}", (FOLDER / "lessons" / f"{name}.json").read_text(), partial(_run, name))


def text_file() -> str:
    """Return the name of the file of all lessons, which changes with them."""
    sources = [written(f"lessons/{name}") for name in LESSONS] + [written("glossary"), *map(run_file, RUNS)]
    return offer("lessons", "".join(sources), _text)


def _text() -> str:
    runs = {name: {"file": run_file(name), "label": run.label, "query": query_of(run.config)} for name, run in RUNS.items()}
    terms = {names[0]: sentence for names, sentence in glossary().items()}
    return json.dumps({"lessons": [lesson(name) for name in LESSONS], "terms": terms, "runs": runs}, separators=(",", ":"))


def _run(name: str) -> str:
    return json.dumps(shipped_run(name)["frame"], separators=(",", ":"))
