"""Stories of cohorts, dose curves and several users on the bench."""

import os
import signal
from collections.abc import Callable

import pytest

from engine.home import Home
from engine.session import Session
from tests.workbench.driving import Driver, listen, opened, until
from tests.workbench.fake_run import DEAD

EngineThat = Callable[[str], None]
WIDE = (160, 45)


async def measured(driver: Driver) -> None:
    """Wait until the cohort or curve that is shown has figures or a reason why not."""

    def whole() -> bool:
        view = driver.screen.view
        shown = view.cohort if view.side == "cohort" else view.curve
        return shown is not None and bool(shown.facts or shown.fault)

    await until(whole)
    await driver.settled()


async def cohort_of(driver: Driver, where: str) -> None:
    await driver.press("C", "ctrl+u")
    await driver.type(where)
    await measured(driver)


@pytest.mark.parametrize("where", ["young", "age < 25 AND gender = 'F'", ""])
async def test_a_cohort_is_named_told_in_sql_or_everyone(demo: Home, where: str) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        asked = listen(driver)
        await driver.press("plus")
        await cohort_of(driver, where)
        assert [params["where"] for method, params in asked if method == "cohort"] == [where]
        assert driver.screen.pane("bench").display
        assert "40 users" in "\n".join(driver.pane("bench"))
        told = where or "true"
        assert driver.screen.command == f'monoscope steer demo-mf --neuron 0 --users "{told}" --add 0.5'


async def test_what_a_cohort_told_is_kept_once_for_a_replay_and_is_nothing_to_undo(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await cohort_of(driver, "young")
        assert not Session.read(demo, "demo-mf").edits  # without an edit there is nothing to keep
        await driver.press("plus")
        await measured(driver)
        kept = {"cohort": "young", "k": 30, "serve": "change", "users": 40, "figures": {"rbo": 0.9}}
        assert Session.read(demo, "demo-mf").measured == kept
        await cohort_of(driver, "")
        assert Session.read(demo, "demo-mf").measured == kept
        await driver.press("u")
        assert not driver.screen.view.edits


async def test_figures_are_renewed_when_an_edit_changes_and_asked_for_once(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await driver.press("plus")
        await cohort_of(driver, "young")
        asked = listen(driver)
        before = driver.screen.view.cohort
        await driver.press("plus", "j", "plus")
        await measured(driver)
        assert [len(params["edits"]) for method, params in asked if method == "cohort"] == [1, 2]
        after = driver.screen.view.cohort
        assert before is not None
        assert after is not None
        assert (before.where, after.where) == ("young", "young")
        assert after.facts is not None
        assert after.facts["collateral"]["rbo"] == 0.8


async def test_the_same_cohort_can_be_asked_for_again(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        for _ in range(2):
            await cohort_of(driver, "young")
            await driver.press("w")
        assert driver.screen.view.side == "list"


async def test_figures_of_edits_that_changed_meanwhile_are_dropped(demo: Home, engine_that: EngineThat) -> None:
    engine_that("slow-cohort")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus", "C")
        await driver.type("young")
        await driver.press("u", "plus", "0")
        await measured(driver)
        cohort = driver.screen.view.cohort
        assert cohort is not None
        assert cohort.facts is not None
        assert cohort.facts["collateral"]["rbo"] == 0.9


async def test_a_condition_that_makes_no_sense_is_a_sentence(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await cohort_of(driver, "nonsense > 3")
        assert 'Referenced column "nonsense"' in " ".join(row.strip("│ ") for row in driver.pane("bench"))
        await driver.press("C")
        assert "nonsense > 3" in driver.text
        await driver.press("escape")
        await cohort_of(driver, "young")
        assert "Referenced" not in driver.text


async def test_tab_completes_cohorts_and_columns(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("C", *"yo")
        await driver.shows("young")
        await driver.press("tab")
        await driver.press("enter")
        assert driver.screen.view.cohort is not None
        assert driver.screen.view.cohort.where == "young"
        await driver.press("C", "ctrl+u", *"ag")
        await driver.shows("INTEGER")
        await driver.press("tab", *" < 25", "enter")
        assert driver.screen.view.cohort.where == "age < 25"


async def test_c_by_command_takes_all_too(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        for line in ("cohort all", "cohort"):
            await driver.press("colon")
            await driver.type(line)
            await measured(driver)
            assert driver.screen.view.cohort is not None
            assert driver.screen.view.cohort.where == ""


async def test_v_shows_the_dose_curve_and_w_the_list_again(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("j", "v")
        await measured(driver)
        assert driver.screen.view.side == "curve"
        assert driver.screen.command == "monoscope dose demo-mf --neuron 1 --users \"user_id = '1'\""
        await driver.press("w")
        assert driver.screen.view.side == "list"
        await driver.press("v")
        await measured(driver)
        await driver.press("v")
        assert driver.screen.view.side == "list"


async def test_a_curve_follows_the_user_and_the_edits(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("v")
        await measured(driver)
        asked = listen(driver)
        await driver.press("n")
        await until(lambda: driver.screen.view.user == "2")
        await measured(driver)
        await driver.press("j", "plus")
        await measured(driver)
        curves = [(params["user"], params["neuron"], len(params["edits"])) for name, params in asked if name == "curve"]
        assert curves == [("2", 0, 0), ("2", 0, 1)]
        assert driver.screen.command.endswith("--session demo-mf")


async def test_a_curve_of_the_next_neuron_replaces_the_first(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("v")
        await measured(driver)
        await driver.press("j", "v")
        await measured(driver)
        assert driver.screen.view.curve is not None
        assert driver.screen.view.curve.neuron == 1
        for _ in range(2):
            await driver.press("colon")
            await driver.type("curve 3")
            await measured(driver)
            assert (driver.screen.view.side, driver.screen.view.curve.neuron) == ("curve", 3)


@pytest.mark.parametrize("words", ["refuse-curve refuse-cohort"])
async def test_refusals_of_the_bench_are_sentences(demo: Home, engine_that: EngineThat, words: str) -> None:
    engine_that(words)
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("v")
        await driver.shows("The made-up engine refuses curve.")
        await driver.press("C", "enter")
        await driver.shows("The made-up engine refuses cohort.")


async def test_without_lists_cohort_and_curve_say_what_is_missing(demo: Home, engine_that: EngineThat) -> None:
    engine_that("no-lists")
    async with opened(demo) as driver:
        await until(lambda: driver.screen.view.lists is not None and "No catalogue" in driver.screen.view.lists)
        await driver.press("v")
        assert "No catalogue of demo here" in driver.screen.status.message
        await driver.press("C", "enter")
        assert driver.screen.view.cohort is None


async def test_an_engine_that_is_killed_over_a_cohort_measures_it_again(demo: Home, engine_that: EngineThat) -> None:
    engine_that("hang-on-cohort")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus", "C", "enter")
        engine_that("")
        pid = driver.screen.engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await measured(driver)
        assert driver.screen.view.cohort is not None
        assert driver.screen.view.cohort.facts is not None


async def test_a_cohort_that_ends_the_engine_is_given_up_and_browsing_goes_on(
    demo: Home, engine_that: EngineThat
) -> None:
    engine_that("die-on-cohort")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("C", "enter")
        await driver.shows("times within a minute")
        engine_that("")
        await driver.press("j", "w", "plus")
        await driver.ranked()
        assert driver.screen.view.current == 1


async def test_ctrl_c_gives_a_cohort_up_and_the_next_edit_measures_it(demo: Home, engine_that: EngineThat) -> None:
    engine_that("hang-on-cohort")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("C", "enter", "ctrl+c")
        await driver.shows("It was cancelled; ask for it again.")
        asked = listen(driver)
        await driver.press("plus")
        assert "cohort" in [method for method, _ in asked]


async def test_the_title_of_the_bench_says_what_it_shows(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await driver.press("v")
        assert "[curve]" in driver.pane("bench")[0]
        await driver.press("C", "enter")
        assert "[cohort]" in driver.pane("bench")[0]
        await driver.press("w")
        assert "[list]" in driver.pane("bench")[0]


async def test_a_dead_neuron_has_no_curve_but_a_sentence(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        driver.screen.table.choose(DEAD)
        driver.screen.desk.choose(DEAD)
        await driver.press("v")
        assert f"Neuron {DEAD} never fires for a user" in driver.screen.status.message
        assert driver.screen.view.side == "list"
