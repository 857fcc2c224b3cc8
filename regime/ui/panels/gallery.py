"""A gallery: links to runs worth seeing that no preset has, each with what to see in it."""

from typing import NamedTuple

from regime.config import CheckpointConfig, ProbeConfig, Runnable, SweepConfig, ToyConfig
from regime.ui.run.link import query
from regime.ui.text import escape, paper


class Sight(NamedTuple):
    """A run worth seeing, and one sentence of markup that says what to see."""

    title: str
    config: Runnable
    sentence: str


SIGHTS = (
    Sight(
        "Edge of stability",
        ToyConfig(task="xor", width=16, depth=1, alpha=0.02, steps=800, seeds=1),
        "Step size &times; eigenvalue climbs to 2, where gradient descent should break, and stays there "
        f"({paper('Cohen et al. 2021', '2103.00065')}).",
    ),
    Sight(
        "Right late",
        ToyConfig(task="parity", sparsity=2, width=128, samples=384, test_samples=512, steps=3000, measure_every=100, seeds=1),
        "Nearly all training points are right halfway; most of the held-out ones that are still wrong then follow later, while "
        f"the kernel moves on ({paper('Kumar et al. 2023', '2310.06110')}).",
    ),
    Sight(
        "One direction of sixteen",
        ToyConfig(task="single-index", width=128, depth=1, alpha=0.03, samples=256, steps=600, measure_every=25, seeds=2),
        "The target depends on one direction of the inputs: the network turns to it; its twin, which cannot, stays far off.",
    ),
    Sight(
        "Kinks that move",
        ToyConfig(task="step", width=64, depth=1, alpha=0.05, samples=64),
        "A jump, and units with one kink each: the kinks move, and the network comes closer to the jump than its twin does.",
    ),
    Sight(
        "Wide and rich",
        ToyConfig(width=2048, depth=1, parameterization="mean-field", steps=200),
        "Width alone is not lazy: in the mean-field scaling 2048 units still learn features.",
    ),
    Sight(
        "Large weights",
        ToyConfig(width=64, init_scale=3.0),
        "Neither wide nor scaled at the output: weights that begin three times as large are enough for lazy.",
    ),
    Sight(
        "Random features",
        ToyConfig(width=256, trainable="readout"),
        "Only the readout is trained: the network is its own twin, to rounding, and no feature can move.",
    ),
    Sight(
        "Scale against activation",
        SweepConfig(
            base=ToyConfig(width=64, samples=64, test_samples=64, steps=100, measure_every=50),
            axes={"alpha": [0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0], "activation": ["tanh", "erf", "gelu"]},
            seeds=3,
        ),
        "A small map: all three activations go from rich to lazy as the output scale grows.",
    ),
    Sight(
        "A head on frozen features",
        ProbeConfig(samples=32, steps=12, measure_every=2, trainable=("head",), learning_rate=2e-3),
        "A transformer of which only the new head is trained: no block changes, and the verdict is as lazy as can be.",
    ),
    Sight(
        "Before and after grokking",
        CheckpointConfig(revisions=("step-00200", "step-02600")),
        "Two checkpoints that know all training sums; the first gets less than half of the others right, the second all. "
        "Kernel and features have moved in between.",
    ),
)


def gallery() -> str:
    """Draw the gallery as markup: every link opens a tab of its own, since a visit's runs live in this one."""
    links = "".join(
        f'<li><a class="paper" href="?{escape(query(sight.config.to_dict()))}" target="_blank" rel="noopener">{sight.title}</a>'
        f". {sight.sentence}</li>"
        for sight in SIGHTS
    )
    return f"<h2>Worth seeing</h2><p class='sub'>Runs that no preset has. Each opens in a tab of its own.</p><ul>{links}</ul>"
