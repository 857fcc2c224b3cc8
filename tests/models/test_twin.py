"""Twins of transformers against the linearized model itself, descended step by step, in float64."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from regime import ProbeConfig
from regime.models.functions import loss_of
from regime.models.producer import ProbeRun
from regime.models.training import batch, make_optimizer, rate
from regime.models.twin import KernelTwin
from tests.models import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    tiny.write(root / "tiny", "gpt2", language_model=True)
    return root


OWN = "\n".join(f"{word} text {k},{word[0]}" for k in range(12) for word in ("apple", "bread", "corn"))


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "sgd", "learning_rate": 0.05},
        {"optimizer": "momentum", "learning_rate": 0.02, "batch_size": 5, "warmup": 2, "decay": "cosine"},
        {"optimizer": "adamw", "learning_rate": 1e-3, "decay": "linear"},
        {"optimizer": "adamw", "learning_rate": 1e-3, "batch_size": 3, "readout": "prompt"},
        {"optimizer": "sgd", "learning_rate": 0.05, "readout": "next-token"},
        {"optimizer": "sgd", "learning_rate": 0.05, "task": "own", "texts": OWN, "loss": "cross-entropy"},
        {"optimizer": "adamw", "learning_rate": 1e-3, "task": "own", "texts": OWN, "trainable": ("h.1.*", "head")},
    ],
    ids=lambda fields: "-".join(str(value)[:10] for value in fields.values()),
)
def test_twin_is_the_linearized_model_descended(fields: dict, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIME_MODELS_DIR", str(folder))
    config = ProbeConfig(model="tiny", samples=8, probe_samples=8, max_tokens=14, steps=12, **fields)
    run = ProbeRun(config)
    run.first.double()
    run.targets = {name: y.double() for name, y in run.targets.items()}
    learner = run._begin(0)
    twin, model = learner.twin, learner.model
    assert isinstance(twin, KernelTwin) == (config.optimizer != "adamw")
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    moved = {name: torch.zeros_like(p) for name, p in model.named_parameters() if p.requires_grad}
    optimizer = make_optimizer(config, moved.values())
    loss = loss_of(config)

    @sdpa_kernel(SDPBackend.MATH)  # the only one with a forward derivative
    def linear(name: str, rows: list[int] | slice) -> torch.Tensor:
        inputs = {key: tensor[rows] for key, tensor in run.inputs[name].items()}

        def at(trained):
            return functional_call(model, start | trained, kwargs=inputs)

        value, along = jvp(at, ({name: start[name] for name in moved},), (moved,))
        return value + along

    for step in range(config.steps):
        rows = batch(config, step)
        twin.step(rows, rate(config, step))
        outputs = linear("train", rows).detach()
        force = loss.gradient(outputs, run.targets["train"][rows]) / len(rows)
        inputs = {key: tensor[rows] for key, tensor in run.inputs["train"].items()}
        f = functional_call(model, start | (leaves := {n: start[n].requires_grad_() for n in moved}), kwargs=inputs)
        for d, gradient in zip(moved.values(), torch.autograd.grad(f, leaves.values(), force, allow_unused=True), strict=True):
            d.grad = torch.zeros_like(d) if gradient is None else gradient
        start = {name: tensor.detach() for name, tensor in start.items()}
        optimizer.param_groups[0]["lr"] = rate(config, step)
        optimizer.step()
    for name, got in ((name, twin.outputs(name)) for name in ("train", "probe")):
        want = linear(name, slice(None)).detach()
        moved_by = (want - functional_call(model, start, kwargs=run.inputs[name]).detach()).norm()
        assert moved_by > 1e-4
        assert (got - want).norm() < 1e-9 * moved_by + 1e-12, name


@cache
def config(**fields) -> ProbeConfig:
    return ProbeConfig(steps=10, learning_rate=1.0, **fields)


@pytest.mark.parametrize(
    ("fields", "rates"),
    [
        ({}, [1.0] * 10),
        ({"warmup": 4}, [0.25, 0.5, 0.75, 1.0, *[1.0] * 6]),
        ({"decay": "linear"}, [1 - k / 10 for k in range(10)]),
        ({"warmup": 2, "decay": "linear"}, [0.5, 1.0, *[1 - k / 8 for k in range(8)]]),
    ],
)
def test_schedules(fields: dict, rates: list[float]) -> None:
    assert [rate(config(**fields), step) for step in range(10)] == pytest.approx(rates)
    cosine = [rate(config(decay="cosine"), step) for step in range(10)]
    assert cosine[0] == 1
    assert cosine[5] == pytest.approx(0.5)
    assert all(a > b for a, b in pairwise(cosine))


def test_batches_are_rows_without_repetition_and_the_same_for_all() -> None:
    small = config(samples=16, batch_size=5)
    drawn = [batch(small, step) for step in range(4)]
    assert all(len(set(rows)) == 5 and set(rows) <= set(range(16)) for rows in drawn)
    assert len({tuple(rows) for rows in drawn}) == 4
    assert drawn == [batch(small, step) for step in range(4)]
