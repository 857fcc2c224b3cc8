"""The command `reproduce`: claims run one after another, and their cards printed."""

import argparse
import json
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

from regime.cli.progress import Progress
from regime.cli.signals import Interrupted, Interrupts
from regime.cli.streams import say, tell
from regime.errors import ConfigError

if TYPE_CHECKING:  # these load torch, which a command line that is refused need not wait for
    from regime.reproductions.claim import Finding
    from regime.reproductions.reproduce import Card

ALL_WELL = {"pass", "shown"}


def reproduction(asked: argparse.Namespace, interrupts: Interrupts) -> int:
    """Return the exit status of claims that were asked for, their cards printed; 0 only where each passes.

    Raises:
        ConfigError: no claim is named, or one that cannot run.
    """
    status, cards = 0, []
    wanted, skipped = _wanted(asked)
    try:
        for number, id in enumerate(wanted, start=1):
            cards.append(_reproduced(id, not asked.quick, f"{id}, {number} of {len(wanted)}", interrupts))
    except Interrupted as stop:
        status = stop.status
        tell(f"{stop} after {len(cards)} of {len(wanted)} claims\n")
    known = {"cards": [card.to_dict() for card in cards], "skipped": skipped}
    say((json.dumps(known) if asked.json else _table(cards, skipped)) + "\n")
    return status or int(any(card.outcome not in ALL_WELL for card in cards))


def _wanted(asked: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """The ids of claims to run, and why others are skipped; raises ConfigError where one that is named cannot run."""
    from regime.reproductions.registry import CLAIMS
    from regime.reproductions.reproduce import missing, named

    if bool(asked.ids) == asked.all:
        raise ConfigError("claims: name some, such as S5, or ask for --all")
    lacking = {id: missing(named(id)) for id in (CLAIMS if asked.all else asked.ids)}
    skipped = {id: why for id, why in lacking.items() if why}
    if skipped and not asked.all:
        raise ConfigError("; ".join(f"claim {id} {why}" for id, why in skipped.items()))
    return [id for id in lacking if id not in skipped], skipped


def _reproduced(id: str, full: bool, place: str, interrupts: Interrupts) -> "Card":
    """The card of one claim, telling how far it is."""
    from regime.reproductions.reproduce import Card, stream

    events: Any = stream(id, full)
    with Progress() as progress, closing(events):
        for event in events:
            interrupts.check()
            if event.kind == "working" and progress.due:
                share = "" if event.done is None else f", {event.done:.0%}"
                progress.tell(f"{place}{share}: {event.doing}, {event.seconds:.0f} s")
    return Card.model_validate(event.report)


def _table(cards: list["Card"], skipped: dict[str, str]) -> str:
    """Every number with its interval and its tolerance, and a line on each claim."""
    lines = []
    for card in cards:
        lines.append(f"{card.id:4} {card.outcome:9}  {card.title}, {card.seconds:.1f} s")
        lines += [_line(finding) for finding in card.findings]
    lines += [f"{id:4} skipped    {why}" for id, why in skipped.items()]
    counts = Counter([card.outcome for card in cards] + ["skipped"] * len(skipped))
    return "\n".join([*lines, ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing was done"])


def _line(finding: "Finding") -> str:
    bounds = [f"{sign} {end:g}" for sign, end in ((">=", finding.low), ("<=", finding.high)) if end is not None]
    said = f"{finding.what}; expected: {finding.expected}" + (f", as by {finding.against}" if finding.against else "")
    return f"     {finding.outcome:9}  {estimate(finding):25}  {', '.join(bounds):20}  {said}"


def estimate(finding: "Finding") -> str:
    """Return a number with its interval, to three digits; without the interval where both ends are the number."""
    value, low, high = (f"{x:.3f}" if 0.1 <= abs(x) < 10 else f"{x:.3g}" for x in (finding.value, *finding.interval))
    return value if low == high else f"{value} [{low}, {high}]"
