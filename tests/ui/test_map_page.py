"""The map's script in Chromium, with 10,000 cells that are sent to it as a server sends them."""

import json
from math import prod
from statistics import fmean, median

import pytest

from regime.ui.run.mapframes import missing_frame
from regime.ui.static_files import address
from regime.ui.text import render
from tests.ui.large_map import DIVERGED, FAILED, MOUNT, SIDE, sent_map
from tests.ui.test_browser import browser, expect, page, pages, visit, watched  # noqa: F401

PAINTED = """([column, row, id]) => {
  const {pen, element} = window[id], area = getComputedStyle(element.querySelector('.map-area'));
  const [x, y, across, up] = ['x', 'y', 'across', 'up'].map(name => +area.getPropertyValue('--' + name));
  const at = [(column + 0.3 - x) / across * pen.canvas.width, (99 - row + 0.5 - y) / up * pen.canvas.height];
  return [...pen.getImageData(...at.map(Math.floor), 1, 1).data].slice(0, 3);
}"""


@pytest.fixture(scope="module")
def sent():
    """The board of the sweep, and its frames."""
    return sent_map()


class LargeMap:
    """A map in the page; cells are named by column and row, counted from the lower left."""

    def __init__(self, page, value, name="large"):  # noqa: F811
        self.page, self.name, self.found = page, name, page.locator(f"#{name}")
        page.evaluate(MOUNT, [address(), render("map"), value, name])
        self.told, self.ticks = self.found.locator(".told"), self.found.locator(".x-ticks span")

    def send(self, frames):
        return self.page.evaluate(f"frames => frames.map(frame => {self.name}.send(frame))", frames)

    def submitted(self):
        return self.page.evaluate(f"{self.name}.submitted")

    def color(self, column, row):
        return self.page.evaluate(PAINTED, [column, row, self.name])

    def image(self):
        return self.page.evaluate(f"{self.name}.pen.canvas.toDataURL()")

    def sight(self):
        style = "e => ['x', 'y', 'across', 'up'].map(n => +getComputedStyle(e).getPropertyValue('--' + n))"
        return self.found.locator(".map-area").evaluate(style)

    def point(self, column, row):
        """Move the pointer to the middle of a cell in sight."""
        box, (x, y, across, up) = self.found.locator(".cells").bounding_box(), self.sight()
        right, down = (column + 0.5 - x) / across, (SIDE - row - 0.5 - y) / up
        assert 0 < right < 1
        assert 0 < down < 1
        self.page.mouse.move(box["x"] + right * box["width"], box["y"] + down * box["height"])

    def focused(self):
        return self.page.evaluate("[document.activeElement.role, document.activeElement.ariaLabel]")


@pytest.fixture(scope="module")
def loaded(pages, server):  # noqa: F811
    """A page of the app, for maps that come and go."""
    with watched(pages) as page:  # noqa: F811
        visit(page, server)
        yield page


@pytest.fixture
def large(loaded, sent):
    """The map with all its cells."""
    loaded.mouse.move(0, 0)
    yield LargeMap(loaded, missing_frame(sent[0], {}))
    loaded.evaluate("document.querySelectorAll('.gradio-container > .v-map').forEach(block => block.remove())")


def cell_at(board, column, row):
    return next(cell for cell in board.cells if cell["index"] == SIDE * column + row)


def words(number, digits=3):
    return f"{float(f'{number:.{digits}g}'):g}"


def test_a_new_cell_is_painted_at_once_however_many_there_are(page, server, sent, record_testsuite_property):  # noqa: F811
    _, frames = sent
    visit(page, server)
    shown = LargeMap(page, frames[0])
    times = shown.send(frames[1:])
    record_testsuite_property("ms a cell, the last thousand of 10,000", fmean(times[-1000:]))
    assert median(times[-1000:]) < 60
    assert fmean(times[-1000:]) < 60
    streamed = shown.image()
    shown.found.get_by_label("Color by").select_option("Kernel change")
    assert shown.image() != streamed
    shown.found.get_by_label("Color by").select_option("Regime")
    assert shown.image() == streamed  # all at once gives the same
    sizes = [len(frame) for frame in frames[1:] if "lines" not in frame]
    assert max(sizes) < 600
    assert abs(median(sizes[:1000]) - median(sizes[-1000:])) < 20
    assert shown.submitted() == []
    assert shown.found.locator("*").count() < 120
    expect(shown.found.locator(".map-legend li").first).to_have_text("No verdict")
    expect(shown.found.locator(".map-legend")).not_to_contain_text("Not run yet")
    assert shown.found.locator(".lines .contour").count() >= 2


def test_the_pointer_reads_what_the_report_has(large, sent):
    board, _ = sent
    for column, row in ((0, 0), (99, 99), (17, 63), (50, 50)):
        cell = cell_at(board, column, row)
        large.point(column, row)
        value, (low, high) = cell["measures"]["kernel_change"], cell["intervals"]["kernel_change"]
        width, alpha = cell["point"]["width"], words(cell["point"]["alpha"], 5)
        expect(large.told).to_contain_text(f"Width {width}, Output scale \u03b1 {alpha}: {cell['verdict']['label']}.")
        expect(large.told).to_contain_text(f"Kernel change {words(value)} [{words(low)}, {words(high)}]")
    large.point(*divmod(DIVERGED, SIDE))
    expect(large.told).to_contain_text(": diverged.")
    large.point(*divmod(FAILED, SIDE))
    expect(large.told).to_contain_text(": failed. out of memory")
    large.page.mouse.move(0, 0)
    expect(large.found.locator(".spot")).to_be_hidden()


def test_colors_are_the_themes_and_the_measures(large, sent):
    large.found.get_by_label("Color by").select_option("Kernel change")
    ends = [large.color(*place) for place in ((99, 98), (0, 1))]
    order = sorted(sent[0].cells, key=lambda cell: cell["measures"].get("kernel_change", 1))
    lightest, darkest = (large.color(*divmod(cell["index"], SIDE)) for cell in (order[0], order[-1]))
    variables = "['--amount-0', '--amount-3', '--panel'].map(name => getComputedStyle(document.body).getPropertyValue(name))"
    rgb = [[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in large.page.evaluate(variables)]
    assert [lightest, darkest] == rgb[:2]
    large.found.get_by_label("Color by").select_option("Forecast skill")
    assert [large.color(*place) for place in ((99, 98), (0, 1))] != ends
    large.found.get_by_label("Color by").select_option("Kernel change")
    assert [large.color(*place) for place in ((99, 98), (0, 1))] == ends
    large.page.evaluate("document.body.classList.add('dark')")
    dark = [[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in large.page.evaluate(variables)]
    assert dark != rgb
    place = [*divmod(order[0]["index"], SIDE), "large"]
    large.page.wait_for_function(f"({PAINTED})({place}).join() === '{dark[0][0]},{dark[0][1]},{dark[0][2]}'")
    assert large.color(*divmod(order[-1]["index"], SIDE)) == dark[1]


def test_hatching_and_contours_stay_where_they_belong(large):
    legend = large.found.locator(".map-legend")
    expect(legend).to_contain_text("No verdict")
    expect(legend).to_contain_text("Diverged or failed")
    expect(legend).to_contain_text("Kernel change is 0.5Kernel change is 0.1Slope")
    large.found.get_by_label("Color by").select_option("Kernel change")
    expect(legend).not_to_contain_text("No verdict")
    expect(legend).to_contain_text("Kernel change is 0.5")
    expect(legend).not_to_contain_text("linearization gap")
    large.found.get_by_label("Color by").select_option("Held-out error")
    assert large.found.locator(".lines path").count() == 0
    expect(legend).to_have_text("Diverged or failed")


def test_it_zooms_about_the_pointer_and_pans(large):
    large.found.get_by_label("Color by").select_option("Kernel change")  # hatched cells have two colors
    color = large.color(20, 70)
    whole = large.ticks.all_inner_texts()
    large.point(20, 70)
    large.page.keyboard.down("Control")
    large.page.mouse.wheel(0, -600)
    large.page.keyboard.up("Control")
    large.page.wait_for_function("large.element.querySelector('.map-area').classList.contains('near')")
    x, y, across, up = large.sight()
    assert across < 20
    assert up < 20
    assert x < 20 < x + across
    assert large.color(20, 70) == color
    large.point(20, 70)
    expect(large.told).to_contain_text("Width 116,")
    assert large.ticks.all_inner_texts() != whole
    box = large.found.locator(".cells").bounding_box()
    right, down = 3 * box["width"] / across, 2 * box["height"] / up
    large.page.mouse.down()
    place = [box["x"] + (20.5 - x) / across * box["width"], box["y"] + (29.5 - y) / up * box["height"]]
    large.page.mouse.move(place[0] + right, place[1] + down, steps=4)
    large.page.mouse.up()
    moved = large.sight()
    assert moved[0] == pytest.approx(x - 3, abs=0.1)
    assert moved[1] == pytest.approx(y - 2, abs=0.1)
    assert large.color(20, 70) == color
    expect(large.told).to_contain_text("Width 116,")  # the cell has come along
    assert large.submitted() == []  # a drag is no press
    large.found.get_by_role("button", name="All", exact=True).click()
    assert large.sight() == [0, 0, SIDE, SIDE]
    assert large.ticks.all_inner_texts() == whole
    large.found.get_by_role("button", name="Zoom in").click()
    assert large.sight()[2] == pytest.approx(SIDE / 1.5)


def test_one_cell_has_the_keyboard(large, sent):
    grid = large.found.get_by_role("grid")
    assert [grid.get_attribute(f"aria-{name}count") for name in ("row", "col")] == ["100", "100"]
    expect(grid.get_by_role("gridcell")).to_have_count(1)
    grid.get_by_role("gridcell").focus()
    press = large.page.keyboard.press

    def here(column, row):
        cell = cell_at(sent[0], column, row)
        label = f"Width {cell['point']['width']}, Output scale \u03b1 {words(cell['point']['alpha'], 5)}: "
        focus = grid.get_by_role("gridcell")
        expect(focus).to_be_focused()
        assert focus.get_attribute("aria-label").startswith(label)
        assert focus.get_attribute("aria-colindex") == str(column + 1)
        assert focus.locator("..").get_attribute("aria-rowindex") == str(SIDE - row)
        expect(large.told).to_contain_text(label)
        spot, area = focus.bounding_box(), large.found.locator(".map-area").bounding_box()
        assert area["x"] - 1 <= spot["x"] < area["x"] + area["width"]
        assert area["y"] - 1 <= spot["y"] < area["y"] + area["height"]

    here(0, 99)
    for key, place in (
        ("ArrowRight", (1, 99)),
        ("ArrowDown", (1, 98)),
        ("ArrowUp", (1, 99)),
        ("ArrowUp", (1, 99)),
        ("PageDown", (1, 89)),
        ("End", (99, 89)),
        ("ArrowLeft", (98, 89)),
        ("Home", (0, 89)),
        ("Control+End", (99, 0)),
        ("PageUp", (99, 10)),
        ("Control+Home", (0, 99)),
    ):
        press(key)
        here(*place)
    press("+")
    press("+")
    assert large.sight()[2] < SIDE / 2
    press("Control+End")  # out of sight: the map follows
    here(99, 0)
    press("Enter")
    press("Space")
    assert [value["picked"][0] for value in large.submitted()] == [9900, 9900]
    assert large.submitted()[0] != large.submitted()[1]


def test_a_press_opens_the_cell_under_it(large):
    large.point(42, 17)
    large.page.mouse.down()
    large.page.mouse.up()
    assert [value["picked"][0] for value in large.submitted()] == [4217]


def test_the_table_has_every_cell_a_page_at_a_time(large, sent):
    large.found.get_by_text("Cells as a table").click()
    rows = large.found.locator("tbody tr")
    expect(rows).to_have_count(20)
    expect(large.found.locator(".total")).to_have_text("of 500")
    expect(large.found.get_by_role("button", name="Previous")).to_be_disabled()
    large.found.get_by_role("button", name="Next").click()
    cell = cell_at(sent[0], 0, 20)
    shown = rows.first.locator("th, td").all_inner_texts()
    low, high = cell["intervals"]["kernel_change"]
    assert shown[:3] == ["16", words(cell["point"]["alpha"], 5), cell["verdict"]["label"]]
    assert shown[4] == f"{words(cell['measures']['kernel_change'])} [{words(low)}, {words(high)}]"
    number = large.found.get_by_label("Page")
    number.fill(str(DIVERGED // 20 + 1))
    number.press("Enter")
    expect(rows.nth(DIVERGED % 20)).to_contain_text("diverged")
    number.fill("9999")
    number.press("Enter")
    expect(number).to_have_value("500")
    expect(large.found.get_by_role("button", name="Next")).to_be_disabled()


def test_a_lost_frame_is_asked_for(page, server, sent):  # noqa: F811
    board, frames = sent
    visit(page, server)  # one of its own: the scripts of the other keep all cells
    shown = LargeMap(page, frames[0])
    shown.send([*frames[1:5], *frames[7:10]])
    assert shown.submitted() == [{"run": board.run, "have": 4}]
    page.wait_for_function("large.submitted.length > 1")  # the answer was lost, too: it asks again
    shown.send([missing_frame(board, shown.submitted()[-1])])
    expect(shown.found.locator(".map-legend")).not_to_contain_text("Not run yet")
    asked = len(shown.submitted())
    shown.send([json.dumps({"run": board.run, "from": len(board.short), "cells": [], "found": board.found + 1})])
    assert shown.submitted()[asked:] == [{"run": board.run, "have": len(board.short)}]  # lines are missing


def test_a_map_that_missed_the_beginning_asks_for_all(page, server, sent):  # noqa: F811
    board, frames = sent
    visit(page, server)
    shown = LargeMap(page, frames[500])
    assert shown.submitted() == [{"run": board.run, "have": 0}]
    shown.send([missing_frame(board, shown.submitted()[-1])])
    shown.point(42, 17)
    expect(shown.told).to_contain_text("Width 226,")


def test_a_component_that_is_built_anew_has_all_cells(large, sent):
    again = LargeMap(large.page, sent[1][-1], "again")
    again.point(42, 17)
    expect(again.told).to_contain_text("Width 226,")
    third = LargeMap(large.page, {"picked": [5, 1]}, "third")
    third.point(42, 17)
    expect(third.told).to_contain_text("Width 226,")
    assert again.submitted() == third.submitted() == []


def test_the_canvas_is_crisp_and_fits_a_phone(browser, server, sent):  # noqa: F811
    page = browser.new_page(viewport={"width": 375, "height": 800}, device_scale_factor=3)  # noqa: F811
    visit(page, server)
    shown = LargeMap(page, sent[1][0])
    shown.send([missing_frame(sent[0], {"have": 1, "run": sent[0].run})])
    sizes = "canvas => [canvas.width, canvas.height, 3 * canvas.clientWidth, 3 * canvas.clientHeight]"
    page.wait_for_function(f"(({sizes})(large.pen.canvas))[0] === (({sizes})(large.pen.canvas))[2]")
    width, height, wide, high = page.evaluate(f"({sizes})(large.pen.canvas)")
    assert (width, height) == (wide, high)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shown.found.get_by_text("Cells as a table").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.getAnimations().filter(a => large.element.contains(a.effect.target)).length") == 0
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_scanner_finds_nothing_in_a_large_map(page, server, sent, theme):  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    visit(page, server, query=f"?__theme={theme}")
    shown = LargeMap(page, missing_frame(sent[0], {}))
    shown.found.get_by_text("Cells as a table").click()
    shown.found.get_by_role("gridcell").focus()
    page.keyboard.press("ArrowDown")
    found = axe.Axe().run(page, context="#large").response["violations"]
    assert [(each["id"], node["html"][:200]) for each in found for node in each["nodes"]] == []


def small_frame(*values, run="small", **more):
    """A frame of a map with these axes' values, whose cell k has the index k / 10."""
    names = ("Across", "Up", "Depth")
    axes = dict(zip(names, values, strict=False))
    measures = ["regime_index"]
    cells = [[k, "mixed", [k / 10, None, None], None, True] for k in range(prod(map(len, values)))]
    return json.dumps({"run": run, "from": 0, "found": 0, "axes": axes, "measures": measures, "cells": cells} | more)


def test_further_axes_are_held_by_menus(page, server):  # noqa: F811
    visit(page, server)
    cells = [[k, "mixed", [k / 10, None, None], None, True] for k in range(7)]
    shown = LargeMap(page, small_frame(("relu", "tanh"), (1, 2), (3, 5), cells=cells))
    area = shown.found.locator(".cells")
    area.hover(position={"x": 5, "y": 5})  # the upper left
    expect(shown.told).to_have_text("Across relu, Up 2, Depth 3: mixed. Regime 0.2")
    expect(shown.found.locator(".map-legend")).to_have_text("")
    expect(shown.ticks).to_have_text(["relu", "tanh"])
    before = shown.image()
    shown.send([json.dumps({"run": "small", "from": 7, "found": 0, "cells": [[7, "mixed", [0.7, None, None], None, True]]})])
    assert shown.image() == before  # it is of another depth
    shown.found.locator(".held select").select_option("5")
    assert shown.image() != before
    area.hover(position={"x": 5, "y": 6})
    expect(shown.told).to_have_text("Across relu, Up 2, Depth 5: mixed. Regime 0.3")
    area.click(position={"x": 5, "y": 5})
    assert shown.submitted() == [{"picked": [3, 1]}]
    expect(shown.found.locator(".map-zoom")).to_be_hidden()


def test_a_map_of_one_axis_is_a_row(page, server):  # noqa: F811
    visit(page, server)
    shown = LargeMap(page, small_frame((1, 2, 4), cells=[[1, "failed", [None] * 3, "out of memory", False]]))
    expect(shown.found.locator(".map-legend li")).to_have_text(["Diverged or failed", "Not run yet"])
    shown.found.locator(".cells").hover()
    expect(shown.told).to_have_text("Across 2: failed. out of memory")
    shown.found.get_by_role("gridcell").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    expect(shown.told).to_have_text("Across 4: not run yet")
    shown.send([small_frame((1, 2, 4, 8), run="another")])  # a new run takes the place of the old one
    expect(shown.found.locator(".map-legend")).to_have_text("")
    assert shown.found.get_by_role("grid").get_attribute("aria-colcount") == "4"
    shown.send([json.dumps({"run": "none yet", "from": 0, "found": 0, "cells": []})])
    expect(shown.told).to_have_text("The map begins when its first cells are there.")
    expect(shown.found.locator(".map-plot")).to_be_hidden()


def test_a_run_that_goes_on_keeps_what_is_looked_at(page, server):  # noqa: F811
    visit(page, server)
    axes, measures = (list(range(1, 21)), list(range(1, 13)), (3, 5)), ["regime_index", "kernel_change"]
    cells = [[k, "mixed", [0.5, None, None, 1.0 + k, None, None], None, True] for k in range(480)]
    shown = LargeMap(page, small_frame(*axes, measures=measures, cells=cells))
    color, held = shown.found.get_by_label("Color by"), shown.found.locator(".held select")
    color.select_option("Kernel change")
    held.select_option("5")
    shown.found.get_by_role("button", name="Zoom in").click()
    shown.found.get_by_role("gridcell").press("ArrowRight")
    shown.found.locator(".map-table summary").click()
    shown.found.get_by_role("button", name="Next").click()

    def looked_at():
        cell = shown.found.get_by_role("gridcell").get_attribute("aria-label").split(":")[0]
        return shown.sight(), color.input_value(), held.input_value(), cell, shown.found.get_by_label("Page").input_value()

    before = looked_at()
    assert before[1:] == ("1", "1", "Across 2, Up 12, Depth 5", "2")
    shown.send([json.dumps({"run": "on", "from": 0, "found": 0, "cells": []})])
    shown.send([small_frame(*axes, run="on", measures=measures, cells=cells[:40])])
    assert looked_at() == before
    axes[0][-1] = 30
    shown.send([small_frame(*axes, run="other", measures=measures, cells=cells)])
    assert looked_at() == ([0, 0, 20, 12], "0", "0", "Across 1, Up 12, Depth 3", "2")
