"""What turns a transformer into a function of a text: a new head on its hidden states, or its own logits of words."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from regime.observe.pooling import mean_pool

MODEL = "model"
"""Where a readout keeps its transformer."""


def naming(module: nn.Module) -> Callable[[str], str]:
    """Return the function from a path inside a readout to the path in the transformer itself, such as `h.0.attn.c_attn`.

    A new head stays `head`, and a language model's own head what it is called there.
    """
    inner = module.model
    body = f"{MODEL}.{inner.base_model_prefix}." if inner.base_model is not inner else f"{MODEL}."

    def name(path: str) -> str:
        return path.removeprefix(body) if path.startswith(body) else path.removeprefix(f"{MODEL}.")

    return name


def at(hidden: Float[Tensor, "n T d"], position: Int[Tensor, "n"]) -> Float[Tensor, "n d"]:
    """Return each text's hidden state at one position."""
    return hidden.gather(1, position[:, None, None].expand(-1, 1, hidden.shape[-1])).squeeze(1)


def last(mask: Int[Tensor, "n T"]) -> Int[Tensor, "n"]:
    """Return the last position that is not padding, which is on the right."""
    return mask.sum(1) - 1


class HeadReadout(nn.Module):
    """f(x) = W pool_t h_t(x) + b, the mean over tokens or the last token; W ~ N(0, 1/d) from `seed`, or zero, and b = 0.

    It stays in eval mode, dropout off: the path it trains along is the one its linearization describes.
    """

    def __init__(self, model: PreTrainedModel, pool: str, outputs: int, seed: int | None) -> None:
        super().__init__()
        self.model, self.pool = model, pool
        width = getattr(model.config, "word_embed_proj_dim", model.config.hidden_size)  # OPT may narrow its last hidden states
        self.head = nn.utils.skip_init(nn.Linear, width, outputs, dtype=model.dtype)  # leaves the global random state alone
        with torch.no_grad():
            weight = torch.zeros(outputs, width, dtype=torch.float32, device="cpu")
            if seed is not None:
                generator = torch.Generator().manual_seed(seed)
                weight.normal_(generator=generator).div_(width**0.5)
            self.head.weight.copy_(weight)
            self.head.bias.zero_()
        self.eval()

    def features(self, input_ids: Int[Tensor, "n T"], attention_mask: Int[Tensor, "n T"]) -> Float[Tensor, "n d"]:
        """Return the pooled hidden states that the head is linear in."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return mean_pool(hidden, attention_mask) if self.pool == "mean" else at(hidden, last(attention_mask))

    def forward(self, input_ids: Int[Tensor, "n T"], attention_mask: Int[Tensor, "n T"]) -> Float[Tensor, "n C"]:
        """Return W pool_t h_t(x) + b."""
        return self.head(self.features(input_ids, attention_mask))


class PromptReadout(nn.Module):
    """The logits of one word a label, where the model is asked for a word: at the mask, or after the last token.

    Of two labels it is the second's less the first's, (n, 1); of more, each less their mean (Malladi et al. 2023).
    """

    def __init__(self, model: PreTrainedModel, words: list[int], mask: int | None) -> None:
        super().__init__()
        self.model, self.mask = model, mask
        self.register_buffer("words", torch.tensor(words, device="cpu"), persistent=False)
        self.eval()

    def forward(self, input_ids: Int[Tensor, "n T"], attention_mask: Int[Tensor, "n T"]) -> Float[Tensor, "n C"]:
        """Return the logits of the words: of two their difference, of more each less their mean."""
        position = last(attention_mask) if self.mask is None else (input_ids == self.mask).int().argmax(1)
        hidden = self.model.base_model(input_ids=input_ids, attention_mask=attention_mask)[0]
        logits = _word_logits(self.model, at(hidden, position), self.words)
        if len(self.words) == 2:
            return logits[:, 1:] - logits[:, :1]
        return logits - logits.mean(1, keepdim=True)


class NextTokenReadout(nn.Module):
    """The mean log-probability of a text's tokens, each given those before it, (n, 1); of a text of one token 0."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, input_ids: Int[Tensor, "n T"], attention_mask: Int[Tensor, "n T"]) -> Float[Tensor, "n 1"]:
        """Return the mean log-probability of each text's tokens."""
        logits = self.model(input_ids=input_ids, attention_mask=attention_mask).logits[:, :-1]
        n, t, v = logits.shape
        known = -functional.cross_entropy(logits.reshape(n * t, v), input_ids[:, 1:].reshape(n * t), reduction="none")
        weight = attention_mask[:, 1:].to(logits.dtype)
        return (known.view(n, t) * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)


def _word_logits(model: PreTrainedModel, hidden: Float[Tensor, "n d"], words: Int[Tensor, "C"]) -> Float[Tensor, "n C"]:
    """A language model's logits of some words: its head's transform, if any, and those rows alone of its output layer."""
    output = model.get_output_embeddings()
    for module in _transform(model):
        hidden = module(hidden)
    bias = getattr(output, "bias", None)
    return functional.linear(hidden, output.weight[words], None if bias is None else bias[words])


def _transform(model: PreTrainedModel) -> list[nn.Module]:
    """What a masked language model does to hidden states before its output layer; causal ones do nothing."""
    match model.config.model_type:
        case "bert":
            return [model.cls.predictions.transform]
        case "distilbert":
            return [model.vocab_transform, model.activation, model.vocab_layer_norm]
        case "roberta":
            return [model.lm_head.dense, nn.GELU(), model.lm_head.layer_norm]
        case "electra":
            return [model.generator_predictions]
    return []
