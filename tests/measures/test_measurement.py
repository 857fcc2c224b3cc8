import torch

from regime.measures.measurement import DEFINITIONS, ROW, measure
from regime.snapshots import Snapshot


def snapshot(step: int, scale: float, seeds: int = 2) -> Snapshot:
    generator = torch.Generator().manual_seed(step)
    h = torch.randn(seeds, 8, 3, generator=generator)
    kernel = h @ h.mT
    return Snapshot(
        step=step,
        fraction=0.0,
        time=0.0,
        losses={"train_loss": torch.ones(seeds)},
        outputs=scale * h[..., :1],
        linear={"taylor_gap": scale * h[..., :1] * 0.9},
        kernels={"a.0.x": kernel, "a.0.y": 2 * kernel},
        representations={"a.0": h, "a.0.x": h},
        displacement={"a.0.x": torch.ones(seeds), "a.0.y": torch.zeros(seeds), "b": torch.zeros(seeds)},
        magnitude={"a.0.x": torch.ones(seeds) * 4, "a.0.y": torch.zeros(seeds), "b": torch.ones(seeds)},
        blocks={"a.0.x": "a.0", "a.0.y": "a.0", "b": "b"},
        last_hidden="a.0",
    )


def test_blocks_sum_kernels_and_movements_before_taking_norms() -> None:
    start, now = snapshot(0, 1.0), snapshot(1, 2.0)
    result = measure(now, start)
    assert set(result.layers) == {"a.0.x", "a.0.y", "b"}
    assert set(result.blocks) == {"a.0", "b"}
    k0, k1 = (3 * part.kernels["a.0.x"].double() for part in (start, now))
    want = (k1 - k0).flatten(1).norm(dim=1) / k0.flatten(1).norm(dim=1)
    assert torch.allclose(result.blocks["a.0"]["kernel_change"], want)
    assert torch.allclose(result.model["kernel_change"], want)
    assert torch.allclose(result.layers["a.0.x"]["kernel_share"], torch.full((2,), 1 / 3, dtype=torch.float64))
    assert result.blocks["a.0"]["parameter_movement"].tolist() == [0.5, 0.5]
    assert result.model["parameter_movement"].tolist() == [0.5, 0.5]


def test_what_is_undefined_is_nan_and_says_why() -> None:
    result = measure(snapshot(1, 2.0), snapshot(0, 1.0))
    assert all(result.layers["b"][name].isnan().all() for name in ROW)
    assert result.undefined["b/kernel_change"] == "not part of the function: no gradient reaches it"
    assert result.layers["a.0.y"]["representation_change"].isnan().all()
    assert result.undefined["a.0.y/representation_change"] == "no representation of the examples here"
    assert result.undefined["a.0.y/parameter_movement"] == "the initial parameters are zero"


def test_one_seed_is_resampled_over_probe_points() -> None:
    start, now = snapshot(0, 1.0, seeds=1), snapshot(1, 2.0, seeds=1)
    result = measure(now, start)
    drawn = result.resampled["kernel_change"]
    assert drawn.shape == (200,)
    assert drawn.min() < result.model["kernel_change"].item() < drawn.max()
    assert measure(now, start).resampled["kernel_change"].equal(drawn)
    assert not measure(snapshot(1, 2.0), snapshot(0, 1.0)).resampled


def test_every_measure_is_defined_in_words() -> None:
    result = measure(snapshot(1, 2.0), snapshot(0, 1.0))
    assert set(result.model) | set(ROW) <= set(DEFINITIONS)
