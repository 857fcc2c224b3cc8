"""The look: neutral ink for the page, color for data only, light and dark from one set of CSS variables."""

from pathlib import Path

import gradio as gr
from gradio.themes.utils.fonts import LocalFont

STYLE = Path(__file__).with_name("static") / "style.css"


def theme() -> gr.themes.Base:
    """Gradio's own widgets in the page's neutral ink and its bundled font."""
    return gr.themes.Base(
        primary_hue="slate",
        neutral_hue="slate",
        font=[LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"],
    ).set(
        body_background_fill="var(--ground)",
        body_background_fill_dark="var(--ground)",
        body_text_color="var(--ink)",
        body_text_color_dark="var(--ink)",
        body_text_color_subdued="var(--ink-2)",
        body_text_color_subdued_dark="var(--ink-2)",
        background_fill_primary="var(--ground)",
        background_fill_primary_dark="var(--ground)",
        background_fill_secondary="var(--panel)",
        background_fill_secondary_dark="var(--panel)",
        border_color_primary="var(--hairline)",
        border_color_primary_dark="var(--hairline)",
        block_background_fill="var(--ground)",
        block_background_fill_dark="var(--ground)",
        block_border_width="0px",
        block_label_text_color="var(--ink-2)",
        block_label_text_color_dark="var(--ink-2)",
        block_title_text_color="var(--ink)",
        block_title_text_color_dark="var(--ink)",
        block_title_text_weight="700",
        input_background_fill="var(--ground)",
        input_background_fill_dark="var(--ground)",
        input_border_color="var(--edge)",
        input_border_color_dark="var(--edge)",
        button_primary_background_fill="var(--button)",
        button_primary_background_fill_dark="var(--button)",
        button_primary_background_fill_hover="var(--button)",
        button_primary_background_fill_hover_dark="var(--button)",
        button_primary_text_color="var(--ground)",
        button_primary_text_color_dark="var(--ground)",
        button_secondary_background_fill="var(--ground)",
        button_secondary_background_fill_dark="var(--ground)",
        button_secondary_background_fill_hover="var(--panel)",
        button_secondary_background_fill_hover_dark="var(--panel)",
        button_secondary_text_color="var(--ink)",
        button_secondary_text_color_dark="var(--ink)",
        button_secondary_border_color="var(--edge)",
        button_secondary_border_color_dark="var(--edge)",
    )


def head() -> str:
    """The style sheet, for the page's head: there its media queries and root rules survive."""
    return f"<style>{STYLE.read_text()}</style>"
