"""`python -m regime sweep|toy|probe CONFIG.json`: runs for a terminal, a script, or a cluster's queue; `app` serves the page.

Progress goes to standard error, the result to standard output. The exit status is 0 where all that was asked for is there, 1
where a cell could not be run or a single run diverged, 2 where the configuration is bad, 130 where it was interrupted.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import regime
from regime.config import Runnable, config_from_dict
from regime.ui.launch import launch

if TYPE_CHECKING:  # these load torch, which has to see what `launch` sets
    from regime.record.events import Fetching, Measured, Progress
    from regime.sweep.events import CellMeasured
    from regime.sweep.findings import Contour, Law

PACE = {True: 0.2, False: 10.0}
"""Seconds between two lines of progress, on a terminal and elsewhere."""


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status of one command line, `sys.argv` where no arguments are given."""
    asked = _parser().parse_args(arguments)
    if asked.kind == "app":
        launch()
        return 0
    try:
        config = config_from_dict(_read(asked.config) | _overrides(asked), asked.kind)
        report = _run(config)
    except regime.ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; finished cells are in the store, if there is one\n")
        return 130
    sys.stdout.write((json.dumps(report.to_dict()) if asked.json else _summary(report)) + "\n")
    if asked.kind != "sweep":
        return int(report.diverged)
    failed = any(cell.status == "failed" for cell in report.cells)
    if asked.csv:
        try:
            Path(asked.csv).write_text(report.to_csv())
        except OSError as error:
            sys.stderr.write(f"--csv: {error}\n")
            return 1
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m regime", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, said in (("sweep", "a SweepConfig"), ("toy", "a ToyConfig"), ("probe", "a ProbeConfig")):
        command = kinds.add_parser(kind, help=f"run {said}")
        command.add_argument("config", metavar="CONFIG.json", help=f"fields of {said} as JSON; - reads standard input")
        command.add_argument("--json", action="store_true", help="print the whole report as one JSON object")
        if kind == "sweep":
            command.add_argument("--store", metavar="FILE", help="where finished cells are kept, and found again")
            command.add_argument(
                "--engine", choices=("local", "dask"), help="this machine's cores, or a Dask scheduler's workers"
            )
            command.add_argument("--scheduler", metavar="ADDRESS", help="of Dask, tcp://host:8786; by default REGIME_SCHEDULER")
            command.add_argument("--csv", metavar="FILE", help="write the cells as a table, too")
    kinds.add_parser("app", help="serve the app; GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where")
    return parser


def _read(path: str) -> dict[str, Any]:
    try:
        fields = json.loads(sys.stdin.read() if path == "-" else Path(path).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise regime.ConfigError(f"{path} is not a file of JSON that can be read: {error}") from None
    if not isinstance(fields, dict):
        raise regime.ConfigError(f"{path} is not allowed; allowed: one JSON object of named fields")
    return fields


def _overrides(asked: argparse.Namespace) -> dict[str, Any]:
    """What the command line says instead of the file."""
    known = {name: getattr(asked, name, None) for name in ("store", "engine", "scheduler")}
    return {name: value for name, value in known.items() if value is not None}


def _run(config: Runnable) -> Any:
    """The report of a run, telling how far it is."""
    terminal, told = sys.stderr.isatty(), 0.0
    for event in regime.stream(config):
        if event.kind == "started":
            if kept := getattr(event, "kept", None):
                sys.stderr.write(f"the store could not be used; it is kept as {kept}\n")
            sys.stderr.write(f"about {event.estimate.seconds:.0f} s\n")
        elif event.kind in ("fetching", "progress", "measured"):
            now = time.monotonic()
            if now - told > PACE[terminal]:
                told = now
                line = _line(event, "cells" if config.kind == "sweep" else "steps")
                sys.stderr.write(f"\r{line}\033[K" if terminal else f"{line}\n")
                sys.stderr.flush()
    if terminal:
        sys.stderr.write("\r\033[K")
    assert event.kind == "finished"
    return (regime.SweepReport if config.kind == "sweep" else regime.Report).from_dict(event.report)


def _line(event: "Fetching | Progress | Measured | CellMeasured", unit: str) -> str:
    """How far a run is."""
    if event.kind == "fetching":
        return f"fetching {event.model}, {event.bytes / 1e6:.0f} of {event.total / 1e6:.0f} MB"
    left = "" if event.seconds_left is None else f", {event.seconds_left:.0f} s left"
    return f"{event.step} of {event.steps} {unit}, {event.seconds:.0f} s{left}"


def _summary(report: Any) -> str:
    if not isinstance(report, regime.SweepReport):
        verdict = report.verdict
        return "\n".join([f"{verdict.label}, index {verdict.index} {verdict.interval}", *verdict.reasons, *verdict.advice])
    known = [cell.verdict.label if cell.verdict else cell.status for cell in report.cells]
    lines = [f"{len(known)} cells: " + ", ".join(f"{known.count(label)} {label}" for label in dict.fromkeys(known))]
    lines += [f"{cell.point}: {cell.error}" for cell in report.cells if cell.error]
    lines += [_law(f"{law.knob}* where {law.measure} = {law.level:g}", law) for law in report.contours]
    return "\n".join(lines + [_law(law.measure, law) for law in report.laws])


def _law(what: str, law: "Contour | Law") -> str:
    where = "".join(f", {name} = {value}" for name, value in law.at.items())
    return (
        f"{what} ~ {law.axis}^{law.exponent:.3f} [{law.interval[0]:.3f}, {law.interval[1]:.3f}]"
        f"{where} ({law.activation}, {law.parameterization}, {law.norm})"
    )


if __name__ == "__main__":
    sys.exit(main())
