"""Configurations of one shape trained as one batch, against the same ones alone."""

import pytest
import torch

import regime
from regime import ConfigError, Report, ToyConfig
from regime.dynamics.snapshot import Snapshot
from regime.toy.producer import ToyRun

# on a GPU a product rounds otherwise in a larger batch, and adam makes much of it
BASE = {
    "device": "cpu",
    "width": 16,
    "samples": 20,
    "test_samples": 6,
    "probe_samples": 12,
    "seeds": 2,
    "steps": 25,
    "measure_every": 10,
}
CASES = {
    "gd": {},
    "gd, weight decay": {"weight_decay": 0.5, "centered": False},
    "momentum, coupled": {"optimizer": "momentum", "weight_decay": 0.5},
    "momentum, decoupled, batches": {"optimizer": "momentum", "weight_decay": 0.5, "decoupled": True, "batch_size": 8},
    "adam": {"optimizer": "adam", "weight_decay": 0.01},
    "adam, decoupled, softmax": {
        "optimizer": "adam", "weight_decay": 0.1, "decoupled": True, "task": "digits", "loss": "cross-entropy",
    },
    "mup": {"parameterization": "mup", "activation": "gelu"},
}  # fmt: skip
CELLS = [{"alpha": 0.5}, {"alpha": 2.0, "seed": 7}, {"learning_rate": 0.03}, {"alpha": 4.0, "learning_rate": 0.01, "seed": 3}]


def grid(case: str) -> list[ToyConfig]:
    return [ToyConfig(**BASE | CASES[case] | cell) for cell in CELLS]


@pytest.mark.parametrize("case", CASES)
def test_each_cell_has_the_numbers_it_has_alone(case: str) -> None:
    configs = grid(case)
    run = ToyRun(configs, torch.float64)
    together: dict[int, list[Snapshot]] = {cell: [] for cell in range(len(configs))}
    for item in run.snapshots():
        if isinstance(item, Snapshot):
            together[item.cell].append(item)
    for cell, config in enumerate(configs):
        alone = ToyRun(config, torch.float64)
        assert run.learning_rates[cell] == pytest.approx(alone.learning_rate)
        snapshots = [item for item in alone.snapshots() if isinstance(item, Snapshot)]
        assert [item.step for item in together[cell]] == [item.step for item in snapshots]
        for got, want in zip(together[cell], snapshots, strict=True):
            assert got.time == pytest.approx(want.time)
            for name in ("losses", "linear", "kernels", "displacement", "scalars"):
                for key, value in getattr(want, name).items():
                    torch.testing.assert_close(getattr(got, name)[key], value, rtol=1e-8, atol=1e-10, equal_nan=True)
            torch.testing.assert_close(got.outputs, want.outputs, rtol=1e-8, atol=1e-10)
            torch.testing.assert_close(got.size, want.size)
            for layer, pair in want.moved.items():
                torch.testing.assert_close(got.moved[layer].outputs, pair.outputs, rtol=1e-8, atol=1e-10)


def test_reports_of_a_batch_are_those_of_single_runs() -> None:
    configs = grid("gd")
    reports: dict[int, Report] = {}
    for cell, event in regime.stream_together(configs):
        if event.kind == "finished":
            reports[cell] = Report.from_dict(event.report)
    for cell, config in enumerate(configs):
        alone = regime.run(config)
        assert reports[cell].config == config
        assert reports[cell].verdict.label == alone.verdict.label
        for name, value in alone.final.items():
            assert reports[cell].final[name] == (value if value is None else pytest.approx(value, rel=2e-3, abs=1e-5)), name
        assert [event.step for event in reports[cell].history] == [event.step for event in alone.history]
        assert reports[cell].references == [
            reference.model_copy(update={"value": pytest.approx(reference.value, rel=1e-4)}) for reference in alone.references
        ]


def test_a_cell_that_diverges_ends_alone() -> None:
    configs = [ToyConfig(**BASE | {"learning_rate": rate, "steps": 60}) for rate in (0.02, 30.0)]
    reports = {}
    for cell, event in regime.stream_together(configs):
        if event.kind == "finished":
            reports[cell] = Report.from_dict(event.report)
    assert [reports[cell].diverged for cell in (0, 1)] == [False, True]
    assert reports[0].history[-1].step == 60
    assert reports[1].history[-1].step < 60
    assert [event.step for event in reports[0].history] == [*range(0, 70, 10)]


def test_what_cannot_be_one_batch_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"configs = \[\] is not allowed; allowed: one ToyConfig or more"):
        next(regime.stream_together([]))
    with pytest.raises(ConfigError, match=r"40 configurations as one batch need .* GiB; allowed: at most 4 GiB"):
        next(regime.stream_together([ToyConfig(width=2048, seed=k) for k in range(40)]))
    with pytest.raises(ConfigError, match="differ in more than alpha, learning_rate, seed"):
        ToyRun([ToyConfig(**BASE), ToyConfig(**BASE | {"width": 17})])
