"""A home with one made-up run, and words for the made-up engine."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.home import Home
from engine.run import Run
from tests.workbench.cli import Monoscope
from tests.workbench.fake_run import make_run
from workbench.__main__ import _commands
from workbench.verbs import commands_from

commands_from(_commands)


@pytest.fixture
def demo(home: Home) -> Home:
    """A home with the run demo-mf."""
    make_run(home.root)
    return home


@pytest.fixture
def engine_that(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make the engine that starts next behave: `engine_that("die-on-rank")`."""
    return lambda words: monkeypatch.setenv("MONOSCOPE_FAKE", words)


@pytest.fixture
def jobs_that(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let jobs be made up, and behave: `jobs_that("hang")`."""
    program = [sys.executable, str(Path(__file__).with_name("fake_job.py"))]
    monkeypatch.setattr("workbench.jobs.job_program", lambda home: [*program, str(home)])
    return lambda words: monkeypatch.setenv("MONOSCOPE_FAKE_JOB", words)


@pytest.fixture
def monoscope(demo_run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Monoscope:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("MONOSCOPE_LLM_MODEL", raising=False)
    return Monoscope(demo_run.home.root, monkeypatch, capfd)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Monoscope:
    return Monoscope(tmp_path / "home", monkeypatch, capfd)
