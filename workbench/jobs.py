"""Long work beside the browsing: each job is a child process that is the command line itself.

One thread a job reads what its child says, and signals it. Changes are handed to `deliver` on that thread: it must
only pass them on. A screen that is told of a change reads `JobRunner.jobs`, which is always the newest.
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Literal

from workbench.job_output import Output, Pace, listen
from workbench.leash import Leash
from workbench.progress_lines import LINES, UNATTENDED, VARIABLE, read_progress
from workbench.view import Job

MOST_AT_ONCE = 2
MOST_KEPT = 50
WAITING, STARTING = "waits for another job", "starts …"
PATIENCE = ((signal.SIGINT, 3.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 1.0))
"""How a job is cancelled: these signals to its whole process group, each with the seconds until the next."""
DELIVERY_SECONDS = 0.1
QUIT_SECONDS = 0.3
REAP_SECONDS = 0.15
COLOURS = ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
"""Variables that make programs write colours where there is no terminal."""

SURROUNDINGS = {VARIABLE: LINES, UNATTENDED: "1", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
"""What a job finds in its environment: progress as lines, output at once and as this process reads it."""


def job_program(home: Path) -> list[str]:
    """How to start a command beside this process; -P keeps a folder named `workbench` in the way from being run."""
    return [sys.executable, "-P", "-m", "workbench", "--home", str(home)]


class JobRunner:
    """Starts, watches and ends jobs, `MOST_AT_ONCE` at a time. No method waits, but for `stop`."""

    def __init__(self, home: Path, deliver: Callable[[Job], None], program: Sequence[str] | None = None) -> None:
        """`program` replaces what the words of a command are given to."""
        self._program = list(program or job_program(home))
        self._deliver = deliver
        self._ids = count(1)
        self._lock = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._waiting: deque[_Work] = deque()
        self._working: dict[int, _Work] = {}
        self._stopped: float | None = None

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs as they stand, in the order of their start; of those that ended, the last `MOST_KEPT`."""
        with self._lock:
            return tuple(self._jobs.values())

    def start(self, words: Sequence[str], shown: Sequence[str] | None = None) -> Job:
        """Start `monoscope WORDS`, or let it wait for its turn. The job as it stands; what follows is delivered.

        `shown` are the words that the analyst is told of, where they are others.
        """
        command = shlex.join(["monoscope", *(words if shown is None else shown)])
        work = _Work(Job(next(self._ids), command, "running"), [*self._program, *words])
        with self._lock:
            waits = len(self._working) >= MOST_AT_ONCE
            work.job = replace(work.job, text=WAITING if waits else STARTING)
            job = self._jobs[work.job.id] = work.job
            self._waiting.append(work)
        self._begin()
        return job

    def cancel(self, id: int) -> None:
        """End a job: its whole process group is asked, then told, then killed. Unknown and ended ones are let be."""
        with self._lock:
            work = self._working.get(id) or next((one for one in self._waiting if one.job.id == id), None)
            if work is None:
                return
            work.cancelled = work.cancelled or time.monotonic()
            if id in self._working:
                return  # its own thread sends the signals
            self._waiting.remove(work)
            job = self._jobs[id] = replace(work.job, state="cancelled", text="cancelled before it began")
        self._deliver(job)

    def hang_up(self) -> None:
        """Ask every job to end, at quit, and start none any more; `stop` follows. Delivers nothing from now on."""
        with self._lock:
            if self._stopped is not None:
                return
            self._stopped = time.monotonic()
            self._waiting.clear()
            working = list(self._working.values())
        for work in working:
            work.send(signal.SIGINT)

    def stop(self) -> None:
        """Hang up and wait for the end of every job; what takes longer than a moment is killed."""
        self.hang_up()
        with self._lock:
            working = list(self._working.values())
            until = (self._stopped or 0.0) + QUIT_SECONDS
        _join(working, until)
        for work in working:
            work.send(signal.SIGKILL)
        _join(working, time.monotonic() + REAP_SECONDS)

    def _begin(self) -> None:
        """Start what waits, as long as there is room."""
        with self._lock:
            while self._waiting and len(self._working) < MOST_AT_ONCE and self._stopped is None:
                work = self._waiting.popleft()
                self._working[work.job.id] = work
                work.thread = threading.Thread(target=self._run, args=(work,), daemon=True)
                work.thread.start()

    def _run(self, work: "_Work") -> None:
        fault = self._spawn(work)
        if work.child is not None:
            with work.child as child:
                self._show(work)
                listen(child, (work.printed, work.complained), lambda: self._tick(work))
                code = child.wait()
            work.send(signal.SIGKILL)  # whatever it started and left behind
            work.ended(code)
            work.leash.let_go()
        else:
            work.settle("cancelled" if fault is None else "failed", fault or "cancelled before it began")
        with self._lock:
            del self._working[work.job.id]
        self._show(work)
        self._begin()

    def _spawn(self, work: "_Work") -> str | None:
        """Start the child, unless it is not wanted any more; why it could not be started."""
        environment = {name: value for name, value in os.environ.items() if name not in COLOURS}
        with self._lock:
            if self._stopped is not None or work.cancelled is not None:
                return None
            try:
                work.spawn(environment)
            except OSError as error:
                return f"could not be started: {error.strerror}"
            except ValueError as error:  # such as a null byte in a word
                return f"could not be started: {error}"
        work.job = replace(work.job, text=STARTING)
        return None

    def _tick(self, work: "_Work") -> None:
        """What falls due while a job runs: the next signal of a cancelled one, and telling of changes."""
        work.press()
        if work.changed and time.monotonic() - work.shown >= DELIVERY_SECONDS:
            self._show(work)

    def _show(self, work: "_Work") -> None:
        work.changed, work.shown = False, time.monotonic()
        job = work.job = replace(work.job, output=work.output.text)
        with self._lock:
            if self._stopped is not None:
                return
            self._jobs[job.id] = job
            ended = [one.id for one in self._jobs.values() if one.state != "running"]
            for old in ended[:-MOST_KEPT]:
                del self._jobs[old]
        self._deliver(job)


class _Work:
    """A job and its child, as the job's own thread knows them."""

    def __init__(self, job: Job, command: list[str]) -> None:
        self.job, self.command = job, command
        self.child: subprocess.Popen[bytes] | None = None
        self.leash: Leash
        """While there is a child."""
        self.thread: threading.Thread
        self.output = Output()
        self.cancelled: float | None = None
        """When it was cancelled; from then on signals fall due."""
        self.changed, self.shown = False, 0.0
        self._pace = Pace()
        self._signals = iter(PATIENCE)
        self._due = 0.0
        self._said = self._complaint = ""

    def spawn(self, environment: Mapping[str, str]) -> None:
        """Start the child, on a leash. Raises what `Popen` does."""
        leash = Leash()
        try:
            self.child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment, **SURROUNDINGS, **leash.environment},
                pass_fds=(leash.held,),
                start_new_session=True,
            )
        finally:
            leash.passed()
            if self.child is None:
                leash.let_go()
        self.leash = leash

    def send(self, number: signal.Signals) -> None:
        """Signal the child and all that it started."""
        if self.child is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, number)

    def press(self) -> None:
        """Send the next signal to a job that was cancelled, if the last one had its time."""
        if self.cancelled is None or time.monotonic() < self._due:
            return
        number, seconds = next(self._signals, PATIENCE[-1])
        self._due = time.monotonic() + seconds
        self.send(number)
        self.job = replace(self.job, text="ends …", left=None)
        self.changed = True

    def printed(self, line: str) -> None:
        """Take a line of standard output."""
        self._said = line.strip() or self._said
        self._keep(line)

    def complained(self, line: str) -> None:
        """Take a line of standard error: progress, or something for people."""
        progress = read_progress(line)
        if progress is None:
            self._complaint = line.strip() or self._complaint
            self._keep(line)
        elif self.cancelled is None:
            share, text = progress
            self.job = replace(self.job, share=share, text=text, left=self._pace.left(share, time.monotonic()))
            self.changed = True

    def ended(self, code: int) -> None:
        """Settle a job whose child is gone; its last sentence says why."""
        complaint = self._complaint.removeprefix("monoscope: ").removeprefix("Error: ")
        if code == 0:
            self.job = replace(self.job, share=1.0)
            self.settle("done", self._said or complaint)
        elif self.cancelled is not None:
            self.settle("cancelled", complaint or "cancelled")
        else:
            self.settle("failed", complaint or _exit_words(code))

    def settle(self, state: Literal["done", "failed", "cancelled"], text: str) -> None:
        self.job = replace(self.job, state=state, text=text, left=None)

    def _keep(self, line: str) -> None:
        self.output.add(line)
        self.changed = True


def _join(working: Sequence[_Work], until: float) -> None:
    """Wait for the threads of some jobs, no longer than to a moment."""
    for work in working:
        work.thread.join(max(0.0, until - time.monotonic()))


def _exit_words(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}; its output may say why"
