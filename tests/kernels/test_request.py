"""Arguments that a signature tells to be wrong are refused by name, and nothing else is."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import regime
from regime import Linearization, empirical_ntk, plan_ntk

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))


@pytest.mark.parametrize("call", [empirical_ntk, plan_ntk, Linearization.of])
@pytest.mark.parametrize(
    ("batch", "readout", "message"),
    [
        (
            {"x": X},
            None,
            r"batch: Sequential\.forward cannot be called with keywords 'x': missing .*'input'; allowed: \(input\)",
        ),
        ({"input": X, "mask": X}, None, r"batch: .* keywords 'input', 'mask': got an unexpected keyword argument 'mask'"),
        (X, lambda output: output, r"readout: it cannot be called with \(output, batch\): too many .*; allowed: \(output\)"),
        (X, lambda output, batch, more: output, "readout: .* missing a required argument: 'more'"),  # noqa: ARG005
        (X, nn.Softmax(-1), r"readout: .* too many positional arguments; allowed: \(input"),
        (X, 3, "readout = 3 is not allowed; allowed: a function"),
        ([X], None, "batch: a tensor or a dict of keyword tensors is needed, got list"),
    ],
)
def test_what_a_signature_does_not_take_is_refused(call: Callable, batch: Any, readout: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}") as refused:
        call(network(), batch, readout=readout)
    assert "\n" not in str(refused.value)


def test_the_other_batch_is_named() -> None:
    with pytest.raises(ValueError, match=r"^other: Sequential.forward cannot be called with keywords 'x'"):
        empirical_ntk(network(), X, {"x": X})
    assert empirical_ntk(network(), X, {"input": X[:2]}).total.shape == (6, 2)


class Two(nn.Module):
    """A forward of two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor, shift: Tensor) -> Tensor:
        return self.layer(x + shift)


def test_a_tensor_for_a_forward_of_two_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^batch: Two.forward cannot be called with one tensor: missing .*'shift'"):
        empirical_ntk(Two(), X)


@dataclass
class Labeled:
    values: Tensor


@pytest.mark.parametrize(
    "shift",
    [[1.0] * 6, (1,) * 6, np.ones(6), {"y": X}, [{"y": X}], Labeled(X), {"y": Labeled(X)}],
    ids=lambda v: type(v).__name__,
)
def test_what_has_something_for_each_example_and_is_no_tensor_is_refused(shift: Any) -> None:
    message = (
        rf"^batch: 'shift', of type {type(shift).__name__}, has something for each of the 6 examples; pass that as a tensor"
    )
    with pytest.raises(ValueError, match=message):
        empirical_ntk(Two(), {"x": X, "shift": shift})


@pytest.mark.parametrize("shift", [[1.0] * 4, "abcdef", [True] * 6, {"n": 6}, None, 2.0], ids=repr)
def test_settings_in_a_batch_are_no_examples(shift: Any) -> None:
    class Set(Two):
        def forward(self, x: Tensor, shift: Any) -> Tensor:
            del shift
            return self.layer(x)

    model = Set()
    assert torch.equal(empirical_ntk(model, {"x": X, "shift": shift}).total, empirical_ntk(model, {"x": X, "shift": 0}).total)


def test_outputs_that_count_examples_are_called_so() -> None:
    class Contrastive(Two):
        def forward(self, x: Tensor, shift: Tensor) -> Tensor:
            return self.layer(x) @ self.layer(shift).T

    for use in (empirical_ntk, plan_ntk, Linearization.of):
        with pytest.raises(ValueError, match=r"changes with the other examples .*\(2 outputs among 2 examples, 3 among 3"):
            use(Contrastive(), {"x": X, "shift": X + 1})


def shifted(forward: Callable) -> Callable:
    @wraps(forward)
    def given(self: nn.Module, *arguments: Tensor, **named: Tensor) -> Tensor:
        return forward(self, *arguments, **{"shift": X.new_zeros(()), **named})

    return given


class Decorated(Two):
    forward = shifted(Two.forward)


class Called(Two):
    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x, x.new_zeros(()))


def hooked() -> nn.Module:
    model = Two()
    model.register_forward_pre_hook(lambda _, given: (*given, X.new_zeros(())))
    return model


@pytest.mark.parametrize("make", [Decorated, Called, hooked])
def test_what_stands_before_a_forward_may_give_it_more(make: Callable[[], nn.Module]) -> None:
    assert empirical_ntk(make(), X).total.shape == (6, 6)


def test_readouts_of_any_form() -> None:
    want = empirical_ntk(network(), X).total.shape
    for readout in (lambda *both: both[0], lambda output, batch=None: output, lambda o, b, **_: o):  # noqa: ARG005
        assert empirical_ntk(network(), X, readout=readout).total.shape == want


def test_a_seed_that_no_generator_takes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^seed = 1180591620717411303424 is not allowed; allowed: an integer from 0 to 9223"):
        empirical_ntk(network(), X, outputs="projection", seed=2**70)
    assert empirical_ntk(network(), X, outputs="projection", seed=2**63 - 1).total.shape == (6, 6)


@pytest.mark.parametrize("message", ["only eight", ""])
def test_a_model_that_asserts_how_many_examples_it_has_is_refused(message: str) -> None:
    class Eight(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) != 8:
                raise AssertionError(message)
            return super().forward(x)

    said = message or "AssertionError"
    with pytest.raises(ValueError, match=rf"failed on .* \(3, 4\), all examples or some of them: {said}$"):
        empirical_ntk(Eight(4, 2), torch.randn(8, 4))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"other": torch.zeros(3, 5)}, r"other: the model or its readout failed on a tensor torch.float32 \(3, 5\), .*: mat1"),
        ({"other": torch.zeros(3, 4).double()}, r"other: .* a tensor torch.float64 \(3, 4\), "),
        ({"batch": torch.zeros(3, 4, dtype=torch.long)}, r"batch: .* a tensor torch.int64 \(3, 4\), "),
    ],
)
def test_what_the_model_cannot_take_is_named(given: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        empirical_ntk(nn.Linear(4, 2), **({"batch": torch.zeros(6, 4)} | given))


def test_a_batch_that_is_no_tokens_of_an_embedding_is_named() -> None:
    model = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 2))
    with pytest.raises(ValueError, match=r"batch: .* torch.int64 \(3, 2\), .*: index out of range"):
        empirical_ntk(model, torch.full((4, 2), 7))


@pytest.mark.parametrize(
    "use",
    [
        lambda model, x: empirical_ntk(model, x),
        lambda model, x: empirical_ntk(model, x, method="dense"),
        lambda model, x: empirical_ntk(model, x.clamp(max=9), x),
        lambda model, x: empirical_ntk(model, x.clamp(max=9), x, method="dense"),
        lambda model, x: empirical_ntk(model, x, outputs="projection", projections=2, method="dense"),
        lambda model, x: regime.Monitor(model, x),
        lambda model, x: regime.compare(model, copy.deepcopy(model), x),
        lambda model, x: regime.Linearization.of(model, x),
    ],
    ids=["kernel", "dense", "other", "dense other", "projection", "monitor", "compare", "linearization"],
)
@pytest.mark.parametrize("bad", ["token", "shape"])
def test_what_torch_cannot_compute_is_refused_by_the_name_of_its_argument(
    use: Callable, bad: str, request: pytest.FixtureRequest
) -> None:
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 3))
    tokens = torch.randint(10, (40, 3))
    tokens[17, 1] = 55  # not among the few that are looked at first
    name = "other" if bad == "token" and "other" in request.node.callspec.id else "batch"
    with pytest.raises(ValueError, match=rf"{name}: the model or its readout failed on a tensor torch.int64"):
        use(model, tokens if bad == "token" else torch.randint(10, (40, 4)))
