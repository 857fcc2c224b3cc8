"""What the page gets of a run: one small frame for what has happened since the last one. The page's script keeps the history.

A frame is JSON: `serial` counts a visit's frames, so that the page notices a lost one and asks for the whole run; `run` counts
its runs, and `at` a measurement's place in its run. What a frame has is also in the events of the API.
"""

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from threading import Lock
from typing import Any

import numpy as np

from regime.config import ToyConfig
from regime.config.base import ROWS
from regime.record.packing import unpack
from regime.ui.run.board import Board
from regime.ui.run.link import query

Fields = dict[str, Any]
DIGITS = 5
DISTANCES = (
    "kernel_change",
    "kernel_distance",
    "kernel_distance_centered",
    "representation_change",
    "parameter_movement",
    "taylor_gap",
)
PREDICTORS = ("twin", "infinite", "kernel_start", "kernel_now")
MEASURES = frozenset(DISTANCES) | {
    *(f"{points}_{kind}" for points in ("train", "test") for kind in ("loss", "error", "accuracy")),
    *(f"{who}_{points}_error" for who in PREDICTORS for points in ("train", "test")),
    "twin_train_loss",
    "infinite_train_loss",
    "linearization_gap",
    "forecast_skill",
}
"""Of the whole network: those that are drawn."""
ROW = (*DISTANCES, "kernel_share")
LISTED = ("kernel_share", *DISTANCES[:1], *DISTANCES[2:5], "feature_movement")
"""Measures of a row in the table of all layers."""
FLOORED = "kernel_distance_centered"


class Feed:
    """The frames of one visit, in order."""

    def __init__(self, visit: str) -> None:
        self.visit = visit
        self.serial = self.run = 0
        self._new: list[Fields] = []
        self._before: Fields | None = None  # what waits before a run, as the last frame said
        self._lock = Lock()  # a press and the run that goes on are two threads

    def take(self, event: Mapping[str, Any], board: Board) -> None:
        """Put an event of a run, which its board has taken, into the next frame."""
        with self._lock:
            match event["kind"]:
                case "started":
                    self.run, self._new = self.run + 1, [_started(event)]
                case "measured" if board.history:
                    self._new.append(_measured(board, -1))
                case "finished":  # what was measured first may have seeds more, and the last verdict has advice
                    self._new += _history(board, 0 if board.config.get("max_seeds") else -1)
                    self._new.append(_finished(board))

    def frame(self, board: Board, **more: Any) -> str:
        """Return what has happened since the last frame.

        Args:
            board: of the run that is shown.
            more: what waits before a run (`before`), whether the run is kept beside those to come (`pin`), and so on.
        """
        with self._lock:
            self.serial += 1
            events, self._new, self._before = self._new, [], more.get("before")
            return self._json(events=events, **standing(board), **more)

    def whole(self, board: Board) -> str:
        """Return all of a run, its pictures as far as they are held."""
        return self._json(before=self._before, **whole(board))

    def _json(self, **fields: Any) -> str:
        return json.dumps({"visit": self.visit, "serial": self.serial, "run": self.run, **fields}, separators=(",", ":"))


def whole(board: Board) -> Fields:
    """Return a frame of all of a run but its visit's numbers."""
    events = [_started(board.started)] if board.started else []
    events += _history(board, 0) + ([_finished(board)] if board.report else [])
    return {"whole": True, "events": events, **standing(board)}


def standing(board: Board) -> Fields:
    """Return how far a run is."""
    left = (board.tick or {}).get("seconds_left")
    return {"status": board.status, "tick": {"step": board.step, "steps": board.steps, "seconds_left": left}}


def _started(event: Mapping[str, Any]) -> Fields:
    about = {name: event[name] for name in ("estimate", "references") if name in event}
    if event.get("read"):
        about["read"] = {"inputs": event["read"]["inputs"], "classes": event["read"]["classes"]}
    config, view = event["config"], _squeezed(event.get("view", {}))
    if config["kind"] == "toy" and "points" not in view:
        inputs, *_, outputs = ToyConfig.from_dict(config).sizes
        view = view | {"inputs": inputs, "outputs": outputs}
    return {"kind": "started", "config": without_rows(config), "query": query(config), **about, "view": view}


def _history(board: Board, start: int) -> list[Fields]:
    return [_measured(board, at) for at in range(start % max(1, len(board.history)), len(board.history))]


def _measured(board: Board, at: int) -> Fields:
    """Return what the page draws of a measurement."""
    event, part = board.history[at], "layers" if board.config["kind"] == "toy" else "blocks"
    length, stability = len(board.history), [value for value in event["seeds"].get("stability", []) if value is not None]
    return {
        "kind": "measured",
        "stability": max(stability, default=None),
        "at": at % length,
        "step": event["step"],
        **{name: _some(event[name], MEASURES) for name in ("measures", "spread", "floors", "undefined")},
        part: [_row(row, ROW, (FLOORED,)) for row in event[part]],
        **({"modules": _modules(event["layers"], at % length and board.history[0]["layers"])} if part == "blocks" else {}),
        "verdict": event["verdict"],
        **({"view": _squeezed(event["view"])} if event["view"] else {}),
    }


def _finished(board: Board) -> Fields:
    seconds, length = board.report["provenance"]["seconds"], len(board.history)
    return {"kind": "finished", "config": without_rows(board.config), "seconds": seconds, "length": length}


def _row(row: Mapping[str, Any], names: tuple[str, ...], floored: tuple[str, ...]) -> Fields:
    """Return a row of layers or blocks with some of its measures."""
    parts = {"measures": names, "undefined": names, "intervals": names, "floors": floored}
    return {"layer": row["layer"], **{part: _some(row[part], kept) for part, kept in parts.items()}, "regime": row["regime"]}


def _modules(rows: list[Any], first: Any) -> Fields:
    """Return rows of all layers of a transformer by measure, with their names where those of the `first` measurement differ."""
    values = {name: [rounded(row["measures"].get(name)) for row in rows] for name in LISTED}
    undefined = {at: some for at, row in enumerate(rows) if (some := _some(row["undefined"], LISTED))}
    names, known = ([row["layer"] for row in each or ()] for each in (rows, first))
    return {"values": values, "undefined": undefined, **({} if names == known else {"layers": names})}


def _some(values: Mapping[str, Any], names: Any) -> Fields:
    return {name: rounded(value) for name, value in values.items() if name in names and value is not None}


def rounded(value: Any, digits: int = DIGITS, exact: Collection[str] = ()) -> Any:
    """Return a value of plain JSON with its numbers rounded.

    Args:
        value: nested as JSON is.
        digits: of a number.
        exact: names of fields that stay as they are.
    """
    if isinstance(value, list | tuple):
        return [rounded(part, digits, exact) for part in value]
    if isinstance(value, dict):
        return {name: part if name in exact else rounded(part, digits, exact) for name, part in value.items()}
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def _squeezed(view: Any) -> Any:
    """Return a view with its packed numbers as bytes: of a picture, finer shades are not seen."""
    if isinstance(view, dict):
        return {name: part if name == "layer" else _squeezed(part) for name, part in view.items()}  # a name is not packed
    if isinstance(view, str) and view:
        values = unpack(view)
        scale = max(float(np.abs(values).max()), 1e-9)
        levels = np.round(values * 127 / scale).astype(np.int8)
        return {"scale": rounded(scale), "bytes": base64.b64encode(levels.tobytes()).decode()}
    return rounded(view)


def without_rows(config: Mapping[str, Any]) -> Fields:
    """Return a configuration whose own rows are a mark: they came from the page, and need not go back."""
    mark = {name: hashlib.sha256(str(config[name]).encode()).hexdigest()[:8] for name in ROWS if config.get(name)}
    return {**config, **mark}
