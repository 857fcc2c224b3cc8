"""The border on the page, in Chromium: it is that of `regime.find_border`, every run of the search is a dot, and opens."""

import re

import pytest

import regime
from regime.config import ToyConfig
from tests.ui.test_browser import (  # noqa: F401
    MINUTES,
    WINDOW,
    browser,
    ended,
    expect,
    no_sideways_scroll,
    page,
    pages,
    press,
    settings,
    visit,
)

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
TINY = {
    "width": 48,
    "activation": "erf",
    "alpha": 0.3,
    "samples": 16,
    "test_samples": 8,
    "probe_samples": 24,
    "steps": 40,
    "measure_every": 20,
    "seeds": 8,
}
LONG = {**TINY, "steps": 20_000, "measure_every": 100}


def opened(page, server, fields):  # noqa: F811
    """Open a link, and wait until its run is held at its first step; return the panel."""
    query = "&".join(f"{name}={value}" for name, value in fields.items())
    page.goto(f"{server.url}?run=toy&{query}")
    expect(page.locator("#toy-transport")).to_contain_text("paused", timeout=MINUTES)
    return page.locator(".v-border")


@pytest.fixture(scope="module")
def border():
    return regime.find_border(ToyConfig(**TINY))


def test_the_border_is_that_of_a_search_in_python_and_its_dots_open_runs_by_keyboard(page, server, border):  # noqa: F811
    panel = opened(page, server, TINY)
    press(page, "Find the border")
    expect(panel.get_by_role("status")).to_have_text(f"{len(border.seen)} runs were tried.", timeout=MINUTES)
    reason = border.reasons[0].replace("alpha =", "output scale \N{GREEK SMALL LETTER ALPHA} =")
    expect(panel.locator(".reasons li").first).to_have_text(reason)
    dots = panel.locator(".trial")
    values = dots.evaluate_all("all => all.map(dot => Number(dot.dataset.value))")
    assert values == [run.value for run in border.seen]
    panel.get_by_text("Runs as a table").click()
    rows = panel.locator("tbody tr").all_inner_texts()
    assert [row.split("\t")[1].lower() for row in rows] == [run.label for run in border.seen]
    assert axe.Axe().run(page).response["violations"] == []
    page.set_viewport_size({"width": 375, "height": 800})
    assert no_sideways_scroll(page)
    page.set_viewport_size(WINDOW)
    panel.locator(".trial").first.focus()
    page.keyboard.press("End")
    last = border.seen[-1]
    expect(panel.locator(".trial").last).to_be_focused()
    expect(panel.locator(".pointed")).to_contain_text(f": {last.label}, index {last.index:.2f}")
    page.keyboard.press("Enter")
    ended(page)
    expect(page.locator("#toy-alpha input")).to_have_attribute("aria-valuetext", f"{last.value:g}")
    expect(page.locator(".dial .word").first).to_have_text(last.label.capitalize())
    assert f"alpha={last.value:g}" in page.url
    expect(panel).not_to_have_class(re.compile("other"))  # the border is still that of the form, whatever its alpha
    page.get_by_role("radio", name="Sine").check()
    expect(panel).to_have_class(re.compile("other"))


def test_own_rows_are_searched_and_a_dot_opens_a_run_of_them(page, server):  # noqa: F811
    visit(page, server)
    page.locator("#toy-task").get_by_role("radio", name="Own rows").check()
    page.locator("#toy-csv-input").fill("a,b,target\n" + "".join(f"{k % 7},{k % 5},{k % 2}\n" for k in range(80)))
    settings(page, Steps=20, Measure_every=10)
    panel = page.locator(".v-border")
    panel.get_by_label("Border").select_option("Where rich begins")
    expect(page.locator(".notice-box .notice:visible")).to_contain_text("about", timeout=MINUTES)
    press(page, "Find the border")
    expect(panel.get_by_role("status")).to_contain_text("were tried", timeout=MINUTES)
    panel.locator(".trial").first.press("Enter")
    expect(page).to_have_url(re.compile("task=own.*alpha="), timeout=MINUTES)
    ended(page)


def test_a_search_is_stopped_by_a_second_press_and_found_again(page, server):  # noqa: F811
    panel = opened(page, server, LONG)
    panel.get_by_label("Vary").select_option("Width")
    press(page, "Find the border")
    expect(panel.get_by_role("status")).to_contain_text("Now at width = ", timeout=MINUTES)
    assert server.computes()
    press(page, "Stop")
    expect(panel.get_by_role("button", name="Find the border")).to_be_visible(timeout=MINUTES)
    assert server.rests(within=5)
    press(page, "Find the border")
    expect(panel.get_by_role("status")).to_contain_text("Now at width = ", timeout=MINUTES)
    page.close()  # whoever leaves ends it
    assert server.rests(within=20)


def test_what_is_wrong_with_the_form_is_said(page, server):  # noqa: F811
    visit(page, server)
    settings(page, Steps=-5)
    press(page, "Find the border")
    expect(page.locator(".v-border").get_by_role("status")).to_contain_text("Steps = -5 is not allowed", timeout=MINUTES)
    expect(page.get_by_role("button", name="Find the border")).to_be_visible()


def test_cells_of_a_sweep_are_on_their_sides_of_the_border(border):
    low, high = border.interval
    report = regime.run(regime.SweepConfig(base=ToyConfig(**TINY), axes={"alpha": [low / 1.3, border.value, high * 1.3]}))
    before, _, after = report.cells
    assert (before.verdict.label, after.verdict.label) == (border.below.label, border.above.label) == ("mixed", "lazy")
    contour = [cell.verdict.index for cell in report.cells]
    assert contour == sorted(contour, reverse=True)
