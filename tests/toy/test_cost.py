"""The seconds that are told of a run are those that it took, on one core that does 2.27e11 operations a second."""

import pytest

from regime import ToyConfig
from regime.toy.cost import run_seconds

RATE = 2.27e11
TOOK = [
    (3.2, {"width": 64, "samples": 2048, "steps": 50, "measure_every": 25, "seeds": 1}),
    (0.5, {"width": 64, "steps": 400, "measure_every": 40}),
    (4.8, {}),
    (4.2, {"width": 512, "seeds": 16, "steps": 100, "measure_every": 20}),
    (2.4, {"width": 2048, "seeds": 1, "steps": 60, "measure_every": 20}),
    (1.6, {"width": 256, "seeds": 4, "optimizer": "adam", "steps": 200, "measure_every": 20}),
    (3.9, {"task": "digits", "width": 128, "samples": 256, "steps": 100, "measure_every": 10, "seeds": 2}),
    (1.4, {"task": "digits", "width": 64, "samples": 128, "optimizer": "adam", "steps": 200, "measure_every": 20}),
    (1.8, {"width": 64, "depth": 6, "steps": 300, "measure_every": 30, "samples": 512, "optimizer": "sgd"}),
    (5.7, {"width": 32, "steps": 200, "measure_every": 1, "seeds": 4}),
]


@pytest.mark.parametrize(("took", "fields"), TOOK)
def test_seconds_are_told_within_half(took: float, fields: dict) -> None:
    config = ToyConfig(**fields)
    assert took / 1.5 < run_seconds(config, config.seeds, RATE) < 1.5 * took
