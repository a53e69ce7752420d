"""The journal of an analyst's work on one run: append-only, one fsynced JSON line an action; state is replay.

One terminal writes a session, every other reads it (`flock` on a file beside the journal). Standard library alone.

The first line, written with the first action, is {"action": "open", "run": NAME, "content": HASH}; the hash is that of
the run's recommender and autoencoder, without which a neuron's number means nothing. The other lines are actions
(`engine.actions`). An action that changes nothing is not written, but for a label that does not win.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.actions import Label, LabelState, Note, Replay, State, now, record
from engine.errors import HomeError, SessionError
from engine.home import Home, make_folder, write_whole

__all__ = ["Label", "LabelState", "Note", "Origin", "Session", "State", "now", "sessions"]

_NO_LOCKS_HERE = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})
_CONTENT = ("recommender.safetensors", "sae.safetensors")


@dataclass(frozen=True)
class Origin:
    """The run that a session is about: its name, and a hash of its content (None: not known)."""

    run: str
    content: str | None = None

    @classmethod
    def of(cls, home: Home, run: str) -> "Origin":
        """The run of that name in the home, as its manifest tells."""
        try:
            hashes = json.loads((home.run(run) / "manifest.json").read_text())["hashes"]
            told = "".join(hashes[file] for file in _CONTENT)
        except (OSError, ValueError, KeyError, TypeError):
            return cls(run)  # opening the run says what is wrong with it
        return cls(run, hashlib.sha256(told.encode()).hexdigest()[:16])

    def refusal(self, other: "Origin", session: str) -> str | None:
        """Why `session`, which is about `other`, is not about this run; None if it is. A renamed copy is the same."""
        known = self.content is not None and other.content is not None
        if known and self.content == other.content:
            return None
        if self.run != other.run:
            return (
                f"Session {session} belongs to run {other.run}, not to run {self.run}; choose another with --session."
            )
        if known:
            return (
                f"Session {session} was made on another training of run {self.run}, whose neurons are not these; "
                "choose another with --session."
            )
        return None


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
            journal = _Journal.read(self._path, self._here)
        except SessionError:
            self.close()
            raise
        self._take(journal)
        self.notice: str | None = notice or journal.notice

    def _take(self, journal: "_Journal") -> None:
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
        return _Journal.read(home.session(name), here).replay.state()

    @staticmethod
    def origin(home: Home, name: str) -> Origin | None:
        """The run that a session is about; None for a session that nothing was written to. Raises as `read` does."""
        return _Journal.read(home.session(name), None).origin

    @staticmethod
    def remark(home: Home, name: str) -> str | None:
        """What is amiss with a session that can be read, in a sentence: its last line was cut short. Raises as `read`
        does.
        """
        return _Journal.read(home.session(name), None).notice

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
            lines = _line(told)
            if self._origin is None:
                lines = _line(_opening(self._here, told["time"])) + lines
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
        if self._closed or not self.read_only or _stamp(self._path) == self._stamp:
            return False
        self._stamp = _stamp(self._path)  # a damaged journal is told once
        self._take(_Journal.read(self._path, self._here))
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
            self._take(_Journal.read(self._path, self._here))
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
    _Journal.read(source, None)
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


@dataclass(frozen=True)
class _Journal:
    """A journal as it lies on disk: its replay, the byte where its whole lines end, and the file's size."""

    replay: Replay
    origin: Origin | None
    end: int
    size: int
    notice: str | None
    records: list[Mapping[str, Any]]
    stamp: tuple[int, ...]

    @classmethod
    def read(cls, path: Path, here: Origin | None) -> "_Journal":
        """Raises `SessionError` for a damaged journal, and for one that is not about the run `here`."""
        stamp = _stamp(path)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            data = b""
        except OSError as error:
            raise SessionError(f"Cannot read {path}: {error.strerror}.") from error
        replay, origin, end, notice = Replay(), None, 0, None
        records: list[Mapping[str, Any]] = []
        lines = data.split(b"\n")
        last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
        for number, line in enumerate(lines[:last], 1):
            try:
                told = _parsed(line, complete=number < len(lines))
            except ValueError as error:
                if number < last:
                    raise _damaged(path, number, str(error)) from error
                notice = f"The last line of {path} was cut short, so that one action is missing."
                break
            try:
                origin = _replayed(replay, origin, told)
                if told is not None and told["action"] != "open":
                    records.append(told)
            except ValueError as error:
                raise _damaged(path, number, str(error)) from error
            end += len(line) + 1
        refusal = None if here is None or origin is None else here.refusal(origin, path.stem)
        if refusal is not None:
            raise SessionError(refusal)
        return cls(replay, origin, end, len(data), notice, records, stamp)


def _parsed(line: bytes, *, complete: bool) -> Any:
    """The record of a line, None for a blank one; a `ValueError` if it is none or lacks its end."""
    if not line.strip():
        return None
    if not complete:
        raise ValueError("the line has no end")
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError("this is not JSON") from error


def _replayed(replay: Replay, origin: Origin | None, told: Any) -> Origin | None:
    """Carry out one line of a journal; the run that it is about, once that is known."""
    match told:
        case None:
            return origin
        case {"action": "open", "run": str(run)} if origin is None or origin.run == run:
            content = told.get("content")
            return origin or Origin(run, content if isinstance(content, str) else None)
        case {"action": str(action)} if action != "open" and origin is not None:
            replay.take(told, replay.changes(told))
            return origin
    raise ValueError("this is no action, or it comes before the line that names the run")


def _opening(here: Origin, when: str) -> dict[str, Any]:
    content = {} if here.content is None else {"content": here.content}
    return {"time": when, "action": "open", "run": here.run, **content}


def _damaged(path: Path, number: int, reason: str) -> SessionError:
    return SessionError(f"{path}, line {number}: {reason}; mend or remove that line, or choose another session.")


def _line(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _place(path: Path) -> Path:
    return path.with_name(f".{path.stem}.place.json")


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes with a file; nothing where there is none."""
    try:
        known = path.stat()
    except OSError:
        return ()
    return known.st_ino, known.st_size, known.st_mtime_ns


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
