"""What claims say, in the words of the page."""

import pytest

from regime.plots.words import axis_name, printed


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("exponent of parameter_movement against width, relu", "exponent of weight movement against width, ReLU"),
        (
            "||Theta_0 - Theta_inf|| in mup, eta lambda_0 = 2",
            "\u2016\u0398\u2080 \u2212 \u0398\u221e\u2016 in muP, \u03b7\u03bb\u2080 = 2",
        ),
        ("gamma^2, then gamma^(2/L)", "\u03b3\u00b2, then \u03b3^(2/L)"),
        ("slopes of -1/2 to -1, neural-tangents 0.6", "slopes of \u22121/2 to \u22121, neural-tangents 0.6"),
        ("scipy.integrate.solve_ivp, D_LR, beta and theta", "scipy.integrate.solve_ivp, D_LR, beta and theta"),
    ],
)
def test_names_of_code_become_words(code, words):
    assert printed(code) == words


def test_an_axis_has_the_name_of_its_measure_or_field():
    assert [axis_name(name) for name in ("kernel_change", "alpha", "lambda_0")] == [
        *("Kernel change", "Output scale \u03b1", "\u03bb\u2080")
    ]
