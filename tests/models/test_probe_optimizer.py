"""A probe takes any torch optimizer of one's own, which trains its twin too."""

import pytest
import torch

import regime
from tests.parts import Decayed, Relative, bag_of_bytes

SMALL = {"samples": 8, "probe_samples": 8, "steps": 2, "measure_every": 2, "learning_rate": 1e-4, "max_tokens": 8}


def test_the_class_trains_model_and_twin(tiny_bert):
    one, other = (
        regime.run(regime.ProbeConfig(model=tiny_bert, optimizer=kind, **SMALL)) for kind in (torch.optim.Adam, "adamw")
    )
    assert one.config.optimizer == "torch.optim.adam:Adam"
    for name in ("train_loss", "twin_train_loss", "kernel_change", "taylor_gap"):
        assert one.final[name] == pytest.approx(other.final[name], rel=1e-2), name


@pytest.mark.parametrize(("kind", "rate"), [(Decayed, 1e-4), (Relative, 1e-3), (torch.optim.RMSprop, 1e-4)])
def test_the_twin_of_steps_that_depend_on_the_parameters_begins_where_they_do(kind, rate):
    """With nothing but the body's last layer trained the function is linear but for a tanh, and the twin near it."""
    fields = SMALL | {"optimizer": kind, "learning_rate": rate, "steps": 4, "trainable": ("blocks.1.*",)}
    report = regime.run(regime.ProbeConfig(model=bag_of_bytes, **fields))
    assert report.final["parameter_movement"] > 1e-4
    assert report.final["linearization_gap"] < 0.05
    assert report.final["twin_train_loss"] == pytest.approx(report.final["train_loss"], rel=1e-2)


def test_what_is_no_torch_optimizer_is_refused(tiny_bert):
    with pytest.raises(regime.ConfigError, match=r"optimizer = 'tests.parts:Stripes' .* a class of torch.optim.Optimizer"):
        regime.run(regime.ProbeConfig(model=tiny_bert, optimizer="tests.parts:Stripes", **SMALL))
    with pytest.raises(regime.ConfigError, match="learning_rate = None is not allowed with an optimizer of your own"):
        regime.ProbeConfig(optimizer=torch.optim.Adam)
