"""What lazy and rich mean for the runs of each tab, for somebody who has never met the two words."""

from regime.ui.panels.glossary import term

_LAZY, _RICH = term("lazy", "lazy"), term("rich", "rich")
INTROS = {
    "toy": f"{term('lazy', 'Lazy')}: training hardly changes the features of a network, so its "
    f"{term('twin', 'linearized twin')}, a linear model built before the first step, learns the same. "
    f"{term('rich', 'Rich')}: the network learns features of its own, and leaves its twin behind.",
    "sweep": f"Each cell of the map trains networks at its own settings. The colors show where training is {_LAZY}, so that "
    f"the features of the start stay as they are, and where it is {_RICH}, so that new ones are learned.",
    "probe": f"Fine-tuning is {_LAZY} where it uses the features of a pretrained model as they are, and {_RICH} where it "
    "reshapes them. A probe trains the model on a few texts and measures every block.",
    "checkpoints": "Pretraining leaves checkpoints, and each is compared with the first one here. Where the "
    f"{term('kernel', 'tangent kernel')} and the features hardly moved in between, training was {_LAZY}; where they moved far, "
    f"it was {_RICH}.",
}
"""By kind of run."""


def intro(kind: str) -> str:
    """Draw the introduction of a tab."""
    return f"<p class='intro'>{INTROS[kind]}</p>"
