"""The verdict: its word, where it lies between lazy and rich, how sure it is, and why."""

from typing import Any

from regime.plots.dial import DIAL, heading, marks
from regime.ui.panels.glossary import term
from regime.ui.run.board import Board
from regime.ui.text import escape

EVIDENCE = 2
"""How many of a verdict's first reasons are its measures; what follows is a remark."""
MEANING = {
    "lazy": "Its features barely moved: its linear twin would do.",
    "mixed": "Its features moved, but not far.",
    "rich": "It learned features it did not have at the start.",
    "no verdict": "The evidence does not settle it: no label is given.",
}


def dial(board: Board, title: str = "Training regime") -> str:
    """Draw the verdict of a board's newest measurement under a title."""
    last = board.last
    if last is None:
        return _panel(title, "Starting", "", _scale(None), ["The verdict follows the first steps"], "", "blank")
    verdict, pinned = last["verdict"], board.pinned and board.pinned.last and board.pinned.last["verdict"]["index"]
    label = verdict["label"]
    css = "none" if label == "no verdict" else label
    return _panel(
        title,
        heading(label),
        _standing(board, verdict),
        _scale(verdict, pinned),
        verdict["reasons"],
        _advice(board, verdict),
        css,
    )


def _standing(board: Board, verdict: dict[str, Any]) -> str:
    held = {status: f"{status} at step {board.step}, " for status in ("paused", "stopped")}
    before = {"running": "so far, ", **held}.get(board.status, "")
    return before + verdict["agree"]


def _panel(title: str, word: str, standing: str, scale: str, reasons: list[str], advice: str, css: str) -> str:
    remarks = "".join(
        f'<li class="{"evidence" if index < EVIDENCE else "remark"}">{escape(reason)}</li>'
        for index, reason in enumerate(reasons[:3])
    )
    return (
        f'<section class="dial is-{css}" aria-label="{escape(title)}: {escape(word)}">'
        f'<p class="kicker">{escape(title)}<span>Bar: {term("interval", "95% interval")}</span></p>'
        f'<h2><span class="word">{escape(word)}</span> <span class="standing">{escape(standing)}</span></h2>'
        f"{scale}<ul>{remarks}</ul>{advice}</section>"
    )


def _advice(board: Board, verdict: dict[str, Any]) -> str:
    """Draw what to change for another verdict, once the run has one: before, it would come and go with every measurement."""
    known = verdict["advice"] and board.status != "running"
    return f'<p class="advice">{escape(". ".join(verdict["advice"]))}.</p>' if known else ""


def _scale(verdict: dict[str, Any] | None, pinned: float | None = None) -> str:
    """Draw the zones, a dot for each seed, a bar for the interval, a ring for the mean, and a tick for a pinned run."""
    label = verdict["label"] if verdict else None
    zones, words = "", ""
    for name, low, high in DIAL:
        width = f"width:{100 * (high - low):.2f}%"
        zones += f'<i class="{name}" style="{width}"></i>'
        strong = "b" if name == label else "span"
        words += f'<span style="{width}" title="{escape(MEANING[name])}"><{strong}>{name}</{strong}></span>'
    shown = marks(verdict)
    text = "no position yet" if shown.mean is None else f"{shown.mean:.2f} from 0, lazy, to 1, rich"
    drawn = "".join(f'<i class="seed" style="left:{100 * seed:.2f}%"></i>' for seed in shown.seeds)
    if shown.interval:
        low, high = shown.interval
        text += f", interval {low:.2f} to {high:.2f}"
        drawn += f'<i class="interval" style="left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"></i>'
    if shown.mean is not None:
        drawn += f'<i class="mean" style="left:{100 * shown.mean:.2f}%"></i>'
    if pinned is not None:
        text += f"; the pinned run at {pinned:.2f}"
        drawn += f'<i class="pinned" style="left:{100 * pinned:.2f}%" title="The pinned run"></i>'
    meaning = MEANING.get(label or "", "Lazy keeps its first features; rich learns new ones.")
    return (
        f'<div class="scale" role="img" aria-label="{text}"><div class="track">{zones}</div>{drawn}</div>'
        f'<div class="words" aria-hidden="true">{words}</div><p class="meaning">{escape(meaning)}</p>'
    )
