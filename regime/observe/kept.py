"""Modules that need not compute again: with the parameters and arguments of an earlier pass, they give what they gave then."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from regime.kernels.jacobian.attributes import INTERNAL, PLAIN, attributes, memory_of
from regime.kernels.jacobian.functions import tensors_in

Forward = Callable[..., Any]


class _Call(NamedTuple):
    given: tuple
    gave: Any


class Kept:
    """What modules were given and gave, in the passes of consecutive chunks of a batch.

    A module is kept where it is a function of its arguments and parameters alone, tensors and plain values: a cache that it
    fills, or an attribute that it sets, might be read elsewhere, and what it reads elsewhere others may have made.

    Args:
        model: the network.
        modules: those to keep; one may be inside another.
    """

    def __init__(self, model: nn.Module, modules: Mapping[str, nn.Module]) -> None:
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        self.parameters = {module: {names[id(p)] for p in module.parameters()} for module in modules.values()}
        """Their parameters' full names."""
        moving = set(map(memory_of, model.parameters())) - {0}
        kept = [value for _, value in attributes(model) if _counts(value) and memory_of(value) not in moving]
        self.standing = {id(value): value._version for value in kept}
        """Tensors that modules keep, views of parameters apart, and how often each was written into."""
        self.chunks: list[dict[nn.Module, _Call]] = []

    @contextmanager
    def keep(self) -> Iterator[Callable[[], None]]:
        """Keep what the modules give in the next chunk's pass; the function that is given says that it is over."""
        calls: dict[nn.Module, _Call] = {}
        over = False

        def end() -> None:
            nonlocal over
            over = True

        def keeping(module: nn.Module, forward: Forward) -> Forward:
            def kept(*args: Any, **kwargs: Any) -> Any:
                given = (*args, *kwargs.items(), *_numbers(module))
                if over or not _plain(given):
                    return forward(*args, **kwargs)
                known = {*map(id, tensors_in(given)), *map(id, module.parameters())}
                standing = self.standing | {id(buffer): 0 for buffer in module.buffers()}  # a pass begins with copies of these
                given, before = _copied(given), _attributes(module)
                with _Reading(known, standing) as reading:
                    output = forward(*args, **kwargs)
                if not reading.elsewhere and _plain(output) and list(map(id, before)) == list(map(id, _attributes(module))):
                    calls[module] = _Call(given, _copied(output))
                return output

            return kept

        with _forwards({module: keeping(module, module.forward) for module in self.parameters}):
            yield end
        self.chunks.append(calls)

    @contextmanager
    def use(self, chunk: int, changed: set[str]) -> Iterator[None]:
        """Pass a chunk again without what it gives already.

        Args:
            chunk: its number.
            changed: the parameters that are others than they were, by full name.
        """

        def using(module: nn.Module, forward: Forward, call: _Call) -> Forward:
            def used(*args: Any, **kwargs: Any) -> Any:
                if torch.is_grad_enabled():  # what is differentiated on the way needs the graph that a copy lacks
                    self.chunks.clear()
                elif _equal(call.given, (*args, *kwargs.items(), *_numbers(module))):
                    return _copied(call.gave)
                return forward(*args, **kwargs)

            return used

        calls = self.chunks[chunk].items() if chunk < len(self.chunks) else ()
        known = {module: call for module, call in calls if not self.parameters[module] & changed}
        with _forwards({module: using(module, module.forward, call) for module, call in known.items()}):
            yield


class _Reading(TorchFunctionMode):
    """Sees whether functions take a tensor that was neither known, nor made by them, nor stands as it stood before the pass.

    Args:
        known: tensors, by their ids.
        standing: such tensors: how often they had been written into.
    """

    def __init__(self, known: set[int], standing: dict[int, int]) -> None:
        super().__init__()
        self.known, self.standing, self.elsewhere = known, standing, False

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        kwargs = kwargs or {}
        for each in () if self.elsewhere else tensors_in((args, kwargs)):
            if id(each) not in self.known:
                self.elsewhere |= not _counts(each) or self.standing.get(id(each)) != each._version
        output = function(*args, **kwargs)
        self.known.update(map(id, tensors_in(output)))
        return output


@contextmanager
def _forwards(forwards: Mapping[nn.Module, Forward]) -> Iterator[None]:
    """Let modules be called otherwise."""
    before = {module: vars(module).get("forward") for module in forwards}
    for module, forward in forwards.items():
        vars(module)["forward"] = forward
    try:
        yield
    finally:
        for module, forward in before.items():
            if forward is None:
                del vars(module)["forward"]
            else:
                vars(module)["forward"] = forward


def _plain(value: Any) -> bool:
    """Whether a value is made of tensors and plain values alone."""
    if type(value) is tuple:
        return all(map(_plain, value))
    return isinstance(value, Tensor | PLAIN)


def _counts(value: Any) -> bool:
    """Whether a value is a tensor that counts how often it is written into."""
    return isinstance(value, Tensor) and not value.is_inference()


def _copied(value: Any) -> Any:
    """A plain value that nobody else writes into."""
    if isinstance(value, tuple):
        return tuple(map(_copied, value))
    return value.detach().clone() if isinstance(value, Tensor) else value


def _equal(one: Any, two: Any) -> bool:
    """Whether the first, which is plain, and the second are the same."""
    if isinstance(one, tuple):
        return isinstance(two, tuple) and len(one) == len(two) and all(map(_equal, one, two))
    if isinstance(one, Tensor):
        return isinstance(two, Tensor) and one.dtype == two.dtype and torch.equal(one, two)
    return type(one) is type(two) and one == two


def _numbers(module: nn.Module) -> Iterator[Any]:
    """The plain values that a module and those in it hold."""
    for each in module.modules():
        yield from (value for name, value in vars(each).items() if isinstance(value, PLAIN) and name not in INTERNAL)


def _attributes(module: nn.Module) -> list[Any]:
    """What a module and those in it hold."""
    owners = [own for each in module.modules() for own in (vars(each), each._parameters, each._buffers)]
    return [value for own in owners for value in own.values()]
