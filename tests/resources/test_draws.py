"""Numbers of a seed are its own, whatever else is drawn in the process meanwhile."""

import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel

from regime.resources.draws import OwnDraws
from tests.models.tiny import SMALL

MODULES: dict[str, Callable[[], nn.Module]] = {
    "lstm": lambda: nn.LSTM(3, 4),
    "attention": lambda: nn.MultiheadAttention(8, 2),
    "convolution": lambda: nn.Conv2d(2, 3, 3),
    "embedding": lambda: nn.Embedding(5, 3),
    "transformer": lambda: nn.TransformerEncoderLayer(8, 2),
    "own": lambda: nn.ParameterList([torch.randn(3, 4), torch.rand(2), torch.empty(5).bernoulli_(0.4), torch.randperm(7) / 7]),
}
MODELS = {kind: lambda kind=kind: AutoModel.from_config(AutoConfig.for_model(kind, **SMALL[kind])) for kind in ("bert", "gpt2")}


@pytest.fixture
def others() -> Iterator[None]:
    """Another thread that draws and seeds all the time."""
    ended = threading.Event()

    def draw() -> None:
        while not ended.is_set():
            torch.manual_seed(1)
            torch.rand(3)

    thread = threading.Thread(target=draw)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.mark.parametrize("make", (MODULES | MODELS).values(), ids=MODULES | MODELS)
def test_weights_are_those_of_their_seed_and_the_processs_numbers_stay(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(5)
    expected = make()
    before = torch.get_rng_state()
    with OwnDraws(5):
        made = make()
    assert torch.equal(torch.get_rng_state(), before)
    for one, two in zip(made.state_dict().values(), expected.state_dict().values(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_another_thread_changes_none(make: Callable[[], nn.Module]) -> None:
    several = []
    for _ in range(20):
        with OwnDraws(5):
            several.append(make().state_dict())
    for one in several[1:]:
        assert all(torch.equal(one[name], several[0][name]) for name in one)
