from dataclasses import replace

import pytest
import torch

from regime.dynamics.snapshot import Moved, Snapshot, Targets
from regime.kernels.spectrum import alignment
from regime.measures.baseline import ROUNDING, Baseline
from regime.measures.definitions import DEFINITIONS
from regime.measures.function import linear_gap
from regime.measures.intervals import deviation, subsets
from regime.measures.kernel import StartKernel, kernel_change, kernel_distance, kernel_distance_centered
from regime.measures.measurement import KERNEL, ROW, Measurement, between, take_measures
from regime.measures.representation import StartFeatures, feature_movement, representation_change

POINTS = 20


def measure(now: Snapshot, start: Snapshot) -> Measurement:
    return take_measures(Baseline(start), now, None)


def snapshot(step: int, scale: float, seeds: int = 2) -> Snapshot:
    generator = torch.Generator().manual_seed(step)
    h = torch.randn(seeds, POINTS, 3, generator=generator)
    kernel = h @ h.mT
    outputs = scale * h[..., :1]
    return Snapshot(
        step=step,
        fraction=0.0,
        time=0.5 * step,
        losses={"train_loss": torch.ones(seeds)},
        outputs=outputs,
        linear={"taylor_gap": outputs * 0.9},
        kernels={"a.0.x": kernel, "a.0.y": 2 * kernel},
        representations={"a.0": h, "a.0.x": h},
        displacement={"a.0.x": torch.ones(seeds), "a.0.y": torch.zeros(seeds), "b": torch.zeros(seeds)},
        magnitude={"a.0.x": torch.ones(seeds) * 4, "a.0.y": torch.zeros(seeds), "b": torch.ones(seeds)},
        blocks={"a.0.x": "a.0", "a.0.y": "a.0", "b": "b"},
        last_hidden="a.0",
        rounding=1e-7,
        size=outputs.flatten(1).norm(dim=1),
        moved={"a.0.x": Moved(outputs, outputs * 0.7)},
        train=Targets(kernel, h, torch.arange(POINTS).unsqueeze(1).float()),
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
    assert result.undefined["a.0.y/taylor_gap"] == "taken for whole blocks, not for this layer alone"
    assert result.undefined["kernel_velocity"] == "it needs a measurement before this one"
    assert take_measures(Baseline(snapshot(0, 1.0)), snapshot(0, 1.0), None).model["taylor_gap"].isnan().all()


def test_floors_and_intervals_are_measures_on_random_subsets() -> None:
    start, now = snapshot(0, 1.0, seeds=1), snapshot(1, 2.0, seeds=1)
    baseline = Baseline(start)
    result = take_measures(baseline, now, None)
    chosen = baseline.subsets.bool()
    assert (chosen.sum(1) == POINTS - 2).all()
    normal = 1.959964 * (18 / 2) ** 0.5
    k0, k1 = (3 * part.kernels["a.0.x"][0] for part in (start, now))
    for name, function in (("kernel_change", kernel_change), ("kernel_distance_centered", kernel_distance_centered)):
        want = torch.stack([function(k1[part][:, part], k0[part][:, part]) for part in chosen])
        assert torch.allclose(result.drawn[f"a.0.x/{name}"][0], want)
        rounding = ROUNDING * 1e-7 if name == "kernel_change" else 0.0
        assert torch.allclose(result.floors[name], normal * want.std() + rounding)
    h0, h1 = (part.representations["a.0"][0] for part in (start, now))
    for name, function in (("representation_change", representation_change), ("feature_movement", feature_movement)):
        want = torch.stack([function(h1[part], h0[part]) for part in chosen])
        assert torch.allclose(result.floors[name], normal * want.std(), rtol=1e-4)
    f0, f1, linear = start.outputs[0], now.outputs[0], now.linear["taylor_gap"][0]
    want = torch.stack([linear_gap(f1[part], linear[part], f0[part]) for part in chosen])
    assert torch.allclose(result.drawn["taylor_gap"][0], want)
    assert set(result.floors) >= {"a.0.x/kernel_change", "a.0/kernel_distance"}
    assert set(measure(start, start).floors) == {"target_alignment", "feature_alignment"}, "of these the start has some, too"


def test_random_subsets_spread_as_much_as_fresh_points_do() -> None:
    """The standard error that a floor claims is that of many independent probe sets."""
    generator = torch.Generator().manual_seed(3)
    h0 = torch.randn(300, 40, 6, generator=generator, dtype=torch.float64)
    h1 = h0 * torch.linspace(0.5, 2, 6, dtype=torch.float64) + 0.3 * torch.randn(
        300, 40, 6, generator=generator, dtype=torch.float64
    )
    chosen = subsets(40)
    kernels = h1 @ h1.mT, h0 @ h0.mT
    drawn = StartKernel(kernels[1], chosen).resampled(kernels[0]).drawn | StartFeatures(h0, chosen).resampled(h1).drawn
    fresh = {name: function(*kernels) for name, function in KERNEL.items()} | {
        "representation_change": representation_change(h1, h0)
    }
    for name, values in fresh.items():
        assert 0.85 < deviation(drawn[name], 40).mean() / values.std() < 1.25, name


@pytest.mark.parametrize("constant", [0.0, 1e2, 1e4, 1e6])
def test_alignments_are_true_to_their_floors_or_undefined(constant: float) -> None:
    """A large constant part hides the rest of a float32 kernel in its rounding, and of features much later."""
    h, y = (torch.randn(2, 20, width, generator=torch.Generator().manual_seed(width)).double() for width in (6, 1))
    h = h + constant
    rounded = replace(
        snapshot(1, 2.0),
        rounding=torch.finfo(torch.float32).eps,
        train=Targets((h @ h.mT).float(), h.float(), y[0].float()),
    )
    result = measure(rounded, snapshot(0, 1.0))
    want = alignment(h @ h.mT, y[:1].expand(2, -1, -1))
    for name in ("target_alignment", "feature_alignment"):
        error, told = (result.model[name] - want).abs(), result.floors[name] < 0.1
        assert torch.equal(result.model[name].isfinite(), told)
        assert bool((error <= result.floors[name])[told].all())
    assert result.model["feature_alignment"].isfinite().all() == (constant < 1e5)
    assert result.model["target_alignment"].isfinite().all() == (constant < 1e3)


def test_what_centering_magnifies_is_in_the_floor_of_a_representation() -> None:
    far = {name: rows + 1e5 for name, rows in snapshot(0, 1.0).representations.items()}
    start, now = (replace(snapshot(step, 1.0 + step), representations=far) for step in (0, 1))
    result = measure(now, start)
    assert (result.rounding["representation_change"] > 1e3 * (ROUNDING * 1e-7) ** 2).all()


def test_velocity_alignments_and_modes() -> None:
    start, now = snapshot(0, 1.0), snapshot(3, 2.0)
    baseline = Baseline(start)
    k0, k3 = (3 * part.kernels["a.0.x"].double() for part in (start, now))
    result = take_measures(baseline, now, (0.5, k0))
    assert torch.allclose(result.model["kernel_velocity"], kernel_distance(k3, k0))
    assert torch.allclose(result.model["target_alignment"], alignment(now.train.kernel, now.train.targets.expand(2, -1, -1)))
    assert [(band.start, band.stop) for band in baseline.bands] == [(0, 1), (1, 3), (3, 7), (7, 15), (15, 20)]
    assert abs(baseline.shares.mean(0).sum() - 1) < 1e-6
    missed, moved = now.outputs - now.linear["taylor_gap"], now.outputs - start.outputs
    vectors = torch.linalg.eigh(k0).eigenvectors[..., -1:].float()
    want = (vectors.mT @ missed).abs().flatten() / (vectors.mT @ moved).abs().flatten()
    assert torch.allclose(result.modes[:, 0].float(), want, rtol=1e-3)
    assert torch.allclose((baseline.modes.mT @ moved.double()).norm(dim=(-2, -1)), moved.double().norm(dim=(-2, -1)))


def test_a_layer_moved_alone_has_its_own_taylor_gap() -> None:
    start, now = snapshot(0, 1.0), snapshot(1, 2.0)
    want = linear_gap(now.outputs, now.outputs * 0.7, start.outputs)
    assert torch.equal(measure(now, start).layers["a.0.x"]["taylor_gap"], want)


def test_references_are_distances_between_independent_starts() -> None:
    one, other = snapshot(0, 1.0), snapshot(5, 1.0)
    known = between(one, other)
    assert torch.allclose(known["kernel_distance"], measure(other, one).model["kernel_distance"])
    assert torch.allclose(known["representation_change"], measure(other, one).model["representation_change"])


def test_every_measure_is_defined_in_words() -> None:
    result = measure(snapshot(1, 2.0), snapshot(0, 1.0))
    assert set(result.model) | set(ROW) <= set(DEFINITIONS)


def test_projections_are_uncertain_by_how_much_measures_differ_as_groups_are_left_out() -> None:
    """1.96 standard errors, of two groups half their difference: on the floors, and in what is certain of an interval."""
    start, now = snapshot(0, 1.0), snapshot(1, 2.0)
    generator = torch.Generator().manual_seed(9)

    def halved(part: Snapshot) -> Snapshot:
        noise = torch.randn(2, POINTS, POINTS, generator=generator)
        kernel = 3 * part.kernels["a.0.x"]
        outputs = torch.cat([part.outputs, 1.5 * part.outputs.flip(1)], -1)
        left_out = torch.stack([kernel + noise, kernel - noise], 1)
        linear = {"taylor_gap": outputs * torch.tensor([0.9, 0.6])}
        return replace(part, left_out=left_out, outputs=outputs, linear=linear, moved={})

    start, now = halved(start), halved(now)
    with_left_out, without = measure(now, start), measure(replace(now, left_out=None), replace(start, left_out=None))
    one, two = (kernel_change(now.left_out[:, k], start.left_out[:, k]) for k in (0, 1))
    want = 1.959964 * (one - two).abs() / 2
    for part in ("floors", "rounding"):
        added = getattr(with_left_out, part)["kernel_change"] - getattr(without, part)["kernel_change"]
        assert torch.allclose(added, want, rtol=1e-5)
    paths = now.outputs, now.linear["taylor_gap"], start.outputs
    gaps = [linear_gap(*(part[..., k : k + 1] for part in paths)) for k in (0, 1)]
    added = with_left_out.floors["taylor_gap"] - without.floors["taylor_gap"]
    assert torch.allclose(added, 1.959964 * (gaps[0] - gaps[1]).abs() / 2, rtol=1e-5)
    a, b = now.left_out.double().flatten(2).unbind(1)
    assert torch.allclose(with_left_out.model["projection_error"], (a - b).norm(dim=1) / (a + b).norm(dim=1))
