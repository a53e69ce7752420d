"""What was asked of a language model: the answers, to be used again, and what each request cost.

One SQLite file in the home. A request is noted before it is sent, so that a process that is killed leaves no cost
unseen; only an answer that passed every check is kept.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Literal

from engine.actions import now
from engine.errors import HomeError, LabelError
from engine.home import Home, make_folder

VERSION = 1
BUSY_SECONDS = 10.0
"""How long one process waits for another that writes."""

Status = Literal["sent", "ok", "failed", "cut"]

_SCHEMA = """
CREATE TABLE responses (key TEXT PRIMARY KEY, answer TEXT NOT NULL, time TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE spend (
    id INTEGER PRIMARY KEY, time TEXT NOT NULL, run TEXT NOT NULL, purpose TEXT NOT NULL, model TEXT NOT NULL,
    base_url TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('sent', 'ok', 'failed', 'cut')),
    tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, usd REAL, estimated INTEGER NOT NULL
);
"""
_SPENT = """
SELECT model, run, purpose, count(*), sum(status = 'failed'), sum(status IN ('sent', 'cut')), sum(tokens_in),
    sum(tokens_out), CASE WHEN count(usd) = count(*) THEN sum(usd) END, count(*) - count(usd), sum(estimated)
FROM spend WHERE ?1 IS NULL OR run = ?1 GROUP BY model, run, purpose ORDER BY model, run, purpose
"""


@dataclass(frozen=True)
class Asked:
    """Of whom and for what a request asks."""

    run: str
    purpose: str
    model: str
    base_url: str


@dataclass(frozen=True)
class Charge:
    """What one request took: tokens, US dollars (None: no price is known), and whether it is our estimate.

    An estimate is an upper bound, for a request of which the server did not say what it took.
    """

    tokens_in: int
    tokens_out: int
    usd: float | None
    estimated: bool = False


FREE = Charge(0, 0, 0.0)


@dataclass(frozen=True)
class Spent:
    """What a model was asked for one purpose of one run, every try counted.

    `cut` are the requests whose end nobody saw: timed out, cancelled, or under way when the process ended. `usd` is
    None if the cost of any of them is unknown, and `unknown` says of how many; `estimated` are those that count
    with an upper bound, since the server did not say what they took.
    """

    model: str
    run: str
    purpose: str
    requests: int
    failed: int
    cut: int
    tokens_in: int
    tokens_out: int
    usd: float | None
    unknown: int
    estimated: int


class Ledger:
    """The record in a home's llm.sqlite, for any thread. No file is made before something is asked.

    Whatever SQLite refuses is a `LabelError` of one sentence with the file's path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None

    @classmethod
    def open(cls, home: Home) -> "Ledger":
        """The home's record. Raises `LabelError` if there is a file and it is no record that can be read."""
        ledger = cls(home.root / "llm.sqlite")
        if ledger.path.exists():
            with ledger._use("rw") as connection:
                _check_version(connection, ledger.path)
        return ledger

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._connection is not None:
                with suppress(sqlite3.Error):
                    self._connection.close()
            self._connection = None

    def prepare(self) -> None:
        """Make the file if it is missing; raises `LabelError` if it is damaged or cannot be written."""
        try:
            make_folder(self.path.parent)
        except HomeError as error:
            raise LabelError(str(error)) from error
        _keep_private(self.path)
        with self._use("rwc") as connection:
            with _transaction(connection):
                if _check_version(connection, self.path) == 0:
                    for statement in _SCHEMA.split(";"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {VERSION}")
            if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(found)

    def answer(self, key: str) -> str | None:
        """The answer's JSON that is kept under `key`."""
        if not self.path.exists():
            return None
        with self._use("rw") as connection:
            if _check_version(connection, self.path) == 0:
                return None
            found = connection.execute("SELECT answer FROM responses WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def sent(self, asked: Asked, bound: Charge) -> int:
        """Note a request that is about to be sent, with the most that it can cost; returns its number."""
        row = (now(), asked.run, asked.purpose, asked.model, asked.base_url, "sent")
        with self._use("rw") as connection:
            added = connection.execute(
                "INSERT INTO spend (time, run, purpose, model, base_url, status, tokens_in, tokens_out, usd, estimated)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
                (*row, bound.tokens_in, bound.tokens_out, bound.usd),
            )
            return int(added.lastrowid or 0)

    def settle(self, number: int, status: Status, charge: Charge) -> None:
        """Note how the request `number` ended, and what it took."""
        with self._use("rw") as connection:
            _settle(connection, number, status, charge)

    def answered(self, number: int, charge: Charge, key: str, answer: str) -> None:
        """Note that the request `number` brought an answer that passed every check, and keep it under `key`."""
        with self._use("rw") as connection, _transaction(connection):
            _settle(connection, number, "ok", charge)
            connection.execute("INSERT OR REPLACE INTO responses VALUES (?, ?, ?)", (key, answer, now()))

    def spent(self, run: str | None = None) -> list[Spent]:
        """What was asked, by model, run and purpose, of one run or of all."""
        if not self.path.exists():
            return []
        with self._use("rw") as connection:
            if _check_version(connection, self.path) == 0:
                return []
            return [Spent(*row) for row in connection.execute(_SPENT, (run,))]

    @contextmanager
    def _use(self, mode: Literal["rw", "rwc"]) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = _connect(self.path, mode)
                yield self._connection
            except sqlite3.Error as error:
                raise LabelError(_sentence(error, self.path)) from error


def _keep_private(path: Path) -> None:
    """Make the file for its owner alone; SQLite gives what it puts beside it the same mode."""
    with suppress(OSError):  # what cannot be made or is another's is told by SQLite
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o600))
    for each in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        with suppress(OSError):
            if each.is_file() and (mode := each.stat().st_mode) & 0o077:
                each.chmod(mode & 0o700)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA schema_version")  # the first look at the file: is it a database at all?
        with suppress(sqlite3.OperationalError):  # a file system without shared memory keeps the usual journal
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    """The file's version, 0 for an empty file; raises `LabelError` if it is not ours to read."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise LabelError(f"{path} was written by a newer monoscope: install that one, or choose another home.")
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise LabelError(f"{path} is not monoscope's record of requests: move it away and try again.")
    return version


def _settle(connection: sqlite3.Connection, number: int, status: Status, charge: Charge) -> None:
    connection.execute(
        "UPDATE spend SET status = ?, tokens_in = ?, tokens_out = ?, usd = ?, estimated = ? WHERE id = ?",
        (status, charge.tokens_in, charge.tokens_out, charge.usd, charge.estimated, number),
    )


def _sentence(error: sqlite3.Error, path: Path) -> str:
    why = str(error).rstrip(".")
    if not isinstance(error, sqlite3.OperationalError):
        return f"The record of requests {path} is damaged ({why}): move it away and try again."
    if "full" in why:
        return f"The record of requests {path} cannot be written ({why}): make room and try again."
    if "locked" in why:
        return f"The record of requests {path} is in use by another process ({why}): try again later."
    return (
        f"The record of requests {path} cannot be used ({why}): make it writable, or choose another home with "
        "--home or MONOSCOPE_HOME."
    )
