"""Toys with parts of one's own run as all others do: streamed, reloaded, held, swept."""

import numpy as np
import pytest
import torch

import regime
from regime.toy.tasks import draw_data
from tests.parts import Line, Stripes, Thirds

SMALL = {"width": 8, "steps": 4, "measure_every": 2, "samples": 16, "test_samples": 8, "probe_samples": 8, "seeds": 2}


@pytest.mark.parametrize(("task", "outputs"), [(Stripes, 1), (Thirds, 3), (Line, 1)])
def test_a_task_of_ones_own_is_drawn_by_its_class(task, outputs, tmp_path):
    config = regime.ToyConfig(task=task, **SMALL)
    data = draw_data(config, torch.device("cpu"), torch.float64)
    x, y = task().draw(np.random.default_rng(0), 32, config)
    np.testing.assert_allclose(torch.cat([part.x for part in data]), x)
    drawn = torch.cat([part.y for part in data])
    labels = drawn.argmax(1) if outputs > 1 else drawn[:, 0]
    np.testing.assert_allclose(labels, 2.0 * y - 1 if task is Stripes else y)
    report = regime.run(config)
    report.save(tmp_path)
    assert regime.Report.load(tmp_path) == report
    assert report.config.task == f"tests.parts:{task.__name__}"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("WrongShape", r"it drew inputs \(32, 2\) and targets \(32,\); allowed: finite real numbers \(32, 3\)"),
        ("ComplexTargets", "allowed: finite real numbers"),
        ("WrongClasses", "its targets are not classes 0 to 1"),
        ("Fails", "failed: RuntimeError: no points today"),
        ("OwnRandomness", "it drew other points from the same rng; allowed: rng alone"),
        ("MeaningNumber", "its meaning = 3; allowed: text"),
        ("MeaningFails", "failed: KeyError: 'no meaning today'"),
        ("DrawIsList", r"its draw = \(1, 2\); allowed: a method"),
    ],
)
def test_a_task_that_draws_wrongly_is_named(name, said):
    with pytest.raises(regime.ConfigError, match=f"task = 'tests.parts:{name}'.*{said}"):
        regime.run(regime.ToyConfig(task=f"tests.parts:{name}", **SMALL))


def test_cells_of_a_sweep_have_it_and_no_store_keeps_them(tmp_path):
    axes = {"task": ["rings", "tests.parts:Stripes"], "alpha": [0.5, 2.0]}
    config = regime.SweepConfig(base=regime.ToyConfig(**SMALL), axes=axes, store=str(tmp_path / "cells"))
    report = regime.run(config)
    assert [cell.status for cell in report.cells] == ["finished"] * 4
    assert [bool(cell.key) for cell in report.cells] == [True, True, False, False]
