"""Models of the Hub: looked up, checked and pinned before a byte of their weights is fetched."""

import errno
import logging
import math
import os
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import tqdm, validate_repo_id

from regime.models.cache import room
from regime.models.checks import CONFIG, INDEX, WEIGHTS, ModelError, check_config, check_files, check_size, is_shard, read_json
from regime.resources.limits import limits

FILES = (
    CONFIG,
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)
"""What is fetched beside the weights; of folders inside a repository nothing is."""
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)
BEAT = 0.1
"""Seconds between two looks at what has come."""
log = logging.getLogger(__name__)


class Arrival(NamedTuple):
    """Bytes of a model that are here, of those that are to come; 0 of 0 until the Hub has told."""

    done: int
    total: int


class Fetched(NamedTuple):
    """A model's files in the Hub's cache, the commit they are of, and their license."""

    folder: Path
    commit: str
    license: str


def fetch(name: str, repository: str, revision: str, known: str, *, trusted: bool) -> Generator[Arrival, None, Fetched]:
    """Download a repository's files at the commit that a revision is now, yielding ten times a second how far.

    Closing the generator ends the download; what has come of a file is kept for the next time.

    Args:
        name: what the model is called in messages.
        repository: its id on the Hub.
        revision: a branch, tag or commit.
        known: models that need no network, for messages.
        trusted: whether the catalog vouches for it; the limits are for others.

    Raises:
        ModelError: there is no such model, it is gated, private, too large, pickled, of another architecture or needs code of
            its own, downloads are switched off, or the Hub did not answer in time.
    """
    allowed = limits()
    if not allowed.hub:
        raise ModelError(f"model = {name!r} is not here, and downloads are switched off (REGIME_HUB = 0); there are: {known}")
    try:
        validate_repo_id(repository)
    except HFValidationError:
        raise ModelError(f"model = {name!r:.80} is not allowed; allowed: a Hub id such as 'openai-community/gpt2'") from None
    endpoint = os.environ.get("HF_ENDPOINT", constants.ENDPOINT)
    api = HfApi(endpoint=endpoint, token=False)
    answer, whole = _Deadline(allowed.hub_seconds), _Deadline(allowed.download_seconds)
    with _explained(name, repository, revision, known, whole):
        info = yield from answer.wait(api.model_info, repository, revision=revision, files_metadata=True, token=False)
        if info.gated or info.private:
            raise ModelError(f"model = {name!r} is not allowed: it is gated or private, and no token is used here")
        sizes = {file.rfilename: file.size or 0 for file in info.siblings}
        check_files(name, list(sizes))
        wanted = _wanted(list(sizes))
        if not trusted:
            check_size(name, info.safetensors.total if info.safetensors else 0, sum(sizes[file] for file in wanted))
        whole.total = sum(sizes[file] for file in wanted)
        settings = {"revision": info.sha, "token": False, "endpoint": endpoint}
        with room(name, repository, info.sha, whole.total):
            config = yield from answer.wait(hf_hub_download, repository, CONFIG, **settings)
            check_config(name, read_json(name, Path(config)))
            for file in wanted:
                yield from whole.wait(hf_hub_download, repository, file, tqdm_class=whole.bar(), **settings)
                whole.settle(sizes[file])
    card = info.card_data.get("license") if info.card_data else None
    return Fetched(Path(config).parent, info.sha, str(card or "not stated"))


@contextmanager
def _explained(name: str, repository: str, revision: str, known: str, whole: "_Deadline") -> Iterator[None]:
    """Turn whatever the Hub's client raises into a ModelError that says what to do."""
    try:
        yield
    except ModelError:
        raise
    except GatedRepoError:
        raise ModelError(f"model = {name!r} is not allowed: it is gated, and no token is used here") from None
    except RevisionNotFoundError:
        raise ModelError(
            f"revision = {revision!r:.80} is not allowed: {repository} has no such branch, tag or commit"
        ) from None
    except RepositoryNotFoundError:
        raise ModelError(f"model = {name!r} is not allowed: the Hub has no public model of that name") from None
    except RemoteEntryNotFoundError:
        raise ModelError(f"model = {name!r} cannot be had: the Hub lacks one of the files that it lists") from None
    except Exception as error:  # offline mode, no route, no name, a broken answer: the client documents none of it
        log.info("the model was not fetched", exc_info=True)
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            raise ModelError(f"model = {name!r} cannot be stored here: {os.strerror(error.errno)}") from None
        if isinstance(error, TimeoutError) and whole.left <= 0:
            raise ModelError(
                f"model = {name!r} cannot be had: its files did not come within {limits().download_seconds:g} s "
                f"(REGIME_DOWNLOAD_SECONDS); without a network: {known}"
            ) from None
        raise ModelError(
            f"model = {name!r} cannot be had: it is not here, and the Hub did not answer ({type(error).__name__}); "
            f"without a network: {known}"
        ) from None


def _wanted(files: list[str]) -> list[str]:
    """What is fetched of a repository: the weights in one file, or else in parts, and what tells how to read them."""
    parts = (WEIGHTS,) if WEIGHTS in files else (INDEX, *filter(is_shard, files))
    return [file for file in (*FILES, *parts) if file in files]


class _Deadline:
    """A time limit that several calls share, with the bytes that they have brought so far."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._settled = self._coming = 0
        self.total = 0

    @property
    def left(self) -> float:
        return self._end - time.monotonic()

    def wait(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Generator[Arrival, None, Any]:
        """What the call returns; raises TimeoutError once the time is over. Closing the generator ends the call's time too."""
        # a thread of its own: a timeout of requests is one between bytes, and of several tries
        thread = ThreadPoolExecutor(1, thread_name_prefix="hub")
        result = thread.submit(call, *args, **kwargs)
        try:
            while not result.done():
                if self.left <= 0:
                    raise TimeoutError
                wait([result], timeout=min(BEAT, self.left))
                yield Arrival(self._settled + self._coming, self.total)
            return result.result()
        finally:
            if not result.done():
                self._end = -math.inf
            thread.shutdown(wait=False, cancel_futures=True)

    def settle(self, size: int) -> None:
        """Count a file of so many bytes as complete."""
        self._settled, self._coming = self._settled + size, 0

    def bar(self) -> type[tqdm]:
        """A progress bar that counts the bytes of a file, and ends a download which nobody waits for any more."""
        deadline = self

        class Bar(tqdm):
            def update(self, n: float | None = 1) -> bool | None:
                if deadline.left <= 0:
                    raise TimeoutError
                deadline._coming += int(n or 0)
                return super().update(n)

        return Bar
