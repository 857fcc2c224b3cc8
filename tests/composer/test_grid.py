"""Cells in order, batches that may be trained together, and sweeps that are too large."""

import itertools

import pytest

import regime
from regime import ConfigError, ProbeConfig, SweepConfig, ToyConfig
from regime.composer import grid

SMALL = ToyConfig(samples=16, test_samples=8, probe_samples=8, steps=4, measure_every=2)
AXES = {"width": [8, 16], "alpha": [0.5, 1, 320.0]}


def test_cells_are_all_combinations_the_last_axis_turning_fastest():
    places = grid.places(SweepConfig(base=SMALL, axes=AXES, seeds=2))
    assert [tuple(place.point.values()) for place in places] == list(itertools.product(*AXES.values()))
    assert [place.index for place in places] == list(range(6))
    assert all(place.config.seeds == 2 for place in places)
    assert isinstance(places[1].point["alpha"], float)


def test_batches_are_of_one_shape_and_one_precision():
    batches = grid.batches(grid.places(SweepConfig(base=SMALL, axes=AXES)), workers=1)
    assert sorted(sorted(place.index for place in batch.places) for batch in batches) == [[0, 1], [2], [3, 4], [5]]
    assert [batch.seconds for batch in batches] == sorted((batch.seconds for batch in batches), reverse=True)


def test_large_batches_are_split_among_cores():
    config = SweepConfig(
        base=ToyConfig(steps=20_000, measure_every=100), axes={"width": [32], "alpha": [2.0**k for k in range(-4, 4)]}
    )
    places = grid.places(config)
    assert len(grid.batches(places, 1)) == 1
    batches = grid.batches(places, 2)
    assert len(batches) >= 2
    assert sorted(place.index for batch in batches for place in batch.places) == list(range(8))


def test_no_batch_is_larger_than_memory_allows():
    config = SweepConfig(base=ToyConfig(width=2048), axes={"alpha": [2.0**k for k in range(-4, 4)]})
    batches = grid.batches(grid.places(config), 1)
    assert all(sum(place.config.workspace for place in batch.places) <= grid.BATCH_BYTES for batch in batches)
    assert sum(len(batch.places) for batch in batches) == 8


def test_no_batch_leaves_a_cores_cache():
    config = SweepConfig(base=ToyConfig(device="cpu"), axes={"width": [16, 64, 512], "alpha": [2.0**k for k in range(-4, 4)]})
    sizes = {batch.places[0].config.width: len(batch.places) for batch in grid.batches(grid.places(config), 1)}
    assert sizes == {16: 8, 64: 8, 512: 1}


def test_probes_are_batches_of_their_own():
    config = SweepConfig(base=ProbeConfig(), axes={"steps": [2, 4], "task": ["sentiment", "source"]})
    assert [len(batch.places) for batch in grid.batches(grid.places(config), 2)] == [1] * 4


MILLION = SweepConfig(axes={"width": list(range(16, 1016)), "alpha": [0.01 * k for k in range(1, 1001)]})


@pytest.mark.parametrize("ask", [regime.estimate, regime.run, lambda config: next(regime.stream(config))])
def test_a_million_cells_are_refused_with_what_they_would_take(ask):
    with pytest.raises(ConfigError, match=r"1,000,000 cells, about \d+ days of one core; allowed: at most 10,000"):
        ask(MILLION)


def test_the_limit_is_the_servers(monkeypatch):
    monkeypatch.setenv("REGIME_MAX_CELLS", "5")
    with pytest.raises(ConfigError, match="at most 5"):
        grid.places(SweepConfig(base=SMALL, axes=AXES))
