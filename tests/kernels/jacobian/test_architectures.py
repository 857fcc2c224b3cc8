"""Kernels of many architectures against the dense oracle in float64, and what must hold for each without an oracle."""

from collections.abc import Iterator
from functools import cache, partial
from itertools import pairwise

import pytest
import torch

from regime import empirical_ntk
from tests.kernels.jacobian.architectures import (
    ARCHITECTURES,
    BY_DEFAULT,
    CONVOLUTIONS,
    METHODS,
    PLAIN,
    REQUIRED,
    REQUIRED_TEXT,
    WAYS,
    Architecture,
    assert_equals_oracle,
    doubles,
    relative,
    select,
    sentences,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # old weight norm, nested tensors, and what transformers plans to change

PROPERTIES = [
    *REQUIRED,
    "mixtral",
    "deberta v2",
    "gpt2 with tied head",
    "t5",
    "swin",
    "transformer encoder, tokens first, n=T",
    "lstm, packed",
    "calls by data",
    "experts",
    "permuted",
    "two views",
    "in place",
    "modulated convolution",
    "learned queries",
    "hypernetwork",
    "module and its weight",
]
EDGES = {
    "one example": {"n": 1, "tokens": 5},
    "n = T": {"n": 5, "tokens": 5},
    "one token": {"n": 3, "tokens": 1},
    "all but one padded": {"n": 3, "tokens": 5, "lengths": [1, 1, 1]},
    "one long": {"n": 3, "tokens": 7, "lengths": [1, 7, 1]},
}
IMAGE_EDGES = {"vit": [(1, 8), (5, 8)], "mobilenet": [(1, 10), (8, 10), (3, 8), (5, 17)]}


@pytest.fixture(autouse=True)
def _alike() -> Iterator[None]:
    """The same numbers in every test, all of them in double precision, by one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with doubles():
        yield
    torch.set_num_threads(threads)


@cache
def built(name: str) -> Architecture:
    return ARCHITECTURES[name]()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_kernels_equal_the_oracle(name: str) -> None:
    """All methods, and both outputs, between the two calls."""
    architecture = ARCHITECTURES[name]()
    batch, other = architecture.inputs(*architecture.sizes), architecture.inputs(*architecture.other)
    alone = (("trace", "auto"), ("full", "per-example"))
    assert_equals_oracle(architecture.model, batch, architecture.readout, None, WAYS if name in REQUIRED else alone)
    assert_equals_oracle(architecture.model, batch, architecture.readout, other, [("full", "token-gram")])


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("name", [*PLAIN, *CONVOLUTIONS])
def test_few_examples(name: str, n: int) -> None:
    """One, and as many as there are outputs."""
    architecture = built(name)
    batch = architecture.inputs(n, architecture.sizes[1])
    assert_equals_oracle(architecture.model, batch, architecture.readout, None, BY_DEFAULT[:1])


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", REQUIRED_TEXT)
def test_sentences_of_odd_shapes(name: str, edge: str) -> None:
    architecture, batch = built(name), sentences(**EDGES[edge])
    assert_equals_oracle(architecture.model, batch, architecture.readout, None, BY_DEFAULT)
    assert_equals_oracle(architecture.model, batch, architecture.readout, sentences(2, 8), BY_DEFAULT[:1])


@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name, shapes in IMAGE_EDGES.items() for shape in shapes])
def test_images_of_odd_shapes(name: str, shape: tuple[int, int]) -> None:
    architecture = built(name)
    batch = architecture.inputs(*shape)
    assert_equals_oracle(architecture.model, batch, architecture.readout, None, BY_DEFAULT)
    assert_equals_oracle(
        architecture.model, batch, architecture.readout, architecture.inputs(*architecture.other), BY_DEFAULT[:1]
    )


@pytest.mark.parametrize("name", REQUIRED)
def test_equal_rows(name: str) -> None:
    architecture = built(name)
    batch = select(architecture.inputs(*architecture.sizes), [0] * 3)
    assert_equals_oracle(architecture.model, batch, architecture.readout)
    kernel = empirical_ntk(architecture.model, batch, readout=architecture.readout).total
    assert relative(kernel, kernel[:1, :1].expand_as(kernel)) < 1e-12


@pytest.mark.parametrize("name", PROPERTIES)
def test_kernels_are_gram_matrices_of_single_examples(name: str) -> None:
    architecture = built(name)
    ntk = partial(empirical_ntk, architecture.model, readout=architecture.readout, outputs="full")
    n = max(4, architecture.sizes[0])
    batch = architecture.inputs(n, architecture.sizes[1])
    found = ntk(batch)
    kernel, layers = found.total, [k for k in found.layers.values() if k is not None]
    classes = kernel.shape[-1]
    for layer in (kernel, *layers):
        flat = layer.transpose(1, 2).reshape(n * classes, n * classes)
        assert (flat - flat.T).norm() < 1e-13 * kernel.norm()
        assert torch.linalg.eigvalsh(flat).min() > -1e-12 * kernel.norm()
    assert relative(sum(layers), kernel) < 1e-13
    assert relative(ntk(batch, select(batch, list(range(n)))).total, kernel) < 1e-12
    assert relative(ntk(batch, group="total").total, kernel) < 1e-12
    order = torch.randperm(n).tolist()
    assert relative(ntk(select(batch, order)).total, kernel[order][:, order]) < 1e-11
    some = [n - 1, 1]
    assert relative(ntk(select(batch, some)).total, kernel[some][:, some]) < 1e-11
    assert relative(ntk(select(batch, [0]), select(batch, some)).total, kernel[:1, some]) < 1e-11
    for one, two in pairwise([ntk(batch, method=method).layers for method in METHODS]):
        for path, layer in one.items():
            assert layer is None or (layer - two[path]).norm() < 1e-12 * kernel.norm(), path


@pytest.mark.parametrize("name", REQUIRED_TEXT)
def test_padding_changes_nothing(name: str) -> None:
    """The same sentences with four more positions of padding."""
    architecture, batch = built(name), sentences(4, 6)
    longer = {key: torch.cat([value, torch.zeros(4, 4, dtype=value.dtype)], 1) for key, value in batch.items()}
    kernels = [empirical_ntk(architecture.model, each, readout=architecture.readout).total for each in (batch, longer)]
    assert relative(kernels[1], kernels[0]) < 1e-11


@pytest.mark.parametrize("name", REQUIRED)
def test_models_come_back_as_they_were(name: str) -> None:
    architecture = built(name)
    before = {key: value.clone() for key, value in architecture.model.state_dict().items()}
    empirical_ntk(architecture.model, architecture.inputs(*architecture.sizes), readout=architecture.readout)
    assert all(torch.equal(value, before[key]) for key, value in architecture.model.state_dict().items())
    assert all(each.grad is None and each.requires_grad for each in architecture.model.parameters())
    assert not any(module.training or module._forward_hooks for module in architecture.model.modules())
