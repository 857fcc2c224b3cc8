"""What can be taken from the run that is shown: its report, its table, its figure, and the code that makes it again."""

import logging
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from regime.config import KINDS, shared_config
from regime.config.base import ROWS, Config
from regime.record.report import Report
from regime.sweep.report import SweepReport
from regime.ui.run.runs import Refusal
from regime.ui.run.session import Rented
from regime.ui.run.visit import Held, Visit

log = logging.getLogger(__name__)
FILE = '"rows.csv"'
KERNELS = "kernels.safetensors"
OF_RUN = {
    "report.json": "Report, JSON",
    "layers.csv": "Layers, CSV",
    "figure.png": "Figure, PNG",
    "figure.svg": "Figure, SVG",
    KERNELS: "Kernels",
}
OF_SWEEP = {"sweep.json": "Report, JSON", "cells.csv": "Cells, CSV", "figure.png": "Figure, PNG", "figure.svg": "Figure, SVG"}
FILES = {**dict.fromkeys(("toy", "probe", "checkpoints"), OF_RUN), "sweep": OF_SWEEP}
"""The files that can be made of a run of each kind, and what they are called on the page."""
GOING = "This run is still going on: pause it, or wait for its end."
EMPTY = "Nothing is measured yet."
LET_GO = "The server no longer holds this run. Let it run to its end, and its files can be made."
GONE = "The server no longer has this run: it was left for too long, or the server began anew. Press Run to make it again."
SHIPPED = "The page opened with this run, whose kernels are not shipped. Press Run, and they can be made."
FAILED = "This file could not be made; the cause is in the server's log."


def snippet(fields: dict[str, Any]) -> str:
    """Return Python that reproduces a run; own rows are read from a file."""
    config = shared_config(fields)
    if config.kind == "sweep":
        shown = (
            "for contour in report.contours:\n    print(contour.measure, contour.level, contour.exponent, contour.interval)\n"
        )
    else:
        shown = "print(report.verdict.label, report.verdict.interval)\n"
    return f"import regime\n\nconfig = {_call(config)}\nreport = regime.run(config)\n{shown}"


def _call(config: Config) -> str:
    """Return the Python that builds a configuration from the fields that differ from their defaults."""
    changed = {name: getattr(config, name) for name in config.model_dump(exclude_defaults=True)}
    shown = [
        f"{name}={FILE if name in ROWS else _call(value) if isinstance(value, Config) else repr(value)}"
        for name, value in changed.items()
    ]
    return f"regime.{KINDS[config.kind].__name__}({', '.join(shown)})"


def answer(asked: Any, visit: Visit) -> dict[str, Any]:
    """Return the file that the page asks for, as Gradio serves it; or, under "said", why there is none.

    Args:
        asked: [the file's name, number of presses, the visit whose run the page shows; empty where it shows the shipped one].
        visit: the visitor's, or a new one where the server has none.
    """
    try:
        match asked:
            case [str(name), int(), str(shown)] if name in FILES[visit.kind]:
                if shown not in ("", visit.key):
                    raise Refusal(GONE)
                path = make_file(name, visit)
                return {"file": {"path": str(path), "orig_name": name, "meta": {"_type": "gradio.FileData"}}}
        raise Refusal(f"There is no such file; there are: {', '.join(FILES[visit.kind])}.")
    except gr.Error as error:
        return {"said": error.message}
    except Exception:
        log.exception("a file could not be made")
        return {"said": FAILED}


def make_file(name: str, visit: Visit) -> Path:
    """Write one of `FILES` of the run that a visit shows into a new folder of Gradio's cache, which is cleared by age.

    Raises:
        gr.Error: the run is going on, nothing of it is measured, or it is no longer held.
    """
    with visit.resting() as (rests, session):
        if not rests:
            raise Refusal(GOING)
        report = _report(visit, session)
        if name == KERNELS and session is None:
            raise Refusal(SHIPPED)
        cache = Path(get_upload_folder())
        cache.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix="regime-", dir=cache)) / name
        match path.suffix:
            case ".json":
                report.save(path.parent)
            case ".csv":
                path.write_text(report.to_csv(), encoding="utf-8")
            case ".safetensors":
                session.save_kernels(path)
            case _:
                _draw(report, path)
    return path


def _report(visit: Visit, session: Held | None) -> Report | SweepReport:
    """Return the report of the run that is shown, as far as it came."""
    board = visit.board
    if board.report:
        return (SweepReport if visit.kind == "sweep" else Report).from_dict(board.report)
    if not (board.step if visit.kind == "sweep" else board.history):
        raise Refusal(EMPTY)
    if session is None or isinstance(session, Rented):
        raise Refusal(LET_GO)
    return session.report()


def _draw(report: Report | SweepReport, path: Path) -> None:
    """Draw a report's figure; matplotlib is loaded when the first one is asked for."""
    if isinstance(report, SweepReport):
        from regime.plots.map import map_figure as figure
    else:
        from regime.plots.figure import figure
    figure(report).savefig(path, dpi=150)
