"""What every test may use, and the rule that continuous integration skips nothing that it was told to run."""

import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from filelock import FileLock

from engine.home import Home
from engine.run import Run
from workbench.tour import make_demo

NEVER_SKIPPED_IN_CI = ("real_data", "ssh", "browser")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home, all of its own."""
    return Home(tmp_path / "home")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder of this worker's own with what `make` puts into one: the first worker makes it, the others copy."""
    own = factory.mktemp(name)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        make(own)
        return own
    shared = factory.getbasetemp().parent / f"shared-{name}"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            making = factory.mktemp(f"making-{name}")
            make(making)
            making.rename(shared)
    shutil.copytree(shared, own, dirs_exist_ok=True)
    return own


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The demo's run, trained once for all workers; tests read it and write sessions of their own names."""
    home = Home(made_once(tmp_path_factory, "demo", lambda folder: make_demo(Home(folder))))
    return Run.open(home, "demo")


@pytest.fixture(scope="session")
def archives() -> Path:
    """The folder of real archives that MONOSCOPE_TEST_ARCHIVES names."""
    named = os.environ.get("MONOSCOPE_TEST_ARCHIVES")
    if not named:
        pytest.skip("MONOSCOPE_TEST_ARCHIVES names no folder of archives")
    return Path(named)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    guarded = any(item.get_closest_marker(marker) for marker in NEVER_SKIPPED_IN_CI)
    if report.skipped and guarded and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which continuous integration does not allow"
    return report
