"""The page under a hand that is slow, rests, or presses at a bad moment."""

import re
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from tests.ui.test_browser import (  # noqa: F401
    MINUTES,
    browser,
    ended,
    expect,
    labelled,
    page,
    pages,
    press,
    running,
    settings,
    visit,
    watched,
)
from tests.ui.wire import Wire

LONG = {"Steps": 20_000, "Measure_every": 200}
FOCUSED = "document.activeElement.dataset.do ?? document.activeElement.textContent"


def progress(page):  # noqa: F811
    return page.locator("#toy-transport .progress")


@pytest.fixture
def long(page, server):  # noqa: F811
    """A page whose run would take long."""
    visit(page, server)
    settings(page, **LONG)
    press(page, "Run")
    running(page)
    yield page
    press(page, "Pause")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_hidden(timeout=MINUTES)


def test_a_setting_that_is_turned_does_not_end_a_long_run(long):
    labelled(long, "Steps").fill("40")
    labelled(long, "Measure every").fill("10")
    long.keyboard.press("Tab")
    expect(long.locator("[data-panel=whose]").locator("visible=true")).to_contain_text(
        "Press Pause, then Run,", timeout=MINUTES
    )
    long.wait_for_timeout(1500)
    expect(progress(long)).to_contain_text("of 20000")


def test_the_focus_stays_where_a_panel_is_drawn_anew_and_a_slow_press_is_one(long):
    panel = long.locator(".dial").first
    panel.get_by_role("button", name="95% interval").focus()
    before = panel.text_content()
    expect(panel).not_to_have_text(before, timeout=MINUTES)
    assert long.evaluate(FOCUSED) == "95% interval"
    long.evaluate("scrollTo(0, 0)")
    box = panel.locator(".kicker").bounding_box()
    long.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] / 2)
    for _ in range(3):
        long.mouse.down()
        long.wait_for_timeout(400)
        long.mouse.up()
        expect(long.locator("#term-interval")).to_be_visible()
        long.keyboard.press("Escape")
        expect(long.locator("#term-interval")).to_be_hidden()


def test_keys_start_hold_and_step_a_run_without_losing_the_focus(page, server):  # noqa: F811
    visit(page, server)
    settings(page, **LONG)
    page.get_by_role("button", name="Run", exact=True).focus()
    for now, next_one in (("run", "pause"), ("pause", "run")):
        assert page.evaluate(FOCUSED) == now
        page.keyboard.press("Enter")
        running(page) if next_one == "pause" else expect(progress(page)).to_contain_text("paused", timeout=MINUTES)
        assert page.evaluate(FOCUSED) == next_one
    page.get_by_role("button", name="Step", exact=True).focus()
    for _ in range(2):
        reached = progress(page).inner_text()
        page.keyboard.press("Enter")
        expect(progress(page)).not_to_have_text(reached, timeout=MINUTES)
        expect(progress(page)).to_contain_text("paused", timeout=MINUTES)
        assert page.evaluate(FOCUSED) == "step"


def test_a_verdict_is_told_with_the_step_that_it_was_measured_at(page, server):  # noqa: F811
    visit(page, server)
    settings(page, Steps=20_000, Measure_every=20_000)
    press(page, "Run")
    expect(progress(page)).to_contain_text(re.compile(r"step [1-9]\d* of"), timeout=MINUTES)
    press(page, "Pause")
    expect(page.locator(".standing").first).to_contain_text("paused; measured at step 0", timeout=MINUTES)
    said = page.locator("#toy-transport .sr-only").text_content()
    assert said.startswith("Paused at step")
    assert said.endswith(": no verdict at step 0")
    press(page, "Pin")
    expect(page.locator(".v-compare")).to_contain_text("Pinned, step 0")


def test_what_the_pointer_rests_on_is_told_anew_when_it_changes(page, server):  # noqa: F811
    visit(page, server)
    page.locator(".dial.is-rich").wait_for()
    told = page.locator("figure:has([data-map=difference]) .pointed")
    page.locator("[data-map=difference] canvas").hover(position={"x": 30, "y": 40})
    expect(told).to_contain_text(" at ")
    value, where = told.text_content().split(" at ")
    slider = page.get_by_label("Measurement that is shown").locator("visible=true")
    slider.evaluate("slider => slider.focus({ preventScroll: true })")
    page.keyboard.press("Home")
    expect(told).to_have_text(f"0 at {where}")
    assert value != "0"


def test_a_refused_press_is_not_told_as_a_start(page, server):  # noqa: F811
    visit(page, server)
    settings(page, Steps=-5)
    press(page, "Run")
    expect(page.locator(".notice:visible").first).to_contain_text("Steps = -5", timeout=MINUTES)
    expect(page.locator("#toy-transport .sr-only")).to_have_text("Finished: rich", timeout=MINUTES)


def test_the_mark_of_the_step_size_stays_while_other_tabs_are_looked_at(page, server):  # noqa: F811
    visit(page, server)
    mark = page.locator(".control:has(.bands) .ends").locator("visible=true")
    expect(mark).to_contain_text("The mark is its value in the run", timeout=MINUTES)
    for tab in ("Pretraining", "Train"):
        page.get_by_role("tab", name=tab, exact=True).click()
        page.wait_for_timeout(500)
    expect(mark).to_contain_text("The mark is its value in the run")


def test_back_opens_a_tab_that_a_narrow_window_keeps_in_a_menu(page, server):  # noqa: F811
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(server.url + "?tab=learn")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Learn")
    page.get_by_role("tab", name="Map", exact=True).click()
    expect(page.get_by_role("tab", selected=True)).to_have_text("Map")
    page.go_back()
    expect(page.get_by_role("tab", selected=True)).to_have_text("Learn")


def test_a_table_stays_where_it_was_scrolled_to(page, server):  # noqa: F811
    page.set_viewport_size({"width": 320, "height": 700})
    visit(page, server)
    page.locator(".dial.is-rich").wait_for()
    table = page.locator(".v-layers .scroll")
    table.scroll_into_view_if_needed()
    table.evaluate("box => { box.scrollLeft = 40; }")
    page.wait_for_timeout(100)
    before = table.text_content()
    page.get_by_label("Measurement that is shown").locator("visible=true").fill("3")
    expect(table).not_to_have_text(before)
    assert table.evaluate("box => box.scrollLeft") == 40


def test_another_map_begins_without_the_last_ones_cell_and_with_its_own_values(page, server):  # noqa: F811
    visit(page, server, "Map")
    told, cells = page.locator(".told:visible"), page.locator(".cells:visible")
    expect(page.locator(".x-ticks:visible span").first).to_be_visible()
    hint = told.text_content()
    cells.hover(position={"x": 60, "y": 60})
    expect(told).not_to_have_text(hint)
    page.mouse.move(0, 0)
    page.locator("#sweep-across-values input").fill("1001, 1003")
    page.locator("#sweep-up-values input").fill("1.2345")
    settings(page, Steps=10)
    page.get_by_role("button", name="Run", exact=True).focus()
    page.keyboard.press("Enter")
    ended(page, "sweep")
    assert told.text_content() == hint
    assert page.locator(".x-ticks:visible span").all_text_contents() == ["1001", "1003"]
    cells.hover(position={"x": 5, "y": 5})
    expect(told).to_contain_text("Width 1001, Output scale \u03b1 1.2345:")


@pytest.mark.parametrize(("tab", "kind"), [("Train", "toy"), ("Map", "sweep")])
def test_a_run_is_held_where_the_connection_breaks_and_goes_on_when_it_is_back(browser, server, tab, kind):  # noqa: F811
    wire, there = Wire(urlsplit(server.url).port), browser.new_page()
    visit(there, replace(server, url=f"http://127.0.0.1:{wire.port}/"), tab)
    bar = there.locator(".progress").locator("visible=true")
    if kind == "toy":
        press(there, "Pin")
        settings(there, Steps=1000)
    else:
        labelled(there, "Horizontal values").fill("8, 16, 24")
        labelled(there, "Vertical values").fill("0.25, 1, 4")
        settings(there, Steps=2000)
    there.evaluate("window.here = true")
    press(there, "Run")
    expect(bar).to_contain_text(re.compile(r"of (9|1000).* left"), timeout=MINUTES)
    wire.cut()
    expect(there.locator(".offline")).to_have_text(re.compile("No connection"))
    wire.mend()
    expect(bar).to_contain_text("paused", timeout=MINUTES)
    expect(there.locator(".offline")).to_be_empty()
    press(there, "Continue")
    ended(there, kind)
    assert there.evaluate("window.here"), "the page was not loaded anew"
    if kind == "toy":
        expect(there.get_by_role("button", name="Unpin", exact=True)).to_be_visible()
    there.close()
    wire.cut()
