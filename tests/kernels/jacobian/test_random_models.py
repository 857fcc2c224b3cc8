"""600 random models against gradients of one example after another, in float64: none wrong, refusals with their reason."""

import re
import warnings
from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from regime import empirical_ntk
from tests.kernels.jacobian.random_models import RandomModel

GROUPS, EACH = 12, 50
TOLERANCE = 1e-9
REASONS = ("changes with the other examples", "it is random", "do not depend on any trainable", "no trainable parameters")


def jacobian(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """The Jacobian (n, C, P) by the parameters' owner, from one evaluation an example."""
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    rows: dict[str, list[Tensor]] = {}
    for k in range(len(x)):
        for value in model(x[k : k + 1])[0]:
            found = torch.autograd.grad(value, list(parameters.values()), retain_graph=True, allow_unused=True)
            own: dict[str, list[Tensor]] = {}
            for (name, p), gradient in zip(parameters.items(), found, strict=True):
                gradient = torch.zeros_like(p) if gradient is None else gradient
                flat = (torch.view_as_real(gradient) if gradient.is_complex() else gradient).flatten()
                own.setdefault(name.rpartition(".")[0] or "(root)", []).append(flat)
            for path, each in own.items():
                rows.setdefault(path, []).append(torch.cat(each))
    return {path: torch.stack(each).unflatten(0, (len(x), -1)) for path, each in rows.items()}


def least(model: nn.Module, x: Tensor) -> int:
    """Bytes in which one pair of examples fits."""
    try:
        empirical_ntk(model, x, outputs="full", memory=1)
    except ValueError as refusal:
        if needed := re.search(r"too little: (\d+) are needed", str(refusal)):
            return int(needed[1])
        raise  # it is refused whatever there is
    raise AssertionError("a kernel in one byte")


def outcome(seed: int) -> str:
    """Why a model is refused, or what is wrong with its kernel, or that it is right."""
    model = RandomModel(seed)
    x = model.inputs(1 + seed % 8)
    other = model.inputs(11)[8:] if seed % 5 == 0 else None
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(seed)
    try:
        memory = least(model, x) + 2000 if seed % 3 == 0 and other is None else None
        found = empirical_ntk(model, x, other, outputs="full", memory=memory)
    except ValueError as error:
        known = [reason for reason in REASONS if reason in str(error)]
        return f"refused: {known[0]}" if known else f"wrong: refused: {error}"
    left = jacobian(model, x)
    right = left if other is None else jacobian(model, other)
    want = {path: torch.einsum("ncp,mdp->nmcd", j, right[path]) for path, j in left.items()}
    total = sum(want.values())
    for path, kernel in found.layers.items():
        mine = torch.zeros_like(total) if kernel is None else kernel
        error = (mine - want[path]).norm() / max(want[path].norm(), 1e-6 * total.norm())
        if not error < TOLERANCE:
            return f"wrong: {model.kind} {model.names}: {path} by {error:.1e}"
    if any(not torch.equal(value, before[name]) for name, value in model.state_dict().items()):
        return f"wrong: {model.names} changed"
    return "right"


@pytest.mark.parametrize("group", range(GROUPS))
def test_none_is_wrong(group: int, record_property) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Counter(outcome(seed) for seed in range(group * EACH, (group + 1) * EACH))
    for name, count in found.items():
        record_property(name, count)
    assert not [name for name in found if name.startswith("wrong")], found
    assert found["right"] > 0.8 * EACH, found
