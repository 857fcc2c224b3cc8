"""S7: how far the last hidden layer's features move against width, in two parameterizations."""

from collections.abc import Iterator

from regime.reproductions.claim import Claim, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import LOSS, STEP, dots, law, measured_along, of_model, widths

EXPECTED = {"ntk": ("-1/2", -0.5, -0.6, -0.4), "mup": ("0 +- 0.15", 0.0, -0.15, 0.15)}
"""By parameterization: what is expected in words, as a slope, and its tolerance."""


def measure(full: bool) -> Iterator[Found]:
    """Fit feature_movement against width in the NTK parameterization and in muP."""
    series = []
    for part, (name, (expected, slope, low, high)) in enumerate(EXPECTED.items()):
        yield Step(part / 2, f"{name} networks of {len(widths(full))} widths")
        fields = {"parameterization": name, "seeds": 10 if full else 5}
        moved, configs = yield from measured_along("width", widths(full), {"moved": of_model("feature_movement")}, **fields)
        what = f"exponent of feature_movement of the last hidden layer against width, {name}, relu, {STEP}"
        yield finding(what, expected, exponent(widths(full), moved["moved"]), low, high, configs=configs)
        series += [dots(name, widths(full), moved["moved"]), law(name, widths(full), moved["moved"], slope)]
    yield log_log(
        "Features stand still in wide networks, unless the layers are scaled so that they move",
        "width",
        "feature_movement",
        series,
    )


FEATURE_MOVEMENT = Claim(
    id="S7",
    title="Width alone does not make lazy",
    claim="Wide networks need not be lazy: with layers scaled in one way, features stand still as width grows; in another, "
    "called muP, they move at any width.",
    paper=Paper(
        authors="Yang and Hu", year=2020, title="Feature Learning in Infinite-Width Neural Networks", arxiv="2011.14522"
    ),
    published="-1/2 in the NTK parameterization, 0 in muP",
    method=f"Networks with two hidden layers in both parameterizations, trained to {LOSS:g} of their initial loss at each "
    "width. Slopes are fitted seed by seed. Tolerances: 0.1 around -1/2, 0.15 around 0.",
    measure=measure,
)
