"""A reproduction, one event at a time: started, working, found, drawn, finished with its card."""

import time
from collections.abc import Generator
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from pydantic import Field

from regime.composer.modes import in_own_modes
from regime.errors import ConfigError, show
from regime.record.events import Finished, Message, Number, Queued
from regime.record.provenance import versions
from regime.reproductions.claim import Claim, Figure, Finding, Outcome, Paper, Step, outcome_of
from regime.reproductions.registry import CLAIMS
from regime.resources.device import machine

PACE = 0.25
"""Seconds between two events that only say that a reproduction goes on."""
Form = Literal["quick", "full"]


class Started(Message):
    """A reproduction that begins."""

    kind: Literal["started"] = "started"
    id: str = Field(description="of the claim")
    form: Form = Field(description="quick, or full")


class Working(Message):
    """Sent at least twice a second between two numbers."""

    kind: Literal["working"] = "working"
    done: Number = Field(description="share that is done; null before the first part")
    doing: str = Field(description="what is computed now")
    seconds: float = Field(description="wall time since the start")


class FindingFound(Message):
    """A number that is there."""

    kind: Literal["found"] = "found"
    finding: Finding = Field(description="the number, judged")
    seconds: float = Field(description="wall time since the start")


class FigureDrawn(Message):
    """A figure that is there."""

    kind: Literal["drawn"] = "drawn"
    figure: Figure = Field(description="what to draw")
    seconds: float = Field(description="wall time since the start")


class Card(Message):
    """What a reproduction came to."""

    id: str = Field(description="of the claim")
    title: str = Field(description="a few words")
    claim: str = Field(description="one sentence")
    paper: Paper = Field(description="where it was published")
    published: str = Field(description="the paper's own number or sign")
    method: str = Field(description="what was run, what the tolerance is and why")
    form: Form = Field(description="quick, or full")
    outcome: Outcome = Field(description="the worst of its numbers'")
    findings: list[Finding] = Field(description="the numbers")
    figures: list[Figure] = Field(description="what is drawn, the most telling first")
    seconds: float = Field(description="wall time")
    date: str = Field(description="UTC, year-month-day")
    versions: dict[str, str] = Field(description="of the packages that computed")
    machine: str = Field(description="processor and cores, or GPU")


ReproductionEvent = Annotated[Queued | Started | Working | FindingFound | FigureDrawn | Finished, Field(discriminator="kind")]


def named(id: object) -> Claim:
    """Return a claim.

    Raises:
        ConfigError: there is none of that id.
    """
    if not isinstance(id, str) or id not in CLAIMS:
        raise ConfigError(f"claim = {show(id)} is not allowed; allowed: one of {', '.join(CLAIMS)}")
    return CLAIMS[id]


def missing(claim: Claim) -> str:
    """Return what a claim needs that is not installed, in words; empty where nothing is missing."""
    lacking = [package for package in claim.needs if find_spec(package) is None]
    return f"needs the package {', '.join(lacking)}: pip install 'lazy-or-rich[claims]'" if lacking else ""


def texts(claim: Claim) -> dict[str, Any]:
    """Return what a card says of its claim, whatever came out."""
    return {name: getattr(claim, name) for name in ("id", "title", "claim", "paper", "published", "method")}


@in_own_modes
def stream(id: str, full: bool = False) -> Generator[Message, None, None]:
    """Reproduce a claim, one event at a time; closing the iterator stops it.

    Args:
        id: of the claim, as in `CLAIMS`.
        full: whether to take the full form, with more seeds and widths.

    Raises:
        ConfigError: there is no such claim, or a package that it needs is not installed.
    """
    claim = named(id)
    if lacking := missing(claim):
        raise ConfigError(f"claim {id} {lacking}")
    form: Form = "full" if full else "quick"
    began, told, step = time.perf_counter(), 0.0, Step()
    findings, figures = [], []
    yield Started(id=id, form=form)
    for found in claim.measure(full):
        seconds = time.perf_counter() - began
        match found:
            case Finding():
                findings.append(found)
                yield FindingFound(finding=found, seconds=seconds)
            case Figure():
                figures.append(found)
                yield FigureDrawn(figure=found, seconds=seconds)
            case Step(done, doing):
                step = Step(step.done if done is None else done, doing or step.doing)
                if done is not None or seconds - told > PACE:
                    told = seconds
                    yield Working(done=step.done, doing=step.doing, seconds=seconds)
    card = Card(
        **texts(claim),
        form=form,
        outcome=outcome_of(findings),
        findings=findings,
        figures=figures,
        seconds=time.perf_counter() - began,
        date=datetime.now(UTC).date().isoformat(),
        versions=versions(),
        machine=machine(),
    )
    yield Finished(report=card.to_dict())


def reproduce(id: str, full: bool = False) -> Card:
    """Reproduce a claim as `stream` does, and return its card; raises ConfigError, too."""
    *_, last = stream(id, full)
    assert isinstance(last, Finished)
    return Card.model_validate(last.report)
