"""Tables of layers and blocks: a row each, from input to output, with the same columns for toys and transformers."""

from collections.abc import Iterable
from typing import Any

from regime.plots.dial import heading
from regime.ui.panels.glossary import meaning, term
from regime.ui.panels.plot import nice
from regime.ui.run.board import Board, thin
from regime.ui.text import DASH, NAMES, block_name, escape, number, sentence

Row = dict[str, Any]
HEAT = "kernel_distance_centered"
STOPS = ("--amount-0", "--amount-1", "--amount-2", "--amount-3")
COLUMNS = ("kernel_change", "representation_change", "parameter_movement")
BLOCK_COLUMNS = (*COLUMNS, "taylor_gap")
FULL = ("kernel_share", "kernel_change", HEAT, "representation_change", "feature_movement", "parameter_movement")
THIRDS = 6
"""Blocks from which on early, middle and late ones are distinguished."""
DENSE = 14
"""With more blocks than this the rows are lower, so that all are seen together."""
LABELS = ("rich", "mixed", "lazy", "no verdict")
EVEN = 1.5
"""Where no third of the blocks moves this many times as far as another, they move alike."""


def layer_table(board: Board) -> str:
    """Draw the layers of a toy: their shares of the kernel at the start and now, and how far each moved."""
    rows = board.last["layers"] if board.last else _unmeasured(board)
    heads = ["Layer", "kernel_share", *COLUMNS]
    tops = {measure: _top(rows, measure) for measure in COLUMNS}
    body = "".join(
        f'<tr><th scope="row">{escape(block_name(row["layer"]))}</th>{_share(row, _first(board, "layers", index))}'
        + "".join(_bar(row, measure, tops[measure]) for measure in COLUMNS)
        + "</tr>"
        for index, row in enumerate(rows)
    )
    return _table(heads, body, "Layers, from input to output")


def block_table(board: Board) -> str:
    """Draw the blocks of a transformer: how far each kernel turned at every step, and the same columns as for toys."""
    rows = board.last["blocks"] if board.last else []
    top = max(_top([row for event in board.history for row in event["blocks"]], HEAT), 0.01)
    before = _pinned_rows(board)
    tops = {measure: _top([*rows, *before.values()], measure) for measure in BLOCK_COLUMNS}
    shown = thin(board.history, 24)
    body = "".join(
        f'<tr><th scope="row" title="{escape(row["layer"])}">{escape(block_name(row["layer"]))}</th>'
        f"{_strip(index, shown, top)}{_bar(row, HEAT, top, 'heat', before)}"
        + "".join(_bar(row, measure, tops[measure], "", before) for measure in BLOCK_COLUMNS)
        + _share(row, _first(board, "blocks", index))
        + _regime(row)
        + "</tr>"
        for index, row in enumerate(rows)
    )
    heads = ["Block", "by step", HEAT, *BLOCK_COLUMNS, "kernel_share", "regime"]
    note = (
        f"{regime_summary(rows)} A row is one block's part of the tangent kernel, which says which examples learn together. "
        f"Darker: it turned further. Black line: {term('interval', '95% interval')}. Hatched: {term('floor', 'noise floor')}."
        f"{' Tick: the pinned run.' if before else ''}"
    )
    scale = f'<p class="heat-scale">Kernel distance, centered: 0 <i></i> {number(top)}</p>'
    title = f'<div class="head"><div><h2>Block by block: {most_moved(rows)}</h2><p>{note}</p></div>{scale}</div>'
    return title + _table(heads, body, "Blocks, from input to output", "dense" if len(rows) > DENSE else "")


def full_table(board: Board) -> str:
    """Draw every layer of a model with its module path, sortable in the page."""
    rows = board.last["layers"] if board.last else []
    head = "".join(
        f'<th scope="col" aria-sort="none"><button type="button" title="{escape(meaning(name) or "Path of the module.")}">'
        f"{escape(NAMES.get(name, name))}</button></th>"
        for name in ("Layer", *FULL)
    )
    body = "".join(
        f'<tr><th scope="row" data-v="{index}"><code>{escape(row["layer"])}</code></th>'
        + "".join(_plain(row, measure) for measure in FULL)
        + "</tr>"
        for index, row in enumerate(rows)
    )
    return _scroll("All layers", f'<table class="full"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')


def most_moved(rows: list[Row]) -> str:
    """Say which third of the blocks turned most, as computed from their rows."""
    values = [row["measures"][HEAT] for row in rows if row["measures"].get(HEAT) is not None]
    if not values or max(values) <= 0:
        return "nothing has moved yet" if values else "no kernel to compare"
    if len(values) < THIRDS:
        names = [block_name(row["layer"]) for row in rows if row["measures"].get(HEAT) is not None]
        return f"the {names[values.index(max(values))].lower()} turned most"
    third = len(values) / 3
    parts = [values[round(k * third) : round((k + 1) * third)] for k in range(3)]
    means = [sum(part) / len(part) for part in parts]
    most, least = max(means), min(means)
    if most < EVEN * least:
        return "all blocks move about as far"
    names = ("the early blocks", "the middle blocks", "the late blocks")
    return f"{names[means.index(most)]} move most, {names[means.index(least)]} least"


def regime_summary(rows: list[Row]) -> str:
    """Say which blocks are lazy and which are rich, such as "Rich: blocks 1 to 4"."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["regime"] is not None and row["regime"]["index"] is not None:
            found.setdefault(row["regime"]["label"], []).append(block_name(row["layer"]))
    return " ".join(f"{heading(label)}: {escape(_listed(found[label]))}." for label in LABELS if label in found)


def _listed(names: list[str]) -> str:
    """Join names of blocks, those that follow each other as a range."""
    parts: list[str] = []
    numbers = [int(name.removeprefix("Block ")) for name in names if name.startswith("Block ")]
    runs: list[list[int]] = []
    for block in numbers:
        if runs and block == runs[-1][-1] + 1:
            runs[-1].append(block)
        else:
            runs.append([block])
    spans = [f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    if spans:
        parts.append(f"block{'s' * (len(numbers) > 1)} {', '.join(spans)}")
    return ", ".join([*parts, *(name.lower() for name in names if not name.startswith("Block "))])


def _pinned_rows(board: Board) -> dict[str, Row]:
    """Return the rows of the pinned run's blocks by name."""
    last = board.pinned.last if board.pinned else None
    return {row["layer"]: row for row in last["blocks"]} if last else {}


def _regime(row: Row) -> str:
    own = row["regime"]
    if own is None or own["index"] is None:
        reason = escape(sentence(own["reasons"][0] if own else row["undefined"].get("kernel_share", "it has no kernel")))
        return f'<td class="regime" title="{reason}">{DASH}<span class="sr-only">{reason}</span></td>'
    css = "none" if own["label"] == "no verdict" else own["label"]
    return f'<td class="regime is-{css}" title="{escape("; ".join(own["reasons"]))}">{escape(own["label"])}</td>'


def _unmeasured(board: Board) -> list[Row]:
    """Return the rows of a toy's layers before they are measured, so that what is below keeps its place."""
    scales = board.started["view"].get("scales", []) if board.started else []
    return [{"layer": part["layer"], "measures": {}, "undefined": {}} for part in scales]


def _first(board: Board, part: str, index: int) -> Row:
    return board.history[0][part][index] if board.history else {"measures": {}}


def _top(rows: Iterable[Row], measure: str) -> float:
    values = [row["measures"][measure] for row in rows if row["measures"].get(measure)]
    return nice(max(values)) if values else 1.0


def _undefined(row: Row, measure: str, css: str) -> str:
    reason = escape(sentence(row["undefined"].get(measure, "not measured yet")))
    spoken = f'<span class="sr-only">{reason}</span>'
    return f'<td class="{css}" title="{reason}"><span aria-hidden="true">{DASH}</span>{spoken}</td>'


def _bar(row: Row, measure: str, top: float, css: str = "", before: dict[str, Row] | None = None) -> str:
    """Draw a value as a bar over its hatched floor, with its interval, and a tick where a pinned run has it."""
    value = row["measures"].get(measure)
    if value is None:
        return _undefined(row, measure, "bar")
    marks, title = "", ""
    if (floor := row["floors"].get(measure)) is not None and measure == HEAT:
        marks += f'<u class="floor" style="width:{_percent(floor, top):.1f}%"></u>'
    marks += f'<i style="width:{_percent(value, top):.1f}%"></i>'
    if (interval := row["intervals"].get(measure)) is not None:
        low, high = (_percent(end, top) for end in interval)
        marks += f'<b style="left:{low:.1f}%;width:{high - low:.1f}%"></b>'
        title = f' title="95% interval {number(interval[0])} to {number(interval[1])}"'
    if before and (other := before.get(row["layer"], {"measures": {}})["measures"].get(measure)) is not None:
        marks += f'<u class="tick" style="left:{_percent(other, top):.1f}%"></u>'
    return f'<td class="bar"{title}><span class="rail {css}">{marks}</span><span>{number(value)}</span></td>'


def _percent(value: float, top: float) -> float:
    return max(0.0, min(100.0, 100 * value / top))


def _plain(row: Row, measure: str) -> str:
    value = row["measures"].get(measure)
    return _undefined(row, measure, "") if value is None else f'<td data-v="{value:.9g}">{number(value)}</td>'


def _share(row: Row, start: Row) -> str:
    now, before = (part["measures"].get("kernel_share") for part in (row, start))
    if now is None:
        return _undefined(row, "kernel_share", "share")
    ring = f'<i class="ring" style="left:{100 * before:.1f}%"></i>' if before is not None else ""
    origin = f"from {_rounded(before)} to " if before is not None else ""
    rail = f'<span class="rail" aria-hidden="true">{ring}<i class="disc" style="left:{100 * now:.1f}%"></i></span>'
    return f'<td class="share">{rail}<span><span class="sr-only">{origin}</span>{_rounded(now)}</span></td>'


def _rounded(share: float) -> str:
    """Return a share in percent; most of many blocks have less than one each, and that is not nothing."""
    return "&lt;1%" if 0 < share < 0.005 else f"{100 * share:.0f}%"


def _strip(index: int, shown: list[dict[str, Any]], top: float) -> str:
    cells = "".join(
        f'<i style="background:{shade(event["blocks"][index]["measures"].get(HEAT), top)}" title="Step {event["step"]}: '
        f'{number(event["blocks"][index]["measures"].get(HEAT))}"></i>'
        for event in shown
    )
    ends = [event["blocks"][index]["measures"].get(HEAT) for event in (shown[0], shown[-1])]
    spoken = f"From {number(ends[0])} to {number(ends[1])} over {shown[-1]['step']} steps"
    return f'<td class="strip"><span role="img" aria-label="{spoken}">{cells}</span></td>'


def shade(value: float | None, top: float) -> str:
    """Return a CSS color between the four stops of the amount scale; hatched where the value is undefined."""
    if value is None:
        return "var(--hatch)"
    place = 3 * min(1.0, max(0.0, value / top))
    stop = min(2, int(place))
    return f"color-mix(in srgb,var({STOPS[stop + 1]}) {100 * (place - stop):.0f}%,var({STOPS[stop]}))"


def _table(heads: list[str], body: str, label: str, css: str = "") -> str:
    notes = {
        "by step": "step by step",
        HEAT: "at this step",
        "kernel_share": "○ start ● now",
        "taylor_gap": "the block by itself",
        "regime": "the block by itself",
    }
    names = {
        "by step": "Kernel distance",
        HEAT: "Kernel distance",
        "representation_change": "Represen\u00adtation",
        "regime": "Regime",
    }
    cells = ""
    for head in heads:
        name = names.get(head, NAMES.get(head, head))
        note = f"<small>{notes[head]}</small>" if head in notes else ""
        cells += f'<th scope="col" title="{escape(meaning(HEAT if head == "by step" else head))}">{escape(name)}{note}</th>'
    return _scroll(label, f'<table class="rows {css}"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>')


def _scroll(label: str, table: str) -> str:
    """Put a table into a box that scrolls by itself, also by keyboard, so that the page never scrolls sideways."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{table}</div>'
