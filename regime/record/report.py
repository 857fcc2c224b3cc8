"""A finished run: its verdict, its numbers, and where they came from."""

import csv
import io
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from regime.config import AnyConfig
from regime.config.read import Read
from regime.measures.verdict import Verdict
from regime.record.events import Band, Interval, Measured, Message, Number, Reference, Row
from regime.record.saved import Saved, first_problem
from regime.record.statistics import check_seeds

BESIDE = ("layer", "block", "regime", "undefined", "floors", "intervals")
"""What a row has that is no measure."""


def flat(row: Row) -> dict[str, Any]:
    """A row as one flat dict, the form tables take."""
    more = {} if row.regime is None else {"regime": row.regime.to_dict()}
    intervals = {name: list(interval) for name, interval in row.intervals.items()}
    rest = {"undefined": row.undefined, "floors": row.floors, "intervals": intervals}
    return {"layer": row.layer, "block": row.block, **row.measures, **more, **rest}


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    """A flat row, where it is one; raises ValueError."""
    beside = {name: row[name] for name in BESIDE if name in row}
    measures = {name: value for name, value in row.items() if name not in BESIDE}
    try:
        return flat(Row(**{"regime": None, **beside}, measures=measures))
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None


FlatRow = Annotated[dict[str, Any], AfterValidator(_checked)]


class Provenance(Message):
    """What a number needs to be trusted and made again."""

    versions: dict[str, str] = Field(description="package -> its version")
    device: str = Field(description="on which it was run")
    threads: int = Field(description="of the CPU that were used")
    seconds: float = Field(description="wall time of the run")
    seed: int = Field(description="of the first initialization")
    learning_rate: float = Field(description="the step size in use")
    parameters: int = Field(description="trainable parameters of one seed")
    source: str = Field(description="where data and weights came from")
    seeds: int | None = Field(
        default=None, description="how many ran, those that max_seeds added included; null in older reports"
    )


class Report(Saved):
    """The result of `regime.run`, and of every stream's last event.

    `final`, `spread` and `seeds` hold the whole-model measures of the last measurement: mean over seeds, standard deviation,
    and seed by seed. `layers` and `blocks` hold rows; `history` every measurement.
    """

    file: ClassVar[str] = "report.json"

    kind: Literal["report"] = "report"
    version: Literal[3] = Field(default=3, description="of this format")
    config: AnyConfig = Field(description="the configuration in full")
    verdict: Verdict = Field(description="the verdict at the end")
    final: dict[str, Number] = Field(description="whole-model measures of the last measurement, mean over seeds")
    spread: dict[str, Number] = Field(description="their standard deviation over seeds; null with one seed")
    seeds: dict[str, list[Number]] = Field(description="the same, seed by seed")
    layers: list[FlatRow] = Field(
        description="one flat row a layer: layer, block, measures, undefined, floors, intervals; a block's its regime"
    )
    blocks: list[FlatRow] = Field(description="one flat row a block, as in layers")
    undefined: dict[str, str] = Field(description="measure -> why it is null")
    floors: dict[str, float] = Field(description="measure -> what rounding and the choice of probe points alone may make of it")
    intervals: dict[str, Interval] = Field(
        description="measure -> its 95% interval: seeds, choice of probe points, and rounding; of your own measures: seeds"
    )
    modes: list[Band] = Field(description="the gap by modes of the initial kernel")
    references: list[Reference] = Field(description="values to read measures against")
    diverged: bool = Field(description="whether training diverged")
    history: list[Measured] = Field(description="every measurement, in order")
    provenance: Provenance = Field(description="where the numbers came from")
    read: Read | None = Field(default=None, description="what was read of somebody's own rows; null: the run has none")
    definitions: dict[str, str] = Field(default={}, description="measure of one's own -> what it is")
    interrupted: str | None = Field(
        default=None, description="where the run was interrupted, such as 'at step 40 of 400'; null where it ended"
    )

    @model_validator(mode="after")
    def _of_as_many_seeds(self) -> Self:
        check_seeds(self.seeds, self.verdict.seeds)
        return self

    @classmethod
    def from_history(
        cls,
        config: AnyConfig,
        history: list[Measured],
        *,
        references: list[Reference],
        diverged: bool,
        provenance: Provenance,
        definitions: dict[str, str],
    ) -> Self:
        """Build the report of what was measured; its numbers are those of the last measurement.

        Args:
            config: of the run.
            history: every measurement.
            references: values to read measures against.
            diverged: whether training did.
            provenance: where the numbers came from.
            definitions: of measures of one's own.
        """
        last = history[-1]
        return cls(
            config=config,
            verdict=last.verdict,
            final=last.measures,
            spread=last.spread,
            seeds=last.seeds,
            layers=[flat(row) for row in last.layers],
            blocks=[flat(row) for row in last.blocks],
            undefined=last.undefined,
            floors=last.floors,
            intervals=last.intervals,
            modes=last.modes,
            references=references,
            diverged=diverged,
            history=history,
            provenance=provenance,
            read=getattr(config, "read", None),
            definitions=definitions,
        )

    def to_csv(self) -> str:
        """Return the layers as CSV, then the blocks, whose layer is empty: with floors, intervals, a block's verdict.

        An undefined value is empty, and its reason is in the last column.
        """
        rows = [*self.layers, *({**row, "layer": ""} for row in self.blocks)]
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
