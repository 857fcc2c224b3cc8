"""Measuring a network without leaving a trace: every pass begins at the state it was found in, and it comes back so.

A forward pass may write: running statistics, vectors of a power iteration, embeddings that are renormalized, counters. It may
also be compiled, take a fused path that hides its layers, or switch autocast on by itself.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from regime.kernels.jacobian.attributes import memory_of, view_like
from regime.kernels.jacobian.batch import copied, failed, modules_of
from regime.kernels.jacobian.found import Found, recomputed, unhooked
from regime.kernels.jacobian.functions import EagerMode, draws_now, tensors_in
from regime.kernels.jacobian.group_norm import GROUP_NORMS, in_order
from regime.kernels.jacobian.parameters import unwrapped
from regime.kernels.jacobian.single import in_single, promoted
from regime.kernels.jacobian.turns import Turn, in_turn
from regime.resources.attention import ShortAttention
from regime.resources.process import EAGER, NATIVE, full_precision


@contextmanager
def undisturbed(model: nn.Module, readout: Callable | None = None) -> "Iterator[Passes]":
    """Take a network's passes as it is now, and give it back bit for bit; so, too, modules of a readout's own.

    Parameters, buffers, attributes of its modules and the state of random numbers are what they were, whatever a pass writes;
    each pass begins with them. Passes run eagerly, without autocast, without the fused paths of attention, and without hooks on
    gradients. Several threads take turns at networks that share a module.
    """
    own = [unwrapped(module) for module in modules_of(readout)]
    with ExitStack() as all_of_them:
        if own:  # all at once: no circle waits
            all_of_them.enter_context(in_turn(unwrapped(model), *own))
        passes = all_of_them.enter_context(_undisturbed(unwrapped(model)))
        known = set(model.modules()) if own else ()
        for module in own:
            if module not in known:
                all_of_them.enter_context(_undisturbed(module))
        yield passes


@contextmanager
def _undisturbed(model: nn.Module) -> "Iterator[Passes]":
    with in_turn(model) as held:
        if held.passes is not None:
            try:
                yield held.passes
            finally:
                held.passes.found.restore()  # what a pass left is no part of the network
            return
        with EAGER.held(), full_precision(), unhooked(model), recomputed(model), in_single(model):
            held.passes = Passes(model, held)
            try:
                yield held.passes
            except RuntimeError as error:
                if not failed(error):
                    raise
                written = [name for name, own in model.named_parameters() if id(own) in held.moving]
                why = f"its forward pass writes into {', '.join(written[:3])}; call it once before, if it does so once: "
                why = why if written and "inplace" in str(error) else "torch cannot compute its gradients: "
                raise ValueError(f"model: {why}{error}") from error
            finally:
                held.passes.end()
                held.passes = None


RECURRENT = {torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu}
"""Functions that cuDNN differentiates in training mode alone, and torch's own kernels in any."""

SHOWING = {Tensor.numpy, Tensor.__array__, Tensor.__dlpack__, Tensor.data_ptr}
"""Functions that show others where a tensor lies."""


class Passes:
    """The passes through a network that leave no trace."""

    def __init__(self, model: nn.Module, known: Turn) -> None:
        self.model, self.known = model, known
        self.found = Found(model)
        self.own = [*model.parameters(), *model.buffers(), *self.found.tensors]
        self.buffers = set(map(id, model.buffers()))
        self.given: set[int] = set()
        """Where that lies which a pass was given as it is."""
        self.asked: list[tuple[Tensor, bool]] = []
        """What a pass was given, and whether it asked for gradients."""
        self.written: dict[Tensor, Tensor] = {}
        """What tensors were before a pass wrote into them."""
        self.dtypes: set[torch.dtype] = set()
        self.note: Callable[[Tensor], None] | None = None
        """Told of every result, where somebody asks."""
        self.random = [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [])]
        self.drew = False
        self.thread = get_ident()
        """The measurer's: what other threads pass meanwhile is no business of its."""
        self.depth = 0
        self.modes = ExitStack()
        self.hooks: list[Any] = []
        if isinstance(model, torch.jit.RecursiveScriptModule):
            self._before(model, (), {})  # no hook can tell its passes apart: watched throughout
        else:
            self.hooks += [
                model.register_forward_pre_hook(self._before, prepend=True, with_kwargs=True),
                model.register_forward_hook(self._after, always_call=True),
            ]

    @property
    def rounding(self) -> float:
        """Unit of rounding of the coarsest numbers that the passes so far computed."""
        return max((torch.finfo(dtype).eps for dtype in self.dtypes), default=0.0)

    def end(self) -> None:
        """Put everything back."""
        self.modes.close()
        for hook in self.hooks:
            hook.remove()
        self._found_again()
        self._rewrite(dict(self.written))
        self.found.end()
        if self.drew:
            torch.set_rng_state(self.random[0])
            if self.random[1:]:
                torch.cuda.set_rng_state_all(self.random[1:])

    def _before(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        del module
        if get_ident() != self.thread:
            return None
        self.depth += 1
        if self.depth > 1:
            return None  # a network that calls itself
        self._restore()
        self.modes.enter_context(self._watching())
        if self.known.writes:
            args, kwargs = tree_map(lambda value: copied(value) if isinstance(value, Tensor) else value, (args, kwargs))
        self.asked = [(each, each.requires_grad) for each in tensors_in((args, kwargs))]
        self.given = {memory_of(each) for each, _ in self.asked} - {0} if not self.known.writes else set()
        return promoted((args, kwargs))

    @contextmanager
    def _watching(self) -> Iterator[None]:
        with _Eyes(self), _Plain(self):
            yield

    def watched(self, readout: Callable | None) -> Callable | None:
        """Return a readout that is seen as a part of the pass."""
        return readout and self._watching()(readout)

    def _after(self, module: nn.Module, args: Any, output: Any) -> None:
        del module, args, output
        if get_ident() != self.thread:
            return
        self.depth -= 1
        if not self.depth:
            self.modes.close()
            cast = self.found.over()
            self.known.moves |= self.found.moved()
            if cast and (names := [name for name, own in self.model.named_parameters() if id(own) in cast]):
                raise RuntimeError(
                    f"the forward pass casts parameters of its own, {', '.join(names[:3])}, which loses their gradients; call "
                    "the model once before, which leaves them cast"
                )

    @torch.no_grad()
    def _restore(self) -> None:
        self._found_again()
        # a pass gets copies of what passes write into, and of buffers: an earlier one may be differentiated yet
        moving = self.buffers | self.known.moving
        together = [each for each in self._apart if any(id(own) in moving for own in each)]
        copies = {id(own): copy for each in together for own, copy in self._copied(each)}
        held = self.found.place(copies) if copies else ()
        if self.written:
            self._rewrite({own: before for own, before in self.written.items() if id(own) not in held})

    @cached_property
    def _apart(self) -> list[list[Tensor]]:
        """The network's tensors by the memory they lie in, where no parameter lies."""
        known = {id(own): each for each in self.storages.values() for own in each}
        groups = {id(each[0]): each for own in self.own for each in [known.get(id(own), [own])]}
        return [each for each in groups.values() if not any(isinstance(own, nn.Parameter) for own in each)]

    def _found_again(self) -> None:
        self.found.restore()
        self.found.moved(back=True)
        for given, asked in self.asked:
            if given.is_leaf and given.requires_grad != asked:
                given.requires_grad_(asked)
        self.asked = []

    def _copied(self, together: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """What lies in one memory, and the same in another one, as before a pass wrote into it."""
        if len(together) == 1:
            yield together[0], copied(self.written.get(together[0], together[0]), together[0].requires_grad)
            return
        memory = together[0].untyped_storage().clone()
        for own in together:
            view = view_like(torch.empty(0, dtype=own.dtype, device=own.device).set_(memory), own, own.storage_offset())
            view.copy_(self.written.get(own, view))
            yield own, view.requires_grad_(own.requires_grad)

    @torch.no_grad()
    def _rewrite(self, written: dict[Tensor, Tensor]) -> None:
        for tensor, before in written.items():
            tensor.copy_(before)
            del self.written[tensor]

    @cached_property
    def storages(self) -> dict[int, list[Tensor]]:
        """The network's tensors by the memory they lie in."""
        found: dict[int, list[Tensor]] = {}
        for tensor in (*self.own, *self.found.gradients):
            if place := memory_of(tensor):
                found.setdefault(place, []).append(tensor)
        return found

    def keep(self, tensor: Tensor) -> None:
        """Keep what a tensor of the network is, before something is written where it lies."""
        if place := memory_of(tensor):
            self.known.writes |= place in self.given
            for own in self.storages.get(place, ()):
                if own not in self.written:
                    self.written[own] = own.detach().clone()
                    self.known.moving.add(id(own))


@cache
def _facts(function: Any) -> tuple[bool, bool, bool]:
    """Whether an operation writes into its arguments, draws random numbers, or gives a view, which rounds nothing."""
    return function._schema.is_mutable, torch.Tag.nondeterministic_seeded in function.tags, function.is_view


class _Eyes(EagerMode):
    """Sees every operation: what it writes into, how coarse its results are, and whether it draws random numbers."""

    def __init__(self, passes: Passes) -> None:
        super().__init__()
        self.passes = passes

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        kwargs = kwargs or {}
        passes = self.passes
        writes, draws, looks = _facts(function)
        passes.drew |= draws and draws_now(function, args, kwargs)
        if writes:
            given = zip(function._schema.arguments, args, strict=False)
            written = [value for argument, value in given if argument.alias_info is not None and argument.alias_info.is_write]
            for each in tensors_in((written, kwargs)):
                passes.keep(each)
        output = function(*args, **kwargs)
        for each in output if isinstance(output, tuple | list) else (output,):
            if isinstance(each, Tensor) and not looks and (each.is_floating_point() or each.is_complex()):
                passes.dtypes.add(each.dtype)
            if passes.note is not None and isinstance(each, Tensor):
                passes.note(each)
        return output


class _Plain(ShortAttention):
    """Runs every function without autocast, also where the forward pass switches it on; fused paths keep away by themselves.

    Recurrent layers stay in eval mode, so cuDNN keeps away, too.
    """

    def __init__(self, passes: Passes) -> None:
        super().__init__()
        self.passes = passes

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        own = super().__torch_function__
        if function in SHOWING:
            self.passes.keep(args[0])  # whoever has it may write there unseen
        if function in RECURRENT:
            with NATIVE.held(), full_precision():
                return own(function, types, args, kwargs)
        if function in GROUP_NORMS:
            args, kwargs = in_order(*args, **(kwargs or {}))
        if torch._C._is_any_autocast_enabled():
            with full_precision():
                return own(function, types, args, kwargs)
        return own(function, types, args, kwargs)
