"""Advice is the arithmetic of its laws, to the last constant."""

import pytest

from regime import ProbeConfig, ToyConfig
from regime.measures.advice import advise, extrapolate

TANH = {"activation": "tanh"}
CASES = {
    "to lazy, by the kernel": (ToyConfig(alpha=2.0, **TANH), "rich", [0.6, 0.9], [0.15, 0.2], {"lazy": 94.0}),  # 18^(4/3)
    "to lazy, by the gap": (ToyConfig(alpha=2.0, **TANH), "rich", [0.6, 0.6], [0.8, 1.0], {"lazy": 110.0}),  # 20^(4/3)
    "to lazy, by a gap of ReLU": (ToyConfig(alpha=0.5), "rich", [0.6], [0.16], {"lazy": 16.0}),  # 3.2^3, beyond 12^(4/3)
    "to lazy, with ReLU by the kernel": (ToyConfig(alpha=0.5), "rich", [1.7], [0.15], {"lazy": 55.0}),
    "to rich": (ToyConfig(alpha=2.0, **TANH), "lazy", [0.04, 0.16], [0.01, 0.02], {"rich": 0.11}),  # 37.5^(1/1.25)
    "to rich, with ReLU": (ToyConfig(alpha=2.0), "lazy", [0.03, 0.12], [0.01, 0.02], {"rich": 0.04}),
    "both ways": (ToyConfig(**TANH), "mixed", [0.2], [0.05], {"lazy": 6.3, "rich": 0.11}),  # 15^(1/1.25)
    "nothing to do": (ToyConfig(**TANH), "mixed", [0.04], [0.04], {"rich": 0.032}),
    "a kernel that is rich with a lazy gap": (ToyConfig(alpha=1.23, **TANH), "mixed", [3.2], [0.05], {"lazy": 310.0}),
    "alpha at its largest": (ToyConfig(alpha=1e4, **TANH), "mixed", [0.2], [0.2], {"rich": 1100.0}),
    "a step at its largest": (ProbeConfig(learning_rate=0.002), "mixed", [0.2], [0.2], {"lazy": 0.0005, "rich": 0.01}),
    "as large as alpha may be": (ToyConfig(alpha=8e3, **TANH), "rich", [2.0], [0.3], {"lazy": 1e4}),
    "as small as alpha may be": (ToyConfig(alpha=2e-4, **TANH), "lazy", [0.05], [0.05], {"rich": 1e-4}),
    "a probe": (ProbeConfig(), "mixed", [0.2], [0.05], {"lazy": 0.0005, "rich": 0.01}),
    "a probe, by its gap": (ProbeConfig(), "lazy", [0.08], [0.005], {"rich": 0.08}),
    "as large as a step may be": (ProbeConfig(), "lazy", [1e-5], [0.01], {"rich": 10.0}),
    "no verdict": (ToyConfig(), "no verdict", [0.2], [0.05], {}),
    "a seed that did not move": (ToyConfig(), "lazy", [0.02, 0.0], [0.05, 0.05], {}),
}


@pytest.mark.parametrize("case", CASES)
def test_extrapolated_values_follow_the_laws(case: str) -> None:
    config, label, kernel, gap, wanted = CASES[case]
    assert extrapolate(config, 0.002, label, kernel, gap) == wanted


def test_extrapolated_advice_says_so() -> None:
    toy = advise(ToyConfig(alpha=1.23456, **TANH), 0.002, "mixed", [0.2], [0.05])
    assert toy == [
        "For lazy, try output scale alpha near 7.8 (now 1.23), extrapolated",
        "For rich, try output scale alpha near 0.14 (now 1.23), extrapolated",
    ]
    assert advise(ProbeConfig(), 0.002, "lazy", [0.05], [0.05]) == [
        "For rich, try step size near 0.04 (now 0.002), extrapolated"
    ]


def test_a_value_far_away_is_a_direction_and_no_number() -> None:
    assert advise(ToyConfig(alpha=0.5), 0.002, "rich", [1.7], [3.0]) == [
        "Raise the output scale alpha more than a thousandfold for lazy (now 0.5), extrapolated"
    ]
    assert advise(ProbeConfig(), 0.1, "rich", [60.0], [3.0]) == [
        "Lower the step size more than a thousandfold for lazy (now 0.1), extrapolated"
    ]
