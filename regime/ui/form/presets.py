"""Presets: configurations that run live at one press, and what to watch in each run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regime.config import CheckpointConfig, ProbeConfig, Runnable, SweepConfig, ToyConfig
from regime.errors import ConfigError, show
from regime.ui.form.ranges import parse_values
from regime.ui.text import paper


@dataclass(frozen=True)
class Preset:
    """A configuration to start from, with what to watch in its run; `against` is run and pinned before it."""

    name: str
    config: Runnable
    story: str
    against: Runnable | None = None


TOYS = (
    Preset(
        "Very wide",
        ToyConfig(width=1024, steps=200),
        "With so many units, each has to change only a little. The network ends where its twin ends: it used the features "
        "that it was born with. That is <b>lazy</b>.",
    ),
    Preset(
        "Large alpha",
        ToyConfig(width=64, alpha=20.0),
        "A small network, but its output is multiplied by 20: the smallest moves of its weights do, and its features stay as "
        "they were. Width is not needed to be <b>lazy</b>.",
    ),
    Preset(
        "Small alpha",
        ToyConfig(width=64, alpha=0.1),
        "The output is divided by 10, so the weights have to move far. The network shapes features of its own and leaves its "
        "twin behind: it learns faster than its first kernel predicted. That is <b>rich</b>.",
    ),
    Preset(
        "Catapult",
        ToyConfig(width=512, depth=1, activation="tanh", learning_rate=1.29, steps=100, measure_every=2),
        "A step too large for the first kernel: the loss climbs, the kernel shrinks until the step fits, and only then does "
        "the loss fall. The twin, whose kernel cannot shrink, is lost. Watch step size &times; eigenvalue drop below 2.",
    ),
    Preset(
        "Bottleneck",
        ToyConfig(width=256, alpha=0.5, bottleneck=4, bottleneck_layer=2, seeds=8),
        "Wide layers with four units between them, pinned against the same network without the bottleneck: a few units cannot "
        "stay nearly still, so the narrow network is the <b>richer</b> one.",
        ToyConfig(width=256, alpha=0.5, seeds=8),
    ),
    Preset(
        "muP against NTK",
        ToyConfig(parameterization="mup"),
        "The same 512 units twice. Pinned: scaled as in the NTK limit, <b>lazy</b>. Then scaled as in muP, which lets features "
        "move at any width: <b>rich</b>.",
        ToyConfig(),
    ),
    Preset(
        "Rich wins: parity",
        ToyConfig(task="parity", sparsity=2, width=128, alpha=0.03, samples=256, test_samples=512, steps=800, measure_every=20),
        "Two of the inputs decide, the others are noise. Only a network that learns which two, a <b>rich</b> one, gets the "
        "held-out points right; compare its held-out error with the twin's.",
    ),
    Preset(
        "Lazy wins: smooth",
        ToyConfig(task="smooth", width=256, alpha=4.0),
        "A smooth target that the first kernel suits: staying <b>lazy</b> costs nothing here, and the twin, a linear model, "
        "predicts as well as the network.",
    ),
)
_SHORT = {"samples": 32, "steps": 12, "measure_every": 2}
PROBES = (
    Preset(
        "Sentiment, new head",
        ProbeConfig(**_SHORT),
        "The usual way: all weights are trained, under a new random head. Which blocks does training reshape, and which does "
        "it use as they are?",
    ),
    Preset(
        "Fitted head first",
        ProbeConfig(**_SHORT, head="fitted"),
        "The head is first fitted to the frozen features, so training starts from a linear probe and not from noise: most of "
        f"the loss is gone before any feature moves ({paper('Kumar et al. 2022', '2202.10054')}).",
    ),
    Preset(
        "Random initialization",
        ProbeConfig(**_SHORT),
        "Pinned: the same architecture from random weights, ticks in the table. Its kernel may grow, but hardly turns; the "
        "pretrained one does both.",
        ProbeConfig(**_SHORT, random_init=True),
    ),
    Preset(
        "Small step",
        ProbeConfig(**_SHORT, learning_rate=5e-6),
        "A twentieth of the usual step, for as many steps: what little is learned is learned along the tangent of the start.",
    ),
    Preset(
        "Last block only",
        ProbeConfig(**_SHORT, trainable=("encoder.layer.5.*", "head")),
        "All blocks but the last are frozen. Only what is trained has a kernel, and only what comes after it can change.",
    ),
    Preset(
        "Biases only",
        ProbeConfig(**_SHORT, trainable=("**.bias",), learning_rate=2e-3),
        f"Only the biases are trained, a thousandth of the weights (BitFit, {paper('Ben Zaken et al. 2022', '2106.10199')}).",
    ),
    Preset(
        "Prompt readout",
        ProbeConfig(**_SHORT, model="distilgpt2", readout="prompt"),
        "No new head: the model is asked for a word, great or terrible, and its own logits are trained. "
        f"{paper('Malladi et al. (2023)', '2210.05643')} found this closer to the kernel of the start. It needs a language "
        "model, which is fetched from the Hub.",
    ),
)
SINCE = ("step-00200", "step-00300", "step-00400", *(f"step-{step:05}" for step in range(600, 2601, 200)))
TRAJECTORIES = (
    Preset(
        "Grokking, from the start",
        CheckpointConfig(),
        "A one-block transformer learns to add modulo 59. It knows its training sums by step 200, and its kernel has turned by "
        "then: it is <b>rich</b> from the start. The other sums come only much later.",
    ),
    Preset(
        "Since it knew its sums",
        CheckpointConfig(revisions=SINCE),
        "The same, measured from step 200 on, when all training sums are right. The loss has hardly anything left to tell; "
        "kernel and features move on, and turn in the very steps in which the held-out sums fall into place.",
    ),
    Preset(
        "Pythia, pretraining",
        CheckpointConfig(
            model="pythia-14m",
            task="sentiment",
            readout="next-token",
            revisions=("step0", "step128", "step512", "step1000", "step4000", "step16000", "step64000", "step143000"),
        ),
        "A language model along its pretraining, on review sentences. Its revisions are fetched from the Hub.",
    ),
)
_SIX = [16, 32, 64, 128, 256, 512]
_SCALES = [round(2.0**k, 4) for k in range(-4, 5)]
MAPS = (
    Preset(
        "Width against alpha",
        SweepConfig(
            base=ToyConfig(steps=300),
            axes={
                "width": parse_values("16 to 512 in 12", "width", whole=True),
                "alpha": parse_values("0.0625 to 16 in 12", "alpha", whole=False),
            },
            seeds=4,
        ),
        "Wide networks and large output scales are <b>lazy</b>, narrow ones and small scales <b>rich</b>. The border "
        f"between them falls as one over the square root of the width ({paper('Geiger et al. 2020', '1906.08034')}).",
    ),
    Preset(
        "The same in muP",
        SweepConfig(base=ToyConfig(steps=200, parameterization="mup"), axes={"width": _SIX, "alpha": _SCALES[2:]}, seeds=3),
        "Scaled as in muP, features move at any width: the border no longer falls. Width stops mattering.",
    ),
    Preset(
        "Depth",
        SweepConfig(base=ToyConfig(steps=200, width=64), axes={"depth": [1, 2, 3, 4, 5, 6], "alpha": _SCALES[1:8]}, seeds=3),
        "Deeper networks of the same width are further from their limit: kernels of depth over width fluctuate and move more "
        f"({paper('Hanin and Nica 2019', '1909.05989')}).",
    ),
    Preset(
        "Bottleneck",
        SweepConfig(
            base=ToyConfig(steps=200, width=256, depth=3, bottleneck_layer=2),
            axes={"bottleneck": [2, 4, 8, 16, 32, 64, 128], "alpha": _SCALES[2:7]},
            seeds=3,
        ),
        "One narrow layer among wide ones: the fewer its units, the further the kernel moves.",
    ),
    Preset(
        "Double descent",
        SweepConfig(
            base=ToyConfig(task="single-index", samples=32, depth=1, trainable="readout", steps=50, measure_every=50),
            axes={"width": [3, 7, 11, 15, 19, 23, 27, 31, 39, 47, 63, 95, 127, 255, 511], "label_noise": [0.1, 0.2, 0.4]},
            seeds=8,
        ),
        "Only the readout is trained, on random features. Color by <b>Held-out error of the first kernel</b>, the fit of least "
        "norm: it is worst where there are as many features as samples, 31 and a bias, and better again beyond "
        f"({paper('Belkin et al. 2019', '1812.11118')}).",
    ),
    Preset(
        "Scaling laws",
        SweepConfig(
            base=ToyConfig(task="circle", frequency=3, test_samples=256, steps=400, measure_every=100),
            axes={"width": [16, 32, 64, 128, 256], "samples": [8, 16, 32, 64, 128, 256]},
            seeds=3,
        ),
        "Color by <b>Held-out error</b>: more samples help until the width is the limit, and more width until the samples are.",
    ),
)
PRESETS: dict[str, Sequence[Preset]] = {"toy": TOYS, "probe": PROBES, "checkpoints": TRAJECTORIES, "sweep": MAPS}
FIRST = {"toy": 2, "probe": 0, "checkpoints": 1, "sweep": 0}
"""The preset of the finished run that each tab first shows."""


def first(kind: str) -> Preset:
    """Return the preset whose finished run a tab first shows."""
    return PRESETS[kind][FIRST[kind]]


def preset_named(kind: str, name: Any) -> Preset:
    """Return the preset of a name; raises ConfigError where there is none."""
    for preset in PRESETS[kind]:
        if preset.name == name:
            return preset
    raise ConfigError(f"preset = {show(name)} is not allowed; allowed: one of the names on the page")


def matching(config: Runnable, against: Runnable | None = None) -> Preset | None:
    """Return the preset of a configuration, if there is one; of several, the one that is compared with `against`."""
    found = [preset for preset in PRESETS[config.kind] if preset.config == config]
    return next((preset for preset in found if preset.against == against), found[0] if found else None)
