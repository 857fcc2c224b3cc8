"""The look: neutral ink for the page, color for data only, light and dark from one set of CSS variables."""

import gradio as gr
from gradio.themes.utils.fonts import LocalFont

from regime.config import KINDS
from regime.ui.static_files import STYLE, address, contents, static

COLORS = {
    "body_background_fill": "var(--ground)",
    "body_text_color": "var(--ink)",
    "body_text_color_subdued": "var(--ink-2)",
    "background_fill_primary": "var(--ground)",
    "background_fill_secondary": "var(--panel)",
    "border_color_primary": "var(--hairline)",
    "block_background_fill": "var(--ground)",
    "block_label_text_color": "var(--ink-2)",
    "block_title_text_color": "var(--ink)",
    "input_background_fill": "var(--ground)",
    "input_border_color": "var(--edge)",
    "button_primary_background_fill": "var(--button)",
    "button_primary_background_fill_hover": "var(--button)",
    "button_primary_text_color": "var(--ground)",
    "button_secondary_background_fill": "var(--ground)",
    "button_secondary_background_fill_hover": "var(--panel)",
    "button_secondary_text_color": "var(--ink)",
    "button_secondary_border_color": "var(--edge)",
}
"""The same in light and dark: the variables of the style sheet differ."""


def theme() -> gr.themes.Base:
    """Return the theme that shows Gradio's own widgets in the page's neutral ink and its bundled font."""
    return gr.themes.Base(
        primary_hue="slate",
        neutral_hue="slate",
        font=[LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"],
    ).set(
        block_border_width="0px",
        block_title_text_weight="700",
        **COLORS,
        **{f"{name}_dark": color for name, color in COLORS.items()},
    )


def head() -> str:
    """Return the page's head: the style sheet, whose media queries survive there, scripts, and how the page is framed."""
    links = f'<link rel="stylesheet" href="{address()}/{STYLE}">'
    modules = [name for name, text in contents().items() if name.endswith(".js") and "\nexport " in f"\n{text}"]
    links += "".join(f'<link rel="modulepreload" href="{address()}/{name}">' for name in modules)
    framed = f"const KINDS = {list(KINDS)};\n{static('embed.js')}"
    return f"{links}<script>{{{static('offline.js')}}}{{{framed}}}</script>"
