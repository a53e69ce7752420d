"""Stories of going on: steps that add up, panes that begin at their top, and words on what has come."""

from engine.home import Home
from tests.workbench.driving import opened, until


async def test_steps_to_other_users_add_up_however_fast_they_come(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("n", "n", "n")
        await driver.ranked()
        assert driver.screen.view.user == "4"
        await driver.press("N", "N")
        await driver.ranked()
        assert driver.screen.view.user == "2"


async def test_another_neuron_is_inspected_from_its_top(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("j", "enter", "J", "J")
        pane = driver.screen.pane("inspector")
        assert pane.scroll_offset.y > 0
        await driver.press("1", "j")
        await driver.settled()
        assert pane.scroll_offset.y == 0


async def test_a_label_that_came_is_told(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("l")
        await driver.shows("Neuron 0: Label of 0.")
        await until(lambda: 0 in driver.screen.view.labels)


async def test_lists_beside_each_other_come_up_where_there_is_room_for_no_more(demo: Home) -> None:
    async with opened(demo, size=(140, 40)) as driver:
        await driver.ready()
        await driver.press("i", "P", "n")
        await driver.ranked()
        await driver.settled()
        assert driver.screen.pane("bench").display
        assert not driver.screen.pane("inspector").display
        await driver.press("2")
        await driver.settled()
        assert driver.screen.pane("inspector").display
