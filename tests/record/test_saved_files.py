"""Files are written whole or not at all."""

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
