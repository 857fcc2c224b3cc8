"""bfloat16 for training, where a GPU is fast in it and its gradient agrees."""

import pytest
import torch

from regime import ProbeConfig
from regime.models import precision, texts
from regime.models.functions import TextFunction


@pytest.fixture(scope="module")
def probe():
    config = ProbeConfig()
    function = TextFunction(config, config.model, config.revision)
    (rows,) = texts.split("sentiment", [8])
    return function.module(0), function.inputs(rows.texts)


def test_the_gradient_agrees_on_real_weights(probe) -> None:
    assert precision.agreement(*probe) > precision.AGREE


def test_the_cpu_stays_in_float32(probe) -> None:
    assert precision.training_dtype(*probe) == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_trains_in_bfloat16_and_measures_as_in_float32(probe) -> None:
    model, inputs = probe[0].cuda(), {name: tensor.cuda() for name, tensor in probe[1].items()}
    assert precision.training_dtype(model, inputs) == torch.bfloat16
