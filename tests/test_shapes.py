"""Shapes in annotations of toys and measures, checked at every call of some short runs.

In a process of their own: checked, a run takes twice as long, and most tests are runs.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = """
from jaxtyping import TypeCheckError, install_import_hook

install_import_hook(["regime.measures", "regime.toy"], "beartype.beartype")
import torch

import regime
from regime.composer import trial
from regime.measures.kernel import kernel_change

trial.AFFORDABLE = 0.0  # more runs of the same

small = {"width": 9, "samples": 12, "test_samples": 10, "probe_samples": 8, "steps": 4, "measure_every": 2, "seeds": 2}
kinds = [
    {"optimizer": "sgd", "batch_size": 5, "parameterization": "mup"},
    {"optimizer": "momentum", "weight_decay": 0.1, "activation": "tanh", "depth": 3},
    {"optimizer": "adam", "weight_decay": 0.1, "parameterization": "standard", "seeds": 1},
    {"task": "digits", "loss": "cross-entropy", "samples": 20, "probe_samples": 20, "test_samples": 20},
    {"task": "rings", "loss": "cross-entropy", "parameterization": "mean-field", "depth": 1},
    {"bottleneck": 3, "depth": 3, "bias": False, "centered": False},
    {"trainable": "readout"},
]
for kind in kinds:
    regime.run(regime.ToyConfig(**{**small, **kind}))
regime.run(regime.SweepConfig(base=regime.ToyConfig(**small), axes={"width": [8, 9], "alpha": [0.5, 2.0]}))
print(len(kinds), "runs")
try:
    kernel_change(torch.zeros(2, 8, 8), torch.zeros(2, 7, 7))
except TypeCheckError:
    print("checked")
"""


def test_shapes_are_what_annotations_say() -> None:
    done = subprocess.run([sys.executable, "-c", RUNS], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.split("\n")[-2] == "checked"
