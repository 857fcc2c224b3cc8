"""A model to first order in its parameters: an operator, of which no matrix is ever formed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regime.errors import show
from regime.kernels.entries import check_dense
from regime.kernels.jacobian.batch import Batch, Readout, cloned, evaluate, widened
from regime.kernels.jacobian.capture import capture
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import owned
from regime.kernels.jacobian.part import real
from regime.kernels.jacobian.undisturbed import undisturbed
from regime.kernels.request import check_calls, check_layers
from regime.kernels.spectrum import lanczos_top
from regime.resources.process import full_precision

Directions = Mapping[str, Mapping[str, Tensor]]
"""One tensor a parameter, by the path of its layer, then by its name there; absent ones do not move."""


@dataclass(frozen=True)
class Linearization:
    """f_lin(x; theta + d) = f(x; theta) + J(x) d, with J as it was when this was made (Lee et al. 2019, arXiv 1902.06720).

    It is the operator J, (n C, P): `linear @ directions` gives J d, and `linear.adjoint @ v` gives J^T v. `jacobians` hold
    inputs and output gradients of every layer, so that each product is a matmul a layer: no further passes through the model.
    Memory grows with n alone, where a kernel's grows with n^2. Products with models in half precision are in float32. Where
    precisions differ within a model, each layer's part of a product is in the layer's own, and sums are in the widest.
    """

    outputs: Float[Tensor, "n C"]
    jacobians: dict[str, LayerJacobian]
    parameters: Directions
    """Shapes and dtypes of what may move, on the meta device: also of layers that no gradient reaches."""

    @classmethod
    @torch.inference_mode(False)
    @torch.enable_grad()
    def of(
        cls, model: nn.Module, batch: Batch, readout: Readout | None = None, layers: list[str] | None = None
    ) -> "Linearization":
        """Return the linearization at the model's present parameters, on n examples.

        Args:
            model: any module that `empirical_ntk` takes.
            batch: n examples.
            readout: a function of the model's output and the batch, or None.
            layers: globs on module paths; None: all.

        Raises:
            ValueError: as `regime.empirical_ntk` does.
        """
        check_calls(model, batch, readout)
        check_layers(layers)
        batch = cloned(batch)  # layers keep what they were given
        with undisturbed(model, readout):
            jacobians = {
                path: jacobian for path, jacobian in capture(model, batch, readout, layers).items() if jacobian is not None
            }
            parameters = {
                path: {name: torch.empty_like(parameter, device="meta") for name, parameter in own.items()}
                for path, own in owned(model, layers).items()
            }
            outputs = evaluate(model, batch, readout).detach()
            return cls(widened(outputs), jacobians, parameters)

    @property
    def shape(self) -> tuple[int, int]:
        """Of J: (n C, P), of all `parameters`, with a complex one counted as two real ones."""
        return self.outputs.numel(), sum(real(each).numel() for own in self.parameters.values() for each in own.values())

    def __matmul__(self, directions: Directions) -> Float[Tensor, "n C"]:
        """Return J d."""
        return self.jvp(directions)

    @property
    def adjoint(self) -> "Adjoint":
        """J^T, an operator of shape (P, n C)."""
        return Adjoint(self)

    def rows(self, chosen: slice | Sequence[int] | Tensor) -> "Linearization":
        """Return the linearization on some of the examples; raises ValueError where there is no such example."""
        n = len(self.outputs)
        try:
            index = chosen if isinstance(chosen, slice) else torch.as_tensor(chosen, device="cpu")
            if isinstance(index, Tensor) and index.dtype == torch.uint8:
                index = index.long()  # places, as NumPy has them; torch would take a mask
            rows = torch.arange(n, device="cpu")[index]
        except (IndexError, RuntimeError, TypeError, ValueError):
            rows = None
        if rows is None or rows.dim() != 1 or not len(rows):
            raise ValueError(f"chosen = {show(chosen)} is not allowed; allowed: a slice or a list of some of {n} examples")
        index = index if isinstance(index, slice) else rows.to(self.outputs.device)
        jacobians = {path: each.rows(index) for path, each in self.jacobians.items()}
        return replace(self, outputs=self.outputs[index], jacobians=jacobians)

    @full_precision()
    def jvp(self, directions: Directions) -> Float[Tensor, "n C"]:
        """Return J d; raises ValueError where a direction is none of these parameters'."""
        self._check_directions(directions)
        moved = [jacobian.product(directions[path]) for path, jacobian in self.jacobians.items() if path in directions]
        return sum(moved, torch.zeros_like(self.outputs))

    @full_precision()
    def vjp(self, v: Float[Tensor, "n C"]) -> dict[str, dict[str, Tensor]]:
        """Return J^T v, by layer and parameter, without those where it is zero as no gradient reaches them.

        Raises:
            ValueError: v is not as the outputs.
        """
        _check_tensor("v", v, self.outputs)
        return {path: jacobian.pullback(v) for path, jacobian in self.jacobians.items()}

    @full_precision()
    def kernel_product(self, v: Float[Tensor, "n C"]) -> Float[Tensor, "n C"]:
        """Return Theta v = J (J^T v), a layer at a time: less memory than `linear @ (linear.adjoint @ v)`, and as much time.

        Raises:
            ValueError: v is not as the outputs.
        """
        _check_tensor("v", v, self.outputs)
        return sum(
            (jacobian.product(jacobian.pullback(v)) for jacobian in self.jacobians.values()), torch.zeros_like(self.outputs)
        )

    @cached_property
    def top_eigenvalue(self) -> float:
        """The largest eigenvalue of the full (nC, nC) kernel, by Lanczos."""
        start = torch.cos(torch.arange(self.outputs.numel(), device=self.outputs.device, dtype=torch.float64) ** 2)
        like = self.outputs
        return lanczos_top(lambda v: self.kernel_product(v.view_as(like).to(like)).flatten(), start).item()

    def _check_directions(self, directions: Directions) -> None:
        """Refuse what names no layer or parameter, or has not its shape, rather than leave it out or broadcast it."""
        if not isinstance(directions, Mapping):
            raise ValueError(
                f"directions: {type(directions).__name__} is not allowed; allowed: layer -> parameter -> tensor, as of `vjp`"
            )
        for path, own in directions.items():
            known = self.parameters.get(path)
            if known is None:
                raise ValueError(f"directions: {path!r:.80} is no layer that it is of; allowed: {_named(self.parameters)}")
            if not isinstance(own, Mapping):
                raise ValueError(f"directions[{path!r}]: {type(own).__name__} is not allowed; allowed: parameter -> tensor")
            for name, direction in own.items():
                if name not in known:
                    raise ValueError(f"directions[{path!r}]: {name!r:.80} is no trainable parameter; allowed: {_named(known)}")
                _check_tensor(f"directions[{path!r}][{name!r}]", direction, known[name])


@dataclass(frozen=True)
class Adjoint:
    """The transpose of a linearization's Jacobian."""

    linearization: Linearization

    @property
    def shape(self) -> tuple[int, int]:
        """Of J^T: (P, n C)."""
        return self.linearization.shape[::-1]

    @property
    def adjoint(self) -> Linearization:
        """J again."""
        return self.linearization

    def __matmul__(self, v: Float[Tensor, "n C"]) -> dict[str, dict[str, Tensor]]:
        """Return J^T v, by layer and parameter."""
        return self.linearization.vjp(v)


def _check_tensor(name: str, value: Tensor, like: Tensor) -> None:
    """Refuse what is not a tensor of numbers of this shape; precisions may differ."""
    number = isinstance(value, Tensor) and (value.is_complex() if like.is_complex() else value.is_floating_point())
    if not number or value.shape != like.shape:
        got = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        kind = "complex" if like.is_complex() else "real"
        raise ValueError(f"{name}: {got} is not allowed; allowed: a tensor {tuple(like.shape)} of {kind} numbers")
    check_dense(name, value)


def _named(known: Mapping[str, object]) -> str:
    return ", ".join(map(repr, list(known)[:8])) + ", ..." * (len(known) > 8)
