"""The models that this process has fetched into the Hub's cache; the one used longest ago goes where the disk is too small."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock

from huggingface_hub import constants, scan_cache_dir, try_to_load_from_cache

from regime.models.checks import CONFIG, ModelError
from regime.resources.limits import limits

_FETCHED: dict[tuple[str, str], int] = {}
"""(Repository, commit) -> bytes, the one used last at the end. What was in the cache before is somebody's own, and stays."""
_coming: Counter[tuple[str, str]] = Counter()
"""How many runs fetch each."""
_lock = Lock()


@contextmanager
def room(name: str, repository: str, commit: str, size: int) -> Iterator[None]:
    """Have a model's files fit `cache_bytes` beside those that this process has fetched before; what is being fetched stays.

    Args:
        name: what the model is called in messages.
        repository: its id on the Hub.
        commit: that is fetched until the block ends.
        size: bytes of its files.

    Raises:
        ModelError: they do not fit alone, or not beside what is being fetched.
    """
    key = (repository, commit)
    if key not in _FETCHED and _here(repository, commit):
        yield
        return
    with _lock:
        _reserve(name, key, size)
        _coming[key] += 1
    try:
        yield
    finally:
        with _lock:
            _coming[key] -= 1


def _reserve(name: str, key: tuple[str, str], size: int) -> None:
    most = limits().cache_bytes
    allowed = f"allowed: at most {most / 1e9:.2g} GB on the disk (REGIME_CACHE_BYTES)"
    if size > most:
        raise ModelError(f"model = {name!r} is not allowed: its files have {size / 1e9:.2g} GB; {allowed}")
    if size + sum(_FETCHED[each] for each in _FETCHED.keys() - {key} if _coming[each]) > most:
        raise ModelError(f"model = {name!r} is not allowed while others are fetched that fill the disk: try later; {allowed}")
    _FETCHED[key] = _FETCHED.pop(key, size)
    while sum(_FETCHED.values()) > most:
        oldest = next(each for each in _FETCHED if each != key and not _coming[each])
        del _FETCHED[oldest]
        _delete(*oldest)


def _here(repository: str, commit: str) -> bool:
    return isinstance(try_to_load_from_cache(repository, CONFIG, constants.HF_HUB_CACHE, commit), str)


def _delete(repository: str, commit: str) -> None:
    """Delete one commit of one repository: others may have a commit of that name."""
    cache = scan_cache_dir(constants.HF_HUB_CACHE)
    own = frozenset(each for each in cache.repos if each.repo_id == repository)
    replace(cache, repos=own).delete_revisions(commit).execute()
