"""A few spoiled files of every sort; `python -m tests.fuzz.files --write` has thousands."""

from collections.abc import Iterator

import pytest

from tests.fuzz.files import SORTS, Files, fuzzed


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGIME_MODELS_DIR", "")
        yield Files(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("name", SORTS)
def test_each_is_read_or_refused_in_a_line(name: str, files: Files) -> None:
    found = fuzzed(name, getattr(files, name), 40, 1)
    assert found["refused"] > 10
