"""What can be taken from a finished run: its report, its table, its figure, and the code that makes it again."""

import csv
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradio.utils import get_upload_folder

from regime.composer.session import Session
from regime.config import shared_config
from regime.config.base import ROWS, Config
from regime.record.report import Report
from regime.sweep.report import SweepReport
from regime.sweep.sweep import Sweep
from regime.ui.run.zero import Rented

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSES = {"toy": "ToyConfig", "probe": "ProbeConfig", "checkpoints": "CheckpointConfig", "sweep": "SweepConfig"}
FILE = '"rows.csv"'
OF_RUN = ("Report, JSON", "Layers, CSV", "Figure, PNG", "Figure, SVG", "Kernels")
LABELS = {
    **dict.fromkeys(("toy", "probe", "checkpoints"), OF_RUN),
    "sweep": ("Report, JSON", "Cells, CSV", "Figure, PNG", "Figure, SVG"),
}
"""What is offered of a run of each kind."""
BESIDE = ("layer", "block", "regime", "undefined", "floors", "intervals")
"""What a row has that is no measure."""


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
    return f"regime.{CLASSES[config.kind]}({', '.join(shown)})"


def layers_csv(report: Report) -> str:
    """Return a report's layers as CSV, then its blocks, whose layer is empty: with floors, intervals, a block's verdict.

    An undefined value is empty, and its reason is in the last column.
    """
    rows = [*report.layers, *({**row, "layer": ""} for row in report.blocks)]
    measures = list(dict.fromkeys(name for row in rows for name in row if name not in BESIDE))
    floored = [name for name in measures if any(name in row["floors"] for row in rows)]
    spread = [name for name in measures if any(name in row["intervals"] for row in rows)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    further = [f"{name}_floor" for name in floored] + [f"{name}_{end}" for name in spread for end in ("low", "high")]
    writer.writerow(["layer", "block", *measures, *further, "regime", "regime_index", "undefined"])
    for row in rows:
        values, floors = [row.get(name) for name in measures], [row["floors"].get(name) for name in floored]
        ends = [end for name in spread for end in row["intervals"].get(name, (None, None))]
        own = row.get("regime", {})
        reasons = "; ".join(f"{name}: {reason}" for name, reason in row["undefined"].items())
        writer.writerow([row["layer"], row["block"], *values, *floors, *ends, own.get("label"), own.get("index"), reasons])
    return out.getvalue()


def files(fields: dict[str, Any], session: Session | Rented | Sweep) -> list[str]:
    """Write a run's files into a new folder of Gradio's cache, which is cleared by age, and return their paths."""
    cache = Path(get_upload_folder())
    cache.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="regime-", dir=cache))
    if isinstance(session, Sweep):
        from regime.plots.map import map_figure

        report = SweepReport.from_dict(fields)
        return [str(report.save(folder)), *_drawn(folder, "cells.csv", report.to_csv(), map_figure(report))]
    from regime.plots.figure import figure

    report, kernels = Report.from_dict(fields), folder / "kernels.safetensors"
    session.save_kernels(kernels)
    return [str(report.save(folder)), *_drawn(folder, "layers.csv", layers_csv(report), figure(report)), str(kernels)]


def _drawn(folder: Path, name: str, rows: str, drawing: "Figure") -> list[str]:
    """Write a table under its name, and a figure as PNG and SVG; return their paths."""
    paths = [folder / name, folder / "figure.png", folder / "figure.svg"]
    paths[0].write_text(rows)
    for path in paths[1:]:
        drawing.savefig(path, dpi=150)
    return [str(path) for path in paths]
