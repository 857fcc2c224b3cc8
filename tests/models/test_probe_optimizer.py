"""A probe takes any torch optimizer of one's own, which trains its twin too."""

import pytest
import torch

import regime

SMALL = {"samples": 8, "probe_samples": 8, "steps": 2, "measure_every": 2, "learning_rate": 1e-4, "max_tokens": 8}


def test_the_class_trains_model_and_twin(tiny_bert):
    one, other = (
        regime.run(regime.ProbeConfig(model=tiny_bert, optimizer=kind, **SMALL)) for kind in (torch.optim.Adam, "adamw")
    )
    assert one.config.optimizer == "torch.optim.adam:Adam"
    for name in ("train_loss", "twin_train_loss", "kernel_change", "taylor_gap"):
        assert one.final[name] == pytest.approx(other.final[name], rel=1e-2), name


def test_what_is_no_torch_optimizer_is_refused(tiny_bert):
    with pytest.raises(regime.ConfigError, match=r"optimizer = 'tests.parts:Stripes' .* a class of torch.optim.Optimizer"):
        regime.run(regime.ProbeConfig(model=tiny_bert, optimizer="tests.parts:Stripes", **SMALL))
    with pytest.raises(regime.ConfigError, match="learning_rate = None is not allowed with an optimizer of your own"):
        regime.ProbeConfig(optimizer=torch.optim.Adam)
