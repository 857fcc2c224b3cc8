"""How the outputs of each example depend on a shared tensor through one call: from the call's arguments and output gradients.

The functions that networks are made of have rules of their own; any other is differentiated by itself, one example at a time.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from regime.kernels.jacobian.functions import named
from regime.kernels.jacobian.recording import Use
from regime.kernels.jacobian.replay import (
    Bias,
    Contribution,
    Lookup,
    UnfitError,
    Weight,
    again,
    by_row,
    differentiated,
    pulled_back,
    result_gradients,
    summed,
)
from regime.kernels.jacobian.trace import ExampleAxis, by_example

Rule = Callable[[Use, Tensor], Contribution | None]


def contribution(use: Use, tensor: Tensor) -> Contribution:
    """What the examples' outputs owe to `tensor` through this call.

    Raises:
        UnfitError: the call's function cannot be taken apart by examples.
    """
    if any(each.is_complex() for each in (*use.tensors, *use.gradients)):
        raise UnfitError
    rule = RULES.get(use.site.function)
    once = sum(each is tensor for each in use.tensors) == 1
    found = rule(use, tensor) if rule is not None and once else None
    return found if found is not None else differentiated(use, tensor)


def _argument(use: Use, position: int, name: str, default: object = None) -> object:
    return use.args[position] if len(use.args) > position else use.kwargs.get(name, default)


def _axis_of(use: Use, tensor: object) -> ExampleAxis | None:
    """The axis of examples of one of the call's arguments."""
    axes = (axis for each, axis in zip(use.tensors, use.site.axes, strict=True) if each is tensor)
    return next(axes, None)


def _positions(use: Use, x: Tensor) -> Tensor | None:
    """The argument x as (n, T, i); None where its examples are not where the result has them, or in its last axis."""
    axis = _axis_of(use, x)
    if axis != use.site.axis or axis.position >= x.dim() - 1:
        return None
    return by_example(x, axis).flatten(1, -2)


def _dense(use: Use, tensor: Tensor, x: object, weight: object, bias: object, transposed: bool) -> Contribution | None:
    a = _positions(use, x) if isinstance(x, Tensor) and x is not tensor else None
    if a is None:
        return None
    if tensor is weight and weight.dim() == 2:
        return Weight(a, use.position_gradients, use, transposed)
    whole = tensor is bias and bias.shape == use.position_gradients.shape[-1:]
    return Bias(use.position_gradients, use) if whole else None


def _linear(use: Use, tensor: Tensor) -> Contribution | None:
    x, weight, bias = (_argument(use, k, name) for k, name in enumerate(("input", "weight", "bias")))
    return _dense(use, tensor, x, weight, bias, transposed=False)


def _addmm(use: Use, tensor: Tensor) -> Contribution | None:
    if use.kwargs.get("alpha", 1) != 1 or use.kwargs.get("beta", 1) != 1:
        return None
    bias, x, weight = (_argument(use, k, name) for k, name in enumerate(("input", "mat1", "mat2")))
    return _dense(use, tensor, x, weight, bias, transposed=True)


def _matmul(use: Use, tensor: Tensor) -> Contribution | None:
    x, weight = (_argument(use, k, name) for k, name in enumerate(("input", "other")))
    return _dense(use, tensor, x, weight, None, transposed=True)


def _embedding(use: Use, tensor: Tensor) -> Contribution | None:
    ids = _argument(use, 0, "input")
    if tensor is ids or _axis_of(use, ids) != use.site.axis:
        return None
    return lookup(use, tensor, by_example(ids, use.site.axis).flatten(1), use.position_gradients)


def lookup(use: Use, table: Tensor, ids: Int[Tensor, "n T"], g: Float[Tensor, "n T C d"]) -> Lookup:
    """Return an embedding's contribution; autograd gives the padding token no gradient.

    Args:
        use: the call.
        table: the embedding's weights.
        ids: the tokens.
        g: gradients of the outputs with respect to what was looked up.

    Raises:
        UnfitError: the embedding changes its table, or counts its tokens.
    """
    names = {2: "padding_idx", 3: "max_norm", 5: "scale_grad_by_freq"}
    padding, max_norm, by_frequency = (_argument(use, k, name) for k, name in names.items())
    if max_norm is not None or by_frequency:
        raise UnfitError
    return Lookup(ids.long(), g if padding is None else g * (ids != padding % len(table)).to(g.dtype)[..., None, None])


def _convolution(use: Use, tensor: Tensor) -> Contribution | None:
    """A dense layer at every place of the output, its inputs the patch of the image seen from there."""
    names = {"input": None, "weight": None, "bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    x, weight, bias, *settings, groups = (_argument(use, k, name, default) for k, (name, default) in enumerate(names.items()))
    if tensor is x or _axis_of(use, x) != ExampleAxis(0, 1) or use.site.axis != ExampleAxis(0, 1):
        return None
    g = [gradient.squeeze(1).flatten(2).mT for gradient in use.gradients]
    g = torch.stack(g, dim=-2)
    if tensor is bias:
        return Bias(g, use)
    a = _patches(x, weight, *settings)
    if groups == 1:
        return Weight(a, g, use)
    a, g = a.unflatten(-1, (groups, -1)), g.unflatten(-1, (groups, -1))
    return torch.einsum("ntgi,ntcgo->ncgoi", a, g).reshape(len(a), g.shape[2], *weight.shape)


def _patches(x: Tensor, weight: Tensor, stride: object, padding: object, dilation: object) -> Float[Tensor, "n T i"]:
    size, wide = weight.shape[2:], weight.dim() - 2
    stride, dilation = (value if isinstance(value, tuple | list) else (value,) * wide for value in (stride, dilation))
    if padding == "same":
        missing = [d * (k - 1) for d, k in zip(dilation, size, strict=True)]
        x = functional.pad(x, [side for total in reversed(missing) for side in (total // 2, total - total // 2)])
    if isinstance(padding, str):
        padding = 0
    padding = padding if isinstance(padding, tuple | list) else (padding,) * wide
    if wide == 1:
        x, size, stride, dilation, padding = x.unsqueeze(2), (1, *size), (1, *stride), (1, *dilation), (0, *padding)
    return functional.unfold(x, tuple(size), tuple(dilation), tuple(padding), tuple(stride)).mT


def _normalization(use: Use, tensor: Tensor) -> Contribution | None:
    """Scale and shift after normalization over the last axes."""
    x, shape = (_argument(use, k, name) for k, name in enumerate(("input", "normalized_shape")))
    plain = use.site.function.__name__ == "rms_norm"
    weight, eps = _argument(use, 2, "weight"), _argument(use, 3 if plain else 4, "eps")
    if not plain and tensor is _argument(use, 3, "bias"):
        return summed(result_gradients(use), tensor)
    if tensor is not weight or _axis_of(use, x) != use.site.axis:
        return None
    settings = {} if eps is None else {"eps": eps}
    normalized = use.site.function(x, shape, **settings)
    return summed(result_gradients(use) * by_row(normalized, use.site.axis).unsqueeze(1), tensor)


def _expansion(use: Use, tensor: Tensor) -> Contribution | None:
    """Every example is given the same: one of them shows how all depend on it."""
    if any(axis is not None for each, axis in zip(use.tensors, use.site.axes, strict=True) if each.requires_grad):
        return None
    source, result = again(use, tensor)
    g = result_gradients(use)
    return pulled_back(by_row(result, use.site.axis)[0], source, g.flatten(0, 1)).unflatten(0, g.shape[:2])


RULES: dict[Callable, Rule] = {
    **dict.fromkeys(named("linear"), _linear),
    **dict.fromkeys(named("addmm"), _addmm),
    **dict.fromkeys(named("matmul", "__matmul__", "mm"), _matmul),
    **dict.fromkeys(named("embedding"), _embedding),
    **dict.fromkeys(named("conv1d", "conv2d"), _convolution),
    **dict.fromkeys(named("layer_norm", "rms_norm"), _normalization),
    **dict.fromkeys(named("expand", "expand_as", "broadcast_to", "repeat"), _expansion),
}
"""Function -> (call, shared tensor) -> what the examples' outputs owe to it; None where a rule does not cover the call."""
ENTRYWISE = named(
    "mul", "__mul__", "__rmul__", "multiply", "mul_", "__imul__", "add", "__add__", "__radd__", "add_", "__iadd__"
)
ROWWISE = {
    **dict.fromkeys(named("linear", "addmm", "matmul", "__matmul__", "mm", "embedding"), 2),
    **dict.fromkeys(ENTRYWISE | named("layer_norm", "rms_norm"), 1),
}
"""Functions that treat rows apart, or tokens, and how many axes their shared tensors then have at most."""
