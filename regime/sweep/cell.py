"""A finished cell of a sweep."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from regime.config.sweep import Scalar
from regime.measures.verdict import Verdict
from regime.record.events import Interval, Measured, Message, Number
from regime.record.statistics import check_seeds

RESULT_VERSION = 4
"""Version of what a cell holds and of how it is computed: a store of another version is not used."""
LEFT_OUT = ("kernel_velocity",)
"""Measures between two measurements: a sweep has only the last."""


class Cell(Message):
    """What a run of one combination came to: its measures at the last step, or where its loss was reached."""

    index: int = Field(description="place among the cells, the last axis turning fastest")
    point: dict[str, Scalar] = Field(description="the axes' values here")
    key: str = Field(description="SHA-256 of the configuration, a probe's model files and the version; empty without the files")
    status: Literal["finished", "diverged", "failed"] = Field(description="finished, diverged in training, or failed")
    reached: bool = Field(description="whether the loss that was asked for was reached; true where none was")
    step: int = Field(description="at which it was measured")
    learning_rate: Number = Field(description="the step size in use; null where the cell failed")
    measures: dict[str, Number] = Field(description="mean over seeds")
    spread: dict[str, Number] = Field(description="standard deviation over seeds; null with one seed")
    seeds: dict[str, list[Number]] = Field(description="seed by seed")
    intervals: dict[str, Interval] = Field(description="95%: seeds, choice of probe points, and rounding")
    undefined: dict[str, str] = Field(description="measure -> why it is null")
    layers: dict[str, dict[str, Number]] = Field(description="layer -> measures, mean over seeds")
    verdict: Verdict | None = Field(description="its verdict; null where the cell failed")
    training_seconds: float = Field(description="spent in steps, by a probe in all: its share of its batch's")
    seconds: float = Field(description="spent in all: its share of its batch's")
    error: str | None = Field(description="why it failed")

    @model_validator(mode="after")
    def _of_as_many_seeds(self) -> Self:
        self.check_seeds()
        return self

    def check_seeds(self, wanted: int | None = None) -> None:
        """Refuse lists over seeds that are not as long as each other, or as wanted; raises ValueError."""
        check_seeds(self.seeds, [] if self.verdict is None else self.verdict.seeds, wanted)


def of_event(event: Measured, *, learning_rate: float, diverged: bool, reached: bool) -> dict[str, Any]:
    """Return a cell's results from its last measurement: all fields but its place and what it cost.

    Args:
        event: the measurement.
        learning_rate: that the cell was trained with.
        diverged: whether training diverged.
        reached: whether the loss that was asked for was reached.
    """

    def kept(part: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in part.items() if name not in LEFT_OUT}

    return {
        "status": "diverged" if diverged else "finished",
        "reached": reached,
        "step": event.step,
        "learning_rate": learning_rate,
        "measures": kept(event.measures),
        "spread": kept(event.spread),
        "seeds": kept(event.seeds),
        "intervals": event.intervals,
        "undefined": kept(event.undefined),
        "layers": {row.layer: row.measures for row in event.layers},
        "verdict": event.verdict.model_dump(mode="json"),
        "error": None,
    }


def failure(error: str) -> dict[str, Any]:
    """Return what stands for the results of a cell that could not be run."""
    empty = ("measures", "spread", "seeds", "intervals", "undefined", "layers")
    rest = {"reached": False, "step": 0, "learning_rate": None, "verdict": None, "training_seconds": 0.0, "seconds": 0.0}
    return {"status": "failed", "error": error, **{name: {} for name in empty}, **rest}
