"""The wall of cards in Chromium: the shipped cards, and for what they may not have, cards that are made up."""

import json
import re

import pytest

from regime.plots.words import printed
from regime.reproductions.shipped import cards
from regime.ui.run.wall import figure_csv, shipped, shown_card
from tests.ui.test_browser import MINUTES, browser, expect, no_sideways_scroll, page, pages  # noqa: F401
from tests.ui.wall_sample import sample

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
CARDS = shipped()
SAMPLE = {card.id: card for card in sample()}
TALLY = {"All": 6, "Pass": 2, "Undecided": 2, "Fail": 1, "Shown": 1}
GOES_ON = re.compile("networks of|Width = ")
"""What a card says while its claim is reproduced."""


def opened(page, server, query=""):  # noqa: F811
    page.goto(server.url + query)
    page.get_by_role("tab", name="Reproductions", exact=True).click()
    page.locator(".claim").first.wait_for()


@pytest.fixture
def made_up(page, server):  # noqa: F811
    """The page with the sample's cards instead of the shipped ones."""
    body = json.dumps([shown_card(card) for card in SAMPLE.values()])
    page.route("**/claims-*.json", lambda route: route.fulfill(body=body, content_type="application/json"))
    opened(page, server)
    return page


def test_every_shipped_card_has_its_claim_its_numbers_and_its_figures(page, server):  # noqa: F811
    opened(page, server)
    expect(page.locator(".claim")).to_have_count(len(CARDS))
    for id, card in CARDS.items():
        shown = page.locator(f"#claim-{id}")
        expect(shown.get_by_role("heading", level=3)).to_have_text(printed(card.title))
        expect(shown.locator(".sentence")).to_have_text(printed(card.claim))
        expect(shown.locator("header .outcome")).to_have_text(card.outcome.capitalize())
        expect(shown.locator(".findings li")).to_have_count(len(card.findings))
        expect(shown.locator("figure")).to_have_count(len(card.figures))
        expect(shown.locator("footer .note").first).to_contain_text(f"{card.date}, {card.machine}")
        if card.paper.arxiv:
            assert shown.locator("a.paper").first.get_attribute("href") == f"https://arxiv.org/abs/{card.paper.arxiv}"


def test_cards_are_filtered_by_outcome_with_counts_and_by_keyboard(made_up):
    choices = made_up.locator(".filter label")
    assert choices.all_inner_texts() == [f"{name} {count}" for name, count in TALLY.items()]
    made_up.get_by_role("radio", name="All 6").focus()
    for name in ("Pass", "Undecided", "Fail", "Shown"):
        made_up.keyboard.press("ArrowRight")
        shown = made_up.locator(".claim:visible")
        expect(shown).to_have_count(TALLY[name])
        assert set(shown.locator("header .outcome").all_inner_texts()) == {name}
        expect(made_up.locator(".wall > [role=status]")).to_have_text(f"{TALLY[name]} of 6 cards are shown.")


def test_a_number_says_its_interval_its_tolerance_and_what_it_was_compared_with(made_up):
    slope, tiny = made_up.locator("#claim-T1 .findings li").all()
    text = slope.inner_text().replace("\N{MINUS SIGN}", "-")
    for part in ("-0.513", "95% -0.525 to -0.501", "expected -0.50", "tolerance: -0.550 to -0.450", "Pass"):
        assert part in text
    assert "against neural-tangents 0.6" in tiny.inner_text()
    assert "tolerance: at most 10\u207b\u2075" in tiny.inner_text()
    spots = slope.locator(".strip > i").evaluate_all(
        "all => Object.fromEntries(all.map(e => [e.className, e.getBoundingClientRect()]))"
    )
    band, whisker, dot = spots["band"], spots["whisker"], spots["dot"]
    assert band["left"] < whisker["left"] < dot["left"] + dot["width"] / 2 < whisker["right"] < band["right"]
    fail = made_up.locator("#claim-T3 .strip")
    assert fail.locator(".whisker").bounding_box()["x"] < fail.locator(".band").bounding_box()["x"]


def test_markup_in_a_card_is_text(made_up):
    expect(made_up.locator("#claim-T6 h3")).to_have_text("<img src=x onerror=alert(1)>")
    assert made_up.locator(".wall img").count() == 0


def test_a_claim_that_cannot_be_run_says_so_and_has_no_button(made_up):
    expect(made_up.locator("#claim-T6 .absent")).to_have_text("This version of the app has no code for this claim.")
    expect(made_up.locator("[data-act=run]")).to_have_count(0)


def test_another_card_takes_the_place_of_the_one_that_runs_and_errors_are_text(page, server):  # noqa: F811
    both = [shown_card(CARDS["S2"]), shown_card(SAMPLE["T2"]) | {"absent": ""}]
    page.route("**/claims-*.json", lambda route: route.fulfill(body=json.dumps(both), content_type="application/json"))
    opened(page, server)
    first, second = (page.locator(f"#claim-{id}") for id in ("S2", "T2"))
    first.get_by_role("button", name="Run it here").click()
    expect(first.locator(".live .state")).to_contain_text(GOES_ON, timeout=MINUTES)
    second.get_by_role("button", name="Run it here").click()
    expect(first.locator(".live .state")).to_have_text("Stopped.", timeout=MINUTES)
    expect(second.locator(".live .state.bad")).to_contain_text(
        "claim = 'T2' is not allowed; allowed: one of S1", timeout=MINUTES
    )
    expect(second.get_by_role("button", name="Run it again")).to_be_visible()


def test_values_are_under_the_pointer_and_in_a_table(made_up):
    figure = made_up.locator("#claim-T1 figure")
    over = figure.locator(".u-over")
    over.scroll_into_view_if_needed()
    box, said = over.bounding_box(), figure.locator(".pointed")
    seen = set()
    for share in range(5, 100, 5):
        made_up.mouse.move(box["x"] + box["width"] * (0.065 + 0.0087 * share), box["y"] + box["height"] * 0.02 * 0.5 * share)
        seen.add(said.inner_text())
    assert any(re.fullmatch(r"(Tanh|ReLU)(, expected)?, width \d+: [\d.<]+(, 95% .* to .*)?", text) for text in seen)
    made_up.locator("#claim-T1 .more > summary").click()
    made_up.locator("#claim-T1 .more summary", has_text="The kernel moves less").click()
    rows = made_up.locator("#claim-T1 .more tbody tr")
    expect(rows).to_have_count(20)
    assert rows.first.inner_text().split("\t") == ["tanh", "16", "0.250", "0.208 to 0.300"]


def test_details_lead_to_the_method_the_configurations_and_the_run_itself(made_up):
    card = made_up.locator("#claim-T1")
    narrow = card.bounding_box()["width"]
    card.locator(".more > summary").press("Enter")
    assert card.bounding_box()["width"] > 2 * narrow
    expect(card.locator(".more")).to_contain_text(SAMPLE["T1"].method)
    expect(card.locator(".more")).to_contain_text("regime 0.1.0, torch 2.13.0")
    card.locator(".more summary", has_text="3 configurations").press("Enter")
    expect(card.locator(".configs li").first).to_contain_text("Width 16, steps 100")
    link = card.get_by_role("link", name="Open this run").first
    with made_up.expect_popup() as popup:
        link.click()
    run = popup.value
    expect(run.locator("#toy-transport")).to_contain_text("step 0 of 100", timeout=MINUTES)
    expect(run.locator("#toy-width input")).to_have_attribute("aria-valuetext", "16")


def test_a_link_opens_the_tab_at_its_card(page, server):  # noqa: F811
    id = list(CARDS)[-1]
    page.goto(f"{server.url}?claim={id}")
    card = page.locator(f"#claim-{id}")
    expect(card).to_have_class(re.compile("linked"), timeout=MINUTES)
    expect(card).to_be_in_viewport()
    expect(card).to_be_focused()
    expect(page.get_by_role("tab", name="Reproductions", exact=True)).to_have_attribute("aria-selected", "true")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    card.get_by_role("button", name="Copy link").click()
    expect(card.locator(".acts [role=status]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"{server.url}?claim={id}"


def test_a_link_to_no_card_says_what_there_is(page, server):  # noqa: F811
    page.goto(f"{server.url}?claim=S999")
    expect(page.get_by_test_id("toast-body")).to_contain_text("claim = 'S999' is not allowed; allowed: one of S1")
    expect(page.get_by_role("tab", name="Reproductions", exact=True)).to_have_attribute("aria-selected", "true")


def test_files_are_downloaded_from_the_card(page, server):  # noqa: F811
    opened(page, server)
    id, card = next(iter(CARDS.items()))
    shown = page.locator(f"#claim-{id}")
    shown.locator(".files > summary").click()
    for label, start in (
        ("Card, JSON", b"{"),
        ("Figure, CSV", b"series,"),
        ("Figure, PNG", b"\x89PNG"),
        ("Figure, SVG", b"<?xml"),
    ):
        with page.expect_download() as file:
            shown.get_by_role("link", name=label if len(card.figures) == 1 else label.replace("Figure", "Figure 1")).click()
        assert file.value.path().read_bytes().startswith(start)
        assert file.value.suggested_filename.startswith(id)


def test_a_card_is_run_live_to_its_outcome(page, server):  # noqa: F811
    opened(page, server)
    card, live = page.locator("#claim-S1"), page.locator("#claim-S1 .live")
    card.evaluate(
        """card => { window.went = false; new MutationObserver(() => {
            const going = card.querySelector('progress')?.hidden === false;
            went ||= going && card.querySelector('[data-act=run]').textContent === 'Stop';
        }).observe(card, {subtree: true, childList: true, attributes: true}); }"""
    )  # it takes a second, and may have ended before anybody has looked
    card.get_by_role("button", name="Run it here").press("Enter")
    page.wait_for_function("went")
    expect(live.locator(".findings li").first).to_be_visible(timeout=MINUTES)
    expect(live.locator(".state")).to_contain_text("Done in", timeout=MINUTES)
    expect(live.locator(".state")).to_contain_text("The shipped quick form: ")
    expect(live.locator(".verdict .outcome")).to_have_text(cards("quick")["S1"].outcome.capitalize())
    expect(live.get_by_role("status")).to_have_text(re.compile("Finished: "))
    expect(live.locator(".findings li")).to_have_count(len(cards("quick")["S1"].findings))
    expect(live.locator("figure canvas")).to_have_count(1)
    shipped = [found.value for found in cards("quick")["S1"].findings]
    live.get_by_text("Download this run").click()
    got = {}
    for label in ("Card, JSON", "Figure, CSV", "Figure, PNG", "Figure, SVG"):
        with page.expect_download() as file:
            live.get_by_role("link", name=label).click()
        got[label] = file.value.path().read_bytes()
    report = json.loads(got["Card, JSON"])
    assert got["Figure, CSV"].decode() == figure_csv(report["figures"][0])
    assert got["Figure, PNG"].startswith(b"\x89PNG")
    assert got["Figure, SVG"].startswith(b"<?xml")
    assert [found["value"] for found in report["findings"]] == pytest.approx(shipped, rel=1e-3)
    pairs = zip(report["findings"][0]["configs"], cards("quick")["S1"].findings[0].configs, strict=True)
    assert all(ran | shipped == ran for ran, shipped in pairs)
    assert axe.Axe().run(page).response["violations"] == []
    page.get_by_role("tab", name="Learn", exact=True).click()
    page.get_by_role("tab", name="Reproductions", exact=True).click()
    expect(live.locator(".verdict .outcome")).to_be_visible()


def test_a_run_is_stopped_by_a_second_press_and_when_its_visitor_leaves(page, server):  # noqa: F811
    opened(page, server)
    card = page.locator("#claim-S2")
    card.get_by_role("button", name="Run it here").click()
    expect(card.locator(".live .state")).to_contain_text(GOES_ON, timeout=MINUTES)
    card.get_by_role("button", name="Stop").click()
    expect(card.locator(".live .state")).to_have_text("Stopped.", timeout=MINUTES)
    assert server.rests(within=5)
    card.get_by_role("button", name="Run it again").click()
    expect(card.locator(".live .state")).to_contain_text(GOES_ON, timeout=MINUTES)
    page.close()
    assert server.rests(within=20)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_scanner_finds_nothing_on_cards_of_every_outcome(made_up, theme):
    made_up.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
    made_up.locator("#claim-T5 .more > summary").click()
    made_up.locator("#claim-T5 .more > div").evaluate(
        "box => box.querySelectorAll('details').forEach(each => { each.open = true; })"
    )
    made_up.locator("#claim-T1 .files > summary").click()
    found = axe.Axe().run(made_up).response["violations"]
    assert [(each["id"], node["html"][:200]) for each in found for node in each["nodes"]] == []


def test_cards_fit_the_window(made_up):
    made_up.locator("#claim-T5 .more > summary").click()
    made_up.locator("#claim-T5 .more > div").evaluate(
        "box => box.querySelectorAll('details').forEach(each => { each.open = true; })"
    )
    for width in (1440, 768, 375):
        made_up.set_viewport_size({"width": width, "height": 900})
        assert no_sideways_scroll(made_up), width
        cut = made_up.locator(".claim").evaluate_all(
            "all => all.filter(card => card.scrollWidth > card.clientWidth + 1).map(card => card.id)"
        )
        assert cut == [], width
