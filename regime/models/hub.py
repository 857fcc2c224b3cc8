"""Models of the Hub: looked up, checked and pinned before a byte of their weights is fetched."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import validate_repo_id

from regime.limits import limits
from regime.models.checks import CONFIG, INDEX, ModelError, check_config, check_files, check_size, read_json

PATTERNS = (
    CONFIG,
    "*.safetensors",
    INDEX,
    "tokenizer*",
    "vocab.*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)
log = logging.getLogger(__name__)


class Fetched(NamedTuple):
    folder: Path
    commit: str
    license: str


def fetch(name: str, repository: str, revision: str, known: str, *, trusted: bool) -> Fetched:
    """A repository's files at the commit that a revision is now, in the Hub's cache.

    Args:
        name: what the model is called in messages.
        known: models that need no network.
        trusted: of the catalog; the limits are for others.

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
    # a thread of its own: a timeout of requests is one between bytes, and of several tries
    with_limit = ThreadPoolExecutor(1, thread_name_prefix="hub")
    try:
        asked = with_limit.submit(api.model_info, repository, revision=revision, files_metadata=True, token=False)
        info = asked.result(timeout=allowed.hub_seconds)
        if info.gated or info.private:
            raise ModelError(f"model = {name!r} is not allowed: it is gated or private, and no token is used here")
        sizes = {file.rfilename: file.size or 0 for file in info.siblings}
        check_files(name, list(sizes))
        wanted = sum(size for file, size in sizes.items() if file.endswith(".safetensors"))
        parameters = info.safetensors.total if info.safetensors else 0
        if not trusted:
            check_size(name, parameters, wanted)
        settings = {"revision": info.sha, "token": False, "endpoint": endpoint}
        config = with_limit.submit(hf_hub_download, repository, CONFIG, **settings).result(timeout=allowed.hub_seconds)
        check_config(name, read_json(name, Path(config)))
        for file in (file for file in sizes if any(fnmatch(file, pattern) for pattern in PATTERNS)):
            hf_hub_download(repository, file, **settings)
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
    except (TooLate, Exception) as error:  # offline mode, no route, no name, a broken answer: the client documents none of it
        log.info("the Hub did not answer", exc_info=True)
        cause = "TimeoutError" if isinstance(error, TooLate) else type(error).__name__
        raise ModelError(
            f"model = {name!r} cannot be had: it is not here, and the Hub did not answer ({cause}); without a network: {known}"
        ) from None
    finally:
        with_limit.shutdown(wait=False, cancel_futures=True)
    card = info.card_data.get("license") if info.card_data else None
    return Fetched(Path(config).parent, info.sha, str(card or "not stated"))
