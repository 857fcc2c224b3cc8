"""The curves of a run's charts, for the page and for figures: what each shows, what it is called, and how it looks."""

from typing import NamedTuple


class Look(NamedTuple):
    """A color by its name in the palette, a width in pixels, and dashes."""

    color: str
    width: float
    dash: tuple[int, ...] = ()


class Curve(NamedTuple):
    """A measure along a run; that of held-out points has a ring at each."""

    measure: str
    name: str
    look: str


LOOKS = {
    "net": Look("net", 2.75),
    "test": Look("net", 1.25),
    "twin": Look("twin", 2.25, (7, 4)),
    "second": Look("second", 2.25),
    "limit": Look("ink-2", 2.25, (1, 5)),
    "pinned": Look("pinned", 2, (10, 3, 2, 3)),
}
CURVES = {
    "toy-loss": (
        Curve("test_loss", "network, held out", "test"),
        Curve("train_loss", "network, train", "net"),
        Curve("twin_train_loss", "linearized twin", "twin"),
        Curve("infinite_train_loss", "infinite width", "limit"),
    ),
    "probe-loss": (
        Curve("test_loss", "held out", "test"),
        Curve("train_loss", "train", "net"),
        Curve("twin_train_loss", "twin", "twin"),
    ),
    "probe-kernels": (Curve("kernel_change", "change", "net"), Curve("kernel_distance", "distance", "second")),
    "abilities": (Curve("test_accuracy", "held out", "test"), Curve("train_accuracy", "train", "net")),
    "text-loss": (Curve("test_loss", "loss", "test"),),
    "from-first": (Curve("kernel_distance_centered", "kernel", "net"), Curve("representation_change", "features", "second")),
}
"""By the name of their panel on the page."""
DISTANCES = ("kernel_change", "linearization_gap", "representation_change")
"""Distances from the start that have a chart each, in the color of the network."""
