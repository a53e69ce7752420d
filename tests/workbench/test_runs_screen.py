"""Stories of the list of runs."""

import time
from collections.abc import Callable

import pytest

from engine.home import Home
from tests.workbench.driving import opened, until
from tests.workbench.fake_run import make_run
from workbench.screens.run import RunScreen
from workbench.screens.runs import RunsScreen

JobsThat = Callable[[str], None]


async def test_without_runs_there_is_a_welcome_that_says_how_to_make_one(home: Home) -> None:
    async with opened(home, run=None) as driver:
        assert "There are no runs here yet." in driver.text
        assert "$ monoscope demo" in driver.text
        await driver.press("enter", "j", "G")
        assert driver.app.is_running
        await driver.press("q")
    assert driver.app.return_code == 0


async def test_a_run_is_opened_left_and_opened_again(home: Home) -> None:
    make_run(home.root, "first-run", created="2026-01-01T00:00:00")
    make_run(home.root, "second-run", created="2026-02-01T00:00:00", notice=None)
    async with opened(home, run=None) as driver:
        rows = driver.rows
        assert rows[2].startswith("▸ second-run")
        assert "0.83" in rows[2]
        assert "2026-02-01" in rows[2]
        assert "simulated audience" in rows[3]
        assert "simulated audience" not in rows[2]
        await driver.press("j", "enter")
        await driver.ready()
        assert driver.screen.view.card.name == "first-run"
        pid = driver.screen.engine.pid
        await driver.press("q")
        assert not isinstance(driver.app.screen, RunScreen)
        await driver.press("enter")
        await driver.ready()
        assert driver.screen.engine.pid not in (None, pid)


NAMES = ("lastfm-2k-mf-2000", "ml-1m-mf-best-1", "ml-1m-mf-paper-seed-0", "demo", "a" * 40)


@pytest.mark.parametrize("size", [(80, 24), (60, 24), (160, 45)])
async def test_names_are_whole_and_other_columns_make_way(home: Home, size: tuple[int, int]) -> None:
    for name in NAMES:
        make_run(home.root, name)
    async with opened(home, run=None, size=size) as driver:
        list_of = "\n".join(driver.rows[1:8])
        assert [name for name in NAMES if name not in list_of] == ([] if size[0] >= 80 else [NAMES[-1]])
        assert list_of.count("0.83") == len(NAMES)
        assert size[0] < 80 or list_of.count("simulated audience") == len(NAMES)
        assert ("made" in list_of, "model" in list_of) == (size[0] == 160, size[0] == 160)


async def test_a_folder_whose_name_cannot_be_a_run_s_is_listed_and_says_so(home: Home) -> None:
    make_run(home.root, "with blanks in it")
    async with opened(home, run=None) as driver:
        assert "with blanks in it" in driver.text
        assert "cannot name a run" in driver.text


async def test_a_damaged_run_is_listed_and_says_why_it_does_not_open(home: Home) -> None:
    (make_run(home.root, "broken") / "manifest.json").write_text("{")
    async with opened(home, run=None) as driver:
        assert "broken" in driver.text
        await driver.press("enter")
        assert not isinstance(driver.app.screen, RunScreen)
        await driver.shows("its manifest is damaged")


async def test_ctrl_c_twice_leaves_the_list(home: Home) -> None:
    async with opened(home, run=None) as driver:
        await driver.press("ctrl+c")
        assert driver.app.is_running
        await driver.press("ctrl+c")
    assert driver.app.return_code == 0


async def test_d_on_the_empty_list_makes_the_demo_and_opens_it(home: Home, jobs_that: JobsThat) -> None:
    jobs_that("")
    async with opened(home, run=None, size=(80, 30)) as driver:
        assert "d makes the demo's here and opens it" in " ".join(driver.text.split())
        await driver.press("d", "d")
        screen = driver.app.screen
        assert isinstance(screen, RunsScreen)
        assert [job.command for job in screen.runner.jobs] == ["monoscope demo --no-tui"]
        await driver.ready()
        assert driver.screen.view.card.name == "demo"
        await driver.press("q")
        assert "There are no runs here yet." not in driver.text
        assert any(row.startswith("▸ demo") for row in driver.rows)
        await driver.press("d")
        await driver.ready()
        assert len(screen.runner.jobs) == 1


async def test_the_demos_progress_is_on_the_screen_and_ctrl_c_ends_it(home: Home, jobs_that: JobsThat) -> None:
    jobs_that("hang")
    async with opened(home, run=None) as driver:
        await driver.press("d")
        await driver.shows("step 3")
        assert "75%" in driver.text
        await driver.press("j", "ctrl+c")
        await driver.shows("cancelled")
        await driver.press("d")
        await until(lambda: driver.text.count("demo --no-tui") >= 2)
        begun = time.monotonic()
        await driver.press("q")
        assert driver.app.is_running
        await driver.press("q")
    assert time.monotonic() - begun < 3.0
    assert driver.app.return_code == 0


async def test_a_demo_that_fails_says_why_and_opens_nothing(home: Home, jobs_that: JobsThat) -> None:
    jobs_that("fail")
    async with opened(home, run=None) as driver:
        await driver.press("d")
        await driver.shows("demo --no-tui: There is no such thing.")
        assert isinstance(driver.app.screen, RunsScreen)
        await driver.press("enter")
        assert driver.app.is_running


async def test_commands_run_from_the_list_and_new_runs_appear_in_it(home: Home, jobs_that: JobsThat) -> None:
    jobs_that("")
    make_run(home.root, "first-run")
    async with opened(home, run=None) as driver:
        await driver.press("colon", *"train demo --seed 3")
        assert "every other key is typed" in driver.rows[-1]
        await driver.press("enter")
        await driver.shows("All of it is made.")
        make_run(home.root, "newer-run", created="2030-01-01T00:00:00")
        await driver.press("colon")
        await driver.type("runs")
        await until(lambda: "newer-run" in driver.text)
        assert any(row.startswith("▸ first-run") for row in driver.rows)
        await driver.press("colon")
        await driver.type("sort q")
        await driver.shows("sort is for a run that is open")
        await driver.press("colon")
        await driver.type("trian demo")
        await driver.shows("There is no command 'trian'; did you mean train?")
        await driver.press("colon", "escape", "colon")
        await driver.type("quit")
    assert driver.app.return_code == 0
