"""The ProbeScreen tab: a pretrained transformer, fine-tuned and measured layer by layer."""

from typing import Any

import gradio as gr

import regime
from regime.config import CheckpointConfig, ProbeConfig
from regime.config.rows import decode
from regime.errors import ConfigError
from regime.models.sources import available, remote
from regime.models.texts import MEANINGS, OWN
from regime.resources.limits import limits
from regime.ui.form.inputs import checkbox, choice, give, line_field, number_field, text_field
from regime.ui.form.presets import chips, first
from regime.ui.panels.charts import KERNELS, PROBE_LOSSES, curves
from regime.ui.panels.compare import compare
from regime.ui.panels.dial import dial
from regime.ui.panels.table import SORT, block_table, full_table
from regime.ui.run.board import Board
from regime.ui.run.examples import CONFIGS, example
from regime.ui.run.link import link_button
from regime.ui.run.runs import beyond, readable
from regime.ui.screen import HIDDEN, Opening, Stage, Updates, exports, intro, markup, notice, story, transport, view
from regime.ui.text import duration, size

START = CONFIGS["probe"]
OWN_STORY = "Your own settings. Blocks whose kernel turns learn features; the others are used as they were found."
NAMES = {
    "mean": "Mean",
    "last": "Last token",
    "prompt": "Prompt",
    "next-token": "Next token",
    "adamw": "AdamW",
    "sgd": "SGD",
    "momentum": "Momentum",
    "none": "None",
}
READOUTS = "New head on the mean, or the last token; or the model's own words: a prompt's answer, or the next token."


class ProbeScreen(Stage):
    """A tab whose runs need a model: what is told before they start is their time and memory."""

    def ahead(self, config: ProbeConfig | CheckpointConfig) -> Updates:
        """Seconds and bytes, from a few passes through the model; nothing is fetched for that."""
        if any(remote(*named) for named in config.named):
            text = "The model is looked up, checked and fetched from the Hub when the run starts."
            return {self.opening.notice: notice(text)}
        cost = regime.estimate(config)
        text = f"This run: about {duration(max(1.0, cost.seconds))} and {size(cost.bytes)} here. {beyond(config, cost) or ''}"
        return {self.opening.notice: notice(text, "bad" if cost.seconds > limits().max_seconds else "")}


def probe_tab() -> tuple[ProbeScreen, gr.Button, list[gr.HTML]]:
    """Build the tab and wire its run; with it the button that compares two models, and the fields that name them."""
    views = {}
    board = example("probe")
    intro()
    with gr.Row(elem_classes="starts"):
        presets = chips("probe")
        link = link_button(board.config)
    told = markup(story(first("probe").story), "story-box")
    with gr.Row(elem_classes="page two"):
        with gr.Column(elem_classes="col controls", min_width=0):
            controls, upload = _controls()
            with gr.Accordion("Compare two models", open=False, elem_classes="all-settings"):
                note = "A model, or model@revision: of the catalog, a folder of REGIME_MODELS_DIR, or a Hub id."
                named = [
                    line_field("compare", "before", "Before", "", note),
                    line_field("compare", "after", "After", "", "Of the same architecture."),
                ]
                both = gr.Button("Compare", elem_id="compare-run")
        with gr.Column(elem_classes="col middle", min_width=0):
            buttons = transport("probe")
            line = markup(notice("Choose a model and press Run, or start from a preset."), "notice-box")
            with gr.Row(elem_classes="top"):
                for draw, css in ((_dial, "v-dial"), (_loss, "v-side"), (_kernels, "v-side")):
                    views[view("probe", draw, css)] = draw
            views[view("probe", block_table, "v-blocks")] = block_table
            views[view("probe", compare, "v-compare")] = compare
            with gr.Accordion("All layers, by module", open=False, elem_classes="all-layers"):
                layers = view("probe", layer_table, "v-layers", js_on_load=SORT)
            taken = exports("probe", link)
    stage = ProbeScreen(
        "probe",
        controls,
        views,
        buttons,
        taken,
        opening=Opening(presets, told, line),
        own_story=OWN_STORY,
        final={layers: layer_table},
    )
    upload.upload(_read, upload, [controls["texts"], controls["task"]], **HIDDEN)
    return stage, both, named


def models() -> gr.Dropdown:
    """Every model there is; any other may be named."""
    known = available()
    choices = [(f"{name} ({facts['parameters'] / 1e6:.3g} M parameters)", name) for name, facts in known.items()]
    return gr.Dropdown(
        [choice for choice in choices if choice[1] != "modular-addition"],
        value=START.model,
        label="Model",
        info="Or type a Hub id.",
        interactive=True,
        allow_custom_value=True,
        elem_id="probe-model",
    )


def _controls() -> tuple[dict[str, gr.components.Component], gr.UploadButton]:
    controls: dict[str, Any] = {
        "model": models(),
        "task": choice(
            "Text task",
            [*MEANINGS, OWN],
            START.task,
            names=[*(name.capitalize() for name in MEANINGS), "Own rows"],
            note=MEANINGS[START.task] + " Source: is it about a movie or a product?",
            elem_id="probe-task",
        ),
    }
    with gr.Accordion("Own rows", open=False, elem_classes="all-settings"):
        controls["texts"] = text_field(
            "probe",
            "texts",
            "Rows",
            "A text and its label in each line, with a comma between, 2 to 10 labels; for Next token the text alone.",
            "I liked it,good\nNot for me,bad",
        )
        upload = gr.UploadButton("Upload CSV", file_types=["text"], type="binary", size="sm", elem_id="probe-upload")
    controls |= {
        "readout": _choice("readout", "Readout", ("mean", "last", "prompt", "next-token"), READOUTS),
        "head": _choice("head", "New head", ("random", "zero", "fitted"), "Fitted: to the frozen features, before training."),
        "optimizer": _choice("optimizer", "Optimizer", ("adamw", "sgd", "momentum")),
        "learning_rate": number_field(
            "probe",
            "learning_rate",
            "Step size",
            None,
            "Empty: 1e-4 for AdamW, 1e-2 for SGD, 1e-3 for Momentum. Larger is richer.",
        ),
        "steps": number_field("probe", "steps", "Steps", START.steps, "Fine-tuning steps, 0 to 1000."),
        "seeds": choice("Seeds", (1, 2, 3, 4), START.seeds, elem_id="probe-seeds", note="Heads, or random weights."),
    }
    with gr.Accordion("All settings", open=False, elem_classes="all-settings"):
        controls["trainable"] = line_field(
            "probe", "trainable", "Trained", ", ".join(START.trainable), "Globs: encoder.layer.1.*, **.bias; * is all."
        )
        controls["random_init"] = checkbox("probe", "random_init", "Random weights", False, "The same architecture.")
        controls["forecast"] = checkbox("probe", "forecast", "Forecast", True, "Train its linear twin beside it.")
        controls["decay"] = _choice("decay", "Decay of the step", ("none", "linear", "cosine"))
        controls["loss"] = choice(
            "Loss",
            ("", "mse", "cross-entropy"),
            "",
            names=("Default", "Squared", "Cross-entropy"),
            elem_id="probe-loss",
            note="Default: squared for a new head.",
        )
        controls["revision"] = line_field("probe", "revision", "Revision", START.revision, "Of the model.")
        controls["prompt"] = line_field("probe", "prompt", "Prompt", None, "With {text} and {mask}. Empty: the task's.")
        controls["words"] = line_field("probe", "words", "Words", "", "One for each label, in alphabetical order of labels.")
        fields = {
            "samples": ("Samples", "Training texts."),
            "probe_samples": ("Probe samples", "Held-out texts that kernels are compared on."),
            "max_tokens": ("Tokens", "Longer texts are cut."),
            "batch_size": ("Batch size", "Empty: all texts."),
            "warmup": ("Warm-up", "Steps."),
            "momentum": ("Momentum", "For that optimizer."),
            "measure_every": ("Measure every", "Steps between two measurements."),
            "seed": ("Seed", "Of the split and the first head."),
        }
        for name, (label, info) in fields.items():
            controls[name] = number_field("probe", name, label, getattr(START, name), info)
    return controls, upload


def _choice(name: str, label: str, options: tuple[str, ...], note: str = "") -> gr.HTML:
    names = [NAMES.get(option, option.capitalize()) for option in options]
    return choice(label, options, getattr(START, name), names=names, note=note, elem_id=f"probe-{name}")


def _read(data: bytes) -> list[Any]:
    """An uploaded file's rows into the form."""
    with readable():
        try:
            return [give(decode(data)), give(OWN)]
        except ValueError as error:
            raise ConfigError(f"texts is not allowed: {error}") from None


def _dial(board: Board) -> str:
    return dial(board, "Training regime, all layers together")


def _loss(board: Board) -> str:
    what = "Mean of the negative log-probability." if board.config.get("readout") == "next-token" else "Mean over texts."
    drawn = curves(board, PROBE_LOSSES, what="Loss")
    return f'<h3>Loss</h3><p class="sub">{what} Dashed: the linearized twin.</p>{drawn}'


def _kernels(board: Board) -> str:
    drawn = curves(board, KERNELS, what="Kernel of all layers", most=4)
    return f'<h3>Kernel, all layers</h3><p class="sub">Change counts growth; distance only turning.</p>{drawn}'


def layer_table(board: Board) -> str:
    """Every layer, sortable."""
    note = "Press a heading to sort. A dash is a value that is undefined; hover over it to read why."
    return f'<p class="sub">{note}</p>{full_table(board)}'
