"""Numbers of seeds as events carry them: means, deviations, floors, and reasons where a number is none."""

from math import isfinite

from torch import Tensor

from regime.measures.definitions import REASONS
from regime.record.events import Number


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


def own(named: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return what belongs to a layer ("layer/" is the prefix), or with no prefix to the model, by measure."""
    return {name.removeprefix(prefix): values for name, values in named.items() if owner(name) == prefix}


def owner(name: str) -> str:
    """Return the layer that a name such as "layer/measure" belongs to, with the slash; nothing for the model's."""
    return name[: name.rfind("/") + 1]


def reasons(values: dict[str, Tensor], undefined: dict[str, str], prefix: str, *, diverged: bool) -> dict[str, str]:
    """Return why each measure that is not a finite number is not, by name.

    Args:
        values: by measure, seed by seed.
        undefined: what is known, under the prefix and the measure.
        prefix: "layer/", or nothing for the model.
        diverged: whether training did, which then is no reason beside what is known of the numbers.
    """
    known, overflow = ({}, REASONS["overflow"]) if diverged else (undefined, "not a finite number")
    return {name: known.get(prefix + name, overflow) for name, value in values.items() if mean(value) is None}


def mean_floors(floors: dict[str, Tensor], prefix: str) -> dict[str, float]:
    """Return the floor of each measure's mean over seeds: the mean of theirs, since seeds share their probe points."""
    named = {name: mean(values) for name, values in own(floors, prefix).items()}
    return {name: value for name, value in named.items() if value is not None}
