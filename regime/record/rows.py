"""What is measured of layers and blocks as rows of an event, and the intervals of what was resampled."""

from collections.abc import Mapping
from math import isfinite

import torch
from torch import Tensor

from regime.measures.intervals import interval_of_mean
from regime.measures.measurement import Measurement
from regime.record.events import Interval, Row
from regime.record.point import Point
from regime.record.statistics import mean, reasons


def rows(
    part: dict[str, dict[str, Tensor]],
    point: Point,
    floors: Mapping[str, dict[str, float]],
    intervals: Mapping[str, dict[str, Interval]],
) -> list[Row]:
    """Return the rows of layers, or of blocks but for their verdicts.

    Args:
        part: of what is measured, by layer or block and by measure.
        point: what is measured of the step.
        floors: by "layer/" and by measure.
        intervals: likewise.
    """
    found = []
    for name, values in part.items():
        prefix, measures = f"{name}/", {measure: mean(each) for measure, each in values.items()}
        found.append(
            Row(
                layer=name,
                block=point.blocks.get(name, name),
                measures=measures,
                undefined=reasons(measures, point.measurement.undefined, prefix, diverged=point.diverged),
                floors=floors[prefix],
                intervals=intervals[prefix],
                regime=None,
            )
        )
    return found


def resampled_intervals(measurement: Measurement, points: int) -> dict[str, Interval]:
    """Return 95% intervals of what was resampled, all at once; rounding widens them as it does the verdict's evidence.

    Args:
        measurement: of a step.
        points: how many probe points there are.
    """
    values = dict(measurement.model)
    for part in (measurement.layers, measurement.blocks):
        values |= {f"{name}/{measure}": value for name, row in part.items() for measure, value in row.items()}
    names = [name for name in measurement.drawn if name in values and bool(values[name].isfinite().all())]
    if not names:
        return {}
    parts = values, measurement.drawn, measurement.rounding
    known, drawn, rounding = (torch.stack([part[name].double() for name in names]) for part in parts)
    low, high = interval_of_mean(known, drawn, points, rounding=rounding.amax(-1))
    pairs = zip(names, low.tolist(), high.tolist(), strict=True)
    return {name: (low, high) for name, low, high in pairs if isfinite(low) and isfinite(high)}
