"""predictability: deviations between seeds, and what forecasts know of them."""

import numpy as np
import torch

from regime.config import ToyConfig
from regime.reproductions.predictability import PREDICTABILITY, deviations, foretold


def test_a_forecast_that_comes_true_knows_every_deviation() -> None:
    outputs = torch.randn(5, 7, 2, generator=torch.Generator().manual_seed(0))
    size, known = deviations(outputs, outputs)
    mean = outputs.double().mean(0)
    spread = outputs.double().var(0).sum() / mean.square().sum()
    torch.testing.assert_close(size.square().mean(), spread)
    torch.testing.assert_close(known, torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(deviations(outputs, -outputs)[1], -known)


def test_a_lazy_run_is_foretold_better_than_a_rich_one() -> None:
    fields = {"width": 32, "samples": 16, "test_samples": 8, "probe_samples": 16, "seeds": 3, "steps": 300}
    steps = foretold([ToyConfig(**fields, alpha=alpha) for alpha in (64.0, 1 / 16)], 0.3)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            lazy, rich = end.value
            break
    assert lazy.skill.shape == lazy.apart.shape == lazy.known.shape == (3,)
    assert (lazy.skill > 0.98).all()
    assert (lazy.skill > rich.skill).all()
    assert lazy.known.mean() > rich.known.mean()
    assert np.isfinite([lazy.apart, rich.apart]).all()


def test_the_method_says_what_follows() -> None:
    assert "lazy verdict" in PREDICTABILITY.method
    assert "rich verdict" in PREDICTABILITY.method
