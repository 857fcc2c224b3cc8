"""State of any kind that a forward pass changes, and hooks: each pass begins with it as it was found, and it comes back."""

import copy
import logging
import queue
import random
import threading
from array import array
from collections import UserDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import MethodType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import regime
from regime.kernels.jacobian.attributes import MOST, attributes
from regime.kernels.jacobian.undisturbed import undisturbed

X = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))


@dataclass
class Settings:
    scale: float = 1.0
    seen: list[float] = field(default_factory=list)


class Extra(nn.Module):
    """What it counts is in its checkpoints by its own word."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = {"passes": 0}

    def get_extra_state(self) -> dict[str, int]:
        return self.counts

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.counts = state

    def forward(self) -> int:
        self.counts["passes"] += 1
        return self.counts["passes"]


class Kept(nn.Module):
    """Multiplies by what a step makes of its state at every pass."""

    def __init__(self, state: Any, step: Callable[[Any], Any]) -> None:
        super().__init__()
        self.body, self.head, self.state, self.step = nn.Linear(4, 5), nn.Linear(5, 2), state, step

    def forward(self, x: Tensor) -> Tensor:
        factor = self.step(self.state)
        return self.head(self.body(x).tanh()) * factor


def appended(values: Any) -> float:
    values.append(1.0)
    return float(len(values))


def keyed(values: dict) -> float:
    values["t"] = values.get("t", 1.0) + 1
    return values["t"]


def noted(settings: Settings) -> float:
    settings.scale += 1
    settings.seen.append(settings.scale)
    return sum(settings.seen)


def first(values: list[Tensor]) -> Tensor:
    return values[0].add_(1.0).clone()


def counted(array: np.ndarray) -> float:
    array += 1
    return float(array[0])


def targeted(models: list[nn.Module]) -> Tensor:
    with torch.no_grad():
        models[0].weight += 1
    return models[0].weight.detach().sum()


def marked(values: set[int]) -> float:
    values.add(len(values))
    return float(len(values))


def spaced(space: SimpleNamespace) -> Tensor:
    space.inner["k"] = space.inner["k"] * 2
    return space.inner["k"]


class Slotted:
    __slots__ = ("count", "made", "seen")

    def __init__(self) -> None:
        self.count, self.seen = 1.0, torch.ones(())


def slotted(own: Slotted) -> Tensor:
    own.count += 1
    own.made = [*getattr(own, "made", ()), own.count]
    own.seen = own.seen * sum(own.made)
    return own.seen


class Closed:
    """Numbers that functions close over, have as defaults, or are bound to."""

    def __deepcopy__(self, memo: dict) -> "Closed":
        return Closed()

    def __init__(self) -> None:
        count, seen = 1.0, torch.ones(())

        def function(own: list[float] = [1.0]) -> Tensor:  # noqa: B006
            nonlocal count, seen
            count, seen = count + 1, seen * count
            own.append(count)
            function.count = getattr(function, "count", 0) + 1
            return seen * sum(own) * function.count

        self.function = function


class Locked(dict):
    """Numbers beside locks, in an object that is in a dict that is in a dict with attributes."""

    def __deepcopy__(self, memo: dict) -> "Locked":
        return Locked()

    def __init__(self) -> None:
        super().__init__(near=UserDict())
        self.lock, self.log, self.count = threading.RLock(), logging.getLogger("locked"), 1.0
        self["near"]["far"] = SimpleNamespace(mean=torch.ones(()), lock=threading.Lock())


def locked(own: Locked) -> Tensor:
    far = own["near"]["far"]
    with own.lock, far.lock:
        own.count += 1
        far.mean = far.mean * own.count
    return far.mean


def raised(memory: Any) -> float:
    memory[0] += 1
    if not isinstance(memory, memoryview):
        memory.append(1)
    return float(memory[0] + len(memory))


def listed(objects: np.ndarray) -> float:
    objects[0, 1] = 2.0
    objects[0, 0].append(1.0)
    return sum(objects[0, 0])


CHANGING: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "tensor": (torch.ones(()), lambda tensor: tensor.mul_(2.0).clone()),
    "list": ([], appended),
    "deque": (deque(maxlen=9), appended),
    "dict": ({}, keyed),
    "set": (set(), marked),
    "tensors in a list": ([torch.ones(())], first),
    "array": (np.ones(3), counted),
    "settings": (Settings(), noted),
    "namespace": (SimpleNamespace(inner={"k": torch.ones(())}), spaced),
    "module that none registered": ([nn.Linear(2, 1)], targeted),
    "extra state": (Extra(), lambda extra: extra()),
    "slots": (Slotted(), slotted),
    "function": (Closed(), lambda closed: closed.function()),
    "partial": (partial(keyed, {}), lambda values: values()),
    "method": (MethodType(noted, Settings()), lambda note: note()),
    "beside locks": (Locked(), locked),
    "bytes": (bytearray(3), raised),
    "machine numbers": (array("d", [0.0, 1.0]), raised),
    "objects in an array": (np.array([[[1.0], None]], dtype=object), listed),
}


COMPARED = Tensor | np.ndarray | float | int | set | bytearray | array


def contents(model: nn.Module) -> list[tuple[str, Any]]:
    values = [(path, value.detach() if isinstance(value, Tensor) else value) for path, value in attributes(model)]
    return copy.deepcopy([(path, value) for path, value in values if isinstance(value, COMPARED)])


@pytest.mark.parametrize("kind", CHANGING)
def test_each_pass_begins_with_what_was_found_and_it_comes_back(kind: str) -> None:
    torch.manual_seed(0)
    model = Kept(*copy.deepcopy(CHANGING[kind]))
    before = contents(model)
    want = copy.deepcopy(model)(X).detach()
    with undisturbed(model):
        assert torch.equal(model(X), want)
        assert torch.equal(model(X), want)
    assert [path for path, _ in contents(model)] == [path for path, _ in before]
    kernel = regime.empirical_ntk(model, X, outputs="full")
    dense = regime.empirical_ntk(model, X, outputs="full", method="dense")
    assert torch.allclose(kernel.total, dense.total, rtol=1e-4, atol=1e-5)
    regime.plan_ntk(model, X)
    assert torch.equal(regime.Linearization.of(model, X).outputs, want)
    regime.Monitor(model, X).measure(1)
    regime.compare(model, model, X)
    after = contents(model)
    assert [path for path, _ in after] == [path for path, _ in before]
    assert all(np.array_equal(one, two) for (_, one), (_, two) in zip(before, after, strict=True))


class Normalizer:
    """Running means under a lock, as several workers update them."""

    def __init__(self) -> None:
        self.count, self.mean, self.lock = 0, torch.zeros(4), threading.Lock()

    def __call__(self, x: Tensor) -> Tensor:
        with self.lock:
            self.count += len(x)
            self.mean = self.mean + (x.detach().mean(0) - self.mean) * len(x) / self.count
        return x


def test_statistics_beside_a_lock_are_those_of_training() -> None:
    model = Kept(Normalizer(), lambda norm: norm(X).sum())
    model(X)
    mean = model.state.mean
    regime.empirical_ntk(model, X)
    regime.Monitor(model, X).measure(1)
    assert model.state.count == len(X)
    assert model.state.mean is mean


def test_what_measures_or_works_beside_is_no_state_of_the_network() -> None:
    model = Kept(None, lambda _: (model.calls.put(1), model.log.debug("%s", 1), 1.0)[2])
    model.calls, model.log = queue.Queue(), logging.getLogger("kept")
    model.monitor = regime.Monitor(model, X)
    paths = {path for path, _ in attributes(model)}
    assert {path for path in paths if path.startswith((".calls", ".log", ".monitor"))} == {".calls", ".log", ".monitor"}
    with torch.no_grad():
        model.body.weight += 0.1
    records = [model.monitor.measure(step) for step in (1, 2)]
    assert records[0].measures["kernel_change"] == records[1].measures["kernel_change"] > 0
    assert model.calls.qsize() == model.calls.unfinished_tasks > 0


@dataclass(frozen=True, slots=True)
class Frozen:
    scale: Tensor


def test_a_buffer_in_a_frozen_object_is_one_memory_in_every_pass() -> None:
    model = Kept(None, lambda _: model.frozen.scale.add_(1).sum())
    model.register_buffer("scale", torch.ones(()))
    model.frozen = Frozen(model.scale)
    with undisturbed(model):
        assert torch.equal(model(X), model(X))
    regime.Monitor(model, X)
    assert model.frozen.scale is model.scale
    assert model.scale == 1


def test_what_a_class_holds_comes_back() -> None:
    class Counting(Kept):
        count, made = 1.0, None

        def forward(self, x: Tensor) -> Tensor:
            Counting.count += 1
            Counting.made = [*(self.made or ()), self.count]
            Counting.last = x
            return super().forward(x) * len(self.made) * self.count

    model = Counting(None, lambda _: 1.0)
    with undisturbed(model):
        assert torch.equal(model(X), model(X))
    regime.empirical_ntk(model, X)
    regime.Monitor(model, X)
    assert (Counting.count, Counting.made) == (1.0, None)
    assert not hasattr(Counting, "last")


@pytest.mark.parametrize("draw", [random.random, np.random.rand, lambda: random.shuffle([1, 2, 3])])
def test_chance_of_python_and_numpy_goes_on_as_it_would_have(draw: Callable[[], Any]) -> None:
    model = Kept(None, lambda _: (draw(), 1.0)[1])
    random.seed(3)
    np.random.seed(3)
    want = random.random(), np.random.rand()
    random.seed(3)
    np.random.seed(3)
    regime.empirical_ntk(model, X)
    assert (random.random(), np.random.rand()) == want


@pytest.mark.parametrize("kind", ["forward", "forward_pre"])
def test_a_hook_that_removes_itself_is_there_at_every_pass(kind: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))

    def once(*values: Any) -> Tensor:
        handle.remove()
        value = values[-1]
        return 3 * (value[0] if isinstance(value, tuple) else value)

    handle = getattr(model[0], f"register_{kind}_hook")(once)
    hooks = getattr(model[0], f"_{kind}_hooks")
    before = list(hooks.items())
    with undisturbed(model):
        first, second = model(X), model(X)
    assert torch.equal(first, second)
    assert list(hooks.items()) == before
    regime.empirical_ntk(model, X)
    assert list(hooks.items()) == before
    assert not torch.equal(model(X), model(X))


@pytest.mark.parametrize("flag", [False, None])
def test_a_hook_that_a_pass_adds_once_is_added_once_by_each(flag: bool | None) -> None:
    """Whether it did so already, it notes in an attribute, which may be new."""
    torch.manual_seed(0)
    model = Kept(None, lambda _: hooked())
    if flag is not None:
        model.known = flag

    def hooked() -> float:
        if not getattr(model, "known", False):
            model.known = True
            model.head.register_forward_hook(lambda *values: 3 * values[-1])
        return 1.0

    with undisturbed(model):
        first, second = model(X), model(X)
    assert not model.head._forward_hooks
    assert getattr(model, "known", None) is flag
    want = 3 * model.head(model.body(X).tanh())
    assert torch.equal(first, want)
    assert torch.equal(second, want)


def test_what_requires_gradients_is_put_back() -> None:
    torch.manual_seed(0)

    def freeze(state: list[nn.Module]) -> float:
        state[0].weight.requires_grad_(False)
        return 1.0

    model = Kept(None, lambda _: freeze([model.body]))
    kernel = regime.empirical_ntk(model, X, layers=["body"])
    plain = Kept(None, lambda _: 1.0)
    plain.load_state_dict(model.state_dict())
    plain.body.weight.requires_grad_(False)
    assert torch.allclose(kernel.total, regime.empirical_ntk(plain, X, layers=["body"]).total, rtol=1e-4)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_walk_ends_in_cycles_and_passes_over_what_is_large() -> None:
    ring: dict[str, Any] = {"n": 1}
    ring["self"] = [ring]
    model = Kept(ring, keyed)
    model.vocabulary = dict.fromkeys(map(str, range(MOST + 1)), 0)
    model.parent = [model]
    paths = [path for path, _ in attributes(model)]
    assert ".state.n" in paths
    assert len(paths) < 30
