"""How far a run is, and how long it will still take."""

from typing import Any

from regime.ui.run.board import Board
from regime.ui.text import byte_size, duration, escape


def progress(board: Board) -> str:
    """Draw how far a run is: its step, the time left, and a bar."""
    share = 100 * min(1.0, board.step / board.steps) if board.steps else 100.0 * (board.status == "finished")
    if board.status == "waiting":
        return _bar("waiting for a free slot", "", 0.0)
    return _bar(f"{board.unit} {board.step} of {board.steps}", _when(board), share)


def queue_progress(event: dict[str, Any]) -> str:
    """Draw a run's place in the queue, and how long it is expected to wait."""
    before = event["place"] - 1
    text = "next in the queue" if before == 0 else f"in the queue, {before} before it"
    return _bar(text, "waiting" if event["seconds"] is None else f"begins in about {duration(event['seconds'])}", 0.0)


def fetch_progress(event: dict[str, Any]) -> str:
    """Draw how much of a model has been fetched."""
    done, total = event["bytes"], event["total"]
    how_far = f"{byte_size(done)} of {byte_size(total)}" if total else "asking the Hub"
    return _bar(f"fetching {escape(event['model'])}", how_far, 100 * min(1.0, done / total) if total else 0.0)


def _when(board: Board) -> str:
    if board.status == "finished":
        return f"finished in {duration(board.report['provenance']['seconds'])}"
    if board.status in ("paused", "stopped"):
        return board.status
    left = board.tick["seconds_left"] if board.tick else board.started and board.started["estimate"]["seconds"]
    return "starting" if left is None else f"{duration(left)} left"


def _bar(text: str, when: str, share: float) -> str:
    return (
        f'<div class="progress"><p><b>{text}</b><span>{when}</span></p>'
        f'<div class="bar" role="progressbar" aria-label="Training" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share:.0f}" aria-valuetext="{text}, {when}"><i style="width:{share:.1f}%"></i></div></div>'
    )


def announcement(board: Board) -> str:
    """Say what a screen reader hears when a run starts, ends or stops; the steps between are not read out."""
    if board.status in ("waiting", "running"):
        return "Training started"
    if board.unit != "step":
        return f"{board.status.capitalize()}: {board.step} of {board.steps} {board.unit}s"
    verdict = board.last["verdict"]["label"] if board.last else "no verdict"
    ended = "Finished" if board.status == "finished" else f"{board.status.capitalize()} at step {board.step}"
    return f"{ended}: {verdict}"
