"""What the page's scripts draw, from frames alone: the modules run in Chromium, without a form and without a server's run."""

import json
import re
from copy import deepcopy
from pathlib import Path

import pytest

import regime
from regime.config.rows import OWN
from regime.config.tasks import TASKS
from regime.record.packing import unpack
from regime.ui.run.board import Board
from regime.ui.run.examples import CONFIGS, example
from regime.ui.run.frames import LISTED, whole
from regime.ui.static_files import address
from regime.ui.text import duration, number
from tests.ui.test_browser import browser  # noqa: F401

TINY = {"width": 8, "samples": 16, "test_samples": 16, "probe_samples": 16, "steps": 4, "measure_every": 2, "seeds": 2}
HOSTILE = "<img src=x onerror=alert(1)>\"'`"
HEAT = "kernel_distance_centered"
DRAW = Path(__file__).with_name("draw.js").read_text()
TOY = ("time", "pictures", "loss", "distances", "compare", "layers", "kernels", "outcome", "dial", "progress")
BLOCKS = ("time", "blocks", "compare", "modules", "dial", "progress")


@pytest.fixture(scope="module")
def lab(browser, server):  # noqa: F811
    """A page of the scripts' origin, which imports them; no errors may reach its console."""
    page = browser.new_page(viewport={"width": 900, "height": 700})
    errors = []
    page.on("console", lambda told: errors.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server.url}{address()}/format.js")
    page.evaluate(
        """async () => {
        document.documentElement.innerHTML = `<head><link rel=stylesheet href="style.css"></head>
            <body class="gradio-container"></body>`;
        await new Promise(done => { document.head.firstElementChild.onload = done; }); }"""
    )
    yield page
    assert errors == []
    page.close()


@pytest.fixture
def draw(lab):
    """Draw a panel of a board, and return its markup."""

    def drawn(name, board, **more):
        pinned, settings = more.pop("pinned", None), more.pop("settings", {})
        frame = whole(board)
        for event in frame["events"]:
            if "config" in event:
                event["config"] |= settings
        return lab.evaluate(DRAW, [frame, name, {**more, "pinned": pinned and whole(pinned)}])

    return drawn


def call(page, module, name, *arguments):
    """Return what a function of a script returns."""
    code = "async ([module, name, given]) => { const m = await import(`./${module}.js`); return m[name](...given); }"
    return page.evaluate(code, [module, name, arguments])


def run(**fields):
    return [event.to_dict() for event in regime.stream(regime.ToyConfig(**TINY | fields))]


def replay(**fields):
    return Board.replay(run(**fields))


@pytest.fixture(scope="module")
def events():
    return run()


def board_with(events, **verdict):
    """The board after one measurement, its verdict changed."""
    first = deepcopy(until_measured(events)[-1])
    return Board.replay([events[0], first | {"verdict": first["verdict"] | verdict}])


def until_measured(events):
    kinds = [event["kind"] for event in events]
    return events[: kinds.index("measured") + 1]


def test_every_panel_draws_every_stage_of_a_run(draw, events):
    board = Board({})
    for name in TOY:
        assert draw(name, board)
    for event in events:
        board.take(event)
        for name in TOY:
            assert "undefined" not in re.sub(r"<[^>]+>", " ", draw(name, board)), name
    assert board.status == "finished"


@pytest.mark.parametrize("kind", ["probe", "checkpoints"])
def test_a_transformers_panels_draw_its_shipped_run(draw, kind):
    charts = ("probe-loss", "probe-kernels") if kind == "probe" else ("abilities", "from-first")
    for name in (*BLOCKS, *charts):
        drawn = draw(name, example(kind))
        assert drawn
        assert "NaN" not in drawn
        if name == "abilities":
            assert "Share of sums that the model gets right." in drawn


@pytest.mark.parametrize(("task", "meaning"), TASKS.items())
def test_every_task_has_a_picture_or_says_why_not(draw, task, meaning):
    drawn = draw("pictures", replay(task=task, steps=0))
    assert ("no picture" in drawn) == (meaning.inputs > 2)
    assert drawn.count("<canvas") == (4 if meaning.inputs == 2 else 0)
    assert ("Infinite width" in drawn) == (meaning.inputs <= 2)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([f"{k},{k % 3}" for k in range(2, 50)], "from 1 input to 3 outputs has no picture. Held-out points by class"),
        ([f"{k},{k * k},{k},{k % 7}.5" for k in range(2, 50)], "from 3 inputs to 1 output has no picture. See"),
        ([f"{k},{k % 2}" for k in range(2, 50)], "training points"),
    ],
)
def test_own_rows_have_a_picture_where_their_columns_allow(draw, rows, text):
    drawn = draw("pictures", replay(task=OWN, csv="\n".join(rows), steps=0))
    assert text in re.sub(r"\s+", " ", drawn)


def test_two_inputs_of_more_classes_show_what_is_predicted_of_held_out_points(draw):
    rows = "\n".join(f"{k % 7},{k % 5},{'abc'[k % 3]}" for k in range(60))
    board = replay(task=OWN, csv=rows, steps=4, measure_every=2)
    drawn = draw("pictures", board)
    wanted = unpack(board.started["view"]["predictions"]["targets"])
    for name in ("network", "twin"):
        error = abs(unpack(board.history[-1]["view"]["predictions"][name]) - wanted).mean()
        assert f"{name} {number(error)}" in drawn
    assert all(f">{name}</span>" in drawn for name in "abc")
    assert "units respond to" in draw("features", board)


def test_own_rows_do_not_come_back_to_the_page():
    rows = "\n".join(f"{k},{k % 2}" for k in range(2, 50))
    frame = json.dumps(whole(replay(task=OWN, csv=rows, steps=0)))
    assert "48,0" not in frame
    assert '"csv": "' in frame, "a mark, by which two runs' rows are told apart"


def test_a_missing_limit_says_why_in_its_place(draw):
    drawn = draw("pictures", replay(parameterization="mup", steps=0))
    assert drawn.count("<canvas") == 3
    assert "<p>No kernel limit in this parameterization" in drawn
    assert "Infinite width" not in draw("pictures", replay(task="sine", parameterization="mup", steps=0))


def test_maps_have_the_colors_and_values_of_the_functions(lab, draw):
    board = replay(task="circle", steps=0)
    draw("pictures", board)
    view = board.last["view"]
    from regime.record.packing import unpack

    values = unpack(view["network"])
    size = round(len(values) ** 0.5)
    canvas = lab.locator("[data-map=network] canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for column, row in ((0, 0), (size - 1, 2), (size // 2, size - 1)):
        lab.mouse.move(box["x"] + (column + 0.5) * box["width"] / size, box["y"] + (row + 0.5) * box["height"] / size)
        told = lab.locator("figure:has([data-map=network]) .pointed").inner_text()
        shown = float(told.split(" at ")[0].replace("\u2212", "-").replace("<", ""))
        assert shown == pytest.approx(values[column * size + size - 1 - row], abs=0.02)
        red, _, blue, _ = lab.evaluate(
            """([x, y]) => [...document.querySelector('[data-map=network] canvas')
                .getContext('2d').getImageData(x, y, 1, 1).data]""",
            [column, row],
        )
        assert (blue > red) == (shown > 0)


def test_floors_and_spread_are_bands_and_bounds_are_lines(lab, events):
    shown = lab.evaluate(
        """async frame => {
        const {content} = await import('./curves.js'), {Tab} = await import('./feed.js'), tab = new Tab();
        tab.take({visit: 'v', serial: 1, run: 1, ...frame});
        const {bands, curves} = content(tab, {parts: [{measure: 'kernel_change', look: 'net'}], floor: true});
        return [bands.length, curves.map(({points}) => points.length)]; }""",
        whole(Board.replay(events)),
    )
    assert shown == [2, [3] * 5]


def test_a_live_run_and_its_report_draw_the_same(draw, events):
    live, loaded = Board.replay(events), Board.replay([events[0], events[-1]])
    loaded.history[-1] = live.history[-1] = live.history[-1] | {"view": {}}
    for name in TOY:
        assert draw(name, live) == draw(name, loaded)


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_shipped_example_is_a_finished_run_of_its_config(kind):
    board = example(kind)
    assert board.status == "finished"
    saved = regime.SweepReport if kind == "sweep" else regime.Report
    assert saved.from_dict(board.report).config == CONFIGS[kind]
    assert example(kind) is not example(kind)
    if kind != "sweep":
        assert board.last["verdict"] == board.report["verdict"] == board.report["history"][-1]["verdict"]
    if kind == "toy":
        assert all(event["view"].get("network") for event in board.history), "the slider shows every step"


def test_hostile_text_stays_text(draw, events):
    board = board_with(events, label="no verdict", agree=HOSTILE, reasons=[HOSTILE] * 3, advice=[HOSTILE])
    board.started, pinned = deepcopy(board.started), deepcopy(board)
    for row in (*board.last["layers"], *board.last["blocks"]):
        row["layer"] = row["block"] = HOSTILE
        row["undefined"] = dict.fromkeys(row["measures"], HOSTILE)
        row["measures"] = dict.fromkeys(row["measures"])
    for part in board.started["view"]["scales"]:
        part["layer"] = HOSTILE
    board.stop()
    for name in TOY:
        assert "<img" not in draw(name, board, pinned=pinned, settings={"task": HOSTILE, "model": HOSTILE}), name
    assert "&lt;img src=x" in draw("dial", board)
    assert "&lt;img src=x" in draw("layers", board)
    probe = example("probe")
    for row in (*probe.last["layers"], *probe.last["blocks"]):
        row["layer"] = HOSTILE
    for name in BLOCKS:
        assert "<img" not in draw(name, probe), name


@pytest.mark.parametrize("kind", ["probe", "checkpoints"])
def test_all_layers_are_those_of_the_measurement_that_is_shown(draw, kind):
    board = example(kind)
    for at in (0, 1, len(board.history) - 1):
        row = board.history[at]["layers"][3]
        cells = draw("modules", board, at=at).split(f"<code>{row['layer']}</code>")[1].split("</tr>")[0]
        shown = re.findall(r'<td title="([-+.e0-9]+)"', cells)
        values = [row["measures"].get(name) for name in LISTED]
        assert sorted(map(float, shown)) == pytest.approx(sorted(value for value in values if value is not None), rel=1e-4), at


def test_thirty_blocks_have_a_row_each_in_a_dense_heat_map(draw):
    board = example("probe")
    for step, event in enumerate(board.history):
        ends, middle = event["blocks"][:1] + event["blocks"][-2:], event["blocks"][1:-2]
        repeated = [
            deepcopy(middle[k % len(middle)]) | {"layer": f"model.layers.{k}", "block": f"model.layers.{k}"} for k in range(30)
        ]
        for k, row in enumerate(repeated):
            row["measures"] |= {HEAT: 0.01 * step * (k + 1), "kernel_share": 0.002}
        event["blocks"] = [ends[0], *repeated, *ends[1:]]
    drawn = draw("blocks", board)
    heads = re.findall(r'<th scope="row"[^>]*>([^<]+)</th>', drawn)
    assert heads == ["Embeddings", *(f"Block {k}" for k in range(1, 31)), "Pooler", "Readout"]
    assert '<table class="rows dense">' in drawn
    shipped = draw("blocks", example("probe"))
    assert "dense" not in shipped
    assert shipped.count('<td class="strip"><span role="img"') == 8
    assert shipped.count('<td class="strip" title=') == 1  # the pooler has no kernel: a dash that says so, no empty band
    strips = re.findall(r'<td class="strip">.*?</td>', drawn)
    assert [strip.count("<i ") for strip in strips] == [len(board.history)] * 32
    colors = [re.findall(r'background:([^"]+)"', strip)[-1] for strip in strips[1:31]]
    assert len(set(colors)) == 30, "neighbors differ"
    assert drawn.count("&lt;1%") >= 30, "a small share is not none"


def test_an_undefined_cell_gives_its_reason(draw, events):
    drawn = draw("layers", Board.replay(events))
    assert 'title="The readout gives outputs, not features."' in drawn
    assert ">The readout gives outputs, not features.<" in drawn


def test_no_verdict_is_a_look_of_its_own(draw, events):
    board = board_with(events, label="no verdict", index=0.5, interval=(0.4, 0.6), seeds=[0.4, 0.6], agree="1 of 2 seeds lazy")
    drawn = draw("dial", board)
    assert "is-none" in drawn
    assert "No verdict" in drawn
    assert drawn.count('class="seed"') == 2
    assert "interval 0.40 to 0.60" in drawn


def test_what_is_done_after_the_last_step_is_said(draw, events):
    board = Board.replay(events[:-1])
    assert "trying the advice" not in draw("progress", board)
    board.take({"kind": "progress", "step": 4, "steps": 4, "seconds": 1.0, "seconds_left": None})
    assert "trying the advice" in draw("progress", board)


def test_advice_waits_for_the_end_of_a_run(draw, events):
    board = board_with(events, advice=["Train longer", "For lazy, try alpha near 2.74e+03 (now 7.1e-06)"])
    assert "Train longer" not in draw("dial", board)
    board.stop()
    assert "Train longer. For lazy, try alpha near 2740 (now 7.1e\u22126)." in draw("dial", board)


def test_a_diverged_run_has_no_marks_on_its_scale(draw, events):
    board = board_with(events, label="no verdict", index=None, interval=None, seeds=[None, None], agree="diverged")
    drawn = draw("dial", board)
    assert "no position yet" in drawn
    assert 'class="mean"' not in drawn


def test_a_real_divergence_is_drawn(draw):
    board = replay(learning_rate=1e6, steps=20)
    assert board.report["diverged"]
    assert "diverged" in draw("dial", board)
    for name in TOY:
        assert "NaN" not in draw(name, board), name


def test_a_stopped_run_says_where(draw, events):
    board = Board.replay(until_measured(events))
    board.stop()
    assert "stopped; measured at step 0" in draw("dial", board)
    assert "stopped" in draw("progress", board)
    assert "Stopped at step 0" in draw("progress", board)


def test_an_earlier_step_is_shown_by_every_panel(draw, events):
    board = Board.replay(events)
    for event, at in zip(board.history, range(len(board.history)), strict=True):
        dial, layers = draw("dial", board, at=at), draw("layers", board, at=at)
        assert (f"at step {event['step']}" in dial) == (at < len(board.history) - 1)
        first = event["layers"][0]["measures"]["parameter_movement"]
        assert (number(first) if first is not None else "\u2013") in layers
        assert f"step {event['step']}" in draw("time", board, at=at)
        assert f"at step {event['step']}" in draw("loss", board, at=at)
        for measure in ("train_loss", "twin_train_loss"):
            assert number(event["measures"][measure]) in draw("loss", board, at=at)


@pytest.mark.parametrize("values", [[], [0.0], [1e-30, 1.0], [1e-300], [1e300], [0.5, 0.02]])
def test_a_log_axis_holds_its_values(lab, values):
    axis = call(lab, "axis", "decades", values)
    assert 0 < axis["low"] < axis["high"]
    assert len(axis["ticks"]) < 12
    assert all(0 <= call(lab, "axis", "place", axis, value) <= 100 for value in values)


@pytest.mark.parametrize(
    ("values", "ends"), [([0.49, 0.42], (0.3, 0.5)), ([0.5, 0.2], (0.2, 0.5)), ([0.5, 0.011], (0.01, 0.5))]
)
def test_a_run_that_hardly_learns_fills_its_axis(lab, values, ends):
    axis = call(lab, "axis", "decades", values)
    assert (axis["low"], axis["high"]) == pytest.approx(ends)
    assert axis["ticks"][0] == axis["low"]
    assert axis["ticks"][-1] == axis["high"]
    going = call(lab, "axis", "decades", values, 8, 5)
    assert going["high"] >= 5 * going["low"], "while a run goes on it rarely moves"


def test_a_verdict_says_that_its_means_are_other_ones(draw, events):
    several, one = Board.replay(events), Board.replay(deepcopy(events))
    assert "Geometric means of 2 seeds" in draw("dial", several)
    for event in one.history:
        event["verdict"]["seeds"] = event["verdict"]["seeds"][:1]
    assert "Geometric means" not in draw("dial", one)


NUMBERS = [None, 0, 4e-4, -4e-4, 0.0251, 6.84, 19.2, 99.6, 431.0, -4.8e17, 0.105, 1e5, 12345.6, 9.96, 0.096, 0.951, -9.6]


@pytest.mark.parametrize("value", NUMBERS)
def test_numbers_are_written_as_in_reports(lab, value):
    assert call(lab, "format", "number", value) == number(value)


def test_durations_and_names_are_written_as_in_python(lab):
    for seconds in (0.2, 59.4, 60, 200, 3599, 3600, 16754):
        assert call(lab, "format", "duration", seconds) == duration(seconds)
    blocks = {"encoder.encoder.layer.0": "Block 1", "encoder.embeddings": "Embeddings", "head": "Readout"}
    blocks |= {"hidden 1": "Hidden 1", "model.layers.11": "Block 12", "ln_f": "Final norm"}
    assert {path: call(lab, "format", "blockName", path) for path in blocks} == blocks


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.3, 0.3, 0.1, 0.1, 0.01, 0.01], "the early blocks move most, the late blocks least"),
        ([0.01, 0.01, 0.1, 0.1, 0.3, 0.3], "the late blocks move most, the early blocks least"),
        ([0.1, 0.11, 0.1, 0.11, 0.1, 0.11], "all blocks move about as far"),
        ([0.1, 0.2, 0.1], "block 2 turned most"),
        ([0.0, 0.0, 0.0], "nothing has moved yet"),
        ([None, None, None], "no kernel to compare"),
    ],
)
def test_the_finding_follows_the_rows(lab, values, text):
    rows = [{"layer": f"h.{k}", "measures": {HEAT: value}} for k, value in enumerate(values)]
    assert call(lab, "table", "mostMoved", rows) == text


def test_shades(lab):
    assert call(lab, "table", "shade", None, 1.0) == "none"
    assert call(lab, "table", "shade", 0.0, 1.0).endswith("0%,var(--amount-0))")
    assert "var(--amount-3) 100%" in call(lab, "table", "shade", 7.0, 1.0)


def test_predictors_stand_side_by_side_with_their_spread_or_a_reason(draw):
    board = example("toy")
    drawn = draw("outcome", board)
    for name in ("Network", "Linearized twin", "Infinite width", "Regression, first kernel", "Regression, last kernel"):
        assert name in drawn
    assert drawn.count("<small>\u00b1") >= 1
    assert "The twin foresaw" in drawn
    assert drawn.count('<th scope="row">') == 5 + 3
    board.last["measures"] |= {"infinite_test_error": None}
    board.last["undefined"] |= {"infinite_test_error": "no kernel limit <here>"}
    assert 'title="No kernel limit &lt;here&gt;."' in draw("outcome", board)


def test_the_twins_future_is_known_before_the_first_step(lab, events):
    predicted = """async frame => { const {Tab} = await import('./feed.js'), tab = new Tab();
        tab.take({visit: 'v', serial: 1, run: 1, ...frame});
        return [tab.run.predicted('twin_train_loss'), tab.run.predicted('train_loss')]; }"""
    twin, network = lab.evaluate(predicted, whole(Board.replay(events[:2])))
    assert [step for step, _ in twin] == [0, 2, 4]
    assert network == []
    measured = [event["measures"]["twin_train_loss"] for event in events if event["kind"] == "measured"]
    assert [value for _, value in twin] == pytest.approx(measured, rel=1e-3)


FRAMES = {
    "in order": ([1, 2, 3], 0, "3"),
    "one is lost": ([1, 3, "3"], 1, "whole 3"),
    "one overtakes another, and the answer comes late": ([1, 3, 2, "2", "3"], 2, "whole 3"),
    "the last one comes before an answer from before it": ([1, 3, 4, "3", "4"], 2, "whole 4"),
    "an answer comes after what it lacks": ([1, 2, "1"], 0, "2"),
    "a refused press, then another frame": ([1, 3, None, 4, "4"], 2, "whole 4"),
}
"""Frames by number, as text where one has all of the run, None for a refused press; how often all is asked for; the last."""


@pytest.mark.parametrize("case", FRAMES)
def test_the_newest_frame_is_shown_whatever_order_they_come_in(lab, case):
    sent, asked, last = FRAMES[case]
    code = """async sent => { const {mount, tabOf} = await import('./feed.js');
        const screen = document.createElement('div'), element = document.createElement('div'), asked = [];
        element.innerHTML = `<i data-kind="${Math.random()}"></i>`;
        screen.className = 'tabitem';
        screen.append(element);
        let take;
        const frame = {visit: 'v', serial: 0, run: 0, events: [], status: 'finished', tick: {}}, tab = tabOf(element);
        const props = {value: JSON.stringify({...frame, whole: true})}, watch = (_, call) => { take = call; };
        const trigger = () => asked.push(JSON.parse(props.value).do);
        await mount({element, props, trigger, watch});
        for (const number of sent) {
            const serial = Number(number), whole = typeof number === 'string';
            const status = `${whole ? 'whole ' : ''}${serial}`;
            props.value = JSON.stringify(number === null ? {refused: 1} : {...frame, serial, whole, status});
            take();
        }
        return [asked, tab.run.status]; }"""
    assert lab.evaluate(code, sent) == [["all"] * asked, last]


def test_a_tab_that_a_link_opened_shows_the_shipped_run_and_why_its_own_is_refused(lab):
    code = """async whole => { const {Tab} = await import('./feed.js'), {PANELS} = await import('./panels.js');
        const {progress} = await import('./progress.js'), tab = new Tab(), asked = [], line = document.createElement('p');
        tab.screen = document.createElement('div');
        tab.send = request => asked.push(JSON.parse(request).do);
        const {status, tick} = whole, bar = document.createElement('div');
        bar.dataset.progress = 'step';
        const frame = (serial, more) => tab.hand({visit: 'v', run: 0, serial, events: [], status, tick, ...more});
        const drawn = () => { progress(bar, tab); PANELS.notice(line, tab); };
        tab.ask('open');
        frame(1, {before: {}});
        drawn();
        frame(2, {error: 'nope/none cannot be had'});
        frame(3, {});
        tab.hand({visit: 'v', run: 0, serial: 3, ...whole});
        drawn();
        return [asked, bar.textContent, line.textContent, line.className]; }"""
    asked, bar, line, css = lab.evaluate(code, whole(example("probe")))
    assert asked == ["open", "all"]
    assert bar.startswith("step 12 of 12finished in")
    assert (line, css) == ("nope/none cannot be had", "bad")


def test_a_line_says_whose_the_results_are_and_how_to_begin_the_forms(lab, events):
    code = """async ([frames, all]) => { const {Tab} = await import('./feed.js'), {PANELS} = await import('./panels.js');
        const said = [];
        for (const [serial, frame] of frames.entries()) for (const told of all) {
            const tab = new Tab(), line = document.createElement('p');
            tab.screen = document.createElement('div');
            tab.take({visit: 'v', serial: 1, run: 1, ...frame, told});
            PANELS.whose(line, tab);
            said.push([line.textContent, tab.screen.classList.contains('stale')]);
        }
        return said; }"""
    own = events[0]["config"]
    asked = [{}, {"asked": own}, {"asked": own | {"width": 9}}, {"asked": own | {"width": 9}, "against": own}]
    asked.append({"asked": None, "bad": True})
    going, ended = (whole(Board.replay(some)) for some in (events[:2], events))
    said = lab.evaluate(code, [[going, ended], asked])
    of, bad = "These results are of a run with width 8.", "These results are of settings from before: the form has an error."
    assert [text for text, _ in said] == [
        *("", "", f"{of} Press Pause, then Run, for the form's.", "", bad),
        *("", "", f"{of} Press Run for the form's.", "", bad),
    ]
    assert [stale for _, stale in said] == [text != "" for text, _ in said]


def test_what_a_map_has_other_than_the_form_is_said_in_words(lab):
    config = example("sweep").config
    asked = config | {"base": config["base"] | {"steps": 7, "depth": 5}, "axes": {"width": [8, 16]}}
    assert call(lab, "comparison", "differing", config, config) == ""
    assert call(lab, "comparison", "differing", config, asked) == (
        "width 16 to 512 in 12, hidden layers 2, output scale \u03b1 0.0625 to 16 in 12 and 1 more"
    )
    revisions = {"revisions": [f"step-{k}" for k in range(14)]}
    assert call(lab, "comparison", "value", "revisions", revisions) == "step-0, step-1, step-2 and 11 more"


def test_a_repeated_run_is_announced_again(lab, events):
    code = """async frame => { const {Tab} = await import('./feed.js'), {PANELS} = await import('./panels.js');
        const tab = new Tab(), root = document.createElement('div'), spoken = [];
        tab.send = () => {};
        root.innerHTML = '<button data-do=run></button><div data-progress=step></div>';
        const hear = () => { PANELS.transport(root, tab); spoken.push(root.querySelector('.sr-only').textContent); };
        for (const run of [1, 2]) {
            tab.ask('run');
            hear();
            tab.take({visit: 'v', serial: run, run, ...frame});
            hear();
        }
        return spoken; }"""
    spoken = lab.evaluate(code, whole(Board.replay(events)))
    assert spoken[:2] == spoken[2:]
    assert (spoken[0], spoken[1][:9]) == ("Training started", "Finished:")


@pytest.mark.parametrize(("changes", "stale", "asked"), [(2, False, ["run"]), (1, True, []), (None, False, ["run"])])
def test_what_is_said_of_a_form_that_has_changed_since_begins_nothing(lab, events, changes, stale, asked):
    heard = """async ([frame, said]) => { const {Tab} = await import('./feed.js'), {PANELS} = await import('./panels.js');
        const tab = new Tab(), asked = [];
        tab.screen = document.createElement('div');
        tab.screen.innerHTML = '<form data-changes="2"></form><p></p>';
        tab.send = request => asked.push(JSON.parse(request).do);
        tab.take({visit: 'v', serial: 1, run: 1, ...frame});
        Object.assign(tab, {touched: true, released: true});
        tab.hear(said);
        PANELS.whose(tab.screen.lastElementChild, tab);
        return [tab.screen.classList.contains('stale'), asked]; }"""
    said = {"quick": True, "changes": changes}
    assert lab.evaluate(heard, [whole(Board.replay(events)), said]) == [stale, asked]


@pytest.mark.parametrize(("quick", "asked"), [(True, ["run", "run"]), (False, ["run"])])
def test_a_knob_that_is_let_go_before_a_long_run_has_begun_does_not_replace_it(lab, quick, asked):
    let_go = """async quick => { const {Tab} = await import('./feed.js'), tab = new Tab(), asked = [];
        tab.send = request => asked.push(JSON.parse(request).do);
        tab.hear({quick});
        tab.ask('run');  // and nothing has come of it yet
        Object.assign(tab, {touched: true, released: true});
        tab.hear({quick: true});
        return asked; }"""
    assert lab.evaluate(let_go, quick) == asked


def test_a_pinned_run_is_drawn_beside_the_one_that_follows(draw, events):
    board, pinned = Board.replay(events), replay(alpha=0.25)
    assert "Pinned" not in draw("compare", board)
    drawn = draw("compare", board, pinned=pinned)
    assert "Output scale \u03b1: 0.25 \u2192 1" in drawn
    assert "kernel_change" not in drawn
    assert "Kernel change" in drawn
    assert 'class="pinned"' in draw("dial", board, pinned=pinned)
    assert "pinned run" in draw("loss", board, pinned=pinned)
    assert "same settings" in draw("compare", board, pinned=deepcopy(board))
    assert "Step size: 0.01 \u2192 auto" in draw("compare", board, pinned=replay(learning_rate=0.01))
    assert "Bottleneck: 4 \u2192 none" in draw("compare", board, pinned=replay(bottleneck=4))


def test_a_run_without_a_measurement_cannot_be_pinned(lab, events):
    code = """async frames => { const {Tab} = await import('./feed.js'), {PANELS} = await import('./panels.js');
        return frames.map(frame => {
            const tab = new Tab(), root = document.createElement('div');
            tab.screen = document.createElement('div');
            root.innerHTML = '<button data-do=pin></button><div data-progress=step></div>';
            tab.take({visit: 'v', serial: 1, run: 1, ...frame});
            PANELS.transport(root, tab);
            return root.querySelector('button').disabled; }); }"""
    assert lab.evaluate(code, [whole(Board.replay(some)) for some in (events[:1], events)]) == [True, False]


@pytest.mark.parametrize(("field", "kind"), [("csv", "toy"), ("texts", "probe")])
def test_a_pinned_run_does_not_print_its_rows(draw, field, kind):
    drawn = draw("compare", example(kind), pinned=example(kind), settings={field: "a mark of rows"})
    assert "a mark" not in drawn
    assert "Other rows" in drawn
    assert "same settings" in draw("compare", example(kind), pinned=example(kind))


def test_the_kernel_is_drawn_at_the_start_and_now(draw, events):
    drawn = draw("kernels", Board.replay(events[:-1]))
    assert drawn.count("<canvas") == 3
    assert "as large" in drawn
    assert "within classes" in drawn
    before = draw("kernels", Board.replay(events[:1]))
    assert before.count('<canvas hidden=""') == 2, "now and the change"
    assert "as large" not in before


RANGE = """async ([frame, pinned]) => {
    const {content} = await import('./curves.js'), {Tab} = await import('./feed.js'), tab = new Tab();
    tab.take({visit: 'v', serial: 1, run: 1, ...(pinned ?? frame)});
    if (pinned) tab.pinned = tab.run;
    tab.take({visit: 'v', serial: 2, run: 2, ...frame});
    const parts = [{measure: 'train_loss', look: 'net', pinned: true}, {measure: 'twin_train_loss', look: 'twin'}];
    const {y, curves} = content(tab, {parts});
    return [y.high, curves.map(({look}) => look).filter(Boolean)]; }"""
"""The upper end of a chart's axis and what it draws, of a run beside a pinned one."""


def test_a_twin_that_runs_away_leaves_the_axis_to_the_network(lab, events):
    board = Board.replay(deepcopy(events))
    losses = [event["measures"]["train_loss"] for event in board.history]
    board.history[-1]["measures"]["twin_train_loss"] = 1e30
    high, _ = lab.evaluate(RANGE, [whole(board), None])
    assert high <= 100 * max(losses)


def test_the_axis_holds_the_pinned_run(lab, events):
    board, pinned = Board.replay(deepcopy(events)), Board.replay(deepcopy(events))
    for event in pinned.history:
        event["measures"]["train_loss"] = 40.0
    high, drawn = lab.evaluate(RANGE, [whole(board), whole(pinned)])
    assert high >= 40
    assert drawn == ["pinned", "net", "twin"]


def test_references_are_named_under_their_distance(draw, events):
    board = Board.replay(events)
    known = [reference for reference in board.started["references"] if reference["measure"] == "representation_change"]
    drawn = draw("distances", board)
    assert known
    assert all(f"Dashed: {reference['meaning']}." in drawn for reference in known)


def test_a_border_of_other_settings_than_the_forms_says_of_which(lab):
    code = """async () => { const {Tab} = await import('./feed.js'), {border} = await import('./border.js'), tab = new Tab();
        const root = document.createElement('div'), said = [], config = {alpha: 1, weight_std: 1.5, bottleneck: null, depth: 2};
        document.body.replaceChildren(root);
        tab.border = {axis: 'alpha', config, seen: [{value: 1, label: 'lazy', index: 0.1, interval: null, agree: 'one seed'}]};
        const changes = [{alpha: 3}, {weight_std: 1, bottleneck: 4}];
        for (const form of changes) {
            tab.told.searched = {...config, ...form};
            border(root, tab);
            said.push([root.querySelector('.state').textContent.trim(), root.classList.contains('other')]);
        }
        return said; }"""
    ended, said = "Stopped after 1 run.", "This border is of runs with weight scale 1.5, bottleneck none."
    assert lab.evaluate(code) == [[ended, False], [f"{ended} {said} Press Find the border for the form's.", True]]
