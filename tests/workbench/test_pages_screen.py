"""Stories of looking at an item, a user or a concept in place of a neuron."""

import os
import signal
from collections.abc import Callable

import pytest

from engine.home import Home
from tests.workbench.driving import Driver, listen, opened, until
from workbench.view import Page

EngineThat = Callable[[str], None]


def open_page(driver: Driver) -> Page | None:
    return driver.screen.view.page


async def known(driver: Driver) -> Page:
    """The page that is open, when the engine has told it or refused."""
    await until(lambda: (page := open_page(driver)) is not None and (page.facts or page.fault))
    await driver.settled()
    page = open_page(driver)
    assert page is not None
    return page


@pytest.mark.parametrize(
    ("name", "kind", "shows", "command"),
    [
        ("Film 3", "item", "120 training interactions, number 7 of 50.", "monoscope item demo-mf 3"),
        ("item 3", "item", "120 training interactions, number 7 of 50.", "monoscope item demo-mf 3"),
        ("anna", "user", "53 items in training", "monoscope user demo-mf anna"),
        ("horror", "concept", "12 of the ranked items", "monoscope concept demo-mf Horror"),
        ("Drama", "concept", "12 of the ranked items", "monoscope concept demo-mf Drama"),
    ],
)
async def test_o_finds_what_a_name_is_of(demo: Home, name: str, kind: str, shows: str, command: str) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("o")
        await driver.type(name)
        await until(lambda: (page := open_page(driver)) is not None and page.facts is not None)
        page = open_page(driver)
        assert page is not None
        assert page.kind == kind
        await driver.shows(shows)
        assert f"[{kind.capitalize()}]" in driver.pane("inspector")[0]
        assert driver.screen.command == command


@pytest.mark.parametrize(
    ("line", "kind", "name"),
    [("item Film 12", "item", "Film 12"), ("user 17", "user", "17"), ("concept Comedy", "concept", "Comedy")],
)
async def test_a_page_is_opened_by_its_command(demo: Home, line: str, kind: str, name: str) -> None:
    async with opened(demo, size=(160, 45)) as driver:
        await driver.ready()
        await driver.press("colon")
        await driver.type(line)
        page = await known(driver)
        assert (page.kind, page.name, page.fault) == (kind, name, None)


@pytest.mark.parametrize("key", ["q", "escape"])
async def test_q_and_esc_go_back_to_the_neuron(demo: Home, key: str) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("j", "slash", *"o", "enter", "o")
        neuron = driver.screen.view.current
        await driver.type("Film 3")
        await known(driver)
        await driver.press(key)
        assert open_page(driver) is None
        assert driver.app.is_running
        assert driver.screen.view.current == neuron
        assert driver.screen.table.filter == "o"


async def test_moving_to_a_neuron_leaves_the_page(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("o")
        await driver.type("Film 3")
        await known(driver)
        await driver.press("1", "j")
        assert open_page(driver) is None


async def test_the_same_page_can_be_opened_again(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        for _ in range(2):
            await driver.press("o")
            await driver.type("Film 3")
            assert (await known(driver)).fault is None
            await driver.press("q")


async def test_a_name_that_is_nowhere_is_a_sentence(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("o")
        await driver.type("Nobody's business")
        await driver.shows("There is no")
        assert open_page(driver) is not None
        await driver.press("colon")
        await driver.type("user nobody")
        await driver.shows("There is no user 'nobody' in this run.")
        await driver.press("q")
        await driver.press("o", "enter")
        assert open_page(driver) is None


@pytest.mark.parametrize(
    ("typed", "kind", "name"),
    [
        ("horror", "concept", "Horror"),
        ("user 5", "user", "5"),
        ("anna", "user", "anna"),
        ("Item Film 4", "item", "Film 4"),
    ],
)
async def test_a_name_opens_what_is_called_so(demo: Home, typed: str, kind: str, name: str) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("o")
        await driver.type(typed)
        page = await known(driver)
        await until(lambda: (told := open_page(driver)) is not None and told.kind == kind and told.facts is not None)
        page = await known(driver)
        assert (page.kind, page.name) == (kind, name)


async def test_a_name_of_several_things_is_told_with_how_to_say_which(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("o")
        await driver.type("Film")
        await until(lambda: (page := open_page(driver)) is not None and page.fault is not None)
        page = open_page(driver)
        assert page is not None
        assert str(page.fault).startswith("'Film' may be 20 or more films (Film 1 (1), Film 2 (2), Film 3 (3), …)")


async def test_an_answer_that_comes_after_the_page_was_left_is_dropped(demo: Home, engine_that: EngineThat) -> None:
    engine_that("slow-page")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("o")
        await driver.type("Film 3")
        await driver.press("q")
        await driver.press("colon")
        await driver.type("item Film 4")
        page = await known(driver)
        assert page.name == "Film 4"
        assert page.facts is not None
        assert page.facts["title"] == "Film 4"


async def test_tab_completes_names_that_the_engine_finds(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("o", *"Film 4")
        await driver.shows("Film 4  Film 40  Film 41")
        await driver.press("tab", "tab")
        assert "open (a name, or user 5): Film 40" in driver.text
        await driver.press("enter")
        assert (await known(driver)).name == "Film 40"
        await driver.press("q", "o", *"Com")
        await driver.shows("Comedy")
        await driver.press("tab", "enter")
        assert ((await known(driver)).kind, open_page(driver).name) == ("concept", "Comedy")  # type: ignore[union-attr]


async def test_tab_completes_in_commands_too(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("colon", *"user ann")
        await driver.shows("anna")
        await driver.press("tab", "enter")
        assert (await known(driver)).name == "anna"
        await driver.press("q", "p", *"1")
        await driver.shows("1  10  11")
        await driver.press("tab", "tab", "enter")
        await until(lambda: driver.screen.view.user == "10")


async def test_the_engine_is_asked_once_for_a_text_that_is_typed(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        asked = listen(driver)
        await driver.press("p", *"12", "backspace", "2", "backspace", "escape", "p", "1", "escape")
        texts = [(params["kind"], params["text"]) for method, params in asked if method == "find"]
        assert sorted(texts) == sorted(set(texts))


async def test_an_engine_that_is_killed_with_a_page_open_tells_it_again(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("o")
        await driver.type("Film 3")
        await known(driver)
        pid = driver.screen.engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await driver.shows("it was started again, nothing is lost.")
        await driver.ranked()
        assert "120 training interactions" in driver.text
        await driver.press("colon")
        await driver.type("item Film 4")
        assert (await known(driver)).facts is not None


async def test_a_page_that_ends_the_engine_is_given_up(demo: Home, engine_that: EngineThat) -> None:
    engine_that("die-on-page")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("o")
        await driver.type("Film 3")
        page = await known(driver)
        assert page.fault is not None
        assert "times within a minute" in page.fault
        await driver.press("q", "j")
        assert driver.screen.view.current == 1
        engine_that("")
        await driver.press("o")
        await driver.type("Film 3")
        await until(lambda: (page := open_page(driver)) is not None and page.facts is not None)


async def test_ctrl_c_gives_a_page_up(demo: Home, engine_that: EngineThat) -> None:
    engine_that("hang-on-page")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("o")
        await driver.type("Film 3")
        await driver.press("j", "k", "o")
        await driver.type("Film 3")
        await driver.press("ctrl+c")
        assert (await known(driver)).fault == "It was cancelled; ask for it again."


async def test_a_page_without_the_data_set_can_be_asked_for(demo: Home, engine_that: EngineThat) -> None:
    engine_that("no-lists")
    async with opened(demo) as driver:
        await until(lambda: driver.screen.view.lists is not None and "No catalogue" in driver.screen.view.lists)
        await driver.press("o")
        await driver.type("Film 3")
        assert (await known(driver)).facts is not None
