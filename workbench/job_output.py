"""What a job's child says: its bytes as clean lines, the last of them kept, and how long it may still take."""

import codecs
import os
import selectors
import subprocess
from collections import deque
from collections.abc import Callable
from typing import IO, cast

from engine.text import plain

TICK_SECONDS = 0.1
CHUNK_BYTES = 1 << 16
MOST_LINES = 200
MOST_CHARACTERS = 1000
"""Of one line; the rest is left out."""
PACE_SECONDS, PACE_SHARE = 30.0, 0.02
LEAST_SECONDS, LEAST_SHARE = 2.0, 0.01

Take = Callable[[str], None]


def listen(child: subprocess.Popen[bytes], takers: tuple[Take, Take], tick: Callable[[], None]) -> None:
    """Hand lines of the child's output and errors to `takers` until it is gone, and call `tick` several times a second.

    A process that the child left behind may hold its pipes for ever, so the child's end counts, not theirs.
    """
    lines = {cast("IO[bytes]", stream): Lines() for stream in (child.stdout, child.stderr)}
    with selectors.DefaultSelector() as pipes:
        for (stream, cutter), take in zip(lines.items(), takers, strict=True):
            pipes.register(stream, selectors.EVENT_READ, (cutter, take))
        while pipes.get_map():
            ready = pipes.select(TICK_SECONDS)
            for key, _ in ready:
                data = os.read(key.fd, CHUNK_BYTES)
                _hand_on(data, *key.data)
                if not data:
                    pipes.unregister(key.fileobj)
            tick()
            if not ready and child.poll() is not None:
                break
        for key in list(pipes.get_map().values()):
            _hand_on(b"", *key.data)
    while child.poll() is None:  # it closed its pipes and lives on
        tick()
        try:
            child.wait(TICK_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def _hand_on(data: bytes, lines: "Lines", take: Take) -> None:
    for line in lines.feed(data):
        take(line)


class Lines:
    """Cuts bytes into lines of text that are safe to show."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._open = ""

    def feed(self, data: bytes) -> list[str]:
        """The lines that end with `data`; no data end the last one."""
        text = self._open + self._decoder.decode(data, final=not data)
        *whole, rest = text.split("\n")
        if not data and rest:
            whole, rest = [*whole, rest], ""
        self._open = rest[rest.rfind("\r", 0, -1) + 1 :][:MOST_CHARACTERS]
        return [_clean(line) for line in whole]


def _clean(line: str) -> str:
    """What a terminal would show at the end: the text after the last return to the start of the line."""
    return plain(line.rstrip("\r").rpartition("\r")[2][:MOST_CHARACTERS])


class Output:
    """The last `MOST_LINES` lines, and how many came before them."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._count = 0

    def add(self, line: str) -> None:
        self._lines.append(line)
        self._count += 1

    @property
    def text(self) -> str:
        dropped = self._count - len(self._lines)
        return "\n".join([*([f"… {dropped:,} earlier lines were not kept"] if dropped else []), *self._lines])


class Pace:
    """How fast a share grows, over the last half minute or the last fiftieth, whichever is longer.

    Not since the start: work that goes on where it was interrupted begins with a leap.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def left(self, share: float, now: float) -> float | None:
        """Seconds that the rest may take; None until enough was seen."""
        if self._seen and share < self._seen[-1][1]:
            self._seen.clear()  # another stage, with a bar of its own
        self._seen.append((now, share))
        while len(self._seen) > 2 and self._seen[1][0] <= now - PACE_SECONDS and share - self._seen[1][1] >= PACE_SHARE:
            self._seen.popleft()
        seconds, gained = now - self._seen[0][0], share - self._seen[0][1]
        return (1.0 - share) * seconds / gained if seconds >= LEAST_SECONDS and gained >= LEAST_SHARE else None
