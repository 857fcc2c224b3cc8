"""Events from snapshots, against numbers by hand."""

from dataclasses import replace
from math import exp, log

import pytest
import torch

from regime import ToyConfig
from regime.config import MonitorConfig
from regime.dynamics.snapshot import GapSnapshot, Moved, Snapshot
from regime.measures.intervals import student
from regime.record.judging import _kernel_name
from regime.record.recorder import Recorder

POINTS, EPS = 16, 1e-6
ROUNDING = 8.0
"""Units of rounding that a measure may be off by."""


def snapshot(step: int, moved: float, kernel: float, gap: float, seeds: int = 2, **more: object) -> Snapshot:
    """Outputs that moved by `moved` at every point, a kernel grown by a share, and a twin that lags by a share of the way."""
    one = torch.ones(seeds, POINTS, 1, dtype=torch.float64)
    h = torch.randn(1, POINTS, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64).expand(seeds, -1, -1)
    linear = {"linearization_gap": moved * one * (1 - gap), "taylor_gap": moved * one * (1 - gap / 2)}
    return Snapshot(
        step=step,
        fraction=0.0,
        time=0.25 * step,
        losses={"train_loss": torch.full((seeds,), 1.0 if step == 0 else 0.2, dtype=torch.float64)},
        outputs=moved * one,
        linear=linear,
        kernels={"a": h @ h.mT * (1 + kernel)},
        representations={"a": h},
        displacement={"a": torch.ones(seeds)},
        magnitude={"a": 4 * torch.ones(seeds)},
        blocks={"a": "a"},
        last_hidden="a",
        rounding=EPS,
        size=torch.full((seeds,), 10.0),
        **more,
    )


def recorder(**fields: object) -> Recorder:
    return Recorder(ToyConfig(seeds=2, **fields), 0.25, [], 20)


def test_the_largest_gap_its_rounding_and_the_forecast() -> None:
    whole = recorder()
    whole.record(snapshot(0, 0.0, 0.0, 0.0), 0.0, 1.0)
    whole.record(snapshot(4, 1.0, 0.1, 0.3), 0.5, 1.0)
    whole.record_gap(GapSnapshot(9, 0.5, *(snapshot(9, 2.0, 0.0, 0.2).outputs * part for part in (1, 0.8))))
    last = whole.record(snapshot(16, 4.0, 0.3, 0.1), 1.0, 0.0)
    assert last.measures["linearization_gap"] == pytest.approx(0.1)
    assert last.measures["linearization_gap_max"] == pytest.approx(0.3)
    size = 10.0 / (1.0 * POINTS**0.5)
    assert whole.past["rounding"].tolist() == pytest.approx([ROUNDING * EPS * size * 4**0.5] * 2), "that of the largest gap"
    assert last.floors["linearization_gap"] == pytest.approx(ROUNDING * EPS * 10 / (4 * POINTS**0.5) * 16**0.5)
    assert last.floors["linearization_gap_max"] == pytest.approx(ROUNDING * EPS * size * 4**0.5), "the verdict rests on it"
    assert last.floors["taylor_gap"] == pytest.approx(ROUNDING * EPS * 10 / (4 * POINTS**0.5)), "one precision, one moment"
    assert last.floors["kernel_change"] == pytest.approx(ROUNDING * EPS)
    assert last.floors["feature_movement"] == pytest.approx(ROUNDING * EPS)
    for name in ("kernel_distance", "kernel_distance_centered", "representation_change"):
        assert last.floors[name] == pytest.approx((ROUNDING * EPS) ** 2, rel=0.03), "of one minus a cosine"
    assert last.measures["forecast_skill"] is None, "nothing varies over the probe points"
    assert "moved alike at all probe points" in last.undefined["forecast_skill"]


def test_a_twin_that_diverged_is_over_every_bound_and_the_verdict_stands() -> None:
    """Where the network survives a step that is too large, its twin leaves what numbers hold."""
    whole = recorder()
    whole.record(snapshot(0, 0.0, 0.0, 0.0), 0.0, 1.0)
    whole.record(snapshot(4, 1.0, 0.6, -1e25), 0.0, 1.0)
    apart = snapshot(6, 1.0, 0.7, -1e5)
    apart.linear["linearization_gap"][0] *= 1e9
    said = "Largest linearization gap over 100 (95% over 100); rich needs above 0.1"
    assert said in whole.record(apart, 0.0, 1.0).verdict.reasons, "however far apart the seeds are"
    for step, gap in ((8, -1e200), (12, float("nan")), (16, 0.2)):
        last = whole.record(snapshot(step, 1.0, 0.8, gap), 0.0, 1.0)
        assert last.measures["linearization_gap_max"] is None
        assert last.verdict.label == "rich"
        assert said in last.verdict.reasons
        for name in ("linearization_gap_max", "forecast_skill"):
            assert "the linear prediction diverged" in last.undefined[name]


def test_rounding_widens_every_interval_as_it_does_the_verdicts() -> None:
    """A gap of 0.15 in numbers that are off by a hundredth: whole, by layer and by block, nothing else varies."""
    whole = recorder()
    start, last = (replace(snapshot(step, step / 4, step / 40, 0.3), rounding=1e-3) for step in (0, 4))
    pair = Moved(last.outputs, 0.85 * last.outputs)
    whole.record(start, 0.0, 1.0)
    event = whole.record(replace(last, moved={"a": pair}), 0.0, 0.0)
    for part in (event, *event.layers, *event.blocks):
        assert {"kernel_change", "kernel_distance", "representation_change", "taylor_gap"} <= set(part.intervals)
        for name, (low, high) in part.intervals.items():
            value, off = part.measures[name], part.floors[name]  # the probe points say the same
            assert (low, high) == pytest.approx((max(0.0, value - off), value + off), rel=1e-6)
    assert event.intervals["linearization_gap_max"][1] > 0.3
    assert event.floors["taylor_gap"] > 1e-3


def straddling(config: ToyConfig, seeds: int = 2) -> Recorder:
    """Half the seeds lazy, half mixed."""
    whole = Recorder(config, 0.25, [], 4)
    whole.record(snapshot(0, 0.0, 0.0, 0.0, seeds), 0.0, 1.0)
    last = snapshot(4, 1.0, 0.0, 0.05, seeds)
    factor = torch.linspace(1.05, 1.3, seeds, dtype=torch.float64)[:, None, None]
    whole.record(replace(last, kernels={"a": last.kernels["a"] * factor}), 0.0, 0.0)
    return whole


def test_more_seeds_are_asked_for_where_the_verdict_straddles_and_more_may_run() -> None:
    more = straddling(ToyConfig(seeds=2, max_seeds=16, seed=7)).more()
    assert (more.seed, more.seeds, more.learning_rate, more.max_seeds) == (9, 2, 0.25, None)
    more = straddling(ToyConfig(seeds=2, max_seeds=7), seeds=4).more()
    assert (more.seed, more.seeds) == (4, 3)
    assert straddling(ToyConfig(seeds=2, max_seeds=7), seeds=7).more() is None
    assert straddling(ToyConfig(seeds=2)).more() is None
    settled = Recorder(ToyConfig(seeds=2, max_seeds=16), 0.25, [], 4)
    settled.record(snapshot(0, 0.0, 0.0, 0.0), 0.0, 1.0)
    assert not settled.ended
    settled.record(snapshot(4, 1.0, 0.3, 0.3), 0.0, 1.0)
    assert settled.ended
    assert settled.more() is None
    network = Recorder(MonitorConfig(model="Net", examples=POINTS, outputs=1), 0.0, [], None)
    network.record(snapshot(0, 0.0, 0.0, 0.0), 0.0, 1.0)
    last = snapshot(4, 1.0, 0.0, 0.05)
    factor = torch.tensor([1.05, 1.3], dtype=torch.float64)[:, None, None]
    assert network.record(replace(last, kernels={"a": last.kernels["a"] * factor}), 0.0, 0.0).verdict.straddles
    assert network.more() is None


def test_records_of_two_batches_of_seeds_are_joined() -> None:
    config = ToyConfig(seeds=2, max_seeds=4)
    one, two = straddling(config), straddling(config)
    whole = one.joined(two)
    last = whole.history[-1]
    assert last.seeds["kernel_change"] == pytest.approx([0.05, 0.3, 0.05, 0.3])
    assert last.verdict.agree == "2 of 4 seeds mixed"
    assert "4 seeds ran, since the interval of the first 2 had two labels in it" in last.verdict.reasons
    assert whole.kernels()["now/a"].shape == whole.kernels()["start/a"].shape == (4, POINTS, POINTS)
    assert one.history[-1].verdict.agree == "1 of 2 seeds mixed"
    assert not any("seeds ran" in reason for reason in one.history[-1].verdict.reasons)
    gone = straddling(config)
    gone.record(replace(snapshot(5, 1.0, 0.0, 0.1), losses={"train_loss": torch.tensor([1e5, 0.1])}), 0.0, 0.0)
    one.record(snapshot(6, 1.0, 0.0, 0.1), 0.0, 0.0)
    one.record(snapshot(8, 1.0, 0.0, 0.1), 0.0, 0.0)
    lost = one.joined(gone)
    assert [event.step for event in lost.history] == [0, 4, 6], "to where the other one ended"
    assert lost.history[-1].verdict.agree == "diverged"
    assert lost.history[-2].verdict.agree == "2 of 4 seeds mixed"
    assert lost.diverged
    assert lost.more() is None


def test_the_forecast_counts_all_points_of_the_path() -> None:
    ramp = torch.linspace(-1, 1, POINTS, dtype=torch.float64)[None, :, None].expand(2, -1, -1)
    whole = recorder()
    whole.record(snapshot(0, 0.0, 0.0, 0.0), 0.0, 1.0)
    for step, size, share in ((1, 1.0, 0.5), (2, 3.0, 1.0)):
        parts = {"outputs": size * ramp, "linear": {"linearization_gap": size * share * ramp, "taylor_gap": size * ramp}}
        last = whole.record(replace(snapshot(step, 0.0, 0.1, 0.0), **parts), 0.0, 1.0)
    assert last.measures["forecast_skill"] == pytest.approx(1 - (0.5**2) / (1 + 9))


def test_velocity_is_distance_per_time_between_measurements() -> None:
    whole = recorder()
    turned = snapshot(4, 1.0, 0.0, 0.1)
    other = torch.randn(2, POINTS, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    turned = replace(turned, kernels={"a": other @ other.mT})
    whole.record(snapshot(0, 0.0, 0.0, 0.0), 0.0, 1.0)
    first = whole.record(turned, 0.0, 1.0)
    assert first.measures["kernel_velocity"] == pytest.approx(first.measures["kernel_distance"] / (0.25 * 4))
    back = whole.record(snapshot(6, 1.0, 0.0, 0.1), 0.0, 1.0)
    assert back.measures["kernel_velocity"] == pytest.approx(first.measures["kernel_distance"] / (0.25 * 2))


@pytest.mark.parametrize(
    ("growth", "turn", "remarked"),
    [(0.11, 0.0, True), (0.09, 0.0, False), (0.2, 0.12, True), (0.2, 0.13, False), (-0.3, 0.0, True), (-0.3, 0.3, False)],
)
def test_a_kernel_whose_size_changed_more_than_its_direction_is_remarked(growth: float, turn: float, remarked: bool) -> None:
    """With K = (1 + growth)(K_0 + turn |K_0| P) and P a unit kernel across K_0, sqrt(2 distance) is about `turn`."""
    start = snapshot(0, 0.0, 0.0, 0.0)
    k = start.kernels["a"]
    p = torch.eye(POINTS, dtype=torch.float64)
    p = p - (p * k[0]).sum() / k[0].square().sum() * k[0]
    now = replace(snapshot(4, 1.0, 0.0, 0.3), kernels={"a": (1 + growth) * (k + turn * k[0].norm() * p / p.norm())})
    whole = recorder()
    whole.record(start, 0.0, 1.0)
    event = whole.record(now, 0.0, 1.0)
    change = event.measures["kernel_change"]
    twice = (2 * event.measures["kernel_distance"]) ** 0.5
    assert remarked == (change > 0.1 and twice < change / 2)
    assert any("changed its size more than its direction" in reason for reason in event.verdict.reasons) == remarked
    assert not any("grew" in reason for reason in event.verdict.reasons)  # it may have shrunk, as in a catapult


def test_the_verdict_rests_on_the_interval_of_the_seeds_widened_by_rounding() -> None:
    whole = recorder()
    whole.record(snapshot(0, 0.0, 0.0, 0.0), 0.0, 1.0)
    grown = snapshot(4, 1.0, 0.0, 0.9)
    factor = torch.tensor([0.2, 0.3], dtype=torch.float64)[:, None, None]
    last = whole.record(replace(grown, kernels={"a": grown.kernels["a"] * (1 + factor)}), 0.0, 0.0)
    half = student(1) * (log(1.5) ** 2 / 2 / 2) ** 0.5
    low, high = (0.2 * 0.3) ** 0.5 * exp(-half), (0.2 * 0.3) ** 0.5 * exp(half)
    assert f"Kernel change 0.24 (95% {low:.2g} to {high:.2g})" in " ".join(last.verdict.reasons)
    axis = [(log(end, 10) + 2) / 3 for end in (low - ROUNDING * EPS, high + ROUNDING * EPS)]
    assert last.verdict.interval == pytest.approx((max(1 / 3, axis[0]), axis[1]), rel=1e-4), "a gap above 0.1 is not lazy"
    strict = recorder(max_seeds=8)
    strict.record(snapshot(0, 0.0, 0.0, 0.0), 0.0, 1.0)
    factor[0] = 0.28
    wide = strict.record(replace(grown, kernels={"a": grown.kernels["a"] * (1 + factor)}), 0.0, 0.0)
    half = student(1, 1 - 0.05 / 4) * (log(0.3 / 0.28) ** 2 / 2 / 2) ** 0.5
    assert f"to {(0.28 * 0.3) ** 0.5 * exp(half):.2g})" in " ".join(wide.verdict.reasons), "three looks: 2, 4 and 8 seeds"


def test_a_real_models_evidence_is_the_larger_of_change_and_turn() -> None:
    whole = Recorder(MonitorConfig(model="Net", examples=POINTS, outputs=1), 0.0, [], None)
    start = snapshot(0, 0.0, 0.0, 0.0)
    centered = start.kernels["a"] + 1000.0
    other = torch.randn(2, POINTS, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    whole.record(replace(start, kernels={"a": centered}), 0.0, 0.0)
    event = whole.record(replace(snapshot(4, 1.0, 0.0, 0.4), kernels={"a": other @ other.mT + 1000.0}), 0.0, 0.0)
    turn = (2 * event.measures["kernel_distance_centered"]) ** 0.5
    assert event.measures["kernel_change"] < 0.1 < turn
    assert f"Kernel turn, sqrt(2 centered distance) {turn:.2g} (" in " ".join(event.verdict.reasons)
    assert event.blocks[0].regime.label == event.verdict.label == "mixed" or turn > 0.5


@pytest.mark.parametrize(("times", "name"), [(0.9, "change"), (1.0, "change"), (1.01, "turn"), (1.5, "turn")])
def test_the_evidence_has_the_name_of_the_larger_of_change_and_turn(times: float, name: str) -> None:
    distance = torch.tensor([(0.2 * times) ** 2 / 2])
    row = {"kernel_change": torch.tensor([0.2]), "kernel_distance_centered": distance}
    assert _kernel_name(row, turn=True).startswith(f"Kernel {name}")
    assert _kernel_name(row, turn=False) == "Kernel change"
    lost = {"kernel_change": torch.tensor([torch.nan]), "kernel_distance_centered": distance}
    assert _kernel_name(lost, turn=False) == _kernel_name(lost, turn=True) == "Kernel change", "what is undefined has no turn"


def test_rounding_of_a_centered_kernel_grows_with_the_constant_that_is_gone() -> None:
    whole = recorder()
    start = snapshot(0, 0.0, 0.0, 0.0)
    shifted = start.kernels["a"] + 100.0
    whole.record(replace(start, kernels={"a": shifted}), 0.0, 0.0)
    event = whole.record(replace(snapshot(4, 1.0, 0.0, 0.4), kernels={"a": shifted}), 0.0, 0.0)
    h = torch.eye(POINTS, dtype=torch.float64) - 1 / POINTS
    larger = shifted[0].norm() / (h @ shifted[0] @ h).norm()
    assert event.floors["kernel_distance_centered"] == pytest.approx((ROUNDING * EPS * larger.item()) ** 2, rel=1e-6)
    assert larger > 10


def test_before_anything_moved_there_are_no_modes_and_a_kernel_that_is_zero_is_named() -> None:
    whole = recorder()
    nothing = {"a": torch.zeros(2, POINTS, POINTS, dtype=torch.float64)}
    assert whole.record(replace(snapshot(0, 0.0, 0.0, 0.0), kernels=nothing), 0.0, 1.0).verdict.agree == "nothing moved"
    assert whole.record(replace(snapshot(4, 1.0, 0.0, 0.1), kernels=nothing), 0.0, 1.0).verdict.agree == "no kernel"
    other = recorder()
    assert other.record(snapshot(0, 0.0, 0.0, 0.0), 0.0, 1.0).modes == []
    assert len(other.record(snapshot(4, 1.0, 0.0, 0.1), 0.0, 1.0).modes) == POINTS.bit_length()
