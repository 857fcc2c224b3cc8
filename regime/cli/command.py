"""One command: a configuration run to its end, or to where it is interrupted, and its report printed."""

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regime.cli.fields import configured
from regime.cli.progress import Progress
from regime.cli.signals import Interrupted, Interrupts
from regime.cli.streams import say, tell
from regime.config import Runnable, SweepConfig
from regime.errors import ConfigError

if TYPE_CHECKING:  # these load torch, which a configuration that is refused need not wait for
    from regime.composer.session import Session
    from regime.record.report import Report
    from regime.sweep.report import SweepReport
    from regime.sweep.sweep import Sweep


def command(asked: argparse.Namespace, interrupts: Interrupts) -> int:
    """Return the exit status of a run that was asked for, its report printed.

    Raises:
        ConfigError: the configuration, the table or the store is refused, before anything was measured.
        Interrupted: before anything was measured.
    """
    config = configured(asked)
    table = _table(asked, config)
    held = _held(config)
    try:
        return _print(asked, table, _finished(held, interrupts), 0)
    except Interrupted as stop:
        if (report := _so_far(held)) is None:
            raise
        tell(f"{stop} {_where(held, report)}\n")
        return _print(asked, table, report, stop.status)
    except ConfigError as error:  # a store that takes no more, a scheduler that went away, a part that failed
        if (report := _so_far(held)) is None or not _new(report):
            raise
        tell(f"{error}\n")
        return _print(asked, table, report, 1)


def _print(asked: argparse.Namespace, table: Path | None, report: Any, status: int) -> int:
    """Print a report, and write the table of its cells; return the exit status, which is `status` where the run ended early."""
    from regime.cli.summary import failed, summary

    if table is not None:
        try:
            table.write_text(report.to_csv(), encoding="utf-8")
        except OSError as error:
            tell(f"--csv: {error}\n")
            status = status or 1
    say((json.dumps(report.to_dict()) if asked.json else summary(report)) + "\n")
    return status or int(failed(report))


def _table(asked: argparse.Namespace, config: Runnable) -> Path | None:
    """Where a sweep's cells are written as a table; raises ConfigError before the sweep where they cannot be."""
    if not isinstance(config, SweepConfig) or asked.table is None:
        return None
    table = Path(asked.table)
    if not table.parent.is_dir() or table.is_dir():
        raise ConfigError(f"--csv {asked.table} is not allowed; allowed: a file in a folder that is there")
    if config.store is not None and table.resolve() == Path(config.store).resolve():
        raise ConfigError(f"--csv {asked.table} is not allowed: it is the store; allowed: another file")
    return table


def _held(config: Runnable) -> "Session | Sweep":
    if isinstance(config, SweepConfig):
        from regime.sweep.sweep import Sweep

        return Sweep(config)
    from regime.composer.session import Session

    return Session(config)


def _finished(held: "Session | Sweep", interrupts: Interrupts) -> "Report | SweepReport":
    """The report of a run to its end, telling how far it is."""
    events: Any = held.stream()
    unit = "cells" if held.config.kind == "sweep" else "steps"
    with Progress() as progress, closing(events):
        for event in events:
            interrupts.check()
            if event.kind == "started":
                tell(_beginning(held, event))
            elif progress.due and (line := _line(event, unit)):
                progress.tell(line)
    assert event.kind == "finished"
    from regime.record.report import Report
    from regime.sweep.report import SweepReport

    return (SweepReport if held.config.kind == "sweep" else Report).from_dict(event.report)


def _beginning(held: "Session | Sweep", event: Any) -> str:
    """What was read of somebody's own rows, what a store had of a sweep, and how long the rest will take."""
    store = getattr(held, "store", None)
    found = f"{event.found} of {event.cells} cells found in {store.path}\n" if store is not None else ""
    read = "".join(f"{sentence}\n" for sentence in event.read.sentences()) if event.read else ""
    return f"{read}{found}about {event.estimate.seconds:.0f} s\n"


def _line(event: Any, unit: str) -> str:
    """How far a run is; empty where an event does not say so."""
    if event.kind not in ("fetching", "progress", "measured"):
        return ""
    if event.kind == "fetching":
        return f"fetching {event.model}, {event.bytes / 1e6:.0f} of {event.total / 1e6:.0f} MB" if event.total else ""
    left = "" if event.seconds_left is None else f", {event.seconds_left:.0f} s left"
    done = f"{event.step} of {event.steps} {unit}, " if event.steps else ""  # of checkpoints none are known at first
    return f"{done}{event.seconds:.0f} s{left}"


def _so_far(held: "Session | Sweep") -> "Report | SweepReport | None":
    """The report of a run that was interrupted; None where nothing is measured."""
    try:
        return held.report()
    except ValueError:
        return None


def _new(report: Any) -> bool:
    """Whether anything of a report was measured now, and not found in a store."""
    return report.kind != "sweep-report" or bool(len(report.cells) > report.provenance.found)


def _where(held: "Session | Sweep", report: "Report | SweepReport") -> str:
    """Where a run was interrupted, and how it is taken up."""
    where = report.interrupted or "at its end"
    if not hasattr(held, "store"):
        return f"{where}; this is the report so far"
    if held.store is None:
        return f"{where}; with --store FILE finished cells would have been kept"
    return f"{where}; {held.store.path} holds {held.store.count()} cells, and the same command goes on from there"
