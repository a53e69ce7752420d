"""What the workbench costs at a terminal: seconds from a key to the last byte, and bytes. Measured through a pty.

With `--home DIR` on the runs of that home, which are only read; else on the demo, made first. Every figure is that of
this machine with its load at the moment, which is printed; beside the seconds stands a bare Textual in the same run.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from engine.home import Home
from tests.benchmarks.many import many
from tests.benchmarks.measuring import process, row, seconds, timed
from tests.workbench.terminals import Pty, children_of
from tests.workbench.test_commandline import after

STARTS, KEYS, EDITS, QUITS = 7, 100, 30, 5
QUIET_SECONDS, IDLE_SECONDS, FIRST_SECONDS = 0.2, 5.0, 2.0
"""Without a byte: a key is done, nothing happens, a key that draws nothing."""
SIXTEEN = {"TERM": "xterm"}
REMOTE = {**SIXTEEN, "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}
TABLE = "p@20"
"""A title that stands over the table only once its data are there."""
BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App, inherit_bindings=False):
    ENABLE_COMMAND_PALETTE, count = False, 0
    def compose(self):
        yield Static("ready to begin")
    def on_key(self):
        self.count += 1
        self.query_one(Static).update(f"key {self.count}", layout=False)
Bare().run(mouse=False)
"""


def terminal(_archive: Path | None, home: Home) -> None:
    """Print what the workbench costs on a run of this home; with a scorer that is a network, if there is one too."""
    if not any(home.runs.glob("*/manifest.json")):
        process("demo", "--no-tui")
    names = sorted(path.parent.name for path in home.runs.glob("*/manifest.json"))
    run = next(name for name in ("ml-1m-mf", "demo", *names) if name in names)
    row(
        "what, at 80x24 in 16 colours",
        f"run {run}, load {os.getloadavg()[0]:.1f}",
        "a bare Textual, same run",
        "to reach",
    )
    starts(home, run)
    many(home)
    completion()
    keys(home, run)
    quits(home, run)
    for name in (run, *(name for name in ("ml-1m-ncf",) if name in names)):
        edits(home, name)


def opened(home: Home, run: str, environment: Mapping[str, str] = SIXTEEN) -> Pty:
    """The workbench as a user starts it, on a run."""
    command = [sys.executable, "-m", "workbench", "--home", str(home.root), "tui", run, "--session", f"benchmark-{run}"]
    return Pty(command, environment)


def bare() -> Pty:
    return Pty([sys.executable, "-c", BARE], {**SIXTEEN, "TEXTUAL_THEME": "ansi-dark", "TEXTUAL_ANIMATIONS": "none"})


def starts(home: Home, run: str) -> None:
    """From exec to the first text and to the table."""
    paints, tables, bares = [], [], []
    for _ in range(STARTS):
        one = opened(home, run)
        paints.append(one.shows("monoscope", 60))
        tables.append(one.shows(TABLE, 60))
        leave(one)
        other = bare()
        bares.append(other.shows("ready to begin", 60))
        other.close()
    imported = statistics.median(imports() for _ in range(STARTS))
    beside = f"{milli(bares)}; `import textual.app` {1000 * imported:.0f} ms"
    row("first text", f"{milli(paints)} (of {STARTS})", beside, "500 ms")
    row("table with data", f"{milli(tables)} (of {STARTS})", "", "1000 ms")


def completion() -> None:
    """What a key in the command line adds: the candidates for it."""
    lines = ("", "ex", "export --", "labels set 3 x --", "steer --users \"gender = 'F' AND a")
    best, median = timed(KEYS, lambda: [after(line) for line in lines])
    each = 1000 / len(lines)
    row("completion of a command", f"{each * median:.2f} ms (best {each * best:.2f})", "", "20 ms")


def imports() -> float:
    return seconds(lambda: subprocess.run([sys.executable, "-c", "import textual.app"], check=True))


def keys(home: Home, run: str) -> None:
    """Moves of the cursor: alone, over SSH, beside a job; their bytes; and nothing while nothing is done."""
    floor = bare()
    floor.shows("ready to begin", 60)
    _, alone = moves(floor, "xx", KEYS)
    floor.close()
    for what, environment in (("a cursor move", SIXTEEN), ("a cursor move, remote mode (15 fps)", REMOTE)):
        one = ready(home, run, environment)
        sizes, times = moves(one, "jk", KEYS)
        row(what, f"{milli(times)} (of {KEYS})", milli(alone), "30 ms")
        if environment is SIXTEEN:
            row("  its bytes", f"{statistics.median(sizes):.0f} (most {max(sizes)})", "", "2500")
            one.press("G")
            one.quiet(QUIET_SECONDS)
            sizes, times = moves(one, "g" + "j" * 30, 93, count=lambda key, at: key == "j" and at % 31 > 23)
            row("a cursor move that scrolls", f"{milli(times)} (of {len(times)})", "", "30 ms")
            row("  its bytes", f"{statistics.median(sizes):.0f} (most {max(sizes)})", "", "2500")
            before = len(one.output)
            one.quiet(IDLE_SECONDS)
            row(f"{IDLE_SECONDS:.0f} s of nothing", f"{len(one.output) - before} bytes", "", "0")
            with_job(one)
            sizes, times = moves(one, "jk", KEYS)
            row("a cursor move beside a job", f"{milli(times)} (of {KEYS})", "", "30 ms")
        leave(one)


def with_job(one: Pty) -> None:
    """Start a job that takes longer than what is measured beside it."""
    one.press(f":train demo --name benchmark-{time.monotonic_ns()}\r")
    one.shows("as job 1", 60)
    one.quiet(2.0)


def quits(home: Home, run: str) -> None:
    """From the key to the end of the process, idle and with a job running; what is left behind."""
    for what, job in (("quit", False), ("quit with a job running", True)):
        times, left = [], 0
        for _ in range(QUITS):
            one = ready(home, run, SIXTEEN)
            if job:
                with_job(one)
            children = children_of(one.pid)
            assert len(children) == 1 + job, "the job is not running"
            if job:
                one.press("q")  # it warns of the job first
                one.shows("again leaves", 60)
            started = time.perf_counter()
            one.press("q")
            one.end(60)
            times.append(time.perf_counter() - started)
            left += sum(Path(f"/proc/{child}/task").exists() for child in children)
            one.close()
        row(what, f"{milli(times)} (of {QUITS}), {left} processes left", "", "500 ms")


def edits(home: Home, run: str) -> None:
    """From a key that changes a neuron to the last byte of the new list, by the real engine."""
    one = ready(home, run, SIXTEEN)
    one.press("+")
    one.shows("RBO", 60)
    one.quiet(1.0)
    sizes, times = moves(one, "+-", EDITS)
    row(
        f"{run}: an edit, to the new list",
        f"{milli(times)} (of {EDITS}), {statistics.median(sizes):.0f} bytes",
        "",
        "50 ms",
    )
    leave(one)


def ready(home: Home, run: str, environment: Mapping[str, str]) -> Pty:
    """Opened, the engine's first answer there, and calm."""
    one = opened(home, run, environment)
    one.shows(TABLE, 60)
    one.shows("user", 60)
    one.quiet(1.5)
    one.press("j")
    one.quiet(1.5)
    return one


def moves(
    one: Pty, pressed: str, times: int, count: Callable[[str, int], bool] = lambda _key, _at: True
) -> tuple[Sequence[int], Sequence[float]]:
    """Bytes that each of some keys had drawn, and seconds until the last of them."""
    sizes, lasted = [], []
    for at in range(times):
        key = pressed[at % len(pressed)]
        before, started = len(one.output), time.perf_counter()
        one.press(key)
        while len(one.output) == before and time.perf_counter() - started < FIRST_SECONDS:
            one.read(0.005)  # on a busy machine this key's bytes would else be counted with the next one's
        last = one.quiet(QUIET_SECONDS)
        if count(key, at):
            sizes.append(len(one.output) - before)
            lasted.append(last - started)
    return sizes, lasted


def leave(one: Pty) -> None:
    """Out by the key, once more where a job runs."""
    one.press("q")
    one.quiet(QUIET_SECONDS)
    with suppress(OSError):  # it is gone
        one.press("q")
    one.end(60)
    one.close()


def milli(times: Sequence[float]) -> str:
    return f"{1000 * statistics.median(times):.0f} ms (best {1000 * min(times):.0f})"
