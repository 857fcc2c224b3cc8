"""The peer's side: neural-tangents' structured-derivative kernel of an MLP, in an environment of its own.

Reads one JSON object a line and answers with one: {"load": file} prepares and compiles both networks for the weights W0, b0,
W1, ... and inputs x of an .npz file; {"time": network} times one call; {"save": file} keeps the kernel of "same weights".

Networks: "same weights" is h = a W + b with the weights of the file; "stax" is the library's own Dense and Relu, NTK
parameterization, without biases, of the same sizes. Needs jax and neural_tangents, and nothing of this project.
"""

import json
import os
import sys
import time

ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries write to stdout must not mix with the answers

import jax  # noqa: E402
import neural_tangents as nt  # noqa: E402
import numpy as np  # noqa: E402
from jax import numpy as jnp  # noqa: E402
from neural_tangents import stax  # noqa: E402


def dense_apply(params, x):
    """The MLP in plain jax: dense layers with a ReLU between."""
    *hidden, (weight, bias) = params
    for w, b in hidden:
        x = jnp.maximum(x @ w + b, 0)
    return x @ weight + bias


def kernel_of(apply, x, params):
    """The jitted kernel as a function of nothing, compiled."""
    options = {"trace_axes": (), "vmap_axes": 0, "implementation": nt.NtkImplementation.STRUCTURED_DERIVATIVES}
    kernel = jax.jit(nt.empirical_ntk_fn(apply, **options))

    def call():
        return kernel(x, None, params).block_until_ready()

    call()
    return call


def load(file):
    """Both networks' kernels."""
    with np.load(file) as arrays:
        x = jnp.asarray(arrays["x"])
        depth = (len(arrays.files) - 1) // 2
        params = [(jnp.asarray(arrays[f"W{i}"]), jnp.asarray(arrays[f"b{i}"])) for i in range(depth)]
    *hidden, last = [weight.shape[1] for weight, _ in params]
    parts = [part for width in hidden for part in (stax.Dense(width), stax.Relu())]
    init, apply, _ = stax.serial(*parts, stax.Dense(last))
    _, drawn = init(jax.random.PRNGKey(0), x.shape)
    return {"same weights": kernel_of(dense_apply, x, params), "stax": kernel_of(apply, x, drawn)}


def timed(call):
    """Seconds of one call, after an untimed one."""
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main():
    """Answer until the other side closes."""
    kernels = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer = {}
        if "load" in request:
            kernels = load(request["load"])
            versions = {"jax": jax.__version__, "neural_tangents": nt.__version__}
            answer = {"versions": versions, "cores": len(os.sched_getaffinity(0)), "devices": str(jax.devices())}
        elif "time" in request:
            answer = {"seconds": timed(kernels[request["time"]])}
        elif "save" in request:
            np.save(request["save"], np.asarray(kernels["same weights"]()))
        ANSWERS.write(json.dumps(answer) + "\n")
        ANSWERS.flush()


if __name__ == "__main__":
    main()
