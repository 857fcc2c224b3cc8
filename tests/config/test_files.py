"""Files of own rows: decoded, opened in Python, never by a server."""

import os
import re
from pathlib import Path

import pytest

from regime.config import ProbeConfig, SweepConfig, ToyConfig, config_from_dict, shared_config
from regime.config.files import FILE_LIMIT, decode
from regime.errors import ConfigError

PLAIN = "good film,yes\nbad film,no\n"
ROWS = "a,b,label\n" + "".join(f"{k},{k % 7},{'yes' if k % 3 else 'no'}\n" for k in range(40))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings(encoding: str) -> None:
    assert decode(PLAIN.encode(encoding)).lstrip("\ufeff") == PLAIN


def test_other_encodings_are_read_with_a_warning_or_refused() -> None:
    with pytest.warns(UserWarning, match="byte 3 begins no character; it was read as Windows-1252, where that is 'é'"):
        assert decode("café,x\nthé,y\n".encode("cp1252")) == "café,x\nthé,y\n"
    with pytest.raises(ValueError, match="byte 0 begins no character; save it as UTF-8"):
        decode(b"\x81\x8d,x\n")
    with pytest.raises(ValueError, match=f"{FILE_LIMIT + 1} bytes; allowed: at most {FILE_LIMIT}"):
        decode(b"x" * (FILE_LIMIT + 1))


def test_python_opens_a_path(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(ROWS)
    for path in (file, str(file)):
        config = ToyConfig(csv=path)
        assert config == ToyConfig(csv=ROWS)
        assert config.task == "own"
    assert SweepConfig(base={"csv": str(file)}, axes={"width": [8]}).base.csv == ROWS
    assert ProbeConfig(texts=str(file), text_column="a").texts == ROWS


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    """Bytes as the system has them, a space at its end, nobody's home."""
    (tmp_path / "rows ").write_text(ROWS)
    for path in (tmp_path / "rows ", *os.scandir(os.fsencode(tmp_path))):
        assert ToyConfig(csv=path) == ToyConfig(csv=ROWS)
    for config, field in ((ToyConfig, "csv"), (ProbeConfig, "texts")):
        with pytest.raises(ConfigError, match=f"{field} is not allowed: '~nobody-here/rows.csv' is one line and names no file"):
            config(**{field: "~nobody-here/rows.csv"})


def test_a_path_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.csv"
    large.write_bytes(b"1,2\n" * FILE_LIMIT)
    for path, message in (("none.csv", "names no file"), (tmp_path, "is a folder"), (large, "bytes; allowed: at most")):
        with pytest.raises(ConfigError, match=re.escape(message)):
            ToyConfig(csv=path)


def test_a_server_opens_no_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(ROWS)
    hostile = (
        {"kind": "toy", "csv": str(file)},
        {"kind": "toy", "csv": f" {file}\n"},
        {"kind": "probe", "texts": str(file)},
        {"kind": "checkpoints", "model": "minilm", "texts": str(file)},
        {"kind": "sweep", "base": {"csv": str(file)}, "axes": {"width": [8]}},
    )
    for fields in hostile:
        with pytest.raises(ConfigError, match=r"a server opens no file|texts is not allowed|csv is not allowed") as error:
            shared_config(fields)
        assert "yes" not in str(error.value), "nothing of the file is told"
    with pytest.raises(ConfigError, match="a server opens no file"):
        ToyConfig.from_query(f"csv={file}")
    assert config_from_dict(hostile[0]).csv == ROWS, "Python opens it"


@pytest.mark.parametrize("rows", ['[{"a": 1}]', "[" + '{"a": 1}, ' * 400 + "{}]"])
def test_one_line_is_a_path_however_long_it_is(rows: str) -> None:
    with pytest.raises(ConfigError, match="is one line and names no file; allowed: rows, or a file of rows"):
        ToyConfig(csv=rows)
