"""The control that a field of a configuration asks for by its type."""

from typing import Any, Literal, get_args, get_origin

import gradio as gr

from regime.config import Config
from regime.config.rows import OWN
from regime.ui.form.inputs import checkbox, choice, line_field, number_field

OPTIONS = {
    OWN: "Own rows",
    "xor": "XOR",
    "ntk": "NTK",
    "mup": "muP",
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
}
"""Names of options that are not their values capitalized."""


def option_name(option: str) -> str:
    """Return a task or an option as the page writes it."""
    return OPTIONS.get(option, option.replace("-", " ").capitalize())


def setting(start: Config, name: str, label: str, note: str = "", options: tuple[Any, ...] = ()) -> gr.HTML:
    """Build the control of a field.

    Args:
        start: the configuration that the form begins with.
        name: of the field.
        label: the field in words.
        note: a line below.
        options: of a field of words, what can be chosen, in this order; without them, all.
    """
    kind, value, annotation = start.kind, getattr(start, name), type(start).model_fields[name].annotation
    if get_origin(annotation) is Literal:
        options = options or get_args(annotation)
        return choice(kind, name, label, options, value, names=[option_name(option) for option in options], note=note)
    if isinstance(value, bool):
        return checkbox(kind, name, label, value, note)
    if isinstance(value, tuple):
        return line_field(kind, name, label, ", ".join(value), note)
    field = line_field if str in (get_args(annotation) or (annotation,)) else number_field
    return field(kind, name, label, value, note)


def settings(start: Config, fields: dict[str, tuple[str, str]]) -> dict[str, gr.HTML]:
    """Build the controls of some fields: name -> (label, note)."""
    return {name: setting(start, name, *about) for name, about in fields.items()}
