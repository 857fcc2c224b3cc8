"""What an accessibility scanner and a ruler see of the page: every tab, light and dark."""

import pytest

from tests.ui.test_browser import browser, page, pages, visit  # noqa: F401

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
TABS = ("Train", "Map", "Probe", "Pretraining", "Reproductions", "Learn")
HOLE = 40
"""Pixels of nothing at the end of a view that are still a margin."""


def drawn(page):  # noqa: F811
    """Wait until the shown tab has what it shows: its verdict, its map, its cards, or its text."""
    page.locator(".dial:not(.is-blank):visible, #map canvas:visible, .claim:visible, .telling h3:visible").first.wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_scanner_finds_nothing_on_any_tab(page, server, theme):  # noqa: F811
    visit(page, server, query=f"?__theme={theme}")
    for tab in TABS:
        page.get_by_role("tab", name=tab, exact=True).click()
        page.get_by_role("heading", level=2).first.wait_for()
        drawn(page)
        found = axe.Axe().run(page).response["violations"]
        known = [(each["id"], each["impact"], node["html"][:200]) for each in found for node in each["nodes"]]
        assert known == [], f"{tab}, {theme}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("lesson", ["lazy", "rich", "scale", "transformers"])
def test_a_scanner_finds_nothing_in_a_lesson(page, server, lesson, theme):  # noqa: F811
    """Before the guess of its second step, and after it."""
    page.goto(f"{server.url}?lesson={lesson}&step=2&__theme={theme}")
    page.locator(".stage [data-view] *").first.wait_for(state="attached")
    for _ in range(2):
        found = axe.Axe().run(page).response["violations"]
        assert [(each["id"], node["html"][:200]) for each in found for node in each["nodes"]] == []
        if page.locator("[data-guess]").count():
            page.locator("[data-guess]").first.click()
            page.locator(".answer p").wait_for()


def test_views_leave_no_holes_stay_inside_the_page_and_have_an_introduction_of_their_own(page, server):  # noqa: F811
    visit(page, server)
    for width in (1440, 768, 375):
        page.set_viewport_size({"width": width, "height": 900})
        said = set()
        for tab in TABS:
            page.get_by_role("tab", name=tab, exact=True).click()
            drawn(page)
            said.add(page.locator(".intro:visible").inner_text())
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (tab, width)
            holes = page.evaluate(
                """hole => [...document.querySelectorAll('.view')].filter(e => e.checkVisibility()).flatMap(view => {
                    const ends = [...view.querySelectorAll('*')].filter(e => !e.children.length && e.checkVisibility())
                        .map(e => e.getBoundingClientRect()).filter(box => box.height).map(box => box.bottom);
                    const {top, bottom} = view.getBoundingClientRect(), empty = bottom - Math.max(top, ...ends);
                    return empty > hole ? [[view.className, empty]] : [];
                })""",
                HOLE,
            )
            assert holes == [], (tab, width)
        assert len(said) == len(TABS)


def test_a_definition_opens_beside_its_word(page, server):  # noqa: F811
    visit(page, server)
    for word, width in (("linearized twin", 1440), ("95% interval", 1440), ("linearized twin", 375)):
        page.set_viewport_size({"width": width, "height": 900})
        word = page.get_by_role("button", name=word).first
        word.click()
        shown = page.locator(".definition:popover-open")
        shown.wait_for()
        spot, box = word.bounding_box(), shown.bounding_box()
        assert 0 <= box["y"] - spot["y"] - spot["height"] < 20 or 0 <= spot["y"] - box["y"] - box["height"] < 20
        assert 0 <= box["x"] <= spot["x"] + spot["width"]
        assert spot["x"] <= box["x"] + box["width"] <= width
        page.keyboard.press("Escape")


def test_papers_are_links_that_leave_the_visit_open(page, server):  # noqa: F811
    visit(page, server, tab="Map")
    page.locator("a.paper:visible").first.wait_for()
    links = page.locator("a.paper:visible").evaluate_all("all => all.map(a => [a.href.slice(0, 22), a.target])")
    assert len(links) > 3
    assert {tuple(link) for link in links} == {("https://arxiv.org/abs/", "_blank")}
