"""How held-out loss depends on the size of networks and data: scaling laws with a floor, and double descent."""

from collections.abc import Sequence

from pydantic import Field

from regime.config import SweepConfig
from regime.dynamics.regression import SINGULAR
from regime.record.events import Interval
from regime.sweep import fits
from regime.sweep.cell import Cell
from regime.sweep.lines import FitTable, Fitted

SIZES = ("width", "samples")
LEARNED = "test_loss"
LEAST_NORM = "kernel_start_test_loss"
"""Loss of kernel regression with the first kernel; where the readout alone is trained, of the least-norm fit."""


class Scaling(Fitted):
    """`test_loss = floor + coefficient size^-exponent`, the other axes held (Hestness et al. 2017, arXiv 1712.00409)."""

    exponent: float = Field(description="with which the loss falls to its floor")
    interval: Interval = Field(description="95%, of the exponent")
    floor: float = Field(description="loss at infinite size")
    floor_interval: Interval = Field(description="95%, of the floor")
    coefficient: float = Field(description="loss above the floor where the size is 1")
    points: int = Field(description="values of the axis in the fit")


class DoubleDescent(Fitted):
    """Where the loss of the least-norm fit peaks along a size, and how far it falls on both sides (Belkin et al. 2019)."""

    peak: float = Field(description="value of the axis at the largest loss")
    interval: Interval = Field(description="95%, of the peak")
    before: float = Field(description="largest loss over the lowest before it")
    before_interval: Interval = Field(description="95%, of before")
    after: float = Field(description="largest loss over the lowest after it: the second descent")
    after_interval: Interval = Field(description="95%, of after")
    points: int = Field(description="values of the axis")


def scaling_laws(config: SweepConfig, cells: Sequence[Cell]) -> list[Scaling]:
    """Fit laws with a floor to the test loss along width and samples, of four values or more, where an exponent can be told."""
    found = []
    for line in FitTable(config, cells).lines([LEARNED], SIZES):
        try:
            law = fits.scaling_law(line.x, line.y, paired=line.paired)
        except ValueError:
            continue
        floor = {"floor": law.floor.value, "floor_interval": law.floor[1:], "coefficient": law.coefficient}
        found.append(
            Scaling(**line.named(), **floor, exponent=law.exponent.value, interval=law.exponent[1:], points=len(line.x))
        )
    return found


def descents(config: SweepConfig, cells: Sequence[Cell]) -> list[DoubleDescent]:
    """Find the peaks of the least-norm fit's loss along width and samples, where the readout alone is trained.

    A line with a cell whose kernel is too near singular to tell that loss has none: its peak may be there.
    """
    if config.base.kind != "toy" or config.base.trainable != "readout":
        return []
    found = []
    blurred = [cell.point for cell in cells if cell.undefined.get(LEAST_NORM) == SINGULAR]
    for line in FitTable(config, cells).lines([LEAST_NORM], SIZES):
        if any(line.at.items() <= point.items() for point in blurred):
            continue
        try:
            top = fits.peak(line.x, line.y, paired=line.paired)
        except ValueError:
            continue
        parts = {"peak": top.x, "before": top.before, "after": top.after}
        ends = {"interval" if name == "peak" else f"{name}_interval": part[1:] for name, part in parts.items()}
        values = {name: part.value for name, part in parts.items()}
        found.append(DoubleDescent(**line.named(), **values, **ends, points=len(line.x)))
    return found
