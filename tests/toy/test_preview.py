"""What is told of a run before it starts is what the run then has."""

import pytest

import regime
from regime import ToyConfig
from regime.toy.preview import preview

SMALL = {"width": 16, "samples": 24, "test_samples": 8, "probe_samples": 10, "seeds": 2, "steps": 0}


@pytest.mark.parametrize(
    "fields",
    [{}, {"optimizer": "momentum"}, {"task": "digits"}, {"loss": "cross-entropy"}, {"parameterization": "standard"}],
)
def test_the_step_size_and_its_eigenvalue_are_those_of_the_run(fields: dict) -> None:
    shown = preview(ToyConfig(**SMALL | fields | {"learning_rate": 7.0}))
    report = regime.run(ToyConfig(**SMALL | fields))
    assert shown.learning_rate == pytest.approx(report.provenance.learning_rate)
    stiffest = max(report.seeds["stability"])
    assert shown.learning_rate * shown.top == pytest.approx(stiffest, rel=1e-3)


def test_edges_are_those_of_descent() -> None:
    assert preview(ToyConfig(**SMALL)).edges == (2.0, 4.0)
    assert preview(ToyConfig(**SMALL, optimizer="momentum")).edges == (3.8,)
    adam = preview(ToyConfig(**SMALL, optimizer="adam"))
    assert adam.edges == ()
    assert adam.top is None


def test_what_cannot_run_is_refused() -> None:
    with pytest.raises(regime.ConfigError, match="learning_rate = None is not allowed"):
        preview(ToyConfig(**SMALL, weight_std=1e-150, bias=False))
