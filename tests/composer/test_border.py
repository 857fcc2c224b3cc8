"""A border found by bisection is where a dense grid of direct runs has it; what is sought in vain is said."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from math import log10

import jsonschema
import pytest

import regime
from regime import Border, ConfigError, ProbeConfig, ToyConfig, find_border, stream_border
from regime.composer import border
from regime.composer.pace import Clock
from regime.composer.producers import train_together
from regime.composer.search import FAILED, RANGES, Search, Trial
from regime.measures.verdict import UNLEARNED, ZONES
from regime.schema import schemas
from tests.parts import Descent

CONFIG = ToyConfig(
    width=48, activation="erf", alpha=0.3, samples=16, test_samples=8, probe_samples=24, steps=40, measure_every=20, seeds=8
)


def along(field: str, values: list[float]) -> list[regime.Report]:
    """Direct runs, one after another."""
    return [regime.run(CONFIG.model_copy(update={field: value})) for value in values]


@pytest.mark.parametrize("side", ["lazy", "rich"])
def test_a_border_along_alpha_is_that_of_a_dense_grid(side: str) -> None:
    border = find_border(CONFIG, side=side)
    low, high = border.interval
    assert low < border.value < high
    grid = [border.value * 1.05**k for k in range(-15, 16)]
    configs = [CONFIG.model_copy(update={"alpha": alpha}) for alpha in grid]
    events = [(cell, event) for cell, event in regime.stream_together(configs) if event.kind == "measured"]
    verdicts = {cell: event.verdict for cell, event in events if event.step == CONFIG.steps}
    bound = ZONES[0] if side == "lazy" else ZONES[1]
    assert min(alpha for cell, alpha in enumerate(grid) if verdicts[cell].index < bound) == pytest.approx(border.value, rel=0.1)
    richer = [alpha for cell, alpha in enumerate(grid) if verdicts[cell].interval[0] >= bound]
    lazier = [alpha for cell, alpha in enumerate(grid) if verdicts[cell].interval[1] < bound]
    assert max(richer) == pytest.approx(low, rel=0.15)
    assert min(lazier) == pytest.approx(high, rel=0.15)
    assert (border.below.label, border.above.label) == {"lazy": ("mixed", "lazy"), "rich": ("rich", "mixed")}[side]


def test_what_was_seen_is_what_a_direct_run_gives() -> None:
    border = find_border(CONFIG, "width", within=(4, 300))
    assert border.value == round(border.value)
    assert all(item.value == round(item.value) and 4 <= item.value <= 300 for item in border.seen)
    ends = [border.below, border.above]
    for end, report in zip(ends, along("width", [round(end.value) for end in ends]), strict=True):
        assert end.label == report.verdict.label
        assert end.index == pytest.approx(report.verdict.index, abs=1e-3)
        assert end.interval == pytest.approx(report.verdict.interval, abs=1e-3)
        assert end.learning_rate == pytest.approx(report.provenance.learning_rate)


@pytest.mark.parametrize("together", [True, False])
def test_the_share_that_is_done_grows_to_the_whole(monkeypatch: pytest.MonkeyPatch, together: bool) -> None:
    """Runs of one width are trained together, or, where that is refused, one after another."""

    def apart(configs: list[ToyConfig], **kwargs: bool) -> Iterator:
        if len(configs) > 1 and not together:
            raise ConfigError("all at once are too many")
        return (yield from train_together(configs, **kwargs))

    monkeypatch.setattr(border, "train_together", apart)
    monkeypatch.setattr(Clock, "due", lambda _: True)
    small = CONFIG.model_copy(update={"steps": 20, "seeds": 2})
    for axis, values in (("alpha", [0.1, 0.2, 0.4]), ("width", [4, 8, 16])):
        items = [*border.run_at(small, axis, values)]
        assert sorted(item.value for item in items if isinstance(item, Trial)) == values
        shares = [item for item in items if not isinstance(item, Trial)]
        assert shares == sorted(shares)
        assert 0.9 < shares[-1] <= 1
        assert any(1 / 3 < share < 2 / 3 for share in shares)


def test_along_the_step_lazy_lies_below() -> None:
    config = CONFIG.model_copy(update={"alpha": 2.0})
    border = find_border(config, "learning_rate")
    own = next(item for item in border.seen if item.label == "lazy")
    assert own.value < border.value
    assert border.below.label == "lazy"
    assert border.above.label == "mixed"
    report = regime.run(config.model_copy(update={"learning_rate": border.above.value}))
    assert report.verdict.label == "mixed"


def test_events_are_plain_and_end_in_the_border() -> None:
    *events, last = stream_border(CONFIG, side="rich", within=(0.05, 1.0))
    known = schemas()
    for event in (*events, last):
        jsonschema.validate(json.loads(json.dumps(event.to_dict(), allow_nan=False)), known["border-event"])
    jsonschema.validate(last.report, known["border"])
    border = Border.from_dict(last.report)
    tried = [event.seen for event in events if event.kind == "tried"]
    assert sorted(tried, key=lambda item: item.value) == border.seen
    announced = [value for event in events if event.kind == "trying" and event.fraction == 0 for value in event.values]
    assert {item.value for item in border.seen} == set(announced)
    assert border == find_border(CONFIG, side="rich", within=(0.05, 1.0))


def test_a_border_that_is_not_there_is_said_with_both_ends() -> None:
    border = find_border(CONFIG.model_copy(update={"trainable": "readout"}), side="rich", within=(0.01, 100.0))
    assert (border.value, border.interval, border.below, border.above) == (None, None, None, None)
    assert [border.seen[0].value, border.seen[-1].value] == [0.01, 100.0]
    assert border.reasons == ["No border at which rich begins from alpha = 0.01 to 100: lazy at 0.01, lazy at 100"]


def test_divergence_on_one_side_is_said() -> None:
    border = find_border(CONFIG.model_copy(update={"activation": "relu"}), "learning_rate", side="rich")
    assert border.below.label == "mixed"
    assert border.above.label == "rich"
    assert border.reasons[-1].startswith("Above: diverged at ")


def test_no_steps_no_border() -> None:
    border = find_border(CONFIG.model_copy(update={"steps": 0}), within=(0.1, 1.0))
    assert border.value is None
    assert border.reasons[0].endswith("nothing moved at 0.1, nothing moved at 1")


def test_a_closed_search_leaves_nothing_running() -> None:
    threads = threading.active_count()
    events = stream_border(CONFIG.model_copy(update={"steps": 50_000, "measure_every": 1000}))
    next(event for event in events if event.kind == "trying" and event.fraction > 0)
    began = time.perf_counter()
    events.close()
    assert time.perf_counter() - began < 1
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((ProbeConfig(),), "config = ProbeConfig.* is not allowed; allowed: a ToyConfig"),
        ((CONFIG, "depth"), "axis = 'depth' is not allowed; allowed: 'alpha', 'learning_rate', 'width'"),
        ((CONFIG, "alpha", "mixed"), "side = 'mixed' is not allowed; allowed: 'lazy', 'rich'"),
        ((CONFIG, "alpha", "lazy", (1.0, 1.0)), "allowed: two increasing values from 0.0001 to 10000"),
        (
            (CONFIG, "width", "lazy", (0, 10)),
            r"within = \(0, 10\) is not allowed; allowed: two increasing values from 1 to 16384",
        ),
        ((CONFIG, "alpha", "lazy", 3), "within = 3 is not allowed"),
        ((CONFIG, "width", "lazy", (8.5, 9.4)), r"\(8.5, 9.4\) .* from 1 to 16384, with two whole numbers between them"),
        ((CONFIG, "width", "lazy", (8.1, 8.9)), r"\(8.1, 8.9\) .* two whole numbers between them"),
    ],
)
def test_bad_arguments_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        next(stream_border(*arguments))


def test_widths_are_whole_numbers_inside_the_range() -> None:
    search = Search.of(CONFIG.model_copy(update={"width": 64}), "width", "lazy", (6.5, 9.4))
    assert search.within == (7, 9)
    assert search.start == 9
    assert search.next_values([]) == [7, 9]
    assert Search.of(CONFIG.model_copy(update={"width": 8}), "width", "lazy", (7.9, 300.5)).within == (8, 300)


def test_the_whole_range_is_what_the_fields_allow() -> None:
    fields = ToyConfig.properties()
    for name in ("alpha", "width"):
        assert RANGES[name] == (fields[name]["minimum"], fields[name]["maximum"])
    assert RANGES["learning_rate"][1] == fields["learning_rate"]["anyOf"][0]["maximum"]


def seen(value: float, index: float | None, half: float = 0.0, agree: str = "4 of 4 seeds") -> Trial:
    """A run as it might have been seen."""
    interval = None if index is None else (index - half, index + half)
    ends = () if index is None else tuple(sum(end >= bound for bound in ZONES) for end in interval)
    label = "no verdict" if index is None or agree == UNLEARNED or len(set(ends)) > 1 else ("lazy", "mixed", "rich")[ends[0]]
    return Trial(value=value, learning_rate=0.1, label=label, index=index, interval=interval, agree=agree, reasons=[])


def searched(run: Callable[[float], Trial], **fields: object) -> Border:
    """The border of a made-up regime."""
    search = Search(**{"config": CONFIG, "axis": "alpha", "side": "lazy", "start": 1.0, "within": RANGES["alpha"]} | fields)
    known: list[Trial] = []
    while values := search.next_values(known):
        assert not {item.value for item in known} & set(values), "nothing is tried twice"
        known += map(run, values)
    return search.border(known)


def falling(value: float, half: float = 0.05) -> Trial:
    """An index that falls by 0.3 a decade, past the lazy bound at 37 and past the rich one at 6.29."""
    return seen(value, min(1.0, max(0.0, ZONES[0] - 0.3 * log10(value / 37))), half)


def test_bisection_comes_within_a_tenth() -> None:
    border = searched(falling)
    assert border.value == pytest.approx(37, rel=0.05)
    half = 10 ** (0.05 / 0.3)
    assert 37 / half / 1.1 <= border.interval[0] <= 37 / half
    assert 37 * half <= border.interval[1] <= 37 * half * 1.1
    assert len(border.seen) < 30
    rich = searched(falling, side="rich")
    assert rich.value == pytest.approx(37 / 10 ** ((ZONES[1] - ZONES[0]) / 0.3), rel=0.05)
    assert border.reasons[0].startswith("Lazy ends at alpha = 37") or border.reasons[0].startswith("Lazy ends at alpha = 3")


def test_an_end_that_is_never_sure_is_left_open() -> None:
    border = searched(lambda value: falling(value, 0.0 if value > 37 else 2.0))
    assert border.interval == (None, pytest.approx(37, rel=0.1))
    assert border.below is None
    assert border.seen[0].value == 1e-4
    assert "No run below it is sure of its side" in border.reasons


def test_where_runs_are_lost_the_search_ends() -> None:
    def diverges(value: float) -> Trial:
        return seen(value, None, agree="diverged") if value < 50 else falling(value)

    border = searched(diverges, start=200.0)
    assert border.value is None
    assert 50 / 1.1 <= max(item.value for item in border.seen if not item.judged) < 50
    assert border.reasons[1].startswith("Below: diverged at 4")
    unlearned = searched(lambda value: seen(value, 0.2, agree=UNLEARNED) if value > 20 else falling(value))
    assert unlearned.value is None
    assert unlearned.reasons[-1].startswith(f"Above: {UNLEARNED} at 2")


def test_what_cannot_run_is_not_narrowed() -> None:
    border = searched(lambda value: seen(value, None, agree=FAILED) if value > 20 else falling(value))
    assert border.value is None
    assert [item.value for item in border.seen if not item.judged] == [64.0, 256.0] or len(border.seen) < 12


@pytest.mark.parametrize(
    ("fields", "axis", "why"),
    [
        (
            {"optimizer": Descent, "learning_rate": None},
            "alpha",
            "learning_rate = None is not allowed with an optimizer of your",
        ),
        ({"weight_decay": 5.0, "learning_rate": 0.1}, "learning_rate", "weight_decay = 5.0 is not allowed: a step would take"),
    ],
)
def test_why_a_run_cannot_be_had_is_said(fields: dict, axis: str, why: str) -> None:
    within = {"alpha": (0.5, 2.0), "learning_rate": (0.1, 100.0)}[axis]
    border = find_border(CONFIG.model_copy(update={"steps": 4, "measure_every": 4} | fields), axis, within=within)
    assert border.value is None
    assert any(reason.startswith(("Above: failed at ", "Below: failed at ")) and why in reason for reason in border.reasons)


def test_of_several_borders_the_nearest_is_given() -> None:
    def hump(value: float) -> Trial:
        return seen(value, 0.4 if 0.3 < value < 5 else 0.2)

    border = searched(hump, start=2.0)
    assert border.value == pytest.approx(5, rel=0.05)
    assert border.reasons[-1] == "The index passes the bound more than once; this is nearest alpha = 2"
    assert searched(hump, start=0.7).value == pytest.approx(0.3, rel=0.05)


def test_widths_are_tried_one_at_a_time_between_neighbors() -> None:
    border = searched(falling, axis="width", start=8, within=RANGES["width"])
    assert border.value in (36, 37, 38)
    assert all(item.value == int(item.value) for item in border.seen)
