"""Stories of the inspector's tabs, of the opening's sentences and of the help page."""

from collections.abc import Callable

import pytest

from engine.home import Home
from engine.session import Session
from tests.workbench.driving import Driver, listen, opened, until
from tests.workbench.fake_run import DEAD
from workbench.column_help import column_help
from workbench.columns import BY_ID
from workbench.screens.help import TAB_HELP
from workbench.view import TABS

EngineThat = Callable[[str], None]
WIDE = (160, 45)


async def to_tab(driver: Driver, name: str) -> None:
    while driver.screen.view.tab != name:
        await driver.press("right_square_bracket")


async def told(driver: Driver) -> None:
    """Wait until the engine has told what the tab shows."""
    await until(lambda: driver.screen.view.current in driver.screen.view.facts)
    await driver.settled()


async def test_brackets_walk_through_all_tabs_and_around(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        seen = []
        for _ in TABS:
            seen.append(driver.screen.view.tab)
            await driver.press("right_square_bracket")
        assert seen == list(TABS)
        assert driver.screen.view.tab == "items"
        await driver.press("left_square_bracket")
        assert driver.screen.view.tab == "log"
        assert driver.screen.focused_pane == "neurons"


async def test_tabs_ask_the_engine_once_for_a_neuron_and_show_what_it_tells(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        asked = listen(driver)
        await to_tab(driver, "concepts")
        await told(driver)
        assert "Measuring" not in driver.text
        for name in ("range", "moves", "users", "near"):
            await to_tab(driver, name)
            assert "Measuring" not in driver.text
        await driver.press("j")
        await told(driver)
        await driver.press("k")
        await driver.settled()
        neurons = [params["neuron"] for method, params in asked if method == "neuron"]
        assert neurons == [0, 1]


async def test_files_alone_answer_the_other_tabs(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        asked = listen(driver)
        for name in ("label", "compare", "notes", "jobs", "log", "items"):
            await to_tab(driver, name) if name != "items" else await driver.press("right_square_bracket")
        assert {method for method, params in asked if method == "neuron" and params["neuron"] != 0} == set()
        await to_tab(driver, "label")
        await driver.shows("No label: it goes by its best concept.")


async def test_an_answer_for_a_neuron_that_was_left_changes_nothing_on_the_screen(
    demo: Home, engine_that: EngineThat
) -> None:
    engine_that("slow-neuron")
    async with opened(demo) as driver:
        await driver.ready()
        await to_tab(driver, "near")
        await driver.press("j", "j", "j")
        await driver.shows("Measuring…")
        await told(driver)
        assert set(driver.screen.view.facts) <= {0, 3}
        assert "3 Sci-Fi" in driver.pane("inspector")[1]


async def test_a_refusal_is_a_sentence_in_the_tab_and_asked_again_on_return(
    demo: Home, engine_that: EngineThat
) -> None:
    engine_that("refuse-neuron")
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await to_tab(driver, "users")
        await driver.shows("The made-up engine refuses neuron.")
        asked = listen(driver)
        await driver.press("j")
        await told(driver)
        await driver.press("k")
        await told(driver)
        assert [params["neuron"] for _, params in asked] == [1, 0]


async def test_a_dead_neuron_is_not_measured(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await driver.press("G")
        assert driver.screen.view.current == DEAD
        asked = listen(driver)
        await to_tab(driver, "moves")
        assert asked == []
        assert "Measuring" not in driver.text


async def test_an_engine_that_dies_over_a_tab_is_given_up_and_browsing_goes_on(
    demo: Home, engine_that: EngineThat
) -> None:
    engine_that("die-on-neuron")
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await to_tab(driver, "concepts")
        await driver.shows("times within a minute")
        engine_that("")
        await driver.press("j")
        assert driver.screen.view.current == 1
        await driver.press("right_square_bracket")
        await told(driver)
        assert "Measuring" not in driver.text


async def test_ctrl_c_gives_a_long_measurement_up(demo: Home, engine_that: EngineThat) -> None:
    engine_that("hang-on-neuron")
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        pid = driver.screen.engine.pid
        await to_tab(driver, "concepts")
        await driver.press("ctrl+c")
        await driver.shows("It was cancelled; ask for it again.")
        assert driver.screen.engine.pid == pid


async def test_a_tab_comes_up_where_the_neurons_have_the_whole_screen(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("z", "right_square_bracket")
        assert driver.screen.pane("inspector").display
        assert driver.screen.focused_pane == "inspector"


async def test_the_journal_tab_has_the_newest_action_first(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus", "m")
        await driver.type("Looks odd")
        await to_tab(driver, "log")
        pane = driver.pane("inspector")
        assert "note on neuron 0: Looks odd" in pane[1]
        assert "edit neuron 0 +0.5" in pane[2]


async def test_the_opening_tells_what_the_run_is_until_the_first_move(demo: Home, engine_that: EngineThat) -> None:
    engine_that("opening")
    async with opened(demo, size=WIDE) as driver:
        await driver.shows("It is made up.")
        assert "So is this." in driver.text
        await driver.press("j")
        assert driver.screen.view.opening == ()
        assert "It is made up." not in driver.text
        await driver.press("plus", "u")
        driver.screen.engine.kill("was ended for a test")
        await driver.shows("was ended for a test")
        await driver.ranked()
        assert driver.screen.view.opening == ()


@pytest.mark.parametrize("key", ["k", "s", "right_square_bracket", "space", "enter", "question_mark"])
async def test_no_key_is_lost_on_the_opening(demo: Home, engine_that: EngineThat, key: str) -> None:
    engine_that("opening")
    async with opened(demo) as driver:
        await driver.shows("It is made up.")
        await driver.press(key, *(["q"] if key == "question_mark" else []))
        await driver.press("j", "j", "k")
        assert "It is made up." not in driver.text


async def test_an_opening_that_comes_too_late_does_not_interrupt(demo: Home, engine_that: EngineThat) -> None:
    engine_that("opening slow-measure")
    async with opened(demo) as driver:
        await until(lambda: driver.screen.view.lists is None)
        await driver.press("j")
        await driver.ranked()
        assert driver.screen.view.opening == ()


async def test_no_opening_on_a_session_that_has_edits(demo: Home, engine_that: EngineThat) -> None:
    engine_that("opening")
    with Session.open(demo, "demo-mf", "demo-mf") as session:
        edit = {"side": "users", "neuron": 0, "operation": "off", "amount": None, "unit": "p99"}
        session.append("edit", edit=edit)
    async with opened(demo) as driver:
        await driver.ready()
        assert driver.screen.view.opening == ()


async def test_help_begins_with_the_column_that_sorts_the_neurons(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("question_mark")
        told = column_help(driver.app.screen_stack[0].view, BY_ID["p20"])  # type: ignore[attr-defined]
        await driver.shows("p@20: share of the neuron's 20 strongest items")
        assert " ".join(driver.rows[1].split()) in told[0]
        await driver.press("escape", "greater_than_sign", "question_mark")
        await driver.shows("p@50: share")
        for key, first in (("2", "Items: the neuron's strongest items."), ("3", "Bench: the edits, and below them")):
            await driver.press("q" if key == "3" else "escape", key, "question_mark")
            await driver.shows(first)
            assert driver.rows[1].strip().startswith(first[:20])
        await driver.press("G", "k", "k", "k", "k")
        await driver.shows("share('Horror') > 0.3")


def test_every_tab_has_a_help_of_its_own() -> None:
    assert set(TAB_HELP) | {"jobs"} == set(TABS)


async def test_what_is_to_come_has_its_place_from_the_start(demo: Home, engine_that: EngineThat) -> None:
    engine_that("opening slow-measure")
    async with opened(demo) as driver:
        await until(lambda: driver.screen.view.neurons is not None)
        await driver.shows("Measuring what this run is")
        await driver.shows("It is made up.")
        await driver.press("s")  # what is being read stays
        assert "It is made up." in driver.text


async def test_a_key_before_the_opening_comes_is_the_end_of_it(demo: Home, engine_that: EngineThat) -> None:
    engine_that("opening slow-measure")
    async with opened(demo) as driver:
        await driver.shows("Measuring what this run is")
        await driver.press("s")
        assert "Measuring what this run is" not in driver.text
        await driver.ranked()
        assert driver.screen.view.opening == ()
