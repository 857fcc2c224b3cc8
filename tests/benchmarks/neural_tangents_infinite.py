"""The tangent kernels of infinite width that claim S6 is compared with: `PYTHON tests/benchmarks/neural_tangents_infinite.py`.

Writes regime/data/reproductions/neural-tangents.json. PYTHON is that of an environment with neural-tangents, as
`tests/benchmarks/peer.py` makes one; nothing of this project is needed.
"""

import json
from math import sqrt
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import neural_tangents as nt  # noqa: E402
import numpy as np  # noqa: E402
from neural_tangents import stax  # noqa: E402

FILE = Path(__file__).parents[2] / "regime" / "data" / "reproductions" / "neural-tangents.json"
ACTIVATIONS = {"relu": stax.Relu, "erf": stax.Erf}
POINTS, INPUTS = 8, 3


def kernel(x, activation):
    """Two hidden layers, NTK parameterization, with the standard deviations that toys have by default."""
    dense = {"W_std": sqrt(2), "b_std": 1.0, "parameterization": "ntk"}
    parts = [part for _ in range(2) for part in (stax.Dense(1, **dense), activation())]
    _, _, kernel_fn = stax.serial(*parts, stax.Dense(1, **dense))
    return np.asarray(kernel_fn(x, None, "ntk")).tolist()


def main():
    """Write the file."""
    x = np.random.default_rng(0).normal(size=(POINTS, INPUTS)).round(3)
    found = {
        "versions": {"jax": jax.__version__, "neural-tangents": nt.__version__},
        "x": x.tolist(),
        "ntk": {name: kernel(x, activation) for name, activation in ACTIVATIONS.items()},
    }
    FILE.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
