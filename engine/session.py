"""The journal of an analyst's work on one run: append-only, one fsynced JSON line an action; state is replay.

One terminal writes a session, every other reads it (`flock` on a file beside the journal). Standard library alone.
What a journal's lines are stands in `engine.journal`. An action that changes nothing is not written, but for a label
that does not win.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.actions import Label, LabelState, Note, State, now, record
from engine.errors import HomeError, SessionError
from engine.home import Home, make_folder, write_whole
from engine.journal import Journal, Origin, line_of, opening, stamp_of

__all__ = ["Label", "LabelState", "Note", "Origin", "Session", "State", "now", "sessions"]

_NO_LOCKS_HERE = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})


class Session:
    """An open journal. `read_only` if it may not be written here; `notice` is a sentence for the analyst, or None."""

    def __init__(self, home: Home, name: str, run: str) -> None:
        """Use `open`."""
        self.name = name
        self.run = run
        self._here = Origin.of(home, run)
        self._path = home.session(name)
        self._closed = False
        self._lock, self._refusal, notice = _locked(self._path)
        try:
            journal = Journal.read(self._path, self._here)
        except SessionError:
            self.close()
            raise
        self._take(journal)
        self.notice: str | None = notice or journal.notice

    def _take(self, journal: Journal) -> None:
        self._replay, self._origin = journal.replay, journal.origin
        self._end, self._size, self._stamp = journal.end, journal.size, journal.stamp
        self.state = self._replay.state()
        self.records: list[Mapping[str, Any]] = journal.records
        """The actions as they were written, the oldest first."""

    @property
    def read_only(self) -> bool:
        """Whether it may not be written here."""
        return self._refusal is not None

    @property
    def refusal(self) -> str | None:
        """Why it may not be written here, in a sentence; None where it may."""
        return self._refusal

    @property
    def content(self) -> str | None:
        """The hash of what the run holds; None: not known."""
        return self._here.content

    @property
    def place(self) -> Path:
        """A file beside the journal for whoever shows the session, where they were in it."""
        return _place(self._path)

    @classmethod
    def open(cls, home: Home, name: str, run: str) -> "Session":
        """The session `name` of `run`; its journal is created by the first `append`.

        Where another terminal has it open, or nothing can be written, it is `read_only` and `notice` says why.
        Raises `SessionError` for a journal of another run, one that is damaged before its last line and one
        that cannot be read; `HomeError` for an impossible name.
        """
        return cls(home, name, run)

    @staticmethod
    def read(home: Home, name: str, run: str | None = None) -> State:
        """The state of a session, read without opening it; empty if there is no such session.

        Raises as `open` does; a journal of another run is refused if `run` is given.
        """
        here = None if run is None else Origin.of(home, run)
        return Journal.read(home.session(name), here).replay.state()

    @staticmethod
    def origin(home: Home, name: str) -> Origin | None:
        """The run that a session is about; None for a session that nothing was written to. Raises as `read` does."""
        return Journal.read(home.session(name), None).origin

    @staticmethod
    def remark(home: Home, name: str) -> str | None:
        """What is amiss with a session that can be read, in a sentence: its last line was cut short. Raises as `read`
        does.
        """
        return Journal.read(home.session(name), None).notice

    def append(self, action: str, **data: Any) -> State:
        """Write one action and return the new state. Once this has returned, no crash loses the action.

        Raises `SessionError`, with journal and state as they were, if the session is read-only or closed, the
        action makes no sense here, or the disk does not take it.
        """
        if self._closed:
            raise SessionError(f"Session {self.name} is closed.")
        if self._refusal is not None:
            raise SessionError(self._refusal)
        try:
            told = record(action, data)
            changes = self._replay.changes(told)
            lines = line_of(told)
            if self._origin is None:
                lines = line_of(opening(self._here, told["time"])) + lines
        except ValueError as error:
            raise SessionError(f"Session {self.name} cannot take this {action}: {error}.") from error
        if changes or action == "label":
            self._write(lines)
            self._origin = self._origin or self._here
            self._replay.take(told, changes)
            self.state = self._replay.state()
            self.records.append(told)
        return self.state

    def follow(self) -> bool:
        """Read what another terminal has written; whether there was anything. Raises as `open` does.

        One that may write here has nothing to follow.
        """
        if self._closed or not self.read_only or stamp_of(self._path) == self._stamp:
            return False
        self._stamp = stamp_of(self._path)  # a damaged journal is told once
        self._take(Journal.read(self._path, self._here))
        return True

    @property
    def vacant(self) -> bool:
        """Whether it is read-only here, and nobody has it open to write."""
        if self._closed or not self.read_only:
            return False
        lock, refusal, _ = _locked(self._path)
        if lock is not None:
            os.close(lock)
        return refusal is None

    def take_over(self) -> bool:
        """Write from now on, after whoever wrote before has gone; False where they have not. Raises as `open` does."""
        if self._closed or not self.read_only:
            return not self._closed
        lock, refusal, _ = _locked(self._path)
        if refusal is not None:
            return False
        try:
            self._take(Journal.read(self._path, self._here))
        except SessionError:
            if lock is not None:
                os.close(lock)
            raise
        self._lock, self._refusal = lock, None
        return True

    def close(self) -> None:
        """Let another terminal write. Everything is on disk already."""
        self._closed = True
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _write(self, lines: bytes) -> None:
        """Put `lines` behind the last whole line, or leave the journal as it was."""
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | (0 if self._size else os.O_CREAT), 0o666)
        except OSError as error:
            raise self._refused_by_disk(error) from error
        try:
            if os.fstat(descriptor).st_size != self._size:
                raise SessionError(f"Another program has changed {self._path}; open the session again.")
            self._put(descriptor, lines)
        except OSError as error:
            raise self._refused_by_disk(error) from error
        finally:
            os.close(descriptor)

    def _put(self, descriptor: int, lines: bytes) -> None:
        kept = False
        try:
            if self._size > self._end:
                os.ftruncate(descriptor, self._end)
            rest = lines
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
            if not self._end:
                _sync_folder(self._path.parent)
            kept = True
        finally:
            if kept:
                self._end += len(lines)
            else:
                self._take_back(descriptor)
            self._size = os.fstat(descriptor).st_size

    def _take_back(self, descriptor: int) -> None:
        with suppress(OSError):  # what stays is beyond the end, and the next write removes it before it writes
            os.ftruncate(descriptor, self._end)
            if not self._end:
                self._path.unlink()

    def _refused_by_disk(self, error: OSError) -> SessionError:
        return SessionError(f"Cannot write {self._path}: {error.strerror}; nothing was written.")


def copy_session(home: Home, name: str, new: str) -> None:
    """The session `name` once more, with its solved amounts, as `new`; `SessionError` where there is one already."""
    source, target = home.session(name), home.session(new)
    if name not in sessions(home):
        raise SessionError(f"There is no session {name!r}; there are {', '.join(sessions(home)) or 'none yet'}.")
    Journal.read(source, None)
    if target.exists():
        raise SessionError(f"Session {new} exists already; choose another name, or remove it first.")
    try:
        if home.amounts(name).is_dir():
            shutil.copytree(home.amounts(name), home.amounts(new), dirs_exist_ok=True)
        write_whole(target, source.read_bytes())
    except OSError as error:
        raise SessionError(f"Cannot copy {source}: {error.strerror or error}.") from error


def remove_session(home: Home, name: str) -> None:
    """Delete a session for good; `SessionError` if there is none, or another terminal has it open."""
    if name not in sessions(home):
        raise SessionError(f"There is no session {name!r}; there are {', '.join(sessions(home)) or 'none yet'}.")
    path = home.session(name)
    lock, refusal, _ = _locked(path)
    if refusal is not None:
        raise SessionError(refusal)
    try:
        path.unlink()
        _place(path).unlink(missing_ok=True)
        shutil.rmtree(home.amounts(name), ignore_errors=True)
    except OSError as error:
        raise SessionError(f"Cannot remove {path}: {error.strerror}.") from error
    finally:
        if lock is not None:
            os.close(lock)


def sessions(home: Home) -> list[str]:
    """Names of the sessions in the home, in alphabetical order."""
    return sorted(path.stem for path in home.sessions.glob("[!.]*.jsonl") if path.is_file())


def _place(path: Path) -> Path:
    return path.with_name(f".{path.stem}.place.json")


def _locked(path: Path) -> tuple[int | None, str | None, str | None]:
    """The lock's descriptor, why nothing may be written here, and a notice; each None if there is none.

    The lock is a file of its own, so that looking at a session creates no journal, and it is never removed: who
    holds the lock of a removed file holds it alone.
    """
    beside, descriptor = path.with_name(f".{path.stem}.lock"), None
    try:
        make_folder(path.parent)
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        refusal = f"Session {path.stem} is open in another terminal: here it can be read, not changed."
    except HomeError as error:
        refusal = f"Session {path.stem} can be read, not changed: {error}"
    except OSError as error:
        if descriptor is not None and error.errno in _NO_LOCKS_HERE:
            return descriptor, None, f"{path.parent} has no file locks: open session {path.stem} only once at a time."
        refusal = f"Session {path.stem} can be read, not changed: cannot open {beside}: {error.strerror}."
    else:
        return descriptor, None, None
    if descriptor is not None:
        os.close(descriptor)
    return None, refusal, refusal


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file as durable as its content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
