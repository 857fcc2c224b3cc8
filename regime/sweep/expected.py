"""The exponents that theory, or earlier measurements, give for wide networks and for large alpha."""

from pydantic import Field

from regime.config import ToyConfig
from regime.measures.verdict import RICH_ABOVE
from regime.record.events import Message

RICH = f"alpha at kernel_change = {RICH_ABOVE:g}"
"""The contour whose exponent is known; lower ones are steeper, on their way to the kernel's own exponent."""
SMOOTH = ("tanh", "erf", "gelu")
LEE = "Lee et al. 2019, arXiv 1902.06720"
YANG = "Yang and Hu 2021, arXiv 2011.14522"
CHIZAT = "Chizat et al. 2019, arXiv 1812.07956"


class Expected(Message):
    """An exponent that theory or earlier measurements give, for wide networks or large alpha."""

    low: float = Field(description="smallest exponent that is expected")
    high: float = Field(description="largest")
    source: str = Field(description="theory or measurement that it is from")


def expectation(measure: str, axis: str, base: ToyConfig) -> Expected | None:
    """Return the exponent that is known of a measure in wide networks, or None.

    Laws are of training that starts at zero and goes to the targets: weights that decay move whatever the width or alpha, and
    outputs alpha f that are not centered have the further to go the larger alpha is. Those along the width are of layers which
    all widen and learn.

    Args:
        measure: its name, or RICH for the alpha at which the kernel changes by half of itself.
        axis: the field that it is fitted along.
        base: a configuration along the line.
    """
    narrow = base.bottleneck is not None or base.trainable == "readout"
    if base.weight_decay or (axis == "width" and narrow) or (axis == "alpha" and not base.centered):
        return None
    known: dict[tuple[str, str, str], tuple[float, float, str]] = {
        ("parameter_movement", "width", "ntk"): (
            (-0.5, -0.5, LEE) if base.depth == 1 else (-1.0, -1.0, f"{LEE}; square layers have most of the parameters")
        ),
        ("feature_movement", "width", "ntk"): (-0.5, -0.5, YANG),
        ("feature_movement", "width", "mup"): (0.0, 0.0, YANG),
        (RICH, "width", "ntk"): (-0.5, -0.5, "Geiger et al. 2020, arXiv 1906.08034"),
        (RICH, "width", "mup"): (0.0, 0.0, YANG),
        ("parameter_movement", "alpha", "ntk"): (-1.0, -1.0, CHIZAT),
        ("kernel_change", "alpha", "ntk"): (-1.0, -1.0, CHIZAT),
    }
    if base.activation in (*SMOOTH, "relu"):
        smooth = base.activation in SMOOTH
        known["kernel_change", "width", "ntk"] = (
            (-1.0, -0.96, "measured, smooth activations") if smooth else (-0.78, -0.67, "measured, ReLU")
        )
    found = known.get((measure, axis, base.parameterization))
    return None if found is None else Expected(low=found[0], high=found[1], source=found[2])
