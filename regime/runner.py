"""The one composer: any configuration as a stream of events that ends in a report; what it costs, and what would cost less."""

from collections.abc import Iterator
from contextlib import closing
from typing import overload

from regime.composer.producers import produce
from regime.composer.session import Session
from regime.config import RunConfig, Runnable, SweepConfig
from regime.errors import ConfigError, is_finite
from regime.record.events import Estimate, Event, Finished
from regime.record.report import Report
from regime.sweep.events import SweepEvent
from regime.sweep.report import SweepReport

STEPPED = {"toy": ("steps",), "probe": ("steps", "warmup")}
"""Kinds of runs that take steps, and the fields that are 0 where they take none."""
LEFT_OUT = {"toy": "fewer seeds", "probe": "no forecast", "checkpoints": "fewer revisions"}
"""What else makes a run of a kind shorter."""


@overload
def stream(config: RunConfig) -> Iterator[Event]: ...
@overload
def stream(config: SweepConfig) -> Iterator[SweepEvent]: ...
def stream(config: Runnable) -> Iterator[Event | SweepEvent]:
    """Run a configuration, one event at a time: started, measured (progress where these are distant), finished.

    A sweep's measurements are its cells. Closing the iterator stops the run at once; nothing of it stays, but what a sweep's
    store has.

    Raises:
        ConfigError: not a configuration, or one that cannot run on this machine.
    """
    _check(config)
    if config.kind == "sweep":
        from regime.sweep.sweep import Sweep

        yield from Sweep(config).stream()
    else:
        with closing(Session(config)) as session:
            yield from session.stream()


@overload
def run(config: RunConfig) -> Report: ...
@overload
def run(config: SweepConfig) -> SweepReport: ...
def run(config: Runnable) -> Report | SweepReport:
    """Return the report at the end of `stream`; a sweep's is a SweepReport.

    Raises:
        ConfigError: as `stream` does.
    """
    *_, last = stream(config)
    assert isinstance(last, Finished)
    return (SweepReport if isinstance(config, SweepConfig) else Report).from_dict(last.report)


def estimate(config: Runnable) -> Estimate:
    """Return the seconds and bytes that a run will take on this machine; a few passes through its model are made and timed.

    A sweep's are counted from its configuration alone, without what its store already has.

    Raises:
        ConfigError: not a configuration, or one that cannot run on this machine; where memory is short, what would fit.
    """
    _check(config)
    if config.kind == "sweep":
        from regime.sweep.sweep import estimate_sweep

        return estimate_sweep(config)
    return produce(config).estimate()


def within(config: Runnable, seconds: float) -> str:
    """Return, in words, what to change for a run to take at most so many seconds.

    Raises:
        ConfigError: as `estimate` does.
        ValueError: `seconds` is not a finite number from 0 up.
    """
    if not is_finite(seconds) or seconds < 0:
        raise ValueError(f"seconds = {seconds!r:.80} is not allowed; allowed: a finite number from 0 up")
    whole = estimate(config).seconds
    if config.kind == "sweep":
        cells = max(1, int(config.size * min(1.0, seconds / whole)))
        return f"about {cells} of its {config.size} cells would fit, or fewer steps"
    if config.kind != "checkpoints" and config.steps:
        start = produce(config.model_copy(update=dict.fromkeys(STEPPED[config.kind], 0))).estimate().seconds
        steps = int(config.steps * min(1.0, (seconds - start) / max(1e-9, whole - start)))
        if steps > 0:
            return f"steps = {steps} would fit"
    return f"ask for fewer samples, a smaller model, or {LEFT_OUT[config.kind]}"


def _check(config: object) -> None:
    if not isinstance(config, RunConfig | SweepConfig):
        raise ConfigError(
            f"config = {config!r:.80} is not allowed; allowed: a ToyConfig, ProbeConfig, CheckpointConfig or SweepConfig"
        )
