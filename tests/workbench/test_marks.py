"""Stories of neurons that are marked, compared, labelled together and decided on; of remarks and bookmarks."""

from collections.abc import Callable

import pytest

from engine.home import Home
from engine.session import Session
from tests.workbench.driving import Driver, listen, opened, until
from tests.workbench.fake_run import DEAD

EngineThat = Callable[[str], None]
WIDE = (160, 45)


def inspector(driver: Driver) -> str:
    return " ".join(" ".join(row.strip("│ ") for row in driver.pane("inspector")).split())


async def labelled(driver: Driver, *neurons: int) -> None:
    await until(lambda: not driver.screen.view.asked and all(j in driver.screen.view.labels for j in neurons))
    await driver.settled()


async def test_space_marks_and_goes_on_and_esc_takes_all_marks_away(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("space")
        assert driver.screen.status.message == "Neuron 0 is marked; esc clears."
        await driver.press("space")
        assert "Neuron 1 is marked, as 2 are: c compares them" in driver.screen.status.message
        assert driver.screen.view.marks == {0, 1}
        assert driver.screen.view.current == 2
        assert [row[1] for row in driver.pane("neurons")[1:4]] == ["*", "*", " "]
        await driver.press("k", "space")
        assert driver.screen.view.marks == {0}
        await driver.press("escape")
        assert driver.screen.view.marks == frozenset()


async def test_c_compares_the_marked_and_says_how_to_mark(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("c")
        assert "Mark two to four neurons with space" in driver.screen.status.message
        await driver.press("space", "j", "space", "c")
        assert driver.screen.view.tab == "compare"
        assert "0 Comedy" in inspector(driver)
        assert "2 Children" in inspector(driver)
        assert "base rate" in inspector(driver)
        await driver.press("escape")
        assert "space marks neurons" in inspector(driver)


async def test_the_engine_tells_of_each_compared_neuron_once(demo: Home, engine_that: EngineThat) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        asked = listen(driver)
        await driver.press("space", "j", "space", "j", "c")
        await until(lambda: {0, 2} <= driver.screen.view.facts.keys() and driver.screen.view.pairs)
        await driver.settled()
        assert "measuring" not in inspector(driver)
        assert [(method, params) for method, params in asked if method in ("neuron", "pairs")] == [
            ("neuron", {"neuron": 0}),
            ("pairs", {"neurons": [0, 2]}),
            ("neuron", {"neuron": 2}),
        ]
    engine_that("refuse-pairs refuse-neuron")
    async with opened(demo) as driver:
        await driver.ready()
        asked = listen(driver)
        await driver.press("space", "j", "space", "c")
        await until(lambda: {0, 2} <= driver.screen.view.facts.keys() and driver.screen.view.pairs)
        await driver.settled()
        assert "refuses neuron" in inspector(driver)
        assert len([method for method, _ in asked if method == "pairs"]) == 1


async def test_marks_are_found_by_the_filter(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("space", "j", "space", "slash")
        await driver.type("marked")
        assert list(driver.screen.table.order) == [0, 2]
        await driver.press("escape", "escape")
        assert len(driver.screen.table.order) == 12
        assert driver.screen.view.marks == frozenset()


async def test_l_labels_all_that_are_marked_at_once(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("space", "space", "space", "l")
        await labelled(driver, 0, 1, 2)
        assert {j: label.text for j, label in driver.screen.view.labels.items()} == {
            j: f"Label of {j}" for j in (0, 1, 2)
        }
        assert driver.screen.view.marks == {0, 1, 2}


async def test_dead_neurons_among_the_marked_are_left_out(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("space", "G", "space", "l")
        await labelled(driver, 0)
        assert set(driver.screen.view.labels) == {0}
        await driver.press("escape", "G", "l")
        assert f"Neuron {DEAD} is dead" in driver.screen.status.message


async def test_labels_of_many_are_cancelled_together(demo: Home, engine_that: EngineThat) -> None:
    engine_that("slow-label")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("space", "space", "l", "ctrl+c")
        assert "Cancelled the label of 2 neurons." in driver.screen.status.message
        assert driver.screen.view.asked == {}


async def test_a_and_x_decide_and_u_takes_it_back(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("a")
        assert "There is no label to decide on" in driver.screen.status.message
        await driver.press("l")
        await labelled(driver, 0)
        await driver.press("a")
        assert driver.screen.view.labels[0].state == "human"
        assert Session.read(demo, "demo-mf").labels[0].text == "Label of 0"
        await driver.press("u")
        assert driver.screen.view.labels[0].state == "llm"
        await driver.press("x")
        assert driver.screen.view.labels[0].state == "rejected"
        assert driver.screen.view.letter(0) == "x"
        await driver.press("u", "U")
        assert driver.screen.view.labels[0].state == "rejected"


async def test_all_marked_are_decided_on(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("space", "space", "space", "l")
        await labelled(driver, 0, 1, 2)
        await driver.press("x")
        assert {label.state for label in driver.screen.view.labels.values()} == {"rejected"}


@pytest.mark.parametrize("size", [(80, 24), WIDE])
async def test_a_remark_on_a_neuron_is_in_its_notes_tab(demo: Home, size: tuple[int, int]) -> None:
    async with opened(demo, size=size) as driver:
        await driver.ready()
        await driver.press("m")
        await driver.type("Fires on [/x] sequels ")
        assert "Kept on neuron 0" in driver.screen.status.message
        await driver.press("colon")
        await driver.type("tab notes")
        assert "About neuron 0" in inspector(driver)
        assert "Fires on [/x] sequels" in inspector(driver)
        await driver.press("j")
        assert "Other notes (1)" in inspector(driver)
        assert "neuron 0" in inspector(driver)
        await driver.press("m", "escape", "m", "enter")
        assert len(driver.screen.view.notes) == 1
        await driver.press("u")
        assert driver.screen.view.notes == ()


async def test_remarks_and_bookmarks_on_a_page_are_about_what_it_shows(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await driver.press("o")
        await driver.type("Film 3")
        await until(lambda: driver.screen.view.page is not None and driver.screen.view.page.facts)
        await driver.press("m")
        await driver.type("Sequel")
        await driver.press("b")
        assert driver.screen.view.notes[0].about == "item 3"
        assert driver.screen.view.bookmarks == (("item", "3"),)
        await driver.press("q", "b")
        assert driver.screen.view.bookmarks == (("item", "3"), ("neuron", "0"))
        assert "Neuron 0 is bookmarked" in driver.screen.status.message
        await driver.press("colon")
        await driver.type("tab notes")
        assert "Bookmarks (2)" in inspector(driver)
        assert "item 3" in inspector(driver)
        await driver.press("b")
        assert "Neuron 0 is no bookmark any more" in driver.screen.status.message
        await driver.press("u")
        assert len(driver.screen.view.bookmarks) == 2


async def test_a_read_only_session_keeps_nothing_and_says_so(demo: Home) -> None:
    with Session.open(demo, "demo-mf", "demo-mf") as first:
        first.append("label", neuron=0, text="Laughs", state="llm", concept=None, model="m", note=None)
        async with opened(demo) as driver:
            await driver.ready()
            for keys in (["a"], ["x"], ["b"], ["P"], ["m", *"Odd", "enter"], ["l"], ["L", *"!", "enter"], ["i"], ["u"]):
                driver.screen.status.say("")
                await driver.press(*keys)
                assert "This session is read-only here" in driver.screen.status.message, keys
            await driver.press("space", "space", "c")
            assert driver.screen.view.tab == "compare"
        assert len(first.records) == 1 or len(first.state.labels) == 1
    assert Session.read(demo, "demo-mf").notes == ()
