"""Jobs: what they tell while they run, how they end, and that nothing is left behind. With real child processes."""

import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.home import Home
from tests.workbench.test_hygiene import HEAVY, loaded_after
from workbench.job_output import MOST_CHARACTERS, MOST_LINES, Lines, Pace
from workbench.jobs import STARTING, WAITING, JobRunner, job_program
from workbench.progress_lines import LEAST_SECONDS, read_progress
from workbench.view import Job
from workbench.widgets.jobs import duration, jobs_lines
from workbench.widgets.line import text_of, width_of

Started = Callable[..., tuple[JobRunner, "queue.Queue[Job]"]]


@pytest.fixture
def runner() -> Iterator[Started]:
    """A runner whose jobs are Python programs: `start([PROGRAM])` runs its text."""
    made: list[JobRunner] = []

    def make(program: list[str] | None = None) -> tuple[JobRunner, "queue.Queue[Job]"]:
        heard: queue.Queue[Job] = queue.Queue()
        made.append(JobRunner(Path("/nowhere"), heard.put, program or [sys.executable, "-c"]))
        return made[-1], heard

    yield make
    for one in made:
        one.stop()


def until(heard: "queue.Queue[Job]", condition: Callable[[Job], bool], seconds: float = 30) -> Job:
    deadline = time.monotonic() + seconds
    while True:
        job = heard.get(timeout=max(0.01, deadline - time.monotonic()))
        if condition(job):
            return job


def ended(heard: "queue.Queue[Job]") -> Job:
    return until(heard, lambda job: job.state != "running")


def gone(pid: int) -> bool:
    """Whether there is no such process, or only its remains that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def soon(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_a_job_is_the_command_line_itself(home: Home, runner: Started) -> None:
    jobs, heard = runner(job_program(home.root))
    job = jobs.start(["datasets", "list", "--json"])
    assert (job.command, job.state, job.share) == ("monoscope datasets list --json", "running", 0.0)
    done = ended(heard)
    assert (done.state, done.share, done.left) == ("done", 1.0, None)
    assert "demo" in [entry["name"] for entry in json.loads(done.output)]
    jobs.start(["train", "no such thing"])
    failed = ended(heard)
    assert failed.state == "failed"
    assert failed.text.startswith("'no such thing' cannot name a data set")
    assert [one.state for one in jobs.jobs] == ["done", "failed"]


def test_progress_reaches_the_job_as_share_text_and_time_left(runner: Started) -> None:
    jobs, heard = runner()
    program = (
        "import time\nfrom workbench.tables import progress_bar\n"
        "with progress_bar('Counting') as report:\n"
        "  for i in range(40): report(i / 40, f'step {i}'); time.sleep(0.1)\n"
        "print('counted')"
    )
    jobs.start([program])
    seen = []
    while not seen or seen[-1].state == "running":
        seen.append(heard.get(timeout=30))
    told = [job for job in seen if job.text.startswith("step")]
    assert 10 <= len(told) <= 35
    assert [job.share for job in told] == sorted(job.share for job in told)
    assert all(job.left is None for job in told[:3])
    lefts = [job.left for job in told if job.left is not None]
    assert lefts[-1] < lefts[0] < 20
    assert (seen[-1].text, seen[-1].output) == ("counted", "counted")


def test_the_last_change_before_a_silence_is_not_held_back() -> None:
    program = (
        "import sys, time\nfrom workbench.progress_lines import progress_lines\n"
        "with progress_lines('Work', sys.stderr) as report:\n"
        "  for i in range(1000): report(i / 1000, f'part {i}')\n"
        "  report(0.5, 'the long part'); time.sleep(1); report(float('nan'), '')\n"
    )
    started = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        lines = [(read_progress(line), time.monotonic() - started) for line in child.stderr]
    seconds = lines[-1][1]
    assert len(lines) <= 2 + seconds / LEAST_SECONDS
    assert lines[-2][0] == (0.5, "the long part")
    assert lines[-1][0] == (0.0, "Work")
    assert lines[-1][1] - lines[-2][1] > 0.5


@pytest.mark.parametrize("line", ["", "{", '{"share":', '{"share": NaN, "text": ""}', '{"share": []}', "monoscope: no"])
def test_what_is_no_progress_is_read_as_none(line: str) -> None:
    assert read_progress(line) is None


def test_a_job_that_fails_ends_with_its_last_sentence(runner: Started) -> None:
    jobs, heard = runner()
    jobs.start(["import sys; print('so far'); print('oh', file=sys.stderr); sys.exit('monoscope: There is no x.')"])
    job = ended(heard)
    assert (job.state, job.text) == ("failed", "There is no x.")
    assert job.output.splitlines()[0] == "so far"
    jobs.start(["import sys; sys.exit(3)"])
    assert ended(heard).text == "ended with exit code 3; its output may say why"
    jobs.start(["import os; os.kill(os.getpid(), 9)"])
    assert ended(heard).text == "was ended by signal 9"


def test_a_command_that_cannot_be_started_is_a_failed_job(runner: Started, tmp_path: Path) -> None:
    jobs, heard = runner([str(tmp_path / "nothing")])
    jobs.start(["x"])
    assert (job := ended(heard)).state == "failed"
    assert job.text == "could not be started: No such file or directory"
    jobs.start(["a\0b"])
    assert ended(heard).text == "could not be started: embedded null byte"


def test_noise_is_cut_and_cleaned_and_does_not_stop_the_job(runner: Started) -> None:
    jobs, heard = runner()
    program = (
        "import sys\n"
        "for i in range(30000): print('line', i, 'x' * 30)\n"
        "sys.stdout.write('y' * 1_000_000); sys.stderr.write('\\x1b[31mred\\r\\nbell\\x07'); sys.stdout.flush()\n"
        "sys.stdout.buffer.write(b'\\n\\xff\\xfe end without a line')"
    )
    jobs.start([program])
    job = ended(heard)
    rows = job.output.split("\n")
    assert job.state == "done"
    assert len(rows) == MOST_LINES + 1
    assert rows[0].endswith("earlier lines were not kept")
    assert "y" * MOST_CHARACTERS in rows
    assert max(map(len, rows)) == MOST_CHARACTERS
    assert all(row.isprintable() for row in rows)
    assert job.text == "�� end without a line"
    assert heard.qsize() < 100


def test_lines_are_what_a_terminal_would_show() -> None:
    lines = Lines()
    assert lines.feed(b"10 %\r20 %\r") == []
    assert lines.feed("30 %\nné".encode()[:-1]) == ["30 %"]
    assert lines.feed("né".encode()[-1:] + b"\r") == []
    assert lines.feed(b"\n") == ["né"]
    assert lines.feed(b"") == []


def test_output_shows_while_a_job_runs(runner: Started) -> None:
    jobs, heard = runner()
    job = jobs.start(["import time; print('first'); time.sleep(60)"])
    assert until(heard, lambda one: one.output == "first").state == "running"
    jobs.cancel(job.id)
    assert ended(heard).state == "cancelled"


def test_cancel_ends_politely_and_says_what_was_kept(runner: Started) -> None:
    jobs, heard = runner()
    program = (
        "import time, sys\ntry: print('on'); time.sleep(60)\nexcept KeyboardInterrupt: sys.exit('monoscope: kept.')"
    )
    job = jobs.start([program])
    until(heard, lambda one: one.output == "on")
    jobs.cancel(job.id)
    last = ended(heard)
    assert (last.state, last.text) == ("cancelled", "kept.")
    jobs.cancel(job.id)
    jobs.cancel(99)
    assert heard.empty()


def test_cancel_ends_the_deaf_and_all_that_they_started(runner: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.jobs.PATIENCE", tuple((number, 0.2) for number in (2, 15, 9)))
    jobs, heard = runner()
    program = (
        "import signal, subprocess, sys, time\n"
        "for one in (signal.SIGINT, signal.SIGTERM): signal.signal(one, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid); time.sleep(60)"
    )
    job = jobs.start([program])
    grandchild = int(until(heard, lambda one: one.output.isdigit()).output)
    jobs.cancel(job.id)
    assert ended(heard).state == "cancelled"
    assert soon(lambda: gone(grandchild))


def test_a_process_left_behind_does_not_keep_its_job_alive(runner: Started) -> None:
    jobs, heard = runner()
    program = (
        "import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"
    )
    jobs.start([program])
    job = ended(heard)
    assert job.state == "done"
    assert soon(lambda: gone(int(job.output)))


def test_no_more_than_two_run_at_once_and_the_next_takes_its_turn(runner: Started) -> None:
    jobs, heard = runner()
    long = "import time; print('on'); time.sleep(60)"
    first, second, third, fourth = (jobs.start([long]) for _ in range(4))
    assert [first.text, second.text] == [STARTING, STARTING]
    assert (third.state, third.share, third.text, fourth.text) == ("running", 0.0, WAITING, WAITING)
    on = {until(heard, lambda one: one.output == "on").id for _ in range(2)}
    assert on == {first.id, second.id}
    jobs.cancel(third.id)
    assert ended(heard).id == third.id
    jobs.cancel(first.id)
    until(heard, lambda one: one.id == fourth.id and one.output == "on")
    assert [one.state for one in jobs.jobs] == ["cancelled", "running", "cancelled", "running"]
    assert jobs.jobs[3].text == STARTING


def test_stopping_kills_even_the_deaf_and_leaves_nothing(runner: Started) -> None:
    jobs, heard = runner()
    deaf = "import os, signal, time; signal.signal(2, signal.SIG_IGN); print(os.getpid()); time.sleep(60)"
    for _ in range(3):
        jobs.start([deaf])
    pids = [int(until(heard, lambda one: one.output.isdigit()).output) for _ in range(2)]
    while not heard.empty():
        heard.get()
    jobs.stop()
    assert all(gone(pid) for pid in pids)
    time.sleep(0.2)
    assert heard.empty()


def test_work_does_not_outlive_a_workbench_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import os, sys, time\nfrom workbench.tables import progress_bar\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "with progress_bar('Long') as report:\n"
        "  while True: report(0.1, 'on'); time.sleep(0.05)"
    )
    bench = (
        "import sys, time\nfrom pathlib import Path\nfrom workbench.jobs import JobRunner\n"
        "JobRunner(Path('/nowhere'), lambda job: print(job.text, flush=True), [sys.executable, '-c'])"
        f".start([{program!r}])\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", bench], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        next(line for line in child.stdout if line.strip() == "on")
        child.kill()
    assert soon(lambda: gone(int((tmp_path / "pid").read_text())))


def test_silent_work_ends_with_a_workbench_that_was_killed_and_keeps_what_it_has(tmp_path: Path) -> None:
    """The program of every command, which then neither reports nor listens; it has started a process of its own."""
    program = (
        "import os, subprocess, sys, time, workbench.__main__ as program\n"
        "def work(words):\n"
        "  helper = subprocess.Popen(['sleep', '600'])\n"
        f"  open({str(tmp_path / 'pids')!r}, 'w').write(f'{{os.getpid()}} {{helper.pid}}')\n"
        "  try:\n    print('works', flush=True)\n    time.sleep(600)\n"
        f"  finally:\n    open({str(tmp_path / 'kept')!r}, 'w').write('all of it')\n"
        "program.plain_tui = work\nprogram.main()"
    )
    bench = (
        "import sys, time\nfrom pathlib import Path\nfrom workbench.jobs import JobRunner\n"
        "JobRunner(Path('/nowhere'), lambda job: print(job.output, flush=True), [sys.executable, '-c'])"
        f".start([{program!r}])\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", bench], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        next(line for line in child.stdout if line.strip() == "works")
        child.kill()
    for pid in (tmp_path / "pids").read_text().split():
        assert soon(lambda pid=int(pid): gone(pid), 20)  # type: ignore[misc]
    assert (tmp_path / "kept").read_text() == "all of it"


def test_the_deaf_too_end_with_a_workbench_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import os, signal, time\nfrom workbench.leash import follow\nfollow()\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "print('works', flush=True)\ntime.sleep(600)"
    )
    bench = (
        "import sys, time\nfrom pathlib import Path\nfrom workbench.jobs import JobRunner\n"
        "JobRunner(Path('/nowhere'), lambda job: print(job.output, flush=True), [sys.executable, '-c'])"
        f".start([{program!r}])\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", bench], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        next(line for line in child.stdout if line.strip() == "works")
        child.kill()
    assert soon(lambda: gone(int((tmp_path / "pid").read_text())), 20)


def test_a_job_leaves_no_descriptor_behind(runner: Started) -> None:
    jobs, heard = runner()
    before = len(os.listdir("/proc/self/fd"))
    jobs.start(["pass"])
    ended(heard)
    jobs.stop()
    assert soon(lambda: len(os.listdir("/proc/self/fd")) <= before)


def test_a_wild_progress_waits_for_a_longer_look() -> None:
    pace = Pace()
    assert pace.left(0.0, 0.0) is None
    assert pace.left(0.4, 0.1) is None, "a leap at once is what was there already"
    assert pace.left(0.5, 10.1) == pytest.approx(10.1)
    for second in range(11, 60):
        left = pace.left(0.5 + (second - 10) / 1000, second)
    assert left == pytest.approx(451, rel=0.05)
    assert pace.left(0.1, 61.0) is None, "another stage begins at its own start"


JOBS = [
    Job(1, "monoscope train demo --recommender mf", "running", 0.41, "epoch 41 of 100", 125.0),
    Job(2, "monoscope label demo", "done", 1.0, "22 labels"),
    Job(3, "monoscope sweep 浜崎あゆみ --grid sae.beta=0,1,10 --set sae.seed=1 --name long", "failed", 0.1, "No."),
    Job(4, "monoscope export demo", "cancelled"),
]


@pytest.mark.parametrize("width", [30, 40, 59, 60, 80, 160])
def test_jobs_fit_every_width_from_30(width: int) -> None:
    lines = jobs_lines(JOBS, width)
    assert {width_of(line) for line in lines} == {width}
    text = [text_of(line) for line in lines]
    assert [line[1] for line in text if line[1] != " "] == ["●", "✓", "✗", "–"]
    assert "train" in text[0]
    assert "41%" in text[0]
    assert "2 min" in text[0]
    assert ("█" in text[0]) == (width >= 60)
    assert "epoch 41 of 100" in text[1]
    assert len(lines) == 7
    assert jobs_lines([], width) == []


def test_durations_in_words() -> None:
    assert [duration(s) for s in (0.2, 59.4, 59.6, 3570, 3900)] == ["1 s", "59 s", "1 min", "1 h 00 min", "1 h 05 min"]


def test_jobs_load_neither_the_command_line_nor_textual() -> None:
    loaded = loaded_after("import workbench.jobs, workbench.commandline, workbench.keys")
    assert loaded.isdisjoint({*HEAVY, "typer", "click", "textual", "numpy"})
    assert loaded_after("import workbench.jobs").isdisjoint({*HEAVY, "typer", "click", "textual", "rich", "numpy"})
    assert os.environ.get("MONOSCOPE_PROGRESS") is None
