"""Both tabs in Chromium, against the app in its own process."""

import os
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
if not Path(CHROMIUM).exists():
    pytest.skip(f"there is no Chromium at {CHROMIUM}", allow_module_level=True)

expect = sync_api.expect
MINUTES = 120_000


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page that must stay without console errors and ask nobody but this machine."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    errors, hosts = [], set()
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    yield page
    page.close()
    assert errors == []
    assert hosts - {None} == {"127.0.0.1"}


def visit(page, server, tab="Train", query=""):
    page.goto(server.url + query)
    page.get_by_role("tab", name=tab).click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()


def settings(page, **fields):
    page.locator(".all-settings:visible .label-wrap").click()
    for label, value in fields.items():
        page.get_by_label(label.replace("_", " "), exact=True).fill(str(value))


def no_sideways_scroll(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_first_screen_shows_a_finished_run(page, server):
    visit(page, server)
    expect(page.locator("#toy-transport")).to_contain_text("finished in")
    expect(page.locator(".dial .word").first).to_have_text("Rich")
    assert page.locator(".pictures img").count() == 4
    assert page.locator(".v-layers").get_by_role("row").count() == 4
    assert page.locator(".v-outcome").get_by_role("row").count() == 6
    expect(page.get_by_text("training hardly changes the features")).to_be_visible()


def test_a_run_reaches_a_verdict_and_offers_its_files(page, server):
    visit(page, server)
    page.get_by_role("radio", name="Sine").check()
    width = page.get_by_role("slider", name="Width")
    width.focus()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    expect(width).to_have_attribute("aria-valuetext", "64")
    settings(page, Steps=60, Measure_every=20)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#toy-transport")).to_contain_text("step 60 of 60", timeout=MINUTES)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled(timeout=MINUTES)
    expect(page.get_by_role("img", name="What each learner computes over the input")).to_be_visible()
    for name in ("Report, JSON", "Layers, CSV", "Figure, PNG", "Figure, SVG"):
        expect(page.get_by_role("button", name=name)).to_be_enabled(timeout=MINUTES)
    with page.expect_download() as download:
        page.get_by_role("button", name="Layers, CSV").click()
    text = Path(download.value.path()).read_text()
    assert text.splitlines()[0].startswith("layer,block,")
    assert len(text.splitlines()) == 4
    expect(page.locator(".cm-content")).to_contain_text("width=64")


def test_stop_keeps_what_was_reached(page, server):
    visit(page, server)
    settings(page, Steps=100000, Measure_every=200)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".standing").first).to_contain_text("so far", timeout=MINUTES)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".standing").first).to_contain_text("stopped at step", timeout=MINUTES)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    reached = page.locator("#toy-transport .progress").inner_text()
    page.wait_for_timeout(700)
    assert page.locator("#toy-transport .progress").inner_text() == reached
    assert server.busy(1.0) < 0.2


def test_a_closed_page_stops_its_run(browser, server):
    page = browser.new_page()
    visit(page, server)
    settings(page, Steps=100000, Measure_every=200)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".standing").first).to_contain_text("so far", timeout=MINUTES)
    assert server.busy(0.5) > 0.4
    page.close()
    time.sleep(2)
    assert server.busy(1.0) < 0.2


def test_a_bad_field_is_named_and_the_page_recovers(page, server):
    visit(page, server)
    settings(page, Steps=-3)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("steps = -3 is not allowed")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()
    expect(page.locator("#toy-transport")).to_contain_text("finished in")


def test_what_is_shown_is_what_is_sent(page, server):
    """Also when a value is typed before the control is ready, and after the page has built the control anew."""
    sent = []
    page.on("request", lambda request: sent.append(request.post_data) if "queue/join" in request.url else None)
    visit(page, server)
    page.get_by_role("radio", name="Spirals").check()
    page.get_by_role("slider", name="Width").fill("3")
    settings(page, Steps=7)
    page.locator(".all-settings:visible .label-wrap").click()
    page.get_by_role("tab", name="Probe").click()
    page.get_by_role("tab", name="Train").click()
    page.locator(".all-settings:visible .label-wrap").click()
    expect(page.get_by_role("radio", name="Spirals")).to_be_checked()
    expect(page.get_by_role("slider", name="Width")).to_have_attribute("aria-valuetext", "24")
    expect(page.locator("#toy-steps-input")).to_have_value("7")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#toy-transport")).to_contain_text("step 7 of 7", timeout=MINUTES)
    assert '"data":["spirals",null,24,' in sent[0]


def test_own_rows_are_pasted_and_run(page, server):
    visit(page, server)
    rows = page.get_by_label("Rows", exact=True)
    expect(rows).to_be_hidden()
    page.get_by_role("radio", name="Own rows").check()
    rows.fill("x1,x2,kind\n" + "\n".join(f"{k % 7},{k % 5},{'ab'[k % 2]}" for k in range(48)))
    settings(page, Steps=4, Samples=16, Test_samples=16, Probe_samples=16)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#toy-transport")).to_contain_text("step 4 of 4", timeout=MINUTES)
    assert page.locator(".pictures img").count() == 4
    page.get_by_role("radio", name="Moons").check()
    expect(rows).to_be_visible()
    rows.fill("")
    rows.blur()
    expect(rows).to_be_hidden()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".cm-content")).to_contain_text("moons", timeout=MINUTES)


def test_settings_of_every_sort_reach_the_run(page, server):
    """By keyboard, one of each sort: a choice, a box to tick, a number, and a number left empty."""
    visit(page, server)
    settings(page, Steps=2, Bottleneck=3)
    page.get_by_role("radio", name="NTK").focus()
    page.keyboard.press("ArrowRight")
    box = page.get_by_role("checkbox", name="Centered output")
    expect(box).to_be_checked()
    box.focus()
    page.keyboard.press("Space")
    page.get_by_role("radio", name="Adam").check()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#toy-transport")).to_contain_text("step 2 of 2", timeout=MINUTES)
    for said in ("parameterization='standard'", "centered=False", "bottleneck=3", "optimizer='adam'"):
        expect(page.locator(".cm-content")).to_contain_text(said)
    expect(page.locator(".pictures")).to_contain_text("no kernel limit with a bottleneck")


def test_a_field_that_is_emptied_again_is_left_to_its_default(page, server):
    visit(page, server)
    settings(page, Steps=2, Learning_rate=0.5)
    page.wait_for_timeout(300)
    page.get_by_label("Learning rate", exact=True).fill("")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#toy-transport")).to_contain_text("step 2 of 2", timeout=MINUTES)
    expect(page.locator(".cm-content")).not_to_contain_text("learning_rate")


def test_arrow_keys_move_through_choices(page, server):
    visit(page, server)
    page.get_by_role("radio", name="Rings").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Spirals")).to_be_checked()


@pytest.mark.parametrize("tab", ["Train", "Probe"])
def test_dark_mode_reaches_every_text(page, server, tab):
    visit(page, server, tab, "?__theme=dark")
    dark = page.evaluate(
        """() => [...document.querySelectorAll('.dial, .dial .word, h3, .tick, legend')].filter(e => e.offsetParent).map(e => {
            const [r, g, b] = getComputedStyle(e).color.match(/\\d+/g).map(Number);
            return [e.className || e.tagName, r + g + b];
        })"""
    )
    assert len(dark) > 10
    assert [name for name, light in dark if light < 300] == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 23)"


@pytest.mark.parametrize("tab", ["Train", "Probe"])
def test_a_phone_needs_no_sideways_scroll(page, server, tab):
    page.set_viewport_size({"width": 375, "height": 800})
    visit(page, server, tab)
    assert no_sideways_scroll(page)
    settings(page)
    expect(page.get_by_label("Measure every", exact=True)).to_be_visible()
    assert no_sideways_scroll(page)
    assert page.get_by_role("button", name="Stop", exact=True).bounding_box()["height"] >= 40


def test_nothing_jumps_while_a_run_is_drawn(page, server):
    visit(page, server)
    settings(page, Steps=60)
    page.wait_for_timeout(500)  # the accordion's own opening is no jump
    page.evaluate(
        """() => { window.shift = 0; new PerformanceObserver(list => {
            for (const entry of list.getEntries()) window.shift += entry.value;
        }).observe({type: 'layout-shift'}); }"""
    )
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#toy-transport")).to_contain_text("step 60 of 60", timeout=MINUTES)
    assert page.evaluate("window.shift") < 0.02


def test_a_probe_runs_to_a_table_of_layers_and_stops(page, server):
    visit(page, server, "Probe")
    expect(page.locator("#probe-transport")).to_contain_text("finished in")
    page.get_by_label("Steps", exact=True).fill("2")
    settings(page, Samples=8, Probe_samples=8, Tokens=8, Measure_every=1)
    page.get_by_role("button", name="Probe", exact=True).click()
    expect(page.locator("#probe-transport")).to_contain_text("step 2 of 2", timeout=MINUTES)
    expect(page.get_by_role("button", name="Probe", exact=True)).to_be_enabled(timeout=MINUTES)
    page.get_by_text("All layers, by module").click()
    rows = page.locator("table.full tbody tr")
    expect(rows.first).to_be_visible()
    assert rows.count() > 40
    first = rows.first.inner_text()
    page.get_by_role("button", name="Kernel change").click()
    values = page.locator("table.full tbody tr td:nth-child(3)").evaluate_all(
        "cells => cells.map(c => parseFloat(c.dataset.v))"
    )
    defined = [value for value in values if value == value]
    assert defined == sorted(defined, reverse=True)
    assert rows.first.inner_text() != first
    page.get_by_label("Steps", exact=True).fill("500")
    page.get_by_label("Measure every", exact=True).fill("100")
    page.get_by_role("button", name="Probe", exact=True).click()
    expect(page.locator("#probe-transport")).to_contain_text("of 500", timeout=MINUTES)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#probe-transport")).to_contain_text("stopped", timeout=MINUTES)
    expect(page.get_by_role("button", name="Probe", exact=True)).to_be_enabled()
