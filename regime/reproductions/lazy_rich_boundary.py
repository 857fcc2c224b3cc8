"""S18: the output scale at which lazy ends and rich begins, against width."""

from collections.abc import Iterator

import numpy as np

from regime.config import SweepConfig, ToyConfig
from regime.measures.verdict import RICH_ABOVE
from regime.reproductions.claim import Claim, Found, Paper, Series, Step, finding, log_log, watched
from regime.reproductions.widths import BASE, LOSS, STEP, law, widths
from regime.sweep import fits

ALPHAS = {"ntk": [2.0**k for k in range(-6, 1)], "mup": [2.0**k for k in range(-1, 4)]}
"""Output scales on both sides of the boundary at every width."""
NEAR = {"ntk": slice(1, 6), "mup": slice(0, 4)}
"""Those that the quick form takes."""
EXPECTED = {"ntk": ("-0.5 +- 0.1", -0.5, -0.6, -0.4), "mup": ("0 +- 0.15", 0.0, -0.15, 0.15)}
"""By parameterization: what is expected in words, as a slope, and its tolerance."""


def measure(full: bool) -> Iterator[Found]:
    """Find the alpha at which kernel_change is RICH_ABOVE, against width.

    kernel_change grows as 1 / (alpha sqrt(width)) where it is of order one, so its contours fall as width^-1/2; lower ones are
    steeper, towards the exponent of S2. Under muP nothing of it depends on width.
    """
    sizes = widths(False) if full else [64, 96, 128, 256, 512]
    kinds = [(name, activation) for name in EXPECTED for activation in (("relu", "tanh") if full else ("relu",))]
    series = []
    for part, (name, activation) in enumerate(kinds):
        yield Step(part / len(kinds), f"a map of width and alpha, {activation}, {name}")
        expected, slope, low, high = EXPECTED[name]
        base = ToyConfig(**BASE, activation=activation, parameterization=name, steps=4000, measure_every=50)
        alphas = ALPHAS[name] if full else ALPHAS[name][NEAR[name]]
        axes = {"width": sizes, "alpha": alphas}
        config = SweepConfig(base=base, seeds=10, at_loss=LOSS, axes=axes)
        report = yield from watched(config)
        edge = fits.boundary(np.array(sizes), np.array(alphas), report.values("kernel_change"), RICH_ABOVE)
        what = f"exponent of the alpha at which kernel_change is {RICH_ABOVE:g}, against width, {activation}, {name}, {STEP}"
        yield finding(what, expected, edge.exponent, low, high, configs=[config])
        values, lows, highs = (list(part) for part in zip(*edge.crossings, strict=True))
        title, places = f"{name}, {activation}", edge.sizes.tolist()
        series += [Series(name=title, x=places, y=values, low=lows, high=highs)]
        series += [law(title, places, np.array(values)[:, None], slope)]
    yield log_log(
        "Above the line training is lazier, below it richer", "width", f"alpha at which kernel_change is {RICH_ABOVE:g}", series
    )


LAZY_RICH_BOUNDARY = Claim(
    id="S18",
    title="The border between lazy and rich",
    claim="A wider network needs a smaller output scale alpha to become rich: the border falls as one over the square root of "
    "the width.",
    paper=Paper(
        authors="Geiger et al.",
        year=2019,
        title="Disentangling feature and lazy training in deep neural networks",
        arxiv="1906.08034",
    ),
    published="-1/2 in the NTK parameterization",
    method=f"Maps of width and alpha, trained to {LOSS:g} of the initial loss; the border is where kernel_change is "
    f"{RICH_ABOVE:g}, found between neighboring cells. Intervals are by bootstrap over seeds. Tolerances: 0.1 around -1/2; in "
    "muP, where nothing should depend on width, 0.15 around 0.",
    measure=measure,
)
