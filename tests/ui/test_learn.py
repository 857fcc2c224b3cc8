"""The Learn tab: every guide, as it is in the package."""

from importlib.resources import files

import pytest

from regime.errors import ConfigError
from regime.ui.screens.learn import GUIDES, guide
from tests.ui.test_browser import browser, expect, no_sideways_scroll, page, visit  # noqa: F401


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_is_the_packages_own_without_links_between_files(name):
    text = files("regime").joinpath("guides", f"{name}.md").read_text()
    shown = guide(name)
    assert shown.startswith("## ")
    assert ".md)" not in shown
    assert shown.count("```") == text.count("```")
    assert len(shown) > 0.9 * len(text)


@pytest.mark.parametrize("name", [None, "", "../pyproject", "changelog", 3, ["toys"]])
def test_no_other_file_is_read(name):
    with pytest.raises(ConfigError, match=r"guide = .* is not allowed; allowed: one of 'science'"):
        guide(name)


def test_guides_are_read_on_the_page(page, server):  # noqa: F811
    page.goto(server.url)
    page.get_by_role("tab", name="Learn", exact=True).click()
    text = page.locator(".guide:visible")
    expect(text.get_by_role("heading").first).to_have_text(guide("science").splitlines()[0].removeprefix("## "))
    page.get_by_role("radio", name="Kernels").check()
    expect(text.get_by_role("heading").first).to_have_text("Kernels")
    page.set_viewport_size({"width": 375, "height": 800})
    assert no_sideways_scroll(page)
