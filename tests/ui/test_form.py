"""The forms' script in Chromium, without a server: what is put into a form comes back, and nothing that was typed is lost."""

import json
import re

import gradio as gr
import pytest

import regime
from regime.config.tasks import TASKS
from regime.errors import ConfigError
from regime.ui.form.config_form import WRITTEN, ConfigForm
from regime.ui.form.presets import PRESETS
from regime.ui.run.visit import Visit
from regime.ui.screens.map import map_tab
from regime.ui.screens.pretraining import pretraining_tab
from regime.ui.screens.probe import probe_tab
from regime.ui.screens.train import train_tab
from regime.ui.static_files import contents
from regime.ui.text import render
from tests.ui.test_browser import browser  # noqa: F401

PAGE = """async ([markup, value, used]) => {
  document.body.innerHTML = markup;
  if (used) document.querySelector(used).click();
  const {mount} = await import('/form.js');
  window.sent = [];
  window.props = {value};
  mount({
    element: document.body, props,
    trigger: (name, data) => sent.push([name, data, structuredClone(props.value)]),
    watch: (_, changed) => { window.put = value => { props.value = value; changed(); return props.value; }; },
  });
}"""
"""A form's script as Gradio starts it; `put` is what the server sends."""
NUMBERS = "size,x1,x2,id\n" + "".join(f"{'ab'[k % 2]},{k % 7},{k % 5},{k}\n" for k in range(60))
CLASSES = "x1,x2,size\n" + "".join(f"{k % 7},{k % 5},{'ab'[k % 2]}\n" for k in range(60))
TEXTS = "body,word\n" + "".join(f'"number {k}",{"yes" if k % 2 else "no"}\n' for k in range(60))
READ = {"target": 2, "drop": ("id",), "header": True, "task_type": "classification", "missing": "drop"}
OWN = {
    "toy": regime.ToyConfig(csv=NUMBERS, encode=("size",), learning_rate=0.3, bottleneck=7, weight_std=1.25, seeds=3, **READ),
    "probe": regime.ProbeConfig(texts=TEXTS, text_column="body", trainable=("a.*", "**.bias"), **READ | {"drop": None}),
    "checkpoints": regime.CheckpointConfig(
        model="minilm", texts=TEXTS, revisions=("main", "other"), readout="prompt", prompt="{text} {mask}", words=("no", "yes")
    ),
    "sweep": regime.SweepConfig(
        base=regime.ProbeConfig(steps=3), axes={"learning_rate": [1e-4, 1e-3], "seed": [0, 5]}, seeds=1
    ),
}
"""A run of each kind that uses what its presets do not."""
CONFIGS = [preset.config for presets in PRESETS.values() for preset in presets] + [*OWN.values()]


@pytest.fixture(scope="module")
def screens():
    with gr.Blocks(analytics_enabled=False):
        return {"toy": train_tab(), "probe": probe_tab()[0], "checkpoints": pretraining_tab(), "sweep": map_tab()[0]}


@pytest.fixture(scope="module")
def mounted(browser, screens):  # noqa: F811
    """A function that shows a form in a document of its own and starts its script; `used` is clicked before."""
    page = browser.new_page()
    page.route("**/*", lambda route: route.fulfill(**answer(route.request.url.rsplit("/", 1)[-1])))

    def mount(kind, value=None, used=""):
        form = screens[kind].form
        page.goto("http://form.test/")
        page.evaluate(PAGE, [form.html.html_template, value or form.html.value, used])
        return page, form

    yield mount
    page.close()


def answer(name):
    kind = "text/javascript" if name.endswith(".js") else "text/html"
    return {"body": contents().get(name, "<!doctype html><meta charset=utf-8><body>"), "content_type": kind}


def value(page):
    return page.evaluate("props.value")


def put(page, given):
    return page.evaluate("value => put(value)", given)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_every_field_gives_back_what_was_put_in(mounted, screens, config):
    page, form = mounted(config.kind)
    screen = screens[config.kind]
    given = screen.fill(config, value(page))[form.html]
    shown = put(page, given)
    assert screen.config(shown) == config
    assert screen.config(given) == config, "as it is before the page has taken it"
    assert [shown[name] for name in form.names] == [given[0][name] for name in form.names]
    page, _ = mounted(config.kind, given)
    assert screen.config(value(page)) == config, "where the page has come later"


@pytest.mark.parametrize("kind", ["toy", "probe", "checkpoints", "sweep"])
def test_a_form_begins_with_its_own_values(mounted, kind):
    page, form = mounted(kind)
    assert {name: value(page)[name] for name in form.names} == form.html.value
    assert page.evaluate("sent") == []


def test_what_is_empty_is_none(mounted):
    page, form = mounted("toy")
    page.locator("summary").last.click()
    page.locator("#toy-steps-input").fill("")
    assert value(page)["steps"] is None
    shown = put(page, form.give(value(page), {"csv": "", "learning_rate": None, "batch_size": None, "header": None}))
    assert [shown[name] for name in ("csv", "learning_rate", "batch_size", "header")] == [None] * 4


def test_a_number_is_shown_short_and_kept_whole_until_it_is_changed(mounted):
    page, form = mounted("toy")
    field = page.locator("#toy-weight-std-input")
    assert (field.input_value(), value(page)["weight_std"]) == ("1.4142", 2**0.5)
    assert put(page, form.give(value(page), {"weight_std": 1 / 3, "steps": 123_456}))["weight_std"] == 1 / 3
    assert (field.input_value(), page.locator("#toy-steps-input").input_value()) == ("0.33333", "123456")
    page.locator("summary").last.click()
    field.fill("2.5")
    assert value(page)["weight_std"] == 2.5


@pytest.mark.parametrize("typed", ["-", "1e999"])
def test_what_is_typed_and_is_no_number_is_not_taken_as_empty(mounted, screens, typed):
    page, _ = mounted("toy")
    page.locator("summary").last.click()
    for name in ("bottleneck", "learning-rate"):
        field = page.locator(f"#toy-{name}-input")
        field.focus()
        page.keyboard.type(typed)
        assert field.get_attribute("aria-invalid") == "true"
        with pytest.raises(ConfigError, match=f"^{name.replace('-', '_')} = "):
            screens["toy"].config(value(page))
        field.fill("")
        assert field.get_attribute("aria-invalid") == "false"
        assert value(page)[name.replace("-", "_")] is None


def test_a_number_given_as_text_is_a_number_and_a_name_of_digits_is_none(mounted):
    page, form = mounted("toy")
    shown = put(page, form.give(value(page), {"steps": "7", "target": "2018"}))
    assert (shown["steps"], shown["target"]) == (7, "2018")


def test_a_value_that_no_choice_has_is_kept_until_one_is_chosen(mounted):
    page, form = mounted("toy")
    put(page, form.give(value(page), {"seeds": 3, "width": 100}))
    page.locator("#toy-depth input").nth(4).check()
    assert [value(page)[name] for name in ("seeds", "width", "depth")] == [3, 100, 5]
    page.locator("#toy-seeds input").nth(2).check()
    page.locator("#toy-width-range").press("ArrowRight")
    assert [value(page)[name] for name in ("seeds", "width")] == [8, 128]


def test_a_change_is_sent_with_the_whole_value_under_the_name_of_what_follows_it(mounted):
    page, form = mounted("toy")
    page.locator("#toy-width-range").press("ArrowLeft")
    page.locator("summary").first.click()
    page.locator("#toy-csv-input").fill("1,2")
    page.locator("#toy-missing input").last.check()
    sent = page.evaluate("sent")
    assert [name for name, *_ in sent] == ["input", "edit", "select"]
    assert form.fields(sent[-1][2]) == form.html.value | {"width": 48, "csv": "1,2", "missing": "drop"}


def test_what_the_server_gives_is_taken_once_and_leaves_what_is_typed(mounted):
    page, form = mounted("toy")
    old = value(page)
    page.locator("summary").last.click()
    steps = page.locator("#toy-steps-input")
    steps.press("End")
    given = form.give(old, {"seed": 9})
    steps.press_sequentially("5")
    assert [put(page, given)[name] for name in ("seed", "steps")] == [9, 4005]
    steps.press_sequentially("6")
    for late in (given, old):
        assert [put(page, late)[name] for name in ("seed", "steps")] == [9, 40056]
    assert page.evaluate("document.activeElement.id") == "toy-steps-input"


def test_a_press_before_the_server_has_read_new_rows_runs_on_them(mounted, screens):
    page, form = mounted("toy")
    screen = screens["toy"]
    page.locator("summary").first.click()
    rows = page.locator("#toy-csv-input")
    rows.fill(CLASSES)
    more = value(page)
    assert (more["waiting"], screen.config(more).samples) == (["edit"], regime.ToyConfig(csv=CLASSES).samples)
    fewer = "".join(CLASSES.splitlines(keepends=True)[:31])
    rows.fill(fewer)
    late = screen.take(more, new=True, typed=True)[form.html]
    for sent in (value(page), put(page, late)):
        assert (sent["waiting"], sent["task"]) == (["edit"], "rings"), "an answer to other rows is not taken"
        assert screen.config(sent).samples == regime.ToyConfig(csv=fewer).samples
    taken = put(page, screen.take(value(page), new=True, typed=True)[form.html])
    assert (taken["waiting"], taken["task"], screen.config(taken)) == ([], "own", screen.config(sent))
    page.locator("#toy-missing input").last.check()
    assert (waits := value(page))["waiting"] == ["select"]
    assert put(page, screen.take(waits)[form.html])["waiting"] == []


def test_a_file_that_has_come_is_run_before_the_server_has_read_it(mounted, screens):
    page, form = mounted("toy")
    screen = screens["toy"]
    shown = put(page, screen.give(value(page), screen.uploaded(CLASSES.encode()))[form.html])
    config = regime.ToyConfig(csv=CLASSES)
    assert (shown["waiting"], screen.config(shown).samples) == (["edit"], config.samples)
    assert put(page, screen.take(shown, new=True)[form.html])["waiting"] == []


@pytest.mark.parametrize("then", ["a file", "a line that is typed"])
def test_a_file_that_is_answered_late_does_not_replace_what_came_after_it(then, mounted, screens):
    page, form = mounted("toy")
    page.locator("summary").first.click()
    files = [CLASSES, CLASSES.replace("x1", "other")]
    for text in files[: 2 if then == "a file" else 1]:
        page.locator("#toy-upload input").set_input_files({"name": "a.csv", "mimeType": "", "buffer": text.encode()})
    page.wait_for_function(
        "count => sent.filter(([name]) => name === 'upload').length === count", arg=2 if then == "a file" else 1
    )
    if then != "a file":
        page.locator("#toy-csv-input").fill(files[1])
    sent = sorted((data for name, data, _ in page.evaluate("sent") if name == "upload"), key=lambda data: -data["number"])
    for data in sent:  # the newest first
        put(page, screens["toy"].upload(value(page), gr.EventData(form.html, data))[form.html])
    assert value(page)["csv"] == files[1]
    assert value(page)["waiting"] == ["edit"]


def test_what_is_used_before_the_script_has_come_counts(mounted):
    page, _ = mounted("toy", used="#toy-task input[value='2']")
    assert value(page)["task"] == "xor"
    assert [name for name, *_ in page.evaluate("sent")] == ["select"]


def test_what_the_server_says_and_what_is_open_last_as_long_as_the_value(mounted):
    page, form = mounted("toy")
    put(page, form.give(value(page), {"own_rows": True, "own_said": "<b>In doubt</b>"}))
    page, _ = mounted("toy", value(page))
    assert page.locator(".own-said b").inner_text() == "In doubt"
    assert page.locator("#toy-csv-input").is_visible()


def test_a_model_is_chosen_from_all_and_none_is_no_choice(mounted):
    page, _ = mounted("probe")
    model = page.locator("#probe-model-input")
    model.focus()
    assert (model.input_value(), value(page)["model"]) == ("", "minilm")
    page.locator("#probe-steps-input").fill("3")
    assert (model.input_value(), value(page)["model"]) == ("minilm", "minilm")
    model.fill("org/name")
    assert value(page)["model"] == "org/name"


def test_every_task_has_a_sketch_of_its_own(mounted):
    page, _ = mounted("toy")
    drawn = page.locator("#toy-task svg").evaluate_all("all => all.map(svg => svg.innerHTML)")
    assert len(set(drawn)) == len(drawn) == len(TASKS) + 1
    assert "" not in drawn
    assert "NaN" not in "".join(drawn)


def test_markup_in_a_value_or_a_hint_stays_text():
    hostile = "<img src=x onerror=alert(1)>'\"${alert(1)}{{value}}`"
    part = {"name": "a", "label": hostile, "note": hostile, "options": {hostile: hostile}, "hints": {hostile: hostile}}
    parts = [part | {"control": "choice"}, {"name": "b", "example": hostile, "control": "text"}]
    template = ConfigForm("toy", parts, {"b": hostile}).html.html_template
    assert [sign for sign in ("<img", "{", "`", "$") if sign in template] == []


def test_parts_are_written_with_attributes_that_a_part_has():
    known = {"name", "only", "label", "note", "control", "options", "hints", "pictures", "ends", "bounds", "example", "offers"}
    known |= {"many", "event", "css", "parts"}

    def attributes(parts):
        written = [part for part in parts if isinstance(part, dict)]
        return {name for part in written for name in {*part} | attributes(part.get("parts", ()))}

    assert attributes([part for parts in WRITTEN.values() for part in parts]) <= known


@pytest.mark.parametrize(
    ("names", "two"),
    [(("Auto", "Classification", "Regression"), False), (("Mean", "Last token", "Prompt", "Next token"), True)],
)
def test_no_option_stands_alone_in_a_row(names, two):
    part = {"name": "a", "control": "choice", "options": dict(zip(range(len(names)), names, strict=True))}
    assert ("segments two" in ConfigForm("toy", [part], {"a": 0}).html.html_template) == two


def test_a_press_of_a_preset_says_at_once_what_to_watch(screens):
    screen, preset = screens["toy"], PRESETS["toy"][0]
    asked = json.dumps({"do": "preset", "name": preset.name})
    pressed = screen.press(Visit("toy"), asked, screen.form.html.value)
    told = json.loads(pressed[screen.feed])["told"]
    assert (told["story"], told["asked"], told["against"]) == (preset.story, preset.config.to_dict(), None)


def test_a_press_that_a_newer_one_has_overtaken_does_nothing(screens):
    screen, visitor = screens["toy"], Visit("toy")
    for number, turn in ((2, 1), (1, 1), (3, 2)):
        screen.press(visitor, json.dumps({"do": "run", "number": number}), screen.form.html.value)
        assert visitor.turn == turn


@pytest.mark.parametrize("kind", ["toy", "sweep", "probe", "checkpoints"])
def test_every_button_of_a_tab_plans_a_run(kind, screens):
    screen, names = screens[kind], re.findall(r'data-do="(\w+)"', render("transport", kind=kind, text=""))
    own = screen.config(screen.form.html.value)
    assert {"run", "more"} <= {*names}
    for name in {*names} - {"pause", "pin"}:
        visitor = Visit(kind)
        if name == "more" and not hasattr(own, "max_seeds"):  # never shown there
            continue
        screen.press(visitor, json.dumps({"do": name}), screen.form.html.value)
        config, *_ = visitor.planned()
        changed = {field for field in type(own).model_fields if getattr(config, field) != getattr(own, field)}
        assert changed == {"seed": {"seed"}, "more": {"max_seeds"}}.get(name, set()), name
