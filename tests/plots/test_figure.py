"""The figure of a report, for good runs and bad ones, in the page's colors and marks."""

import io
from pathlib import Path

import pytest

import regime
from regime.plots.charts import CURVES, LOOKS
from regime.plots.figure import figure
from regime.plots.map import map_figure
from regime.plots.palette import LIGHT
from regime.record.report import Report
from regime.sweep.report import SweepReport
from regime.ui.run.examples import example

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
    assert titles[1:] == ["Loss", "Kernel change", "Linearization gap", "Representation"]
    assert titles[0].lower().startswith(report.verdict.label)


def test_a_report_without_its_history_has_a_figure():
    """Shipped reports are without, since their events have it."""
    report = regime.run(regime.ToyConfig(**TINY, steps=4, seeds=2))
    drawing = figure(Report.from_dict(report.to_dict() | {"history": []}))
    assert drawing.subfigs[0].axes[0].get_title(loc="left").lower().startswith(report.verdict.label)


def test_curves_are_those_of_the_page_with_its_colors_and_marks():
    report = regime.run(regime.ToyConfig(**TINY, steps=4, seeds=2))
    loss = figure(report).subfigs[1].axes[0]
    lines = {line.get_label(): line for line in loss.lines}
    curves = CURVES["toy-loss"]
    assert set(lines) == {curve.name for curve in curves}
    for curve in curves:
        line = lines[curve.name]
        assert list(line.get_ydata()) == [event.measures[curve.measure] for event in report.history]
        assert line.get_color() == LIGHT[LOOKS[curve.look].color]
        assert (line.get_marker() == "o") == (curve.look == "test")
        assert line.is_dashed() == bool(LOOKS[curve.look].dash)


@pytest.mark.parametrize(
    ("kind", "last"), [("probe", "Kernel, all layers"), ("checkpoints", "Distance from the first checkpoint")]
)
def test_each_kind_has_the_charts_of_its_tab(kind, last):
    axes = figure(Report.from_dict(example(kind).report)).subfigs[1].axes
    assert axes[-1].get_title(loc="left") == last
    assert [line.get_color() for line in axes[-1].lines] == [LIGHT["net"], LIGHT["second"]]


def test_a_map_has_the_page_s_words_and_lines():
    axes, _bar = map_figure(SweepReport.from_dict(example("sweep").report)).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Width", "Output scale \N{GREEK SMALL LETTER ALPHA}")
    assert axes.get_title(loc="left") == "Rings, ReLU, NTK"
    colors = {line.get_label().partition(":")[0]: line.get_color() for line in axes.lines}
    assert colors["Kernel change is 0.5"] == colors["Slope that theory expects"] == LIGHT["ink"]
    assert colors["Largest linearization gap is 0.1"] == LIGHT["twin"]
    assert any(cells.get_hatch() for cells in axes.collections)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"bias": [True, False], "samples": [1024, 1025]}, [["True", "False"], ["1024", "1025"]]),
        ({"alpha": [0.5, 1.25], "bottleneck": [None, 4]}, [["0.5", "1.25"], ["None", "4"]]),
    ],
)
def test_a_map_s_cells_go_by_their_own_values(axes, said):
    base = {"width": 4, "depth": 1, "steps": 1, "seeds": 1, "test_samples": 4, "probe_samples": 8}
    drawn, _bar = map_figure(regime.run(regime.SweepConfig(base=base, axes=axes))).axes
    assert [[tick.get_text() for tick in axis.get_ticklabels()] for axis in (drawn.xaxis, drawn.yaxis)] == said


@pytest.mark.parametrize("name", ["$\\frac{a$", "$a$", "cost in $", "a_b^c"])
def test_a_name_of_ones_own_is_drawn_as_it_is(name: str, tmp_path: Path) -> None:
    rows = f"{name},c,label\n" + "".join(f"{k % 7},{k % 5},{k % 2}\n" for k in range(40))
    base = regime.ToyConfig(csv=rows, width=4, steps=2, samples=8, test_samples=8, probe_samples=8, seeds=1)
    report = regime.run(regime.SweepConfig(base=base, axes={"target": [name, "label"], "alpha": [0.5, 2.0]}))
    drawn = map_figure(report)
    drawn.savefig(tmp_path / "map.svg")
    drawn.savefig(tmp_path / "map.png")
    label = drawn.axes[0].get_xticklabels()[0]
    assert label._preprocess_math(label.get_text()) == (name, False)
