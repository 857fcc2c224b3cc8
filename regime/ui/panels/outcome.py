"""What a finished toy run is compared with: every predictor's error side by side, and how its layers were scaled."""

from typing import Any

from regime.ui.panels.glossary import meaning
from regime.ui.run.board import Board
from regime.ui.text import DASH, escape, number, sentence

PREDICTORS = {
    "": "Network",
    "twin_": "Linearized twin",
    "infinite_": "Infinite width",
    "kernel_start_": "Regression, first kernel",
    "kernel_now_": "Regression, last kernel",
}
SCALES = {
    "weight": "Multiplier of W",
    "weight_init": "Std of W",
    "bias": "Multiplier of b",
    "bias_init": "Std of b",
    "weight_speed": "Step on W",
}


def errors(board: Board) -> str:
    """Draw training and held-out errors of the network and of what could have replaced it, with the forecast's skill."""
    event = board.last
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(_cell(event, f"{prefix}{points}_error") for points in ("train", "test"))
        + "</tr>"
        for prefix, name in PREDICTORS.items()
    )
    skill = event["measures"].get("forecast_skill") if event else None
    foreseen = "" if skill is None else f" The twin foresaw {100 * max(0.0, skill):.0f}% of the variance of the path."
    note = f"Share of points in the wrong class, in regression of the variance; &plusmn; is the spread over seeds.{foreseen}"
    return (
        f'<h2>Who predicts best</h2><p class="sub">{note}</p><div class="scroll"><table class="rows compared">'
        f'<caption class="sr-only">Errors side by side</caption><thead><tr><th scope="col">Predictor</th>'
        f'<th scope="col">Train error</th><th scope="col">Held-out error</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def scaling(board: Board) -> str:
    """Draw how each layer is scaled, and by what its steps convert from one parameterization to another."""
    rows = board.started["view"].get("scales", []) if board.started else []
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("Layer", *SCALES.values()))
    body = "".join(
        f'<tr><th scope="row">{escape(row["layer"].capitalize())}</th>'
        + "".join(f"<td>{number(row[name]) if row[name] else DASH}</td>" for name in SCALES)
        + "</tr>"
        for row in rows
    )
    return (
        '<details><summary>How the layers are scaled</summary><p class="sub">A layer computes multiplier &times; W a, plus '
        "multiplier &times; b. A step on W moves the matrix that acts by the last column times the step size: by its ratios "
        'the steps of two parameterizations convert into each other.</p><div class="scroll"><table class="rows compared">'
        f"<thead><tr>{heads}"
        f"</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def outcome(board: Board) -> str:
    """Draw the errors of all predictors, and how the layers are scaled."""
    return errors(board) + scaling(board)


def _cell(event: dict[str, Any] | None, measure: str) -> str:
    value = event["measures"].get(measure) if event else None
    if value is None:
        reason = (event or {}).get("undefined", {}).get(measure, "not measured yet")
        return f'<td title="{escape(sentence(reason))}">{DASH}</td>'
    spread = event["spread"].get(measure)
    beside = f" <small>&plusmn;{number(spread)}</small>" if spread else ""
    return f'<td title="{escape(meaning(measure))}">{number(value)}{beside}</td>'
