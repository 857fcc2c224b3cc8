"""The Through pretraining tab: the same measures between checkpoints of one model."""

import gradio as gr

from regime.config import CheckpointConfig
from regime.config.models import ADDITION, MAIN
from regime.models.texts import MEANINGS, OWN
from regime.ui.form.inputs import choice, line_field, number_field, text_field
from regime.ui.form.presets import chips, first
from regime.ui.panels.charts import ACCURACIES, DISTANCES, SHARES, TEXT_LOSSES, curves
from regime.ui.panels.compare import compare
from regime.ui.panels.dial import dial
from regime.ui.panels.table import SORT, block_table
from regime.ui.run.board import Board
from regime.ui.run.examples import CONFIGS, example
from regime.ui.run.link import link_button
from regime.ui.run.visit import Visit
from regime.ui.screen import HIDDEN, Opening, Updates, as_text, exports, intro, markup, notice, story, transport, view
from regime.ui.screens.probe import NAMES, ProbeScreen, layer_table

START = CONFIGS["checkpoints"]
KIND = "checkpoints"
OWN_STORY = "Your own checkpoints: everything is measured against the first of them."


class Pretraining(ProbeScreen):
    """Checkpoints instead of training steps; and two models named in the ProbeScreen tab."""

    def compare(self, visit: Visit | None, before: str, after: str) -> Updates:
        """Fill the form with two models, and start."""
        if not before or not after:
            raise gr.Error("Name a model before and one after.", print_exception=False)
        (name, revision), other = (_named(text) for text in (before, after))
        reads = {"task": ADDITION, "readout": "prompt"} if name == ADDITION else {"task": "sentiment", "readout": "mean"}
        with as_text():
            config = CheckpointConfig(model=name, revisions=(revision, "@".join(other)), **reads)
        return {**self.fill(config), **self.press(visit)}


def pretraining_tab() -> Pretraining:
    """Build the tab and wire its run."""
    views = {}
    board = example(KIND)
    intro()
    with gr.Row(elem_classes="starts"):
        presets = chips(KIND)
        link = link_button(board.config)
    told = markup(story(first(KIND).story), "story-box")
    with gr.Row(elem_classes="page two"):
        with gr.Column(elem_classes="col controls", min_width=0):
            controls = _controls()
        with gr.Column(elem_classes="col middle", min_width=0):
            buttons = transport(KIND)
            line = markup(notice("Name a model and its revisions, or start from a preset."), "notice-box")
            with gr.Row(elem_classes="top"):
                for draw, css in ((_dial, "v-dial"), (_errors, "v-side"), (_distances, "v-side")):
                    views[view(KIND, draw, css)] = draw
            views[view(KIND, block_table, "v-blocks")] = block_table
            views[view(KIND, compare, "v-compare")] = compare
            with gr.Accordion("All layers, by module", open=False, elem_classes="all-layers"):
                layers = view(KIND, layer_table, "v-layers", js_on_load=SORT)
            taken = exports(KIND, link)
    return Pretraining(
        KIND,
        controls,
        views,
        buttons,
        taken,
        opening=Opening(presets, told, line),
        own_story=OWN_STORY,
        final={layers: layer_table},
    )


def connect(stage: Pretraining, button: gr.Button, named: list[gr.HTML], tabs: gr.Tabs) -> None:
    """Let the ProbeScreen tab's comparison run in this tab."""
    pressed = button.click(stage.compare, [stage.state, *named], stage.filled, **HIDDEN)
    stage.follow_filled(pressed)
    pressed.then(lambda: gr.update(selected="pretraining"), None, tabs, **HIDDEN)


def _named(text: str) -> tuple[str, str]:
    """`model`, or `model@revision`."""
    name, _, revision = text.partition("@")
    return name.strip(), revision.strip() or MAIN


def _controls() -> dict[str, gr.components.Component]:
    tasks = (ADDITION, *MEANINGS, OWN)
    readouts = ("prompt", "next-token", "mean", "last")
    controls = {
        "model": line_field(KIND, "model", "Model", START.model, "Of the catalog, a folder of REGIME_MODELS_DIR, or a Hub id."),
        "revisions": line_field(
            KIND,
            "revisions",
            "Revisions, in order",
            ", ".join(START.revisions),
            "With commas between: branches, tags, subfolders, or other-model@revision. Empty: all that ship with it.",
        ),
        "task": choice(
            "On",
            tasks,
            START.task,
            names=("Sums", *(name.capitalize() for name in MEANINGS), "Own rows"),
            elem_id=f"{KIND}-task",
        ),
        "readout": choice(
            "Readout",
            readouts,
            START.readout,
            names=[NAMES[name] for name in readouts],
            elem_id=f"{KIND}-readout",
            note="Of sums the answers; of texts words, the next token, or a random head that stays.",
        ),
    }
    with gr.Accordion("All settings", open=False, elem_classes="all-settings"):
        controls |= _settings()
    return controls


def _settings() -> dict[str, gr.components.Component]:
    return {
        "samples": number_field(KIND, "samples", "Examples", START.samples, "On which everything is compared, 8 to 256."),
        "max_tokens": number_field(KIND, "max_tokens", "Tokens", START.max_tokens, "Longer texts are cut."),
        "seed": number_field(KIND, "seed", "Seed", START.seed, "Of the examples and the head."),
        "texts": text_field(KIND, "texts", "Own rows", "As in the ProbeScreen tab.", "I liked it,good\nNot for me,bad"),
        "prompt": line_field(KIND, "prompt", "Prompt", None, "With {text} and {mask}. Empty: the task's."),
        "words": line_field(KIND, "words", "Words", "", "One for each label."),
    }


def _dial(board: Board) -> str:
    return dial(board, "From the first checkpoint to this one")


def _errors(board: Board) -> str:
    sums, words = board.config.get("task") == ADDITION, board.config.get("readout") == "next-token"
    said = "Mean negative log-probability of a token." if words else f"Share of {'sums' if sums else 'texts'} it gets right."
    drawn = curves(board, TEXT_LOSSES, what="Loss") if words else curves(board, ACCURACIES, what="Accuracy", axis=SHARES)
    return f'<h3>What it can do</h3><p class="sub">{said}</p>{drawn}'


def _distances(board: Board) -> str:
    drawn = curves(board, DISTANCES, what="Distance from the first checkpoint", most=4)
    return f'<h3>Distance from the first</h3><p class="sub">Of the whole kernel, and of the last features.</p>{drawn}'
