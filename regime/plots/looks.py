"""The looks of a claim's figure, for the page and for matplotlib: which color and which marker each of its series has."""

from collections.abc import Mapping, Sequence
from typing import Any

KNOWN = {"network": "net", "twin": "twin", "infinite": "ink-2"}
"""Colors of what has its own on every tab, by a word in a series' name."""
COLORS = ("net", "label-3", "second", "label-4", "label-5", "label-6", "twin", "ink-2")
"""Of the other series, in order; the eighth and all after it share the last one."""
MARKERS = ("disc", "square", "diamond", "triangle")


def looks(series: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the color, by its name in the palette, and the marker of each series of a figure.

    A guide has the color of the series that its name begins with, or else that of quiet ink.
    """
    colors: dict[str, str] = {}
    seen: list[dict[str, str]] = []
    for each in series:
        if each["style"] != "guide":
            free = (color for color in COLORS if color not in colors.values())
            colors[each["name"]] = next(
                (own for word, own in KNOWN.items() if word in each["name"].lower()), next(free, COLORS[-1])
            )
    order = {name: MARKERS[k % len(MARKERS)] for k, name in enumerate(colors)}
    for each in series:
        owners = [
            name for name in colors if each["name"] == name or (each["style"] == "guide" and each["name"].startswith(name))
        ]
        owner = max(owners, key=len, default="")
        seen.append({"color": colors.get(owner, "ink-2"), "marker": order.get(owner, MARKERS[0])})
    return seen
