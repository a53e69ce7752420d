"""Progress as lines on standard error: as JSON, which a job writes and the workbench reads, or for a log file.

Standard library alone.
"""

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from engine.progress import Progress
from engine.text import plain

VARIABLE, LINES = "MONOSCOPE_PROGRESS", "lines"
"""The environment variable that asks for lines in place of a bar, and its value."""
UNATTENDED = "MONOSCOPE_UNATTENDED"
"""The environment variable that tells a command that nobody can be asked whether it may spend money."""
LEAST_SECONDS = 0.2
MINUTE = 60.0
MOST_CHARACTERS = 200


@contextmanager
def progress_lines(what: str, out: TextIO) -> Iterator[Progress]:
    """Write what is reported to `out`, a line a change and `LEAST_SECONDS` apart; the last change is always written.

    A thread of its own writes, so that a change before a long silence does not wait for the next. Where nobody reads
    any more, the next report raises `BrokenPipeError`: work does not outlive the workbench that wanted it.
    """
    lines = _Lines(what, out)
    try:
        yield lines.report
    finally:
        lines.close()


@contextmanager
def minute_lines(what: str, out: TextIO, seconds: float = MINUTE) -> Iterator[Progress]:
    """Write where the work is to `out` each minute, for whoever reads a log file: `what: 41 %, words`.

    Short work writes nothing. A log that cannot be written to any more is not written to; the work goes on.
    """
    newest = (0.0, "")
    ended = threading.Event()

    def report(share: float, text: str) -> None:
        nonlocal newest
        newest = (share, plain(text))

    def write() -> None:
        while not ended.wait(seconds):
            share, text = newest
            try:
                out.write(f"{what}: {share:.0%}{', ' if text else ''}{text[:MOST_CHARACTERS]}\n")
                out.flush()
            except (OSError, ValueError):  # ValueError: the stream is closed
                return

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield report
    finally:
        ended.set()
        thread.join()


def read_progress(line: str) -> tuple[float, str] | None:
    """Share and text of a line of progress; None for any other line."""
    if not line.startswith('{"share":'):
        return None
    try:
        body = json.loads(line)
        share, text = float(body["share"]), plain(str(body["text"]))
    except (ValueError, TypeError, KeyError):
        return None
    return (min(1.0, max(0.0, share)), text) if math.isfinite(share) else None


class _Lines:
    def __init__(self, what: str, out: TextIO) -> None:
        self._what, self._out = what, out
        self._newest: dict[str, Any] | None = None
        self._broken = False
        self._lock = threading.Lock()
        self._changed, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def report(self, share: float, text: str) -> None:
        if self._broken:
            raise BrokenPipeError("nobody reads the progress any more")
        known = min(1.0, max(0.0, share))  # 0 if it is not a number
        with self._lock:
            self._newest = {"share": round(known, 4), "text": (plain(text) or self._what)[:MOST_CHARACTERS]}
        self._changed.set()

    def close(self) -> None:
        self._closed.set()
        self._changed.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closed.is_set():
            self._changed.wait()
            self._changed.clear()
            self._write()
            self._closed.wait(LEAST_SECONDS)
        self._write()

    def _write(self) -> None:
        with self._lock:
            newest, self._newest = self._newest, None
        if newest is None or self._broken:
            return
        try:
            self._out.write(json.dumps(newest) + "\n")
            self._out.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            self._broken = True
