"""Stories of long work beside the browsing."""

import os
import time
from collections.abc import Callable

from engine.home import Home
from tests.workbench.driving import Driver, listen, opened, until
from workbench.view import Job

JobsThat = Callable[[str], None]


async def start(driver: Driver, line: str = "train demo") -> None:
    await driver.press("colon")
    await driver.type(line)


def jobs(driver: Driver) -> tuple[Job, ...]:
    return driver.screen.view.jobs


async def test_a_job_runs_while_browsing_goes_on_and_is_cancelled_by_ctrl_c(demo: Home, jobs_that: JobsThat) -> None:
    jobs_that("hang")
    async with opened(demo) as driver:
        await driver.ready()
        await start(driver)
        assert "Started train demo as job 1" in driver.screen.status.message
        await driver.shows("1 job 75%")
        await driver.press("j", "j", "plus")
        await driver.ranked()
        assert driver.screen.view.current == 2
        assert len(driver.screen.view.edits) == 1
        await driver.press("ctrl+c")
        assert "Ending job 1: monoscope train demo." in driver.screen.status.message
        await until(lambda: jobs(driver)[0].state == "cancelled")
        await driver.shows("Job 1 cancelled: monoscope train demo.")
        assert "1 job" not in driver.rows[0]
        assert driver.app.is_running


async def test_what_a_job_said_is_in_its_tab(demo: Home, jobs_that: JobsThat) -> None:
    jobs_that("")
    async with opened(demo) as driver:
        await driver.ready()
        await start(driver)
        await driver.shows("Job 1 done: monoscope train demo.")
        await driver.press("exclamation_mark")
        assert driver.screen.view.tab == "jobs"
        assert "✓ train demo" in "\n".join(driver.pane("inspector"))
        assert "asked for train demo" in "\n".join(driver.pane("inspector"))
        assert "All of it is made." in "\n".join(driver.pane("inspector"))


async def test_a_job_that_fails_says_why(demo: Home, jobs_that: JobsThat) -> None:
    jobs_that("fail")
    async with opened(demo, size=(160, 45)) as driver:
        await driver.ready()
        await start(driver)
        await driver.shows("Job 1 failed: monoscope train demo (There is no such thing). ! shows what it said.")
        await until(lambda: "There is no such thing." in "\n".join(driver.pane("jobs")))
        await driver.press("exclamation_mark")
        assert "There is no such thing." in "\n".join(driver.pane("inspector"))


async def test_a_terminal_too_small_says_what_q_would_end(demo: Home, jobs_that: JobsThat) -> None:
    jobs_that("hang")
    async with opened(demo) as driver:
        await driver.ready()
        await start(driver)
        await driver.shows("1 job 75%")
        await driver.press("z")
        await driver.pilot.resize_terminal(50, 10)
        await driver.shows("monoscope needs")
        await driver.press("q")
        await driver.shows("1 job runs here and would be ended")
        assert driver.app.is_running
        await driver.press("q")
        assert driver.app.return_code == 0


async def test_the_newest_of_several_jobs_is_cancelled_first_and_some_wait(demo: Home, jobs_that: JobsThat) -> None:
    jobs_that("hang")
    async with opened(demo, size=(160, 45)) as driver:
        await driver.ready()
        for seed in range(3):
            await start(driver, f"train demo --seed {seed}")
        await driver.shows("waits for another job")
        assert "3 jobs" in driver.rows[0]
        await driver.press("ctrl+c")
        await until(lambda: [job.state for job in jobs(driver)] == ["running", "running", "cancelled"])


async def test_quit_ends_jobs_and_leaves_nothing_behind(demo: Home, jobs_that: JobsThat) -> None:
    jobs_that("hang")
    async with opened(demo) as driver:
        await driver.ready()
        await start(driver)
        await driver.shows("1 job 75%")
        work = driver.screen.runner._working[1].child
        assert work is not None
        begun = time.monotonic()
        await driver.press("colon")
        await driver.type("quit")
    assert time.monotonic() - begun < 3.0
    assert work.poll() is not None
    assert not os.path.exists(f"/proc/{work.pid}/fd/0")


async def test_q_asks_once_more_while_a_job_runs(demo: Home, jobs_that: JobsThat) -> None:
    jobs_that("hang")
    async with opened(demo) as driver:
        await driver.ready()
        await start(driver)
        await driver.press("q")
        assert driver.app.is_running
        assert "1 job runs here and would be ended; q again leaves." in driver.screen.status.message
        await driver.press("q")
    assert driver.app.return_code == 0


async def test_ctrl_c_ends_what_the_engine_does_before_a_job(
    demo: Home, jobs_that: JobsThat, engine_that: JobsThat
) -> None:
    jobs_that("hang")
    engine_that("hang-on-cohort")
    async with opened(demo) as driver:
        await driver.ready()
        await start(driver)
        await driver.press("C", "enter", "ctrl+c")
        await driver.shows("It was cancelled; ask for it again.")
        assert jobs(driver)[0].state == "running"
        await driver.press("ctrl+c")
        await until(lambda: jobs(driver)[0].state == "cancelled")


async def test_jobs_survive_the_engines_death(demo: Home, jobs_that: JobsThat) -> None:
    jobs_that("hang")
    async with opened(demo) as driver:
        await driver.ready()
        await start(driver)
        driver.screen.engine.kill("was ended for a test")
        await driver.shows("was ended for a test")
        await driver.ranked()
        assert jobs(driver)[0].state == "running"


async def test_names_are_asked_for_again_once_a_job_has_ended(demo: Home, jobs_that: JobsThat) -> None:
    jobs_that("")
    async with opened(demo) as driver:
        await driver.ready()
        desk = driver.screen.desk
        desk.found("cohorts", "")
        await until(lambda: desk.found("cohorts", ""))
        asked = listen(driver)
        assert desk.found("cohorts", "")
        assert asked == []
        await start(driver)
        await driver.shows("Job 1 done")
        desk.found("cohorts", "")
        assert [params["kind"] for method, params in asked if method == "find"] == ["cohorts"]
