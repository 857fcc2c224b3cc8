"""What a sweep says while it goes: a start, its cells as they come to their ends, progress between, and a report."""

from typing import Annotated, Any, Literal

from pydantic import Field

from regime.config.read import Read
from regime.record.events import Estimate, Fetching, Finished, Message, Number, Progress, Queued
from regime.sweep.cell import Cell


class SweepStarted(Message):
    """A sweep that begins, with what the store had of it."""

    kind: Literal["started"] = "started"
    config: dict[str, Any] = Field(description="the configuration in full")
    estimate: Estimate = Field(description="what the sweep is expected to cost")
    cells: int = Field(description="in all")
    found: int = Field(description="cells that the store had; they are sent at once")
    batches: int = Field(description="in which the others are run")
    workers: int = Field(description="processes that run cells side by side")
    read: Read | None = Field(default=None, description="what was read of somebody's own rows; null: the base has none")
    kept: str | None = Field(description="name under which a store that could not be used was kept aside")


class CellMeasured(Message):
    """A cell of a sweep that has come to its end."""

    kind: Literal["measured"] = "measured"
    step: int = Field(description="cells that are there")
    steps: int = Field(description="cells in all")
    seconds: float = Field(description="wall time since the start")
    seconds_left: Number = Field(description="expected wall time to the end; null where it is not known")
    cell: Cell = Field(description="the cell")


SweepEvent = Annotated[Queued | Fetching | SweepStarted | Progress | CellMeasured | Finished, Field(discriminator="kind")]
