"""The page in the browsers that visitors have: turned phones, colors that the system forces, back and forward, no clipboard."""

import pytest

from regime.ui.run.examples import example
from regime.ui.text import number
from tests.ui.test_browser import MINUTES, browser, expect, page, pages, visit  # noqa: F401

BEYOND = """() => [...document.querySelectorAll('.page .view, .page .block')]
    .filter(each => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth).map(each => each.className)"""

OUTSIDE = """() => [...document.querySelectorAll('.key-number > *, td.bar > .long, .progress b')].filter(each => {
    const text = document.createRange(), box = each.closest('.multiple, td, .transport');
    text.selectNodeContents(each);
    const [end, edge] = [text, box].map(one => one.getBoundingClientRect().right);
    return box.checkVisibility() && end > edge - 4 * box.matches('td');
}).map(each => each.textContent)"""
"""Numbers that reach out of their column, or up to the next one."""


@pytest.mark.parametrize("widths", [(740, 375), (1440, 375)])
def test_a_window_that_grows_narrow_cuts_nothing_off(page, server, widths):  # noqa: F811
    for width in widths:
        page.set_viewport_size({"width": width, "height": 800})
        if width == widths[0]:
            visit(page, server)
            page.locator(".v-loss .names span").first.wait_for(state="attached")
    page.wait_for_function(f"!({BEYOND})().length")


def test_long_numbers_and_many_steps_stay_in_their_columns(page, server):  # noqa: F811
    page.goto(server.url + "?run=toy&width=64&alpha=50&steps=2&measure_every=1")
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.locator("#toy-transport .progress")).to_contain_text("finished", timeout=MINUTES)
    expect(page.locator(".key-number small").last).to_contain_text("\u00d710\u207b")
    expect(page.locator(".v-layers td.bar .long").first).to_be_visible()
    for width in (1200, 1280, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.locator("#toy-transport .progress b").evaluate("each => { each.textContent = 'step 88396 of 100000'; }")
        assert page.evaluate(OUTSIDE) == [], width


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


def tab(page):  # noqa: F811
    return page.locator(".screens [role=tab][aria-selected=true]")


def test_back_and_forward_lead_from_tab_to_tab_and_leave_the_visit_as_it_is(page, server):  # noqa: F811
    visit(page, server, query="?run=sweep&x=width&xs=16,32&y=alpha&ys=1,2&seeds=1", tab="Map")
    expect(page.locator(".map-plot")).to_be_visible()
    page.evaluate("here = true")  # which a page that is loaded anew does not know
    length = page.evaluate("history.length")
    linked = page.url
    page.get_by_label("Horizontal values").fill("16, 64")
    for name in ("Learn", "Train"):
        page.get_by_role("tab", name=name, exact=True).click()
        expect(tab(page)).to_have_text(name)
    assert page.evaluate("history.length") == length + 2
    for name in ("Learn", "Map"):
        page.evaluate("history.back()")
        expect(tab(page)).to_have_text(name)
    expect(page).to_have_url(linked)
    expect(page.get_by_label("Horizontal values")).to_have_value("16, 64")
    page.evaluate("history.forward()")
    expect(tab(page)).to_have_text("Learn")
    assert page.url.endswith("?tab=learn")
    assert page.evaluate("here") is True
    assert page.evaluate("history.length") == length + 2


def test_on_a_phone_a_legend_has_the_values_of_the_step_that_is_shown(page, server):  # noqa: F811
    history = example("toy").history
    page.set_viewport_size({"width": 375, "height": 800})
    visit(page, server)
    for at in (len(history) - 1, 3):
        page.get_by_label("Measurement that is shown").locator("visible=true").fill(str(at))
        for name, measure in (("network, train", "train_loss"), ("linearized twin", "twin_train_loss")):
            entry = page.locator(".v-loss .legend span").filter(has_text=name)
            expect(entry).to_have_text(f"{name} {number(history[at]['measures'][measure])}", use_inner_text=True)


def test_where_the_clipboard_is_refused_the_text_is_shown_inside_the_window_until_it_is_left(page, server):  # noqa: F811
    visit(page, server)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('refused')); }")
    for width in (1440, 375):
        page.set_viewport_size({"width": width, "height": 800})
        page.get_by_role("button", name="Embed", exact=True).click()
        field = page.get_by_label("Copy this").locator("visible=true")
        expect(field).to_be_focused()
        assert field.input_value().startswith("<iframe src=")
        box = field.bounding_box()
        assert box["x"] >= 16
        assert box["x"] + box["width"] <= width - 16
        assert box["width"] >= 300
        page.keyboard.press("Tab")
        expect(field).to_have_count(0)
