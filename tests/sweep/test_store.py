"""The file of finished cells: durable, shared, and never overwritten."""

import csv
import io
import json
import os
import sqlite3
from contextlib import closing
from multiprocessing import get_context

import pytest
from safetensors.torch import load_file, save_file

import regime
from regime import ConfigError, ProbeConfig, SweepConfig, ToyConfig
from regime.sweep.cell import failure
from regime.sweep.keys import key, keys
from regime.sweep.store import Store, cells_to_csv, hashed
from tests.conftest import ROOT
from tests.models import tiny

RESULT = failure("none") | {
    "status": "finished",
    "measures": {"kernel_change": 0.5},
    "intervals": {"kernel_change": (0.4, 0.6)},
}


VERDICT = {"label": "lazy", "index": 0.1, "interval": None, "seeds": [0.1, 0.1], "agree": "", "reasons": [], "advice": []}


def rewrite(path, column: str, text: str, key: str) -> None:
    """Write another text into a row, as if it had been put."""
    with closing(sqlite3.connect(path)) as database, database:
        database.create_function("hashed", 3, hashed)
        database.execute(f"UPDATE cells SET {column} = ? WHERE key = ?", [text, key])
        database.execute("UPDATE cells SET hash = hashed(key, config, result)")


def pairs(*keys: str) -> dict:
    return {name: (ToyConfig().to_dict(), RESULT) for name in keys}


def test_what_is_put_is_found_by_another(tmp_path):
    path = tmp_path / "cells.sqlite"
    Store(path).put(pairs("a", "b"))
    again = Store(path)
    assert set(again.get(["a", "b", "c"])) == {"a", "b"}
    assert again.get(["a"])["a"]["measures"] == {"kernel_change": 0.5}
    assert again.kept is None
    assert again.count() == 2


def test_a_cell_that_is_there_stays(tmp_path):
    store = Store(tmp_path / "cells.sqlite")
    store.put(pairs("a"))
    store.put({"a": (ToyConfig().to_dict(), RESULT | {"step": 7})})
    assert store.get(["a"])["a"]["step"] == 0


def test_own_rows_are_not_kept(tmp_path):
    rows = "\n".join(f"{i},{i % 5},{i % 2}" for i in range(40))
    config = ToyConfig(task="own", csv=rows, samples=8, test_samples=8, probe_samples=8)
    Store(tmp_path / "cells.sqlite").put({"a": (config.to_dict(), RESULT)})
    assert b"39,4,1" not in (tmp_path / "cells.sqlite").read_bytes()


def spoil_version(path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 999")
    database.commit()
    database.close()


def spoil_pages(path) -> None:
    content = bytearray(path.read_bytes())
    content[100:] = b"\xa5" * (len(content) - 100)
    path.write_bytes(content)


SPOILED = {
    "another version": (spoil_version, "is a store of version 999"),
    "damaged": (spoil_pages, "is a damaged store"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:1500]), "is a damaged store"),
}


@pytest.fixture(params=SPOILED.values(), ids=SPOILED)
def spoiled(request, tmp_path):
    """A store that cannot be used, and what is said of it."""
    path = tmp_path / "cells.sqlite"
    Store(path).put(pairs(*(f"{i}" for i in range(50))))
    spoil, said = request.param
    spoil(path)
    return path, said


def test_a_store_that_is_spoiled_is_refused_and_left(spoiled, tmp_path):
    path, said = spoiled
    content = path.read_bytes()
    with pytest.raises(ConfigError, match=f"{said}, and is left as it is; .*name another one, or move this one away"):
        Store(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_store_that_is_spoiled_is_kept_aside_where_that_is_wanted(spoiled, tmp_path):
    path, _ = spoiled
    content = path.read_bytes()
    store = Store(path, renew=True)
    assert store.kept.read_bytes() == content
    assert store.kept.parent == tmp_path
    store.put(pairs("new"))
    assert Store(path).count() == 1
    assert Store(path).kept is None
    assert store.kept.read_bytes() == content


def database(path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE people (name TEXT)")
    other.close()


ELSE = {
    "a table": lambda path: path.write_text("x,y\n1,2\n" * 1000),
    "a short text": lambda path: path.write_text("a"),
    "a folder": lambda path: path.mkdir(),
    "a database": database,
    "a pipe": lambda path: os.mkfifo(path),
}


@pytest.mark.parametrize("renew", [False, True])
@pytest.mark.parametrize("make", ELSE.values(), ids=ELSE)
def test_something_else_is_refused_and_left_alone(tmp_path, make, renew):
    path = tmp_path / "other"
    make(path)
    content = path.read_bytes() if path.is_file() else None
    with pytest.raises(ConfigError, match="is something else, and is left as it is"):
        Store(path, renew=renew)
    assert list(tmp_path.iterdir()) == [path]
    assert (path.read_bytes() if path.is_file() else None) == content


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("{", "Expecting property name"),
        ("[]", "not an object"),
        ("{}", "status: Field required"),
        (json.dumps(RESULT | {"measures": {"kernel_change": "large"}}), "measures.kernel_change: "),
        (json.dumps(RESULT | {"more": 1}), "more: "),
        (json.dumps(RESULT | {"index": 3}), "multiple values"),
        (json.dumps(RESULT | {"seeds": {"kernel_change": [0.5], "test_loss": [0.5, 0.5]}}), "seeds.test_loss: 2 numbers"),
        (json.dumps(RESULT | {"seeds": {"kernel_change": [0.5]}, "verdict": VERDICT}), "seeds.verdict: 2 numbers"),
    ],
)
def test_a_cell_that_is_none_is_refused_in_words(tmp_path, result, message):
    store = Store(tmp_path / "cells.sqlite")
    store.put(pairs("a", "b"))
    rewrite(store.path, "result", result, "b")
    assert set(store.get(["a"])) == {"a"}
    for read in (lambda: store.get(["a", "b"]), store.to_csv):
        with pytest.raises(ConfigError, match=f"holds a cell that is none .*{message}"):
            read()


def test_cells_of_other_seeds_than_a_sweep_asks_for_are_refused(tmp_path):
    base = ToyConfig(width=8, samples=8, test_samples=8, probe_samples=8, steps=2, measure_every=1)
    config = SweepConfig(base=base, axes={"alpha": [0.5, 1.0, 2.0]}, seeds=2, store=str(tmp_path / "cells.sqlite"))
    report = regime.run(config)
    name = report.cells[0].key
    result = Store(config.store).get([name])[name]
    result["seeds"] = {measure: values * 2 for measure, values in result["seeds"].items()}
    result["verdict"]["seeds"] *= 2
    rewrite(config.store, "result", json.dumps(result), name)
    with pytest.raises(ConfigError, match=r"holds a cell that is none .*4 numbers are not allowed; allowed: 2, one a seed"):
        regime.run(config)
    fields = report.to_dict()
    fields["cells"][1] |= {"seeds": result["seeds"], "verdict": result["verdict"]}
    with pytest.raises(ValueError, match="4 numbers are not allowed; allowed: 2, one a seed"):
        regime.SweepReport.from_dict(fields)


@pytest.mark.parametrize("where", ["no/such/folder/cells.sqlite", "file/cells.sqlite", "a\0b", "\ud800"])
def test_a_place_that_cannot_be_written_is_told(tmp_path, where):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"store = .* cannot be used"):
        Store(tmp_path / where)


def test_an_empty_file_is_a_new_store(tmp_path):
    path = tmp_path / "cells.sqlite"
    path.touch()
    Store(path).put(pairs("a"))
    assert Store(path).count() == 1


def write(path: str, first: int) -> None:
    for i in range(first, first + 60):
        Store(path).put(pairs(str(i)))


def test_processes_that_write_at_once_do_no_harm(tmp_path, monkeypatch):
    """Three of them, each opening the file anew for every cell, with 30 cells in common between neighbors."""
    path = tmp_path / "cells.sqlite"
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    context = get_context("forkserver")  # three that have imported everything begin at once
    context.set_forkserver_preload(["tests.sweep.test_store"])
    running = [context.Process(target=write, args=(str(path), first)) for first in (0, 30, 60)]
    for process in running:
        process.start()
    for process in running:
        process.join(120)
    assert [process.exitcode for process in running] == [0, 0, 0]
    store = Store(path)
    assert store.kept is None
    assert store.count() == 120
    assert len(store.get(str(i) for i in range(120))) == 120


def test_of_several_that_find_it_damaged_one_moves_it(tmp_path, monkeypatch):
    """Another process has moved the file, and begun a new one, between this one's look and its move."""
    path = tmp_path / "cells.sqlite"
    Store(path).put(pairs("a"))
    spoil_pages(path)
    looks, real = iter(["damaged"]), Store._spoiled

    def look(store: Store) -> str | None:
        seen = next(looks, None)
        if seen is None:
            return real(store)
        path.unlink()
        Store(path).put(pairs("a"))
        return seen

    monkeypatch.setattr(Store, "_spoiled", look)
    store = Store(path, renew=True)
    assert store.kept is None
    assert store.count() == 1


def test_a_store_that_is_taken_away_is_begun_again(tmp_path):
    store = Store(tmp_path / "cells.sqlite")
    store.put(pairs("a"))
    store.path.unlink()
    store.put(pairs("b"))
    assert Store(store.path).count() == 1


def test_a_full_store_keeps_no_more_but_finds_what_it_has(tmp_path):
    store = Store(tmp_path / "cells.sqlite")
    store.put(pairs("a"))
    store.full = True
    store.put(pairs("b"))
    assert set(store.get(["a", "b"])) == {"a"}


def test_a_table_of_the_cells(tmp_path):
    store = Store(tmp_path / "cells.sqlite")
    store.put(pairs("a", "b"))
    rows = list(csv.DictReader(io.StringIO(store.to_csv())))
    assert len(rows) == 2
    assert rows[0]["kernel_change"] == "0.5"
    assert rows[0]["kernel_change_low"] == "0.4"
    assert rows[0]["width"] == "512"


def test_columns_of_ones_own_measures_are_told_apart():
    """A measure may be called what an axis is, or the end of another's interval."""
    cell = RESULT | {"measures": {"kernel_change": 0.5, "width": 7.0, "kernel_change_low": 8.0}}
    (row,) = csv.DictReader(io.StringIO(cells_to_csv([({"width": 512}, cell)])))
    assert (row["width"], row["width (measured)"]) == ("512", "7.0")
    assert (row["kernel_change_low"], row["kernel_change_low (measured)"]) == ("8.0", "0.4")


def test_keys_tell_apart_what_gives_other_numbers():
    base = ToyConfig().to_dict()
    known = {key(base, None), key(base, 0.1), key(base | {"width": 64}, None), key(base | {"alpha": 2.0}, None)}
    known |= {key(base, None, "some weights"), key(base, None, "others")}
    assert len(known) == 6
    assert key(dict(reversed(base.items())), None) == key(base, None)


def test_a_cell_of_one_map_is_that_of_another():
    axes = {"width": [8, 16], "alpha": [0.5, 1, 32.0]}
    cells, turned = (list(SweepConfig(axes=part).cells()) for part in (axes, dict(reversed(axes.items()))))
    assert dict(zip(cells, keys(cells, None), strict=True)) == dict(zip(turned, keys(turned, None), strict=True))
    assert not set(keys(cells, None)) & set(keys(cells, 0.5))


def test_another_version_has_other_cells(tmp_path, monkeypatch):
    config = SweepConfig(
        base=ToyConfig(samples=8, test_samples=8, probe_samples=8, steps=1, measure_every=1, seeds=1),
        axes={"width": [4, 8]},
        store=str(tmp_path / "cells.sqlite"),
    )
    assert [regime.run(config).provenance.found for _ in range(2)] == [0, 2]
    monkeypatch.setattr("regime.sweep.keys.__version__", "0.2.0")
    assert [regime.run(config).provenance.found for _ in range(2)] == [0, 2]
    assert Store(config.store).count() == 4


PROBE = ProbeConfig(model="one", samples=4, probe_samples=8, max_tokens=6, steps=1, measure_every=1, forecast=False)


def write_over(folder) -> None:
    """Other weights in the file that is there, of the same size, with the times that it had."""
    path = folder / "model.safetensors"
    before = path.stat()
    save_file({name: 1.5 * tensor for name, tensor in load_file(path).items()}, path, {"format": "pt"})
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def tokens_in_another_order(folder) -> None:
    path = folder / "tokenizer.json"
    words = json.loads(path.read_text())
    vocab = words["model"]["vocab"]
    names = [name for name in vocab if name.isalpha()]
    words["model"]["vocab"] = vocab | dict(zip(names, [vocab[name] for name in reversed(names)], strict=True))
    path.write_text(json.dumps(words))


CHANGES = {
    "another seed": lambda folder: tiny.write(folder, "bert", language_model=False, seed=1),
    "the same size and times": write_over,
    "the tokenizer": tokens_in_another_order,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_model_folder_that_changed_has_other_cells(tmp_path, monkeypatch, change):
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    tiny.write(tmp_path / "one", "bert", language_model=False)
    config = SweepConfig(base=PROBE, axes={"learning_rate": [1e-3]}, store=str(tmp_path / "cells.sqlite"))
    before, again = (regime.run(config) for _ in range(2))
    assert again.provenance.found == 1
    change(tmp_path / "one")
    after = regime.run(config)
    assert after.provenance.found == 0
    assert after.cells[0].status == "finished"
    assert after.cells[0].measures["train_loss"] != before.cells[0].measures["train_loss"]
    assert after.cells[0].measures["train_loss"] == regime.run(config.cell(0)).final["train_loss"]


def test_a_model_that_changes_meanwhile_is_a_failure_that_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    tiny.write(tmp_path / "one", "bert", language_model=False)
    config = SweepConfig(base=PROBE, axes={"learning_rate": [1e-3, 2e-3]}, store=str(tmp_path / "cells.sqlite"))
    for event in regime.stream(config):
        if event.kind == "measured" and event.step == 1:
            write_over(tmp_path / "one")
    bad, good = sorted(regime.SweepReport.from_dict(event.report).cells, key=lambda cell: cell.status)
    assert (good.status, bad.status) == ("finished", "failed")
    assert "with other weights" in bad.error
    assert Store(config.store).count() == 1


def test_a_model_that_is_nowhere_fails_in_its_cells(tmp_path):
    config = SweepConfig(base=PROBE, axes={"model": ["nowhere"]}, store=str(tmp_path / "cells.sqlite"))
    (cell,) = regime.run(config).cells
    assert (cell.status, cell.key) == ("failed", "")
    assert "there is none of that name" in cell.error


@pytest.mark.parametrize("column", ["result", "config"])
@pytest.mark.parametrize("text", ["[" * 100_000, '{"measures":' * 100_000, "[]", "nothing", "null"], ids=range(5))
def test_a_cell_that_holds_no_object_is_refused_in_a_line(tmp_path, column, text):
    store = Store(tmp_path / "cells.sqlite")
    store.put(pairs("a"))
    rewrite(store.path, column, text, "a")
    for read in (lambda: store.get(["a"]), store.to_csv):
        with pytest.raises(ConfigError, match="holds a cell that is none") as refused:
            read()
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 500


def a_bit(path) -> None:
    content = bytearray(path.read_bytes())
    at = content.find(b'"kernel_change": 0.5')
    content[at + len(b'"kernel_change": 0.')] ^= 8
    path.write_bytes(content)


def another_row(path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE cells SET (config, result) = (SELECT config, result FROM cells WHERE key = 'c')")


def another_key(path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM cells WHERE key = 'a'")
        database.execute("UPDATE cells SET key = 'a' WHERE key = 'c'")


@pytest.mark.parametrize("change", [a_bit, another_row, another_key])
def test_a_cell_that_is_not_as_it_was_written_is_refused(tmp_path, change):
    store = Store(tmp_path / "cells.sqlite")
    store.put({"a": (ToyConfig().to_dict(), RESULT), "c": (ToyConfig(width=64).to_dict(), RESULT | {"step": 7})})
    change(store.path)
    with pytest.raises(ConfigError, match=r"holds a cell that is none \(other bytes than were written"):
        Store(store.path).get(["a", "c"])
    with pytest.raises(ConfigError, match="other bytes than were written"):
        Store(store.path).to_csv()


@pytest.mark.parametrize("name", [":memory:", "", "file:cells?mode=memory"])
def test_a_name_that_sqlite_takes_for_more_is_a_file_or_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    if not name:
        with pytest.raises(ConfigError, match="store = '' is not allowed; allowed: text of 1 to 4096 characters or null"):
            SweepConfig(store=name)
        return
    Store(name).put(pairs("a"))
    assert set(Store(name).get(["a"])) == {"a"}
    assert (tmp_path / name).is_file()
