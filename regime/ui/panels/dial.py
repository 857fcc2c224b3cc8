"""The verdict: its word, where it lies between lazy and rich, how sure it is, and why."""

from typing import Any

from regime.measures.verdict import ZONES
from regime.ui.panels.glossary import term
from regime.ui.run.board import Board
from regime.ui.text import escape

EVIDENCE = 2
"""A verdict's first reasons are its two measures; what follows them is a remark."""
MEANING = {
    "lazy": "its features barely moved: a linear model fixed at the start would learn the same",
    "mixed": "its features moved, but not far",
    "rich": "it learned features that it did not have at the start",
    "no verdict": "the evidence does not settle it, so no label is given",
}


def dial(board: Board, title: str = "Training regime") -> str:
    """The verdict of a board's newest measurement."""
    last = board.last
    if last is None:
        return _panel(title, "Starting", "", _scale(None), ["The verdict follows the first steps"], "", "blank")
    verdict, pinned = last["verdict"], board.pinned and board.pinned.last and board.pinned.last["verdict"]["index"]
    label = verdict["label"]
    css = "none" if label == "no verdict" else label
    word = label[:1].upper() + label[1:]
    return _panel(title, word, _standing(board, verdict), _scale(verdict, pinned), verdict["reasons"], _advice(verdict), css)


def _standing(board: Board, verdict: dict[str, Any]) -> str:
    held = {status: f"{status} at step {board.step}, " for status in ("paused", "stopped")}
    before = {"running": "so far, ", **held}.get(board.status, "")
    return before + verdict["agree"]


def _panel(title: str, word: str, standing: str, scale: str, reasons: list[str], advice: str, css: str) -> str:
    marks = "".join(
        f'<li class="{"evidence" if index < EVIDENCE else "remark"}">{escape(reason)}</li>'
        for index, reason in enumerate(reasons[:3])
    )
    return (
        f'<section class="dial is-{css}" aria-label="{escape(title)}: {escape(word)}">'
        f'<p class="kicker">{escape(title)}<span>bar: {term("interval", "95% interval")}</span></p>'
        f'<h2><span class="word">{escape(word)}</span> <span class="standing">{escape(standing)}</span></h2>'
        f"{scale}<ul>{marks}</ul>{advice}</section>"
    )


def _advice(verdict: dict[str, Any]) -> str:
    return f'<p class="advice">{escape(". ".join(verdict["advice"]))}.</p>' if verdict["advice"] else ""


def _scale(verdict: dict[str, Any] | None, pinned: float | None = None) -> str:
    """The track with its zones; a dot for each seed, a bar for the interval, a ring for the mean; a tick for a pinned run."""
    edges = (0.0, *ZONES, 1.0)
    label = verdict["label"] if verdict else None
    zones, words = "", ""
    for name, low, high in zip(("lazy", "mixed", "rich"), edges, edges[1:], strict=False):
        width = f"width:{100 * (high - low):.2f}%"
        zones += f'<i class="{name}" style="{width}"></i>'
        strong = "b" if name == label else "span"
        words += f'<span style="{width}" title="{escape(MEANING[name])}"><{strong}>{name}</{strong}></span>'
    marks, said = "", "no position yet"
    if verdict and verdict["index"] is not None:
        said = f"{verdict['index']:.2f} from 0, lazy, to 1, rich"
        marks = "".join(f'<i class="seed" style="left:{100 * seed:.2f}%"></i>' for seed in verdict["seeds"] if seed is not None)
        if verdict["interval"]:
            low, high = verdict["interval"]
            said += f", interval {low:.2f} to {high:.2f}"
            marks += f'<i class="interval" style="left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"></i>'
        marks += f'<i class="mean" style="left:{100 * verdict["index"]:.2f}%"></i>'
    if pinned is not None:
        said += f"; the pinned run at {pinned:.2f}"
        marks += f'<i class="pinned" style="left:{100 * pinned:.2f}%" title="pinned run"></i>'
    meaning = MEANING.get(label or "", "lazy: the features of the start are enough; rich: new ones are learned")
    return (
        f'<div class="scale" role="img" aria-label="{said}"><div class="track">{zones}</div>{marks}</div>'
        f'<div class="words" aria-hidden="true">{words}</div><p class="meaning">{escape(meaning)}</p>'
    )
