"""Programs in pseudo-terminals: what they draw, byte for byte, keys for them, and what becomes of them."""

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.workbench.driving import FAKE_ENGINE

PROGRAM = """
import shlex, sys
import workbench.app
from workbench.__main__ import main
engine = shlex.split(sys.argv.pop(1))
workbench.app.engine_command = lambda home: engine
main()
"""
"""The command line, with another engine: how to start it is the first word."""
NOT_INHERITED = (
    "TMUX",
    "NO_COLOR",
    "SSH_CONNECTION",
    "SSH_TTY",
    "COLORTERM",
    "COLORFGBG",
    "MONOSCOPE_ASCII",
    "COLUMNS",
    "LINES",
)


def workbench(home: Path, *options: str, run: str = "demo-mf", program: str = PROGRAM) -> list[str]:
    """The command that opens the workbench with the made-up engine."""
    return [sys.executable, "-c", program, shlex.join(FAKE_ENGINE), "--home", str(home), "tui", run, *options]


class Pty:
    """A program in a pseudo-terminal; `output` is all that it has drawn."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, size: tuple[int, int] = (80, 24)
    ) -> None:
        self.started = time.monotonic()
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        surroundings = {**inherited, "TERM": "xterm-256color", **(environment or {})}
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            # Before the program begins: on a busy machine the other side may come too late.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
            os.execvpe(command[0], list(command), surroundings)
        self.output = b""
        self.code: int | None = None

    def read(self, seconds: float = 0.05) -> bool:
        """Take what was drawn within `seconds`; False once the program has closed its terminal."""
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self._terminal, 65536)
        except OSError:
            return False
        self.output += data
        return bool(data)

    def shows(self, text: str, seconds: float = 10.0) -> float:
        """Wait until `text` was drawn; the seconds since the start."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self.output:
            assert time.monotonic() < deadline, self.output[-2000:]
            assert self.read(), self.output[-2000:]
        return time.monotonic() - self.started

    def quiet(self, seconds: float) -> float:
        """Read until nothing was drawn for a while; the moment of the last byte, on `time.perf_counter`."""
        last = time.perf_counter()
        while time.perf_counter() - last < seconds:
            before = len(self.output)
            self.read(0.02)
            if len(self.output) > before:
                last = time.perf_counter()
        return last

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def end(self, seconds: float = 10.0) -> int:
        """Wait for the program's end; its exit code."""
        deadline = time.monotonic() + seconds
        while self.code is None:
            assert time.monotonic() < deadline, self.output[-2000:]
            self.read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        while self.read(0.02) and select.select([self._terminal], [], [], 0.02)[0]:
            pass
        return self.code

    def close(self) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._terminal)


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for `condition`, outside of any event loop."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    """Its children, whichever of its threads started them."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for one in lists for child in one.read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def colours_of(output: bytes) -> list[bytes]:
    """The parameters of every SGR sequence, such as b"38;5;12"."""
    return re.findall(rb"\x1b\[([0-9;]*)m", output)
