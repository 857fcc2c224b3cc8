"""What a model's configuration would allocate, told from the network without numbers, before it is made with them."""

from collections import Counter
from collections.abc import Iterable, Mapping

import torch
from transformers import PretrainedConfig, PreTrainedModel

from regime.models.checks import FLOAT32, ModelError, Stored, check_size
from regime.resources.limits import limits
from regime.resources.memory import MEMORY


def skeleton(kind: type, config: PretrainedConfig) -> PreTrainedModel:
    """Build the model that a configuration describes on the meta device: names and shapes alone."""
    with torch.device("meta"):
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


PLAIN = "allowed: plain weights, as quantized models have after dequantize, and those with adapters after merge_and_unload"


def check_filled(name: str, model: PreTrainedModel, held: Mapping[str, Stored]) -> None:
    """Refuse a configuration of a larger network than the weights are of, and weights that are no real numbers.

    Shapes are compared, not names: transformers renames what older versions saved. A pooler may be missing: it is then drawn at
    random, but no readout here takes part of it; and so may a language model's head, which is told when it is loaded.

    Args:
        name: of the model, for messages.
        model: its network, without numbers.
        held: the tensors that the weights are.

    Raises:
        ModelError: tensors are missing or integers; it names the first.
    """
    left = Counter(each.shape for each in held.values())
    for path, parameter in model.base_model.named_parameters():
        shape = tuple(parameter.shape)
        left[shape] -= 1
        if left[shape] < 0 and "pooler" not in path:
            raise ModelError(
                f"model = {name!r} is not allowed: its weights lack {path}, or another tensor of shape {list(shape)}, which "
                "its config.json asks for"
            )
    own, prefix = dict(model.named_parameters(remove_duplicate=False)), f"{model.base_model_prefix}."
    for key, each in held.items():
        names = {key, key.removeprefix(prefix), prefix + key}
        if not each.dtype.startswith(("F", "BF")) and names & own.keys():
            raise ModelError(f"model = {name!r} is not allowed: its weights have {key} as {each.dtype}, integers; {PLAIN}")


def check_understood(name: str, model: PreTrainedModel, unexpected: Iterable[str]) -> None:
    """Refuse weights that say more of a layer than the network takes, such as scales of integers, or an adapter's.

    Heads that are not asked for, and tables that are computed anew, belong to no layer with parameters of its own.

    Args:
        name: of the model, for messages.
        model: what was loaded.
        unexpected: tensors that were left aside.

    Raises:
        ModelError: it names the first such tensor, and its layer.
    """
    modules, prefix = dict(model.named_modules()), f"{model.base_model_prefix}."
    for key in sorted(unexpected):
        parts = key.split(".")
        paths = [".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)]
        inside = next((modules[each] for path in paths for each in (path, path.removeprefix(prefix)) if each in modules), model)
        if inside is not model and next(inside.parameters(recurse=False), None) is not None:
            kind = type(inside).__name__
            raise ModelError(f"model = {name!r} is not allowed: its weights have {key}, which no plain {kind} has; {PLAIN}")
