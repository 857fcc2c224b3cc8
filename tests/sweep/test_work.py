"""Cells against the runs that they stand for."""

import pytest

import regime
from regime import ProbeConfig, ToyConfig
from regime.reproductions.claim import train_to
from regime.sweep.work import work
from tests.reproductions.parts import returned

FIELDS = {"samples": 24, "test_samples": 16, "probe_samples": 16, "width": 16, "seeds": 3, "steps": 25, "measure_every": 10}
DOUBLE = 1000.0
"""An alpha at which runs take float64, so that batches agree with single runs far below rounding."""


def results(configs: list[ToyConfig], at_loss: float | None = None) -> list[dict]:
    *told, last = work([config.to_dict() for config in configs], at_loss)
    assert all(isinstance(share, float) for share in told)
    return last


def same(one: float | None, other: float | None) -> bool:
    return one is other is None or one == pytest.approx(other, rel=1e-6, abs=1e-10)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"seeds": 1},
        {"optimizer": "momentum", "weight_decay": 0.01},
        {"optimizer": "sgd", "batch_size": 7},
        {"optimizer": "adam"},
        {"task": "digits", "loss": "cross-entropy", "depth": 1},
        {"parameterization": "mup", "activation": "tanh"},
        {"trainable": "readout"},
        {"bottleneck": 3},
        {"steps": 0},
    ],
    ids=str,
)
def test_a_batch_gives_what_runs_of_each_give(fields):
    configs = [ToyConfig(**FIELDS | fields, alpha=alpha, seed=seed) for alpha, seed in ((DOUBLE, 0), (2000.0, 5))]
    for config, result in zip(configs, results(configs), strict=True):
        report = regime.run(config)
        left_out = {"kernel_velocity"}
        assert result["measures"].keys() == report.final.keys() - left_out
        for name, value in result["measures"].items():
            assert same(value, report.final[name]), name
        assert result["verdict"]["label"] == report.verdict.label
        assert same(result["verdict"]["index"], report.verdict.index)
        assert all(map(same, result["verdict"]["interval"] or (), report.verdict.interval or ()))
        assert result["undefined"] == {name: why for name, why in report.undefined.items() if name not in left_out}
        assert result["learning_rate"] == pytest.approx(report.provenance.learning_rate)
        for row in report.layers:
            for name, value in result["layers"][row["layer"]].items():
                assert same(value, row[name]), name


def test_cells_are_measured_where_their_loss_was_reached():
    configs = [ToyConfig(**FIELDS | {"steps": 2000}, alpha=alpha) for alpha in (DOUBLE, 2000.0)]
    for config, result in zip(configs, results(configs, at_loss=0.3), strict=True):
        oracle = returned(train_to(config, 0.3))
        assert result["reached"]
        assert 0 < result["step"] < 2000
        assert result["measures"]["train_loss"] == pytest.approx(oracle.model["train_loss"].mean().item(), rel=1e-9)
        for name in ("kernel_change", "parameter_movement", "feature_movement"):
            assert result["seeds"][name] == pytest.approx(oracle.model[name].tolist(), rel=1e-9)


def test_the_loss_is_that_of_all_points_whatever_the_batch():
    """A batch of one is soon fitted well by chance; the whole is not."""
    config = ToyConfig(**FIELDS | {"steps": 400}, optimizer="sgd", batch_size=1, alpha=DOUBLE)
    start = regime.run(config.model_copy(update={"steps": 0})).final["train_loss"]
    result = results([config], at_loss=0.3)[0]
    if result["step"] < 400:
        assert result["measures"]["train_loss"] < 0.45 * start
    assert result["reached"] == (result["step"] < 400 or result["measures"]["train_loss"] <= 0.3 * start)


def test_a_loss_that_is_not_reached_is_told():
    result = results([ToyConfig(**FIELDS)], at_loss=0.001)[0]
    assert not result["reached"]
    assert result["step"] == 25
    assert result["status"] == "finished"


def test_a_cell_that_diverges_leaves_the_others_alone():
    rates = [None, 1e5]
    good, bad = results([ToyConfig(**FIELDS, alpha=DOUBLE, learning_rate=rate) for rate in rates])
    assert bad["status"] == "diverged"
    assert not bad["reached"] or bad["step"] < 25
    assert bad["verdict"]["label"] == "no verdict"
    assert good["status"] == "finished"
    alone = results([ToyConfig(**FIELDS, alpha=DOUBLE)])[0]
    assert good["measures"]["kernel_change"] == pytest.approx(alone["measures"]["kernel_change"], rel=1e-8)


def test_a_cell_that_cannot_be_run_takes_no_other_with_it():
    configs = [ToyConfig(**FIELDS, weight_decay=1.0, learning_rate=rate) for rate in (0.01, 2.0)]
    good, bad = results(configs)
    assert good["status"] == "finished"
    assert bad["status"] == "failed"
    assert "weight_decay = 1.0 is not allowed" in bad["error"]


def test_a_probe_is_a_cell(tiny_bert):
    config = ProbeConfig(model=tiny_bert, samples=4, probe_samples=8, max_tokens=6, steps=1, measure_every=1, forecast=False)
    *_, (result,) = work([config.to_dict()], None)
    report = regime.run(config)
    assert result["measures"]["kernel_change"] == pytest.approx(report.final["kernel_change"], rel=1e-3)
    assert len(result["layers"]) == len(report.layers)
