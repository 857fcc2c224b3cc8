"""The page in the browsers that visitors have: turned phones, colors that the system forces, back and forward, no clipboard."""

import pytest

from tests.ui.test_browser import browser, expect, page, pages, visit  # noqa: F401

BEYOND = """() => [...document.querySelectorAll('.page .view, .page .block')]
    .filter(each => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth).map(each => each.className)"""


@pytest.mark.parametrize("widths", [(740, 375), (1440, 375)])
def test_a_window_that_grows_narrow_cuts_nothing_off(page, server, widths):  # noqa: F811
    for width in widths:
        page.set_viewport_size({"width": width, "height": 800})
        if width == widths[0]:
            visit(page, server)
            page.locator(".v-loss .names span").first.wait_for(state="attached")
    page.wait_for_function(f"!({BEYOND})().length")


def test_where_a_system_forces_colors_what_is_drawn_and_what_is_chosen_is_seen(page, server):  # noqa: F811
    grounds = (".scale .rich", ".progress .bar i", "td.bar .rail i", "td.share .disc", ".dial li.evidence@::before")
    grounds += (".chip[aria-pressed=true]", ".segments input:checked ~ span", ".transport .primary@::before")
    drawn = {**dict.fromkeys(grounds, "backgroundColor"), ".scale .mean": "borderTopColor", ".fn-scale i": "backgroundImage"}
    page.emulate_media(forced_colors="active")
    try:
        visit(page, server)
        page.locator(".dial.is-rich").wait_for()
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        for place, style in drawn.items():
            css, _, part = place.partition("@")
            read = f"(each, part) => getComputedStyle(each, part || undefined).{style}"
            color = page.locator(css).locator("visible=true").first.evaluate(read, part)
            assert color not in (ground, "none", "rgba(0, 0, 0, 0)"), place
    finally:
        page.emulate_media(forced_colors="none")
