"""Where a model may be without a network: REGIME_MODELS_DIR, a package, the data that ship; and what there is."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from regime.config.models import MAIN
from regime.data import FOLDER
from regime.models.catalog import CATALOG
from regime.models.checks import CONFIG, ModelError, describe_model
from regime.models.quantized import packed, unpacked

MODELS_DIR = "REGIME_MODELS_DIR"


def available() -> dict[str, dict[str, object]]:
    """Return every model that may be named: the catalog, and the folders of REGIME_MODELS_DIR that pass the checks."""
    listed: dict[str, dict[str, object]] = {}
    for name, model in CATALOG.items():
        listed[name] = {
            "type": model.type,
            "parameters": model.parameters,
            "blocks": model.blocks,
            "license": model.license,
            "meaning": model.meaning,
            "repository": model.repository,
            "revision": model.revision,
            "revisions": list(shipped(name)) or list(model.revisions),
            "offline": any((folder / CONFIG).is_file() for folder, _ in local(name, MAIN))
            or bool(shipped(name))
            or bool(model.gguf and packed(model)),
        }
    for name, folder in _folders():
        if name in listed:
            continue
        try:
            known = describe_model(name, folder, trusted=False)
        except ModelError:
            continue
        inner = sorted(path.name for path in folder.iterdir() if (path / CONFIG).is_file())
        facts = {"type": known.type, "parameters": known.parameters, "blocks": known.blocks, "license": known.license}
        listed[name] = facts | {"meaning": f"A folder of {MODELS_DIR}.", "repository": "", "revision": MAIN}
        listed[name] |= {"revisions": inner, "offline": True}
    return listed


def offline() -> str:
    """Return the names of the models that need no network, for messages."""
    return ", ".join(name for name, facts in available().items() if facts["offline"])


def local(name: str, revision: str) -> Iterator[tuple[Path, str]]:
    """Yield the folders that a model may be in without a network, and what to call them; none for what is no plain name."""
    inner = () if revision == MAIN else (revision,)
    if any("/" in part or "\\" in part or part.startswith(".") or not part for part in (name, *inner)):
        return
    if root := os.environ.get(MODELS_DIR):
        yield Path(root).joinpath(name, *inner), "/".join((MODELS_DIR, name, *inner))
    model = CATALOG.get(name)
    if model is None:
        return
    if model.gguf:
        yield unpacked(model), f"package {model.package}, weights of four bits as float32"
    elif model.package and revision in (MAIN, model.revision):
        spec = importlib.util.find_spec(model.package)
        if spec is not None and spec.submodule_search_locations:
            yield Path(spec.submodule_search_locations[0]) / model.folder, f"package {model.package}"
    if model.asset and inner:
        yield FOLDER.joinpath(model.asset, *inner), "/".join(("regime/data", model.asset, *inner))


def here(name: str, revision: str) -> tuple[Path, str] | None:
    """Return the folder that a model is in without a network, and what to call it; None if there is none."""
    return next(((folder, source) for folder, source in local(name, revision) if folder.is_dir()), None)


def remote(name: str, revision: str) -> bool:
    """Return whether loading a model would ask the Hub."""
    repository = CATALOG[name].repository if name in CATALOG else "/" in name
    return here(name, revision) is None and bool(repository)


def shipped(name: str) -> tuple[str, ...]:
    """Return the names of the revisions that ship with a model of the catalog."""
    model = CATALOG[name]
    folders = FOLDER.joinpath(model.asset).glob(f"*/{CONFIG}") if model.asset else ()
    return tuple(sorted(path.parent.name for path in folders))


def subfolders(name: str) -> list[str] | None:
    """Return the names of the models in a folder of REGIME_MODELS_DIR, its revisions; None where there is no such folder."""
    folder = dict(_folders()).get(name)
    return None if folder is None else sorted(path.parent.name for path in folder.glob(f"*/{CONFIG}"))


def _folders() -> Iterator[tuple[str, Path]]:
    root = os.environ.get(MODELS_DIR)
    if root and Path(root).is_dir():
        for folder in sorted(Path(root).iterdir()):
            if not folder.name.startswith(".") and folder.is_dir():
                yield folder.name, folder
