"""A session's journal on disk: one JSON line an action, read back by replay. Standard library alone.

The first line, written with the first action, is {"action": "open", "run": NAME, "content": HASH}; the hash is that of
the run's recommender and autoencoder, without which a neuron's number means nothing. The other lines are actions
(`engine.actions`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.actions import Replay
from engine.errors import SessionError
from engine.home import Home

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


@dataclass(frozen=True)
class Journal:
    """A journal as it lies on disk: its replay, the byte where its whole lines end, and the file's size."""

    replay: Replay
    origin: Origin | None
    end: int
    size: int
    notice: str | None
    records: list[Mapping[str, Any]]
    stamp: tuple[int, ...]

    @classmethod
    def read(cls, path: Path, here: Origin | None) -> "Journal":
        """Raises `SessionError` for a damaged journal, and for one that is not about the run `here`."""
        stamp = stamp_of(path)
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


def opening(here: Origin, when: str) -> dict[str, Any]:
    """The first line's record."""
    content = {} if here.content is None else {"content": here.content}
    return {"time": when, "action": "open", "run": here.run, **content}


def _damaged(path: Path, number: int, reason: str) -> SessionError:
    return SessionError(f"{path}, line {number}: {reason}; mend or remove that line, or choose another session.")


def line_of(told: Mapping[str, Any]) -> bytes:
    """A record as its line. Raises `ValueError` for what JSON has no word for."""
    return json.dumps(told, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def stamp_of(path: Path) -> tuple[int, ...]:
    """What changes with a file; nothing where there is none."""
    try:
        known = path.stat()
    except OSError:
        return ()
    return known.st_ino, known.st_size, known.st_mtime_ns
