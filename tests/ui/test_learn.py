"""The Learn tab: lessons in the browser, and every guide as it is in the package."""

from importlib.resources import files
from urllib.parse import parse_qsl, urlsplit

import pytest

from regime.errors import ConfigError
from regime.ui.lessons.read import LESSONS, lesson
from regime.ui.lessons.runs import RUNS
from regime.ui.run.link import linked
from regime.ui.screens.learn import GUIDES, guide
from tests.ui.test_browser import browser, expect, no_sideways_scroll, page, pages, visit  # noqa: F401


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_is_the_packages_own_without_links_between_files(name):
    text = files("regime").joinpath("guides", f"{name}.md").read_text()
    shown = guide(name)
    assert shown.startswith("## ")
    assert ".md)" not in shown
    assert shown.count("```") == text.count("```")
    assert len(shown) > 0.9 * len(text)


def test_the_places_of_claims_are_links():
    shown = guide("claims")
    assert "[lesson lazy 1](?lesson=lazy&step=1)" in shown
    assert "[card S8](?claim=S8)" in shown
    assert "[card gradient-flow](?claim=gradient-flow)" in shown


@pytest.mark.parametrize("name", [None, "", "../pyproject", "changelog", 3, ["toys"]])
def test_no_other_file_is_read(name):
    with pytest.raises(ConfigError, match=r"guide = .* is not allowed; allowed: one of 'glossary'"):
        guide(name)


def test_guides_are_read_on_the_page(page, server):  # noqa: F811
    page.goto(server.url)
    page.get_by_role("tab", name="Learn", exact=True).click()
    text = page.locator(".guide:visible")
    expect(text.get_by_role("heading").first).to_have_text(guide("glossary").splitlines()[0].removeprefix("## "))
    page.get_by_role("radio", name="Kernels").check()
    expect(text.get_by_role("heading").first).to_have_text("Kernels")
    page.set_viewport_size({"width": 375, "height": 800})
    assert no_sideways_scroll(page)


def opened(page, server, name, step=1):  # noqa: F811
    """A step of a lesson by its link, drawn."""
    page.goto(f"{server.url}?lesson={name}&step={step}")
    expect(page.locator(".telling h3")).to_have_text(lesson(name)["steps"][step - 1]["title"])
    drawn(page)


def drawn(page):  # noqa: F811
    page.locator(".stage [data-view] *").first.wait_for(state="attached")


def tab_to(page, css):  # noqa: F811
    """Press Tab until what is focused is what a selector finds."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("css => document.activeElement.matches(css)", css):
            return
    pytest.fail(f"no Tab leads to {css}")


@pytest.mark.parametrize("name", ["kernel", "lazy"])
def test_a_lesson_is_done_from_first_to_last_step_by_keyboard(page, server, name):  # noqa: F811
    opened(page, server, name)
    steps = lesson(name)["steps"]
    expect(page.locator(".lessons nav .is-done")).to_have_count(0)
    for number, step in enumerate(steps):
        expect(page.locator(".telling h3")).to_have_text(step["title"])
        drawn(page)
        if "guess" in step:
            right = next(k for k, option in enumerate(step["guess"]["options"]) if option["right"])
            tab_to(page, f"[data-guess='{right}']")
            page.keyboard.press("Enter")
            expect(page.locator(".answer")).to_contain_text("Yes.")
            assert page.evaluate("document.activeElement.dataset.guess") == str(right)
        if "task" in step:
            assert step["task"]["done"] == "last"
            tab_to(page, ".stage input[type=range]")
            page.keyboard.press("End")
            expect(page.locator(".task")).to_have_class("task is-done")
            page.keyboard.press("Shift+Tab")
        expect(page.locator(".then")).to_be_visible()
        if number + 1 < len(steps):
            page.locator(".telling h3").focus()
            tab_to(page, "[data-turn='1']")
            page.keyboard.press("Enter")
    done = page.locator(".lessons nav .is-done")
    expect(done).to_have_count(1)
    expect(done).to_contain_text(lesson(name)["title"])
    page.reload()
    expect(page.locator(".lessons nav .is-done")).to_have_count(1)


def test_a_wrong_guess_gets_an_answer_and_the_run_is_shown_only_then(page, server):  # noqa: F811
    opened(page, server, "lazy", 2)
    gap = page.locator(".pane .pictures [data-map=difference]").nth(1)
    expect(gap).to_have_attribute("aria-label", "Network \u2212 twin: What the linear view misses. From 0 to 0.")
    expect(page.locator(".stage .v-time")).to_be_hidden()
    expect(page.locator(".then")).to_be_hidden()
    page.get_by_role("button", name="The left one.").click()
    said = page.locator(".answer")
    expect(said).to_contain_text("Not so. It is the other way round")
    expect(page.get_by_role("button", name="The right one.")).to_have_class("option is-right")
    expect(page.locator(".then")).to_contain_text("linearization gap")
    expect(gap).not_to_have_attribute("aria-label", "Network \u2212 twin: What the linear view misses. From 0 to 0.")
    page.get_by_role("button", name="The right one.").click()
    expect(said).to_contain_text("Yes.")


def test_a_place_on_the_slider_is_found_and_a_run_is_switched_to(page, server):  # noqa: F811
    opened(page, server, "rich")
    slider, task = page.locator(".stage input[type=range]"), page.locator(".task")
    slider.press("End")
    expect(page.locator(".stage output").last).to_have_text("step 400, newest")
    expect(task).to_have_class("task")
    slider.press("Home")
    for _ in range(7):
        slider.press("ArrowRight")
    expect(task).to_have_class("task is-done")
    opened(page, server, "width", 2)
    page.get_by_role("radio", name="1,024 units").check(force=True)
    expect(task).to_have_class("task is-done")


def test_a_lesson_marks_what_it_speaks_of(page, server):  # noqa: F811
    opened(page, server, "transformers", 4)
    expect(page.locator(".marked")).to_have_count(1)
    expect(page.locator(".v-from-first .marked")).to_be_visible()
    opened(page, server, "transformers", 1)
    expect(page.locator("tbody.marked")).to_be_visible()
    frame = "each => (look => parseFloat(look.outlineWidth) + parseFloat(look.outlineOffset))(getComputedStyle(each))"
    marked, box = (page.locator(css).bounding_box() for css in ("tbody.marked", ".scroll:has(.marked)"))
    around = page.locator("tbody.marked").evaluate(frame)
    assert marked["x"] - around >= box["x"], "what scrolls cuts the frame off"
    assert marked["x"] + marked["width"] + around <= box["x"] + box["width"]
    assert marked["y"] + marked["height"] + around <= box["y"] + box["height"]


def test_a_number_leads_to_its_run(page, server):  # noqa: F811
    opened(page, server, "rich")
    page.locator(".stage input[type=range]").press("Home")
    for _ in range(7):
        page.locator(".stage input[type=range]").press("ArrowRight")
    number = page.locator(".then .traced").last
    assert "seed 0" in number.get_attribute("title")
    assert linked(parse_qsl(urlsplit(number.get_attribute("href")).query)) == RUNS["rich"].config


def test_the_address_follows_and_a_link_that_leads_nowhere_is_said(page, server):  # noqa: F811
    opened(page, server, "scale", 2)
    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.locator(".telling h3")).to_be_focused()
    assert "lesson=scale&step=3" in page.url
    page.goto(f"{server.url}?lesson=nothing")
    expect(page.locator("[data-testid=toast-body]")).to_contain_text("lesson = 'nothing' is not allowed")
    expect(page.locator(".telling h3")).to_be_visible()


def test_nothing_is_asked_of_the_server_until_it_is_asked_for(page, server):  # noqa: F811
    opened(page, server, "lazy", 2)
    page.wait_for_timeout(1000)
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    page.locator("[data-guess]").first.click()
    page.get_by_role("button", name="Next", exact=True).click()
    drawn(page)
    page.locator(".stage input[type=range]").press("End")
    expect(page.locator(".task")).to_have_class("task is-done")
    page.get_by_role("button", name="4 Width").click()
    drawn(page)
    assert asked == []
    assert server.rests(within=10)


def test_lessons_fit_a_phone(page, server):  # noqa: F811
    page.set_viewport_size({"width": 375, "height": 800})
    for name in LESSONS:
        opened(page, server, name)
        for _ in lesson(name)["steps"][1:]:
            assert no_sideways_scroll(page)
            page.get_by_role("button", name="Next", exact=True).click()
            drawn(page)
        assert no_sideways_scroll(page)
