"""What a finished run leaves behind: its report, its table, its figure, and the code that makes it again."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from regime.config import config_from_dict
from regime.config.base import OWN
from regime.pipeline import Session
from regime.report import Report
from regime.ui.zero import Rented

CLASSES = {"toy": "ToyConfig", "probe": "ProbeConfig", "checkpoints": "CheckpointConfig"}
ROWS = 'open("rows.csv").read()'
BESIDE = ("layer", "block", "regime", "undefined", "floors", "intervals")
"""What a row has that is no measure."""
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
    """The layer rows as CSV, then the block rows, whose layer is empty: with floors, intervals, a block's verdict.

    An undefined value is empty, and its reason is in the last column.
    """
    rows = [*report.layers, *({**row, "layer": ""} for row in report.blocks)]
    measures = list(dict.fromkeys(name for row in rows for name in row if name not in BESIDE))
    floored = [name for name in measures if any(name in row["floors"] for row in rows)]
    spread = [name for name in measures if any(name in row["intervals"] for row in rows)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    beside = [f"{name}_floor" for name in floored] + [f"{name}_{end}" for name in spread for end in ("low", "high")]
    writer.writerow(["layer", "block", *measures, *beside, "regime", "regime_index", "undefined"])
    for row in rows:
        values, floors = [row.get(name) for name in measures], [row["floors"].get(name) for name in floored]
        ends = [end for name in spread for end in row["intervals"].get(name, (None, None))]
        own = row.get("regime", {})
        reasons = "; ".join(f"{name}: {reason}" for name, reason in row["undefined"].items())
        writer.writerow([row["layer"], row["block"], *values, *floors, *ends, own.get("label"), own.get("index"), reasons])
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
