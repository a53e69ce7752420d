"""The journal of an analyst's work on one run: append-only, one fsynced JSON line an action; state is replay.

One terminal writes a session, every other reads it (`flock` on a file beside the journal). Standard library alone.

Actions and their data:

    open        run                                         the first line, written with the first action
    label       neuron, text, state, concept, model, note   a label arrives, or an analyst decides on one
    edit        edit                                        an edit joins the stack, or replaces that of its neuron
    drop        index                                       the edit at this place leaves the stack
    clear                                                   every edit leaves
    watch       user                                        a user becomes the one watched last
    undo, redo                                              of label, edit, drop, clear and watch

An analyst's label ("human", "rejected") is replaced by an analyst's alone ("none" takes it away), and a failure
replaces no label that names a neuron. A label that does not win is written down all the same; any other
action that changes nothing is not.
"""

import errno
import fcntl
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from operator import index
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

from engine.errors import HomeError, SessionError
from engine.home import Home, make_folder
from engine.text import plain

LabelState = Literal["none", "metadata", "llm", "human", "rejected", "failed"]

_STATES = get_args(LabelState)
_BY_AN_ANALYST = frozenset({"human", "rejected"})
_NAMING = frozenset({"metadata", "llm", "human"})
_NO_LOCKS_HERE = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})

_Key = tuple[Any, ...]
_Cell = tuple[int, Any]
_Change = tuple[_Key, _Cell | None, _Cell | None]


def now() -> str:
    """The time as journals and labels hold it: UTC, ISO 8601, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@dataclass(frozen=True)
class Label:
    """What a neuron is called, and who says so. The state "none" takes a label away; "failed" has no text."""

    text: str | None
    state: LabelState
    concept: str | None = None
    """The catalogue's concept that the text names exactly, if it does."""
    model: str | None = None
    note: str | None = None
    """Why a labeller failed, or what a model said for its label."""
    time: str = ""


@dataclass(frozen=True)
class State:
    """What a journal adds up to: edits in the order in which they apply, the user watched last at the end."""

    labels: dict[int, Label] = field(default_factory=dict)
    edits: tuple[dict[str, Any], ...] = ()
    watched: tuple[str, ...] = ()


class Session:
    """An open journal. `read_only` if it may not be written here; `notice` is a sentence for the analyst, or None."""

    def __init__(self, home: Home, name: str, run: str) -> None:
        """Use `open`."""
        self.name = name
        self.run = run
        self._path = home.session(name)
        self._closed = False
        self._lock, self._refusal, notice = _locked(self._path)
        try:
            journal = _Journal.read(self._path, run)
        except SessionError:
            self.close()
            raise
        self._replay, self._end, self._size = journal.replay, journal.end, journal.size
        self.read_only = self._refusal is not None
        self.notice: str | None = notice or journal.notice
        self.state = self._replay.state()

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
        return _Journal.read(home.session(name), run).replay.state()

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
            record = _record(action, data)
            changes = self._replay.changes(record)
            lines = _line(record)
            if self._replay.run is None:
                lines = _line({"time": record["time"], "action": "open", "run": self.run}) + lines
        except ValueError as error:
            raise SessionError(f"Session {self.name} cannot take this {action}: {error}.") from error
        if changes or action == "label":
            self._write(lines)
            self._replay.run = self.run
            self._replay.take(action, changes)
            self.state = self._replay.state()
        return self.state

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


def sessions(home: Home) -> list[str]:
    """Names of the sessions in the home, in alphabetical order."""
    return sorted(path.stem for path in home.sessions.glob("[!.]*.jsonl") if path.is_file())


class _Replay:
    """The state as cells that actions set, so that an undo costs what its action did, however long the journal is.

    A cell holds its place in the order and its value; None is an empty one.
    """

    def __init__(self) -> None:
        self.run: str | None = None
        self._cells: dict[_Key, _Cell] = {}
        self._count = 0
        self._done: list[list[_Change]] = []
        self._undone: list[list[_Change]] = []

    def changes(self, record: Mapping[str, Any]) -> list[_Change]:
        """What `record` would change; raises a `ValueError` if it makes no sense here."""
        match record:
            case {"action": "label", "neuron": int(neuron)} if neuron >= 0:
                return self._labelled(neuron, _label(record))
            case {"action": "edit", "edit": {"neuron": int(neuron)} as edit}:
                key = ("edit", str(edit.get("side", "users")), neuron)
                before = self._cells.get(key)
                after = (before[0] if before else self._count, dict(edit))
                return [] if after == before else [(key, before, after)]
            case {"action": "drop", "index": int(place)}:
                keys = [key for key, _cell in self._ordered("edit")]
                if not 0 <= place < len(keys):
                    raise ValueError(f"there is no edit {place}, but {len(keys)} of them, counted from 0")
                return [(keys[place], self._cells[keys[place]], None)]
            case {"action": "clear"}:
                return [(key, cell, None) for key, cell in self._ordered("edit")]
            case {"action": "watch", "user": str(user)}:
                return self._watching(user)
            case {"action": "undo"}:
                return [(key, after, before) for key, before, after in self._done[-1]] if self._done else []
            case {"action": "redo"}:
                return self._undone[-1] if self._undone else []
            case {"action": str(action)}:
                raise ValueError(f"{action!r} is no action of this version, or its data do not fit")
        raise ValueError("this is no action")

    def take(self, action: str, changes: list[_Change]) -> None:
        """Carry out `changes`, which `changes` gave for an `action`."""
        if not changes:
            return
        self._count += 1
        for key, _before, after in changes:
            if after is None:
                del self._cells[key]
            else:
                self._cells[key] = after
        if action == "undo":
            self._undone.append(self._done.pop())
        elif action == "redo":
            self._done.append(self._undone.pop())
        else:
            self._done.append(changes)
            self._undone.clear()

    def state(self) -> State:
        return State(
            labels={key[1]: label for key, (_order, label) in self._ordered("label")},
            edits=tuple(dict(edit) for _key, (_order, edit) in self._ordered("edit")),
            watched=tuple(key[1] for key, _cell in self._ordered("watch")),
        )

    def _ordered(self, kind: str) -> list[tuple[_Key, _Cell]]:
        found = [(key, cell) for key, cell in self._cells.items() if key[0] == kind]
        return sorted(found, key=lambda entry: entry[1][0])

    def _labelled(self, neuron: int, label: Label) -> list[_Change]:
        key = ("label", neuron)
        before = self._cells.get(key)
        standing = before[1] if before else Label(None, "none")
        by_analyst = label.state in _BY_AN_ANALYST or label.state == "none"
        loses = (standing.state in _BY_AN_ANALYST and not by_analyst) or (
            standing.state in _NAMING and label.state == "failed"
        )
        if loses or replace(label, time=standing.time) == standing or (before is None and label.state == "none"):
            return []
        return [(key, before, None if label.state == "none" else (self._count, label))]

    def _watching(self, user: str) -> list[_Change]:
        key, last = ("watch", user), ("watched last",)
        before = self._cells.get(last)
        if before is not None and before[1] == user:
            return []
        return [(key, self._cells.get(key), (self._count, True)), (last, before, (self._count, user))]


@dataclass(frozen=True)
class _Journal:
    """A journal as it lies on disk: its replay, the byte where its whole lines end, and the file's size."""

    replay: _Replay
    end: int
    size: int
    notice: str | None

    @classmethod
    def read(cls, path: Path, run: str | None) -> "_Journal":
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            data = b""
        except OSError as error:
            raise SessionError(f"Cannot read {path}: {error.strerror}.") from error
        replay, end, notice = _Replay(), 0, None
        lines = data.split(b"\n")
        last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
        for number, line in enumerate(lines[:last], 1):
            try:
                record = _parsed(line, complete=number < len(lines))
            except ValueError as error:
                if number < last:
                    raise _damaged(path, number, str(error)) from error
                notice = f"The last line of {path} was cut short, so that one action is missing."
                break
            try:
                _replayed(replay, record)
            except ValueError as error:
                raise _damaged(path, number, str(error)) from error
            end += len(line) + 1
        if run is not None and replay.run not in (None, run):
            raise SessionError(
                f"Session {path.stem} belongs to run {replay.run}, not to run {run}; choose another with --session."
            )
        return cls(replay, end, len(data), notice)


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


def _replayed(replay: _Replay, record: Any) -> None:
    """Carry out one line of a journal."""
    match record:
        case None:
            return
        case {"action": "open", "run": str(run)} if replay.run in (None, run):
            replay.run = run
        case {"action": str(action)} if action != "open" and replay.run is not None:
            replay.take(action, replay.changes(record))
        case _:
            raise ValueError("this is no action, or it comes before the line that names the run")


def _damaged(path: Path, number: int, reason: str) -> SessionError:
    return SessionError(f"{path}, line {number}: {reason}; mend or remove that line, or choose another session.")


def _record(action: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """An action as it is written: a label's texts cleaned, its neuron a plain integer."""
    record = {**data, "time": data.get("time") or now(), "action": action}
    if action == "label":
        record = {"neuron": index(data["neuron"]), **asdict(_label(record)), "action": action}
    return {"time": record.pop("time"), "action": record.pop("action"), **record}


def _label(record: Mapping[str, Any]) -> Label:
    texts: dict[str, Any] = {}
    for name in (entry.name for entry in fields(Label)):
        value = record.get(name)
        if not isinstance(value, str | None):
            raise ValueError(f"a label's {name} must be a text")
        texts[name] = plain(value).strip() or None if value is not None else None
    if texts["state"] not in _STATES:
        raise ValueError(f"a label's state is one of {', '.join(_STATES)}, not {texts['state']!r}")
    if texts["text"] is None and texts["state"] in _NAMING:
        raise ValueError(f"a label with the state {texts['state']!r} needs a text")
    return Label(**{**texts, "time": texts["time"] or ""})


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"


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
