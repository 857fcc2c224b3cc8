"""Measures of one's own stand beside all others, in runs, reports and monitors."""

import pytest
import torch
from torch import Tensor, nn

import regime
from regime.dynamics.snapshot import Snapshot
from tests.parts import Distance, Huge, Index, LayersMoved, Nameless, Signed, Taken, Writes

SMALL = {"width": 8, "steps": 4, "measure_every": 2, "samples": 16, "test_samples": 8, "probe_samples": 8, "seeds": 2}


def test_values_stand_in_events_and_reports():
    report = regime.run(regime.ToyConfig(measures=[Distance, LayersMoved], centered=False, **SMALL))
    first, *_, last = report.history
    assert first.measures["output_distance"] == 0
    assert (first.measures["layers_moved"], last.measures["layers_moved"]) == (0, 3)
    assert len(last.seeds["output_distance"]) == 2
    assert report.final["output_distance"] == pytest.approx(sum(report.seeds["output_distance"]) / 2)
    assert report.spread["output_distance"] > 0
    assert report.definitions == {measure.name: measure.meaning for measure in (Distance, LayersMoved)}
    assert regime.Report.from_dict(report.to_dict()) == report


def test_the_others_are_what_they_were():
    with_it, without = (regime.run(regime.ToyConfig(**SMALL, **more)) for more in ({"measures": [Distance]}, {}))
    assert {name: value for name, value in with_it.final.items() if name in without.final} == without.final
    assert with_it.verdict == without.verdict


def test_what_a_measure_writes_reaches_nothing():
    """Neither another measure that is asked after it, nor the run."""
    several, alone = (regime.run(regime.ToyConfig(measures=own, **SMALL)) for own in ([Writes, LayersMoved], [LayersMoved]))
    assert {name: value for name, value in several.final.items() if name != "writes"} == alone.final
    assert several.verdict == alone.verdict


def test_intervals_are_over_seeds():
    report = regime.run(regime.ToyConfig(measures=[Signed], **SMALL | {"seeds": 5}))
    known = report.seeds["signed"]
    mean, half = sum(known) / 5, 2.7764451 * (torch.tensor(known).std().item() / 5**0.5)
    assert min(known) < 0 < max(known)
    assert report.intervals["signed"] == pytest.approx((mean - half, mean + half), rel=1e-5)
    assert "signed" not in regime.run(regime.ToyConfig(measures=[Signed], **SMALL | {"seeds": 1})).intervals


def test_values_whose_squares_are_not_finite_have_no_interval():
    report = regime.run(regime.ToyConfig(measures=[Huge], **SMALL))
    assert report.final["huge"] == pytest.approx(1.5e200)
    assert "huge" not in report.intervals


def test_a_value_that_is_not_finite_is_null_with_a_reason():
    report = regime.run(regime.ToyConfig(measures=[Distance], **SMALL))  # centered: f_0 = 0
    assert report.final["output_distance"] is None
    assert report.undefined["output_distance"] == "not a finite number"


def test_seeds_that_are_added_have_it_too():
    report = regime.run(regime.ToyConfig(**SMALL | {"measures": [LayersMoved], "alpha": 0.6, "max_seeds": 8, "steps": 60}))
    assert len(report.seeds["layers_moved"]) == len(report.verdict.seeds)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["Taken"], "the name 'kernel_change' is not allowed"),
        (["Index"], "the name 'regime_index' is not allowed"),
        (["Distance", "Distance"], "the name 'output_distance' is not allowed"),
        (["Nameless"], "the name '' is not allowed"),
        (["HalfNamed"], "the name .* is not allowed"),
        (["Meaningless"], "the meaning 3 of 'output_distance' is not allowed; allowed: text"),
        (["HalfMeant"], "the meaning .* of 'output_distance' is not allowed; allowed: text"),
        (["Stripes"], "it has no name; allowed: name, meaning"),
        (["Scalar"], r"measure = 'output_distance' is not allowed: its shape is \(\); allowed: \(2,\), one a seed"),
        (["Complex"], "measure = 'output_distance' is not allowed: it is complex; allowed"),
        (["Mapping"], "measure = 'output_distance' failed: TypeError"),
        (["FailingMeasure"], "measure = 'output_distance' failed: KeyError: 'no such layer'"),
    ],
)
def test_a_measure_that_is_none_or_fails_is_named(names, said):
    with pytest.raises(regime.ConfigError, match=said):
        regime.run(regime.ToyConfig(measures=[f"tests.parts:{name}" for name in names], **SMALL))


def test_a_monitor_takes_objects():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    monitor = regime.Monitor(model, torch.randn(8, 3), measures=[Distance()])
    with torch.no_grad():
        model[2].bias += 1.0
    assert monitor.measure(1).measures["output_distance"] > 0
    assert monitor.report().definitions == {Distance.name: Distance.meaning}


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        (Taken(), "the name 'kernel_change'"),
        (Index(), "the name 'regime_index'"),
        (Nameless(), "the name ''"),
        (Distance, "objects that are called"),
        (3, "no name"),
    ],
)
def test_a_monitor_refuses_what_is_no_measure(measure, said):
    with pytest.raises(ValueError, match=said):
        regime.Monitor(nn.Linear(3, 2), torch.randn(8, 3), measures=[measure])


@pytest.mark.parametrize("measures", [None, 3, "output_distance", Distance()])
def test_a_monitor_refuses_what_is_no_list_of_measures(measures):
    with pytest.raises(ValueError, match=r"^measures = .* is not allowed; allowed: a list of measures$"):
        regime.Monitor(nn.Linear(3, 2), torch.randn(8, 3), measures=measures)


class Careless:
    """Writes into all that it is given."""

    name, meaning = "careless", "Nothing."

    def __call__(self, now: Snapshot, start: Snapshot) -> Tensor:
        for snapshot in (now, start):
            for tensor in (snapshot.outputs, *snapshot.kernels.values(), *snapshot.representations.values()):
                tensor.numpy()[...] = 7
            snapshot.kernels.clear()
        return now.outputs.mean((1, 2))


def test_a_measure_that_writes_into_what_it_is_given_changes_no_other() -> None:
    def measured(measures: list) -> list[dict]:
        torch.manual_seed(0)
        model, x = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)), torch.randn(9, 4)
        monitor, found = regime.Monitor(model, x, measures=measures), []
        for step in (1, 2):
            with torch.no_grad():
                model[0].weight.mul_(1.1)
            found.append({k: v for k, v in monitor.measure(step).measures.items() if k != "careless"})
        return found

    assert measured([Careless()]) == measured([])
