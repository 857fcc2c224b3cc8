"""The page as an instrument: time in the hand, points of one's own, runs that start by themselves."""

import json

import pytest

import regime
from regime.ui.run.examples import example
from regime.ui.static_files import address
from regime.ui.text import number
from tests.ui.test_browser import (  # noqa: F401
    MINUTES,
    browser,
    drop,
    ended,
    expect,
    labelled,
    menu,
    page,
    pages,
    press,
    settings,
    take,
    told,
    visit,
    watched,
)

SLOW = {"offline": False, "latency": 600, "downloadThroughput": -1, "uploadThroughput": -1}
CHARTS = {".v-loss": "train_loss", ".v-distances": "kernel_change"}


@pytest.fixture(scope="module")
def finished(pages, server):  # noqa: F811
    """A page that shows the shipped run and is at rest."""
    with watched(pages) as page:  # noqa: F811
        visit(page, server)
        page.locator(".dial.is-rich").wait_for()
        page.locator(".v-loss .names span").first.wait_for()
        page.wait_for_timeout(1000)
        yield page


@pytest.fixture
def shown(finished):
    """A page that shows the shipped run at its last measurement, and the requests that it makes from then on."""
    asked = []
    hear = lambda request: asked.append(request.url)  # noqa: E731
    finished.on("request", hear)
    yield finished, asked
    finished.remove_listener("request", hear)
    finished.get_by_label("Measurement that is shown").locator("visible=true").press("End")


def test_hovering_a_chart_shows_the_reports_values_at_that_step_everywhere(shown):
    page, asked = shown  # noqa: F811
    history = example("toy").history
    for chart in CHARTS:
        area = page.locator(f"{chart} .u-over").first
        area.scroll_into_view_if_needed()
        for at in (0, 7, 23, len(history) - 2):
            event = history[at]
            share, box = event["step"] / history[-1]["step"], area.bounding_box()
            page.mouse.move(box["x"] + share * box["width"] + 0.3, box["y"] + box["height"] / 2)
            expect(page.locator(".v-dial .standing")).to_contain_text(f"at step {event['step']}, ")
            expect(page.locator(".v-dial .word")).to_have_text(event["verdict"]["label"].capitalize())
            ends = page.locator(".v-loss .names").inner_text()
            for name, measure in (("network, train", "train_loss"), ("linearized twin", "twin_train_loss")):
                assert f"{name} {number(event['measures'][measure])}" in ends
            change = event["measures"]["kernel_change"]
            if change is not None and event["step"]:
                assert number(change) in page.locator(".v-distances .key-number").first.inner_text()
        page.mouse.move(0, 0)
        expect(page.locator(".v-dial .standing")).not_to_contain_text("at step")
    assert asked == []


def test_the_slider_shows_a_step_in_every_panel_without_a_request(shown):
    page, asked = shown  # noqa: F811
    history = example("toy").history
    slider = page.get_by_label("Measurement that is shown").locator("visible=true")
    pictures = "() => document.querySelector('[data-map=network] canvas').toDataURL()"
    kernel = "() => document.querySelectorAll('.kernels canvas')[1].toDataURL()"
    units = "() => [...document.querySelectorAll('.units canvas')].map(unit => unit.toDataURL()).join()"
    seen = {name: set() for name in ("picture", "kernel", "units", "layers", "dial")}
    for at in (2, 15, len(history) - 1):
        slider.fill(str(at))
        expect(page.locator(".v-time output").locator("visible=true")).to_contain_text(f"step {history[at]['step']}")
        page.wait_for_timeout(100)
        moved = history[at]["layers"][0]["measures"]["parameter_movement"]
        expect(page.locator(".v-layers tr").nth(1)).to_contain_text(number(moved))
        texts = {"layers": page.locator(".v-layers").first.inner_text(), "dial": page.locator(".v-dial").first.inner_text()}
        drawn = {"picture": page.evaluate(pictures), "kernel": page.evaluate(kernel), "units": page.evaluate(units)}
        for name, value in {**texts, **drawn}.items():
            seen[name].add(value)
    assert {name: len(values) for name, values in seen.items()} == dict.fromkeys(seen, 3)
    assert asked == []
    slider.press("ArrowLeft")
    expect(page.locator(".v-dial .standing")).to_contain_text("at step")


def test_a_chart_is_zoomed_by_dragging_and_back_by_a_double_click(shown):
    page, asked = shown  # noqa: F811
    page.locator(".v-loss .u-over").scroll_into_view_if_needed()
    box = page.locator(".v-loss .u-over").bounding_box()
    pixels = """() => { const canvas = document.querySelector('.v-loss canvas');
        return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; }"""
    changed = f"() => {{ const now = ({pixels})(); return now.filter((value, k) => value !== kept[k]).length / now.length; }}"
    page.mouse.move(0, 0)
    page.wait_for_timeout(200)
    page.evaluate(f"() => {{ window.kept = ({pixels})(); }}")
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 80, steps=5)
    page.mouse.up()
    page.mouse.move(0, 0)
    page.wait_for_timeout(200)
    assert page.evaluate(changed) > 0.02
    page.mouse.dblclick(box["x"] + 0.5 * box["width"], box["y"] + 60)
    page.mouse.move(0, 0)
    page.wait_for_timeout(200)
    assert page.evaluate(changed) < 0.005
    assert asked == []


def test_points_of_ones_own_are_trained_on(page, server):  # noqa: F811
    visit(page, server)
    rows = page.locator(".own-rows")
    rows.locator("summary").first.click()
    rows.get_by_text("Draw points").click()
    pad = page.locator("#toy-pad .plane")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    spots = [(0.1 + 0.1 * k, 0.2 + 0.5 * (k % 2)) for k in range(9)]
    for index, (x, y) in enumerate(spots * 2):
        page.get_by_role("radio", name="Orange" if index % 2 else "Blue").locator("visible=true").check()
        page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * (y if index % 2 else 1 - y))
    expect(page.locator("#toy-pad output")).to_contain_text("9 blue, 9 orange")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    expect(page.locator("#toy-pad output")).to_contain_text("10 orange")
    page.locator("#toy-pad").get_by_role("button", name="Undo").click()
    expect(page.locator("#toy-pad output")).to_have_text("9 blue, 9 orange: 5 to train on, 5 held out, 8 for the kernel")
    lines = page.locator("#toy-csv-input").input_value().splitlines()
    assert lines[0] == "x1,x2,class"
    assert len(lines) == 19
    expect(page.get_by_role("radio", name="Own rows")).to_be_checked(timeout=MINUTES)
    settings(page, Steps=4)
    press(page, "Run")
    expect(page.locator("#toy-transport")).to_contain_text("step 4 of 4", timeout=MINUTES)
    ended(page)
    config = json.loads(take(page, "Report, JSON").read_text())["config"]
    assert config["csv"].splitlines() == lines
    expect(page.locator(".pictures canvas")).to_have_count(4)


@pytest.fixture
def far(page):  # noqa: F811
    """A page to which every answer takes its time."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", SLOW)
    yield page
    network.detach()


def test_what_is_asked_while_an_answer_is_on_its_way_is_done(far, server):
    visit(far, server)
    drop(far, "toy", "rows.csv", b"\x00\x01\x89PNG")
    expect(told(far)).to_contain_text("Your rows cannot be read: the file is not UTF-8")
    rows = "x1,x2,class\n" + "".join(f"{k % 7},{k % 5},{'ab'[k % 2]}\n" for k in range(60))
    drop(far, "toy", "rows.csv", rows.replace("x1", "a").encode())
    drop(far, "toy", "rows.csv", rows.encode())
    expect(far.locator(".own-read:visible")).to_contain_text("60 rows, 2 inputs: x1, x2", timeout=MINUTES)
    comes = lambda name: far.expect_download(lambda file: file.suggested_filename == name, timeout=MINUTES)  # noqa: E731
    with comes("report.json"), comes("layers.csv"):
        for name in ("Report, JSON", "Layers, CSV"):
            menu(far).get_by_role("button", name=name).click()


def test_a_short_run_starts_by_itself_when_a_knob_is_let_go_and_a_long_one_does_not(page, server):  # noqa: F811
    visit(page, server)
    settings(page, Steps=3000)
    width = page.get_by_role("slider", name="Width")
    width.press("ArrowRight")
    expect(page.locator(".whose:visible p")).to_contain_text("of a run with", timeout=MINUTES)
    page.wait_for_timeout(1500)
    expect(page.locator("#toy-transport")).to_contain_text("step 400 of 400")
    for name, value in (("Steps", 3), ("Samples", 16), ("Probe samples", 16), ("Held out", 16)):
        labelled(page, name).fill(str(value))
    page.wait_for_timeout(500)
    page.get_by_role("slider", name="Width").press("ArrowLeft")
    expect(page.locator("#toy-transport")).to_contain_text("step 3 of 3", timeout=MINUTES)


def test_what_is_pressed_before_the_scripts_come_is_done_when_they_are_there(page, server):  # noqa: F811
    page.route("**/f*.js", lambda route: (page.wait_for_timeout(1500), route.continue_()))  # feed.js, files.js
    page.goto(server.url)
    for place in (".files", ".link"):  # what is said there goes by itself, or as soon as the chip's run has begun
        page.locator(f"{place}:visible [role=status]").evaluate(
            """(status, place) => { (window.told ??= {})[place] = false;
            new MutationObserver(() => { told[place] ||= !status.matches(':empty'); }).observe(status, {childList: true}); }""",
            place,
        )
    press(page, "Embed")
    menu(page).get_by_role("button", name="Layers, CSV").click()
    chip = page.get_by_role("button", name="Large alpha", exact=True)
    chip.click()
    page.wait_for_function("told['.files'] && told['.link']")
    expect(page.get_by_role("slider", name="Output scale")).not_to_have_attribute("aria-valuetext", "0.1", timeout=MINUTES)
    expect(chip).to_have_attribute("aria-pressed", "true", timeout=MINUTES)


def test_a_page_that_lacks_a_frame_asks_for_all(page, server):  # noqa: F811
    config = regime.ToyConfig(width=8, samples=16, test_samples=16, probe_samples=16, steps=30, measure_every=5, seeds=2)
    visit(page, server)
    page.evaluate(
        """() => { window.dropped = 0; const parse = JSON.parse;
        JSON.parse = text => {
            const value = parse(text);
            if (!dropped && !value?.whole && value?.events?.some(({at}) => at === 2)) window.dropped = value.serial;
            if (dropped && value.serial === dropped && !value.whole) return {do: 'lost'};
            return value;
        }; }"""
    )
    settings(page, Steps=30, Measure_every=5, Samples=16, Probe_samples=16, Held_out=16)
    press(page, "Run")
    expect(page.locator("#toy-transport")).to_contain_text("step 30 of 30", timeout=MINUTES)
    ended(page)
    assert page.evaluate("dropped") > 0
    slider = page.get_by_label("Measurement that is shown").locator("visible=true")
    assert int(slider.get_attribute("max")) == config.steps // config.measure_every
    slider.fill("2")
    expect(page.locator(".v-dial .standing")).to_contain_text("at step 10, ")


def test_an_answer_about_an_earlier_width_starts_no_large_run(page, server):  # noqa: F811
    visit(page, server)
    page.evaluate(
        """() => {
        const slider = document.querySelector('#toy-width-input, [data-name=width] input[type=range]');
        const screen = slider.closest('.tabitem'), put = (value, ...events) => {
            slider.value = value;
            events.forEach(name => slider.dispatchEvent(new Event(name, {bubbles: true})));
        };
        window.cleared = 0;
        put(1, 'input');
        setTimeout(() => {
            put(slider.max, 'input', 'change');
            new MutationObserver(() => { if (!screen.classList.contains('stale')) cleared += 1; })
                .observe(screen, {attributeFilter: ['class']});
        }, 30);
    }"""
    )
    expect(page.locator(".whose [role=status]").locator("visible=true")).to_contain_text(
        "These results are of a run with width"
    )
    page.wait_for_timeout(2000)
    assert page.evaluate("cleared") == 0
    expect(page.locator("#toy-transport")).to_contain_text("finished in")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()


@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_asked_while_the_server_cannot_be_reached_waits_for_it(browser, server, restarted):  # noqa: F811
    there = browser.new_page(viewport={"width": 1440, "height": 900})
    visit(there, server)
    press(there, "Pin")
    settings(there, Steps=40)
    there.evaluate("window.here = true")
    expect(there.locator(".whose [role=status]").locator("visible=true")).to_contain_text("a run with steps")  # it was answered
    there.context.set_offline(True)
    there.get_by_role("slider", name="Width").press("ArrowLeft")
    said = there.locator(".offline")
    expect(said).to_have_text("No connection to the server. What you asked for is done when it is back.")
    if restarted:
        there.route("**/app_id", lambda route: route.fulfill(json={"app_id": 1}))
    there.context.set_offline(False)
    if restarted:  # it knows nothing of this page
        there.wait_for_function("!window.here")
    else:
        expect(said).to_be_empty()
        ended(there)
        press(there, "Run")
        there.wait_for_url("**/?run=toy*width=48*steps=40*")
        ended(there)
        assert there.evaluate("here")
        expect(labelled(there, "Steps")).to_have_value("40")
        expect(there.get_by_role("button", name="Unpin", exact=True)).to_be_visible()
    there.close()


def test_panels_out_of_sight_wait_while_a_run_goes_on_and_have_its_end(page, server):  # noqa: F811
    visit(page, server)
    page.locator(".dial.is-rich").wait_for()
    page.evaluate(
        """async address => {
        const { PANELS } = await import(new URL(`${address}/panels.js`, document.baseURI));
        window.drawn = {};
        for (const [name, draw] of Object.entries(PANELS))
          PANELS[name] = (...all) => { drawn[name] = (drawn[name] ?? 0) + 1; draw(...all); }; }""",
        address(),
    )
    settings(page, Steps=200, Measure_every=2)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(1500)
    page.evaluate("drawn = {}")
    page.locator("#toy-transport [data-do=run]").evaluate("button => button.click()")
    ended(page)
    drawn = page.evaluate("drawn")
    assert drawn["layers"] < drawn["dial"] / 2, drawn
    expect(page.locator("#toy-transport")).to_contain_text("step 200 of 200")
    expect(page.locator(".v-time output").locator("visible=true")).to_contain_text("step 200, newest")
