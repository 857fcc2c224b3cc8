"""Laws and boundaries that a report states, of cells made to obey them, and of networks that were trained."""

import numpy as np
import pytest

import regime
from regime import SweepConfig, ToyConfig
from regime.dynamics.regression import SINGULAR
from regime.measures.verdict import Verdict
from regime.sweep import fits
from regime.sweep.cell import Cell, failure
from regime.sweep.curves import descents
from regime.sweep.expected import expectation
from regime.sweep.findings import contours, power_laws
from regime.sweep.lines import INDEX, FitTable

WIDTHS, ALPHAS = [16, 64, 128, 256, 512, 1024], [0.25, 0.5, 1.0, 2.0, 4.0]


def made(config: SweepConfig, value, measure: str = "kernel_change", **spoiled: dict) -> list[Cell]:
    """Cells whose measure is `value` of their configuration, seeds apart by some percent."""
    cells = []
    for index, cell in enumerate(config.cells()):
        seeds = [value(cell) * (1 + 0.02 * k) for k in range(cell.seeds)]
        result = failure("none") | {"status": "finished", "error": None, "reached": True, "seeds": {measure: seeds}}
        verdict = Verdict(label="mixed", index=0.4, interval=None, seeds=[0.4] * cell.seeds, agree="", reasons=[], advice=[])
        result |= {"verdict": verdict} | spoiled.get(str(index), {})
        cells.append(Cell(index=index, point=config.point(cell), key="", **result))
    return cells


def surface(cell: ToyConfig) -> float:
    return 2 / (cell.alpha * cell.width**0.5)


CONFIG = SweepConfig(axes={"width": WIDTHS, "alpha": ALPHAS}, seeds=3)


def test_a_power_law_along_every_line_of_the_map():
    found = power_laws(CONFIG, made(CONFIG, surface))
    along = {(law.axis, *law.at.values()): law for law in found}
    assert set(along) == {("width", alpha) for alpha in ALPHAS} | {("alpha", width) for width in WIDTHS}
    law = along["width", 0.5]
    assert law.exponent == pytest.approx(-0.5)
    assert (law.smallest, law.points) == (64, 5)
    assert law.interval[0] <= law.exponent <= law.interval[1]
    assert (law.norm, law.activation, law.parameterization, law.seeds) == (
        "Frobenius norm of the trace kernel on held-out points",
        "relu",
        "ntk",
        3,
    )
    assert law.expected.source == "measured, ReLU"
    assert not law.agrees
    assert [point.x for point in law.foretold] == [512, 1024]
    for point in law.foretold:
        assert point.predicted == pytest.approx(point.measured)
    assert along["alpha", 64].exponent == pytest.approx(-1.0)
    assert along["alpha", 64].agrees


def test_the_boundary_of_the_map():
    found = {(contour.measure, contour.level): contour for contour in contours(CONFIG, made(CONFIG, surface))}
    assert set(found) == {("kernel_change", 0.5), ("kernel_change", 0.1)}
    assert found["kernel_change", 0.5].agrees
    edge = found["kernel_change", 0.1]
    assert edge.exponent == pytest.approx(-0.5, abs=1e-6)
    assert edge.expected is None, "what is known is where the kernel changes by half of itself"
    for crossing in edge.crossings:
        assert crossing.knob == pytest.approx(1.02 * 20 / crossing.size**0.5, rel=1e-3)


def test_what_did_not_finish_is_left_out():
    spoiled = {
        "0": {"status": "diverged"},
        "1": {"status": "failed", "verdict": None},
        "2": {"reached": False},
        "3": {"seeds": {"kernel_change": [None, 1.0, 1.0]}},
    }
    table = FitTable(CONFIG, made(CONFIG, surface, **spoiled)).values("kernel_change")
    assert table.shape == (6, 5, 3)
    assert np.isnan(table[0, :3]).all()
    assert np.isnan(table[0, 3]).tolist() == [True, False, False]
    assert np.isfinite(table[1:]).all()
    assert FitTable(CONFIG, made(CONFIG, surface)).values(INDEX)[2, 1].tolist() == [0.4] * 3


def test_further_axes_are_held():
    config = SweepConfig(axes={"activation": ["relu", "tanh"], "width": WIDTHS, "alpha": ALPHAS}, seeds=2)
    found = contours(config, made(config, lambda cell: surface(cell) * (3 if cell.activation == "tanh" else 1)))
    ends = {contour.at["activation"]: contour for contour in found if contour.level == 0.5}
    assert ends["tanh"].activation == "tanh"
    assert ends["tanh"].coefficient == pytest.approx(3 * ends["relu"].coefficient, rel=1e-3)
    names = {
        law.at["activation"]: law.expected.source for law in power_laws(config, made(config, surface)) if law.axis == "width"
    }
    assert names == {"relu": "measured, ReLU", "tanh": "measured, smooth activations"}


@pytest.mark.parametrize(
    "axes",
    [
        {"width": [8], "alpha": [1.0]},
        {"width": [8, 16, 32, 64], "alpha": [0.5]},
        {"alpha": [0.5], "samples": [8, 16, 32], "width": [8]},
        {"depth": [2]},
        {"learning_rate": [None]},
    ],
)
@pytest.mark.parametrize("result", [{}, {"status": "failed", "verdict": None}, {"seeds": {"kernel_change": [None, None]}}])
def test_an_axis_of_one_value_has_no_boundary(axes, result):
    config = SweepConfig(axes=axes, seeds=2)
    cells = made(config, lambda cell: 2 / cell.alpha, **{str(index): result for index in range(config.size)})
    assert contours(config, cells) == []
    long = {name for name, values in axes.items() if len(values) > 2}
    assert {law.axis for law in power_laws(config, cells)} == (set() if result else long)


def test_a_line_is_named_by_a_cell_of_its_own():
    """The base with what is held alone contradicts itself: a third layer of two."""
    config = SweepConfig(axes={"depth": [3, 4, 5], "bottleneck_layer": [3], "alpha": [0.25, 1.0, 4.0, 16.0]}, seeds=2)
    assert {law.axis for law in power_laws(config, made(config, lambda cell: cell.depth / cell.alpha))} == {"depth", "alpha"}
    edges = contours(config, made(config, lambda cell: cell.depth / 10 / cell.alpha))
    assert {(edge.axis, edge.activation) for edge in edges} == {("depth", "relu")}


@pytest.mark.parametrize(
    "axes", [{"width": [8, 16]}, {"activation": ["relu", "tanh", "erf"]}, {"width": [8, 16, 32], "alpha": [1.0, 2.0]}]
)
def test_one_seed_or_no_scale_has_no_law(axes):
    config = SweepConfig(axes=axes, seeds=1)
    assert power_laws(config, made(config, surface)) == []
    assert contours(config, made(config, surface)) == []


def test_curves_of_the_test_loss():
    """Double descent where the readout alone is trained."""
    base = ToyConfig(task="single-index", samples=32, depth=1, trainable="readout", label_noise=0.2, steps=1, measure_every=1)
    report = regime.run(SweepConfig(base=base, axes={"width": [3, 7, 15, 31, 63, 127, 255, 511]}, seeds=8))
    (descent,) = report.descents
    assert descent.peak == pytest.approx(31), "as many features as samples, the bias among them"
    assert descent.before_interval[0] > 1.5
    assert descent.after_interval[0] > 1.5


def test_a_curve_has_no_peak_where_a_loss_on_it_is_undefined():
    """The lost cell may be the peak; that of another line says nothing, nor does one that is not there yet."""
    base = ToyConfig(trainable="readout")
    config = SweepConfig(base=base, axes={"alpha": [1.0, 2.0], "width": [8, 16, 32, 64]}, seeds=2)
    cells = made(config, lambda cell: cell.width, measure="kernel_start_test_loss")
    blurred = cells[2].model_copy(update={"undefined": {"kernel_start_test_loss": SINGULAR}, "seeds": {}})
    assert len(descents(config, cells)) == 2
    assert [found.at for found in descents(config, [*cells[:2], blurred, *cells[3:]])] == [{"alpha": 2.0}]
    assert len(descents(config, [*cells[:2], *cells[3:]])) == 2


def test_numbers_that_are_names_have_no_law():
    config = SweepConfig(axes={"seed": [1, 10, 20, 30], "alpha": [0.5, 1.0, 2.0]}, seeds=3)
    assert {law.axis for law in power_laws(config, made(config, surface))} == {"alpha"}
    assert contours(config, made(config, surface)) == []


def test_expectations_depend_on_depth_and_scaling():
    assert expectation("parameter_movement", "width", ToyConfig(depth=1)).low == -0.5
    assert expectation("parameter_movement", "width", ToyConfig(depth=3)).low == -1.0
    assert expectation("feature_movement", "width", ToyConfig(parameterization="mup")).high == 0.0
    assert expectation("kernel_change", "width", ToyConfig(parameterization="mup")) is None


BASE = {"task": "circle", "samples": 24, "test_samples": 8, "probe_samples": 48, "steps": 1000, "measure_every": 100}


def test_a_law_of_narrow_networks_foretells_wide_ones():
    """kernel_change and parameter_movement of tanh networks, fitted from width 64 to 181, at 256 and 512."""
    config = SweepConfig(
        base=ToyConfig(**BASE, activation="tanh"), axes={"width": [64, 90, 128, 181, 256, 512]}, seeds=10, at_loss=0.1
    )
    report = regime.run(config)
    for measure in ("kernel_change", "parameter_movement"):
        found = fits.extrapolate(np.array(config.axes["width"]), report.values(measure), upto=181)
        assert [point.x for point in found] == [256, 512]
        assert all(point.inside for point in found), (measure, found)
        assert all(point.predicted.high < 3 * point.predicted.low for point in found), "an interval that says nothing"


def test_test_error_scales_with_samples():
    axes = {"samples": [8, 16, 32, 64, 128, 256]}
    base = ToyConfig(task="circle", frequency=3, test_samples=256, probe_samples=16, width=128, steps=300, measure_every=300)
    report = regime.run(SweepConfig(base=base, axes=axes, seeds=5))
    losses, samples = report.values("test_loss"), np.array(axes["samples"])
    law = fits.scaling_law(samples, losses, paired=True)
    assert law.exponent.low > 0.5
    foretold = law.floor.value + law.coefficient * samples**-law.exponent.value
    assert foretold == pytest.approx(np.exp(np.log(losses).mean(1)), rel=0.4)


def test_a_sweep_of_one_column_ends_in_its_report():
    base = ToyConfig(samples=8, test_samples=8, probe_samples=8, steps=2, measure_every=1)
    report = regime.run(SweepConfig(base=base, axes={"width": [4, 8, 16], "alpha": [1.0]}, seeds=2))
    assert len(report.cells) == 3
    assert report.contours == []
    assert {law.axis for law in report.laws} == {"width"}
