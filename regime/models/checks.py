"""What a model's name and files must be like before anything of them is loaded."""

import hashlib
import json
import re
import struct
import time
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from regime.config.models import MAIN
from regime.errors import ConfigError
from regime.resources.limits import limits

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
TYPES = ("bert", "distilbert", "roberta", "electra", "gpt2", "gpt_neo", "gpt_neox", "llama", "qwen2", "opt")
"""Architectures that the tests cover."""
MASKED = ("bert", "distilbert", "roberta", "electra")
"""Those whose language model predicts masked words; the others predict the next one."""
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
REVISION = re.compile(r"[A-Za-z0-9][\w.-]{0,95}|refs/pr/\d{1,6}", re.ASCII)
PICKLED = (".bin", ".bin.index.json", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
"""Endings of files that are never loaded."""
SETTLED = 2 * 10**9
"""Nanoseconds since its last change after which a file's times tell it from a later one."""
JSON_LIMIT = 2**20
HEADER_LIMIT = 2**25
BLOCKS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
COUNTS = (*BLOCKS, "num_labels")
"""Numbers of a configuration by which transformers makes lists before there is anything to measure."""
COUNT_LIMIT = 256
FLOAT32 = 4
"""Bytes of a number in the precision that models are loaded in."""
REDIRECTS = ("transformers_weights", "configuration_files", "quantization_config", "fast_tokenizer_files")
"""Keys that make transformers load other files than those that are checked, or load them in another way."""
ATTENTIONS = (None, "eager", "sdpa")
"""Other ones may be fetched as code."""
ELSEWHERE = re.compile(r"adapter_config\.json|shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors")
"""Files that make transformers load other weights than those that are checked."""


class ModelError(ConfigError):
    """A model's files cannot be had or trusted; the message names the model, the cause and the mend."""


@dataclass(frozen=True)
class Description:
    """What is known of a model without loading it."""

    type: str
    parameters: int
    blocks: int
    bytes: int
    license: str
    tokenizer: bool


class Stored(NamedTuple):
    """A tensor of a file of weights, as its header has it."""

    dtype: str
    shape: tuple[int, ...]


def at_revision(name: str, revision: str) -> str:
    """Return what messages call a revision of a model; the default one has the model's own name."""
    return name if revision == MAIN else f"{name}@{revision}"


def check_name(name: str, known: str) -> None:
    """Refuse what is no plain name and no Hub id; a folder in the way of an id counts as a path.

    Raises:
        ModelError: it names what is allowed; `known` are the models that need no network.
    """
    if not NAME.fullmatch(name) or ".." in name or "--" in name or name.endswith((".", "-", ".git")):
        raise ModelError(
            f"model = {name!r:.80} is not allowed; allowed: a name of the catalog, a folder of REGIME_MODELS_DIR, or a Hub id "
            f"such as 'openai-community/gpt2', never a path; without a network: {known}"
        )
    if "/" in name and Path(name).exists():
        raise ModelError(f"model = {name!r} is not allowed: it is a path here; allowed: a Hub id that is none")


def check_revision(revision: str) -> None:
    """Refuse what is no branch, tag, commit or folder name; raises ModelError."""
    if not REVISION.fullmatch(revision) or ".." in revision:
        raise ModelError(
            f"revision = {revision!r:.80} is not allowed; allowed: a branch, tag or commit, or the name of a subfolder"
        )


def describe_model(name: str, folder: Path, *, trusted: bool) -> Description:
    """Return what a model's folder holds, from its configuration and the headers of its weights.

    Args:
        trusted: of the catalog; the limits are for others.

    Raises:
        ModelError: a configuration that is none, an architecture that is not allowed, code of its own, weights that are
            pickled, missing, corrupt or too large, a device or a pipe among its files.
    """
    if odd := [path.name for path in folder.iterdir() if path.exists() and not (path.is_file() or path.is_dir())]:
        raise ModelError(f"model = {name!r} is not allowed: its {odd[0]} is a device or a pipe; allowed: files")
    config = read_json(name, folder / CONFIG)
    kind = check_config(name, config)
    check_config(name, read_json(name, folder / "tokenizer_config.json", optional=True), tokenizer=True)
    parameters = sum(prod(each.shape) for each in stored(name, folder).values())
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    if not trusted:
        check_size(name, parameters, size)
    blocks = next((config[key] for key in BLOCKS if isinstance(config.get(key), int)), 0)
    tokenizer = any((folder / file).is_file() for file in ("tokenizer.json", "vocab.txt", "vocab.json"))
    return Description(kind, parameters, blocks, size, "as its author says", tokenizer)


def check_config(name: str, config: dict[str, Any], *, tokenizer: bool = False) -> str:
    """Return a configuration's architecture, or refuse it.

    Args:
        name: of the model, for messages.
        config: the JSON object.
        tokenizer: whether it is a tokenizer's configuration, which names no architecture.

    Raises:
        ModelError: it needs code of its own, asks for other files, is of an architecture that is not allowed, or counts more
            blocks or labels than any model that fits.
    """
    if "auto_map" in config or "custom_pipelines" in config:
        raise ModelError(f"model = {name!r} is not allowed: it needs code of its own (remote code), which is never run here")
    if found := [key for key in REDIRECTS if config.get(key) is not None]:
        raise ModelError(f"model = {name!r} is not allowed: its configuration has {found[0]}; allowed: none, and plain weights")
    for key in ("attn_implementation", "_attn_implementation"):
        if (attention := config.get(key)) not in ATTENTIONS:
            raise ModelError(f"model = {name!r} is not allowed: its {key} is {attention!r:.60}; allowed: 'eager', 'sdpa', null")
    kind = config.get("model_type")
    if not tokenizer and kind not in TYPES:
        raise ModelError(f"model = {name!r} is not allowed: its model_type is {kind!r:.60}; allowed: {', '.join(TYPES)}")
    counts = [(key, config[key]) for key in COUNTS if key in config]
    if isinstance(repeated := config.get("attention_types"), list):
        numbers = [number for part in repeated if isinstance(part, list) for number in part if isinstance(number, int)]
        counts.append(("attention_types", sum(numbers)))
    for key, count in counts:
        if isinstance(count, int | float) and count > COUNT_LIMIT:
            raise ModelError(f"model = {name!r} is not allowed: its {key} is {count:.6g}; allowed: at most {COUNT_LIMIT}")
    return str(kind)


def check_size(name: str, parameters: int, size: int) -> None:
    """Refuse a model that is larger than the limits.

    Args:
        name: of the model, for messages.
        parameters: how many it has.
        size: bytes of its files.

    Raises:
        ModelError: it names the limit.
    """
    allowed = limits()
    if allowed.max_parameters and parameters > allowed.max_parameters:
        raise ModelError(
            f"model = {name!r} is not allowed: it has {parameters:,} parameters; allowed: at most {allowed.max_parameters:,} "
            "(REGIME_MAX_PARAMETERS)"
        )
    for what, needed in (("files have", size), (f"{parameters:,} parameters take", FLOAT32 * parameters)):
        if needed > allowed.max_model_bytes:
            raise ModelError(
                f"model = {name!r} is not allowed: its {what} {needed / 1e9:.2g} GB; allowed: at most "
                f"{allowed.max_model_bytes / 1e9:.2g} GB (REGIME_MAX_MODEL_BYTES)"
            )


def is_shard(file: str) -> bool:
    """Whether a file may hold a part of the weights."""
    return re.fullmatch(r"[\w.-]+\.safetensors", file) is not None


def check_files(name: str, files: list[str]) -> None:
    """Refuse a set of files without safetensors, or with an adapter or a training run's shards; raises ModelError."""
    if found := [file for file in files if ELSEWHERE.fullmatch(file)]:
        raise ModelError(f"model = {name!r} is not allowed: it has {found[0]}; allowed: the weights as {WEIGHTS} alone")
    if WEIGHTS in files or INDEX in files:
        return
    if found := [file for file in files if file.endswith(PICKLED)]:
        raise ModelError(
            f"model = {name!r} is not allowed: it has its weights as {found[0]} only, which may run code when loaded; allowed: "
            "safetensors. Load it yourself, save it by save_pretrained, and put that folder into REGIME_MODELS_DIR"
        )
    raise ModelError(f"model = {name!r} is not allowed: there is no {WEIGHTS} among its files")


def digest(path: Path) -> str:
    """Return a file's SHA-256. It is read anew where it was written since: the time of its last change cannot be set back."""
    stat = path.stat()
    if time.time_ns() - stat.st_ctime_ns < SETTLED:  # a change so soon may have the same time
        return _digest.__wrapped__(path)
    return _digest(path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


@lru_cache(maxsize=1024)
def _digest(path: Path, *stat: int) -> str:  # noqa: ARG001 - what the file is known by
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(folder: Path) -> str:
    """Return the SHA-256 of what a model's files hold, and of their names; hidden and pickled ones are never loaded."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.endswith(PICKLED))
    held = "".join(f"{path.name} {digest(path)}\n" for path in files if not path.name.startswith("."))
    return hashlib.sha256(held.encode()).hexdigest()


def check_hash(name: str, path: Path, published: str) -> None:
    """Refuse a file whose SHA-256 is not the published one.

    Args:
        name: of the model, for messages.
        path: of the file.
        published: its SHA-256, in hexadecimal digits.

    Raises:
        ModelError: it names both hashes.
    """
    found = digest(path)
    if found != published:
        raise ModelError(
            f"model = {name!r}: its {path.name} has SHA-256 {found}, not the published {published}; "
            "remove the folder it is in, or replace the file"
        )


def read_json(name: str, path: Path, *, optional: bool = False) -> dict[str, Any]:
    """Return a model's JSON file as a dict.

    Args:
        name: of the model, for messages.
        path: of the file.
        optional: whether a file that is not there counts as an empty object.

    Raises:
        ModelError: it is missing, too large, or not a JSON object.
    """
    if optional and not path.is_file():
        return {}
    try:
        if path.stat().st_size > JSON_LIMIT:
            raise ValueError
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"model = {name!r} is not allowed: it has no {path.name}") from None
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ModelError(f"model = {name!r} is not allowed: its {path.name} is not a JSON object of at most {JSON_LIMIT} bytes")
    return found


def stored(name: str, folder: Path) -> dict[str, Stored]:
    """Return the tensors of a folder's weights by their names, from their headers.

    Raises:
        ModelError: they are pickled, missing or corrupt.
    """
    return {key: each for path in _weights(name, folder) for key, each in _header(name, path).items()}


def _weights(name: str, folder: Path) -> list[Path]:
    """The safetensors files of a folder: one, or those that an index names."""
    check_files(name, [path.name for path in folder.iterdir()])
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    parts = read_json(name, folder / INDEX).get("weight_map")
    names = sorted(set(parts.values())) if isinstance(parts, dict) else []
    if not names or not all(is_shard(part) for part in names):
        raise ModelError(f"model = {name!r} is not allowed: its {INDEX} names no safetensors files")
    return [folder / part for part in names]


def _header(name: str, path: Path) -> dict[str, Stored]:
    """The tensors in a safetensors file, from its header."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > HEADER_LIMIT:
                raise ValueError
            header = json.loads(file.read(length))
        tensors = {key: entry for key, entry in header.items() if key != "__metadata__"}
        end = max(entry["data_offsets"][1] for entry in tensors.values())
        if path.stat().st_size != 8 + length + end:
            raise ValueError
        return {key: Stored(str(entry["dtype"]), tuple(map(int, entry["shape"]))) for key, entry in tensors.items()}
    except FileNotFoundError:
        raise ModelError(f"model = {name!r} is not allowed: its {path.name} is missing; fetch it again") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, struct.error):
        raise ModelError(f"model = {name!r} is not allowed: its {path.name} is damaged or cut off; fetch it again") from None
