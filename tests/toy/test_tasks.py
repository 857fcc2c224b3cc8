"""Every task's points are what its meaning says, from one seed."""

import numpy as np
import pytest
import torch

from regime import ConfigError, ToyConfig
from regime.config.tasks import MODULUS, TASKS
from regime.toy import tasks

CSV = "a,b,label\n" + "\n".join(f"{k},{k * k % 7},{'yes' if k % 3 else 'no'}" for k in range(80))


def load(name: str, **fields: object) -> tasks.Data:
    if name == "own":
        fields |= {"csv": CSV}
    sizes = {"samples": 40, "test_samples": 20, "probe_samples": 20} if name == "own" else {}
    config = ToyConfig(
        **{"task": name, "width": 8, "seeds": 1, "samples": 250, "test_samples": 150, "probe_samples": 100} | sizes | fields
    )
    return tasks.draw_data(config, torch.device("cpu"), torch.float64)


def together(data: tasks.Data) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([part.x for part in data]), torch.cat([part.y for part in data])


@pytest.mark.parametrize("name", [*TASKS, "own"])
def test_sizes_standardization_classes_and_seeds(name: str) -> None:
    data = load(name)
    x, y = together(data)
    inputs, classes, outputs = (TASKS[name].inputs, TASKS[name].classes, TASKS[name].outputs) if name != "own" else (2, 2, 1)
    assert (x.shape[1], y.shape[1]) == (inputs, outputs)
    assert x.mean().abs() < 0.15
    assert abs(x.square().mean() - 1) < 0.15
    if classes == 0:
        assert y.mean().abs() < 0.25
        assert 0.6 < y.var() < 1.5
    elif classes == 2:
        assert set(y.unique().tolist()) == {-1.0, 1.0}
    else:
        assert torch.allclose(y.sort(1).values[0], torch.tensor([-1 / classes] * (classes - 1) + [1 - 1 / classes]).double())
    if name not in ("digits", "breast-cancer"):  # these have rows that occur twice
        assert len(x.unique(dim=0)) == len(x)
    assert all(torch.equal(a.x, b.x) and torch.equal(a.y, b.y) for a, b in zip(data, load(name), strict=True))
    assert not torch.equal(data.train.x, load(name, data_seed=1).train.x)


def test_the_finite_tasks_hand_out_every_row_once() -> None:
    x, _ = together(load("modular-addition", samples=MODULUS**2 - 100, test_samples=60, probe_samples=40))
    assert len(x.unique(dim=0)) == MODULUS**2
    for name, rows in (("modular-addition", 529), ("digits", 1797), ("breast-cancer", 569), ("own", 80)):
        holder = "the table" if name == "own" else name
        with pytest.raises(ConfigError, match=f"allowed: at most {rows}, all that {holder} has"):
            load(name, samples=rows)


def test_targets_are_what_they_say() -> None:
    x, y = together(load("parity", sparsity=4))
    assert torch.equal(y[:, 0], -x[:, :4].prod(1))  # an odd number of ones is +1
    x, y = together(load("circle", frequency=5))
    assert torch.allclose(y[:, 0], 2**0.5 * torch.cos(5 * torch.atan2(x[:, 1], x[:, 0])))
    x, y = together(load("step"))
    assert torch.equal(y, x.sign())
    x, y = together(load("sine", frequency=3))
    assert torch.allclose(y, (torch.sin(3 * x) + 0.5 * torch.sin(7.5 * x)) / 0.625**0.5)
    x, y = together(load("modular-addition"))
    a, b = x[:, :MODULUS].argmax(1), x[:, MODULUS:].argmax(1)
    assert torch.equal((a + b) % MODULUS, y.argmax(1))
    x, y = together(load("xor", input_noise=0.0))
    assert torch.equal(y, -x.prod(1, keepdim=True))
    x, y = together(load("rings", input_noise=0.0))
    assert torch.equal(y[:, 0] > 0, x.norm(dim=1) > 1.35)


def test_index_targets_depend_on_few_directions_and_the_smooth_one_is_nearly_linear() -> None:
    """The Hessian of a quadratic fit has the rank of the target's subspace; a linear fit explains the smooth target only."""
    x, y = (part.numpy() for part in together(load("single-index", samples=1500)))
    n, d = x.shape
    pairs = [(i, j) for i in range(d) for j in range(i, d)]
    quadratic = np.stack([np.ones(n), *x.T, *(x[:, i] * x[:, j] for i, j in pairs)], 1)
    weights = np.linalg.lstsq(quadratic, y[:, 0], rcond=None)[0]
    hessian = np.zeros((d, d))
    for (i, j), w in zip(pairs, weights[1 + d :], strict=True):
        hessian[i, j] += w
        hessian[j, i] += w
    spectrum = np.sort(np.abs(np.linalg.eigvalsh(hessian)))
    assert spectrum[-2] < 1e-10 * spectrum[-1]
    explained = {}
    for name in ("smooth", "single-index", "multi-index"):
        x, y = (part.numpy() for part in together(load(name, samples=1500)))
        fit = np.column_stack([x, np.ones(len(x))])
        explained[name] = 1 - ((y - fit @ np.linalg.lstsq(fit, y, rcond=None)[0]) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert explained["smooth"] > 0.85
    assert max(explained["single-index"], explained["multi-index"]) < 0.1


@pytest.mark.parametrize("name", ["rings", "digits", "own"])
def test_label_noise_changes_its_share_of_training_labels_alone(name: str) -> None:
    clean, noisy = load(name), load(name, label_noise=0.3)
    changed = (clean.train.y != noisy.train.y).any(1).sum()
    assert changed == round(0.3 * len(clean.train.y))
    assert all(torch.equal(a.y, b.y) for a, b in ((clean.test, noisy.test), (clean.probe, noisy.probe)))
    assert torch.equal(clean.train.x, noisy.train.x)


def test_noise_on_regression_targets_and_inputs() -> None:
    clean, noisy = load("step"), load("step", label_noise=0.5)
    assert abs((noisy.train.y - clean.train.y).std() - 0.5) < 0.08
    assert torch.equal(noisy.test.y, clean.test.y)
    shaken = load("step", input_noise=0.2)
    assert abs((shaken.test.x - clean.test.x).std() - 0.2) < 0.04


def test_own_numbers_are_a_regression() -> None:
    rows = "\n".join(f"{k},{3.5 * k + 1}" for k in range(80))
    config = ToyConfig(task="own", csv=rows, samples=40, test_samples=20, probe_samples=20)
    assert config.classes == 0
    x, y = together(tasks.draw_data(config, torch.device("cpu"), torch.float64))
    assert torch.allclose(x, y)
