"""An optimizer of one's own trains networks and twins alike; written as a known one, it gives that one's numbers."""

import pytest

import regime
from tests.parts import Counts, Descent, Forgets, MadeLater, Rebinds, SlowAdam, StepsItself

SMALL = {"width": 8, "steps": 12, "measure_every": 4, "samples": 16, "test_samples": 8, "probe_samples": 8, "seeds": 2}
SAME = ("train_loss", "twin_train_loss", "kernel_change", "linearization_gap", "taylor_gap", "test_error")


@pytest.mark.parametrize("more", [{}, {"weight_decay": 0.02, "decoupled": True}, {"alpha": 3.0, "parameterization": "mup"}])
@pytest.mark.parametrize(("own", "known", "rate"), [(Descent, "gd", 0.3), (SlowAdam, "adam", 0.01)])
def test_it_is_the_known_one_where_it_steps_alike(own, known, rate, more):
    one, other = (
        regime.run(regime.ToyConfig(optimizer=optimizer, learning_rate=rate, **SMALL, **more)) for optimizer in (own, known)
    )
    for name in SAME:
        assert one.final[name] == pytest.approx(other.final[name], rel=1e-3, abs=1e-6), name
    assert "your own optimizer" in one.undefined["stability"]
    assert ("your own optimizer" in one.undefined["infinite_train_loss"]) == (one.config.parameterization == "ntk")


def test_coupled_weight_decay_goes_through_it():
    more = {"weight_decay": 0.1, "learning_rate": 0.01}
    one, other = (regime.run(regime.ToyConfig(optimizer=optimizer, **more, **SMALL)) for optimizer in (SlowAdam, "adam"))
    assert one.final["parameter_movement"] == pytest.approx(other.final["parameter_movement"], rel=1e-3)


@pytest.mark.parametrize("optimizer", [SlowAdam, Rebinds, Descent])
def test_a_held_run_goes_on_bit_for_bit(optimizer, tmp_path):
    config = regime.ToyConfig(optimizer=optimizer, learning_rate=0.01, **SMALL)
    session = regime.Session(config)
    list(session.stream(measurements=2))
    session.save(tmp_path / "held")
    *_, last = regime.Session.load(tmp_path / "held").stream()
    report, whole = regime.Report.from_dict(last.report), regime.run(config)
    assert (report.seeds, report.layers) == (whole.seeds, whole.layers)


@pytest.mark.parametrize("optimizer", [Counts, Forgets, MadeLater])
def test_one_that_keeps_more_than_its_state_can_be_held_and_not_saved(optimizer, tmp_path):
    """What is saved has to go on as it would have."""
    config = regime.ToyConfig(optimizer=optimizer, learning_rate=0.01, **SMALL)
    session = regime.Session(config)
    list(session.stream(measurements=2))
    with pytest.raises(regime.ConfigError, match=rf"{optimizer.__name__}' is not allowed in a run that is saved: its steps"):
        session.save(tmp_path / "held")
    assert not (tmp_path / "held").exists()
    *_, last = session.stream()
    assert regime.Report.from_dict(last.report).seeds == regime.run(config).seeds


def test_what_it_writes_into_parameters_reaches_no_network():
    one, other = (regime.run(regime.ToyConfig(optimizer=kind, learning_rate=0.1, **SMALL)) for kind in (Descent, StepsItself))
    assert one.final == other.final


def test_cells_train_as_one_batch():
    base = regime.ToyConfig(optimizer=SlowAdam, **SMALL)
    report = regime.run(regime.SweepConfig(base=base, axes={"alpha": [0.5, 2.0], "learning_rate": [0.01, 0.02]}))
    alone = regime.run(base.model_copy(update={"alpha": 2.0, "learning_rate": 0.02}))
    assert report.cells[-1].measures["kernel_change"] == pytest.approx(alone.final["kernel_change"], rel=1e-3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Stripes", "it has no scale_free, state, step; allowed: scale_free, state, step"),
        ("WordForScale", "its scale_free is 'no'; allowed: True or False"),
        ("ScaleAsProperty", "its scale_free is <property .*; allowed: True or False"),
        ("NumberForStep", "its step is 3; allowed: a method"),
        ("NumberForState", "failed: TypeError"),
        ("NumbersForState", "its state is not a list of tensors"),
        ("CopiesForState", r"its state\(\) returns copies; allowed: the tensors that it holds"),
        ("ComplexSteps", "failed: RuntimeError"),
        ("NoSteps", "failed: TypeError"),
        ("NumbersForSteps", "its steps are not one for each parameter"),
        ("OneStep", "its steps are not one for each parameter"),
        ("FailingStep", "failed: RuntimeError: no step today"),
    ],
)
def test_an_optimizer_that_is_none_or_fails_is_named(name, said):
    with pytest.raises(regime.ConfigError, match=f"optimizer = 'tests.parts:{name}'.*{said}"):
        regime.run(regime.ToyConfig(optimizer=f"tests.parts:{name}", learning_rate=0.1, **SMALL))


def test_a_step_size_is_asked_for():
    with pytest.raises(regime.ConfigError, match="learning_rate = None is not allowed with an optimizer of your own"):
        regime.run(regime.ToyConfig(optimizer=Descent, **SMALL))
