"""How examples lie in each block, in events: against singular value decompositions and scipy, at any number of blocks."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from torch import Tensor, nn

import regime
from regime import CheckpointConfig, ProbeConfig
from regime.dynamics.snapshot import Snapshot
from regime.models.functions import label_view
from regime.record.clouds import representations
from regime.record.packing import unpack
from tests.record.test_recorder import snapshot

ROOM = 4000
"""Characters that features may add to an event."""


def with_blocks(hidden: dict[str, Tensor]) -> Snapshot:
    return replace(snapshot(0, 0.0, 0.0, 0.0), representations=hidden, blocks={f"{name}.dense": name for name in hidden})


def random(blocks: int, seed: int, examples: int = 80) -> dict[str, Tensor]:
    rows = torch.randn(blocks, 1, examples, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return {f"encoder.layer.{k}": part for k, part in enumerate(rows)}


def plane(x: np.ndarray) -> np.ndarray:
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    found = u[:, :2] * s[:2]
    return found * np.sign(found[np.abs(found).argmax(0), [0, 1]])


def test_clouds_are_aligned_principal_planes_in_the_unit_of_the_start() -> None:
    start, now = random(3, 0), random(3, 1)
    found = representations(with_blocks(now), with_blocks(start))["representations"]
    assert [*found] == [*start]
    for block, text in found.items():
        then, cloud = (plane(part[block][0, :64].numpy()) for part in (start, now))
        want = cloud @ orthogonal_procrustes(cloud, then)[0] / np.sqrt((then**2).sum(1).mean())
        assert np.allclose(unpack(text).reshape(64, 2), want, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("blocks", "shown", "examples"), [(8, 8, 64), (12, 12, 53), (24, 24, 25), (100, 24, 25)])
def test_clouds_of_any_number_of_blocks_fit_into_an_event(blocks: int, shown: int, examples: int) -> None:
    found = representations(with_blocks(random(blocks, 1)), with_blocks(random(blocks, 0)))
    clouds = found["representations"]
    assert len(json.dumps(found)) <= ROOM
    assert [len(unpack(text)) for text in clouds.values()] == [2 * examples] * shown
    assert {"encoder.layer.0", f"encoder.layer.{blocks - 1}"} <= clouds.keys()


def test_what_has_no_cloud_is_left_out() -> None:
    start, now = random(3, 0), random(3, 1)
    now["encoder.layer.0"][0, 0, 0] = torch.nan
    del now["encoder.layer.1"]
    found = representations(with_blocks(now), with_blocks(start))
    assert [*found["representations"]] == ["encoder.layer.2"]
    assert representations(with_blocks({}), with_blocks({})) == {}


def test_a_network_of_ones_own_has_clouds_that_move_as_it_does() -> None:
    torch.manual_seed(0)
    model, batch = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2)), torch.randn(20, 6)
    monitor = regime.Monitor(model, batch)
    model[0].weight.data.mul_(2)
    monitor.measure(1)
    model[0].weight.data.div_(2)
    clouds = [monitor.measure(step).view["representations"] for step in (2, 3)]
    assert clouds[0] == clouds[1]
    model[0].weight.data.mul_(2)
    assert clouds[0] != monitor.measure(4).view["representations"]
    assert [*clouds[0]] == ["0"]
    assert np.square(unpack(clouds[0]["0"])).sum() == pytest.approx(20, rel=1e-2)


def test_a_probe_says_its_labels_once(tiny_bert: str) -> None:
    events = regime.stream(ProbeConfig(model=tiny_bert, samples=8, probe_samples=9, max_tokens=12, steps=1, forecast=False))
    labels = next(events).view["labels"]
    assert labels["names"] == ["negative", "positive"]
    assert {*labels["values"]} == {0, 1}
    assert len(labels["values"]) == 9
    clouds = next(event for event in events if event.kind == "measured").view["representations"]
    assert [*clouds] == ["embeddings", "encoder.layer.0", "encoder.layer.1"]
    assert {len(unpack(text)) for text in clouds.values()} == {18}


def test_texts_without_labels_have_no_colors() -> None:
    rows = "text\n" + "\n".join(f"film {k}" for k in range(40))
    config = ProbeConfig(task="own", texts=rows, readout="next-token", model="gpt2")
    assert label_view(config, torch.zeros(9, dtype=torch.long)) == {}


def test_checkpoints_of_sums_are_labeled_by_their_answers() -> None:
    event = next(regime.stream(CheckpointConfig(samples=70)))
    assert len(event.view["labels"]["values"]) == 64
    assert event.view["labels"]["names"] == []
