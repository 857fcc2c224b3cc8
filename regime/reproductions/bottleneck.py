"""S15: how much the kernel changes against the units of one narrow layer."""

from collections.abc import Iterator

from regime.reproductions.claim import Claim, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import LOSS, STEP, dots, measured_along, of_model

WIDTH = 256
UNITS = [4, 8, 16, 32, 64, 128]


def measure(full: bool) -> Iterator[Found]:
    """Fit kernel_change against the units of the second of three hidden layers."""
    yield Step(0.0, f"networks with bottlenecks of {UNITS[0]} to {UNITS[-1]} units")
    seeds, picks = 20 if full else 10, {"change": of_model("kernel_change")}
    fields = {"depth": 3, "bottleneck_layer": 2, "width": WIDTH, "seeds": seeds}
    measured, configs = yield from measured_along("bottleneck", UNITS, picks, together=seeds, **fields)
    what = f"exponent of kernel_change against units of the bottleneck, width {WIDTH}, relu, {STEP}"
    yield finding(what, "negative", exponent(UNITS, measured["change"]), None, 0.0, configs=configs)
    yield log_log(
        "The narrower one layer, the more the kernel changes",
        "units of the bottleneck",
        "kernel_change",
        [dots("kernel_change", UNITS, measured["change"])],
    )


BOTTLENECK = Claim(
    id="S15",
    title="One narrow layer makes richer",
    claim="A single narrow layer, a bottleneck, makes an otherwise wide network learn features: the narrower it is, the more "
    "the kernel changes.",
    paper=Paper(
        authors="Aitchison",
        year=2019,
        title="Why bigger is not always better: on finite and infinite neural networks",
        arxiv="1910.08013",
    ),
    published="the sign: infinitely wide networks with a bottleneck learn representations, those without do not",
    method=f"Three hidden layers of {WIDTH} units, the second one narrowed. Single networks with few units get stuck, so all "
    f"seeds train until their mean loss is {LOSS:g} of its start. The slope in log-log is fitted seed by seed; it passes "
    "where its 95% interval lies below 0.",
    measure=measure,
)
