"""The server's store of cells: begun anew where it is damaged, refused where it is something else."""

import pytest

from regime.errors import ConfigError
from regime.sweep.store import Store
from regime.ui.run import session


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("REGIME_STORE", str(tmp_path / "cells.sqlite"))
    return tmp_path / "cells.sqlite"


def test_a_damaged_store_is_moved_aside(path):
    Store(path)
    path.write_bytes(path.read_bytes()[:1500])
    store = session.store.__wrapped__()
    assert store.count() == 0
    assert store.kept.stat().st_size == 1500


def test_something_else_is_refused_and_not_named(path):
    path.write_text("x,y\n1,2\n")
    with pytest.raises(ConfigError, match=r"^the server's store of cells cannot be used; the cause is in its log$"):
        session.store.__wrapped__()
    assert path.read_text() == "x,y\n1,2\n"
