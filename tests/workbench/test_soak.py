"""An afternoon of work: neither the terminal's process nor the engine's grows with what was done."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.run import Run
from tests.workbench.driving import Driver, opened, until
from workbench.engine_client import engine_command

ROUNDS, WARM = 24, 8
"""Rounds of the same work; what is kept for good (lists of cohorts, facts of neurons) is there after `WARM` of them."""
GROWTH_MIB = 6.0
"""What a process may have grown between then and the end: 30 kB kept for each answer of the engine are more."""
PROC = Path("/proc/self")

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not PROC.exists(), reason="memory is read from /proc")]


def resident_mib(pid: int | str) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_files() -> int:
    return len(list((PROC / "fd").iterdir()))


def threads(pid: int | str) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


async def work(driver: Driver, round: int) -> None:
    """What an analyst does with a few neurons, the same each time but for the users watched; all of it is undone."""
    await driver.press("1", "g", *"j" * (round % 5))
    for _ in range(12):
        await driver.press("j", "]", "k", "[", "j")
    await driver.press(*"+++-", "t", "t", "n", *"nn", "v")
    await quiet(driver)
    await driver.press("w", "C")
    await driver.paste("share('Horror') >= 0.2")
    await quiet(driver)
    await driver.press("w", "o")
    await driver.paste("Horror")
    await quiet(driver)
    await driver.press("escape", "1", "/")
    await driver.paste("dra")
    await driver.press("escape", *"u" * 12, "?", "escape")
    await quiet(driver)


async def quiet(driver: Driver) -> None:
    await driver.settled()
    await until(lambda: not driver.screen.engine.pending(), 120)
    await driver.settled()


def used(pids: Sequence[int | str]) -> list[float]:
    return [resident_mib(pid) for pid in pids]


async def test_hours_of_work_leave_memory_threads_and_files_as_they_were(demo_run: Run) -> None:
    engine = engine_command(demo_run.home.root)
    async with opened(demo_run.home, demo_run.name, session="soak", engine=engine) as driver:
        await until(lambda: driver.screen.view.ranking is not None, 120)
        pid = driver.screen.engine.pid
        assert pid is not None
        pids: list[int | str] = ["self", pid]
        before: tuple[list[float], int, list[int]] | None = None
        for round in range(ROUNDS):
            await work(driver, round)
            if round + 1 == WARM:
                before = used(pids), open_files(), [threads(one) for one in pids]
        assert before is not None
        assert driver.screen.engine.pid == pid
        after = used(pids)
        grown = [end - start for start, end in zip(before[0], after, strict=True)]
        assert max(grown) < GROWTH_MIB, grown
        assert open_files() <= before[1] + 2
        assert [threads(one) for one in pids] == before[2]
