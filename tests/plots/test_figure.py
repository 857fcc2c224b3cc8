"""The figure of a report, for good runs and bad ones."""

import io

import pytest

import regime
from regime.plots.figure import figure

TINY = {"width": 8, "samples": 16, "test_samples": 16, "probe_samples": 16, "measure_every": 2}


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": 4, "seeds": 2},
        {"steps": 4, "seeds": 1},
        {"steps": 0, "seeds": 2},
        {"steps": 20, "seeds": 2, "learning_rate": 1e6},
    ],
    ids=["two seeds", "one seed", "one point", "diverged"],
)
@pytest.mark.filterwarnings("error")
def test_a_report_becomes_a_figure(fields):
    report = regime.run(regime.ToyConfig(**TINY | fields))
    drawing = figure(report)
    out = io.BytesIO()
    drawing.savefig(out, format="svg")
    assert out.getvalue().startswith(b"<?xml")
    titles = [axes.get_title(loc="left") for part in drawing.subfigs for axes in part.axes]
    assert titles[1:] == ["Loss", "Distance from the start"]
    assert titles[0].lower().startswith(report.verdict.label)


def test_lines_hold_the_history():
    report = regime.run(regime.ToyConfig(**TINY, steps=4, seeds=2))
    loss = figure(report).subfigs[1].axes[0]
    by_name = {line.get_label(): line for line in loss.lines}
    assert set(by_name) == {"train", "held out", "linearized twin"}
    assert list(by_name["train"].get_ydata()) == [event.measures["train_loss"] for event in report.history]
