"""Numbers of seeds as events carry them: means, deviations, floors, and reasons where a number is none."""

from collections import defaultdict
from math import isfinite
from typing import TypeVar

from torch import Tensor

from regime.measures.definitions import REASONS
from regime.record.events import Number

Value = TypeVar("Value")


def finite(value: float) -> Number:
    """Return the value, or None where it is not a finite number."""
    return value if isfinite(value) else None


def numbers(values: Tensor) -> list[Number]:
    """Return the values one by one, None where one is not a finite number."""
    return [finite(value) for value in values.tolist()]


def mean(values: Tensor) -> Number:
    """Return the mean, or None where it is not a finite number."""
    known = values.tolist()  # of a few numbers Python takes the mean in a tenth of a tensor's time
    return finite(sum(known) / len(known))


def deviation(values: Tensor) -> Number:
    """Return the standard deviation over seeds, None of one seed or where it is not a finite number."""
    return finite(values.std().item()) if len(values) > 1 else None


def check_seeds(seeds: dict[str, list[Number]], judged: list[Number], wanted: int | None = None) -> None:
    """Refuse lists over seeds that are not as long as each other, or as wanted; raises ValueError.

    Args:
        seeds: of measures.
        judged: of the verdict.
        wanted: how many there are to be; None: as many as in any.
    """
    for name, values in (seeds | {"verdict": judged}).items():
        wanted = wanted or len(values)
        if values and len(values) != wanted:
            raise ValueError(f"seeds.{name}: {len(values)} numbers are not allowed; allowed: {wanted}, one a seed")


def by_owner(named: dict[str, Value]) -> defaultdict[str, dict[str, Value]]:
    """Return what belongs to each layer, under "layer/", and what to the model, under no name; each by measure."""
    parts: defaultdict[str, dict[str, Value]] = defaultdict(dict)
    for name, value in named.items():
        owner, slash, measure = name.rpartition("/")
        parts[owner + slash][measure] = value
    return parts


def reasons(means: dict[str, Number], undefined: dict[str, str], prefix: str, *, diverged: bool) -> dict[str, str]:
    """Return why each measure that is not a finite number is not, by name.

    Args:
        means: by measure.
        undefined: what is known, under the prefix and the measure.
        prefix: "layer/", or nothing for the model.
        diverged: whether training did, which then is no reason beside what is known of the numbers.
    """
    known, overflow = ({}, REASONS["overflow"]) if diverged else (undefined, "not a finite number")
    return {name: known.get(prefix + name, overflow) for name, value in means.items() if value is None}


def mean_floors(floors: dict[str, Tensor]) -> dict[str, float]:
    """Return the floor of each measure's mean over seeds: the mean of theirs, since seeds share their probe points."""
    named = {name: mean(values) for name, values in floors.items()}
    return {name: value for name, value in named.items() if value is not None}
