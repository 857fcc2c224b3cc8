"""Packed Jacobians against those that they are of: products, and rows of them, with padding and without."""

import pytest
import torch
from torch import Tensor, nn

from regime.kernels.jacobian.capture import capture
from regime.kernels.jacobian.packed import PackedJacobian, packed


class Pooled(nn.Module):
    """Tokens, a dense layer at every position, and the mean over those that are no padding."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.dense, self.head = nn.Embedding(20, 5), nn.Linear(5, 6), nn.Linear(6, 3)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        hidden = torch.tanh(self.dense(self.table(ids))) * mask.unsqueeze(-1)
        return self.head(hidden.sum(1) / mask.sum(1, keepdim=True))


@pytest.mark.parametrize("lengths", [[7, 2, 3, 1, 5], [7] * 5], ids=["padded", "full"])
def test_products_and_rows(lengths: list[int]) -> None:
    torch.manual_seed(0)
    model = Pooled().double()
    mask = (torch.arange(7) < torch.tensor(lengths)[:, None]).double()
    jacobians = capture(model, {"ids": torch.randint(20, (5, 7)), "mask": mask})
    v, chosen = torch.randn(5, 3).double(), [4, 0, 2]
    for path, jacobian in jacobians.items():
        direction = {name: torch.randn_like(p) for name, p in model.get_submodule(path).named_parameters()}
        one = PackedJacobian.of(jacobian)
        for ours, theirs, w in ((one, jacobian, v), (one.rows(chosen), jacobian.rows(chosen), v[chosen])):
            assert torch.allclose(ours.product(direction), theirs.product(direction), rtol=1e-12)
            want = theirs.pullback(w)
            assert want.keys() == ours.pullback(w).keys()
            assert all(torch.allclose(each, want[name], rtol=1e-12) for name, each in ours.pullback(w).items())
    dense = PackedJacobian.of(jacobians["dense"]).parts[0][0]
    assert len(dense.gradients) == (sum(lengths) if len(set(lengths)) > 1 else 5)


def test_packing_takes_jacobians_out_of_their_dict() -> None:
    jacobians = capture(nn.Linear(3, 2), torch.randn(4, 3))
    jacobians["unreached"] = None
    found = packed(jacobians)
    assert not jacobians
    assert list(found) == ["(root)", "unreached"]
    assert found["unreached"] is None
