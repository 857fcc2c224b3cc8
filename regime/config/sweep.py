"""Configuration of a sweep: one base, and the values that some of its fields take."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from regime.config.base import FROM_LIST, ROWS, Config, FrozenDict
from regime.config.own import PARTS, is_own, path_of
from regime.config.probe import ProbeConfig
from regime.config.toy import ToyConfig
from regime.errors import ConfigError, show

Scalar = bool | int | float | str | None


def _named(axes: Any) -> Any:
    """Axes whose parts of one's own are named by their import paths."""
    if not isinstance(axes, Mapping):
        return axes

    def path(name: Any, value: Any) -> Any:
        try:
            return path_of(value) if name in PARTS and callable(value) else value
        except ValueError as error:
            raise ValueError(f"axes.{name} = {error}") from None

    return {
        name: [path(name, value) for value in values] if isinstance(values, list | tuple) else values
        for name, values in axes.items()
    }


Axes = Annotated[dict[str, Annotated[tuple[Scalar, ...], FROM_LIST]], BeforeValidator(_named), AfterValidator(FrozenDict)]
BASES: dict[str, type[Config]] = {"toy": ToyConfig, "probe": ProbeConfig}
FIXED = ("kind", "seeds", "max_seeds", "device", "measures", *ROWS)
"""Fields of a base that are no axis."""
AXES, VALUES = 6, 1000
CHECKED = 1_000
"""Combinations beyond which only each value alone is checked: so many are refused when the sweep is to be run."""


def _base(value: Any) -> Any:
    """Turn a base that is a dict, as in JSON, into the configuration that it describes."""
    if not isinstance(value, dict):
        return value
    kind = value.get("kind", "toy")
    if not isinstance(kind, str) or kind not in BASES:
        raise ValueError(f"base.kind = {show(kind)} is not allowed; allowed: one of {', '.join(map(repr, BASES))}")
    try:
        return BASES[kind].from_dict(value)
    except ConfigError as error:
        raise ValueError(f"base: {error}") from None


class SweepConfig(Config):
    """A run for every combination of some fields' values: a map of regimes over two knobs, or any number of them.

    The cells of a map are what `regime.run` would give of each, to rounding; those that differ in alpha, learning_rate and seed
    alone train as one batch.
    """

    kind: Literal["sweep"] = "sweep"
    base: Annotated[ToyConfig | ProbeConfig, Field(discriminator="kind"), BeforeValidator(_base)] = Field(
        default=ToyConfig(), description="what all cells have in common"
    )
    axes: Axes = Field(
        default={"width": [32, 64, 128, 256], "alpha": [0.125, 0.5, 2.0, 8.0]},
        max_length=AXES,
        description="field of the base -> the values it takes; cells are all combinations",
    )
    seeds: int | None = Field(default=None, ge=1, le=64, description="of each cell, instead of the base's")
    at_loss: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="toys are measured one step after the training loss, averaged over seeds, first is at most this share of "
        "its start, and stop there; null: at the last step",
    )
    engine: Literal["local", "dask"] = Field(default="local", description="processes of this machine, or a Dask cluster")
    scheduler: str | None = Field(
        default=None, max_length=200, description="for engine 'dask': its address, tcp://host:8786; null: REGIME_SCHEDULER"
    )
    store: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="a file in which finished cells are kept, and found again; null: none in Python, on a server its own",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.axes:
            raise ValueError("axes = {} is not allowed; allowed: one field or more, each with a list of values")
        for name, values in self.axes.items():
            self._check_axis(name, values)
        if self.at_loss is not None and self.base.kind != "toy":
            raise ValueError(f"at_loss = {self.at_loss} is not allowed with a base of kind 'probe'; allowed: null")
        if self.base.kind == "toy" and self.base.max_seeds is not None:
            raise ValueError(
                f"base.max_seeds = {self.base.max_seeds} is not allowed in a sweep, whose cells have equally many seeds; "
                "allowed: null"
            )
        if self.scheduler is not None and self.engine != "dask":
            raise ValueError(f"scheduler = {self.scheduler!r:.80} is not allowed with engine = 'local'; allowed: null")
        if self.size <= CHECKED:
            for _ in self.cells():
                pass
        return self

    def _check_axis(self, name: str, values: tuple[Scalar, ...]) -> None:
        known = [field for field in type(self.base).model_fields if field not in FIXED]
        if name not in known:
            raise ValueError(f"axes.{name} is not allowed: no field to sweep; allowed: {', '.join(known)}")
        if not values or len(values) > VALUES:
            raise ValueError(f"axes.{name} has {len(values)} values; allowed: 1 to {VALUES}")
        if len({(isinstance(value, bool), value) for value in values}) < len(values):
            raise ValueError(
                f"axes.{name} = {show(list(values))} is not allowed: a value is there twice; allowed: different ones"
            )
        if self.size > CHECKED:
            for value in values:
                self._cell({name: value})

    @property
    def size(self) -> int:
        """How many cells there are."""
        return prod(len(values) for values in self.axes.values())

    def cells(self) -> Iterator[ToyConfig | ProbeConfig]:
        """Return the configurations of all cells, the last axis turning fastest.

        Raises:
            ConfigError: two fields contradict at one of them; the message names it.
        """
        return map(self.cell, range(self.size))

    def cell(self, index: int) -> ToyConfig | ProbeConfig:
        """Return the configuration of one cell, by its place in `cells`."""
        point = {}
        for name, values in reversed(self.axes.items()):
            index, place = divmod(index, len(values))
            point[name] = values[place]
        return self._cell(point)

    def _cell(self, point: dict[str, Scalar]) -> ToyConfig | ProbeConfig:
        more = {} if self.seeds is None else {"seeds": self.seeds}
        try:
            return self.base.model_copy(update=point | more)
        except ConfigError as error:
            where = ", ".join(f"{name} = {show(value)}" for name, value in point.items())
            raise ConfigError(f"axes: {error}" if str(error).startswith(where) else f"axes at {where}: {error}") from None

    def own_parts(self) -> list[tuple[str, str]]:
        """Return the parts of one's own, of the base and of the axes, each by the field that names it and its import path."""
        axes = [(f"axes.{name}", value) for name in PARTS for value in self.axes.get(name, ()) if is_own(value)]
        return [(f"base.{name}", path) for name, path in self.base.own_parts()] + axes

    def point(self, cell: ToyConfig | ProbeConfig) -> dict[str, Scalar]:
        """Return the axes' values at a cell."""
        return {name: getattr(cell, name) for name in self.axes}
