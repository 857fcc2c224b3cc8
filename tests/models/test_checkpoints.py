"""Revisions of one model against the first: the shipped trajectory, folders, and another model of the same architecture."""

import copy
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import regime
from regime import CheckpointConfig
from regime.measures.kernel import kernel_change, kernel_distance_centered
from regime.models import checkpoints, loading, modular
from tests.benchmarks.memory import peak
from tests.models import tiny

TEXTS = {"task": "sentiment", "readout": "mean", "samples": 8, "max_tokens": 12}
SHORT = ("step-00200", "step-00800", "step-02600")


def test_the_shipped_trajectory_against_dense_kernels() -> None:
    """One layer's worth of numbers by the slow oracle: logits centered over the answers, on held-out sums."""
    report = regime.run(CheckpointConfig(revisions=SHORT, samples=8))
    assert [event.step for event in report.history] == [200, 800, 2600]
    _, test = modular.pairs()
    rows = torch.randperm(len(test.answers), generator=torch.Generator().manual_seed(0))[:8]

    def kernel(revision: str) -> torch.Tensor:
        model = copy.deepcopy(loading.load("modular-addition", revision, language_model=True).model).double()

        def readout(output, batch):  # noqa: ARG001
            logits = output.logits[:, -1, : modular.P]
            return logits - logits.mean(1, keepdim=True)

        batch = {"input_ids": test.input_ids[rows]}
        return regime.empirical_ntk(model, batch, readout=readout, method="dense").total

    start, end = kernel(SHORT[0]), kernel(SHORT[2])
    assert report.final["kernel_change"] == pytest.approx(kernel_change(end, start).item(), rel=1e-4)
    assert report.final["kernel_distance_centered"] == pytest.approx(kernel_distance_centered(end, start).item(), rel=1e-3)


def test_the_trajectory_groks_and_turns_its_kernel_when_it_does() -> None:
    """The held-out accuracy jumps long after the training sums are known, and kernel and features move with it."""
    since = ("step-00200", *(f"step-{k:05}" for k in range(400, 2601, 200)))
    report = regime.run(CheckpointConfig(revisions=since, samples=48))
    steps = {event.step: event.measures for event in report.history}
    assert steps[200]["train_accuracy"] == 1
    assert steps[200]["test_accuracy"] < 0.5
    assert steps[800]["test_accuracy"] < 0.6
    assert steps[2600]["test_accuracy"] > 0.99
    assert steps[800]["kernel_distance_centered"] < 0.12
    assert steps[2600]["kernel_distance_centered"] > 2 * steps[800]["kernel_distance_centered"]
    assert steps[2600]["representation_change"] > 2 * steps[800]["representation_change"]
    rise = {k: steps[k]["test_accuracy"] - steps[k - 200]["test_accuracy"] for k in range(600, 2601, 200)}
    turn = {k: steps[k]["kernel_distance_centered"] - steps[k - 200]["kernel_distance_centered"] for k in range(600, 2601, 200)}
    ranks = torch.corrcoef(torch.tensor([list(rise.values()), list(turn.values())]))
    assert ranks[0, 1] > 0.7  # the kernel turns in the steps in which it generalizes


def test_without_revisions_all_that_ship_are_measured() -> None:
    started = next(regime.stream(CheckpointConfig(samples=8)))
    labels = started.view.pop("labels")
    assert started.view == {"revisions": modular.revisions(), "steps": list(modular.SAVED)}
    assert len(labels["values"]) == 8


def test_folders_of_checkpoints_and_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    for name, seed in (("run/checkpoint-5", 1), ("run/checkpoint-25", 2), ("other", 2)):
        tiny.write(tmp_path / name, "bert", language_model=True, seed=seed)
    options = {"model": "run", **TEXTS}
    report = regime.run(CheckpointConfig(revisions=("checkpoint-5", "checkpoint-25"), **options))
    assert [event.step for event in report.history] == [5, 25]
    assert report.final["kernel_distance_centered"] > 1e-3
    same = regime.run(CheckpointConfig(revisions=("checkpoint-5", "other@main"), **options))
    assert [event.step for event in same.history] == [0, 1]
    assert same.final["kernel_change"] == report.final["kernel_change"]
    prompted = regime.run(CheckpointConfig(revisions=("checkpoint-5", "checkpoint-25"), **options | {"readout": "prompt"}))
    assert 0 <= prompted.final["test_accuracy"] <= 1


def test_another_architecture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    tiny.write(tmp_path / "a", "bert", language_model=False)
    tiny.write(tmp_path / "b", "gpt2", language_model=False)
    config = CheckpointConfig(model="a", revisions=("main", "b@main"), **TEXTS)
    with pytest.raises(regime.ConfigError, match="revisions: b@main is not allowed: another architecture"):
        regime.run(config)


OTHER = [{"num_attention_heads": 4}, {"hidden_act": "relu"}, {"layer_norm_eps": 1e-4}]


@pytest.mark.parametrize("changed", OTHER, ids=str)
def test_another_function_of_the_same_tensors_is_refused(changed: dict, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    for name in ("a", "b"):
        tiny.write(tmp_path / name, "bert", language_model=False)
    path = tmp_path / "b" / "config.json"
    aside = {"_name_or_path": "elsewhere", "transformers_version": "4.0", "architectures": ["BertForMaskedLM"], "my_note": 1}
    path.write_text(json.dumps(json.loads(path.read_text()) | aside))
    config = CheckpointConfig(model="a", revisions=("main", "b@main"), **TEXTS)
    assert regime.run(config).final["kernel_change"] == 0
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    ((name, value),) = changed.items()
    with pytest.raises(regime.ConfigError, match=rf"b@main is not allowed: .* the two differ in {name} \(.* and {value!r}\)$"):
        regime.run(config)


@pytest.mark.parametrize(
    ("family", "readout", "changed"),
    [
        ("bert", "mean", {"problem_type": "single_label_classification", "hidden_dropout_prob": 0.0}),
        ("bert", "prompt", {"attention_probs_dropout_prob": 0.5, "bos_token_id": 7, "initializer_range": 0.5}),
        ("gpt2", "next-token", {"resid_pdrop": 0.0, "embd_pdrop": 0.3, "eos_token_id": 5}),
        ("llama", "last", {"attention_dropout": 0.5, "problem_type": "regression"}),
    ],
)
def test_settings_that_change_no_function_are_not_refused(
    family: str, readout: str, changed: dict, tmp_path: Path, monkeypatch
) -> None:
    """As between a base model and what Trainer left behind; weights that are not finite are refused as that."""
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    for name, seed in (("a", 1), ("b", 2), ("c", 2)):
        tiny.write(tmp_path / name, family, language_model=readout in ("prompt", "next-token"), seed=seed)
    path = tmp_path / "c" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    plain, other = (
        CheckpointConfig(model="a", revisions=("main", later), **TEXTS | {"readout": readout}) for later in ("b@main", "c@main")
    )
    found = regime.run(other)
    assert found.final == regime.run(plain).final
    assert found.final["kernel_change"] > 0
    weights = tmp_path / "c" / "model.safetensors"
    save_file(
        {key: torch.full_like(tensor, torch.nan) for key, tensor in load_file(weights).items()}, weights, {"format": "pt"}
    )
    with pytest.raises(regime.ConfigError, match=r"model = 'c' is not allowed: .*not finite"):
        regime.run(other)


@pytest.mark.parametrize("revisions", [("main", "b@main"), ("b@main", "main")], ids=" then ".join)
@pytest.mark.parametrize(
    ("family", "readout", "head", "body"),
    [
        ("gpt2", "next-token", "lm_head.weight", "transformer.wte.weight"),
        ("bert", "prompt", "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
    ],
)
def test_a_head_that_left_its_embedding_is_refused(
    family: str, readout: str, head: str, body: str, revisions: tuple[str, str], tmp_path: Path, monkeypatch
) -> None:
    """Its config.json still says tied: loaded into a model whose two are one, one of them would overwrite the other."""
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    for name in ("a", "b"):
        tiny.write(tmp_path / name, family, language_model=True)
    config = CheckpointConfig(model="a", revisions=revisions, **TEXTS | {"readout": readout})
    path = tmp_path / "b" / "model.safetensors"
    weights = load_file(path)
    save_file(weights | {head: weights[body].clone()}, path, {"format": "pt"})
    assert regime.run(config).final["kernel_change"] == 0  # a copy is the same
    save_file(weights | {head: weights[body] + 0.05}, path, {"format": "pt"})
    later = "a@main" if revisions[1] == "main" else revisions[1]
    with pytest.raises(regime.ConfigError, match=f"revisions: {later} is not allowed: .*({body} and {head}|{head} and {body})"):
        regime.run(config)


def test_tensors_that_a_model_cannot_hold_are_refused() -> None:
    """Two parameters in one memory are no tied ones, and yet the last that is loaded wins."""
    model, other = (torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)) for _ in range(2))
    checkpoints._overwrite(model, other)
    model[1].weight.data = model[0].weight.data
    with pytest.raises(ValueError, match=r"^another architecture: 0\.weight cannot take the values that it has here$"):
        checkpoints._overwrite(model, other)


@pytest.mark.parametrize(("readout", "word"), [("mean", "the"), ("prompt", "it")])
def test_another_tokenizer_of_as_many_words_is_refused(readout: str, word: str, tmp_path: Path, monkeypatch) -> None:
    """Where it matters: not for words that no text has, nor where there is none."""
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    for name in ("a", "b"):
        tiny.write(tmp_path / name, "bert", language_model=True)
    path = tmp_path / "b" / "tokenizer.json"
    whole = json.loads(path.read_text())
    config = CheckpointConfig(model="a", revisions=("main", "b@main"), **TEXTS | {"readout": readout})

    def swapped(one: str, other: str) -> None:
        words = dict(whole["model"]["vocab"])
        words[one], words[other] = words[other], words[one]
        path.write_text(json.dumps(whole | {"model": whole["model"] | {"vocab": words}}))

    swapped("##z", "##q")
    assert regime.run(config).final["kernel_change"] == 0
    swapped(word, "##q")
    with pytest.raises(regime.ConfigError, match="revisions: b@main is not allowed: its tokenizer gives the texts other"):
        regime.run(config)
    path.unlink()
    assert regime.run(config).final["kernel_change"] == 0


def test_a_report_names_every_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    for name in ("a", "b"):
        tiny.write(tmp_path / name, "bert", language_model=False)
    report = regime.run(CheckpointConfig(model="a", revisions=("main", "b@main", "a@main"), **TEXTS))
    sources = "REGIME_MODELS_DIR/a; REGIME_MODELS_DIR/b; sentences from regime/data/reviews.csv"
    assert report.provenance.source == sources


def test_too_little_memory_is_told_with_what_would_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    config = CheckpointConfig(revisions=SHORT, samples=64)
    needed = regime.estimate(config).bytes
    monkeypatch.setenv("REGIME_MAX_BYTES", str(needed - 1))
    with pytest.raises(regime.ConfigError, match=r"the run needs .* GB, and there are .* this would fit: samples = 32$"):
        regime.estimate(config)
    assert regime.estimate(config.model_copy(update={"samples": 32})).bytes < needed
    monkeypatch.setenv("REGIME_MAX_BYTES", "1000")
    with pytest.raises(regime.ConfigError, match="nothing smaller of this model fits"):
        regime.estimate(config)


def measuring(root: Path, options: dict) -> Callable[[], object]:
    """Two revisions, after a small run that has everything imported."""
    os.environ["REGIME_MODELS_DIR"] = str(root)
    regime.run(CheckpointConfig(revisions=SHORT[:2], samples=8))
    return partial(regime.run, CheckpointConfig(model="wide", revisions=("a", "b"), task="sentiment", **options))


@pytest.mark.parametrize(
    ("family", "fields", "options"),
    [
        ("gpt2", {"vocab_size": 30_000, "n_embd": 32}, {"readout": "next-token", "samples": 16, "max_tokens": 32}),
        ("bert", {"hidden_size": 256, "intermediate_size": 1024}, {"readout": "mean", "samples": 64, "max_tokens": 32}),
        ("bert", {"hidden_size": 256, "vocab_size": 40_000}, {"readout": "mean", "samples": 8, "max_tokens": 16}),
    ],
    ids=["logits", "Jacobians", "weights"],
)
def test_a_run_takes_the_memory_that_is_told(family: str, fields: dict, options: dict, tmp_path: Path, monkeypatch) -> None:
    """Whatever most of it goes to."""
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    for seed, name in enumerate("ab"):
        tiny.write(tmp_path / "wide" / name, family, language_model=family == "gpt2", seed=seed, **fields)
    config = CheckpointConfig(model="wide", revisions=("a", "b"), task="sentiment", **options)
    told = regime.estimate(config).bytes
    taken = peak(measuring, tmp_path, options, threads=1)
    assert 0.5 * told < taken < 1.5 * told


def test_too_little_time_is_told_with_what_there_is_to_change() -> None:
    assert regime.within(CheckpointConfig(revisions=SHORT), 1e-3).endswith("a smaller model, or fewer revisions")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"revisions": ("step-00000", "nowhere")}, "revision = 'nowhere' is not allowed"),
        ({"revisions": ("step-00000", "../minilm")}, r"revision = '\.\./minilm' is not allowed"),
        ({"revisions": ("step-00000", "../../etc@main")}, r"model = '\.\./\.\./etc' is not allowed"),
    ],
)
def test_revisions_that_cannot_be_had(fields: dict, message: str) -> None:
    with pytest.raises(regime.ConfigError, match=message):
        regime.run(CheckpointConfig(**fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "minilm"}, "task = 'modular-addition' is not allowed with model = 'minilm'"),
        ({"model": "minilm", "task": "sentiment"}, r"revisions = \[\] is not allowed; allowed: two to 40"),
        ({"revisions": ("step-00000",)}, "allowed: none for all, or two and more"),
        ({"revisions": ("x",) * 41}, r"revisions = .* is not allowed; allowed: a list of 0 to 40 entries"),
        ({"readout": "mean"}, "readout = 'mean' is not allowed with task = 'modular-addition'"),
        ({"samples": 3}, "samples = 3 is not allowed; allowed: an integer from 8 to 256"),
    ],
)
def test_bad_fields(fields: dict, message: str) -> None:
    with pytest.raises(regime.ConfigError, match=message):
        CheckpointConfig(**fields)


@pytest.mark.parametrize(("said", "kind"), [("model: it is odd", "ModelError"), ("out of words", "ValueError")])
@pytest.mark.parametrize("place", ["passes", "snapshot"])
def test_only_what_the_engine_refuses_of_a_model_is_told_of_it(
    monkeypatch: pytest.MonkeyPatch, said: str, kind: str, place: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError(said)

    monkeypatch.setattr(checkpoints, place, refuse)
    with pytest.raises(ValueError, match=said.removeprefix("model: ")) as refused:
        regime.run(regime.CheckpointConfig(samples=8))
    assert type(refused.value).__name__ == kind
    assert ("modular-addition" in str(refused.value)) == (kind == "ModelError")


def test_the_revision_that_is_not_finite_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    for place in ("one", "two", "one/later"):
        tiny.write(tmp_path / place, "bert", language_model=False)
    for place, name in (("two", "two"), ("one/later", "one@later")):
        path = tmp_path / place / "model.safetensors"
        weights = {key: tensor.clone() for key, tensor in load_file(path).items()}
        next(iter(weights.values())).fill_(torch.nan)
        save_file(weights, path, {"format": "pt"})
        revisions = ("main", "later" if "@" in name else "two@main")
        with pytest.raises(ValueError, match=f"model = '{name}' is not allowed: .*not finite"):
            regime.run(CheckpointConfig(model="one", revisions=revisions, **TEXTS))


@pytest.mark.parametrize("how", ["lacking", "misnamed", "cut off", "no config"])
def test_the_revision_that_is_broken_is_named(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    for place in ("one", "one/later"):
        tiny.write(tmp_path / place, "bert", language_model=False)
    path, message = tmp_path / "one" / "later" / "model.safetensors", "its model.safetensors is damaged or cut off"
    if how in ("lacking", "misnamed"):
        weights, lost = load_file(path), "encoder.layer.1.output.dense.weight"
        message = f"its weights lack {lost}"
        aside = weights.pop(lost)
        save_file(weights | ({"odd": aside} if how == "misnamed" else {}), path, {"format": "pt"})
    elif how == "cut off":
        path.write_bytes(path.read_bytes()[:-10])
    else:
        path.with_name("config.json").write_text("{}")
        message = "its model_type is None"
    for revisions in (("main", "later"), ("later", "main")):
        with pytest.raises(regime.ConfigError, match=f"^model = 'one@later' is not allowed: {message}"):
            regime.run(CheckpointConfig(model="one", revisions=revisions, **TEXTS))
