"""The tabs in Chromium, against the app in its own process."""

import base64
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from PIL import Image

from regime.ui.screens.train import ALPHAS

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
if not Path(CHROMIUM).exists():
    pytest.skip(f"there is no Chromium at {CHROMIUM}", allow_module_level=True)

expect = sync_api.expect
expect.set_options(timeout=20_000)  # a busy machine is slow, and what is waited for does come
MINUTES = 120_000
LONG = 20_000
"""Steps that take a while, though the first measurement comes at once."""
WINDOW = {"width": 1440, "height": 900}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        # a page of the network may not show one of this machine, unless Chromium is told that it may
        arguments = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(browser):
    """What all pages of a file are opened in, so that scripts are fetched once."""
    context = browser.new_context(viewport=WINDOW)
    yield context
    context.close()


@contextmanager
def watched(pages):
    """A page that must stay without console errors and ask nobody but this machine.

    It is one that an earlier test has left, if there is one, with nothing of that test in it: to compile the scripts anew is
    half of what it takes to load a page.
    """
    page = next((each for each in pages.pages if each.url == "about:blank"), None) or pages.new_page()
    errors, hosts = [], set()
    # Gradio asks how far an upload is, also where it has ended
    bad = lambda told: told.type == "error" and "/upload_progress?" not in str(told.location)  # noqa: E731
    heard = {
        "console": lambda told: errors.append(told.text) if bad(told) else None,
        "pageerror": lambda error: errors.append(str(error)) if str(error) != "Response" else None,
        "request": lambda request: hosts.add(urlsplit(request.url).hostname),
    }
    for event, hear in heard.items():
        page.on(event, hear)
    yield page
    forget(page)
    for event, hear in heard.items():
        page.remove_listener(event, hear)
    leave(page)
    assert errors == []
    assert hosts - {None} == {"127.0.0.1"}


def leave(page):
    """Empty a page for the test that takes it next."""
    if page.is_closed():
        return
    page.unroute_all(behavior="ignoreErrors")
    page.mouse.move(0, 0)
    page.goto("about:blank")
    if page.viewport_size != WINDOW:
        page.set_viewport_size(WINDOW)


@pytest.fixture
def page(pages):
    with watched(pages) as page:
        yield page


@pytest.fixture(scope="module")
def first(pages, server):
    """The first screen, for tests that leave it as it is."""
    with watched(pages) as page:
        visit(page, server)
        yield page


def forget(page):
    """Clear what the page has kept in the browser for the pages that follow it."""
    address = urlsplit(page.url)
    if page.is_closed() or not address.netloc:
        return
    kept = {"origin": f"{address.scheme}://{address.netloc}", "storageTypes": "cookies,local_storage"}
    session = page.context.new_cdp_session(page)
    session.send("Storage.clearDataForOrigin", kept)
    session.detach()


def visit(page, server, tab="Train", query=""):
    page.goto(server.url + query)
    page.get_by_role("tab", name=tab, exact=True).click()
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()


def labelled(page, name):
    """The input of that name in the tab that is shown."""
    return page.get_by_label(name, exact=True).locator("visible=true")


def settings(page, **fields):
    page.locator(".all-settings:visible .label-wrap").filter(has_text="All settings").click()
    for label, value in fields.items():
        labelled(page, label.replace("_", " ")).fill(str(value))


def no_sideways_scroll(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def reach(page, panel, name):
    """The share of a chart's width up to which its curve of a color goes; 0 where there is none."""
    return page.evaluate(
        """([panel, name]) => {
        const plot = document.querySelector(panel + ' canvas'), over = document.querySelector(panel + ' .u-over');
        const pen = document.createElement('canvas').getContext('2d'), all = plot.getContext('2d');
        pen.fillStyle = getComputedStyle(document.body).getPropertyValue(name);
        pen.fillRect(0, 0, 1, 1);
        const want = pen.getImageData(0, 0, 1, 1).data, {data, width} = all.getImageData(0, 0, plot.width, plot.height);
        let most = 0;
        const drawn = k => [0, 1, 2].every(c => Math.abs(want[c] - data[4 * k + c]) < 12);
        for (let k = 0; k < data.length / 4; k++) if (data[4 * k + 3] > 100 && drawn(k)) most = Math.max(most, k % width);
        const left = over.getBoundingClientRect().left - plot.getBoundingClientRect().left;
        return Math.max(0, (most / devicePixelRatio - left) / over.clientWidth);
    }""",
        [panel, name],
    )


def test_the_first_screen_shows_a_finished_run(first):
    page = first
    expect(page.locator("#toy-transport")).to_contain_text("finished in")
    expect(page.locator(".dial .word").first).to_have_text("Rich")
    expect(page.locator(".pictures canvas")).to_have_count(4)
    assert page.locator(".v-layers").get_by_role("row").count() == 4
    assert page.locator(".v-outcome").get_by_role("row").count() == 6
    expect(page.locator(".intro").first).to_contain_text("training hardly changes the features")


def test_a_run_reaches_a_verdict_and_offers_its_files(page, server):
    visit(page, server)
    settings(page, Steps=60, Measure_every=20)  # first: what is turned starts a run by itself
    page.get_by_role("radio", name="Sine").check()
    width = page.get_by_role("slider", name="Width")
    width.focus()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    expect(width).to_have_attribute("aria-valuetext", "32")
    page.get_by_role("button", name="Run", exact=True).click()
    page.evaluate("new Promise(requestAnimationFrame)")  # from here on it is hidden until that run has ended
    page.wait_for_url("**task=sine*width=32*")
    expect(page.locator("#toy-transport")).to_contain_text("step 60 of 60", timeout=MINUTES)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible(timeout=MINUTES)
    expect(page.get_by_role("img", name="What each learner computes over the input")).to_be_visible()
    text = take(page, "Layers, CSV").read_text()
    assert text.splitlines()[0].startswith("layer,block,")
    assert len(text.splitlines()) == 7
    expect(page.locator(".cm-content")).to_contain_text("width=32")


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click(timeout=MINUTES)


def pause_when(page, css, said):
    """Have Pause pressed as soon as a part of the page says that: what drives the browser may be too slow for a short run."""
    page.evaluate(
        """([css, said]) => {
        const shown = one => one.textContent.trim() === 'Pause' && !one.disabled && one.checkVisibility();
        const look = () => {
            const pause = [...document.querySelectorAll('button')].find(shown);
            if (pause && new RegExp(said).test(document.querySelector(css)?.textContent)) pause.click();
            else requestAnimationFrame(look);
        };
        look();
    }""",
        [css, said],
    )


def ended(page, tab="toy"):
    """Wait until the run has ended and the page has settled."""
    expect(page.locator(f"#{tab}-transport")).to_contain_text("finished in", timeout=MINUTES)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible(timeout=MINUTES)


def menu(page):
    """The menu of files, open."""
    files = page.locator(".files:visible")
    if not files.locator("details").evaluate("menu => menu.open"):
        files.locator("summary").click()
    return files


def take(page, name):
    """A file from the menu, as the browser saved it."""
    try:
        with page.expect_download(timeout=MINUTES) as download:
            menu(page).get_by_role("button", name=name).click()
    except sync_api.TimeoutError:
        pytest.fail(f"no {name} came; the page says: {page.locator('.files:visible [role=status]').inner_text()}")
    return Path(download.value.path())


def report(page):
    """The report that the page offers, without what depends on the clock."""
    fields = json.loads(take(page, "Report, JSON").read_text())
    del fields["provenance"]["seconds"]
    for event in fields["history"]:
        del event["seconds"], event["seconds_left"]
    return fields


def running(page):
    expect(page.locator(".standing").first).to_contain_text("so far", timeout=MINUTES)


def test_pause_keeps_what_was_reached_and_computes_nothing_until_a_turned_control_makes_the_next_run_a_new_one(page, server):
    visit(page, server)
    settings(page, Steps=LONG, Measure_every=200)
    press(page, "Run")
    running(page)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_hidden()
    press(page, "Pause")
    expect(page.locator(".standing").first).to_contain_text("paused; measured at step", timeout=MINUTES)
    expect(page.get_by_role("button", name="Continue", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_hidden()
    reached = page.locator("#toy-transport .progress").inner_text()
    assert server.rests(within=0)
    assert page.locator("#toy-transport .progress").inner_text() == reached
    labelled(page, "Steps").fill("30")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible(timeout=MINUTES)
    labelled(page, "Measure every").fill("10")
    press(page, "Run")
    expect(page.locator("#toy-transport")).to_contain_text("step 30 of 30", timeout=MINUTES)


def test_a_run_paused_stepped_and_continued_ends_with_the_numbers_of_one_that_was_not(page, server):
    visit(page, server)
    settings(page, Steps=960, Measure_every=20)
    press(page, "Run")
    expect(page.locator("#toy-transport")).to_contain_text("step 960 of 960", timeout=MINUTES)
    ended(page)
    want = report(page)
    press(page, "Reset")
    expect(page.locator("#toy-transport")).to_contain_text("step 0 of 960", timeout=MINUTES)
    expect(page.get_by_role("button", name="Continue", exact=True)).to_be_visible(timeout=MINUTES)
    assert reach(page, ".v-loss", "--twin") > 0.95, "the twin's future, before the first step"
    assert reach(page, ".v-loss", "--net") < 0.05
    for step in (20, 40):
        press(page, "Step")
        expect(page.locator("#toy-transport")).to_contain_text(f"step {step} of 960", timeout=MINUTES)
        expect(page.get_by_role("button", name="Continue", exact=True)).to_be_visible(timeout=MINUTES)
    pause_when(page, "#toy-transport", r"step ([6-9]\d|\d{3}) of 960")
    press(page, "Continue")
    expect(page.locator("#toy-transport")).to_contain_text("paused", timeout=MINUTES)
    press(page, "Continue")
    ended(page)
    assert report(page) == want


def test_presets_run_to_their_verdicts_the_catapult_below_two_and_two_runs_with_the_first_pinned(page, server):
    """Each verdict once; those of the other presets are in tests/ui/test_presets.py."""
    visit(page, server)
    for name, verdict in {"Large alpha": "Lazy", "Rich wins: parity": "Rich"}.items():
        press(page, name)
        expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#toy-transport")).not_to_contain_text("finished")
        ended(page)
        expect(page.locator(".dial .word").first).to_have_text(verdict)
        expect(page.locator(".story")).to_contain_text(verdict.lower())
        page.get_by_role("slider", name="Width").press("ArrowRight")
        expect(page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "false")
    press(page, "Catapult")
    expect(page.get_by_role("button", name="Catapult", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#toy-transport")).not_to_contain_text("finished")
    ended(page)
    expect(page.locator("#toy-learning-rate-input")).to_have_value("1.29")
    product = page.locator(".step-size")
    expect(product.locator("output")).to_have_text(re.compile(r"^[23](\.\d+)?$"), timeout=MINUTES)  # told after the run began
    expect(product.locator(".ends")).to_have_text(re.compile(r"in the run: [01](\.\d+)?\."))
    pause_when(page, ".v-compare", "Bottleneck: none[^]*mixed")
    press(page, "Bottleneck")
    expect(page.locator(".v-compare").first).to_contain_text("Bottleneck: none", timeout=MINUTES)
    expect(page.locator(".v-compare").first).to_contain_text("mixed")
    expect(page.locator("#toy-transport")).to_contain_text("paused", timeout=MINUTES)


def test_a_pinned_run_stays_beside_the_next_until_it_is_unpinned(page, server):
    visit(page, server)
    settings(page, Steps=20)
    press(page, "Pin")
    expect(page.get_by_role("button", name="Unpin", exact=True)).to_be_visible()
    page.get_by_role("slider", name="Output scale").fill(str(ALPHAS.index(5.0)))
    page.locator("#toy-learning-rate-input").fill("0.1")  # so that its path is another
    press(page, "Run")
    page.wait_for_url("**learning_rate=0.1**")  # not the run that the turned scale has started by itself
    ended(page)
    expect(page.locator("#toy-transport")).to_contain_text("step 20 of 20", timeout=MINUTES)
    expect(page.locator(".v-compare").first).to_contain_text("Output scale \u03b1: 0.1 \u2192 5")
    assert reach(page, ".v-loss", "--pinned") > 0.95
    press(page, "Unpin")
    expect(page.get_by_role("button", name="Pin", exact=True)).to_be_visible()
    expect(page.locator(".v-compare").first).not_to_contain_text("Output scale")


def test_turning_the_step_size_shows_its_product_with_the_eigenvalue_at_once(page, server):
    visit(page, server)
    settings(page, Steps=20)  # a change starts a run by itself
    step = page.get_by_role("slider", name="Step size")
    expect(step).to_have_attribute("aria-valuetext", "0.25")
    for _ in range(12):
        step.press("ArrowRight")
    expect(step).to_have_attribute("aria-valuetext", "2")
    rate = float(page.locator("#toy-learning-rate-input").input_value())
    page.get_by_role("radio", name="Adam").or_(page.get_by_role("slider", name="Width")).first.press("ArrowRight")
    page.wait_for_timeout(1500)
    assert float(page.locator("#toy-learning-rate-input").input_value()) == rate
    assert float(step.get_attribute("aria-valuetext")) == pytest.approx(2, rel=0.5)
    page.locator("#toy-learning-rate-input").fill("")
    expect(step).to_have_attribute("aria-valuetext", "0.25")


def test_a_permalink_restores_controls_and_numbers_in_a_new_page(page, pages, server):
    visit(page, server)
    settings(page, Steps=60, Samples=32, Held_out=32, Probe_samples=24, Seed=11, Step_size=0.05)
    page.get_by_role("radio", name="XOR").check()
    page.get_by_role("slider", name="Width").press("ArrowLeft")
    page.get_by_role("radio", name="erf").check()
    press(page, "Run")
    page.wait_for_url("**/?run=toy*seed=11*")  # before, it is the shipped run that is shown as finished
    expect(page.locator("#toy-transport")).to_contain_text("step 60 of 60", timeout=MINUTES)
    ended(page)
    want = report(page)
    other = pages.new_page()
    other.goto(page.url)
    expect(other.locator("#toy-transport")).to_contain_text("step 0 of 60", timeout=MINUTES)
    expect(other.get_by_role("radio", name="XOR")).to_be_checked()
    expect(other.get_by_role("slider", name="Width")).to_have_attribute("aria-valuetext", "48")
    settings(other)
    expect(other.locator("#toy-seed-input")).to_have_value("11")
    expect(other.locator("#toy-learning-rate-input")).to_have_value("0.05")
    expect(other.get_by_role("radio", name="erf")).to_be_checked()
    press(other, "Continue")
    ended(other)
    assert report(other) == want
    other.close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?run=toy&task=<script>alert(1)</script>", "task = '<script>alert(1)</script>' is not allowed"),
        ("?run=<img src=x onerror=alert(1)>", "run = '<img src=x onerror=alert(1)>' is not allowed"),
        ("?tab=<img src=x onerror=alert(1)>", "tab = '<img src=x onerror=alert(1)>' is not allowed"),
        ("?run=toy&steps=" + "9" * 5000, "steps = "),
    ],
)
def test_a_hostile_query_is_named_and_harms_nothing(page, server, query, said):
    page.on("dialog", lambda dialog: pytest.fail(f"the page opened a dialog: {dialog.message}"))
    visit(page, server, query=query)
    expect(page.get_by_test_id("toast-body")).to_contain_text(f"This link cannot be followed: {said}")
    expect(page.locator("#toy-transport")).to_contain_text("finished in")
    expect(page.get_by_role("slider", name="Width")).to_have_attribute("aria-valuetext", "64")
    expect(page.locator(".dial .word").first).to_have_text("Rich")


def test_a_new_seed_starts_other_networks_whose_exports_open_and_whose_snippet_runs(page, server):
    """On so small a run the server tries its advice."""
    visit(page, server)
    page.get_by_role("radio", name="XOR").check()
    settings(page, Steps=20, Samples=16, Held_out=16, Probe_samples=16)
    page.get_by_role("slider", name="Output scale").fill(str(ALPHAS.index(15.0)))
    press(page, "New seed")
    expect(page.locator("#toy-seed-input")).to_have_value("4")
    expect(page.locator("#toy-transport")).to_contain_text("step 20 of 20", timeout=MINUTES)
    ended(page)
    expect(page.locator(".cm-content")).to_contain_text("seed=4")
    loaded = report(page)
    assert (loaded["config"]["steps"], loaded["config"]["seed"]) == (20, 4)
    assert [advice for advice in loaded["verdict"]["advice"] if "when tried" in advice] == loaded["verdict"]["advice"] != []
    for name, opens in (("Figure, PNG", lambda path: Image.open(path).verify()), ("Figure, SVG", ElementTree.parse)):
        opens(take(page, name))
    code = "\n".join(page.locator(".cm-line").all_inner_texts())
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.startswith(loaded["verdict"]["label"])


def folders(server):
    """What was made for downloads so far."""
    return set(server.cache.glob("regime-*"))


def test_files_are_made_when_they_are_asked_for(page, server):
    """Of the shipped run, of a paused one and of a finished one; by keyboard, on a phone."""
    page.set_viewport_size({"width": 375, "height": 800})
    before = folders(server)
    visit(page, server)
    page.locator(".files:visible summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "report.json"
    assert json.loads(Path(download.value.path()).read_text())["config"]["alpha"] == 0.1
    expect(page.get_by_role("link", name="report.json")).to_be_visible()
    assert no_sideways_scroll(page)
    menu(page).get_by_role("button", name="Kernels").click()
    expect(page.locator(".files:visible [role=status]")).to_contain_text("kernels are not shipped")
    settings(page, Steps=LONG, Measure_every=200)
    press(page, "Run")
    running(page)
    expect(page.locator(".files:visible [role=status]")).to_have_text("")
    menu(page).get_by_role("button", name="Report, JSON").click()
    expect(page.locator(".files:visible [role=status]")).to_have_text(re.compile("still going on: pause it"))
    press(page, "Pause")
    expect(page.get_by_role("button", name="Continue", exact=True)).to_be_visible(timeout=MINUTES)
    assert len(folders(server) - before) == 1
    assert report(page)["interrupted"].startswith("at step ")
    assert take(page, "Kernels").stat().st_size > 1000
    labelled(page, "Steps").fill("20")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()
    press(page, "Run")
    expect(page.locator("#toy-transport")).to_contain_text("step 20 of 20", timeout=MINUTES)
    ended(page)
    assert len(folders(server) - before) == 3
    assert report(page)["interrupted"] is None


def copied(page, button):
    press(page, button)
    expect(page.locator(".link:visible [role=status]")).to_have_text("Copied")
    return page.evaluate("navigator.clipboard.readText()")


def test_the_link_is_copied_and_an_iframe_of_it_works(browser, server):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    visit(page, server, query="?hide=depth,seeds")
    assert copied(page, "Copy link") == f"{server.url}?run=toy&width=64&alpha=0.1&hide=depth%2Cseeds"
    page.route(server.url + "article", lambda route: route.fulfill(body=snippet, content_type="text/html"))
    snippet = copied(page, "Embed")
    page.goto(server.url + "article")
    inside = page.frame_locator("iframe[title='Lazy or rich?']")
    expect(inside.locator("#toy-transport")).to_contain_text("step 0 of 400", timeout=MINUTES)
    expect(inside.get_by_role("tab")).to_have_text(["Train"])
    expect(inside.locator("#toy-depth")).to_be_hidden()
    context.close()


def test_an_embedded_page_is_one_tab_without_its_surroundings(page, server):
    """Its links keep that, and what a press on a cell opens has a way back."""
    page.goto(server.url + "?embed=1&hide=depth,learning_rate&run=sweep")
    expect(page.locator("#sweep-transport")).to_contain_text("cell 0 of 16", timeout=MINUTES)
    expect(page.get_by_role("tab")).to_have_text(["Map"])
    for css in (".masthead", ".intro", ".exports", "footer"):
        for part in page.locator(css).all():
            expect(part).to_be_hidden()
    page.locator("#map").get_by_role("gridcell").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#toy-transport")).to_contain_text("step", timeout=MINUTES)
    expect(page.locator("#toy-width")).to_be_visible()
    expect(page.locator("#toy-depth")).to_be_hidden()
    expect(page.locator("#toy-learning-rate")).to_be_hidden()
    page.wait_for_url("**run=toy*")
    assert page.url.endswith("&embed=1&hide=depth%2Clearning_rate")
    press(page, "Pause")
    page.get_by_role("tab", name="Map").click()
    expect(page.locator("#sweep-transport")).to_be_visible()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?embed=<img src=x onerror=alert(1)>", "embed = '<img src=x onerror=alert(1)>' is not allowed; allowed: 1"),
        (
            "?hide=depth,x{}</style><img src=x onerror=alert(1)>",
            "hide = 'x{}</style><img src=x onerror=alert(1)>' is not allowed",
        ),
        ("?hide=transport", "hide = 'transport' is not allowed"),
    ],
)
def test_a_hostile_frame_is_named_and_hides_nothing_else(page, server, query, said):
    page.on("dialog", lambda dialog: pytest.fail(f"the page opened a dialog: {dialog.message}"))
    visit(page, server, query=query)
    expect(page.get_by_test_id("toast-body")).to_contain_text(said)
    expect(page.locator("#toy-transport")).to_be_visible()
    expect(page.locator("#toy-depth")).to_be_visible(visible="depth" not in query)
    expect(page.locator(".masthead")).to_be_visible()
    assert page.locator("head img, head style img").count() == 0


@pytest.mark.parametrize("host", ["https://huggingface.co", "https://example.org"])
def test_only_the_hub_is_told_the_address_of_a_page_in_its_iframe(pages, server, host):
    parent = f"""<script>told = []; addEventListener('message', event => told.push([event.origin, event.data]))</script>
    <iframe src="{server.url}?hide=depth&__theme=light" width="1400" height="900"></iframe>"""
    page = pages.new_page()
    page.route(f"{host}/**", lambda route: route.fulfill(body=parent, content_type="text/html"))
    page.goto(f"{host}/spaces/some/one")
    inside = page.frames[1]
    settings(inside, Steps=20)
    inside.get_by_role("button", name="Run", exact=True).click()
    inside.wait_for_url("**steps=20*")
    expect(inside.locator("#toy-transport")).to_contain_text("finished in", timeout=MINUTES)
    told = [entry for entry in page.evaluate("told") if "queryString" in entry[1]]
    query = {"queryString": "run=toy&width=64&alpha=0.1&steps=20&hide=depth"}
    assert told == ([[server.url.rstrip("/"), query]] if "huggingface" in host else [])
    inside.get_by_role("button", name="Copy link").click()  # which may not write to the clipboard from there
    expect(inside.get_by_label("Copy this")).to_have_value(server.url + "?" + query["queryString"])
    page.close()


def test_a_press_on_a_term_opens_its_definition(first):
    page = first
    page.get_by_role("button", name="linearized twin").first.click()
    expect(page.locator("#term-twin")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#term-twin")).to_be_hidden()
    dangling = page.evaluate(
        """() => [...document.querySelectorAll('[popovertarget]')]
        .filter(e => !document.getElementById(e.getAttribute('popovertarget'))).length"""
    )
    assert dangling == 0


def test_the_keyboard_reaches_everything_in_reading_order(first):
    """Tab order: presets, then the form, then the transport; and every input has a name."""
    page, seen = first, []
    page.evaluate("document.activeElement.blur()")
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("(e => e.closest('label')?.innerText || e.innerText || e.id)(document.activeElement)"))
    order = ["Very wide", "Copy link", "Rings", "toy-width-range", "toy-alpha-range", "toy-rate-range", "Run", "Step", "Pin"]
    places = [seen.index(name) for name in order]
    assert places == sorted(places)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('input, textarea, button')].filter(e => e.checkVisibility())
        .filter(e => !(e.labels?.length || e.ariaLabel || e.title || e.innerText.trim() || e.getAttribute('aria-labelledby')))
        .map(e => e.outerHTML)"""
    )
    assert unnamed == []


def test_a_closed_page_stops_its_run(pages, server):
    page = pages.new_page()
    visit(page, server)
    settings(page, Steps=LONG, Measure_every=200)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".standing").first).to_contain_text("so far", timeout=MINUTES)
    assert server.computes()
    page.close()
    assert server.rests(within=2)


def test_a_bad_field_is_named_and_the_page_recovers(page, server):
    visit(page, server)
    settings(page, Steps=-3)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("Steps = -3 is not allowed")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()
    expect(page.locator("#toy-transport")).to_contain_text("finished in")


def test_what_is_shown_is_what_is_sent(page, server):
    """Also when a value is typed before the control is ready, and after the page has built the control anew."""
    sent = []
    page.on("request", lambda request: sent.append(request.post_data) if "queue/join" in request.url else None)
    visit(page, server)
    page.get_by_role("radio", name="Spirals").check()
    settings(page, Steps=7)
    page.get_by_role("slider", name="Width").fill("3")
    page.locator(".all-settings:visible .label-wrap").last.click()
    page.get_by_role("tab", name="Probe").click()
    page.get_by_role("tab", name="Train", exact=True).click()
    page.locator(".all-settings:visible .label-wrap").last.click()
    expect(page.get_by_role("radio", name="Spirals")).to_be_checked()
    expect(page.get_by_role("slider", name="Width")).to_have_attribute("aria-valuetext", "24")
    expect(page.locator("#toy-steps-input")).to_have_value("7")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#toy-transport")).to_contain_text("step 7 of 7", timeout=MINUTES)
    assert any('"task":"spirals"' in body and '"width":24,' in body for body in sent)


def drop(page, tab, name, data):
    """Drop a file into the part for own rows, which the choice of that task has opened."""
    page.locator(f"#{tab}-task").get_by_role("radio", name="Own rows").check()
    files = page.evaluate_handle(
        """([name, data]) => { const files = new DataTransfer();
        files.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name)); return files; }""",
        [name, base64.b64encode(data).decode()],
    )
    page.locator(f"#{tab}-upload button").dispatch_event("drop", {"dataTransfer": files})


def told(page):
    """What the page says of the rows: what was read, and whatever is wrong."""
    return page.locator(".own-rows:visible")


def marked(page):
    """The head of the target's column in the preview."""
    return page.locator(".preview:visible th.target")


def test_a_file_is_dropped_into_train_read_and_run(page, server):
    visit(page, server)
    expect(page.locator("#toy-csv-input")).to_be_hidden()
    rows = "".join(f"{'ab'[k % 2]};{k % 7},5;{k % 5},25;{k}\n" for k in range(48))
    drop(page, "toy", "rows.data", f"size\xe9;x1;x2;id\n{rows}".encode("latin-1"))
    expect(told(page)).to_contain_text("In doubt: the file is not UTF-8")
    expect(told(page)).to_contain_text("words, such as 'a', are in column 'size\xe9'")
    expect(page.locator(".notice-box .notice.bad:visible")).to_contain_text("Your rows cannot be read: words")
    page.locator("#toy-target-input").fill("1")
    expect(marked(page)).to_contain_text("size\xe9")
    expect(told(page)).to_contain_text("48 rows, 2 inputs: x1, x2. Target size\xe9: 2 classes (a: 24, b: 24).")
    expect(told(page)).to_contain_text("Commas are decimal, as in 0,5")
    expect(page.locator(".notice-box .notice:visible")).to_contain_text("about", timeout=MINUTES)
    settings(page, Steps=4)
    page.get_by_role("slider", name="Width").fill("2")
    for name, count in (("samples", "17"), ("test-samples", "17"), ("probe-samples", "13")):
        expect(page.locator(f"#toy-{name}-input")).to_have_value(count)
    press(page, "Run")
    expect(page.locator("#toy-transport")).to_contain_text("step 4 of 4", timeout=MINUTES)
    expect(page.locator(".pictures canvas")).to_have_count(4)
    expect(page.locator(".cm-content")).to_contain_text('csv="rows.csv"', timeout=MINUTES)
    ended(page)
    page.get_by_role("radio", name="Moons").check()
    press(page, "Run")
    expect(page.locator(".cm-content")).to_contain_text("moons", timeout=MINUTES)
    page.get_by_role("radio", name="Own rows").check()
    expect(page.locator("#toy-target-input")).to_have_value("1")
    expect(marked(page)).to_contain_text("size\xe9")


def test_a_bad_file_is_named_until_its_rows_are_left_out(page, server):
    visit(page, server)
    rows = "".join(f"{k % 7},{'NA' if k in (3, 9) else k % 5},{'ab'[k % 2]}\n" for k in range(60))
    drop(page, "toy", "rows.csv", b"\x00\x01\x89PNG")
    expect(told(page)).to_contain_text("Your rows cannot be read: the file is not UTF-8")
    drop(page, "toy", "large.csv", b"1,2\n" * 300_000)
    expect(told(page)).to_contain_text("the file has 1200000 bytes; allowed: at most 1000000")
    expect(page.locator(".notice-box .notice:visible")).to_have_text("Paste rows or upload a file, under Own rows.")
    drop(page, "toy", "rows.csv", f"x1,<b>,kind\n{rows}".encode())
    bad = page.locator(".own-read:visible .bad")
    expect(bad).to_contain_text("column '<b>': 'NA' counts as missing in rows 5, 11")
    page.get_by_role("slider", name="Width").press("ArrowLeft")
    press(page, "Run")
    expect(page.get_by_test_id("toast-body")).to_contain_text("Your rows cannot be read: column '<b>'")
    expect(bad).to_contain_text("in rows 5, 11")
    page.get_by_role("radio", name="Leave out").locator("visible=true").check()
    expect(told(page)).to_contain_text("2 of 60 rows left out")
    expect(bad).to_be_hidden()
    expect(page.locator(".notice-box .notice:visible")).to_contain_text("about", timeout=MINUTES)


def test_rows_are_pasted_and_their_link_asks_for_them(page, server):
    query = "?run=toy&task=own&target=%222018%22&width=16&steps=3&samples=16&test_samples=16&probe_samples=16&missing=drop"
    page.goto(server.url + query)
    expect(told(page)).to_contain_text("This link holds the settings of a run on somebody's own rows. Bring rows for it")
    expect(page.get_by_test_id("toast-body")).to_contain_text("Bring rows for it")
    expect(page.locator("#toy-target-input")).to_have_value('"2018"')
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()
    expect(page.get_by_role("slider", name="Width")).to_have_attribute("aria-valuetext", "16")
    rows = page.locator("#toy-csv-input")
    rows.fill("2018,2019,2020\n" + "\n".join(f"{'ab'[k % 2]},{k % 7},{k % 5}" for k in range(60)))
    expect(marked(page)).to_have_text("2018target")
    expect(told(page)).not_to_contain_text("This link")
    expect(rows).to_be_focused()
    press(page, "Run")
    expect(page.locator("#toy-transport")).to_contain_text("step 3 of 3", timeout=MINUTES)
    page.wait_for_url("**target=%222018%22*")


def test_settings_of_every_sort_reach_the_run(page, server):
    """By keyboard, one of each sort: a choice, a box to tick, a number, a number left empty, and one emptied again."""
    visit(page, server)
    settings(page, Steps=2, Bottleneck=3, Step_size=0.5)
    page.get_by_role("radio", name="Rings").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Spirals")).to_be_checked()
    page.wait_for_timeout(300)
    labelled(page, "Step size").fill("")
    page.get_by_role("radio", name="NTK").focus()
    page.keyboard.press("ArrowRight")
    box = page.get_by_role("checkbox", name="Centered output")
    expect(box).to_be_checked()
    box.focus()
    page.keyboard.press("Space")
    page.get_by_role("radio", name="Adam").check()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#toy-transport")).to_contain_text("step 2 of 2", timeout=MINUTES)
    for said in ("task='spirals'", "parameterization='standard'", "centered=False", "bottleneck=3", "optimizer='adam'"):
        expect(page.locator(".cm-content")).to_contain_text(said)
    expect(page.locator(".cm-content")).not_to_contain_text("learning_rate")
    expect(page.locator(".pictures")).to_contain_text("No kernel limit with a bottleneck")


def test_dark_mode_reaches_every_text_and_what_belongs_to_the_host_is_no_query_of_ours(page, server):
    visit(page, server, query="?__theme=dark&__sign=abc")
    expect(page.locator("#toy-transport")).to_contain_text("finished in")
    expect(page.get_by_test_id("toast-body")).to_have_count(0)
    for tab in ("Train", "Map", "Probe", "Pretraining"):
        page.get_by_role("tab", name=tab, exact=True).click()
        if tab == "Map":  # whose script fetches what it shows
            page.locator("#map .y-ticks span").first.wait_for()
        else:
            page.locator(".dial:not(.is-blank):visible").first.wait_for()
        dark = page.evaluate(
            """() => [...document.querySelectorAll('.dial, .dial .word, h2, h3, .sub, th, legend, .y-ticks span, .told')]
            .filter(e => e.offsetParent).map(e => {
                const [r, g, b] = getComputedStyle(e).color.match(/\\d+/g).map(Number);
                return [e.className || e.tagName, r + g + b];
            })"""
        )
        assert len(dark) > 10, tab
        assert [name for name, light in dark if light < 300] == [], tab
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 23)", tab


def test_a_phone_needs_no_sideways_scroll(page, server):
    page.set_viewport_size({"width": 375, "height": 800})
    visit(page, server)
    inside = {"Train": "Measure every", "Map": "Further axes", "Probe": "Measure every", "Pretraining": "Examples"}
    for tab, name in inside.items():
        page.get_by_role("tab", name=tab, exact=True).click()
        run = page.get_by_role("button", name="Run", exact=True)
        expect(run).to_be_visible()
        assert no_sideways_scroll(page), tab
        preset = page.locator(".chips:visible [aria-pressed=true]").bounding_box()
        assert 0 <= preset["x"] <= 375 - preset["width"], tab
        story, results = (page.locator(f"{css}:visible").bounding_box() for css in (".story", ".page"))
        assert results["y"] - story["y"] - story["height"] < 60, tab
        settings(page)
        expect(labelled(page, name)).to_be_visible()
        assert no_sideways_scroll(page), tab
        assert run.bounding_box()["height"] >= 40, tab


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


def test_what_is_folded_is_drawn_when_it_is_opened_though_nothing_runs(page, server):
    page.set_viewport_size({"width": 1440, "height": 5000})  # nothing moves into sight or out of it
    visit(page, server, "Probe")
    expect(page.locator("#probe-transport")).to_contain_text("finished in")
    expect(page.locator(".dial:visible:not(.is-blank)").first).to_be_visible()
    page.get_by_text("All layers, by module").click()
    expect(page.locator("table.full tbody tr").first).to_be_visible()


def test_a_probe_runs_to_a_table_of_layers(page, server):
    # by a link: what a run costs is timed anew for every field that is typed
    page.goto(server.url + "?run=probe&steps=2&samples=8&probe_samples=8&max_tokens=8&measure_every=1")
    press(page, "Continue")
    expect(page.locator("#probe-transport")).to_contain_text("step 2 of 2", timeout=MINUTES)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled(timeout=MINUTES)
    page.get_by_text("All layers, by module").click()
    rows = page.locator("table.full tbody tr")
    expect(rows.first).to_be_visible()
    assert rows.count() > 40
    first = rows.first.inner_text()
    page.get_by_role("button", name="Kernel change").click()
    values = page.locator("table.full tbody tr td:nth-child(3)").evaluate_all("cells => cells.map(c => parseFloat(c.title))")
    defined = [value for value in values if value == value]
    assert defined == sorted(defined, reverse=True)
    assert rows.first.inner_text() != first


def test_a_probe_of_a_file_tells_its_cost_stops_and_refuses_what_is_wrong(page, server):
    visit(page, server, "Probe")
    notice = page.locator(".notice-box .notice:visible")
    page.get_by_label("Model", exact=True).locator("visible=true").fill("tiny-bert")
    page.keyboard.press("Enter")
    labelled(page, "Steps").fill("1")
    expect(notice).to_contain_text(re.compile(r"This run: about .+ and [\d.]+ [GM]B here"), timeout=MINUTES)
    rows = "".join(f'"{w}, number {k}";{w};{k % 4}\n' for k in range(12) for w in ("yes", "no", "maybe"))
    drop(page, "probe", "rows.tsv", f"body;word;stars\n{rows}".encode("utf-16"))
    expect(told(page)).to_contain_text("36 rows, 1 input: body. Target stars: 4 classes")
    page.locator("#probe-target-input").fill("word")
    expect(marked(page)).to_contain_text("word")
    expect(told(page)).to_contain_text("3 classes (maybe: 12, no: 12, yes: 12)")
    expect(notice).to_contain_text("This run: about", timeout=MINUTES)
    settings(page, Tokens=8, Measure_every=1)
    press(page, "Run")
    expect(page.locator("#probe-transport")).to_contain_text("step 1 of 1", timeout=MINUTES)
    ended(page, "probe")
    labelled(page, "Steps").fill("500")
    labelled(page, "Measure every").fill("100")
    pause_when(page, "#probe-transport", "of 500")
    press(page, "Run")
    expect(page.locator("#probe-transport")).to_contain_text("paused", timeout=MINUTES)
    expect(page.get_by_role("button", name="Continue", exact=True)).to_be_visible(timeout=MINUTES)
    page.locator("#probe-texts-input").fill("only,one\nlabel,one")
    expect(notice).to_contain_text("Your rows cannot be read: Target = 'word' names no column", timeout=MINUTES)
    page.locator("#probe-target-input").fill("")
    expect(notice).to_contain_text("Your rows cannot be read: its target has one value only", timeout=MINUTES)


def test_checkpoints_are_measured_and_two_models_compared(page, server):
    visit(page, server, "Pretraining")
    expect(page.locator(".v-blocks:visible").first).to_contain_text("Word embedding")
    settings(page, Examples=16)
    page.get_by_label("Revisions, in order").fill("step-00200, step-02600")
    press(page, "Run")
    transport = page.locator("#checkpoints-transport")
    expect(transport).to_contain_text("step 2600 of 2600", timeout=MINUTES)
    expect(transport).to_contain_text("finished in", timeout=MINUTES)
    expect(page.locator(".v-blocks:visible td.regime").first).to_have_text("rich")
    page.wait_for_url("**revisions=*")
    page.get_by_label("Revisions, in order").fill("step-00200, nowhere")
    press(page, "Run")
    expect(page.locator("[data-testid=toast-body]").first).to_contain_text(
        "Revision = 'nowhere' is not allowed", timeout=MINUTES
    )
    page.get_by_role("tab", name="Probe").click()
    page.locator(".all-settings:visible .label-wrap").filter(has_text="Compare two models").click()
    page.get_by_label("Before", exact=True).fill("tiny-bert")
    page.get_by_label("After", exact=True).fill("tiny-bert")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("tab", name="Pretraining")).to_have_attribute("aria-selected", "true", timeout=MINUTES)
    expect(page.get_by_label("Model", exact=True).last).to_have_value("tiny-bert")
    expect(transport).to_contain_text("step 1 of 1", timeout=MINUTES)


def cell(page, column, row, columns=12, rows=12):
    """The middle of a cell of the map on the screen, counted from the upper left."""
    area = page.locator("#map .cells")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    return box["x"] + (column + 0.5) / columns * box["width"], box["y"] + (row + 0.5) / rows * box["height"]


def color(page, column, row):
    """A cell's color beside its middle, where no line is."""
    return page.locator("#map canvas").evaluate(
        """(canvas, [column, row]) => [...canvas.getContext('2d').getImageData(
            (column + 0.2) / 12 * canvas.width, (row + 0.2) / 12 * canvas.height, 1, 1).data].join()""",
        [column, row],
    )


def cells(page, there=True):
    """The rows of the map's table whose cell is there."""
    rows = page.locator("#map .map-table tbody tr")
    return rows.filter(**{"has_not_text" if there else "has_text": "not run yet"})


def open_table(page):
    page.get_by_text("Cells as a table").click()


def small_map(page, server, query="", steps=400):
    """A map of twelve cells that takes some seconds, in the form."""
    visit(page, server, tab="Map", query=query)
    page.locator("#sweep-across-values input").fill("8, 16, 24, 32")
    page.locator("#sweep-up-values input").fill("0.25, 1, 4")
    page.locator(".all-settings:visible .label-wrap").filter(has_text="All settings").click()
    page.locator("#sweep-steps input").fill(str(steps))
    page.locator("#sweep-samples input").fill("32")
    page.get_by_role("radio", name="2", exact=True).locator("visible=true").first.check()
    expect(page.locator(".notice:visible")).to_contain_text("12 cells, 2 seeds each", timeout=MINUTES)


def test_the_first_map_is_a_finished_one(page, server):
    visit(page, server, tab="Map")
    expect(page.locator("#sweep-transport")).to_contain_text("cell 144 of 144")
    grid = page.locator("#map").get_by_role("grid")
    for name in ("row", "col"):
        expect(grid).to_have_attribute(f"aria-{name}count", "12")
    expect(page.locator("#map .map-legend")).to_contain_text("No verdict")
    expect(page.locator("#map .map-legend")).not_to_contain_text("Not run yet")
    open_table(page)
    expect(cells(page)).to_have_count(20)
    expect(page.locator("#map .total")).to_have_text("of 8")
    page.get_by_label("Page", exact=True).fill("8")
    page.get_by_label("Page", exact=True).press("Enter")
    expect(cells(page)).to_have_count(4)
    assert cells(page, there=False).count() == 0
    assert page.locator("#map .lines .contour").count() >= 2
    assert page.locator("#map .lines .expected").count() >= 1
    expect(page.locator(".v-laws").first).to_contain_text("Boundary: output scale")
    expect(page.locator("#map .x-ticks span")).to_have_text(["20", "50", "100", "200", "500"])
    wide, narrow = (11, 0), (0, 11)
    page.mouse.move(*cell(page, *wide))
    expect(page.locator("#map .told")).to_contain_text("Width 512, Output scale \u03b1 16: lazy. Regime 0")
    page.mouse.move(*cell(page, *narrow))
    expect(page.locator("#map .told")).to_contain_text("Width 16, Output scale \u03b1 0.0625: rich. Regime")
    expect(page.locator("#map .told")).to_contain_text("Kernel change")
    before = [color(page, *place) for place in (wide, narrow)]
    assert before[0] != before[1]
    page.get_by_label("Color by").select_option("Held-out loss")
    assert color(page, *wide) != before[0]


def test_a_map_fills_in_stops_goes_on_without_its_tab_and_is_exported(page, pages, server):
    small_map(page, server, steps=400)
    open_table(page)
    pause_when(page, "#sweep-transport", r"cell [1-9]\d* of 12")
    press(page, "Run")
    expect(page.locator("#map .map-legend")).to_contain_text("Not run yet", timeout=MINUTES)
    expect(cells(page).first).to_be_attached(timeout=MINUTES)
    expect(page.get_by_role("button", name="Continue", exact=True)).to_be_visible(timeout=MINUTES)
    expect(page.locator("#map .map-table tbody tr")).to_have_count(12)
    there = cells(page).count()
    assert 0 < there <= 12
    assert server.rests(within=1)
    press(page, "Continue")
    page.wait_for_url("**run=sweep*")
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.locator("#map")).to_be_hidden()
    expect(page).to_have_url(server.url)  # a copied link opens what is seen
    page.get_by_role("tab", name="Learn", exact=True).click()
    expect(page).to_have_url(server.url + "?tab=learn")
    page.wait_for_timeout(2000)  # frames that nothing takes
    page.get_by_role("tab", name="Map", exact=True).click()
    page.wait_for_url("**run=sweep*")
    ended(page, "sweep")
    expect(page.locator("#sweep-transport")).to_contain_text("cell 12 of 12")
    open_table(page)
    expect(cells(page)).to_have_count(12)
    expect(page.locator("#map .map-legend")).not_to_contain_text("Not run yet")
    rows = take(page, "Cells, CSV").read_text().splitlines()
    assert len(rows) == 13
    assert rows[0].startswith("width,alpha,status,")
    expect(page.locator(".cm-content:visible")).to_contain_text("regime.SweepConfig(base=regime.ToyConfig(")
    page.wait_for_url("**run=sweep*")
    link = page.url
    other = pages.new_page()
    other.goto(link)
    expect(other.locator("#sweep-across-values input")).to_have_value("8, 16, 24, 32")
    settings(other)
    expect(other.locator("#sweep-steps input")).to_have_value("400")
    open_table(other)
    expect(cells(other)).to_have_count(12, timeout=MINUTES)  # the server still has them
    other.close()


def test_a_map_is_reached_by_keyboard_and_its_cells_open_in_train(page, server):
    visit(page, server, tab="Map")
    expect(page.locator("#map .map-legend")).to_contain_text("No verdict")
    focus = page.locator("#map").get_by_role("gridcell")
    expect(focus).to_have_count(1)
    page.get_by_label("Color by").focus()
    page.keyboard.press("Tab")
    expect(focus).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(focus).to_be_focused()
    assert [focus.get_attribute("aria-colindex"), focus.locator("..").get_attribute("aria-rowindex")] == ["2", "2"]
    expect(page.locator("#map .told")).to_contain_text("Width 22")
    assert focus.get_attribute("aria-label") == page.locator("#map .told").inner_text()
    page.keyboard.press("Tab")
    expect(focus).not_to_be_focused()
    assert page.locator("#map .cells button:focus").count() == 0
    page.keyboard.press("Shift+Tab")
    expect(focus).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Train", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("slider", name="Width")).to_have_attribute("aria-valuetext", "22", timeout=15_000)
    page.get_by_role("tab", name="Map", exact=True).click()  # the map is built anew, and is still there
    expect(page.locator("#map .map-legend")).to_contain_text("No verdict")
    page.mouse.click(*cell(page, 0, 11))
    expect(page.get_by_role("tab", name="Train", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("slider", name="Width")).to_have_attribute("aria-valuetext", "16", timeout=15_000)
    page.wait_for_url("**width=16*")
    assert "alpha=0.0625" in page.url
    expect(page.locator("#toy-transport")).to_contain_text("step 300 of 300", timeout=MINUTES)
    ended(page)
    expect(page.locator(".dial .word").first).to_have_text("Rich")


def test_a_link_with_a_value_that_no_choice_has_keeps_it(page, server):
    page.goto(server.url + "?run=toy&width=16&seeds=3&steps=20")
    expect(page.locator("#toy-transport")).to_contain_text("step 0 of 20", timeout=MINUTES)
    press(page, "Continue")
    ended(page)
    expect(page.locator(".cm-content:visible")).to_contain_text("seeds=3")
    page.get_by_role("radio", name="4", exact=True).locator("visible=true").last.check()
    press(page, "Run")
    expect(page.locator(".cm-content:visible")).not_to_contain_text("seeds=3", timeout=MINUTES)
    ended(page)


def test_a_bad_map_is_named_before_it_runs(page, server):
    small_map(page, server)
    page.locator("#sweep-up-values input").fill("0 to 4 in 3")
    expect(page.locator(".notice.bad:visible")).to_contain_text(
        "Output scale \u03b1 = '0 to 4 in 3' is not allowed", timeout=MINUTES
    )
    page.locator("#sweep-up-values input").fill("1 to 900 in 1000")
    page.locator("#sweep-across-values input").fill("1 to 5000 in 1000")
    expect(page.locator(".notice.bad:visible")).to_contain_text("cells, about", timeout=MINUTES)
    page.locator("#sweep-across-values input").fill("8")
    page.locator("#sweep-up-values input").fill("1, 2")
    expect(page.locator(".notice:visible")).to_contain_text("2 cells", timeout=MINUTES)


def test_results_of_other_settings_are_dimmed_at_once_and_say_whose_they_are(page, server):
    page.goto(server.url + "?run=toy&steps=6000&samples=64")  # too long to start by itself
    expect(page.locator("#toy-transport")).to_contain_text("step 0 of 6000", timeout=MINUTES)
    screen, line = page.locator(".tabitem:visible"), page.locator(".whose:visible p")
    expect(line).to_have_text("")
    assert "stale" not in screen.get_attribute("class")
    width = page.get_by_role("slider", name="Width")
    width.focus()
    watched = """() => {
      const slider = document.querySelector('#toy-width-range'), screen = slider.closest('.tabitem');
      window.dimmed = undefined;
      slider.addEventListener('input', () => {
        const start = performance.now();
        const look = () => {
          if (screen.classList.contains('stale')) window.dimmed = performance.now() - start;
          else requestAnimationFrame(look);
        };
        look();
      }, {once: true});
    }"""
    took = []
    for key in ("ArrowLeft", "ArrowRight", "ArrowLeft"):  # the fastest of three: a busy machine may hold up one
        page.evaluate(watched)
        page.keyboard.press(key)
        page.wait_for_function("window.dimmed !== undefined")
        took.append(page.evaluate("window.dimmed"))
        if key == "ArrowRight":
            expect(line).to_have_text("")
            expect(screen).not_to_have_class(re.compile(r"\bstale\b"))
        else:
            expect(line).to_contain_text("These results are of a run with width ")
    assert min(took) < 200
    page.wait_for_function("getComputedStyle(document.querySelector('.v-loss')).opacity === '0.5'")
    page.keyboard.press("ArrowRight")
    expect(line).to_have_text("")
    expect(screen).not_to_have_class(re.compile(r"\bstale\b"))
    settings(page, Weight_scale=-1)
    expect(line).to_have_text("These results are of settings from before: the form has an error.")
    expect(screen).to_have_class(re.compile(r"\bstale\b"))


def test_a_run_without_a_verdict_offers_more_seeds(page, server):
    page.goto(server.url + "?run=toy&width=64&steps=60&measure_every=30&seeds=2&samples=64")
    expect(page.locator("#toy-transport")).to_contain_text("step 0 of 60", timeout=MINUTES)
    more = page.get_by_role("button", name="Add seeds", exact=True)
    expect(more).to_be_hidden()
    press(page, "Continue")
    ended(page)
    expect(page.locator(".dial .word").first).to_have_text("No verdict")
    more.click()
    expect(page.locator(".dial .standing").first).not_to_contain_text("of 2 seeds", timeout=MINUTES)


def test_a_run_that_has_not_learned_does_not_offer_seeds_which_would_not_settle_it(page, server):
    page.goto(server.url + "?run=toy&width=64&steps=2&measure_every=1&seeds=2&samples=64")
    expect(page.locator("#toy-transport")).to_contain_text("step 0 of 2", timeout=MINUTES)
    press(page, "Continue")
    ended(page)
    expect(page.locator(".dial .standing").first).to_have_text("not learned yet")
    expect(page.get_by_role("button", name="Add seeds", exact=True)).to_be_hidden()
