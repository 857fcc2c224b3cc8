"""The Probe tab: a pretrained transformer, fine-tuned and measured layer by layer."""

import gradio as gr

from regime.models.catalog import CATALOG
from regime.models.texts import MEANINGS
from regime.ui.board import Board
from regime.ui.charts import KERNELS, PROBE_LOSSES, curves
from regime.ui.dial import dial
from regime.ui.examples import CONFIGS, example
from regime.ui.inputs import choice, number_field
from regime.ui.link import link_button
from regime.ui.stage import Stage, exports, intro, transport, view
from regime.ui.table import SORT, block_table, full_table

START = CONFIGS["probe"]


def probe_tab(demo: gr.Blocks) -> None:
    """Build the tab and wire its run."""
    views = {}
    intro()
    with gr.Row(elem_classes="page two"):
        with gr.Column(elem_classes="col controls", min_width=0):
            controls = _controls()
            buttons = transport("probe")
            link = link_button(example("probe").config)
        with gr.Column(elem_classes="col middle", min_width=0):
            with gr.Row(elem_classes="top"):
                for draw, css in ((_dial, "v-dial"), (_loss, "v-side"), (_kernels, "v-side")):
                    views[view("probe", draw, css)] = draw
            views[view("probe", block_table, "v-blocks")] = block_table
            with gr.Accordion("All layers, by module", open=False, elem_classes="all-layers"):
                layers = view("probe", _layers, "v-layers", js_on_load=SORT)
            taken = exports("probe", link)
    Stage("probe", controls, views, buttons, taken, final={layers: _layers}).open_links(demo)


def _controls() -> dict[str, gr.components.Component]:
    models = [(f"{name} ({model.parameters / 1e6:.1f} M parameters)", name) for name, model in CATALOG.items()]
    controls = {
        "model": gr.Dropdown(
            models, value=START.model, label="Model", interactive=True, filterable=False, elem_id="probe-model"
        ),
        "task": choice(
            "Text task",
            list(MEANINGS),
            START.task,
            names=[name.capitalize() for name in MEANINGS],
            note=MEANINGS[START.task] + " Source: is it about a movie or a product?",
            elem_id="probe-task",
        ),
        "optimizer": choice("Optimizer", ("adamw", "sgd"), START.optimizer, names=("AdamW", "SGD"), elem_id="probe-optimizer"),
        "seeds": choice("Readout seeds", (1, 2, 3, 4), START.seeds, elem_id="probe-seeds"),
        "learning_rate": number_field(
            "probe", "learning_rate", "Step size", None, "Empty: 1e-4 for AdamW, 1e-2 for SGD. Larger is richer."
        ),
        "steps": number_field("probe", "steps", "Steps", START.steps, "Fine-tuning steps, 0 to 1000."),
    }
    with gr.Accordion("All settings", open=False, elem_classes="all-settings"):
        fields = {
            "samples": ("Samples", "Training sentences."),
            "probe_samples": ("Probe samples", "Held-out sentences that kernels are compared on."),
            "max_tokens": ("Tokens", "Longer sentences are cut."),
            "batch_size": ("Batch size", "Empty: all sentences."),
            "measure_every": ("Measure every", "Steps between two measurements."),
            "seed": ("Seed", "Of the first readout."),
        }
        for name, (label, info) in fields.items():
            controls[name] = number_field("probe", name, label, getattr(START, name), info)
    return controls


def _dial(board: Board) -> str:
    return dial(board, "Training regime, all layers together")


def _loss(board: Board) -> str:
    return f'<h3>Loss</h3><p class="sub">Half the mean squared error.</p>{curves(board, PROBE_LOSSES, what="Loss")}'


def _kernels(board: Board) -> str:
    drawn = curves(board, KERNELS, what="Kernel of all layers", most=4)
    return f'<h3>Kernel, all layers</h3><p class="sub">Change counts growth; distance only turning.</p>{drawn}'


def _layers(board: Board) -> str:
    note = "Press a heading to sort. A dash is a value that is undefined; hover over it to read why."
    return f'<p class="sub">{note}</p>{full_table(board)}'
