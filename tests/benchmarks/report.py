"""Results as plain data, as a table for a terminal, and as Markdown."""

import argparse
import json
import math
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType

import torch

from tests.benchmarks.environment import cores, environment
from tests.benchmarks.timing import Estimate

RESULTS = Path(__file__).parent / "results"
Row = dict[str, str | int | float | bool]


@dataclass(frozen=True)
class Target:
    """What was promised, what was measured, and whether it holds."""

    promise: str
    measured: str
    met: bool


@dataclass(frozen=True)
class Table:
    title: str
    rows: list[Row]


@dataclass
class Section:
    """One benchmark's results; `seconds` are the single turns, by what took them."""

    title: str
    notes: list[str]
    targets: list[Target] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    environment: dict[str, object] = field(default_factory=dict)

    def promise(self, text: str, measured: Estimate | float, *, at_least: float = -math.inf, at_most: float = math.inf) -> None:
        """Note a target; the measured value decides, not the ends of its interval."""
        value = measured.value if isinstance(measured, Estimate) else measured
        shown = str(measured) if isinstance(measured, Estimate) else f"{value:.3g}"
        self.targets.append(Target(text, shown, at_least <= value <= at_most))


def record(name: str, sections: dict[str, Section], folder: Path = RESULTS) -> list[Path]:
    """Write `name`.json and `name`.md; sections of an earlier run that this one did not repeat stay in them."""
    folder.mkdir(exist_ok=True)
    data, text = folder / f"{name}.json", folder / f"{name}.md"
    known = json.loads(data.read_text(encoding="utf-8")) if data.is_file() else {}
    merged = known | json.loads(json.dumps({key: asdict(section) for key, section in sections.items()}))
    merged = dict(sorted(merged.items()))
    data.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")
    text.write_text(_markdown(name, merged), encoding="utf-8")
    return [data, text]


class NotRunError(RuntimeError):
    """What a benchmark needs is not there; the message says what."""


def command(
    name: str, said: str, sections: dict[str, Callable[[Namespace], Section]], options: dict[str, dict] = MappingProxyType({})
) -> int:
    """Run what `python -m tests.benchmarks.NAME` is asked for; 1 where it could not be. A missed target is a result.

    Args:
        name: of the module.
        said: what its help says.
        sections: its benchmarks by name; each is called with what the command line says.
        options: further arguments, and what argparse takes for each.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m tests.benchmarks.{name}", description=said, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=sections, default=list(sections), help="some of the benchmarks")
    for option, settings in options.items():
        parser.add_argument(option, **settings)
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="the smallest case of each, once: does it run, not how fast")
    effort.add_argument("--write", action="store_true", help=f"write {RESULTS.name}/{name}.json and .md beside this file")
    asked = parser.parse_args()
    torch.set_num_threads(1 if asked.quick else cores())  # a quick one may share its cores
    ran_on = environment()  # once: later the load is that of these benchmarks
    failed = False
    for chosen in asked.only:
        try:
            section = sections[chosen](asked)
        except NotRunError as error:
            failed |= not asked.quick
            sys.stderr.write(f"{chosen} was not run: {error}\n")
            continue
        section.environment = ran_on | section.environment
        sys.stdout.write(terminal(section))
        if not ran_on["idle_at_start"]:
            sys.stdout.write(f"The machine was not idle: load average {ran_on['load_average_at_start']} at the start.\n")
        if asked.write:
            sys.stdout.write(f"Written: {', '.join(map(str, record(name, {chosen: section})))}\n")
        sys.stdout.flush()
    return int(failed)


REPEATS = {"--repeats": {"type": int, "help": "rounds of timing (default: each benchmark's own)"}}


def rounds(asked: Namespace, usual: int) -> int:
    """Return the rounds of timing that are asked for; 0 if quick, which is the first round alone."""
    return 0 if asked.quick else asked.repeats or usual


def terminal(section: Section) -> str:
    """A section as aligned columns."""
    lines = ["", section.title, "=" * len(section.title), *section.notes]
    for table in _tables(asdict(section)):
        columns = [[str(cell) for cell in column] for column in zip(*_cells(table["rows"]), strict=True)]
        widths = [max(map(len, column)) for column in columns]
        lines += ["", table["title"]]
        for cells in zip(*columns, strict=True):
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    return "\n".join(lines) + "\n"


def _markdown(name: str, sections: dict[str, dict]) -> str:
    lines = [
        f"# Benchmark: {name}",
        "",
        f"Written by `python -m tests.benchmarks.{name} --write`; single turns are in the JSON.",
    ]
    for section in sections.values():
        lines += ["", f"## {section['title']}", ""]
        lines += [f"- {note}" for note in section["notes"]]
        for table in _tables(section):
            header, *rows = _cells(table["rows"])
            lines += ["", f"**{table['title']}**", "", _line(header), _line(["---"] * len(header)), *map(_line, rows)]
        facts = "; ".join(f"{key.replace('_', ' ')}: {value}" for key, value in section["environment"].items())
        lines += ["", f"Environment: {facts}."]
    return "\n".join(lines) + "\n"


def _tables(section: dict) -> list[dict]:
    """The targets as the first table, then the others."""
    rows = [{"target": t["promise"], "measured": t["measured"], "met": "yes" if t["met"] else "NO"} for t in section["targets"]]
    return ([{"title": "Targets", "rows": rows}] if rows else []) + section["tables"]


def _cells(rows: list[Row]) -> list[list[str]]:
    """The header and the rows of a table."""
    return [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
