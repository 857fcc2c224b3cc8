"""Features on the page, in Chromium: the numbers that are shown are those of the run's events."""

import math
import re

import pytest

import regime
from regime.config import ProbeConfig, ToyConfig
from regime.record.packing import unpack
from regime.ui.text import RAISED
from tests.ui.test_browser import (  # noqa: F401
    MINUTES,
    browser,
    ended,
    expect,
    labelled,
    no_sideways_scroll,
    page,
    pages,
    press,
    report,
    settings,
    visit,
)

ROUNDED = 0.07
"""Relative error of what is shown: two digits, of bytes."""
TOY = {"width": 16, "depth": 2, "steps": 12, "measure_every": 4, "seeds": 1, "samples": 32, "probe_samples": 16, "alpha": 0.2}
HOSTILE = "<img src=x onerror=alert(1)>`${1}"


def views(config):
    """Run a configuration here; return the views of its start and of its measurements."""
    events = [event for event in regime.stream(config) if event.kind in ("started", "measured")]
    return events[0].view, [event.view for event in events[1:]]


def opened(page, server, **fields):  # noqa: F811
    """Run a configuration of a link to its end."""
    query = "&".join(f"{name}={value}" for name, value in fields.items())
    page.goto(f"{server.url}?run=toy&{query}")
    page.get_by_role("button", name="Continue", exact=True).click(timeout=MINUTES)
    ended(page)


def numbers(text):
    """The numbers in a text, as the page writes them."""
    plain = (
        text.replace("\N{MINUS SIGN}", "-")
        .replace("\xd710", "e")
        .translate(str.maketrans({v: chr(k) for k, v in RAISED.items()}))
    )
    return [float(part) for part in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", plain)]


def look_back(page, measurement):  # noqa: F811
    page.get_by_role("slider", name="Measurement that is shown").locator("visible=true").fill(str(measurement))
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")  # until it is drawn


def test_units_of_two_inputs_are_those_of_the_events(page, server):  # noqa: F811
    opened(page, server, **TOY)
    start, measured = views(ToyConfig(**TOY))
    panel = page.locator(".v-features")
    assert panel.locator(".units canvas").count() == 16
    for at in (len(measured) - 1, 1):
        look_back(page, at)
        units = measured[at]["units"]
        expect(panel.locator("figcaption b").first).to_have_text(str(units["most"][0]))
        shown = [numbers(text)[1] for text in panel.locator(".units figcaption").all_inner_texts()]
        assert shown == pytest.approx(unpack(units["change"]).tolist(), rel=ROUNDED, abs=2e-3)
        born, now = (unpack(rows).reshape(16, 3) for rows in (start["weights"]["rows"], measured[at]["weights"]))
        moved = start["weights"]["scale"] * ((now - born)[:, :2] ** 2).sum(1) ** 0.5
        said = numbers(panel.locator(".weights .plane").get_attribute("aria-label"))
        assert said[0] == 16
        assert said[1] == pytest.approx(moved.mean(), rel=0.3, abs=0.02)  # bytes are coarse beside small moves
    maps = unpack(start["units"]["maps"]).reshape(16, 12, 12)[units["most"][0]]
    panel.locator(".units canvas").first.hover(position={"x": 2, "y": 2})
    expect(panel.locator(".units + .pointed")).to_contain_text(f"Unit {units['most'][0]} at the start: ")
    value = numbers(panel.locator(".units + .pointed").inner_text())[1]
    assert value == pytest.approx(start["units"]["scale"] * maps[0, 11], rel=ROUNDED, abs=0.03)
    panel.locator(".weights .plane").hover()
    expect(panel.locator(".weights + .pointed")).to_contain_text("moved by")


def test_units_of_one_input_are_curves(page, server):  # noqa: F811
    opened(page, server, task="sine", **TOY)
    panel = page.locator(".v-features")
    assert panel.locator(".units svg").count() == 8
    assert all(
        path.startswith("M") for path in panel.locator(".units path").evaluate_all("all => all.map(p => p.getAttribute('d'))")
    )
    panel.locator(".units svg").first.hover()
    expect(panel.locator(".units + .pointed")).to_have_text(re.compile(r"Unit \d+ at .+ at the start, .+ now"))


def test_predictions_and_directions_of_many_inputs(page, server):  # noqa: F811
    fields = {**TOY, "task": "parity", "test_samples": 64}
    opened(page, server, **fields)
    start, measured = views(ToyConfig(**fields))
    page.set_viewport_size({"width": 375, "height": 800})
    panel = page.locator(".v-features")
    expect(panel).to_contain_text("before centering and scaling")
    page.evaluate("window.here = true")
    page.locator(".v-pictures").get_by_role("button", name="what it predicts").click()
    expect(page.locator("#features")).to_be_in_viewport()
    assert page.evaluate("window.here"), "the page was not loaded anew"
    wanted = unpack(start["predictions"]["targets"])
    for at in (len(measured) - 1, 0):
        look_back(page, at)
        diagonal = unpack(measured[at]["directions"]["diagonal"])
        top = max(range(20), key=diagonal.__getitem__)
        expect(panel.locator(".bars")).to_have_attribute("aria-label", re.compile(f"most input {top + 1} "))
        assert numbers(panel.locator(".bars").get_attribute("aria-label"))[1] == pytest.approx(100 * diagonal[top], rel=ROUNDED)
        said = numbers(panel.locator(".predictions .plane").get_attribute("aria-label"))
        errors = [abs(unpack(measured[at]["predictions"][name]) - wanted).mean() for name in ("network", "twin")]
        assert said == [64, pytest.approx(errors[0], rel=ROUNDED), pytest.approx(errors[1], rel=ROUNDED)]
    assert no_sideways_scroll(page)


@pytest.mark.usefixtures("tiny_bert")
def test_examples_of_each_block_then_and_now(page, server):  # noqa: F811
    visit(page, server, "Probe")
    page.get_by_label("Model", exact=True).locator("visible=true").fill("tiny-bert")
    page.keyboard.press("Enter")
    labelled(page, "Steps").fill("2")
    rows = "".join(
        f'"{word}, number {k}","{name}"\n' for k in range(16) for word, name in (("good", "plain"), ("bad", HOSTILE))
    )
    page.locator("#probe-task").get_by_role("radio", name="Own rows").check()
    page.locator("#probe-texts-input").fill(f"text,label\n{rows}")
    expect(page.locator(".notice-box .notice:visible")).to_contain_text("This run: about", timeout=MINUTES)
    settings(page, Tokens=8, Measure_every=1)
    press(page, "Run")
    expect(page.locator("#probe-transport")).to_contain_text("finished in", timeout=MINUTES)
    expect(page.locator("#probe-transport")).to_contain_text("step 2 of 2")
    panel = page.locator(".v-clouds:visible")
    expect(panel.locator(".legend")).to_contain_text(HOSTILE)  # as text
    assert panel.locator("img").count() == 0
    looks = [each.evaluate("each => getComputedStyle(each).borderRadius") for each in panel.locator(".spot").all()]
    assert looks == ["50%", "1px"], "a color is not all that tells classes apart"
    ends = (
        panel.locator(".plane")
        .last.locator("path.dot")
        .evaluate_all("all => all.map(each => getComputedStyle(each).strokeLinecap)")
    )
    assert sorted(ends) == ["round", "square"]
    panel.locator(".plane").last.hover()
    expect(panel.locator("> .pointed")).to_have_text(re.compile(r"example \d+ (plain|<img .+) (then|now): "))
    _, measured = views(ProbeConfig(**report(page)["config"]))
    block = list(measured[-1]["representations"])[-1]
    expect(panel.locator("figure")).to_have_count(len(measured[-1]["representations"]))
    then, now = (unpack(view["representations"][block]).reshape(-1, 2) for view in (measured[0], measured[-1]))
    moved = sum(math.hypot(*step) for step in now - then) / len(now)
    said = numbers(panel.locator(".plane").last.get_attribute("aria-label").split(": ")[1])
    assert said[0] == len(now)
    assert said[1] == pytest.approx(moved, rel=0.3, abs=0.02)
