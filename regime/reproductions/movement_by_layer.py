"""S3: how far each layer's parameters move against width."""

from collections.abc import Iterator

from regime.reproductions.claim import Claim, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import LOSS, STEP, dots, law, measured_along, of_layer

LAYERS = {
    "hidden 1": ("-1/2", -0.5, -0.65, -0.40),
    "hidden 2": ("-1", -1.0, -1.1, -0.9),
    "hidden 3": ("-1", -1.0, -1.1, -0.9),
    "readout": ("-1/2", -0.5, -0.65, -0.40),
}
"""Of each layer: what is expected in words, as a slope, and its tolerance."""


def measure(full: bool) -> Iterator[Found]:
    """Fit parameter_movement of each of four layers against width."""
    sizes = [64, 128, 256, 512, 1024] if full else [64, 96, 128, 192, 256, 384]
    yield Step(0.0, f"networks of {len(sizes)} widths")
    picks = {name: of_layer(name, "parameter_movement") for name in LAYERS}
    moved, configs = yield from measured_along("width", sizes, picks, depth=3, activation="tanh", seeds=10)
    series = []
    for name, (expected, slope, low, high) in LAYERS.items():
        what = f"exponent of parameter_movement of {name} against width, four layers, tanh, {STEP}"
        yield finding(what, expected, exponent(sizes, moved[name]), low, high, configs=configs)
        series += [dots(name, sizes, moved[name]), law(name, sizes, moved[name], slope)]
    yield log_log(
        "Layers in the middle move less with width than the first and the last", "width", "parameter_movement", series
    )


MOVEMENT_BY_LAYER = Claim(
    id="S3",
    title="Layers in the middle move least",
    claim="In wide networks the first and the last layer move by one over the square root of the width, the layers between "
    "them by one over the width.",
    paper=Paper(
        authors="Jacot et al.",
        year=2018,
        title="Neural Tangent Kernel: Convergence and Generalization in Neural Networks",
        arxiv="1806.07572",
    ),
    published="none as a number; the sizes of the gradients in this parameterization give -1/2 and -1",
    method=f"Networks of four layers, tanh, trained to {LOSS:g} of their initial loss at each width; each layer's movement is "
    "taken relative to its own size. Slopes are fitted seed by seed. Tolerances: 0.1 around -1 and -0.65 to -0.40 around "
    "-1/2, where -0.52 to -0.62 was measured independently.",
    measure=measure,
)
