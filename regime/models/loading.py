"""Loading catalog models: from REGIME_MODELS_DIR, from an installed package, from the Hub, in this order, hash checked."""

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from regime.config import ConfigError
from regime.models.catalog import CATALOG, CatalogModel

WEIGHTS = "model.safetensors"
MODELS_DIR = "REGIME_MODELS_DIR"


class ModelError(ConfigError):
    """A model's files cannot be had or trusted; the message names the model, the cause and the mend."""


class Pretrained(NamedTuple):
    encoder: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    source: str


def load(name: str) -> Pretrained:
    """The named model, in eval mode, in float32. It is shared: copy it before changing it.

    Raises:
        ModelError: no source has its files, or the weights' hash is not the published one.
    """
    return _read(name, *_find(name))


@lru_cache(maxsize=1)
def _read(name: str, folder: Path, source: str) -> Pretrained:
    _check_hash(name, folder)
    logging.disable_progress_bar()
    options = {"local_files_only": True, "trust_remote_code": False}
    encoder = AutoModel.from_pretrained(folder, use_safetensors=True, **options).float().eval()
    return Pretrained(encoder, AutoTokenizer.from_pretrained(folder, **options), source)


def _find(name: str) -> tuple[Path, str]:
    """The first folder that holds the weights, and what to call it in a report."""
    for folder, source in _local(name, CATALOG[name]):
        if (folder / WEIGHTS).is_file():
            return folder, source
    return _download(name, CATALOG[name])


def _local(name: str, model: CatalogModel) -> Iterator[tuple[Path, str]]:
    if root := os.environ.get(MODELS_DIR):
        yield Path(root) / name, f"{MODELS_DIR}/{name}"
    spec = importlib.util.find_spec(model.package)
    if spec is not None and spec.submodule_search_locations:
        yield Path(spec.submodule_search_locations[0]) / model.folder, f"package {model.package}"


def _download(name: str, model: CatalogModel) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download

    patterns = [WEIGHTS, "config.json", "tokenizer*", "vocab.txt", "special_tokens_map.json"]
    try:
        folder = snapshot_download(model.repository, revision=model.revision, allow_patterns=patterns, token=False)
    except Exception as error:
        raise ModelError(
            f"model = {name!r} cannot be loaded: it is neither in {MODELS_DIR}/{name} nor in the installed package "
            f"{model.package}, and the Hub did not answer ({type(error).__name__}); install the package or set {MODELS_DIR}"
        ) from None
    return Path(folder), f"{model.repository} at {model.revision}"


def _check_hash(name: str, folder: Path) -> None:
    with (folder / WEIGHTS).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != CATALOG[name].sha256:
        raise ModelError(
            f"model = {name!r}: its {WEIGHTS} has SHA-256 {found}, not the published {CATALOG[name].sha256}; "
            f"remove the folder it is in, or replace the file"
        )
