"""Cards of every outcome, for tests of the wall: their claims, papers and numbers are made up."""

import numpy as np

from regime.config import SweepConfig, ToyConfig
from regime.measures.intervals import PointEstimate
from regime.reproductions.claim import Figure, Paper, Series, finding, outcome_of
from regime.reproductions.reproduce import Card

WIDTHS = [16.0, 64.0, 256.0, 1024.0, 4096.0]
STEPS = [float(step) for step in range(0, 401, 20)]


def decay(scale: float) -> list[float]:
    return [scale * float(np.exp(-step / 120)) + 0.003 for step in STEPS]


def power(scale: float, exponent: float) -> list[float]:
    return [scale * width**exponent for width in WIDTHS]


def dots(name: str, values: list[float], spread: float = 0.2) -> Series:
    ends = {"low": [value / (1 + spread) for value in values], "high": [value * (1 + spread) for value in values]}
    return Series(name=name, x=WIDTHS, y=values, **ends)


TOYS = [ToyConfig(width=width, seeds=4, steps=100) for width in (16, 64, 256)]
SWEEP = SweepConfig(base=ToyConfig(width=32, steps=50), axes={"alpha": [0.1, 1.0, 10.0]}, seeds=3)
LAW = Figure(
    title="The kernel moves less in wider networks",
    x="width",
    y="kernel_change",
    log_x=True,
    log_y=True,
    series=[
        dots("tanh", power(1.0, -0.5)),
        Series(name="tanh, expected", x=WIDTHS, y=power(1.05, -0.5), style="guide"),
        dots("relu", power(2.0, -0.9)),
        Series(name="relu, expected", x=WIDTHS, y=power(2.1, -1.0), style="guide"),
    ],
)
PATHS = Figure(
    title="A lazy network follows its linearized twin to the end of training",
    x="step",
    y="train_loss",
    log_y=True,
    series=[
        Series(name="network", x=STEPS, y=decay(0.5), style="line"),
        Series(name="linearized twin", x=STEPS, y=[value * 1.1 for value in decay(0.5)], style="line"),
        Series(name="infinite width", x=STEPS, y=[None, *decay(0.6)[1:]], style="guide"),
    ],
)
SHARES = Figure(
    title="Seed-to-seed spread over the map",
    x="regime index",
    y="forecast_skill",
    series=[Series(name=f"width {k}", x=[0.1, 0.2, 0.5, 0.52, 0.9], y=[1 - 0.1 * k, 0.9, 0.6, 0.4, 0.1 * k]) for k in range(5)],
)


def card(id: str, title: str, claim: str, findings: list, figures: list[Figure], published: str = "\N{MINUS SIGN}1/2") -> Card:
    return Card(
        id=id,
        title=title,
        claim=claim,
        paper=Paper(authors="Made et al.", year=2019, title="A title <b>that is long enough</b> to wrap", arxiv="1902.06720"),
        published=published,
        method="Networks of five widths are trained to a tenth of their first loss. The slope is fitted seed by seed.",
        form="full",
        outcome=outcome_of(findings),
        findings=findings,
        figures=figures,
        seconds=75.4,
        date="2026-11-26",
        versions={"regime": "0.1.0", "torch": "2.13.0"},
        machine="AMD EPYC, 2 cores",
    )


def estimate(value: float, half: float = 0.0) -> PointEstimate:
    return PointEstimate(value, value - half, value + half)


def sample() -> list[Card]:
    slope = finding(
        "exponent of kernel_change against width, tanh", "-0.50", estimate(-0.513, 0.012), -0.55, -0.45, configs=TOYS
    )
    open_end = finding("advantage of the rich network", "above 0", estimate(0.31, 0.12), 0.0, configs=[SWEEP])
    tiny = finding(
        "largest relative difference from neural-tangents", "0", estimate(3.2e-7), None, 1e-5, against="neural-tangents 0.6"
    )
    over = finding("exponent of alpha* against width", "-0.50", estimate(-0.46, 0.03), -0.55, -0.45)
    outside = finding("share of runs that grok later with a worse alignment", "at least 0.9", estimate(0.42, 0.2), 0.9, 1.0)
    plain = finding("forecast skill of twins in the mixed zone", "no number", estimate(0.62, 0.08))
    many = [slope, over, open_end, tiny]
    return [
        card("T1", "Wide networks hardly move", "The wider a network, the less its parameters move.", [slope, tiny], [LAW]),
        card("T2", "Undecided is said", "The border of the regimes falls with the root of the width.", [over], [PATHS, SHARES]),
        card(
            "T3",
            "It did not come out",
            "Networks whose kernel is worse aligned grok later.",
            [outside],
            [SHARES],
            "later, always",
        ),
        card("T4", "Only shown", "How far a run can be foretold depends on where it lies on the map.", [plain], [PATHS]),
        card("T5", "Many numbers", "One claim of several numbers, of which one is undecided.", many, [LAW, PATHS]),
        card("T6", "<img src=x onerror=alert(1)>", "No figure, and a title that is markup.", [open_end], [], "positive"),
    ]
