"""A sweep of 10,000 cells that nobody has to run: the shipped map's cells, spread over finer axes."""

import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np

from regime.ui.run import mapboard
from regime.ui.run.examples import path
from regime.ui.run.mapboard import MapBoard
from regime.ui.run.mapframes import heatmap

SIDE = 100
DIVERGED, FAILED = 4321, 8642
"""Indices of a cell that diverged and of one that could not be run."""
MOUNT = """async ([scripts, template, value, id]) => {
  const block = document.createElement('div'), element = document.createElement('div'), submitted = [], props = {value};
  Object.assign(block, {id, className: 'view v-map'}).append(element);
  element.innerHTML = template;
  document.querySelector('.gradio-container').prepend(block);
  let receive;
  const module = await import(new URL(`${scripts}/map.js`, document.baseURI));
  module.mount({element, props, trigger: () => submitted.push(props.value), watch: (_, call) => { receive = call; }});
  window[id] = {element, submitted, pen: element.querySelector('canvas').getContext('2d'), send(frame) {
    props.value = frame;
    const start = performance.now();
    receive();
    this.pen.getImageData(0, 0, 1, 1);  // waits until it is painted
    return performance.now() - start;
  }};
}"""
"""Puts a map into the page; takes the scripts' address, the component's template, its first value, and a name for it."""


def large_map(side: int = SIDE) -> Iterator[dict[str, Any]]:
    """Yield the sweep's events, its cells in a mixed order, as they come from several processes."""
    started, finished = json.loads(path("sweep").read_text())
    cells = finished["report"]["cells"]
    old = len(started["config"]["axes"]["alpha"])
    widths = [16 + 5 * k for k in range(side)]
    alphas = [float(f"{alpha:.4g}") for alpha in np.geomspace(0.0625, 16, side)]
    config = started["config"] | {"axes": {"width": widths, "alpha": alphas}}
    yield started | {"config": config, "cells": side * side}
    for count, index in enumerate(np.random.default_rng(0).permutation(side * side).tolist(), 1):
        column, row = divmod(index, side)
        cell = cells[column * old // side * old + row * old // side] | {"index": index}
        cell |= {"point": {"width": widths[column], "alpha": alphas[row]}}
        cell |= {"measures": cell["measures"] | {"kernel_change": (1 + index % 997 / 997) * cell["measures"]["kernel_change"]}}
        if index == DIVERGED:
            cell |= {"status": "diverged"}
        if index == FAILED:
            cell |= {"status": "failed", "error": "out of memory", "verdict": None, "measures": {}, "intervals": {}}
        yield {"kind": "measured", "step": count, "steps": side * side, "seconds": 1.0, "seconds_left": 1.0, "cell": cell}


def sent_map(side: int = SIDE) -> tuple[MapBoard, list[str]]:
    """The board at the sweep's end, and its frames; contours are found at its first cell and at half of them."""
    board = MapBoard(config={})
    with mock.patch.object(mapboard, "AGAIN", 2):
        return board, [heatmap(board) for event in large_map(side) if board.take(event) is None]
