"""Networks that order, pack, merge or scale the rows of a batch by what is in it: each row counts for its own example."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import rnn

from regime import empirical_ntk
from regime.kernels.jacobian.reordered import Reordered
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


def _back(m: Rows, x: Tensor, order: list[int] | Tensor) -> Tensor:
    return m.second(m.first(x[order]).tanh()).mean(1)[torch.as_tensor(order).argsort()]


def by_numbers(m: Rows, x: Tensor) -> Tensor:
    return _back(m, x, sorted(range(len(x)), key=lambda i: float(x[i, 0, 0])))


def by_truths(m: Rows, x: Tensor) -> Tensor:
    return _back(m, x, sorted(range(len(x)), key=lambda i: bool(x[i, 0, 1] > 0)))


def by_an_array(m: Rows, x: Tensor) -> Tensor:
    return _back(m, x, x[:, 0, 0].numpy().argsort().tolist())


def by_an_array_of_integers(m: Rows, x: Tensor) -> Tensor:
    return _back(m, x, np.asarray(lengths(x)).argsort(kind="stable").tolist())


def looked_up(m: Rows, x: Tensor) -> Tensor:
    order = x[:, 0, 0].argsort()
    h = m.second(m.first(functional.embedding(order, x.flatten(1)).view_as(x)).tanh()).mean(1)
    return functional.embedding(order.argsort(), h)


def permuted_by_a_matrix(m: Rows, x: Tensor) -> Tensor:
    places = functional.one_hot(x[:, 0, 0].argsort(), len(x)).to(x)
    h = m.second(m.first((places @ x.flatten(1)).view_as(x)).tanh()).mean(1)
    return places.T @ h


def permuted_by_a_sum(m: Rows, x: Tensor) -> Tensor:
    places = functional.one_hot(x[:, 0, 0].argsort(), len(x)).to(x)
    h = m.second(m.first(torch.einsum("ij,jtd->itd", places, x)).tanh()).mean(1)
    return torch.einsum("ij,ic->jc", places, h)


def permuted_by_a_product(m: Rows, x: Tensor) -> Tensor:
    places = functional.one_hot(x[:, 0, 0].argsort(), len(x)).to(x)
    h = m.second(m.first(torch.tensordot(places, x, 1)).tanh()).mean(1)
    return torch.tensordot(places, h, ([0], [0]))


def lengths(x: Tensor) -> Tensor:
    return 1 + (x[:, 0, 1] > -0.5).long() + (x[:, 0, 1] > 0.5).long()


@pytest.fixture(autouse=True)
def _double():
    with doubles():
        yield


LISTED = [by_numbers, by_truths, by_an_array, by_an_array_of_integers, looked_up]
PERMUTED = [permuted_by_a_matrix, permuted_by_a_sum, permuted_by_a_product]


@pytest.mark.parametrize("forward", [by_the_first, time_first, packed, packed_by_lists, merged, recurrent, *LISTED, *PERMUTED])
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


@pytest.mark.parametrize("n", range(4, 65, 3))
@pytest.mark.parametrize("ways", [2, 3, 4])
def test_examples_dealt_out_to_parts_of_the_batch_count_for_themselves(n: int, ways: int) -> None:
    """Example i goes to part i % ways: an order of the number of examples alone, of which some stay where they were."""

    def dealt(m: Rows, x: Tensor) -> Tensor:
        return _back(m, x, [i for k in range(ways) for i in range(k, len(x), ways)])

    torch.manual_seed(n)
    model, x = Rows(dealt), torch.randn(n, 3, 4)
    got, want = (empirical_ntk(model, x, method=method).total for method in ("auto", "dense"))
    assert relative(got, want) < 1e-10


def not_all_full(m: Rows, x: Tensor) -> Tensor:
    full = (x[..., :1] != 0).all()
    return m.second(m.first(x).tanh() if full else m.first(x)).mean(1)


@pytest.mark.parametrize("method", ["auto", "dense"])
@pytest.mark.parametrize("padded", range(1, 9))
def test_a_way_that_is_taken_where_any_example_is_padded_is_found(padded: int, method: str) -> None:
    torch.manual_seed(padded)
    x = torch.randn(9, 3, 4)
    x[torch.randperm(9)[:padded], 2:] = 0
    with pytest.raises(ValueError, match="changes with the other examples of the batch"):
        empirical_ntk(Rows(not_all_full), x, method=method)


@pytest.mark.parametrize(
    ("function", "size"), [(torch.msort, 5), (torch.sort, 3), (torch.argsort, 3), (torch.Tensor.argsort, 3)]
)
def test_what_is_sorted_is_along_the_axis_that_the_function_takes(function: Callable, size: int) -> None:
    """Of two axes: `msort` takes the first, `sort` the last unless told."""
    x = torch.randn(5, 3)
    seen = Reordered(x)
    seen.follow(function, (x,), {}, [x], function(x))
    assert seen.along == [size]


def as_matrix(x: Tensor) -> Tensor:
    return functional.one_hot(x[:, 0].argsort(), len(x)).to(x)


def as_counted(x: Tensor) -> Tensor:
    """The same matrix from comparisons, without any sort."""
    return functional.one_hot((x[:, :1] > x[:, 0]).sum(1), len(x)).to(x).T


ORDERED: dict[str, Callable[[Tensor], Tensor]] = {
    "two indices": lambda x: x[x[:, 0].argsort()[:, None], torch.arange(x.shape[1])],
    "examples last": lambda x: x.T.gather(1, x[:, 0].argsort().expand(x.shape[1], -1)).T,
    "sorted last": lambda x: x.T.gather(1, x.T[:1].sort(dim=1).indices.expand(x.shape[1], -1)).T,
    "scattered": lambda x: torch.zeros_like(x).scatter_reduce_(0, x[:, :1].argsort(0).argsort(0).expand_as(x), x, "sum"),
    "put": lambda x: torch.zeros_like(x).put(x[:, :1].argsort(0).argsort(0) * x.shape[1] + torch.arange(x.shape[1]), x),
    "bags": lambda x: functional.embedding_bag(x[:, 0].argsort()[:, None], x, mode="sum"),
    "bmm": lambda x: torch.bmm(as_matrix(x)[None], x[None])[0],
    "addmm": lambda x: torch.addmm(x.new_zeros(1), as_matrix(x), x),
    "three axes": lambda x: torch.einsum("gij,gjd->gid", as_matrix(x)[None], x[None])[0],
    "a sum": lambda x: (as_matrix(x)[:, :, None] * x).sum(1),
    "where": lambda x: torch.where(as_matrix(x)[:, :, None] > 0, x, torch.zeros_like(x)).sum(1),
    "inner": lambda x: torch.inner(as_matrix(x), x.T),
    "counted": lambda x: torch.bmm(as_counted(x)[None], x[None])[0],
    "counted and put": lambda x: torch.zeros_like(x).scatter_add(0, as_counted(x).argmax(0)[:, None].expand_as(x), x),
}


@pytest.mark.parametrize("ordered", ORDERED.values(), ids=ORDERED)
@pytest.mark.parametrize("at", [(3, 9), (20, 21)])
def test_any_way_to_write_an_order_is_found(ordered: Callable[[Tensor], Tensor], at: tuple[int, int]) -> None:
    """Two of 32 examples change places; by a product the rows come back, which tells nothing of an order."""

    def forward(m: Rows, x: Tensor) -> Tensor:
        tagged = ordered(torch.cat([x[:, 0], torch.arange(float(len(x)))[:, None]], 1))
        h = m.second(m.first(tagged[:, :4]).tanh())
        back = tagged[:, 4, None].detach() == torch.arange(len(x))
        return torch.bmm(back.T[None].to(h), h[None])[0]

    torch.manual_seed(at[0])
    model, x = Rows(forward), torch.randn(32, 1, 4)
    x = x[x[:, 0, 0].argsort()]
    x[list(at)] = x[list(at[::-1])]
    got, want = (empirical_ntk(model, x, method=method).total for method in ("auto", "dense"))
    assert relative(got, want) < 1e-10


def dispatched(m: Rows, x: Tensor) -> Tensor:
    """Two experts with a place for every token, which they fill from the first on (Lepikhin et al. 2021)."""
    tokens = x[:, 0]
    chosen = functional.one_hot((tokens[:, 0] > 0).long(), 2).T
    place = functional.one_hot((chosen.cumsum(1) - 1) * chosen, len(tokens)) * chosen[..., None]
    sent = torch.einsum("gesc,gsd->gecd", place[None].to(tokens), tokens[None])[0]
    h = torch.stack([m.first(sent[0]).tanh(), m.first(sent[1]).sin()])
    return m.second(torch.einsum("gesc,gecd->gsd", place[None].to(h), h[None])[0])


@pytest.mark.parametrize("seed", range(4))
def test_tokens_that_fill_the_places_of_experts_count_for_their_examples(seed: int) -> None:
    torch.manual_seed(seed)
    model, x = Rows(dispatched), -torch.rand(40, 1, 4)
    x[[0, 25], 0, 0] = 1.0
    got, want = (empirical_ntk(model, x, method=method).total for method in ("auto", "dense"))
    assert relative(got, want) < 1e-10


def with_so_many_places(m: Rows, x: Tensor) -> Tensor:
    """A layer of two experts takes so many tokens each, the first ones, and the others pass by."""
    tokens, most = x.flatten(0, 1), int(m.most)
    chosen = functional.one_hot((tokens[:, 0] > 0).long(), 2)
    kept = ((chosen.cumsum(0) * chosen).sum(-1) <= most)[:, None]
    h = torch.where(kept, m.first(tokens).tanh(), functional.pad(tokens, (0, 2)))
    return m.second(h).view(*x.shape[:2], 2).mean(1)


def until_all_are_served(m: Rows, x: Tensor) -> Tensor:
    """Examples above zero are served in turn, as long as there are places."""
    before = (x[:, 0, 0] > 0).int().cumsum(dim=0)
    served = (before <= int(m.most)).to(x.dtype)
    return m.second((m.first(x) * (1 + served[:, None, None])).tanh()).mean(1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("forward", [with_so_many_places, until_all_are_served])
def test_places_that_run_out_within_a_batch_are_found(forward: Forward, seed: int) -> None:
    torch.manual_seed(seed)
    model, x = Rows(forward), torch.randn(48, 3, 4)
    tokens, examples = (x[..., 0] > 0).sum(), (x[:, 0, 0] > 0).sum()
    model.most = (max(tokens, x[..., 0].numel() - tokens) if forward is with_so_many_places else examples) - 1
    with pytest.raises(ValueError, match="changes with the other examples"):
        empirical_ntk(model, x)
    model.most += 1
    assert relative(empirical_ntk(model, x).total, empirical_ntk(model, x, method="dense").total) < 1e-9
