"""The page: header, one tab a screen, and the endpoints."""

import html
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import gradio as gr
from fastapi.exceptions import RequestValidationError
from gradio.themes.utils.fonts import LocalFont
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from regime.config import KINDS, Runnable
from regime.config.rows import OWN
from regime.errors import ConfigError, show
from regime.measures.definitions import DEFINITIONS
from regime.resources.bounded import Bounded
from regime.resources.limits import limits
from regime.ui import static_files
from regime.ui.api import ENDPOINTS, STREAMS
from regime.ui.endpoint import Described, tell_once
from regime.ui.form.own_rows import AWAITED
from regime.ui.lessons.read import LESSONS
from regime.ui.middleware import CompressedPage, Refusals, unfit, with_headers
from regime.ui.parts import markup
from regime.ui.run import wall
from regime.ui.run.agents import AgentCalls
from regime.ui.run.books import BOOKS
from regime.ui.run.link import check_frame, linked
from regime.ui.run.mapframes import missing_frame
from regime.ui.run.visit import Visit
from regime.ui.screen import HIDDEN, Screen, Updates
from regime.ui.screens.learn import learn_tab
from regime.ui.screens.map import map_tab
from regime.ui.screens.pretraining import compared, pretraining_tab
from regime.ui.screens.probe import probe_tab
from regime.ui.screens.reproductions import reproductions_tab
from regime.ui.screens.train import train_tab
from regime.ui.text import render

TITLE = "Lazy or rich?"
HEADER = f"""
<header class="masthead"><h1>{TITLE}</h1>
<p>Is a network learning features, or fitting with the ones it was born with?</p></header>"""
BODY = {"background_fill": "ground", "background_fill_dark": "ground", "text_color": "ink", "text_color_dark": "ink"}
"""Colors that the page has before its style sheet comes, which has the others."""
TABS = {"toy": "train", "sweep": "map", "probe": "probe", "checkpoints": "pretraining"}
"""By the kind of their runs."""
OTHERS = {"lesson": "learn", "claim": "reproductions"}
"""Tabs without runs of their own, by what a link names in them."""
ALL_TABS = (*TABS.values(), *OTHERS.values())
QUEUE_SIZE, LOOK = 64, 0.02  # calls that wait; seconds between looks for one: Gradio's 0.001 takes a tenth of a core, always
UNREAD = 1000  # calls that have ended and whose answers are kept
THREADS = 128
"""More than all runs that compute or wait, each of which keeps one."""


def build() -> gr.Blocks:
    """Build the app, its queue limited, ready to launch with `launch_options`."""
    with Described(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86400), fill_width=True) as demo:
        markup(HEADER, "masthead-box")
        markup(render("definitions", formulas=DEFINITIONS), "glossary")
        with gr.Tabs(elem_classes="screens") as tabs:
            with gr.Tab("Train", id="train"):
                train = train_tab()
            with gr.Tab("Map", id="map"):
                sweep, cells = map_tab()
            with gr.Tab("Probe", id="probe"):
                probe, compare, models = probe_tab()
            with gr.Tab("Pretraining", id="pretraining"):
                pretraining = pretraining_tab()
            with gr.Tab("Reproductions", id="reproductions"):
                reproductions_tab()
            with gr.Tab("Learn", id="learn"):
                learn_tab()
        screens: dict[str, Screen] = {screen.kind: screen for screen in (train, sweep, probe, pretraining)}
        feeds, about = [screen.feed for screen in screens.values()], HIDDEN | {"show_progress_on": train.told}  # see `Screen`

        def opened(config: Runnable) -> Updates:
            return {tabs: gr.update(selected=TABS[config.kind]), **screens[config.kind].opening(config)}

        def compare_models(value: Any) -> Updates:
            return opened(compared(**models.fields(value)))

        def choose_cell(visit: Visit, value: Any) -> Updates:
            cell = sweep.cell(visit, value)
            return opened(cell) if cell else {cells: missing_frame(visit.board, value) or gr.skip()}

        compare.click(compare_models, models.html, [tabs, *feeds], **about)
        cells.submit(choose_cell, [sweep.state, cells], [tabs, cells, *feeds], trigger_mode="multiple", **about)
        connect_links(demo, screens, tabs)
        demo.offer(ENDPOINTS)
    demo.queue(max_size=QUEUE_SIZE, default_concurrency_limit=8, api_open=False)
    demo._queue.sleep_when_free = demo._queue.progress_update_sleep_when_free = LOOK
    tell_once(queue := demo._queue, STREAMS)
    queue.pending_messages_per_session = Bounded(  # Gradio's own lets go of the oldest, also while it goes on
        UNREAD, lambda session: all(event.session_hash != session for event in [*queue.event_ids_to_events.values()]), {}
    )
    return demo


def connect_links(demo: gr.Blocks, screens: dict[str, Screen], tabs: gr.Tabs) -> None:
    """Fill what a permalink asks for into its tab as the page loads, held at step 0; or say what is wrong with the link.

    Args:
        demo: the app.
        screens: its tabs', by kind of run.
        tabs: of the page.
    """
    names = {name for screen in screens.values() for name in screen.form.names}

    def open_link(request: gr.Request) -> Updates:
        query, pairs, config = request.query_params, request.query_params.multi_items(), None
        tab = next((tab for name, tab in OTHERS.items() if name in query), None)
        with warned("Not all of this link can be followed"):
            check_frame(pairs, names)
        with warned():
            check_places(query)
            if tab is None:
                config = linked(pairs)
        tab = tab or TABS.get(config.kind if config else query.get("run", ""), query.get("tab"))
        opened = {tabs: gr.update(selected=tab) if tab in ALL_TABS else gr.skip()}
        if config is None:
            return opened
        if getattr(config, "task", None) == OWN:
            gr.Info(AWAITED, duration=60)
        return {**opened, **screens[config.kind].opening(config, ahead=0)}

    feeds = (screen.feed for screen in screens.values())
    demo.load(open_link, None, [tabs, *feeds], show_progress_on=screens["toy"].told, **HIDDEN)


def check_places(query: Mapping[str, str]) -> None:
    """Check what a link names beside a run; raises ConfigError where there is no such lesson, card or tab."""
    for name, known in {"lesson": LESSONS, "claim": wall.shipped(), "tab": ALL_TABS}.items():
        if name in query and query[name] not in known:
            raise ConfigError(f"{name} = {show(query[name])} is not allowed; allowed: one of {', '.join(known)}")


@contextmanager
def warned(said: str = "This link cannot be followed") -> Iterator[None]:
    """Show what is wrong with a link as a warning, as text, and go on without it."""
    try:
        yield
    except ConfigError as error:
        gr.Warning(f"{said}: {html.escape(str(error))}", duration=60)


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
    static, folder = static_files.contents(), static_files.address()
    links = f'<link rel="stylesheet" href="{folder}/{static_files.STYLE}">'
    modules = [name for name, text in static.items() if name.endswith(".js") and "\nexport " in f"\n{text}"]
    links += "".join(f'<link rel="modulepreload" href="{folder}/{name}">' for name in modules)
    framed = f"const KINDS = {list(KINDS)};\n{static['embed.js']}"
    return f"{links}<script>{{{static['offline.js']}}}{{{framed}}}</script>"


def launch_options() -> dict[str, Any]:
    """Return everything that `launch` needs but host and port, which come from the environment."""
    health = Route("/health", lambda _: JSONResponse(BOOKS.health()))  # for those who watch servers
    return {
        "theme": theme(),
        "head": head(),
        "footer_links": ["api"],
        "run_history": False,
        "ssr_mode": False,
        "max_file_size": limits().upload_bytes,
        "enable_monitoring": False,
        "mcp_server": find_spec("mcp") is not None,  # the extra, with which endpoints are tools for agents, too
        "show_error": False,
        "max_threads": THREADS,
        "app_kwargs": {
            "routes": [*wall.routes(), static_files.route(), health],
            "middleware": [
                *(Middleware(each) for each in (with_headers, CompressedPage, AgentCalls)),
                Middleware(Refusals, names={name: endpoint.schemas for name, endpoint in ENDPOINTS.items()}),
            ],
            "exception_handlers": {RequestValidationError: unfit},
        },
    }
