"""A model of one's own is fine-tuned and measured layer by layer, as transformers are."""

import pytest
import torch

import regime
from regime.models.own import load_own
from tests.parts import adapted, bag_of_bytes, quantized, quantized_first

SMALL = {"samples": 8, "probe_samples": 8, "steps": 2, "measure_every": 2, "learning_rate": 1e-2, "max_tokens": 8}


@pytest.mark.parametrize("more", [{}, {"optimizer": "sgd", "readout": "last"}, {"head": "fitted", "trainable": ("blocks.*",)}])
def test_every_layer_is_measured_by_its_name(more):
    report = regime.run(regime.ProbeConfig(model=bag_of_bytes, **SMALL, **more))
    assert report.config.model == "tests.parts:bag_of_bytes"
    assert [row["layer"] for row in report.layers] == ["embed", "blocks.0.0", "blocks.1.0", "head"]
    assert [row["block"] for row in report.blocks] == ["embed", "blocks.0", "blocks.1", "head"]
    assert report.final["kernel_change"] > 0
    assert report.blocks[2]["representation_change"] > 0
    assert "tests.parts:bag_of_bytes" in report.provenance.source
    assert regime.Report.from_dict(report.to_dict()) == report


@pytest.mark.parametrize("model", [quantized, quantized_first])
def test_what_the_model_freezes_is_not_trained_and_may_be_integers(model):
    """As adapters beside quantized weights are trained: the report is that of the numbers which the integers stand for."""
    one, other = (regime.run(regime.ProbeConfig(model=own, **SMALL)) for own in (adapted, model))
    still = ("embed", "blocks.0.0", "blocks.1.0")
    for report in (one, other):
        moved = {row["layer"]: row["parameter_movement"] for row in report.layers}
        assert {name for name, value in moved.items() if not value} == set(still)
        assert all(row["kernel_share"] is None for row in report.layers if row["layer"] in still)
    for name, value in one.final.items():
        assert other.final[name] is value is None or other.final[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    with pytest.raises(regime.ConfigError, match=r"trainable = \['embed'\] .*: it matches no .* or frozen ones alone"):
        regime.run(regime.ProbeConfig(model=model, trainable=("embed",), **SMALL))


@pytest.mark.parametrize(
    ("name", "said"),
    [("mixing", "the output for one example changes with the other examples"), ("endless", "its outputs are not finite")],
)
def test_what_the_engine_refuses_is_refused_under_the_models_name(name, said):
    """In a run, its estimate, and a cell of a sweep."""
    probe = regime.ProbeConfig(model=f"tests.parts:{name}", **SMALL)
    for ask in (regime.run, regime.estimate):
        with pytest.raises(regime.ConfigError, match=rf"model = 'tests\.parts:{name}' is not allowed: {said}"):
            ask(probe)
    (cell, _) = regime.run(regime.SweepConfig(base=probe, axes={"learning_rate": [1e-3, 1e-2]})).cells
    assert said in cell.error


@pytest.mark.parametrize("more", [{"optimizer": "sgd"}, {"steps": 0, "forecast": False}])
def test_a_first_loss_that_is_no_finite_number_ends_the_run(more):
    report = regime.run(regime.ProbeConfig(model="tests.parts:vast", **SMALL | more))
    assert report.diverged
    assert report.verdict.agree == "diverged"
    assert [event.step for event in report.history] == [0]


def test_random_weights_follow_the_seed_and_leave_torch_alone():
    torch.manual_seed(7)
    state = torch.get_rng_state()
    one, same, other = (load_own("tests.parts:bag_of_bytes", seed).model.model.embed.weight for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    report = regime.run(regime.ProbeConfig(model=bag_of_bytes, random_init=True, seeds=2, **SMALL))
    assert len(set(report.seeds["train_loss"])) == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("flat", r"of tokens \(1, 25\) it gives \(1, 8\); allowed: hidden states"),
        ("wordless", "its tokenizer gives a text no ids: 'A text to try a model on.'"),
        ("halves", "its tokenizer gives ids that are negative or no integers"),
        ("fixed", "it has no parameters; allowed: a module that can be trained"),
        ("paired", "it gives tuple; allowed: hidden states"),
        ("alone", "failed: TypeError"),
        ("nothing", "failed: AttributeError"),
    ],
)
def test_a_model_that_is_none_is_named(name, said):
    with pytest.raises(regime.ConfigError, match=f"model = 'tests.parts:{name}'.*{said}"):
        regime.run(regime.ProbeConfig(model=f"tests.parts:{name}", **SMALL))


@pytest.mark.parametrize("more", [{"readout": "prompt"}, {"readout": "next-token"}, {"revision": "step-1"}])
def test_what_only_a_language_model_of_files_has_is_refused(more):
    with pytest.raises(regime.ConfigError, match="are not allowed with a model of your own; allowed: 'mean' or 'last'"):
        regime.ProbeConfig(model=bag_of_bytes, **SMALL, **more)


def test_checkpoints_have_files():
    with pytest.raises(regime.ConfigError, match=r"model = 'tests.parts:bag_of_bytes' is not allowed"):
        regime.run(
            regime.CheckpointConfig(model="tests.parts:bag_of_bytes", task="sentiment", readout="mean", revisions=("a", "b"))
        )
