"""Networks that order, pack, merge or scale the rows of a batch by what is in it: each row counts for its own example."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import rnn

from regime import empirical_ntk
from tests.kernels.jacobian.architectures import doubles, relative

Forward = Callable[["Rows", Tensor], Tensor]


class Rows(nn.Module):
    """Two layers, and what a function does between them."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.first, self.second, self.cell = nn.Linear(4, 6), nn.Linear(6, 2), nn.GRU(6, 6, batch_first=True)
        self.of = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.of(self, x)


def by_the_first(m: Rows, x: Tensor) -> Tensor:
    order = x[:, 0, 0].argsort()
    return m.second(m.first(x[order]).tanh()).mean(1)[order.argsort()]


def time_first(m: Rows, x: Tensor) -> Tensor:
    order = x[:, 0, 0].sort().indices
    h = m.second(m.first(x.transpose(0, 1)[:, order]).tanh()).mean(0)
    return torch.zeros_like(h).index_copy(0, order, h)


def packed(m: Rows, x: Tensor) -> Tensor:
    mask = lengths(x)[:, None] > torch.arange(x.shape[1])
    h = m.second(m.first(x[mask]).tanh())
    return h.new_zeros(len(x), 2).index_add(0, mask.nonzero()[:, 0], h)


def packed_by_lists(m: Rows, x: Tensor) -> Tensor:
    sizes = lengths(x).tolist()
    h = m.second(m.first(torch.cat([row[:size] for row, size in zip(x, sizes, strict=True)])).tanh())
    return torch.stack([part.sum(0) for part in h.split(sizes)])


def merged(m: Rows, x: Tensor) -> Tensor:
    rows, places = torch.unique(x[:, 0].sign(), dim=0, return_inverse=True)
    return m.second(m.first(rows).tanh())[places]


def recurrent(m: Rows, x: Tensor) -> Tensor:
    _, order = torch.sort(lengths(x), descending=True, stable=True)
    h = rnn.pack_padded_sequence(m.first(x[order]).tanh(), lengths(x)[order], batch_first=True)
    return m.second(m.cell(h)[1][0])[order.argsort()]


def lengths(x: Tensor) -> Tensor:
    return 1 + (x[:, 0, 1] > -0.5).long() + (x[:, 0, 1] > 0.5).long()


@pytest.fixture(autouse=True)
def _double():
    with doubles():
        yield


@pytest.mark.parametrize("forward", [by_the_first, time_first, packed, packed_by_lists, merged, recurrent])
@pytest.mark.parametrize("seed", range(6))
def test_a_row_counts_for_its_own_example(forward: Forward, seed: int) -> None:
    """The probes' examples are where they were, and sizes are what they would be: no shape, and no checked row tells."""
    torch.manual_seed(seed)
    model, x = Rows(forward), torch.randn(9, 3, 4)
    x[:, 0, 0], x[:, 0, 1] = torch.arange(9.0), torch.zeros(9)  # in order, and two steps of each
    x[[5, 6], 0, 0] = x[[6, 5], 0, 0]
    x[[1, 7], 0, 1] = torch.tensor([1.0, -1.0])
    x[4, 0] = x[5, 0].abs()
    got, want = (empirical_ntk(model, x, method=method).total for method in ("auto", "dense"))
    assert relative(got, want) < 1e-10


def of_the_largest(m: Rows, x: Tensor) -> Tensor:
    return m.second(m.first(x / x.abs().amax().detach()).tanh()).mean(1)


def of_the_longest(m: Rows, x: Tensor) -> Tensor:
    return m.second(m.first(x[:, : int(lengths(x).max())]).tanh()).mean(1)


@pytest.mark.parametrize("forward", [of_the_largest, of_the_longest])
@pytest.mark.parametrize("method", ["auto", "dense"])
@pytest.mark.parametrize("at", range(9))
def test_one_example_that_decides_for_all_is_found_wherever_it_is(forward: Forward, method: str, at: int) -> None:
    torch.manual_seed(at)
    x = torch.randn(9, 3, 4) / 2
    x[:, 0, 1] = 0
    x[at, 0, :2] = 4
    with pytest.raises(ValueError, match="changes with the other examples of the batch"):
        empirical_ntk(Rows(forward), x, method=method)
