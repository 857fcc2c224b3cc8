"""Whatever is measured on a GPU is what the processor measures: every kind of run, and every public function of tensors."""

import copy
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import regime
from regime import CheckpointConfig, ProbeConfig, Session, SweepConfig, ToyConfig
from tests.kernels.jacobian.random_models import RandomModel
from tests.kernels.jacobian.test_random_models import REASONS

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

TOY = {"steps": 6, "measure_every": 3, "samples": 16, "width": 16, "seeds": 2}
PROBE = {"steps": 2, "measure_every": 1, "samples": 8, "probe_samples": 8, "max_tokens": 14}
TOYS = [
    {},
    {"task": "digits", "loss": "cross-entropy"},
    {"task": "spirals", "activation": "erf", "alpha": 0.3, "trainable": "readout"},
    {"optimizer": "sgd", "batch_size": 4},
    {"optimizer": "momentum", "parameterization": "mup", "weight_decay": 0.5},
    {"optimizer": "adam", "batch_size": 5, "decoupled": True, "weight_decay": 0.1},
    {"parameterization": "mean-field", "depth": 1},
    {"bottleneck": 4, "depth": 3},
    {"centered": False, "seeds": 1, "task": "sine"},
    {"task": "parity", "label_noise": 0.1, "max_seeds": 4},
]
PROBES = [{}, {"optimizer": "adamw", "batch_size": 4}, {"head": "fitted"}, {"readout": "last"}]
GROUPS, EACH = 6, 50


def alike(got: object, want: object, within: float, where: str = "") -> None:
    """The same dicts and lists of the same words, and numbers as near as this to each other or to 0."""
    if isinstance(want, dict):
        assert got.keys() == want.keys(), where
        for name in want:
            alike(got[name], want[name], within, f"{where}.{name}")
    elif isinstance(want, (list, tuple)):
        assert len(got) == len(want), where
        for k, (one, two) in enumerate(zip(got, want, strict=True)):
            alike(one, two, within, f"{where}[{k}]")
    elif isinstance(want, float) and math.isfinite(want):
        assert got == pytest.approx(want, rel=within, abs=within), where
    else:
        assert got == want or want != want, where


def measured(config: ToyConfig | ProbeConfig | CheckpointConfig) -> list[dict]:
    return [
        {"measures": event.measures, "layers": [row.measures for row in event.layers]}
        for event in regime.stream(config)
        if event.kind == "measured"
    ]


def on_both(call: Callable[[str], object], within: float) -> None:
    alike(call("cuda"), call("cpu"), within)


@pytest.mark.parametrize("fields", TOYS, ids=str)
def test_toys(fields: dict) -> None:
    on_both(lambda device: measured(ToyConfig(**TOY | fields, device=device)), 5e-3)


@pytest.mark.parametrize("fields", PROBES, ids=str)
def test_probes(tiny_bert: str, fields: dict) -> None:
    on_both(lambda device: measured(ProbeConfig(**PROBE, model=tiny_bert, device=device, **fields)), 2e-2)


def test_checkpoints() -> None:
    revisions = ["step-00000", "step-02600"]
    on_both(lambda device: measured(CheckpointConfig(samples=8, revisions=revisions, device=device)), 5e-3)


def test_sweeps() -> None:
    def cells(device: str) -> list[dict]:
        sweep = SweepConfig(base=ToyConfig(**TOY, device=device), axes={"alpha": (0.5, 2.0), "width": (8, 16)})
        return [cell.measures for cell in regime.run(sweep).cells]

    on_both(cells, 5e-3)


def test_borders() -> None:
    config = ToyConfig(**TOY | {"seeds": 4, "steps": 20, "measure_every": 10})
    on_both(lambda device: regime.find_border(config.model_copy(update={"device": device})).value, 0.05)


@pytest.mark.parametrize("begins", ["cuda", "cpu"])
@pytest.mark.parametrize("optimizer", ["gd", "adam"])
def test_a_held_run_goes_on_anywhere(begins: str, optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a GPU wrote is read where there is none, and the other way about."""
    config = ToyConfig(**TOY | {"optimizer": optimizer})
    with monkeypatch.context() as patch:
        patch.setattr("regime.resources.device._has_cuda", lambda: begins == "cuda")
        want = [event.measures for event in regime.stream(config) if event.kind == "measured"]
        session = Session(config)
        held = [event.measures for event in session.stream(2) if event.kind == "measured"]
        session.save(tmp_path / "held")
    monkeypatch.setattr("regime.resources.device._has_cuda", lambda: begins == "cpu")
    rest = [event.measures for event in Session.load(tmp_path / "held").stream() if event.kind == "measured"]
    alike([*held, *rest], want, 5e-3)


def network() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(10, 4), nn.Tanh(), nn.Flatten(), nn.Linear(12, 2)).double()
    return model, torch.randint(10, (9, 3))


def test_linearizations() -> None:
    def products(device: str) -> list:
        model, x = network()
        line = regime.Linearization.of(model.to(device), x.to(device))
        direction = {path: {name: p.detach() for name, p in own.items()} for path, own in line.vjp(line.outputs).items()}
        chosen = line.rows([0, 3, 4])
        return [(line @ direction).tolist(), line.top_eigenvalue, chosen.kernel_product(chosen.outputs).tolist()]

    on_both(products, 1e-9)


@pytest.mark.parametrize("outputs", ["trace", "projection"])
def test_monitors(outputs: str, tmp_path: Path) -> None:
    def seen(device: str) -> list[dict]:
        model, x = network()
        moving = model.to(device)
        monitor = regime.Monitor(moving, x.to(device), loss=1.0, outputs=outputs, projections=4)
        with torch.no_grad():
            moving[0].weight.mul_(1.01)
        monitor.measure(1.0, loss=0.5)
        monitor.save_kernels(tmp_path / device)
        return [monitor.report().final]

    on_both(seen, 1e-6)


def test_comparisons() -> None:
    def changes(device: str) -> dict:
        model, x = network()
        later = copy.deepcopy(model)
        with torch.no_grad():
            later[0].weight.mul_(1.01)
        return regime.compare(model.to(device), later.to(device), x.to(device)).final

    on_both(changes, 1e-6)


def test_closed_forms() -> None:
    def flow(device: str) -> list:
        numbers = torch.Generator().manual_seed(0)
        x, y = (torch.randn(8, size, generator=numbers, dtype=torch.float64).to(device) for size in (3, 2))
        kernel, cross = (regime.infinite_ntk(x[:n], x[3:], depth=2, activation=torch.sin).ntk for n in (3, 2))
        train = regime.infinite_ntk(x[3:], depth=2, activation="erf").ntk
        zero = {"initial": torch.zeros_like(y[3:]), "cross_kernel": cross, "cross_initial": torch.zeros_like(y[:2])}
        return [
            kernel.tolist(),
            regime.gradient_flow(train, targets=y[3:], time=[1.0, math.inf], **zero).tolist(),
            regime.kernel_regression(train, cross, y[3:]).tolist(),
        ]

    on_both(flow, 1e-9)


@pytest.mark.parametrize("group", range(GROUPS))
def test_random_models(group: int) -> None:
    """Refused on both or on neither, and the same kernels of all layers."""

    def kernels(seed: int, device: str) -> dict | str:
        model = RandomModel(seed).to(device)
        x = model.inputs(1 + seed % 8).to(device)
        other = model.inputs(11)[8:].to(device) if seed % 5 == 0 else None
        try:
            found = regime.empirical_ntk(model, x, other, outputs="full").layers
        except ValueError as refusal:
            return next((reason for reason in REASONS if reason in str(refusal)), str(refusal))
        return {path: None if kernel is None else kernel.tolist() for path, kernel in found.items()}

    for seed in range(group * EACH, (group + 1) * EACH):
        alike(kernels(seed, "cuda"), kernels(seed, "cpu"), 1e-6, f"model {seed}")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_models_in_half_precision(dtype: torch.dtype) -> None:
    def kernel(device: str) -> list:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2)).to(device, dtype)
        return regime.empirical_ntk(model, torch.randn(6, 4, dtype=dtype).to(device)).total.float().tolist()

    on_both(kernel, 2e-2)


def test_examples_elsewhere_are_refused() -> None:
    model, x = network()
    for call in (regime.empirical_ntk, regime.Linearization.of, regime.Monitor, regime.plan_ntk):
        with pytest.raises(ValueError, match="cuda"):
            call(copy.deepcopy(model).cuda(), x)


def test_random_numbers_of_a_gpu_are_left_as_they_were() -> None:
    model, x = network()
    torch.cuda.manual_seed(3)
    before = torch.cuda.get_rng_state()
    regime.empirical_ntk(model.cuda(), x.cuda())
    assert torch.equal(torch.cuda.get_rng_state(), before)
    with pytest.raises(ValueError, match="random"):
        regime.empirical_ntk(nn.Sequential(model, nn.Dropout(0.5)).train().cuda(), x.cuda())
    assert torch.equal(torch.cuda.get_rng_state(), before)
