"""Lessons as they are written, Markdown in `regime/guides/lessons`, read into what the page's script draws.

The page fetches them when the Learn tab is opened: one file of all text, and a file for each run.

A lesson is a title, a sentence about it, and steps with a heading of the second level. A comment at a step's head says what
stands beside it; Guess, Try and Then are headings of the third level. A list of boxes under Guess has the answers, the right
one checked; the first sentence of each is the answer, and what follows says why.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from regime.data import FOLDER
from regime.ui.lessons.numbers import traced
from regime.ui.lessons.runs import RUNS, shipped_run
from regime.ui.run.examples import example_file
from regime.ui.run.link import query
from regime.ui.static_files import offer

LESSONS = ("kernel", "lazy", "rich", "width", "scale", "transformers", "meaning")
INLINE = re.compile(r"\*\*(?P<term>.+?)\*\*|\{\{(?P<number>.+?)\}\}|\[(?P<text>[^\]]+)\]\((?P<link>https?://[^)]+)\)")
COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
OPTION = re.compile(r"- \[(?P<right>[ x])\] (?P<text>.+?[.!?])\s+(?P<why>.+)")
Fields = dict[str, Any]


def written(name: str) -> str:
    """Return the Markdown of a guide, such as `glossary` or `lessons/lazy`."""
    return files("regime").joinpath("guides", f"{name}.md").read_text(encoding="utf-8")


@cache
def glossary() -> dict[tuple[str, ...], str]:
    """Return the sentence that defines each term, by the names of the term."""
    entries = re.findall(r"^- (\*\*.+?): (.+)$", written("glossary"), flags=re.MULTILINE)
    return {tuple(re.findall(r"\*\*(.+?)\*\*", names)): sentence for names, sentence in entries}


@cache
def _terms() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return what finds terms in a text, the longest first, and the first name of each."""
    first = {name.lower(): names[0] for names in glossary() for name in names}
    longest = "|".join(map(re.escape, sorted(first, key=len, reverse=True)))
    return re.compile(rf"\b({longest})(?:s|es)?\b", re.IGNORECASE), first


def lesson(name: str) -> Fields:
    """Return a lesson."""
    head, *steps = re.split(r"^## ", written(f"lessons/{name}"), flags=re.MULTILINE)
    title, about = (part.strip() for part in head.removeprefix("# ").split("\n", 1))
    return {"id": name, "title": title, "about": inline(about, set()), "steps": [_step(step) for step in steps]}


def _step(written: str) -> Fields:
    title, body = written.split("\n", 1)
    text, *parts = re.split(r"^### ", body, flags=re.MULTILINE)
    seen: set[str] = set()
    step = {"title": title, **comment(text), "text": paragraphs(text, seen)}
    for part in parts:
        heading, inside = part.split("\n", 1)
        match heading.strip():
            case "Guess":
                question, *options = re.split(r"^(?=- \[)", inside, flags=re.MULTILINE)
                step["guess"] = {"question": inline(question, seen), "options": [_option(one, seen) for one in options]}
            case "Try":
                step["task"] = {"text": paragraphs(inside, seen), **comment(inside)}
            case "Then":
                step["then"] = paragraphs(inside, seen)
            case other:
                raise ValueError(f"heading {other!r}, expected Guess, Try or Then")
    return step


def comment(text: str) -> dict[str, str]:
    """Return the `name: value` lines of the comments in a text."""
    lines = [line.split(":", 1) for found in COMMENT.findall(text) for line in found.strip().splitlines()]
    return {name.strip(): value.strip() for name, value in lines}


def paragraphs(text: str, seen: set[str]) -> list[list[Any]]:
    """Return the paragraphs of a text, without its comments."""
    return [inline(part, seen) for part in COMMENT.sub("", text).split("\n\n") if part.strip()]


def _option(text: str, seen: set[str]) -> Fields:
    found = OPTION.fullmatch(" ".join(text.split()))
    if found is None:
        raise ValueError(f"option {text!r}, expected a checked or empty box, the answer as a sentence, and why")
    return {"right": found["right"] == "x", "text": inline(found["text"], None), "why": inline(found["why"], seen)}


def inline(text: str, seen: set[str] | None) -> list[Any]:
    """Return a text as parts: strings, numbers, links, terms that are defined here, and others at their first use.

    Args:
        text: Markdown without blocks.
        seen: the terms that this step has used, which grows; None for the text of a button, which can hold none.
    """
    text, parts, start = " ".join(text.split()), [], 0
    for found in INLINE.finditer(text):
        parts += _plain(text[start : found.start()], seen)
        start = found.end()
        if term := found["term"]:
            assert seen is not None
            seen.add(_terms()[1].get(term.lower().removesuffix("s"), term))
            parts.append({"defined": term})
        elif number := found["number"]:
            parts.append(traced(number))
        else:
            parts.append({"text": found["text"], "link": found["link"]})
    return [*parts, *_plain(text[start:], seen)]


def _plain(text: str, seen: set[str] | None) -> Iterator[Any]:
    pattern, first = _terms()
    start = 0
    for found in pattern.finditer(text) if seen is not None else ():
        name = first[found[1].lower()]
        if name in seen:
            continue
        seen.add(name)
        if before := text[start : found.start()]:
            yield before
        yield {"term": name, "text": found[0]}
        start = found.end()
    if rest := text[start:]:
        yield rest


def run_file(name: str) -> str:
    """Return the name of a run's file, which changes with the run."""
    if kind := RUNS[name].example:
        return example_file(kind)
    text = (FOLDER / "lessons" / f"{name}.json").read_text(encoding="utf-8")
    return offer(f"lesson-{name}", text, lambda: json.dumps(shipped_run(name)["frame"], separators=(",", ":")))


def text_file() -> str:
    """Return the name of the file of all lessons, which changes with them."""
    sources = [written(f"lessons/{name}") for name in LESSONS] + [written("glossary"), *map(run_file, RUNS)]
    return offer("lessons", "".join(sources), _text)


def _text() -> str:
    runs = {name: {"file": run_file(name), "label": run.label, "query": query(run.config)} for name, run in RUNS.items()}
    terms = {names[0]: sentence for names, sentence in glossary().items()}
    return json.dumps({"lessons": [lesson(name) for name in LESSONS], "terms": terms, "runs": runs}, separators=(",", ":"))
