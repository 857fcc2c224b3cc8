"""Finished cells in a file: each is durable at once, and found again by its key."""

import csv
import io
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import ValidationError

from regime.config.base import ROWS
from regime.errors import ConfigError
from regime.record.saved import first_problem
from regime.sweep.cell import RESULT_VERSION, Cell

APPLICATION = 0x52474D45
"""SQLite's application_id of these files."""
MAGIC = b"SQLite format 3\0"
WAIT = 60.0
"""Seconds to wait for another process that is writing."""
AT_ONCE = 500
SIDECARS = ("-journal", "-wal", "-shm")
TABLE = """\
CREATE TABLE IF NOT EXISTS cells (
    key TEXT PRIMARY KEY, config TEXT NOT NULL, result TEXT NOT NULL, written REAL, hash TEXT NOT NULL
)"""
COLUMNS = "key, config, result, hash"


class Store:
    """A file of results by key, for any number of processes at once; nothing in it is ever changed.

    A file that is not a store, one that is damaged or one of another version is refused, and left as it is.

    Args:
        path: of the file; one that is not there is made.
        renew: whether a store that is damaged or of another version is moved aside instead, under a name of its own (`kept`),
            and a new one begun: for a store that nobody waits for, such as a server's.

    Raises:
        ConfigError: the file is refused, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, renew: bool = False) -> None:
        self.path = Path(path)
        self.kept: Path | None = None
        """Where a file that could not be used was moved to."""
        self.full = False
        """Whether nothing more is to be kept in it."""
        try:
            if spoiled := self._spoiled():
                if not renew:
                    raise ConfigError(
                        f"store = {str(self.path)!r:.200} is {spoiled}, and is left as it is; allowed: a sound store of "
                        f"version {RESULT_VERSION}, or a new file: name another one, or move this one away"
                    )
                with FileLock(f"{self.path}.lock"):  # of several that find it so, one moves it
                    if self._spoiled():
                        self.kept = self._move_aside()
            if not self.path.exists() or self.path.stat().st_size == 0:
                with self._open() as database:
                    _begin(database)
        except ConfigError:
            raise
        except (OSError, ValueError) as error:  # a name with a null byte, or one that no file can have
            raise self._refusal(error) from None

    def _refusal(self, error: Exception) -> ConfigError:
        said = f"store = {str(self.path)!r:.200}"
        return ConfigError(f"{said} cannot be used: {error}; allowed: a file that can be written, on a disk with room")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one call, whose changes are made whole or not at all, and are on the disk when it ends."""
        try:
            with closing(self._connection()) as database:
                database.execute("PRAGMA synchronous = FULL")
                yield database
                if database.in_transaction:
                    database.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._refusal(error) from None

    def _connection(self) -> sqlite3.Connection:
        """A connection that begins no transaction by itself; the path is absolute, since ':memory:' would be no file."""
        return sqlite3.connect(self.path.absolute(), timeout=WAIT, isolation_level=None)

    def _spoiled(self) -> str | None:
        """What is wrong with the store that is there; None if nothing is, or if there is none.

        Raises:
            ConfigError: it is a file of something else; it was read alone.
            OSError: it cannot be read.
        """
        if not self.path.exists() or (self.path.is_file() and self.path.stat().st_size == 0):
            return None  # or another process is beginning it
        if not self.path.is_file() or not _is_store(self.path):
            raise ConfigError(
                f"store = {str(self.path)!r:.200} is something else, and is left as it is; "
                "allowed: a store that sweeps wrote, or a new file"
            )
        try:
            with closing(self._connection()) as database:
                version = database.execute("PRAGMA user_version").fetchone()[0]
                sound = database.execute("PRAGMA quick_check").fetchone()[0] == "ok"
        except sqlite3.OperationalError as error:
            raise OSError(str(error)) from None
        except sqlite3.DatabaseError:
            sound = False
        if not sound:
            return "a damaged store"
        return None if version == RESULT_VERSION else f"a store of version {version}"

    def _move_aside(self) -> Path:
        """Rename the file, and what SQLite keeps beside it, to a name that nothing has."""
        target = self.path.with_name(f"{self.path.name}.kept-{time.time_ns()}-{os.getpid()}")
        self.path.rename(target)
        for ending in SIDECARS:
            beside = self.path.with_name(self.path.name + ending)
            if beside.exists():
                beside.rename(target.with_name(target.name + ending))
        return target

    def get(self, keys: Iterable[str], seeds: Mapping[str, int] | None = None) -> dict[str, dict[str, Any]]:
        """Return the results that are there, by key, of so many seeds where given; raises ConfigError where one is none."""
        wanted, found = list(keys), {}
        with self._open() as database:
            for first in range(0, len(wanted), AT_ONCE):
                part = wanted[first : first + AT_ONCE]
                rows = database.execute(f"SELECT {COLUMNS} FROM cells WHERE key IN ({','.join('?' * len(part))})", part)
                found |= {row[0]: self._read(*row, (seeds or {}).get(row[0]))[1] for row in rows}
        return found

    def _read(self, key: str, config: str, result: str, hash: str, seeds: int | None = None) -> tuple[dict[str, Any], ...]:
        """Return configuration and result as they were put; raises ConfigError where they are not."""
        if hash != hashed(key, config, result):
            raise self._no_cell("other bytes than were written")
        known = self._parsed(result)
        try:
            Cell(index=0, point={}, key=key, **known).check_seeds(seeds)
        except (TypeError, ValueError) as error:
            raise self._no_cell(first_problem(error) if isinstance(error, ValidationError) else error) from None
        return self._parsed(config), known

    def _parsed(self, text: str) -> dict[str, Any]:
        """Return the object that a text holds; raises ConfigError where it holds none."""
        try:
            parsed = json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            raise self._no_cell(error) from None
        if not isinstance(parsed, dict):
            raise self._no_cell("not an object")
        return parsed

    def _no_cell(self, said: object) -> ConfigError:
        return ConfigError(
            f"store = {str(self.path)!r:.200} holds a cell that is none ({said}); allowed: what sweeps wrote, or a new file"
        )

    def put(self, results: Mapping[str, tuple[dict[str, Any], dict[str, Any]]]) -> None:
        """Keep results: key -> configuration, whose own rows are left out, and result. One that is there already stays."""
        if self.full:
            return
        now = time.time()
        texts = [
            (key, json.dumps({name: value for name, value in config.items() if name not in ROWS}), json.dumps(result))
            for key, (config, result) in results.items()
        ]
        rows = [(*text, hashed(*text), now) for text in texts]
        with self._open() as database:
            _begin(database)  # also where the file was taken away meanwhile
            database.executemany(f"INSERT OR IGNORE INTO cells ({COLUMNS}, written) VALUES (?, ?, ?, ?, ?)", rows)

    def count(self) -> int:
        """Return how many cells are kept."""
        with self._open() as database:
            return database.execute("SELECT count(*) FROM cells").fetchone()[0]

    def to_csv(self) -> str:
        """Return every cell as a row of CSV: configuration, result, and means of measures; raises as `get` does."""
        with self._open() as database:
            rows = database.execute(f"SELECT {COLUMNS} FROM cells ORDER BY written, key").fetchall()
        return cells_to_csv([self._read(*row) for row in rows])


def hashed(*texts: str) -> str:
    """Return what tells that texts are as they were written: a disk may change a bit of them, or a person a whole row."""
    return sha256("\0".join(texts).encode()).hexdigest()


def _is_store(path: Path) -> bool:
    """Whether a file's header is that of these databases; SQLite, which may change a file that it opens, is not asked.

    Source: https://sqlite.org/fileformat.html#the_database_header.
    """
    with path.open("rb") as file:
        header = file.read(100)
    return header.startswith(MAGIC) and header[68:72] == APPLICATION.to_bytes(4, "big")


def _begin(database: sqlite3.Connection) -> None:
    """Begin a transaction that writes, in a file that is made a store if it is not one yet."""
    database.execute("BEGIN IMMEDIATE")
    database.execute(TABLE)
    database.execute(f"PRAGMA application_id = {APPLICATION}")
    database.execute(f"PRAGMA user_version = {RESULT_VERSION}")


SAID = ("status", "reached", "step", "learning_rate", "training_seconds", "seconds", "error")


def _apart(names: list[str]) -> list[str]:
    """Column names, no two alike: a measure of one's own may be called what a field is, or the end of an interval."""
    return [name if name not in names[:place] else f"{name} (measured)" for place, name in enumerate(names)]


def cells_to_csv(rows: list[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> str:
    """Return cells as CSV: where each is, what came of it, its regime, and its measures with their 95% intervals.

    A field of both where it is and what came of it, as the step size is, has one column: what it was, or was to be.
    """
    columns = list(dict.fromkeys([*(name for point, _ in rows for name in point), *SAID]))
    measures = list(dict.fromkeys(name for _, result in rows for name in result["measures"]))
    ends = list(dict.fromkeys(name for _, result in rows for name in result["intervals"]))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    bounds = [f"{name}_{end}" for name in ends for end in ("low", "high")]
    regime = ["regime", "regime_index", "regime_low", "regime_high"]
    writer.writerow(_apart([*columns, *regime, *measures, *bounds]))
    for point, result in rows:
        verdict = result["verdict"] or {"label": None, "index": None, "interval": None}
        said = [verdict["label"], verdict["index"], *(verdict["interval"] or (None, None))]
        known = {**point, **{name: result[name] for name in SAID if result[name] is not None}}
        intervals = [end for name in ends for end in result["intervals"].get(name, (None, None))]
        writer.writerow(
            [
                *(known.get(name) for name in columns),
                *said,
                *(result["measures"].get(name) for name in measures),
                *intervals,
            ]
        )
    return out.getvalue()
