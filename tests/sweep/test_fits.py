"""Fits against laws that are known, and intervals against how often they hold them."""

from functools import partial

import numpy as np
import pytest

from regime.sweep import fits

WIDTHS = np.array([64.0, 128.0, 256.0, 512.0, 1024.0])


def noisy(values: np.ndarray, seeds: int, spread: float, seed: int = 0) -> np.ndarray:
    draws = np.random.default_rng(seed).normal(0.0, spread, (*values.shape, seeds))
    return values[..., None] * np.exp(draws)


def test_an_exact_power_law_is_found_exactly():
    law = fits.power_law(WIDTHS, np.repeat(3 * WIDTHS[:, None] ** -0.75, 2, 1))
    assert law.exponent.value == pytest.approx(-0.75, abs=1e-12)
    assert (law.exponent.low, law.exponent.high) == pytest.approx((-0.75, -0.75), abs=1e-12)
    assert law.coefficient == pytest.approx(3.0)


def test_a_power_law_by_seed_is_found_whatever_each_seeds_size() -> None:
    x = [1.0, 2.0, 5.0, 9.0]
    law = fits.power_law(x, np.outer(np.power(x, -0.7), [1.0, 20.0, 0.3]), by_seed=True)
    assert law.exponent == pytest.approx((-0.7, -0.7, -0.7))


def test_the_interval_by_seed_holds_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for trial in range(400):
        fit = fits.power_law(WIDTHS, noisy(WIDTHS**-0.5, 5, 0.3, trial), by_seed=True).exponent
        covered += fit.low <= -0.5 <= fit.high
    assert 0.92 < covered / 400 < 0.98


def test_a_fit_takes_the_asymptotic_part_where_that_is_five_points() -> None:
    x = np.array([16.0, *WIDTHS])
    y = np.repeat((x**-0.5 * np.array([3.0, 1, 1, 1, 1, 1]))[:, None], 2, 1)
    law = fits.power_law(x, y, least=64)
    assert (law.smallest, law.points) == (64, 5)
    assert law.exponent.value == pytest.approx(-0.5)
    for least in (0.0, 65.0):
        whole = fits.power_law(x, y, least=least)
        assert (whole.smallest, whole.points) == (16, 6)
        assert whole.exponent.value == pytest.approx(np.polyfit(np.log(x), np.log(y[:, 0]), 1)[0])


@pytest.mark.parametrize("seeds", [3, 5, 20])
@pytest.mark.parametrize("paired", [False, True])
def test_intervals_hold_the_truth_as_often_as_they_say(seeds, paired):
    held = 0
    for trial in range(200):
        y = noisy(WIDTHS**-0.5, seeds, 0.2, trial)
        if paired:  # every seed has an exponent and a height of its own
            draws = np.random.default_rng(trial).normal(0.0, 0.1, (2, seeds))
            y = np.exp((-0.5 + draws[0]) * np.log(WIDTHS)[:, None] + draws[1])
        exponent = fits.power_law(WIDTHS, y, paired=paired).exponent
        held += exponent.low <= -0.5 <= exponent.high
    assert held >= 180  # 95% of 200 are 190; fewer than 180 has probability 0.1%


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (WIDTHS[:2], np.ones((2, 3))),
        (WIDTHS, np.ones((5, 1))),
        (WIDTHS, np.zeros((5, 3))),
        (WIDTHS, np.full((5, 3), np.nan)),
        (WIDTHS, np.ones((4, 3))),
        (-WIDTHS, np.ones((5, 3))),
    ],
)
def test_points_without_a_law_are_refused(x, y):
    for fit in (fits.power_law, partial(fits.power_law, by_seed=True), fits.scaling_law, fits.peak):
        with pytest.raises(ValueError, match="allowed"):
            fit(x, y)


@pytest.mark.parametrize("power", [300.0, -300.0])
def test_a_law_without_a_number_at_1_is_refused(power):
    """Its slope is that of noise, and 1 far away."""
    x = np.array([1000.0, 1001.0, 1002.0])
    values = noisy((x / x[0]) ** power, 3, 0.01)
    with pytest.raises(ValueError, match=r"x: they hardly differ, so that the law is exp\(-?2"):
        fits.power_law(x, values)
    knobs = np.array([1.0, 4.0, 16.0])
    surface = values[:, None] / knobs[:, None]
    with pytest.raises(ValueError, match="x: they hardly differ"):
        fits.boundary(x, knobs, surface, 0.2)


def test_the_boundary_of_a_known_surface():
    """kernel_change = (alpha sqrt(width))^-1 takes 0.1 at alpha = 10 width^-1/2."""
    alphas = 2.0 ** np.arange(-4, 4)
    surface = (alphas * WIDTHS[:, None] ** 0.5) ** -1.0
    edge = fits.boundary(WIDTHS, alphas, noisy(surface, 5, 0.05), 0.1)
    assert edge.exponent.low <= -0.5 <= edge.exponent.high
    assert edge.exponent.high - edge.exponent.low < 0.2
    for size, found in zip(edge.sizes, edge.crossings, strict=True):
        assert found.value == pytest.approx(10 * size**-0.5, rel=0.1)
        assert found.low <= found.value <= found.high
    exact = fits.boundary(WIDTHS, alphas[::-1], np.repeat(surface[:, ::-1, None], 2, 2), 0.1)
    assert exact.exponent.value == pytest.approx(-0.5, abs=1e-9)
    assert exact.coefficient == pytest.approx(10.0)


def test_cells_without_a_number_do_not_move_a_boundary():
    alphas = 2.0 ** np.arange(-4, 4)
    surface = np.repeat(((alphas * WIDTHS[:, None] ** 0.5) ** -1.0)[..., None], 2, 2)
    whole = fits.boundary(WIDTHS, alphas, surface, 0.1)
    surface[:, :2] = np.nan  # the rich end, where training diverged
    surface[4, -1, 0] = np.nan
    holed = fits.boundary(WIDTHS, alphas, surface, 0.1)
    assert holed.exponent.value == pytest.approx(whole.exponent.value)
    surface[0] = np.nan
    assert fits.boundary(WIDTHS, alphas, surface, 0.1).sizes.tolist() == WIDTHS[1:].tolist()


def test_a_boundary_outside_the_map_is_none():
    surface = np.ones((5, 4, 3)) * np.array([0.9, 0.8, 0.7, 0.6])[:, None]
    with pytest.raises(ValueError, match="crossed at 0 sizes"):
        fits.boundary(WIDTHS, np.array([1.0, 2.0, 4.0, 8.0]), surface, 0.1)


def test_crossings_are_taken_from_the_large_end():
    log_knob = np.log(np.array([1.0, 2.0, 4.0, 8.0]))
    waves = np.array([[0.3, 0.05, 0.3, 0.1], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    found = fits.crossing(log_knob, waves, 0.2)
    assert found[0] == pytest.approx(np.log(4.0) + np.log(2.0) / 2)
    assert np.isnan(found[1:]).all()


def test_extrapolation_holds_what_it_did_not_see():
    inside = []
    for trial in range(100):
        found = fits.extrapolate(WIDTHS, noisy(2 * WIDTHS**-0.8, 4, 0.1, trial), upto=256)
        assert [point.x for point in found] == [512, 1024]
        inside += [point.inside for point in found]
    assert np.mean(inside) > 0.88
    kinked = np.where(WIDTHS <= 256, 1.0 / WIDTHS, 1 / 256)
    assert not any(point.inside for point in fits.extrapolate(WIDTHS, noisy(kinked, 4, 0.01), upto=256))


@pytest.mark.parametrize("value", [np.nan, 0.0, -1.0])
def test_a_prediction_that_nothing_can_be_compared_with_is_refused(value: float) -> None:
    """What was measured there was no number, and outside of its interval."""
    y = noisy(2 * WIDTHS**-0.8, 4, 0.1)
    y[-1] = value
    with pytest.raises(ValueError, match="an entry is not positive and finite"):
        fits.extrapolate(WIDTHS, y, upto=256)
    with pytest.raises(ValueError, match=r"x of shape \(5,\) with y of shape \(4, 4\)"):
        fits.extrapolate(WIDTHS, y[:4], upto=256)
    with pytest.raises(ValueError, match="upto = None is not allowed"):
        fits.extrapolate(WIDTHS, y, upto=None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": np.ones(5)}, "crossed at 1 sizes; a boundary needs 3 different ones"),
        ({"size": WIDTHS - WIDTHS[0]}, "size, knob: an entry is not positive"),
        ({"knob": np.array([-1.0, 2.0, 4.0, 8.0])}, "size, knob: an entry is not positive"),
        ({"level": 0.0}, "level = 0.0 is not allowed; allowed: a finite number, above 0"),
        ({"level": np.nan}, "level = nan is not allowed"),
    ],
)
def test_what_has_no_logarithm_is_refused_by_its_name(change: dict, said: str) -> None:
    """Sizes that are all one were an IndexError; of the others a boundary was said to be crossed nowhere."""
    known = {"size": WIDTHS, "knob": np.array([1.0, 2.0, 4.0, 8.0]), "level": 0.2}
    surface = 1 / known["knob"][:, None] * np.ones((5, 4, 3))
    with pytest.raises(ValueError, match=said):
        fits.boundary(y=surface, **known | change)


def test_a_prediction_interval_is_students() -> None:
    """Of a new mean, at two degrees of freedom: t = 4.302653."""
    x, logs = np.array([1.0, 2.0, 4.0, 8.0, 32.0]), np.array([0.1, -0.4, -1.0, -1.2, -3.0])
    (found,) = fits.extrapolate(x, np.exp(logs)[:, None] * np.exp([[-0.3, 0.3]]), upto=8)
    log_x = np.log(x)
    slope, height = np.polyfit(log_x[:4], logs[:4], 1)
    variance = ((logs[:4] - slope * log_x[:4] - height) ** 2).sum() / 2
    far = (log_x[4] - log_x[:4].mean()) ** 2 / ((log_x[:4] - log_x[:4].mean()) ** 2).sum()
    half = 4.302653 * np.sqrt(variance * (1 + 1 / 4 + far))
    center = slope * log_x[4] + height
    assert found.predicted == pytest.approx(np.exp([center, center - half, center + half]), rel=1e-6)
    assert found.measured == pytest.approx(np.exp(-3.0))
    assert found.x == 32


@pytest.mark.parametrize("shape", [(5, 4), (5, 3, 3), (4, 4, 3), (5, 4, 1), (5, 1, 3), (5, 4, 3, 1)])
def test_a_surface_of_another_shape_is_refused(shape) -> None:
    knob = np.array([1.0]) if shape[1] == 1 else np.array([1.0, 2.0, 4.0, 8.0])
    with pytest.raises(ValueError, match="is not allowed; allowed: "):
        fits.boundary(WIDTHS, knob, np.ones(shape), 0.5)


def test_a_power_law_with_a_floor():
    samples = 2.0 ** np.arange(4, 12)
    law = fits.scaling_law(samples, noisy(0.02 + 3 * samples**-0.8, 5, 0.03))
    assert law.exponent.low <= 0.8 <= law.exponent.high
    assert law.floor.low <= 0.02 <= law.floor.high
    assert law.coefficient == pytest.approx(3.0, rel=0.3)
    assert law.exponent.high - law.exponent.low < 0.3


@pytest.mark.parametrize("over", [1e-4, 0.01, 0.4, 50.0])
def test_a_floor_is_found_however_near_the_lowest_mean_is(over: float) -> None:
    """Without noise; four points are enough, three are not."""
    x, floor = np.array([1.0, 2.0, 4.0, 8.0]), 0.3
    values = floor + floor * over * (x / 8) ** -0.7
    law = fits.scaling_law(x, np.repeat(values[:, None], 2, 1))
    assert law.exponent.value == pytest.approx(0.7, rel=1e-4)
    assert law.floor.value == pytest.approx(floor, rel=1e-3)
    assert law.coefficient == pytest.approx(floor * over * 8**0.7, rel=1e-3)
    with pytest.raises(ValueError, match="at least 4 different x"):
        fits.scaling_law(x[1:], np.repeat(values[1:, None], 2, 1))


@pytest.mark.parametrize(("floor", "exponent", "noise"), [(0.3, 1.0, 0.01), (0.3, 1.0, 0.001), (1.0, 1.0, 0.01)])
def test_the_interval_of_an_exponent_near_the_floor_holds_the_truth(floor: float, exponent: float, noise: float) -> None:
    """The lowest mean is within 0.7% of the floor, and within 0.2%."""
    x, inside = np.array([32.0, 64, 128, 256, 512, 1024]), []
    for trial in range(60):
        try:
            law = fits.scaling_law(x, noisy(floor + 2 * x**-exponent, 5, noise, trial))
        except ValueError:
            continue
        inside.append([law.exponent.low <= exponent <= law.exponent.high, law.floor.low <= floor <= law.floor.high])
    assert len(inside) > 50
    assert (np.mean(inside, axis=0) > 0.88).all()


@pytest.mark.parametrize("values", [WIDTHS**0.5, np.ones_like(WIDTHS)], ids=["rising", "flat"])
def test_no_exponent_is_told_of_values_that_do_not_fall(values: np.ndarray) -> None:
    said = []
    for trial in range(20):
        try:
            fits.scaling_law(WIDTHS, noisy(values, 4, 0.05, trial))
        except ValueError as error:
            said.append(str(error))
    assert len(said) >= 19
    assert all("no exponent between 0.01 and 10 can be told" in text for text in said)


def test_a_peak_and_both_descents():
    ratio = 2.0 ** np.arange(-3.0, 4.0)
    curve = 0.1 + 1 / (0.05 + np.log(ratio) ** 2)
    found = fits.peak(ratio, noisy(curve, 6, 0.1))
    assert found.x.value == pytest.approx(1.0)
    assert found.x.low == pytest.approx(1.0)
    assert found.before.low > 5
    assert found.after.low > 5


def test_the_heights_of_a_peak_are_ratios() -> None:
    """Three points are enough, and their order does not matter."""
    found = fits.peak(np.array([4.0, 1.0, 2.0]), np.repeat(np.array([[2.0], [3.0], [12.0]]), 2, 1))
    assert (found.x.value, found.before.value, found.after.value) == pytest.approx((2.0, 4.0, 6.0))


@pytest.mark.parametrize("top", [3.0, 128.0, 1000.0, 0.1])
def test_a_peak_is_a_value_of_the_axis_itself(top: float) -> None:
    """The exponential of the logarithm of 128 is 127.99999999999996."""
    x = top * np.array([0.5, 1.0, 2.0])
    assert fits.peak(x, np.array([[1.0, 1.1], [5.0, 5.1], [1.0, 1.1]])).x == (top, top, top)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_a_scaling_law_is_found_whatever_the_size_of_its_values(size: float):
    values = noisy(0.2 + 30 * WIDTHS**-1.0, 4, 0.02)
    law, one = fits.scaling_law(WIDTHS, size * values), fits.scaling_law(WIDTHS, values)
    assert law.exponent == pytest.approx(one.exponent, rel=1e-9)
    assert (law.floor.value / size, law.coefficient / size) == pytest.approx((one.floor.value, one.coefficient), rel=1e-9)
