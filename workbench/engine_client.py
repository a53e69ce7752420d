"""The engine as a child process: requests go out by one thread, answers come in by another.

Nothing here waits. What happens is handed to `deliver`, on the reading thread: it must only pass it on. A child that
dies, hangs or talks nonsense ends with one `Ended`, which carries the requests that will never be answered.
"""

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from engine.errors import HomeError
from engine.home import make_folder
from engine.text import plain

LOG_LIMIT_BYTES = 1 << 20
GRACE_SECONDS = 0.2


@dataclass(frozen=True)
class Asked:
    """A request that has no answer yet.

    `limit` is how many seconds the engine may be silent about it, None if as long as it likes; `due` is when they end.
    """

    id: int
    method: str
    params: Mapping[str, Any]
    limit: float | None
    due: float | None = None


@dataclass(frozen=True)
class Answered:
    asked: Asked
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Refused:
    """The engine could not: `message` is one sentence, or "cancelled"."""

    asked: Asked
    message: str


@dataclass(frozen=True)
class Progressed:
    asked: Asked
    share: float
    text: str


@dataclass(frozen=True)
class Ended:
    """The child is gone; `reason` completes "The engine ..."."""

    reason: str
    unanswered: tuple[Asked, ...]


Event = Answered | Refused | Progressed | Ended


def engine_command(home: Path) -> list[str]:
    """How to start the engine beside this process; -P keeps a folder named `engine` in the way from being run."""
    return [sys.executable, "-P", "-m", "engine.serve", "--home", str(home)]


class EngineClient:
    """One child at a time. All methods return at once and may be called from the screen's thread."""

    def __init__(self, command: Sequence[str], log: Path, deliver: Callable[[Event], None]) -> None:
        self.log = log
        self._command = list(command)
        self._deliver = deliver
        self._ids = count(1)
        self._lock = threading.Lock()
        self._asked: dict[int, Asked] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._outgoing: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._leaving: subprocess.Popen[bytes] | None = None
        self._verdict: str | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is a child."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Start a child; a program that cannot be started shows as `Ended`."""
        self._verdict = None
        self._outgoing = queue.SimpleQueue()
        with self._log_file() as log:
            try:
                self._child = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                self._child = None
                self._deliver(Ended(f"could not be started: {error.strerror}", ()))
                return
        for work in (self._write, self._read):
            threading.Thread(target=work, args=(self._child, self._outgoing), daemon=True).start()

    def ask(self, method: str, params: Mapping[str, Any], limit_seconds: float | None, *, newest: bool = False) -> int:
        """Send a request that may be silent for `limit_seconds`, counted anew from each word on its progress.

        `newest`: earlier ones of the same method are cancelled and their answers dropped.
        """
        if newest:
            with self._lock:
                old = [asked.id for asked in self._asked.values() if asked.method == method]
            for number in old:
                self.cancel(number, forget=True)
        number = next(self._ids)
        with self._lock:
            self._asked[number] = Asked(number, method, params, limit_seconds, _due(limit_seconds))
        self._outgoing.put({"id": number, "method": method, "params": dict(params)})
        return number

    def cancel(self, number: int, *, forget: bool = False) -> None:
        """Ask the engine to give a request up; with `forget`, whatever it answers is dropped."""
        if forget:
            with self._lock:
                self._asked.pop(number, None)
        self._outgoing.put({"id": next(self._ids), "method": "cancel", "params": {"id": number}})

    def pending(self) -> list[Asked]:
        """Requests without an answer, oldest first."""
        with self._lock:
            return list(self._asked.values())

    def check(self) -> None:
        """Kill the child if a request is overdue. While one without a limit runs, the others may have to wait."""
        pending = self.pending()
        if any(asked.due is None for asked in pending):
            return
        late = [asked for asked in pending if asked.due is not None and asked.due < time.monotonic()]
        if late:
            self.kill(f"did not answer ({late[0].method}) and was killed")

    def kill(self, reason: str) -> None:
        """End the child now; `Ended` follows with this reason."""
        if self._child is not None:
            self._verdict = reason
            self._child.kill()

    def hang_up(self) -> None:
        """Let the child go: its input ends, and whatever it still says is dropped."""
        child, self._child = self._child, None
        if child is not None:
            self._leaving = child
            self._outgoing.put(None)

    def stop(self) -> None:
        """Hang up and wait for the child's end; it is killed if that takes longer than a moment."""
        self.hang_up()
        child, self._leaving = self._leaving, None
        if child is None:
            return
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _write(self, child: subprocess.Popen[bytes], outgoing: queue.SimpleQueue[dict[str, Any] | None]) -> None:
        from engine.protocol import Message, write_message

        stdin = _pipe(child.stdin)
        try:
            with stdin:
                while (body := outgoing.get()) is not None:
                    write_message(stdin, Message(body))
        except BrokenPipeError:
            return  # the child is gone; the reading thread finds out why

    def _read(self, child: subprocess.Popen[bytes], outgoing: queue.SimpleQueue[dict[str, Any] | None]) -> None:
        from engine.protocol import ProtocolError, read_message

        stdout = _pipe(child.stdout)
        reason = None
        try:
            with stdout:
                while (message := read_message(stdout)) is not None:
                    if self._child is child:
                        self._hear(message.body)
        except (ProtocolError, KeyError, TypeError, ValueError) as error:
            reason = f"sent something unreadable ({error})"
            child.kill()
        outgoing.put(None)
        code = child.wait()
        if self._child is not child:
            return  # stopped on purpose
        with self._lock:
            unanswered = tuple(self._asked.values())
            self._asked.clear()
        self._child = None
        self._deliver(Ended(self._verdict or reason or f"ended ({_exit_words(code)})", unanswered))

    def _hear(self, body: Mapping[str, Any]) -> None:
        final = "progress" not in body
        with self._lock:
            asked = self._asked.pop(body["id"], None) if final else self._asked.get(body["id"])
            if asked is not None and not final:
                asked = self._asked[asked.id] = replace(asked, due=_due(asked.limit))
        if asked is None:
            return  # cancelled, or the answer to a cancel
        if "result" in body:
            self._deliver(Answered(asked, body["result"]))
        elif "error" in body:
            self._deliver(Refused(asked, plain(str(body["error"]["message"]))))
        else:
            progress = body["progress"]
            share = float(progress["done"]) / (float(progress["total"]) or 1.0)
            self._deliver(Progressed(asked, share, plain(str(progress["text"]))))

    def _log_file(self) -> IO[bytes]:
        """The file for the child's standard error; a home that cannot be written to costs the log, not the work."""
        try:
            make_folder(self.log.parent)
            old = self.log.stat().st_size if self.log.exists() else 0
            return open(self.log, "wb" if old > LOG_LIMIT_BYTES else "ab")
        except (HomeError, OSError):
            return open("/dev/null", "wb")


def _pipe(stream: IO[bytes] | None) -> BinaryIO:
    if stream is None:
        raise ValueError("the child was started without a pipe")
    return cast(BinaryIO, stream)


def _due(limit_seconds: float | None) -> float | None:
    return None if limit_seconds is None else time.monotonic() + limit_seconds


def _exit_words(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
