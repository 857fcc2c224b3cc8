"""The look: neutral ink for the page, color for data only, light and dark from one set of CSS variables."""

import gradio as gr
from gradio.themes.utils.fonts import LocalFont

from regime.config import KINDS
from regime.ui.static_files import STYLE, address, contents, static

BODY = {"background_fill": "ground", "background_fill_dark": "ground", "text_color": "ink", "text_color_dark": "ink"}
"""Colors that the page has before its style sheet comes, which has the others."""


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
        **{f"body_{part}": f"var(--{color})" for part, color in BODY.items()},
    )


def head() -> str:
    """Return the page's head: the style sheet, whose media queries survive there, scripts, and how the page is framed."""
    links = f'<link rel="stylesheet" href="{address()}/{STYLE}">'
    modules = [name for name, text in contents().items() if name.endswith(".js") and "\nexport " in f"\n{text}"]
    links += "".join(f'<link rel="modulepreload" href="{address()}/{name}">' for name in modules)
    framed = f"const KINDS = {list(KINDS)};\n{static('embed.js')}"
    return f"{links}<script>{{{static('offline.js')}}}{{{framed}}}</script>"
