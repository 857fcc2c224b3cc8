"""Measures of one's own: what they have to be, and their values beside those that there are."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from regime.config.own import blamed, check, find
from regime.dynamics.snapshot import Snapshot, changed
from regime.errors import ConfigError, is_text, show
from regime.measures.definitions import DEFINITIONS, INDEX
from regime.measures.intervals import mean_over_seeds


@runtime_checkable
class OwnMeasure(Protocol):
    """A measure of one's own: `Monitor(..., measures=[MyMeasure()])`, or in a configuration `measures=[MyMeasure]`.

    Its values stand in events under its name, whole-model, with mean, spread and 95% interval over seeds: how it depends on the
    probe points nobody knows. One that is not finite is null, with a reason in `undefined`.
    """

    name: str
    """That no other measure has."""
    meaning: str
    """One sentence, which reports keep."""

    def __call__(self, now: Snapshot, start: Snapshot) -> Float[Tensor, "S"]:
        """Return one number for each of S seeds; both snapshots are copies, of which the run keeps nothing.

        Args:
            now: outputs (S, P, C) on the probe points, kernels (S, P, P) and representations (S, P, d) by layer, and more.
            start: the same at step 0.
        """


def imported(paths: Iterable[str]) -> list[OwnMeasure]:
    """Import the measures that a configuration names, checked; raises ConfigError."""
    return checked([find("measures", path) for path in paths])


def checked(measures: Sequence[OwnMeasure]) -> list[OwnMeasure]:
    """Return measures of one's own as a list.

    Raises:
        ConfigError: one is no measure, or has a name that is taken or a name or meaning that is no text.
    """
    if not isinstance(measures, list | tuple):
        raise ConfigError(f"measures = {show(measures)} is not allowed; allowed: a list of measures")
    taken = {INDEX, *DEFINITIONS}
    for measure in measures:
        check("measures", measure, measure, "name", "meaning")
        if isinstance(measure, type) or not callable(measure):
            raise ConfigError(f"measures = {show(measure)} is not allowed; allowed: objects that are called with (now, start)")
        name, meaning = measure.name, measure.meaning
        if not is_text(name) or not name or name in taken:
            raise ConfigError(
                f"measures: the name {show(name)} is not allowed; allowed: text that no other measure is called by"
            )
        if not is_text(meaning):
            raise ConfigError(f"measures: the meaning {show(meaning)} of {name!r} is not allowed; allowed: text")
        taken.add(name)
    return list(measures)


@torch.no_grad()
def evaluate(measures: Iterable[OwnMeasure], now: Snapshot, start: Snapshot) -> dict[str, Float[Tensor, "S"]]:
    """Return the values of measures by name.

    Args:
        measures: that are checked; each is given copies, since it may write into them.
        now: a snapshot.
        start: the one that it is measured against.

    Raises:
        ConfigError: a measure fails, or does not give one number for each seed; the message names it.
    """
    seeds, found = len(now.outputs), {}
    for measure in measures:
        with blamed("measure", measure.name):
            value = measure(*(changed(replace(snapshot, view={}), torch.clone) for snapshot in (now, start)))
            value = torch.as_tensor(value, dtype=torch.complex128).detach().to("cpu", copy=True)
            is_complex = bool((value.imag != 0).any())
        if value.shape != (seeds,) or is_complex:
            what = f"its shape is {tuple(value.shape)}" if value.shape != (seeds,) else "it is complex"
            raise ConfigError(f"measure = {measure.name!r} is not allowed: {what}; allowed: ({seeds},), one a seed")
        found[measure.name] = value.real
    return found


def intervals(measures: Iterable[OwnMeasure], values: dict[str, Float[Tensor, "S"]]) -> dict[str, tuple[float, float]]:
    """Return each measure's 95% interval over seeds, Student's; none of one seed, or where a value is not finite."""
    known = {measure.name: values[measure.name] for measure in measures}
    sound = {name: value for name, value in known.items() if len(value) > 1 and bool(value.isfinite().all())}
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers whose squares are not finite
        found = {name: tuple(map(float, mean_over_seeds(value.numpy())[1:])) for name, value in sound.items()}
    return {name: ends for name, ends in found.items() if np.isfinite(ends).all()}
