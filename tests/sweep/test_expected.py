"""The exponents that laws are compared with, as the papers have them."""

import pytest

from regime import ToyConfig
from regime.sweep.expected import RICH, expectation

HALF, ONE = (-0.5, -0.5), (-1.0, -1.0)
"""One over the root of the width, or of alpha; one over it."""
KNOWN = [
    # Lee et al. 2019: weights of one hidden layer move together by order one, and are n; square ones are n^2, of size n
    ("parameter_movement", "width", {"depth": 1}, HALF),
    ("parameter_movement", "width", {"depth": 2}, ONE),
    # Yang and Hu 2021: features move by n^-r, and r is 1/2 in NTK parameterization and 0 in muP
    ("feature_movement", "width", {}, HALF),
    ("feature_movement", "width", {"parameterization": "mup"}, (0.0, 0.0)),
    # Geiger et al. 2020: what counts is alpha times the root of the width; in muP alpha alone
    (RICH, "width", {}, HALF),
    (RICH, "width", {"parameterization": "mup"}, (0.0, 0.0)),
    # Chizat et al. 2019: weights move by 1/alpha, and the kernel with them
    ("parameter_movement", "alpha", {}, ONE),
    ("kernel_change", "alpha", {}, ONE),
    # measured (claim S2): close to 1/n where activations are smooth; below, where kinks are
    ("kernel_change", "width", {"activation": "tanh"}, (-1.0, -0.96)),
    ("kernel_change", "width", {"activation": "relu"}, (-0.78, -0.67)),
    # laws of other training: decay moves weights by itself, alpha f starts the further away the larger alpha is, and what stays
    # narrow or frozen is not what widens (measured: 0.06 and -0.23 along alpha, -0.55 and -0.44 along the width)
    ("parameter_movement", "alpha", {"weight_decay": 0.003}, None),
    ("parameter_movement", "alpha", {"centered": False}, None),
    ("kernel_change", "alpha", {"centered": False}, None),
    ("parameter_movement", "width", {"trainable": "readout"}, None),
    ("parameter_movement", "width", {"bottleneck": 4}, None),
    (RICH, "width", {"bottleneck": 4}, None),
    ("parameter_movement", "alpha", {"bottleneck": 4}, ONE),
    ("parameter_movement", "alpha", {"trainable": "readout"}, ONE),
    ("feature_movement", "width", {"centered": False}, HALF),
    # nobody knows
    ("kernel_change", "width", {"activation": "linear"}, None),
    ("kernel_change", "width", {"parameterization": "mup"}, None),
    ("kernel_change", "alpha", {"parameterization": "standard"}, None),
    ("linearization_gap", "width", {}, None),
]


@pytest.mark.parametrize(("measure", "axis", "fields", "known"), KNOWN)
def test_an_exponent_is_that_of_its_paper(measure, axis, fields, known):
    expected = expectation(measure, axis, ToyConfig(**fields))
    assert (expected and (expected.low, expected.high)) == known
    assert expected is None or "arXiv" in expected.source or "measured" in expected.source
