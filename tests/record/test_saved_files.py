"""Files are written whole or not at all."""

import os
from pathlib import Path

import pytest

from regime.record.files import whole


@pytest.mark.parametrize("name", ["", "inner"])
def test_a_folder_is_named_and_no_file_is_left(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    with pytest.raises(IsADirectoryError, match=f"{folder} is a folder"), whole(folder) as partial:
        partial.write_text("anything")
    assert list(tmp_path.rglob("*")) == ([folder] if name else [])


@pytest.mark.parametrize("name", ["r" * 255, "\N{HIRAGANA LETTER RE}" * 85, "plain"])
def test_a_name_may_be_as_long_as_any_and_a_link_stays_one(tmp_path: Path, name: str) -> None:
    inner, link = tmp_path / "inner" / name, tmp_path / "link"
    link.symlink_to(inner)
    for text in ("one", "two"):
        with whole(link) as partial:
            partial.write_text(text)
        assert link.is_symlink()
        assert inner.read_text() == text
    assert {path.name for path in tmp_path.rglob("*")} == {"inner", name, "link"}


def test_a_pipe_is_left_as_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(FileExistsError, match=r"pipe is a device, a pipe or a socket"), whole(tmp_path / name) as partial:
            partial.write_text("anything")
    assert (tmp_path / "pipe").is_fifo()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "link"}
