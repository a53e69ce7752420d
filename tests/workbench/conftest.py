"""A home with one made-up run, and words for the made-up engine."""

from collections.abc import Callable

import pytest

from engine.home import Home
from tests.workbench.fake_run import make_run


@pytest.fixture
def demo(home: Home) -> Home:
    """A home with the run demo-mf."""
    make_run(home.root)
    return home


@pytest.fixture
def engine_that(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make the engine that starts next behave: `engine_that("die-on-rank")`."""
    return lambda words: monkeypatch.setenv("MONOSCOPE_FAKE", words)
