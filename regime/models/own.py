"""A model of one's own in a probe: any module that gives hidden states of tokens, and what makes tokens of a text."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from jaxtyping import Int
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from regime.config.own import blamed, find
from regime.errors import ConfigError
from regime.models.loading import LOADING, Pretrained, check_tokens
from regime.resources.draws import OwnDraws

Tokenize = Callable[[str], Sequence[int]]
TRIED = "A text to try a model on."


class OwnModel(Protocol):
    """A model family of one's own: `ProbeConfig(model=my_model)` takes the function that makes a model with its tokenizer.

    Readouts "mean" and "last" put a new head on its hidden states; its layers are measured by the names of its modules.
    """

    def __call__(self) -> tuple[nn.Module, Tokenize]:
        """Return a module and a tokenizer.

        The module takes token ids (n, T), and a mask (n, T) that is 1 where a token is none of the padding, and returns hidden
        states (n, T, d). The tokenizer turns a text into ids. Weights that are drawn at random follow the run's seed; what
        requires no gradient is not trained.
        """


class HiddenStates(nn.Module):
    """A module of one's own as readouts want it: with the interface of a transformer."""

    base_model_prefix = "model"

    def __init__(self, model: nn.Module, width: int) -> None:
        super().__init__()
        self.model, self.config = model, SimpleNamespace(hidden_size=width)

    @property
    def base_model(self) -> nn.Module:
        """The module itself, whose names layers are reported under."""
        return self.model

    @property
    def dtype(self) -> torch.dtype:
        """That of its parameters, of which quantized ones are integers."""
        return next((p.dtype for p in self.model.parameters() if p.is_floating_point()), torch.float32)

    def forward(self, input_ids: Int[Tensor, "n T"], attention_mask: Int[Tensor, "n T"]) -> BaseModelOutput:
        """Return its hidden states."""
        return BaseModelOutput(last_hidden_state=self.model(input_ids, attention_mask))


class OwnTokenizer:
    """A tokenizer of one's own, called as those of transformers are."""

    def __init__(self, path: str, tokenize: Tokenize) -> None:
        self.path, self.tokenize = path, tokenize

    def __call__(self, texts: Sequence[str], *, max_length: int, **_: Any) -> dict[str, Tensor]:
        """Return ids and mask of texts, cut to `max_length` tokens and padded on the right to the longest.

        Raises:
            ConfigError: the tokenizer fails, or gives a text no tokens.
        """
        with blamed("model", self.path):
            rows = [torch.tensor(list(self.tokenize(text))[:max_length]) for text in texts]
        check_tokens(self.path, texts, map(len, rows))
        if not all(row.dtype == torch.long and row.min() >= 0 for row in rows):
            raise ConfigError(f"model = {self.path!r} is not allowed: its tokenizer gives ids that are negative or no integers")
        ids, mask = torch.zeros(2, len(rows), max(map(len, rows)), dtype=torch.long)
        for k, row in enumerate(rows):
            ids[k, : len(row)], mask[k, : len(row)] = row, 1
        return {"input_ids": ids, "attention_mask": mask}


def load_own(path: str, seed: int) -> Pretrained:
    """Make a model of one's own, in eval mode, in float32.

    Raises:
        ConfigError: it cannot be imported or made, or does not give hidden states of tokens.
    """
    make = find("model", path, made=False)
    with LOADING, blamed("model", path), torch.random.fork_rng(devices=[]), OwnDraws(seed), torch.device("cpu"):
        torch.manual_seed(seed)
        model, tokenize = make()
        model = model.float().eval()
        tokenizer = OwnTokenizer(path, tokenize)
        inputs = tokenizer([TRIED], max_length=len(TRIED))
        with torch.no_grad():
            hidden = model(*inputs.values())
        tokens = inputs["input_ids"].shape
        shape = tuple(hidden.shape) if isinstance(hidden, Tensor) and hidden.is_floating_point() else _kind(hidden)
        if len(shape) != 3 or shape[:2] != tokens:
            raise ConfigError(
                f"model = {path!r} is not allowed: of tokens {tuple(tokens)} it gives {shape}; "
                "allowed: hidden states (n, T, d), floating-point numbers, of tokens (n, T)"
            )
        if not any(True for _ in model.parameters()):
            raise ConfigError(f"model = {path!r} is not allowed: it has no parameters; allowed: a module that can be trained")
    return Pretrained(HiddenStates(model, hidden.shape[2]), tokenizer, path)


def _kind(value: object) -> str:
    """What a value is that is no tensor of floating-point numbers."""
    return str(getattr(value, "dtype", type(value).__name__))
