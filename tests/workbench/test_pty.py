"""The real thing in a pseudo-terminal: first paint, quit, signals, a crash, and no terminal at all."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workbench.driving import FAKE_ENGINE
from tests.workbench.fake_run import make_run

PROGRAM = """
import sys
from pathlib import Path
from engine.errors import MonoscopeError
from workbench.app import run
try:
    sys.exit(run(Path(sys.argv[1]), sys.argv[2] or None, None, sys.argv[3:]))
except MonoscopeError as error:
    sys.exit(str(error))
"""
BROKEN = """
import workbench.widgets.inspector, workbench.screens.panes
def inspector(view, width):
    secret = "sk-secret-in-a-local"
    raise RuntimeError("broken on purpose")
workbench.screens.panes.inspector = inspector
"""
NOT_INHERITED = ("TMUX", "NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "COLORTERM")
ALT_SCREEN_OFF = b"\x1b[?1049l"


class Pty:
    """A program in a pseudo-terminal of 80x24; `output` is all that it has drawn."""

    def __init__(self, home: Path, run: str = "demo-mf", program: str = PROGRAM, **environment: str) -> None:
        self.started = time.monotonic()
        inherited = {
            key: value for key, value in os.environ.items() if key not in ("TMUX", "NO_COLOR", "SSH_CONNECTION")
        }
        command = [sys.executable, "-c", program, str(home), run, *FAKE_ENGINE]
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, {**inherited, "TERM": "xterm-256color", **environment})
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
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


@pytest.fixture
def ptys() -> Iterator[list[Pty]]:
    open_ones: list[Pty] = []
    yield open_ones
    for one in open_ones:
        one.close()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_keys_typed_in_one_burst_after_a_prompt_belong_to_the_prompt(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(tmp_path))
    terminal.shows("Neurons")
    terminal.shows("Comedy")
    terminal.press("/qjc")
    terminal.shows("/qjc")


def test_it_draws_answers_keys_and_quits_quickly_without_orphans(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(tmp_path, MONOSCOPE_FAKE="deaf"))
    terminal.shows("Neurons")
    terminal.shows("Comedy")
    terminal.press("ji+")
    terminal.shows("+0.5")
    terminal.shows("RBO")
    [child] = children_of(terminal.pid)
    pressed = time.monotonic()
    terminal.press("q")
    assert terminal.end() == 0
    assert time.monotonic() - pressed < 10  # half a second on an idle machine; the child refuses to go by itself
    assert not alive(child)
    last = terminal.output[terminal.output.rindex(ALT_SCREEN_OFF) :]
    assert re.fullmatch(rb"(\x1b\[[?<0-9;]*[a-z])+", last), last


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_cut_line_ends_it_cleanly(tmp_path: Path, ptys: list[Pty], number: signal.Signals) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(tmp_path))
    terminal.shows("Comedy")
    terminal.press("+")
    terminal.shows("+0.5")
    [child] = children_of(terminal.pid)
    os.kill(terminal.pid, number)
    assert terminal.end() == 128 + number
    assert not alive(child)
    assert (tmp_path / "sessions" / "demo-mf.jsonl").read_text().count("\n") == 2


def test_kill_9_leaves_the_session_and_no_engine(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(tmp_path))
    terminal.shows("Comedy")
    terminal.press("+")
    terminal.shows("+0.5")
    [child] = children_of(terminal.pid)
    os.kill(terminal.pid, signal.SIGKILL)
    assert terminal.end() == -signal.SIGKILL
    deadline = time.monotonic() + 5
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    ptys.append(again := Pty(tmp_path))
    again.shows("Restored 1 edit")
    again.press("q")
    assert again.end() == 0


def test_a_crash_leaves_a_few_lines_a_report_without_locals_and_code_70(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(tmp_path, program=BROKEN + PROGRAM))
    assert terminal.end() == 70
    last = terminal.output[terminal.output.rindex(ALT_SCREEN_OFF) :]
    assert b"mistake of its own" in last
    assert b"Traceback" not in terminal.output
    [report] = (tmp_path / "log").glob("crash-*.txt")
    assert "broken on purpose" in report.read_text()
    assert "sk-secret-in-a-local" not in report.read_text().replace(BROKEN, "")


def test_no_colour_is_asked_for_where_none_is_wanted(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(tmp_path, NO_COLOR="1"))
    terminal.shows("Comedy")
    terminal.press("+")
    terminal.shows("+0.5")
    codes = {code for part in terminal.output.split(b"\x1b[")[1:] if b"m" in part[:20]
             for code in part[: part.index(b"m")].split(b";")}  # fmt: skip
    assert not codes & {str(code).encode() for code in (*range(30, 39), *range(40, 49), *range(90, 108))}
    terminal.press("q")
    assert terminal.end() == 0


def test_over_ssh_no_mouse_is_asked_for(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    ptys.append(remote := Pty(tmp_path, SSH_CONNECTION="1.2.3.4 5 6.7.8.9 22"))
    ptys.append(local := Pty(tmp_path))
    for terminal in (remote, local):
        terminal.shows("Comedy")
        terminal.press("q")
        assert terminal.end() == 0
    assert b"\x1b[?1003h" in local.output
    assert b"\x1b[?1003h" not in remote.output


def test_without_a_terminal_or_a_run_there_is_one_sentence(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    piped = subprocess.run([*command, "demo-mf"], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert (piped.returncode, piped.stdout) == (1, "")
    assert piped.stderr.startswith("The workbench needs a terminal")
    assert piped.stderr.count("\n") == 1
    unknown = subprocess.run([*command, "demo-nf"], capture_output=True, text=True, timeout=30)
    assert unknown.stderr == "There is no run 'demo-nf'; did you mean 'demo-mf'?\n"
    ptys.append(dumb := Pty(tmp_path, TERM="dumb"))
    assert dumb.end() == 1
    assert b"TERM=dumb" in dumb.output
    assert b"\x1b" not in dumb.output
