"""What the tabs of transformers say before a run, and the two models that they compare, without a page."""

import gradio as gr
import pytest

import regime
from regime.config import CheckpointConfig, ProbeConfig
from regime.models import hub
from regime.ui.screens.pretraining import compared
from regime.ui.screens.probe import TransformerScreen

LOCAL = {"model": "minilm", "revisions": ("main", "main"), "task": "sentiment", "readout": "mean"}


def estimated(config):
    """The notice of a run, before it starts."""
    return TransformerScreen.estimate(None, config)["notice"]


@pytest.mark.parametrize(
    "config",
    [
        ProbeConfig(model="gpt2"),
        ProbeConfig(revision="refs/pr/7"),
        ProbeConfig(model="someone/else"),
        CheckpointConfig(**LOCAL | {"revisions": ("main", "someone/else@main")}),
        CheckpointConfig(**LOCAL | {"revisions": ("main", "another-branch")}),
    ],
    ids=lambda config: config.to_query(),
)
def test_nothing_is_fetched_to_say_what_a_run_takes(config, monkeypatch):
    monkeypatch.setattr(hub, "fetch", lambda *_, **__: pytest.fail("fetched"))
    monkeypatch.setattr(regime, "estimate", lambda _: pytest.fail("estimated"))
    assert "fetched from the Hub when the run starts" in estimated(config)


def test_what_is_here_is_estimated(monkeypatch):
    monkeypatch.setattr(regime, "estimate", lambda _: regime.Estimate(seconds=20.0, bytes=10**9))
    for config in (ProbeConfig(), CheckpointConfig(), CheckpointConfig(**LOCAL)):
        assert "This run: about 20 s" in estimated(config)


def test_two_models_are_compared_on_what_they_read():
    assert compared("minilm", " org/other@step5 ") == CheckpointConfig(**LOCAL | {"revisions": ("main", "org/other@step5")})
    sums = compared("modular-addition@step-00200", "modular-addition@step-02600")
    assert (sums.task, sums.readout) == ("modular-addition", "prompt")
    assert sums.named == [("modular-addition", "step-00200"), ("modular-addition", "step-02600")]


def test_what_cannot_be_compared_is_refused_as_text():
    with pytest.raises(gr.Error, match="Name a model before and one after"):
        compared("minilm", "")
    with pytest.raises(gr.Error, match=r"Model = .*&lt;b&gt;.* is not allowed; allowed: text of 1 to 96 characters"):
        compared("<b>" + "x" * 99, "minilm")
