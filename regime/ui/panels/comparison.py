"""The pinned run beside the one that is shown."""

from regime.config.base import ROWS
from regime.ui.panels.glossary import meaning
from regime.ui.run.board import Board
from regime.ui.text import NAMES, escape, field_name, number

MEASURES = (
    "kernel_change",
    "linearization_gap",
    "taylor_gap",
    "representation_change",
    "train_loss",
    "test_loss",
    "test_error",
)


def comparison(board: Board) -> str:
    """Draw what differs between the pinned run and the one that is shown, and their measures; nothing without a pinned run."""
    pinned = board.pinned
    if pinned is None or pinned.last is None:
        return ""
    runs = (pinned, board)
    names = [name for name, value in board.config.items() if pinned.config.get(name, value) != value]
    changes = [
        f"{escape(field_name(name))}: {_value(pinned.config[name])} &rarr; {_value(board.config[name])}"
        for name in names
        if name not in ROWS
    ]
    changes += ["Other rows"] * any(name in ROWS for name in names)
    differ = f"Pinned run &rarr; this run. {'; '.join(changes)}." if changes else "Both runs have the same settings."
    verdicts = "".join(f"<td>{escape(run.last['verdict']['label'] if run.last else 'not known yet')}</td>" for run in runs)
    body = f'<tr><th scope="row">Verdict</th>{verdicts}</tr>'
    for name in MEASURES:
        values = [run.last["measures"].get(name) if run.last else None for run in runs]
        if any(value is not None for value in values):
            cells = "".join(f"<td>{number(value)}</td>" for value in values)
            title = escape(meaning(name))
            body += f'<tr title="{title}"><th scope="row">{escape(NAMES[name])}</th>{cells}</tr>'
    steps = "".join(
        f'<th scope="col">{title}, step {run.step}</th>' for title, run in zip(("Pinned", "This run"), runs, strict=True)
    )
    return (
        f'<h2>Beside the pinned run</h2><p class="sub">{differ}</p><div class="scroll"><table class="rows compared">'
        f'<thead><tr><th scope="col">Measure</th>{steps}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _value(value: object) -> str:
    """Return a setting's value in words."""
    return "none" if value is None else escape(", ".join(map(str, value)) if isinstance(value, list | tuple) else value)
