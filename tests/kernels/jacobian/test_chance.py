"""Networks that flip a coin a pass are refused as random, every time; draws that change nothing are not."""

import random
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from regime import empirical_ntk
from regime.kernels.jacobian import structure
from regime.kernels.jacobian.chance import same_state, state_of
from regime.kernels.jacobian.undisturbed import undisturbed

X = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))


class Skipping(nn.Module):
    """Residual layers, each of which `keeps` may leave out of a pass."""

    def __init__(self, keeps: Callable[[], float | Tensor]) -> None:
        super().__init__()
        self.keeps = keeps
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x).tanh()
        for layer in self.layers:
            h = h + self.keeps() * layer(h).tanh()
        return self.last(h)


def test_python_and_torch_coins_are_refused_as_random() -> None:
    coins = (
        lambda: torch.rand(()) > 0.1,
        lambda: torch.empty(1).bernoulli_(0.9) / 0.9,
        lambda: float(random.random() > 0.1),
    )
    for keeps in coins:
        model = Skipping(keeps)
        for seed in range(8):
            torch.manual_seed(seed)
            random.seed(seed)
            state, python = torch.get_rng_state(), random.getstate()
            with pytest.raises(ValueError, match="it is random"):
                empirical_ntk(model, X)
            assert torch.equal(state, torch.get_rng_state())
            assert python == random.getstate()


def own_noise() -> Tensor:
    """The same in every pass."""
    return torch.rand((), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("keeps", [own_noise, lambda: 1 + 0 * torch.rand(()), lambda: functional.dropout(torch.ones(()), 0.0)])
def test_draws_that_change_nothing_have_a_kernel(keeps: Callable[[], Tensor]) -> None:
    model, state = Skipping(keeps), torch.get_rng_state()
    assert empirical_ntk(model, X).total.isfinite().all()
    assert torch.equal(state, torch.get_rng_state())


def test_attention_without_dropout_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is not passed again and again."""
    monkeypatch.setattr(structure, "check_settled", lambda *_: pytest.fail("passed again"))
    model = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    x = torch.randn(5, 4, 8)
    with undisturbed(model) as passes:
        model(x)
    assert not passes.drew
    assert empirical_ntk(model, x, readout=lambda o, _: o.mean(1)).total.isfinite().all()


@pytest.mark.parametrize(
    ("dtype", "kind"), [(torch.float32, "projection"), (torch.bfloat16, "projection"), (torch.bfloat16, "trace")]
)
def test_what_the_engine_draws_is_not_the_networks(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, kind: str) -> None:
    monkeypatch.setattr(structure, "check_settled", lambda *_: pytest.fail("passed again"))
    kernel = empirical_ntk(nn.Linear(4, 30).to(dtype), X.to(dtype), outputs=kind, projections=8).total
    assert kernel.isfinite().all()


GENERATORS = {
    "Python": (random.Random, lambda own: float(own.random() > 0.1)),
    "NumPy": (np.random.default_rng, lambda own: float(own.random() > 0.1)),
    "NumPy of old": (np.random.RandomState, lambda own: float(own.rand() > 0.1)),
    "torch": (lambda seed: torch.Generator().manual_seed(seed), lambda own: float(torch.rand((), generator=own) > 0.1)),
}


@pytest.mark.parametrize("kind", GENERATORS)
def test_coins_of_a_generator_of_its_own_are_refused_as_random(kind: str) -> None:
    make, throw = GENERATORS[kind]
    for seed in range(12):
        own = make(seed)
        model = Skipping(partial(throw, own))
        model.own = own
        before = state_of(own)
        with pytest.raises(ValueError, match="it is random"):
            empirical_ntk(model, X)
        assert same_state(state_of(own), before)
