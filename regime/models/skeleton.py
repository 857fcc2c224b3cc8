"""What a model's configuration would allocate, told from the network without numbers, before it is made with them."""

from collections import Counter

import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from regime.models.checks import FLOAT32, ModelError, check_size
from regime.resources.limits import limits
from regime.resources.memory import MEMORY


def skeleton(kind: type, config: PretrainedConfig) -> PreTrainedModel:
    """Build the model that a configuration describes on the meta device: names and shapes alone."""
    with torch.device("meta"), no_init_weights():
        return kind.from_config(config)


def check_skeleton(name: str, model: PreTrainedModel) -> None:
    """Refuse a model outside the catalog that is larger than the limits or than what is free, whatever its files have.

    Raises:
        ModelError: it says how large the model is, and what is allowed.
    """
    parameters = sum(parameter.numel() for parameter in model.parameters())
    check_size(name, parameters, 0)
    if (weights := FLOAT32 * parameters) > (room := MEMORY.room(torch.device("cpu"))):
        raise ModelError(
            f"model = {name!r} needs {weights / 1e9:.2g} GB for its weights, and there are {room / 1e9:.2g} GB for it"
        )
    tables = sum(buffer.nbytes for buffer in model.buffers())
    if tables > limits().max_model_bytes:
        raise ModelError(
            f"model = {name!r} is not allowed: its configuration asks for tables of {tables / 1e9:.2g} GB beside its weights; "
            f"allowed: at most {limits().max_model_bytes / 1e9:.2g} GB (REGIME_MAX_MODEL_BYTES)"
        )


def check_filled(name: str, model: PreTrainedModel, shapes: Counter[tuple[int, ...]]) -> None:
    """Refuse a configuration of a larger network than the weights are of.

    Shapes are compared, not names: transformers renames what older versions saved. A pooler may be missing: it is then drawn at
    random, but no readout here takes part of it; and so may a language model's head, which is told when it is loaded.

    Args:
        shapes: how many tensors of each shape the weights have.

    Raises:
        ModelError: tensors are missing; it names the first.
    """
    left = shapes.copy()
    for path, parameter in model.base_model.named_parameters():
        shape = tuple(parameter.shape)
        left[shape] -= 1
        if left[shape] < 0 and "pooler" not in path:
            raise ModelError(
                f"model = {name!r} is not allowed: its weights lack {path}, or another tensor of shape {list(shape)}, which "
                "its config.json asks for"
            )
