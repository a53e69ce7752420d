"""Stories of stepping through the users of a cohort or a condition, and of completing a column's values."""

import pytest

from engine.home import Home
from tests.workbench.driving import Driver, listen, opened, until


async def watch(driver: Driver, text: str) -> None:
    await driver.press("p", "ctrl+u")
    await driver.type(text)


@pytest.mark.parametrize("text", ["young", "age < 25"])
async def test_p_steps_through_those_whom_a_condition_or_a_cohort_has(demo: Home, text: str) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await watch(driver, text)
        await until(lambda: driver.screen.view.user == "3")
        await driver.press("3")
        await driver.shows(f"1 of 13 where {text}")
        await driver.press("n")
        await until(lambda: driver.screen.view.user == "6")
        await driver.shows(f"2 of 13 where {text}")
        await driver.press("N")
        await until(lambda: driver.screen.view.user == "3")
        await driver.press("N")
        await until(lambda: driver.screen.view.user == "39")
        await driver.shows(f"13 of 13 where {text}")


@pytest.mark.parametrize("back", ["escape", "empty", "user"])
async def test_esc_an_empty_p_or_a_user_goes_back_to_all(demo: Home, back: str) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await watch(driver, "young")
        await until(lambda: driver.screen.view.user == "3")
        if back == "escape":
            await driver.press("escape")
        else:
            await watch(driver, "" if back == "empty" else "3")
        await until(lambda: driver.screen.view.among is None)
        if back != "user":
            assert "step through all users again" in driver.screen.status.message
        await driver.press("n")
        await until(lambda: driver.screen.view.user == "4")
        await driver.press("3")
        assert "13 where" not in driver.text


async def test_an_undone_step_leaves_the_condition_without_a_place(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("3")
        await watch(driver, "young")
        await driver.shows("1 of 13 where young")
        await driver.press("u")
        await until(lambda: driver.screen.view.user == "1")
        assert "1 of 13" not in driver.text
        assert "13 where young" in driver.text
        await driver.press("n")
        await until(lambda: driver.screen.view.user == "3")


async def test_what_is_neither_a_user_nor_a_condition_is_one_sentence_and_changes_nothing(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await watch(driver, "4711")
        await until(lambda: driver.screen.status.message)
        assert driver.screen.status.message == (
            "There is no user '4711'; this run has 40 users, 1 to 40, and no cohort of that name."
        )
        await watch(driver, "age ! 25")
        await until(lambda: "makes no sense" in driver.screen.status.message)
        assert driver.screen.view.user == "1"
        assert driver.screen.view.among is None


async def test_values_of_a_column_complete_with_one_question(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        asked = listen(driver)
        await driver.press("C", *"age = ")
        await driver.shows("25  35")
        await driver.press("3", "tab")
        assert driver.screen.status._text == "age = 35"
        found = [params for method, params in asked if method == "find" and params["kind"] == "user_values"]
        assert found == [{"kind": "user_values", "column": "age", "text": "", "limit": 20}]
