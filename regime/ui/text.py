"""Numbers and names as the page writes them."""

import html
import re
from typing import Any

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
NAMES = {
    "kernel_change": "Kernel change",
    "kernel_distance": "Kernel distance",
    "kernel_distance_centered": "Kernel distance, centered",
    "kernel_share": "Share of kernel",
    "representation_change": "Representation",
    "feature_movement": "Feature movement",
    "parameter_movement": "Weights moved",
    "linearization_gap": "Linearization gap",
    "linearization_gap_max": "Largest linearization gap",
    "regime_index": "Regime",
    "forecast_skill": "Forecast skill",
    "kernel_start_test_loss": "Test loss of the first kernel",
    "twin_test_error": "Test error of the twin",
    "kernel_start_test_error": "Test error of the first kernel",
    "kernel_now_test_error": "Test error of the last kernel",
    "taylor_gap": "Taylor gap",
    "train_loss": "Train loss",
    "test_loss": "Test loss",
    "test_error": "Test error",
}
"""Measures in words; their definitions are the package's."""
FIELDS = {
    "width": "Width",
    "depth": "Hidden layers",
    "alpha": "Output scale \N{GREEK SMALL LETTER ALPHA}",
    "learning_rate": "Step size",
    "samples": "Training samples",
    "bottleneck": "Bottleneck",
    "init_scale": "Initial scale",
    "weight_std": "Weight scale",
    "bias_std": "Bias scale",
    "label_noise": "Label noise",
    "steps": "Steps",
    "activation": "Activation",
    "parameterization": "Parameterization",
    "task": "Task",
    "optimizer": "Optimizer",
    "model": "Model",
}
"""Fields that are swept, in words."""
BLOCKS = {
    "head": "Readout",
    "wte": "Word embedding",
    "wpe": "Position embedding",
    "embed_in": "Word embedding",
    "embed_tokens": "Word embedding",
    "embed_positions": "Position embedding",
    **dict.fromkeys(("ln_f", "norm", "final_layer_norm"), "Final norm"),
    **dict.fromkeys(("lm_head", "embed_out"), "Word logits"),
}
"""Names of modules of transformers whose paths do not say what they are."""


def escape(text: Any) -> str:
    """Return a text that is safe inside HTML, quoted attributes included."""
    return html.escape(str(text), quote=True)


def number(value: float | None, digits: int = 2) -> str:
    """Return a value with a few significant digits, and no exponent in the range that a reader compares by eye."""
    if value is None:
        return DASH
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1e-3:
        return "<0.001" if value > 0 else f"{MINUS}<0.001"
    if size >= 1e5:
        return f"{value:.1e}"
    places = 0
    while places < 6 and round(size, places) < 10 ** (digits - 1 - places):
        places += 1
    return f"{value:.{places}f}".replace("-", MINUS)


def duration(seconds: float) -> str:
    """Return a time span in words: `12 s`, `3 min 20 s`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def byte_size(count: int) -> str:
    """Return a number of bytes in words: `1.4 GB`."""
    return f"{count / 1e9:.2g} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def block_name(path: str) -> str:
    """Return a block's module path in words: `encoder.layer.0`, `h.0` and `model.layers.0` are `Block 1`."""
    if match := re.search(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)$", path):
        return f"Block {int(match[1]) + 1}"
    last = path.rsplit(".", 1)[-1]
    return BLOCKS.get(last) or last[:1].upper() + last[1:].replace("_", " ")
