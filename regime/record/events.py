"""What a run says while it goes: frozen events of plain numbers and strings, the same for Python, the API and the page."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from regime.config.read import Read
from regime.measures.verdict import Label, Verdict

Number = float | None
"""A finite number, or null with a reason in the `undefined` beside it."""


class Message(BaseModel):
    """Base of events and reports: frozen, closed, JSON-safe."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and finite numbers."""
        return self.model_dump(mode="json")


class Reference(Message):
    """A value to read a measure against, drawn as a line beside its curve."""

    measure: str = Field(description="name of the measure")
    value: float = Field(description="in the measure's unit")
    meaning: str = Field(description="what is known of values above and below, in words")


class Band(Message):
    """Modes `first` to `last` of Theta_0 on the probe points, 1 the largest, and the linearization gap within them."""

    first: int = Field(description="number of its first mode, from 1")
    last: int = Field(description="number of its last mode")
    share: float = Field(description="of the trace of Theta_0")
    gap: Number = Field(description="linearization gap within these modes")


Interval = tuple[float, float]


class Regime(Message):
    """A block's own verdict."""

    label: Label = Field(description="lazy, mixed, rich, or no verdict")
    index: Number = Field(description="regime index, 0 lazy to 1 rich; null where there is none")
    interval: Interval | None = Field(description="95% interval of the index; null where it is not defined")
    reasons: list[str] = Field(description="why, in sentences")


class Row(Message):
    """The measures of one layer or block, averaged over seeds."""

    layer: str = Field(description="path of the module that owns the parameters; the block's path in rows by block")
    block: str = Field(description="path of the block that it belongs to")
    measures: dict[str, Number] = Field(description="measure -> its mean over seeds")
    undefined: dict[str, str] = Field(description="measure -> why it is null")
    floors: dict[str, float] = Field(description="measure -> what rounding and the choice of probe points alone may make of it")
    intervals: dict[str, Interval] = Field(
        description="measure -> its 95% interval: seeds, choice of probe points, and rounding; of your own measures: seeds"
    )
    regime: Regime | None = Field(description="of a block: its verdict, from its own kernel and its own Taylor gap")


class Estimate(Message):
    """What a run is expected to cost on this machine."""

    seconds: float = Field(description="wall time; a toy's within a factor of two")
    bytes: int = Field(description="memory that it needs at most")


class Queued(Message):
    """Sent by a server alone, while a run waits for a slot, also between its spells: at once, and then twice a second."""

    kind: Literal["queued"] = "queued"
    place: int = Field(description="in the queue; 1 is the next to begin")
    seconds: Number = Field(description="expected wait, from what earlier runs took; null where they do not tell")


class Fetching(Message):
    """Sent before `started`, five times a second, while a model's files come from the Hub."""

    kind: Literal["fetching"] = "fetching"
    model: str = Field(description="its name")
    revision: str = Field(description="commit, branch or tag of the model's repository")
    bytes: int = Field(description="that are here")
    total: int = Field(description="bytes of all its files; 0 until the Hub has told")
    seconds: float = Field(description="wall time since the start")


class Started(Message):
    """Sent once, before anything is measured."""

    kind: Literal["started"] = "started"
    config: dict[str, Any] = Field(description="the configuration in full")
    learning_rate: float = Field(description="the step size in use, also where the configuration left it open")
    device: str = Field(description="on which it is run, such as cpu or cuda:0")
    parameters: int = Field(description="trainable parameters of one seed")
    estimate: Estimate = Field(description="what the run is expected to cost")
    references: list[Reference] = Field(description="values to read measures against")
    read: Read | None = Field(default=None, description="what was read of somebody's own rows; null: the run has none")
    view: dict[str, Any] = Field(
        description="numbers that only pictures need; text is base64 of little-endian float16. Of one or two inputs, units and "
        "first-layer weights at the start, relative to the scale beside them; of more, the shape of the inputs; of functions "
        "without a picture, targets of held-out predictions; of transformers, labels of the first probe examples"
    )


class Progress(Message):
    """Sent only where a measurement is more than a fifth of a second away."""

    kind: Literal["progress"] = "progress"
    step: int = Field(description="steps done; of a sweep, cells that are there")
    steps: int = Field(description="steps, or cells, in all")
    seconds: float = Field(description="wall time since the start")
    seconds_left: Number = Field(description="expected wall time to the end; null where it is not known yet")


class Measured(Message):
    """Sent at every measured step: all measures, layer by layer and block by block, and the verdict so far."""

    kind: Literal["measured"] = "measured"
    step: int | float = Field(description="an integer, except where somebody counts in parts, such as half epochs")
    steps: int | float = Field(description="of the whole run")
    time: float = Field(description="steps times learning_rate, their sum where it changes; the step where nothing is trained")
    seconds: float = Field(description="wall time since the start")
    seconds_left: Number = Field(description="expected wall time to the end; null where it is not known")
    measures: dict[str, Number] = Field(description="whole-model measures, mean over seeds")
    spread: dict[str, Number] = Field(description="their standard deviation over seeds; null with one seed")
    seeds: dict[str, list[Number]] = Field(description="the same, seed by seed")
    intervals: dict[str, Interval] = Field(
        description="measure -> its 95% interval: seeds, choice of probe points, and rounding; of your own measures: seeds"
    )
    layers: list[Row] = Field(description="one row a layer")
    blocks: list[Row] = Field(description="one row a block of layers, such as a transformer's")
    undefined: dict[str, str] = Field(description="measure -> why it is null")
    floors: dict[str, float] = Field(description="measure -> what rounding and the choice of probe points alone may make of it")
    modes: list[Band] = Field(description="the gap by modes of the initial kernel; empty before anything moved")
    verdict: Verdict = Field(description="the verdict so far")
    view: dict[str, Any] = Field(
        description="numbers that only pictures need; text is base64 of little-endian float16. Features are the first seed's: "
        "of one or two inputs, the 8 units that changed the most and the first layer's weights; of more, directions of the "
        "average gradient outer product; of functions without a picture, held-out predictions; of other networks, two "
        "coordinates an example by block"
    )


class Finished(Message):
    """Sent once, at the end."""

    kind: Literal["finished"] = "finished"
    report: dict[str, Any] = Field(description="the report, as in its own schema")


Event = Annotated[Queued | Fetching | Started | Progress | Measured | Finished, Field(discriminator="kind")]
