"""Measures, fields and options in words, for the page and for figures."""

import re

from regime.config.rows import OWN

NAMES = {
    "kernel_change": "Kernel change",
    "kernel_distance": "Kernel distance",
    "kernel_distance_centered": "Kernel distance, centered",
    "kernel_share": "Share of kernel",
    "representation_change": "Representation",
    "feature_movement": "Feature movement",
    "parameter_movement": "Weight movement",
    "linearization_gap": "Linearization gap",
    "linearization_gap_max": "Largest linearization gap",
    "regime_index": "Regime",
    "forecast_skill": "Forecast skill",
    "kernel_start_test_loss": "Held-out loss of the first kernel",
    "twin_test_error": "Held-out error of the twin",
    "kernel_start_test_error": "Held-out error of the first kernel",
    "kernel_now_test_error": "Held-out error of the last kernel",
    "taylor_gap": "Taylor gap",
    "train_loss": "Train loss",
    "test_loss": "Held-out loss",
    "test_error": "Held-out error",
}
"""Measures in words; their definitions are the package's."""
FIELDS = {
    "width": "Width",
    "depth": "Hidden layers",
    "alpha": "Output scale \N{GREEK SMALL LETTER ALPHA}",
    "learning_rate": "Step size",
    "samples": "Samples",
    "test_samples": "Held out",
    "bottleneck": "Bottleneck",
    "init_scale": "Initial scale",
    "weight_std": "Weight scale",
    "bias_std": "Bias scale",
    "label_noise": "Label noise",
    "trainable": "Trained layers",
    "bias": "Biases",
    "bottleneck_layer": "Narrow layer",
    "centered": "Centered output",
    "decoupled": "Decoupled decay",
    "max_seeds": "Most seeds",
    "random_init": "Random weights",
    "max_tokens": "Tokens",
    "warmup": "Warm-up",
    "at_loss": "Stop at loss",
    "csv": "Rows",
    "texts": "Rows",
    "steps": "Steps",
    "activation": "Activation",
    "parameterization": "Parameterization",
    "task": "Task",
    "optimizer": "Optimizer",
    "model": "Model",
}
"""Fields whose words are not their names."""
OPTIONS = {
    OWN: "Own rows",
    "xor": "XOR",
    "ntk": "NTK",
    "mup": "muP",
    "nngp": "NNGP",
    "relu": "ReLU",
    "gelu": "GELU",
    "tanh": "tanh",
    "erf": "erf",
    "linear": "linear",
    "mse": "Squared",
    "cross-entropy": "Cross-entropy",
    "gd": "GD",
    "sgd": "SGD",
    "adamw": "AdamW",
    "last": "Last token",
    "drop": "Leave out",
}
"""Names of options that are not their values capitalized."""
SIGNS = {
    "eta lambda": "\N{GREEK SMALL LETTER ETA}\N{GREEK SMALL LETTER LAMDA}",
    "eta": "\N{GREEK SMALL LETTER ETA}",
    "lambda": "\N{GREEK SMALL LETTER LAMDA}",
    "gamma": "\N{GREEK SMALL LETTER GAMMA}",
    "Theta": "\N{GREEK CAPITAL LETTER THETA}",
    "_0": "\N{SUBSCRIPT ZERO}",
    "_inf": "\N{INFINITY}",
    "^2": "\N{SUPERSCRIPT TWO}",
    "+-": "\N{PLUS-MINUS SIGN}",
    "||": "\N{DOUBLE VERTICAL LINE}",
}
"""Formulas as they are typed, and as they are printed."""
TYPED = re.compile(r"\b(?:eta lambda|eta|lambda|gamma|Theta)(?=\b|_)|(?<=[a-z])_(?:0|inf)\b|\^2\b|\|\||\+-")
"""Where they are."""
NAMED = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b|\b(?:relu|gelu|ntk|mup|nngp)\b")
"""Names of measures and options."""
NEGATIVE = re.compile(r"(?<![^\s(])-(?=[\d.\s])")


def field_name(name: str) -> str:
    """Return a field of a configuration in words: `learning_rate` is `Step size`."""
    return FIELDS.get(name, name.replace("_", " ").capitalize())


def option_name(option: str) -> str:
    """Return a task or an option as the page writes it."""
    return OPTIONS.get(option, option.replace("-", " ").capitalize())


def printed(text: str) -> str:
    """Return what is said of a claim as it is printed: measures and options by their names, formulas with their signs."""
    formula = TYPED.sub(lambda match: SIGNS[match[0]], text)
    named = NAMED.sub(lambda match: OPTIONS.get(match[0]) or NAMES.get(match[0], match[0]).lower(), formula)
    return NEGATIVE.sub("\N{MINUS SIGN}", named)


def literal(text: str) -> str:
    """Return a text of somebody's own as matplotlib draws it as it is: dollars would begin a formula."""
    return text.replace("$", r"\$")


def axis_name(name: str) -> str:
    """Return what an axis of a claim's figure shows: a measure, a field, or what is said in words."""
    text = NAMES.get(name) or FIELDS.get(name) or printed(name)
    return text[:1].upper() + text[1:] if text[:1].isascii() else text  # a formula's Greek stays
