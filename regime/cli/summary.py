"""Reports in a few lines of text."""

from collections import Counter
from collections.abc import Iterable

from regime.measures.verdict import FEW, UNLEARNED, Verdict
from regime.record.report import Report
from regime.sweep.cell import Cell
from regime.sweep.findings import Contour, Law
from regime.sweep.report import SweepReport

SHOWN = 10
"""Cells that are listed; more are counted."""
ABSTAINED = ("diverged", "nothing moved", "no kernel", "no gap", FEW, UNLEARNED)
"""Reasons of "no verdict" that a verdict gives in place of how far its seeds agree."""


def failed(report: Report | SweepReport) -> bool:
    """Return whether a run diverged, or a sweep's cell could not be run."""
    return any(cell.status == "failed" for cell in report.cells) if isinstance(report, SweepReport) else report.diverged


def summary(report: Report | SweepReport) -> str:
    """Return a run's verdict with its reasons, or a sweep's verdicts counted, with what went wrong and its laws."""
    lines = [f"interrupted {report.interrupted}"] if report.interrupted else []
    if isinstance(report, SweepReport):
        return "\n".join([*lines, *_cells(report.cells), *_laws(report)])
    verdict = report.verdict
    label: str = verdict.label
    if verdict.index is not None and verdict.interval is not None:
        label += f", index {verdict.index:.2f} [{verdict.interval[0]:.2f}, {verdict.interval[1]:.2f}]"
    return "\n".join([*lines, label, *verdict.reasons, *verdict.advice])


def _cells(cells: list[Cell]) -> list[str]:
    known = _counted(cell.verdict.label if cell.verdict else cell.status for cell in cells)
    lines = [f"{len(cells)} cells" + (f": {known}" if known else "")]
    if reasons := _counted(_reason(cell.verdict) for cell in cells if cell.verdict and cell.verdict.label == "no verdict"):
        lines.append(f"no verdict: {reasons}")
    diverged, broken = ([cell for cell in cells if cell.status == status] for status in ("diverged", "failed"))
    lines += _listed([f"diverged: {_point(cell)}" for cell in diverged], "diverged")
    return lines + _listed([f"failed: {_point(cell)}: {cell.error}" for cell in broken], "failed")


def _reason(verdict: Verdict) -> str:
    return verdict.agree if verdict.agree in ABSTAINED else "interval across a bound"


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in Counter(names).items())


def _listed(lines: list[str], what: str) -> list[str]:
    more = len(lines) - SHOWN
    return lines[:SHOWN] + ([f"{what}: {more} more"] if more > 0 else [])


def _point(cell: Cell) -> str:
    return ", ".join(f"{name} = {value}" for name, value in cell.point.items())


def _laws(report: SweepReport) -> list[str]:
    contours = [_law(f"{law.knob}* where {law.measure} = {law.level:g}", law) for law in report.contours]
    return contours + [_law(law.measure, law) for law in report.laws]


def _law(what: str, law: Contour | Law) -> str:
    where = "".join(f", {name} = {value}" for name, value in law.at.items())
    return (
        f"{what} ~ {law.axis}^{law.exponent:.3f} [{law.interval[0]:.3f}, {law.interval[1]:.3f}]"
        f"{where} ({law.activation}, {law.parameterization}, {law.norm})"
    )
