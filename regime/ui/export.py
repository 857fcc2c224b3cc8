"""What a finished run leaves behind: its report, its table, its figure, and the code that makes it again."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from regime.config import config_from_dict
from regime.config.base import OWN
from regime.report import Report
from regime.session import Session
from regime.ui.zero import Rented

CLASSES = {"toy": "ToyConfig", "probe": "ProbeConfig", "checkpoints": "CheckpointConfig"}
ROWS = 'open("rows.csv").read()'
NAMES = ("report.json", "layers.csv", "figure.png", "figure.svg", "kernels.safetensors")


def snippet(fields: dict[str, Any]) -> str:
    """Python that reproduces a run: the fields that differ from their defaults; own rows are read from a file."""
    config = config_from_dict(fields)
    changed = config.model_dump(exclude_defaults=True)
    arguments = ", ".join(f"{name}={ROWS if name in OWN else repr(value)}" for name, value in changed.items())
    return (
        "import regime\n\n"
        f"config = regime.{CLASSES[config.kind]}({arguments})\n"
        "report = regime.run(config)\n"
        "print(report.verdict.label, report.verdict.interval)\n"
    )


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


def files(fields: dict[str, Any], session: Session | Rented) -> list[str]:
    """Write a run's files into a folder of their own under Gradio's cache, which is cleared by age; their paths."""
    from regime.plots.figure import figure

    report = Report.from_dict(fields)
    cache = Path(get_upload_folder())
    cache.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="regime-", dir=cache))
    paths = [folder / name for name in NAMES]
    report.save(folder)
    paths[1].write_text(table(report))
    drawing = figure(report)
    for path in paths[2:4]:
        drawing.savefig(path, dpi=150)
    session.save_kernels(paths[4])
    return [str(path) for path in paths]
