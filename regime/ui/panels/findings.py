"""What a map says in words: how many cells of each regime, the boundary's slope, and the power laws along its edges."""

from typing import Any

from regime.plots.words import NAMES, field_name, option_name
from regime.sweep.findings import Contour
from regime.ui.run.mapboard import MapBoard
from regime.ui.text import MINUS, escape, linked, number

ORDER = ("lazy", "mixed", "rich", "no verdict", "diverged", "failed")
SHOWN = ("kernel_change", "parameter_movement", "feature_movement")


def counts(board: MapBoard) -> str:
    """Draw how many cells of a map there are of each regime, and why some have none."""
    parts = "".join(f"<li><b>{board.labels[label]}</b> {label}</li>" for label in ORDER if label in board.labels)
    reasons = "".join(f"<li>{count} of them: {escape(reason)}.</li>" for reason, count in board.reasons.most_common())
    parts += f'<li><ul class="why">{reasons}</ul></li>' * bool(reasons)
    spoiled = board.started and board.started["kept"]
    note = (
        f'<p class="note">The store of earlier cells could not be read; it was kept aside as {escape(spoiled)}.</p>'
        if spoiled
        else ""
    )
    return f'<h2>Cells by regime</h2><ul class="counts">{parts or "<li>None has run yet.</li>"}</ul>{note}'


def laws(board: MapBoard) -> str:
    """Draw the boundary and the power laws of a map, each with its interval, its network, and the exponent that is expected."""
    board.find_boundaries()
    rows = [_law_row(_law_name(part), part) for part in map(Contour.model_dump, board.boundaries)]
    rows += [_law_row(_law_name(law), law, _prediction(law)) for law in _edges(board, "laws") if law["measure"] in SHOWN]
    rows += [
        _law_row(_law_name(law), law | {"exponent": -law["exponent"]}, _floor_note(law)) for law in _edges(board, "scaling")
    ]
    rows += [_peak_row(law) for law in _edges(board, "descents")]
    if not rows:
        note = "The laws are fitted once cells of three sizes or scales are there, each with two seeds or more."
        return f'<h2>Boundary and laws</h2><p class="sub">{note}</p>'
    heads = ("Power law", "Exponent", "95% interval", "Expected exponent")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    table = f'<table class="rows laws"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return (
        '<h2>Boundary and laws</h2><p class="sub">Lines fitted to logarithms at the ends of the map; its report has all.</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="Boundary and laws">{table}</div>'
    )


def _edges(board: MapBoard, kind: str) -> list[dict[str, Any]]:
    """Return the laws of a finished map at the largest values of its other axes."""
    if not board.report:
        return []
    axes = board.config["axes"]
    ends = {
        name: max((value for value in values if isinstance(value, int | float)), default=None) for name, values in axes.items()
    }
    return [law for law in board.report[kind] if all(ends[name] in (None, value) for name, value in law["at"].items())]


def _law_name(law: dict[str, Any]) -> str:
    """Name a law: what grows with what, where, in which network."""
    axis = escape(field_name(law["axis"]).lower())
    name = NAMES.get(law["measure"], law["measure"])
    if "knob" in law:
        name = f"Boundary: {field_name(law['knob']).lower()} at which {name.lower()} is {law['level']:g}"
    at = "".join(f", {escape(field_name(name).lower())} {escape(_value(value))}" for name, value in law["at"].items())
    kind = f"{option_name(law['activation'])}, {option_name(law['parameterization'])}; {law['norm']}"
    return f"{escape(name)} against {axis}{at}<small>{escape(kind)}</small>"


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _prediction(law: dict[str, Any]) -> str:
    """Say whether the law of the smaller values predicted the last two."""
    points = law["foretold"]
    if not points:
        return ""
    inside = sum(point["inside"] for point in points)
    return f"<small>The law fitted without the last {len(points)} points predicts {inside} of them.</small>"


def _floor_note(law: dict[str, Any]) -> str:
    low, high = law["floor_interval"]
    return f"<small>It falls to a floor of {number(law['floor'])} (95% {number(low)} to {number(high)}).</small>"


def _peak_row(law: dict[str, Any]) -> str:
    """Draw a double descent as a row: where its peak is, and how far it falls."""
    low, high = law["interval"]
    falls = f"<small>{number(law['before'])} times the lowest before it, {number(law['after'])} times the lowest after.</small>"
    return (
        f'<tr><th scope="row">Peak: {_law_name(law)}</th><td>at {number(law["peak"])}</td>'
        f"<td>{number(low)} to {number(high)}</td><td>{falls}</td></tr>"
    )


def _law_row(name: str, law: dict[str, Any], more: str = "") -> str:
    low, high = sorted((-end for end in law["interval"]) if "floor" in law else law["interval"])
    expected = law.get("expected")
    if expected is None:
        want = ""
    else:
        ends = dict.fromkeys((expected["low"], expected["high"]))
        mark = "Agrees" if law["agrees"] else "Differs"
        want = f"{' to '.join(_signed(end) for end in ends)} <small>{mark}: {linked(expected['source'])}.</small>"
    return (
        f'<tr><th scope="row">{name}</th><td>{_signed(law["exponent"])}</td>'
        f"<td>{_signed(low)} to {_signed(high)}</td><td>{want}{more}</td></tr>"
    )


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS) if abs(value) < 100 else number(value)
