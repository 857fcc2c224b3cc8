"""What the page draws, from events alone: no server, no browser."""

import re
from copy import deepcopy

import pytest

import regime
from regime.config.rows import OWN
from regime.config.tasks import TASKS
from regime.measures.verdict import zone
from regime.plots.dial import DIAL
from regime.ui.form.toy import summary, toy_form
from regime.ui.panels.charts import TOY_LOSSES, curves, multiples
from regime.ui.panels.comparison import comparison
from regime.ui.panels.dial import dial
from regime.ui.panels.findings import counts, laws
from regime.ui.panels.glossary import glossary
from regime.ui.panels.heatmap import heatmap
from regime.ui.panels.intro import INTROS
from regime.ui.panels.kernel import kernels
from regime.ui.panels.outcome import PREDICTORS, errors, scaling
from regime.ui.panels.picture import pictures
from regime.ui.panels.plot import Axis, decades, line
from regime.ui.panels.progress import announcement, progress
from regime.ui.panels.table import HEAT, block_table, full_table, layer_table, most_moved, shade
from regime.ui.run.board import Board, thin
from regime.ui.run.examples import CONFIGS, example
from regime.ui.text import block_name, duration, number

TINY = {"width": 8, "samples": 16, "test_samples": 16, "probe_samples": 16, "steps": 4, "measure_every": 2, "seeds": 2}
HOSTILE = "<img src=x onerror=alert(1)>\"'"
VIEWS = (dial, layer_table, block_table, full_table, multiples, pictures, kernels, progress, announcement)


def loss(board):
    return curves(board, TOY_LOSSES, what="Loss")


def run(**fields):
    return [event.to_dict() for event in regime.stream(regime.ToyConfig(**TINY | fields))]


@pytest.fixture(scope="module")
def events():
    return run()


def board_with(events, **verdict):
    """The board after one measurement, its verdict changed."""
    first = deepcopy(until_measured(events)[-1])
    return Board.replay([events[0], first | {"verdict": first["verdict"] | verdict}])


def until_measured(events):
    """The events up to the first measurement."""
    kinds = [event["kind"] for event in events]
    return events[: kinds.index("measured") + 1]


def test_every_view_draws_every_stage_of_a_run(events):
    board = Board({})
    for event in events:
        board.take(event)
        for view in (*VIEWS, loss):
            assert view(board)
    assert board.status == "finished"


@pytest.mark.parametrize(("task", "meaning"), TASKS.items())
def test_every_task_has_a_picture_or_says_why_not(task, meaning):
    drawn = pictures(Board.replay(run(task=task, steps=0)))
    assert ("no picture" in drawn) == (meaning.inputs > 2)
    assert drawn.count("data:image/png") == (4 if meaning.inputs == 2 else 0)
    assert ("Infinite width" in drawn) == (meaning.inputs <= 2)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([f"{k},{k % 3}" for k in range(2, 50)], "from 1 input to 3 outputs"),
        ([f"{k},{k * k},{k},{k % 7}.5" for k in range(2, 50)], "from 3 inputs to 1 output has"),
        ([f"{k},{k % 2}" for k in range(2, 50)], "training points"),
    ],
)
def test_own_rows_have_a_picture_where_their_columns_allow(rows, text):
    assert text in pictures(Board.replay(run(task=OWN, csv="\n".join(rows), steps=0)))


def test_a_missing_limit_says_why_in_its_place():
    drawn = pictures(Board.replay(run(parameterization="mup", steps=0)))
    assert drawn.count("data:image/png") == 3
    assert "<p>No kernel limit in this parameterization" in drawn
    assert "Infinite width" not in pictures(Board.replay(run(task="sine", parameterization="mup", steps=0)))


def test_every_field_of_a_toy_run_that_the_page_takes_has_a_control():
    names = toy_form().names
    assert {*names, "kind", "device", "measures"} == set(regime.ToyConfig.model_fields)
    assert len(set(names)) == len(names)


def test_floors_are_drawn_under_the_distances(events):
    assert multiples(Board.replay(events)).count('class="band floor"') == 3
    assert "floor" not in multiples(Board.replay(until_measured(events)))


def test_a_live_run_and_its_report_draw_the_same(events):
    live, loaded = Board.replay(events), Board.replay([events[0], events[-1]])
    for view in (*VIEWS, loss):
        assert view(live) == view(loaded)


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_shipped_example_is_a_finished_run_of_its_config(kind):
    board = example(kind)
    assert board.status == "finished"
    saved = regime.SweepReport if kind == "sweep" else regime.Report
    assert saved.from_dict(board.report).config == CONFIGS[kind]
    assert example(kind) is not example(kind)


def test_hostile_text_is_escaped(events):
    board = board_with(events, label="no verdict", agree=HOSTILE, reasons=[HOSTILE] * 3, advice=[HOSTILE])
    for row in (*board.last["layers"], *board.last["blocks"]):
        row["layer"] = row["block"] = HOSTILE
        row["measures"] = dict.fromkeys(row["measures"])
        row["undefined"] = dict.fromkeys(row["measures"], HOSTILE)
    for view in VIEWS:
        assert "<img src=x" not in view(board)
    assert "&lt;img src=x" in dial(board)
    assert "&lt;img src=x" in full_table(board)


def test_thirty_blocks_have_a_row_each_in_a_dense_heat_map():
    board = example("probe")
    for step, event in enumerate(board.history):
        ends, middle = event["blocks"][:1] + event["blocks"][-2:], event["blocks"][1:-2]
        repeated = [
            deepcopy(middle[k % len(middle)]) | {"layer": f"model.layers.{k}", "block": f"model.layers.{k}"} for k in range(30)
        ]
        for k, row in enumerate(repeated):
            row["measures"] |= {HEAT: 0.01 * step * (k + 1), "kernel_share": 0.002}
        event["blocks"] = [ends[0], *repeated, *ends[1:]]
    drawn = block_table(board)
    heads = re.findall(r'<th scope="row"[^>]*>([^<]+)</th>', drawn)
    assert heads == ["Embeddings", *(f"Block {k}" for k in range(1, 31)), "Pooler", "Readout"]
    assert '<table class="rows dense">' in drawn
    assert "dense" not in block_table(example("probe"))
    strips = re.findall(r'<td class="strip">.*?</td>', drawn)
    assert [strip.count("<i ") for strip in strips] == [len(board.history)] * 33
    colors = [re.findall(r'background:([^"]+)"', strip)[-1] for strip in strips[1:31]]
    assert len(set(colors)) == 30, "neighbors differ"
    assert drawn.count("&lt;1%") >= 30, "a small share is not none"


def test_an_undefined_cell_gives_its_reason(events):
    drawn = full_table(Board.replay(events))
    assert 'title="The readout gives outputs, not features."' in drawn
    assert ">The readout gives outputs, not features.<" in drawn
    assert "None" not in drawn


def test_the_zones_of_the_dial_are_those_of_verdicts():
    assert [zone((part.low + part.high) / 2) for part in DIAL] == [part.label for part in DIAL]
    assert (DIAL[0].low, DIAL[-1].high) == (0, 1)


def test_no_verdict_is_a_look_of_its_own(events):
    drawn = dial(
        board_with(events, label="no verdict", index=0.5, interval=(0.4, 0.6), seeds=[0.4, 0.6], agree="1 of 2 seeds lazy")
    )
    assert "is-none" in drawn
    assert "No verdict" in drawn
    assert drawn.count('class="seed"') == 2


def test_advice_waits_for_the_end_of_a_run(events):
    board = board_with(events, advice=["Train longer"])
    assert "Train longer" not in dial(board)
    board.stop()
    assert "Train longer." in dial(board)


def test_cells_without_a_verdict_are_counted_by_reason():
    drawn = counts(example("sweep"))
    assert "<b>60</b> no verdict" in drawn
    told = {int(count): reason for count, reason in re.findall(r"<li>(\d+) of them: ([^<]+)</li>", drawn)}
    assert sum(told) == 60
    assert set(told.values()) == {f"the interval has both {sides} in it." for sides in ("lazy and mixed", "mixed and rich")}


def test_laws_are_told_in_sentences_with_links_to_their_papers():
    drawn = laws(example("sweep"))
    assert "The law fitted without the last 2 points predicts 2 of them." in drawn
    assert 'href="https://arxiv.org/abs/1906.08034"' in drawn


def test_a_lines_own_measure_and_the_regime_are_what_it_belongs_to():
    """The script draws a line over the regime, or over the measure of this name."""
    drawn = heatmap(example("sweep"))
    names = {measure["name"] for measure in drawn["measures"]}
    assert {line["measure"] for line in drawn["lines"]} <= names
    assert {(line["look"], line["name"]) for line in drawn["lines"]} == {
        ("kernel", "Kernel change is 0.5"),
        ("kernel thin", "Kernel change is 0.1"),
        ("gap", "Largest linearization gap is 0.1"),
    }


def test_a_diverged_run_has_no_marks_on_its_scale(events):
    drawn = dial(board_with(events, label="no verdict", index=None, interval=None, seeds=[None, None], agree="diverged"))
    assert "no position yet" in drawn
    assert 'class="mean"' not in drawn


def test_a_real_divergence_is_drawn():
    board = Board.replay(run(learning_rate=1e6, steps=20))
    assert board.report["diverged"]
    assert "diverged" in dial(board)
    for view in (*VIEWS, loss):
        assert "nan" not in view(board)


def test_a_stopped_run_says_where(events):
    board = Board.replay(until_measured(events))
    board.stop()
    assert "stopped at step 0" in dial(board)
    assert "stopped" in progress(board)
    assert announcement(board).startswith("Stopped at step 0")


def test_stop_leaves_a_finished_run_finished(events):
    board = Board.replay(events)
    board.stop()
    assert board.status == "finished"


def test_one_point_is_drawn_as_a_dot():
    drawn = line([(0, 0.5)], Axis(0, 10), Axis(0.1, 1, log=True), "net")
    assert "h.01" in drawn


def test_nulls_break_a_line_and_log_axes_drop_zeros():
    x, y = Axis(0, 4), Axis(0.1, 1, log=True)
    assert line([(0, 0.5), (1, 0.6), (2, None), (3, 0.7), (4, 0.8)], x, y, "net").count("M") == 2
    assert line([(0, 0.0)], x, y, "net") == ""
    assert line([], x, y, "net") == ""


@pytest.mark.parametrize("values", [[], [0.0], [1e-30, 1.0], [1e-300], [1e300], [0.5, 0.02]])
def test_a_log_axis_holds_its_values(values):
    axis = decades(values)
    assert 0 < axis.low < axis.high
    assert len(axis.ticks) < 12
    assert all(0 <= axis.place(value) <= 100 for value in values)


def test_thinning_keeps_both_ends():
    kept = thin(list(map(str, range(1001))), 100)
    assert kept[0] == "0"
    assert kept[-1] == "1000"
    assert len(kept) <= 102


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\u2013"),
        (0, "0"),
        (0.0004, "<0.001"),
        (0.0251, "0.025"),
        (6.84, "6.8"),
        (19.2, "19"),
        (431.0, "431"),
        (-4.8e17, "\u22124.8\xd710\xb9\u2077"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_durations_and_names():
    assert [duration(t) for t in (0.2, 59.4, 60, 200)] == ["0 s", "59 s", "1 min", "3 min 20 s"]
    assert block_name("encoder.encoder.layer.0") == "Block 1"
    assert block_name("encoder.embeddings") == "Embeddings"
    assert block_name("head") == "Readout"
    assert block_name("hidden 1") == "Hidden 1"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.3, 0.3, 0.1, 0.1, 0.01, 0.01], "the early blocks move most, the late blocks least"),
        ([0.01, 0.01, 0.1, 0.1, 0.3, 0.3], "the late blocks move most, the early blocks least"),
        ([0.1, 0.11, 0.1, 0.11, 0.1, 0.11], "all blocks move about as far"),
        ([0.0, 0.0, 0.0], "nothing has moved yet"),
        ([None, None, None], "no kernel to compare"),
    ],
)
def test_the_finding_follows_the_rows(values, text):
    assert most_moved([{"measures": {HEAT: value}} for value in values]) == text


def test_shades():
    assert shade(None, 1.0) == "var(--hatch)"
    assert shade(0.0, 1.0).endswith("0%,var(--amount-0))")
    assert "var(--amount-3) 100%" in shade(7.0, 1.0)


def test_predictors_stand_side_by_side_with_their_spread_or_a_reason() -> None:
    board = example("toy")
    html = errors(board)
    for name in PREDICTORS.values():
        assert name in html
    assert html.count("<small>&plusmn;") >= 1
    board.last["measures"] |= {"infinite_test_error": None}
    board.last["undefined"] |= {"infinite_test_error": "no kernel limit <here>"}
    assert 'title="No kernel limit &lt;here&gt;."' in errors(board)
    assert "The twin foresaw" in html


def test_the_scales_of_every_layer_are_shown() -> None:
    html = scaling(example("toy"))
    assert html.count('<th scope="row">') == 3
    assert "Hidden 2" in html
    assert scaling(Board(config={})).count('<th scope="row">') == 0


def test_the_twins_future_is_drawn_before_the_first_step(events) -> None:
    board = Board.replay(events[:2])
    assert [step for step, _ in board.predicted("twin_train_loss")] == [0, 2, 4]
    assert board.predicted("train_loss") == []
    ahead = loss(board)
    assert ahead.count('class="line twin ahead"') == 1
    assert "L" in ahead.split('class="line twin ahead" d="')[1].split('"')[0]
    later = Board.replay(events[:3])
    assert later.predicted("twin_train_loss") == board.predicted("twin_train_loss")
    assert later.predicted("twin_train_loss")[1][1] == pytest.approx(later.last["measures"]["twin_train_loss"])


def test_a_pinned_run_is_drawn_beside_the_one_that_follows(events):
    board = Board.replay(events)
    assert comparison(board) == ""
    board.pinned = Board.replay(run(alpha=0.25))
    drawn = comparison(board)
    assert "Output scale \u03b1: 0.25 &rarr; 1.0" in drawn
    assert "kernel_change" not in drawn
    assert "Kernel change" in drawn
    assert 'class="pinned"' in dial(board)
    assert loss(board).count("line pinned") == 1
    assert multiples(board).count("line pinned") == 3
    board.pinned = Board.replay(events)
    assert "same settings" in comparison(board)


def test_the_kernel_is_drawn_at_the_start_and_now(events):
    drawn = kernels(Board.replay(events))
    assert drawn.count("--mask") == 2
    assert drawn.count("<img") == 1
    assert "as large" in drawn
    before = kernels(Board.replay(events[:1]))
    assert before.count("--mask") == 1
    assert "as large" not in before


def test_a_kernel_that_is_not_there_yet_is_drawn_empty():
    assert "--mask" not in kernels(Board({}))


def test_a_twin_that_runs_away_leaves_the_axis_to_the_network(events):
    board = Board.replay(deepcopy(events))
    losses = [event["measures"]["train_loss"] for event in board.history]
    board.history[-1]["measures"]["twin_train_loss"] = 1e30
    ticks = [float(text) for text in re.findall(r'class="tick y"[^>]*>([\d.]+)<', loss(board))]
    assert max(ticks) <= 100 * max(losses)


def test_references_are_drawn_and_named(events):
    drawn = multiples(Board.replay(events))
    assert drawn.count("bound reference") == 1
    assert "between two independent initializations" in drawn


def test_every_opened_term_is_defined(events):
    known = set(re.findall(r'id="term-([^"]+)"', glossary()))
    used = set(
        re.findall(
            r'popovertarget="term-([^"]+)"', "".join(view(Board.replay(events)) for view in VIEWS) + "".join(INTROS.values())
        )
    )
    assert used
    assert used <= known


def test_the_folded_settings_are_summed_up_in_a_line():
    assert summary(regime.ToyConfig(seed=7)) == "ReLU, NTK parameterization, squared loss, GD, 128 points, seed 7"
