"""S2: how far the tangent kernel moves against width, and that the activation decides."""

from collections.abc import Iterator

from regime.reproductions.claim import Claim, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import LOSS, STEP, dots, law, measured_along, of_model, widths

EXPECTED = {"tanh": ("-0.96 to -1.00", -1.10, -0.86), "relu": ("-0.67 to -0.78", -0.85, -0.60)}
"""Of kernel_change by activation: exponents that were measured independently of this code, and the tolerance around them."""
MEASURES = {"kernel_change": 1, "kernel_distance": 2}
"""Measures, and by what their exponents are multiplied: the distance is of second order in the change."""


def measure(full: bool) -> Iterator[Found]:
    """Fit kernel_change and kernel_distance against width, two hidden layers."""
    series, picks = [], {name: of_model(name) for name in MEASURES}
    for part, (activation, (text, low, high)) in enumerate(EXPECTED.items()):
        yield Step(part / 2, f"{activation} networks of {len(widths(full))} widths")
        fields = {"activation": activation, "seeds": 30 if full else 20}
        moved, configs = yield from measured_along("width", widths(full), picks, **fields)
        for name, times in MEASURES.items():
            what = f"exponent of {name} against width, two hidden layers, {activation}, {STEP}"
            expected = text if times == 1 else f"twice {text}"
            yield finding(what, expected, exponent(widths(full), moved[name]), times * low, times * high, configs=configs)
        change = moved["kernel_change"]
        series += [dots(activation, widths(full), change), law(activation, widths(full), change, (low + high) / 2)]
    yield log_log(
        "Wider networks change their kernel less, smooth ones faster than those with a kink", "width", "kernel_change", series
    )


KERNEL_MOVEMENT = Claim(
    id="S2",
    title="Wide networks keep their kernel",
    claim="The wider a network, the less training changes its kernel, the table of which examples learn together; how much "
    "less depends on the activation.",
    paper=Paper(
        authors="Dyer and Gur-Ari",
        year=2019,
        title="Asymptotics of Wide Networks from Feynman Diagrams",
        arxiv="1909.11304",
    ),
    published="-1 for smooth activations, at large width; no more than -1/2 is proven in general (Lee et al. 2019, arXiv "
    "1902.06720)",
    method=f"Networks with two hidden layers, trained to {LOSS:g} of their initial loss at each width. Slopes are fitted seed "
    "by seed. Expected are slopes measured independently at these widths: -0.96 to -1.00 for tanh, -0.67 to -0.78 for ReLU. "
    "The tolerance adds about 0.1 to either side, and twice that for kernel_distance, whose slope is double.",
    measure=measure,
)
