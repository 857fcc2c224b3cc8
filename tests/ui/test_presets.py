"""What presets of toys promise: the verdict that their story names."""

import pytest

import regime
from regime.ui.form.presets import PRESETS

TOYS = {preset.name: preset for preset in PRESETS["toy"]}


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("Large alpha", "lazy"), ("Small alpha", "rich"), ("Lazy wins: smooth", "lazy"), ("Bottleneck", "rich")],
)
def test_a_preset_ends_in_its_verdict(name: str, verdict: str) -> None:
    assert f"<b>{verdict}" in TOYS[name].story
    assert regime.run(TOYS[name].config).verdict.label == verdict
