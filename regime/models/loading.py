"""Loading models: from REGIME_MODELS_DIR, from a package or the data that ship, or from the Hub, in this order, and checked."""

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import NamedTuple

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from regime.config.models import MAIN
from regime.errors import ConfigError, show
from regime.models import hub
from regime.models.catalog import CATALOG
from regime.models.checks import (
    MASKED,
    WEIGHTS,
    Description,
    ModelError,
    at_revision,
    check_hash,
    check_name,
    check_revision,
    describe_model,
    fingerprint,
    stored,
)
from regime.models.quantized import unpacking
from regime.models.skeleton import check_filled, check_skeleton, check_understood, skeleton
from regime.models.sources import available, here, offline, shipped, subfolders
from regime.resources.draws import OwnDraws

INNER = re.compile(r"(?<![\w.])/|[A-Za-z]:\\|<\w+ |\.py\b|object at 0x")
"""A path of this machine, a class or an object of Python in what a library says: none of a visitor's business."""
OPTIONS = {"local_files_only": True, "trust_remote_code": False}
LOADING = RLock()
"""Making a model goes through the global state of transformers."""


class Pretrained(NamedTuple):
    """A model that is loaded, with its tokenizer if it has one."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase | None
    source: str
    """Where the weights came from, for a report."""


class Found(NamedTuple):
    """A folder of files that passed the checks, and what to call it."""

    folder: Path
    source: str
    description: Description
    trusted: bool
    """Whether the catalog vouches for it; the limits are for others."""
    published: str | None
    """SHA-256 that its weights must have."""


def load(name: str, revision: str = MAIN, *, language_model: bool = False) -> Pretrained:
    """Return the named model, in eval mode, in float32; it is shared, so copy it before changing it.

    Args:
        name: of the catalog, a folder of REGIME_MODELS_DIR, or a Hub id.
        revision: "main" for what the catalog pins, the folder itself, or the Hub's default; else a subfolder, branch, tag or
            commit.
        language_model: with the head that gives logits of words.

    Raises:
        ModelError: it cannot be had or trusted, or has no such head.
    """
    found = find_model(name, revision)
    held = fingerprint(found.folder)
    with LOADING, OwnDraws(0), torch.device("cpu"):  # files may lack what no readout uses
        return _read(at_revision(name, revision), found, language_model, held)


def fresh(name: str, revision: str = MAIN, *, language_model: bool = False, seed: int = 0) -> Pretrained:
    """Return the named architecture with random weights.

    Args:
        name: as for `load`.
        revision: as for `load`.
        language_model: as for `load`.
        seed: of the weights.

    Raises:
        ModelError: as `load` does.
    """
    found = find_model(name, revision)
    with LOADING, OwnDraws(seed), torch.device("cpu"):
        config = _config(at_revision(name, revision), found, language_model)
        model = _class(found, language_model).from_config(config, dtype=torch.float32).eval()
        return Pretrained(model, _tokenizer(name, found), found.source)


def weights(name: str, revision: str = MAIN) -> str:
    """Return the SHA-256 of a model's files, tokenizer and all; raises ModelError as `load` does."""
    return fingerprint(find_model(name, revision).folder)


def find_model(name: str, revision: str = MAIN) -> Found:
    """Return a model's files, checked; raises ModelError as `finding` does."""
    arrivals = finding(name, revision)
    while True:
        try:
            next(arrivals)
        except StopIteration as end:
            return end.value


def finding(name: str, revision: str = MAIN) -> Generator[hub.Arrival, None, Found]:
    """Return a model's files, checked, yielding how far those are that have to be fetched.

    Raises:
        ModelError: they cannot be had or trusted.
    """
    found = here(name, revision)
    if found is None:
        check_name(name, offline())
        check_revision(revision)
    model = CATALOG.get(name)
    if found is None and model is not None and model.gguf:
        for _ in unpacking(name, model):
            yield hub.Arrival(0, 0)
        found = here(name, revision)
    # of a catalog model's repository anybody may open further revisions
    trusted = model is not None and revision in (MAIN, model.revision, *model.revisions, *shipped(name))
    if found is not None:
        folder, source = found
    elif model is not None and model.asset is not None:
        raise ModelError(f"revision = {revision!r:.80} is not allowed; allowed: {', '.join(shipped(name)) or 'none is here'}")
    elif model is None and (known := subfolders(name)) is not None:
        raise ModelError(f"revision = {revision!r:.80} is not allowed; allowed: {', '.join((MAIN, *known))}")
    elif model is None and "/" not in name:
        raise ModelError(f"model = {name!r} is not allowed: there is none of that name; there are: {', '.join(available())}")
    else:
        repository = model.repository if model else name
        pinned = model.revision if model and revision == MAIN else revision
        folder, commit, _ = yield from hub.fetch(name, repository, pinned, offline(), trusted=trusted)
        source = f"{repository} at {commit}"
    known = model is not None and not model.gguf and revision in (MAIN, model.revision)
    published = model.sha256 if model is not None and known else None
    return Found(folder, source, describe_model(at_revision(name, revision), folder, trusted=trusted), trusted, published)


@lru_cache(maxsize=2)
def _read(name: str, found: Found, language_model: bool, held: str) -> Pretrained:
    """Load a model from its files; `held`, their hash, keeps the cache from returning a folder as it was before it changed."""
    del held
    if found.published is not None:
        check_hash(name, found.folder / WEIGHTS, found.published)
    config = _config(name, found, language_model)
    logging.disable_progress_bar()
    with fitting(name, "cannot be loaded: its files do not fit together"):
        model, report = _class(found, language_model).from_pretrained(
            found.folder, config=config, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **OPTIONS
        )
    check_understood(name, model, report["unexpected_keys"])
    if missing := sorted(key for key in report["missing_keys"] if "pooler" not in key):
        lacking = f"its weights lack {missing[0]}{' and others' * (len(missing) > 1)}"
        if language_model and not any(key.startswith(f"{model.base_model_prefix}.") for key in missing):
            raise ModelError(
                f"model = {name!r} has no word logits: {lacking}; take readout 'mean' or 'last', or a language model"
            )
        raise ModelError(f"model = {name!r} is not allowed: {lacking}")
    return Pretrained(model.eval(), _tokenizer(name, found), found.source)


def _config(name: str, found: Found, language_model: bool) -> PretrainedConfig:
    """The configuration of a model that is no larger than allowed, and no larger than its weights."""
    with fitting(name, "cannot be loaded: its config.json cannot be read"):
        config = AutoConfig.from_pretrained(found.folder, **OPTIONS)
        bare = skeleton(_class(found, language_model), config)
    if not found.trusted:
        check_skeleton(name, bare)
    check_filled(name, bare, stored(name, found.folder))
    # no text is written on; but GPT-Neo, whose attention is in float32, rounds by the batch without its cache
    config.use_cache = config.model_type == "gpt_neo"
    return config


@contextmanager
def fitting(name: str, problem: str) -> Iterator[None]:
    """Turn whatever a library raises of files that are broken, or of texts that it cannot read, into a ModelError."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        why = "" if not said or INNER.search(said) else f": {said:.160}"
        raise ModelError(f"model = {name!r} {problem} ({type(error).__name__}{why})") from None


def check_tokens(name: str, texts: Sequence[str], counts: Iterable[int]) -> None:
    """Refuse a model whose tokenizer makes no tokens of a text.

    Args:
        name: of the model.
        texts: what was read.
        counts: tokens of each text.

    Raises:
        ModelError: one has none; the message shows it.
    """
    for text, count in zip(texts, counts, strict=True):
        if not count:
            raise ModelError(
                f"model = {name!r} is not allowed: its tokenizer gives a text no ids: {show(text)}; allowed: at least one"
            )


def _class(found: Found, language_model: bool) -> type:
    if not language_model:
        return AutoModel
    return AutoModelForMaskedLM if found.description.type in MASKED else AutoModelForCausalLM


def _tokenizer(name: str, found: Found) -> PreTrainedTokenizerBase | None:
    if not found.description.tokenizer:
        return None
    with fitting(name, "cannot be loaded: its tokenizer cannot be read"):
        tokenizer = AutoTokenizer.from_pretrained(found.folder, padding_side="right", truncation_side="right", **OPTIONS)
        if tokenizer.pad_token is None:  # any token serves: what stands for padding is masked
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer
