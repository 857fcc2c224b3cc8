"""Shapes in annotations, checked at every call of some short runs, and of some tests of the kernels.

In processes of their own: checked, a toy takes twice as long and a kernel four times, and most tests are runs.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KERNELS = (
    ("test_linearization.py", "test_spectrum.py", "jacobian/test_packed.py", "jacobian/test_composed.py"),
    ("jacobian/test_routed.py", "jacobian/test_trace.py", "jacobian/test_architectures.py::test_few_examples"),
)
"""Tests that call every rule, as many in a process as take a minute or two."""
AGAIN = (
    "few_examples and -1] and not (distances or heads-1 or mixer or pad-1)",
    "routed_rows_equal and (1-5 or (5-3 and not modules))",
    "attention_equals and ([self] or [other])",
    "lanczos_goes and 2000",
)
"""Tests whose every call, by kinds, numbers of axes and types of what it is given and returns, others make, too."""
REST = " and ".join(f"not ({each})" for each in ("refused", *AGAIN))
"""All but those, and those that pass what annotations exclude."""
TESTS = """
import sys

import pytest
import torch

failed = pytest.main(sys.argv[1:])

from jaxtyping import TypeCheckError

from regime.kernels.jacobian.contraction import dense

a, g = torch.zeros(3, 1, 2), torch.zeros(4, 1, 1, 2)
try:
    dense(a, g, a, g)
except TypeCheckError:
    print("checked")
sys.exit(failed)
"""
RUNS = """
import sys

sys.dont_write_bytecode = True  # what a checked module imports would be kept as if it were checked, too
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


@pytest.mark.parametrize("names", KERNELS, ids=["linearizations", "rules"])
def test_shapes_of_kernels_are_what_annotations_say(names: tuple[str, ...]) -> None:
    files = [f"tests/kernels/{name}" for name in names]
    done = subprocess.run(
        [sys.executable, "-c", TESTS, "-q", "-x", "-p", "no:cacheprovider", "-k", REST, *files],
        cwd=ROOT,
        env={**os.environ, "CHECK_SHAPES": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert done.stdout.split("\n")[-2] == "checked"
