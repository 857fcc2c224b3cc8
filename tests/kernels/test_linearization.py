"""Products with a Jacobian and a tangent kernel that is never formed, against explicit ones."""

import pytest
import torch

from regime import Linearization, empirical_ntk
from regime.kernels.jacobian.dense import jacobian
from regime.kernels.jacobian.parameters import owned
from tests.kernels.jacobian.architectures import ARCHITECTURES


@pytest.mark.parametrize("name", ["bert", "gpt2", "gpt2 with tied head", "t5 encoder", "vit", "mobilenet", "lstm, packed"])
def test_products(name: str) -> None:
    torch.manual_seed(0)
    architecture = ARCHITECTURES[name]()
    model, batch = architecture.model.double().eval(), architecture.inputs(*architecture.sizes)
    line = Linearization.of(model, batch, architecture.readout)
    j = {path: each for path, each in jacobian(model, batch, architecture.readout).items() if each is not None}
    v = torch.randn_like(line.outputs)
    pulled = line.adjoint @ v
    moved = torch.zeros_like(v)
    for path, own in owned(model).items():
        if path not in j:
            continue
        want = torch.einsum("nc,ncp->p", v, j[path])
        got = torch.cat([pulled[path][name].flatten() for name in own if name in pulled[path]])
        assert (got - want).norm() <= 1e-10 * max(want.norm(), 1e-6 * v.norm())
        moved += j[path] @ want
    assert (line @ pulled - moved).norm() < 1e-10 * moved.norm()
    assert line.shape == line.adjoint.shape[::-1] == (v.numel(), sum(each.shape[-1] for each in j.values()))
    some = line.rows([2, 0]) @ pulled
    assert (some - (line.adjoint.adjoint @ pulled)[[2, 0]]).norm() < 1e-10 * moved.norm()
    assert (line.kernel_product(v) - moved).norm() < 1e-10 * moved.norm()
    full = empirical_ntk(model, batch, readout=architecture.readout, outputs="full").total
    matrix = full.transpose(1, 2).reshape(v.numel(), v.numel())
    assert line.top_eigenvalue == pytest.approx(torch.linalg.eigvalsh(matrix)[-1].item(), rel=1e-9)


def test_first_order() -> None:
    """f(theta + h d) = f_lin + O(h^2)."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2)).double()
    x = torch.randn(6, 4).double()
    line = Linearization.of(model, x)
    direction = {path: {name: torch.randn_like(p) for name, p in own.items()} for path, own in owned(model).items()}
    errors = []
    for h in (1e-2, 1e-3):
        with torch.no_grad():
            for path, own in owned(model).items():
                for name, p in own.items():
                    p += h * direction[path][name]
            errors.append((model(x) - line.outputs - h * line.jvp(direction)).norm().item())
            for path, own in owned(model).items():
                for name, p in own.items():
                    p -= h * direction[path][name]
    assert errors[1] == pytest.approx(errors[0] / 100, rel=0.05)
