"""Numbers of lessons: a placeholder names a shipped run's measure, and the number leads back to the run that it is of."""

import re
from typing import Any

from regime.config import shared_config
from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE
from regime.plots.words import NAMES, field_name
from regime.ui.lessons.runs import RUNS, shipped_run
from regime.ui.run.link import query
from regime.ui.text import number

BOUNDS = {"bounds.lazy": LAZY_BELOW, "bounds.rich": RICH_ABOVE}
CONVENTION = "A convention of the verdict, in regime/measures/verdict.py"
PLACE = re.compile(r"(?P<run>\w+)\.(?P<name>\w+)(?:\.(?P<when>first|max)|>(?P<bound>[\d.]+))?")
"""Such as lazy.kernel_change at the end, .first or .max along the run, or >0.5: the step at which it first passes that."""
NEARLY_ONE = 0.95
"""From here on a share needs a digit more, not to be rounded to one."""
ALWAYS = ("task", "width", "alpha", "model")
"""Settings that are named also where they are the usual ones."""
Fields = dict[str, Any]


def traced(placeholder: str) -> Fields:
    """Return a number as text, a `title` that says what it is of, and the `query` that opens its run; raises KeyError."""
    if placeholder in BOUNDS:
        return {"number": f"{BOUNDS[placeholder]:g}", "title": CONVENTION}
    found = PLACE.fullmatch(placeholder)
    if found is None or found["run"] not in RUNS:
        raise KeyError(placeholder)
    run = shipped_run(found["run"])
    text, what = _value(run, found["name"], found["when"], found["bound"])
    return {"number": text, "title": f"{what}. {provenance(run['report'])}", "query": query(run["report"]["config"])}


def provenance(report: Fields) -> str:
    """Say what a number rests on: configuration, seeds and versions."""
    config, made = shared_config(report["config"]), report["provenance"]
    changed = config.model_dump(exclude_defaults=True)
    given = [(name, value) for name, value in config if name in changed or name in ALWAYS]
    settings = ", ".join(f"{name} {value}" for name, value in given if not isinstance(value, list | tuple))
    more = f" and {made['seeds'] - 1} more" if made["seeds"] > 1 else ""
    versions = ", ".join(f"{name} {made['versions'][name]}" for name in ("regime", "torch"))
    return f"Run with {settings}; seed {made['seed']}{more}; {versions}"


def _value(run: Fields, name: str, when: str | None, bound: str | None) -> tuple[str, str]:
    report, words = run["report"], NAMES.get(name, field_name(name))
    if name in report["config"]:
        return f"{report['config'][name]:,g}", words
    if when is None and bound is None:
        return _spread(report["final"][name], report["spread"].get(name)), f"{words} at the end"
    known = [event for event in run["frame"]["events"] if event["kind"] == "measured" and _of(event, name) is not None]
    if bound is not None:
        step = next(event["step"] for event in known if _of(event, name) > float(bound))
        return str(step), f"First step with {words.lower()} above {bound}"
    event = known[0] if when == "first" else max(known, key=lambda event: _of(event, name))
    return _spread(_of(event, name), event["spread"].get(name)), f"{words} at step {event['step']}"


def _of(event: Fields, name: str) -> Any:
    return event["measures"].get(name, event.get(name))


def _spread(value: float, deviation: float | None) -> str:
    """Return a mean over seeds with the standard deviation between them, where there are several."""
    text = f"{value:.3f}" if NEARLY_ONE < value < 1 else number(value)
    return f"{text} \N{PLUS-MINUS SIGN} {float(f'{deviation:.1g}'):f}".rstrip("0").rstrip(".") if deviation else text
