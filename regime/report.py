"""A finished run: its verdict, its numbers, and where they came from."""

import json
import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError

from regime.config import AnyConfig
from regime.events import Band, Interval, Measured, Message, Number, Reference, Row
from regime.measures.verdict import Verdict

FILE = "report.json"
SIZE_LIMIT = 64 * 2**20


class Provenance(Message):
    """What a number needs to be trusted and made again."""

    versions: dict[str, str]
    device: str
    threads: int
    seconds: float
    seed: int
    learning_rate: float
    parameters: int
    source: str = Field(description="where data and weights came from")


class Report(Message):
    """The result of `regime.run`, and of every stream's last event.

    `final`, `spread` and `seeds` hold the whole-model measures of the last measurement: mean over seeds, standard deviation,
    and seed by seed. `layers` and `blocks` hold rows; `history` every measurement.
    """

    kind: Literal["report"] = "report"
    version: Literal[3] = 3
    config: AnyConfig
    verdict: Verdict
    final: dict[str, Number]
    spread: dict[str, Number]
    seeds: dict[str, list[Number]]
    layers: list[dict[str, Any]] = Field(
        description="one flat row a layer: layer, block, measures, undefined, floors, intervals; a block's its regime"
    )
    blocks: list[dict[str, Any]]
    undefined: dict[str, str]
    floors: dict[str, float]
    intervals: dict[str, Interval]
    modes: list[Band]
    references: list[Reference]
    diverged: bool
    history: list[Measured]
    provenance: Provenance

    @classmethod
    def from_history(
        cls, config: AnyConfig, history: list[Measured], *, references: list[Reference], diverged: bool, provenance: Provenance
    ) -> Self:
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
        )

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Inverse of `to_dict`; raises ValueError naming what does not fit."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise ValueError(f"not a report of this version: {where}: {problem['msg']}") from None

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write `folder`/report.json, whole or not at all; returns its path."""
        target = Path(folder) / FILE
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{FILE}.{os.getpid()}")
        partial.write_text(self.model_dump_json())
        partial.replace(target)
        return target

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no report in the folder.
            ValueError: the file is not a report of this version.
        """
        path = Path(folder) / FILE
        if path.stat().st_size > SIZE_LIMIT:
            raise ValueError(f"{path} is larger than {SIZE_LIMIT} bytes: not a report")
        try:
            fields = json.loads(path.read_text())
        except ValueError:
            raise ValueError(f"{path} is not JSON") from None
        return cls.from_dict(fields)


def flat(row: Row) -> dict[str, Any]:
    """A row as one flat dict, the form tables take."""
    more = {} if row.regime is None else {"regime": row.regime.to_dict()}
    intervals = {name: list(interval) for name, interval in row.intervals.items()}
    rest = {"undefined": row.undefined, "floors": row.floors, "intervals": intervals}
    return {"layer": row.layer, "block": row.block, **row.measures, **more, **rest}
