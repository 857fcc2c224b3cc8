"""What maps show: S11, double descent, and S18, the lazy-rich boundary."""

import numpy as np

from regime.config import SweepConfig, ToyConfig
from regime.measures.verdict import RICH_ABOVE
from regime.reproductions.claim import Result
from regime.reproductions.scaling import BASE, LOSS, STEP, widths
from regime.runner import run
from regime.sweep import fits

ALPHAS = {"ntk": [2.0**k for k in range(-6, 1)], "mup": [2.0**k for k in range(-1, 4)]}
"""Output scales on both sides of the boundary at every width."""


def lazy_rich_boundary(full: bool) -> list[Result]:
    """Find the output scale at which the kernel changes by half of itself, S18 (Geiger et al. 2020, arXiv 1906.08034).

    kernel_change grows as 1 / (alpha sqrt(width)) where it is of order one, so its contours fall as width^-1/2; lower ones are
    steeper, towards the exponent of S2. Under muP nothing of it depends on width.
    """
    results = []
    sizes = [width for width in widths(True) if width <= (1024 if full else 512)]
    for name, (want, low, high) in {"ntk": ("-0.5 +- 0.1", -0.6, -0.4), "mup": ("0 +- 0.15", -0.15, 0.15)}.items():
        for activation in ("relu", "tanh") if full else ("relu",):
            base = ToyConfig(**BASE, activation=activation, parameterization=name, steps=4000, measure_every=50)
            axes = {"width": sizes, "alpha": ALPHAS[name]}
            report = run(SweepConfig(base=base, seeds=10 if full else 5, at_loss=LOSS, axes=axes))
            edge = fits.boundary(np.array(sizes), np.array(ALPHAS[name]), report.values("kernel_change"), RICH_ABOVE)
            claim = f"alpha at which kernel_change is {RICH_ABOVE:g}, against width, {activation}, {name}, {STEP}"
            results.append(Result("S18", claim, want, edge.exponent, low, high))
    return results


def double_descent(full: bool) -> list[Result]:
    """Find where least-norm fits of random features are worst, S11 (Belkin et al. 2019, arXiv 1812.11118).

    There are then as many features as samples. The readout alone is trained, on ReLU features of a random layer and a bias; its
    kernel regression is the least-norm fit.
    """
    samples = 32
    ratios = [1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 2, 4, 8, 16]
    features = [round(ratio * samples) for ratio in ratios]
    known = {"task": "single-index", "samples": samples, "test_samples": 256, "label_noise": 0.3}
    base = ToyConfig(**known, depth=1, trainable="readout", steps=1, measure_every=1)
    sizes = [count - 1 for count in features]  # the bias is a feature, too
    report = run(SweepConfig(base=base, axes={"width": sizes}, seeds=40 if full else 20))
    found = fits.peak(np.array(ratios), report.values("kernel_start_test_loss"))
    claim = "test loss of the least-norm fit of random features"
    return [
        Result("S11", f"{claim}: features over samples at its peak", "1", found.x, 0.75, 1.5),
        Result("S11", f"{claim}: peak over the lowest before it", "above 1", found.before, 2.0),
        Result("S11", f"{claim}: peak over the lowest after it, the second descent", "above 1", found.after, 2.0),
    ]
