"""What a finished run leaves behind: its report, its table, its figure, and the code that makes it again."""

import csv
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradio.utils import get_upload_folder

from regime.config import config_from_dict
from regime.config.base import OWN, Config
from regime.report import Report
from regime.session import Session
from regime.sweep.report import SweepReport
from regime.sweep.sweep import Sweep
from regime.ui.zero import Rented

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSES = {"toy": "ToyConfig", "probe": "ProbeConfig", "checkpoints": "CheckpointConfig", "sweep": "SweepConfig"}
ROWS = 'open("rows.csv").read()'
OF_RUN = ("Report, JSON", "Layers, CSV", "Figure, PNG", "Figure, SVG", "Kernels")
LABELS = {
    **dict.fromkeys(("toy", "probe", "checkpoints"), OF_RUN),
    "sweep": ("Report, JSON", "Cells, CSV", "Figure, PNG", "Figure, SVG"),
}
"""What is offered of a run of each kind."""


def snippet(fields: dict[str, Any]) -> str:
    """Python that reproduces a run: the fields that differ from their defaults; own rows are read from a file."""
    config = config_from_dict(fields)
    if config.kind == "sweep":
        said = (
            "for contour in report.contours:\n    print(contour.measure, contour.level, contour.exponent, contour.interval)\n"
        )
    else:
        said = "print(report.verdict.label, report.verdict.interval)\n"
    return f"import regime\n\nconfig = {_call(config)}\nreport = regime.run(config)\n{said}"


def _call(config: Config) -> str:
    """The Python that builds a configuration."""
    changed = {name: getattr(config, name) for name in config.model_dump(exclude_defaults=True)}
    shown = [
        f"{name}={ROWS if name in OWN else _call(value) if isinstance(value, Config) else repr(value)}"
        for name, value in changed.items()
    ]
    return f"regime.{CLASSES[config.kind]}({', '.join(shown)})"


def table(report: Report) -> str:
    """The layer rows as CSV, floors beside measures; an undefined value is empty, and its reason is in the last column."""
    rows = report.layers
    measures = [name for name in rows[0] if name not in ("layer", "block", "undefined", "floors", "intervals")]
    floored = [name for name in measures if any(name in row["floors"] for row in rows)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["layer", "block", *measures, *(f"{name}_floor" for name in floored), "undefined"])
    for row in rows:
        values, floors = [row[name] for name in measures], [row["floors"].get(name) for name in floored]
        reasons = "; ".join(f"{name}: {reason}" for name, reason in row["undefined"].items())
        writer.writerow([row["layer"], row["block"], *values, *floors, reasons])
    return out.getvalue()


def files(fields: dict[str, Any], session: Session | Rented | Sweep) -> list[str]:
    """Write a run's files into a folder of their own under Gradio's cache, which is cleared by age; their paths."""
    cache = Path(get_upload_folder())
    cache.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="regime-", dir=cache))
    if isinstance(session, Sweep):
        from regime.plots.map import figure as map_figure

        report = SweepReport.from_dict(fields)
        return [str(report.save(folder)), *_drawn(folder, "cells.csv", report.to_csv(), map_figure(report))]
    from regime.plots.figure import figure

    report, kernels = Report.from_dict(fields), folder / "kernels.safetensors"
    session.save_kernels(kernels)
    return [str(report.save(folder)), *_drawn(folder, "layers.csv", table(report), figure(report)), str(kernels)]


def _drawn(folder: Path, name: str, rows: str, drawing: "Figure") -> list[str]:
    """The table under its name, and the figure as PNG and SVG."""
    paths = [folder / name, folder / "figure.png", folder / "figure.svg"]
    paths[0].write_text(rows)
    for path in paths[1:]:
        drawing.savefig(path, dpi=150)
    return [str(path) for path in paths]
