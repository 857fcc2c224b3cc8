"""A model to first order in its parameters: an operator, of which no matrix is ever formed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regime.kernels.jacobian.batch import Batch, Readout, evaluate, widened
from regime.kernels.jacobian.capture import capture
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.undisturbed import full_precision, undisturbed
from regime.kernels.spectrum import lanczos_top

Directions = Mapping[str, Mapping[str, Tensor]]
"""One tensor a parameter, by the path of its layer, then by its name there; absent ones do not move."""


@dataclass(frozen=True)
class Linearization:
    """f_lin(x; theta + d) = f(x; theta) + J(x) d, with J as it was when this was made (Lee et al. 2019, arXiv 1902.06720).

    It is the operator J, (n C, P): `linear @ directions` gives J d, and `linear.adjoint @ v` gives J^T v. `jacobians` hold
    inputs and output gradients of every layer, so that each product is a matmul a layer: no further passes through the model.
    Memory grows with n alone, where a kernel's grows with n^2. Products with models in half precision are in float32.
    """

    outputs: Float[Tensor, "n C"]
    jacobians: dict[str, LayerJacobian]

    @classmethod
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
        with undisturbed(model):
            jacobians = {
                path: jacobian for path, jacobian in capture(model, batch, readout, layers).items() if jacobian is not None
            }
            with torch.no_grad():
                return cls(widened(evaluate(model, batch, readout)), jacobians)

    @property
    def shape(self) -> tuple[int, int]:
        """Of J: (n C, P), with a complex parameter counted as two real ones."""
        parts = (part for jacobian in self.jacobians.values() for part in jacobian.parts)
        return self.outputs.numel(), sum(part.size for part in parts)

    def __matmul__(self, directions: Directions) -> Float[Tensor, "n C"]:
        """Return J d."""
        return self.jvp(directions)

    @property
    def adjoint(self) -> "Adjoint":
        """J^T, an operator of shape (P, n C)."""
        return Adjoint(self)

    def rows(self, chosen: slice | list[int]) -> "Linearization":
        """Return the linearization on some of the examples."""
        return Linearization(self.outputs[chosen], {path: each.rows(chosen) for path, each in self.jacobians.items()})

    @full_precision()
    def jvp(self, directions: Directions) -> Float[Tensor, "n C"]:
        """Return J d."""
        wide = {path: {name: widened(d) for name, d in own.items()} for path, own in directions.items()}
        moved = [jacobian.product(wide[path]) for path, jacobian in self.jacobians.items() if path in wide]
        return sum(moved, torch.zeros_like(self.outputs))

    @full_precision()
    def vjp(self, v: Float[Tensor, "n C"]) -> dict[str, dict[str, Tensor]]:
        """Return J^T v, by layer and parameter."""
        return {path: jacobian.pullback(widened(v)) for path, jacobian in self.jacobians.items()}

    @full_precision()
    def kernel_product(self, v: Float[Tensor, "n C"]) -> Float[Tensor, "n C"]:
        """Return Theta v = J (J^T v), a layer at a time: less memory than `linear @ (linear.adjoint @ v)`, and as much time."""
        v = widened(v)
        return sum((jacobian.product(jacobian.pullback(v)) for jacobian in self.jacobians.values()), torch.zeros_like(v))

    @cached_property
    def top_eigenvalue(self) -> float:
        """The largest eigenvalue of the full (nC, nC) kernel, by Lanczos."""
        start = torch.cos(torch.arange(self.outputs.numel(), device=self.outputs.device, dtype=torch.float64) ** 2)
        like = self.outputs
        return lanczos_top(lambda v: self.kernel_product(v.view_as(like).to(like)).flatten(), start).item()


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
