"""Stories of the list of runs."""

from engine.home import Home
from tests.workbench.driving import opened
from tests.workbench.fake_run import make_run
from workbench.screens.run import RunScreen


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
