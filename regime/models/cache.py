"""The models that this process has fetched into the Hub's cache; the one used longest ago goes where the disk is too small."""

from dataclasses import replace

from huggingface_hub import constants, scan_cache_dir, try_to_load_from_cache

from regime.models.checks import CONFIG, ModelError
from regime.resources.limits import limits

_FETCHED: dict[tuple[str, str], int] = {}
"""(Repository, commit) -> bytes, the one used last at the end. What was in the cache before is somebody's own, and stays."""


def make_room(name: str, repository: str, commit: str, size: int) -> None:
    """Have a model's files fit `cache_bytes` beside those that this process has fetched before.

    Args:
        name: what the model is called in messages.
        repository: its id on the Hub.
        commit: that is fetched.
        size: bytes of its files.

    Raises:
        ModelError: they do not fit alone.
    """
    key, most = (repository, commit), limits().cache_bytes
    if key not in _FETCHED and _here(repository, commit):
        return
    if size > most:
        raise ModelError(
            f"model = {name!r} is not allowed: its files have {size / 1e9:.2g} GB; allowed: at most {most / 1e9:.2g} GB on the "
            "disk (REGIME_CACHE_BYTES)"
        )
    _FETCHED[key] = _FETCHED.pop(key, size)
    while sum(_FETCHED.values()) > most:
        oldest = next(iter(_FETCHED))
        del _FETCHED[oldest]
        _delete(*oldest)


def _here(repository: str, commit: str) -> bool:
    return isinstance(try_to_load_from_cache(repository, CONFIG, constants.HF_HUB_CACHE, commit), str)


def _delete(repository: str, commit: str) -> None:
    """Delete one commit of one repository: others may have a commit of that name."""
    cache = scan_cache_dir(constants.HF_HUB_CACHE)
    own = frozenset(each for each in cache.repos if each.repo_id == repository)
    replace(cache, repos=own).delete_revisions(commit).execute()
