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
