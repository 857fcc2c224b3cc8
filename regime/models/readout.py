"""What turns an encoder into a function of a sentence: a linear head on its mean-pooled last hidden states."""

import copy

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel


def mean_pool(hidden: Float[Tensor, "n T d"], mask: Int[Tensor, "n T"]) -> Float[Tensor, "n d"]:
    """The mean over positions that are not padding."""
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1)


class MeanPooled(nn.Module):
    """f(x) = w . mean_t h_t(x) + b, with w ~ N(0, 1/d) from `seed` and b = 0. The encoder is a copy.

    It stays in eval mode, dropout off: the path it trains along is the one its linearization describes.
    """

    def __init__(self, encoder: PreTrainedModel, seed: int) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        width = encoder.config.hidden_size
        self.head = nn.utils.skip_init(nn.Linear, width, 1, dtype=encoder.dtype)  # leaves the global random state alone
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.head.weight.copy_(torch.randn(1, width, generator=generator, dtype=torch.float32) / width**0.5)
            self.head.bias.zero_()
        self.eval()

    def forward(self, input_ids: Int[Tensor, "n T"], attention_mask: Int[Tensor, "n T"]) -> Float[Tensor, "n 1"]:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self.head(mean_pool(hidden, attention_mask))
