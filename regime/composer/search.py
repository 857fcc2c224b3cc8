"""Where to look for a border next, and what the runs that were tried say of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log, sqrt
from typing import ClassVar, Literal, Self, get_args

from pydantic import Field

from regime.composer.producers import produce
from regime.config import ToyConfig
from regime.errors import ConfigError, is_finite, show
from regime.measures.advice import Side
from regime.measures.verdict import UNLEARNED, ZONES, Label, zone
from regime.record.events import Interval, Message, Number
from regime.record.saved import Saved

Axis = Literal["alpha", "learning_rate", "width"]
RANGES: dict[str, Interval] = {"alpha": (1e-4, 1e4), "learning_rate": (1e-9, 1e6), "width": (1, 16384)}
"""Values that are searched."""
STRIDE = {"alpha": 4.0, "learning_rate": 4.0, "width": 2.0}
"""Factor between neighbors as long as no border lies between any."""
STRIDES = {"alpha": 2, "learning_rate": 2, "width": 1}
"""How many of them are tried at once: runs that differ in alpha or learning_rate train as one batch."""
AT_ONCE = {"alpha": 3, "learning_rate": 3, "width": 1}
"""Values tried at once within a bracket."""
LAZIER = {"alpha": 1, "learning_rate": -1, "width": 1}
"""Direction in which runs are expected to get lazier; where they do not, the search turns round."""
TOLERANCE = 1.1
"""Factor between neighbors at which a bracket is narrow enough."""
FAILED = "failed"


class Trial(Message):
    """What the run at one value came to."""

    value: float = Field(description="of the field that is searched")
    learning_rate: Number = Field(description="the step size in use; null where the run failed")
    label: Label = Field(description="lazy, mixed, rich, or no verdict")
    index: Number = Field(description="regime index, 0 lazy to 1 rich; null where there is none")
    interval: Interval | None = Field(description="95% interval of the index")
    agree: str = Field(description="how far the seeds agree, in words")
    reasons: list[str] = Field(description="why, in sentences")

    @property
    def judged(self) -> bool:
        """Whether it lies somewhere between lazy and rich, if only across a bound."""
        return self.interval is not None and self.agree != UNLEARNED

    @property
    def bounds(self) -> bool:
        """Whether a border may lie beside it: also where training diverged or learned nothing, not where it could not run."""
        return self.agree != FAILED

    def __str__(self) -> str:
        known = " or ".join(dict.fromkeys(map(zone, self.interval))) if self.judged else self.agree
        return f"{known} at {self.value:.3g}"


class Border(Saved):
    """The value of a field at which the regime changes, its interval, and what was seen on both sides."""

    file: ClassVar[str] = "border.json"

    kind: Literal["border"] = "border"
    config: ToyConfig = Field(description="the configuration in full")
    axis: Axis = Field(description="field that is searched")
    side: Side = Field(description="regime whose end is searched")
    value: Number = Field(description="middle of the bracket in which the index passes its bound; null: no border")
    interval: tuple[Number, Number] | None = Field(
        description="95%: the nearest values at which the verdict's own interval leaves the bound; null where there is none"
    )
    below: Trial | None = Field(description="the run at the interval's lower end")
    above: Trial | None = Field(description="the run at its upper end")
    seen: list[Trial] = Field(description="every run, by value")
    reasons: list[str] = Field(description="the border in words, or why there is none")


@dataclass(frozen=True)
class Search:
    """What is sought; from what was seen, where to look next and what it comes to."""

    config: ToyConfig
    axis: Axis
    side: Side
    start: float
    within: Interval

    @classmethod
    def of(cls, config: ToyConfig, axis: Axis, side: Side, within: Interval | None = None) -> Self:
        """Return a search that begins at the configuration's own value.

        Args:
            config: the run.
            axis: the field that is searched.
            side: the border that is sought.
            within: the values that may be tried.

        Raises:
            ConfigError: as `stream_border` does.
        """
        if not isinstance(config, ToyConfig):
            raise ConfigError(f"config = {show(config)} is not allowed; allowed: a ToyConfig")
        for name, value, known in (("axis", axis, get_args(Axis)), ("side", side, get_args(Side))):
            if value not in known:
                raise ConfigError(f"{name} = {show(value)} is not allowed; allowed: {', '.join(map(repr, known))}")
        low, high = RANGES[axis]
        try:
            smallest, largest = (low, high) if within is None else within
            fits = is_finite(smallest) and is_finite(largest) and low <= smallest < largest <= high
            if fits and axis == "width":
                smallest, largest = ceil(smallest), floor(largest)
                fits = smallest < largest
        except (TypeError, ValueError):
            fits = False
        if not fits:
            whole = ", with two whole numbers between them or more" if axis == "width" else ""
            raise ConfigError(
                f"within = {show(within)} is not allowed; allowed: two increasing values from {low:g} to {high:g}{whole}"
            )
        config = with_all_seeds(config)
        own = getattr(config, axis)
        own = produce(config).learning_rate if own is None else own
        return cls(config, axis, side, start=type(own)(min(max(own, smallest), largest)), within=(smallest, largest))

    def next_values(self, seen: Sequence[Trial]) -> list[float]:
        """The values to try next; none where the border is known, or that there is none."""
        if not seen:
            return sorted({self.start, *self._outwards(self.start, -1), *self._outwards(self.start, 1)})
        known = _ordered(seen)
        if (pair := self._crossing(known)) is None:
            return self._approach(known)
        wanted = self._between(known[pair[0]], known[pair[1]])
        for inner, step in zip(pair, (-1, 1), strict=True):
            outer = self._end(known, inner, step)
            if not 0 <= outer < len(known):
                wanted += self._outwards(known[outer - step].value, step)
            elif outer != inner and known[outer].bounds:
                wanted += self._between(known[outer], known[outer - step])
        return sorted(set(wanted) - {item.value for item in known})

    def border(self, seen: Sequence[Trial]) -> Border:
        """What was seen comes to."""
        known = _ordered(seen)
        fields = {"config": self.config, "axis": self.axis, "side": self.side, "seen": known}
        if (pair := self._crossing(known)) is None:
            return Border(**fields, value=None, interval=None, below=None, above=None, reasons=self._missing(known))
        ends = [self._sure_end(known, inner, step) for inner, step in zip(pair, (-1, 1), strict=True)]
        value = self._rounded(sqrt(known[pair[0]].value * known[pair[1]].value))
        interval = tuple(end.value if end else None for end in ends)
        reasons = self._found(known, value, ends)
        return Border(**fields, value=value, interval=interval, below=ends[0], above=ends[1], reasons=reasons)

    def past(self, index: float) -> bool:
        """Whether an index is on the rich side of the bound."""
        return index >= ZONES[0] if self.side == "lazy" else index > ZONES[1]

    def sure(self, seen: Trial, clear: float = 1.0) -> bool:
        """Whether the whole interval, so many times as wide, is on one side of the bound."""
        return seen.judged and len({self.past(seen.index + clear * (end - seen.index)) for end in seen.interval}) == 1

    def distance(self, value: float) -> float:
        """How far a value is from the start, on a log scale."""
        return abs(log(value / self.start))

    def on_the_way(self, value: float, share: float) -> float:
        """The value at a share of the way there from the start, on a log scale."""
        return self._rounded(self.start * (value / self.start) ** share)

    def _crossings(self, known: list[Trial]) -> list[tuple[int, int]]:
        """The places of neighbors on different sides, nearest the start first."""
        judged = [place for place, item in enumerate(known) if item.judged]
        pairs = [(a, b) for a, b in pairwise(judged) if self.past(known[a].index) != self.past(known[b].index)]
        return sorted(pairs, key=lambda pair: self.distance(sqrt(known[pair[0]].value * known[pair[1]].value)))

    def _crossing(self, known: list[Trial]) -> tuple[int, int] | None:
        return next(iter(self._crossings(known)), None)

    def _end(self, known: list[Trial], inner: int, step: int) -> int:
        """The place, going outwards, of the first run that is sure of its side or not judged; past the last if none is."""
        while 0 <= inner < len(known) and known[inner].judged and not self.sure(known[inner]):
            inner += step
        return inner

    def _sure_end(self, known: list[Trial], inner: int, step: int) -> Trial | None:
        """The run there, where it is sure of the side that is expected of it."""
        outer = self._end(known, inner, step)
        sure = 0 <= outer < len(known) and self.sure(known[outer])
        return known[outer] if sure and self.past(known[outer].index) == self.past(known[inner].index) else None

    def _approach(self, known: list[Trial]) -> list[float]:
        """Values further out while all are on one side: to the ends of the range, or to where runs are lost."""
        judged = [place for place, item in enumerate(known) if item.judged]
        if not judged:
            return sorted({*self._outwards(known[0].value, -1), *self._outwards(known[-1].value, 1)})
        lazier = LAZIER[self.axis] if self.past(known[judged[0]].index) else -LAZIER[self.axis]
        for step in (lazier, -lazier):
            last = judged[-1] if step > 0 else judged[0]
            if not 0 <= last + step < len(known):
                wanted = self._outwards(known[last].value, step)
            else:
                wanted = self._between(known[last], known[last + step]) if known[last + step].bounds else []
            if wanted:
                return wanted
        return []

    def _between(self, one: Trial, other: Trial) -> list[float]:
        """Values that divide a bracket evenly on a log scale; none where it is narrow enough."""
        low, high = sorted((one.value, other.value))
        if high <= TOLERANCE * low:
            return []
        parts = AT_ONCE[self.axis] + 1
        divided = {self._rounded(low * (high / low) ** (part / parts)) for part in range(1, parts)}
        return [value for value in divided if low < value < high]

    def _outwards(self, value: float, step: int) -> list[float]:
        """Values a constant factor apart, up to the end of the range."""
        factors = [STRIDE[self.axis] ** (step * k) for k in range(1, STRIDES[self.axis] + 1)]
        return list({self._rounded(value * factor) for factor in factors} - {value})

    def _rounded(self, value: float) -> float:
        low, high = self.within
        clipped = min(max(float(f"{value:.4g}"), low), high)
        return round(clipped) if self.axis == "width" else clipped

    def _found(self, known: list[Trial], value: float, ends: list[Trial | None]) -> list[str]:
        """A border in words."""
        low, high = (f"{end.value:.3g}" if end else "?" for end in ends)
        seeds = f"{self.config.seeds} seeds" if self.config.seeds > 1 else "one seed"
        edge = "Lazy ends" if self.side == "lazy" else "Rich begins"
        reasons = [f"{edge} at {self.axis} = {value:.3g} (95% {low} to {high}, {seeds})"]
        reasons += [f"Seen: {', '.join(str(end) for end in ends if end)}"] if any(ends) else []
        for end, where in zip(ends, ("below", "above"), strict=True):
            reasons += [] if end else [f"No run {where} it is sure of its side"]
        if len(self._crossings(known)) > 1:
            reasons.append(f"The index passes the bound more than once; this is nearest {self.axis} = {self.start:.3g}")
        return reasons + _lost(known, value)

    def _missing(self, known: list[Trial]) -> list[str]:
        """Why there is none, in words."""
        edge = "lazy ends" if self.side == "lazy" else "rich begins"
        searched = f"from {self.axis} = {known[0].value:.3g} to {known[-1].value:.3g}"
        return [f"No border at which {edge} {searched}: {known[0]}, {known[-1]}", *_lost(known, self.start)]


def with_all_seeds(config: ToyConfig) -> ToyConfig:
    """Return a configuration with as many seeds as it may add: near the border all runs straddle it."""
    return config.model_copy(update={"seeds": config.max_seeds or config.seeds, "max_seeds": None})


def _ordered(seen: Sequence[Trial]) -> list[Trial]:
    return sorted(seen, key=lambda item: item.value)


def _lost(known: list[Trial], value: float) -> list[str]:
    """The runs nearest a value, on both its sides, that came to nothing; and why one could not run."""
    nearest = sorted((item for item in known if not item.judged), key=lambda item: abs(log(item.value / value)))
    sides = {item.value > value: item for item in reversed(nearest)}
    why = {above: "".join(f": {reason}" for reason in item.reasons if item.agree == FAILED) for above, item in sides.items()}
    return [f"{'Above' if above else 'Below'}: {item}{why[above]}" for above, item in sorted(sides.items())]
