"""Whole runs: the order of events, verdicts where theory fixes the regime, divergence, reproducibility."""

import json
import math
import time

import pytest

import regime
from regime import ConfigError, ToyConfig

SMALL = {"samples": 32, "test_samples": 16, "probe_samples": 16, "width": 32, "seeds": 2, "steps": 30, "measure_every": 10}


def test_events_in_order_and_json_safe() -> None:
    # a slow machine says between measurements that it goes on
    events = [event for event in regime.stream(ToyConfig(**SMALL)) if event.kind != "progress"]
    assert [event.kind for event in events] == ["started", *["measured"] * 4, "finished"]
    assert [event.step for event in events[1:-1]] == [0, 10, 20, 30]
    for event in events:
        json.dumps(event.to_dict(), allow_nan=False)
    started, measured = events[0], events[2]
    assert started.config == ToyConfig(**SMALL).to_dict()
    assert measured.time == pytest.approx(10 * started.learning_rate)
    assert [row.layer for row in measured.layers] == ["hidden 1", "hidden 2", "readout"]
    assert sum(row.measures["kernel_share"] for row in measured.layers) == pytest.approx(1)


def test_means_and_spreads_are_those_of_the_seeds() -> None:
    report = regime.run(ToyConfig(**SMALL))
    for name, values in report.seeds.items():
        mean = sum(values) / 2
        assert report.final[name] == pytest.approx(mean)
        assert report.spread[name] == pytest.approx(abs(values[0] - values[1]) / math.sqrt(2), abs=1e-12)
    alone = regime.run(ToyConfig(**SMALL | {"seeds": 1, "learning_rate": report.provenance.learning_rate}))
    assert alone.final["kernel_change"] == pytest.approx(report.seeds["kernel_change"][0], rel=1e-3)
    assert alone.spread["kernel_change"] is None


def test_same_config_and_seed_same_numbers() -> None:
    one, two = (regime.run(ToyConfig(**SMALL)) for _ in range(2))
    assert one.final == two.final
    assert one.verdict == two.verdict
    assert regime.run(ToyConfig(**SMALL, seed=9)).final != one.final


@pytest.mark.parametrize("optimizer", ["gd", "sgd", "momentum"])
@pytest.mark.parametrize("task", ["rings", "spirals", "sine", "digits"])
def test_every_task_learns_with_every_optimizer(task: str, optimizer: str) -> None:
    report = regime.run(ToyConfig(**SMALL | {"task": task, "optimizer": optimizer, "width": 128}))
    assert not report.diverged
    assert report.final["train_loss"] < 0.9 * report.history[0].measures["train_loss"]
    assert report.final["linearization_gap"] < 0.5


def test_wide_at_alpha_one_is_lazy() -> None:
    report = regime.run(ToyConfig(task="rings", width=1024, alpha=1.0, seeds=2, steps=120, measure_every=20))
    assert report.verdict.label == "lazy", report.verdict


def test_narrow_at_small_alpha_is_rich_and_its_advice_crosses_to_the_other_side() -> None:
    rich = regime.run(ToyConfig(task="rings", width=64, alpha=0.1))
    assert rich.verdict.label == "rich", rich.verdict
    assert rich.final["linearization_gap_max"] >= rich.final["linearization_gap"]
    alpha = float(rich.verdict.advice[0].removeprefix("For lazy, try output scale alpha near ").split()[0])
    assert regime.run(ToyConfig(task="rings", width=64, alpha=alpha)).verdict.label == "lazy"


def test_advice_for_a_mixed_run_points_both_ways() -> None:
    """The gap makes this run mixed while its kernel hardly moves: lazy still lies at larger alpha."""
    mixed = regime.run(ToyConfig(task="rings", width=128, bias_std=0.1, steps=600, measure_every=100))
    assert mixed.verdict.label == "mixed", mixed.verdict
    alphas = {line.split()[1].rstrip(","): float(line.split(" near ")[1].split()[0]) for line in mixed.verdict.advice}
    assert alphas["lazy"] > 1 > alphas["rich"]
    for label, alpha in alphas.items():
        crossed = regime.run(mixed.config.model_copy(update={"alpha": alpha}))
        assert crossed.verdict.label == label, crossed.verdict


@pytest.mark.parametrize("alpha", [100.0, 1e4])
def test_a_very_large_alpha_is_lazy_not_rounding(alpha: float) -> None:
    report = regime.run(ToyConfig(task="rings", width=128, alpha=alpha, seeds=3, steps=200, measure_every=50))
    assert report.verdict.label == "lazy", report.verdict
    assert report.final["linearization_gap_max"] < 0.02


def test_a_zero_kernel_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"learning_rate = None is not allowed.*the kernel at initialization is zero"):
        regime.run(ToyConfig(weight_std=1e-150, bias_std=0.0))


def test_zero_steps_give_no_verdict() -> None:
    report = regime.run(ToyConfig(**SMALL | {"steps": 0}))
    assert report.verdict.label == "no verdict"
    assert report.final["linearization_gap"] is None
    assert report.undefined["linearization_gap"] == "the function has not moved yet"


def test_divergence_is_a_finished_run_without_a_verdict() -> None:
    report = regime.run(ToyConfig(**SMALL | {"learning_rate": 1000.0, "steps": 200}))
    assert report.diverged
    assert report.verdict.label == "no verdict"
    assert report.history[-1].step < 200
    json.dumps(report.to_dict(), allow_nan=False)


def test_closing_a_stream_stops_it() -> None:
    events = regime.stream(ToyConfig(width=1024, steps=1000))
    next(events)
    next(events)
    start = time.perf_counter()
    events.close()
    assert time.perf_counter() - start < 0.5
    assert list(events) == []


def test_progress_is_sent_where_measurements_are_far_apart() -> None:
    events = regime.stream(ToyConfig(width=1024, samples=512, steps=500, measure_every=250))
    kinds = []
    for event in events:
        kinds.append(event.kind)
        if kinds.count("progress") == 2:
            break
    events.close()
    assert kinds[0] == "started"
    assert kinds.count("progress") == 2
    assert kinds.count("measured") <= 2


def test_what_is_not_a_config_is_refused() -> None:
    with pytest.raises(ConfigError, match="a ToyConfig, ProbeConfig, CheckpointConfig or SweepConfig"):
        next(regime.stream({"kind": "toy"}))


def test_a_missing_device_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="device = 'cuda' is not allowed"):
        next(regime.stream(ToyConfig(device="cuda")))
