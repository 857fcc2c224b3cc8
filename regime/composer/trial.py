"""A toy run's advice, tried before it is given: a few values of alpha as one batch, where that costs little."""

from collections.abc import Iterator, Sequence

from regime.composer.border import judged_at, run_at
from regime.composer.search import Search, Trial
from regime.config import ToyConfig
from regime.measures.advice import extrapolate, sentence
from regime.record.events import Measured
from regime.record.judging import DIVERGED, LARGEST
from regime.toy import cost

AFFORDABLE = 2.0
"""Seconds that a batch of what is tried may take, as reckoned."""
RATE, STEP, TWIN = 5e10, 1.2e-3, 30
"""Operations a second, seconds of a batch's step, and how much slower the twin's products of matrix and vector are: reckoned
with whatever the machine, so that the same values are tried on all."""
SHARES = (1 / 3, 2 / 3, 1.0)
"""Of the way to the extrapolated value, on a log scale: the values tried first."""
FURTHER = (1.5, 2.0)
"""The share tried besides in each batch that follows, where none was clearly there."""
CLOSE = 10.0
"""Factor between the ends of the border's interval that is close enough."""
CLEAR = (2.0, 1.0)
"""Times its own interval by which a run clears the bound, so that runs of other seeds land there too: if none, less will do."""


def try_advice(config: ToyConfig, learning_rate: float, last: Measured) -> Iterator[float | list[str]]:
    """Try what a finished run's verdict advises: how much is done, now and then, and at the end the advice.

    Nothing where there is none to try, or where trying costs more than AFFORDABLE.

    Args:
        config, learning_rate: the run, and the step size it took.
        last: its last measurement.
    """
    config = config.model_copy(update={"seeds": len(last.verdict.seeds), "max_seeds": None})
    kernel = last.seeds["kernel_change"]
    gap = [min(DIVERGED if value is None else value, DIVERGED) for value in last.seeds[LARGEST]]
    label = last.verdict.label
    wanted = {} if label == "no verdict" else extrapolate(config, learning_rate, label, kernel, gap)
    if not wanted or seconds(config, len(SHARES) * len(wanted)) > AFFORDABLE:
        return
    seen = [judged_at(config.alpha, learning_rate, last.verdict)]
    searches = {side: Search.of(config, "alpha", side) for side in wanted}
    values = {searches[side].on_the_way(value, share) for side, value in wanted.items() for share in SHARES}
    for share in (*FURTHER, None):
        for item in run_at(config, "alpha", sorted(values - {known.value for known in seen})):
            if isinstance(item, Trial):
                seen.append(item)
            else:
                yield item
        values = set()
        for side, search in searches.items() if share else ():
            landed = _landed(search, seen, CLEAR[:1])
            values |= set() if landed else {search.on_the_way(wanted[side], share)}
            values |= set() if landed and _close(search, seen) else set(search.next_values(seen))
    yield [_said(search, seen) for search in searches.values()]


def seconds(config: ToyConfig, runs: int) -> float:
    """What trying so many values at once takes, as reckoned."""
    twin = TWIN * 4 * (config.samples * config.outputs) ** 2
    operations = config.steps * (cost.step(config) + twin) + 2 * cost.measurement(config)
    return runs * config.seeds * operations / RATE + config.steps * STEP


def _close(search: Search, seen: list[Trial]) -> bool:
    """Whether the border is known well enough."""
    low, high = search.border(seen).interval
    return low is not None and high is not None and high <= CLOSE * low


def _landed(search: Search, seen: list[Trial], clear: Sequence[float]) -> Trial | None:
    """The run nearest the start that is clearly on the side that was sought; of runs that are equally clear."""
    for times in clear:
        runs = [item for item in seen if item.label == search.side and search.sure(item, times)]
        if runs:
            return min(runs, key=lambda item: search.distance(item.value))
    return None


def _said(search: Search, seen: list[Trial]) -> str:
    """The advice, and what was seen of the border on the way."""
    landed = _landed(search, seen, CLEAR)
    if landed is None:
        there = [item for item in seen if (item.value > search.start) == (search.side == "lazy")]  # not those of the other side
        farthest = max(there or seen, key=lambda item: search.distance(item.value))
        return f"No output scale alpha tried on the way to {search.side} was clearly there; the farthest run: {farthest}"
    border = search.border(seen)
    low, high = ("?" if end is None else f"{end:.2g}" for end in border.interval)
    where = f"{'lazy ends' if search.side == 'lazy' else 'rich begins'} near {border.value:.2g} (95% {low} to {high})"
    return f"{sentence(search.side, 'alpha', landed.value, search.start)}: {landed.label} when tried; {where}"
