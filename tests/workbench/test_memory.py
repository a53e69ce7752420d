"""Coming back to a session: where the analyst was, what another terminal did, and who may write."""

import json
from pathlib import Path

import pytest

from engine.home import Home
from engine.session import Session, remove_session, sessions
from tests.workbench.driving import Driver, opened, until
from workbench.place import Place, PlaceError


def file_of(home: Home) -> Path:
    return home.sessions / ".demo-mf.place.json"


def changed(home: Home, **told: object) -> None:
    """Change what the file of the place tells."""
    file = file_of(home)
    file.write_text(json.dumps({**json.loads(file.read_text()), **told}))


async def roam(driver: Driver) -> None:
    """Sort, filter, mark two neurons, go to the tab Moves, a cohort on the bench, the inspector focused."""
    await driver.ready()
    await driver.press("greater_than_sign", "s", "slash", *"!children", "enter")
    await driver.press("j", "space", "space", "right_square_bracket", "C")
    await driver.type("gender = 'F'")
    driver.screen.desk.show_tab("moves")
    await driver.press("j", "2")
    await driver.ranked()


def where(driver: Driver) -> tuple[object, ...]:
    view, table = driver.screen.view, driver.screen.table
    cohort = None if view.cohort is None else view.cohort.where
    return (
        *(view.current, view.marks, view.tab, view.side, cohort, table.filter, table.sort, table.descending),
        *(tuple(table.order), driver.screen.arrangement),
    )


async def test_the_next_sitting_goes_on_where_the_last_one_was(demo: Home) -> None:
    async with opened(demo) as driver:
        await roam(driver)
        left = where(driver)
        driver.app.exit()
    assert left[1], "something is marked"
    assert left[3:5] == ("cohort", "gender = 'F'")
    async with opened(demo) as driver:
        await driver.ready()
        await until(lambda: where(driver) == left)
        await until(lambda: driver.screen.view.cohort is not None and driver.screen.view.cohort.facts is not None)
        assert not driver.screen.view.opening
        await driver.press("u")
        assert driver.screen.status.message == "Nothing to undo."
        assert where(driver) == left, "undo knows nothing of it"
    assert sessions(demo) == [], "and it is no session"


async def test_a_page_is_open_again(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        driver.screen.desk.open_page("item", "3")
        await driver.ranked()
        driver.app.exit()
    async with opened(demo) as driver:
        await driver.ready()
        await until(lambda: driver.screen.view.page is not None and driver.screen.view.page.facts is not None)
        assert driver.screen.view.page is not None
        assert (driver.screen.view.page.kind, driver.screen.view.page.id) == ("item", "3")


async def test_what_does_not_exist_any_more_is_left_out(demo: Home) -> None:
    async with opened(demo) as driver:
        await roam(driver)
        driver.app.exit()
    changed(demo, neuron=99, marks=[2, 99], sort="gone", tab="gone", side="curve", curve=99, pane="gone", shown="gone")
    async with opened(demo) as driver:
        await driver.ready()
        view, table = driver.screen.view, driver.screen.table
        assert (view.current, view.marks, table.sort, view.tab, view.side, view.curve) == (
            *(table.order[0], frozenset({2}), "p20", "items", "list", None),
        )
        assert table.filter == "!children"


async def test_numbers_of_another_training_are_not_taken_up(demo: Home) -> None:
    async with opened(demo) as driver:
        await roam(driver)
        driver.app.exit()
    changed(demo, content="another")
    async with opened(demo) as driver:
        await driver.ready()
        assert (driver.screen.table.filter, driver.screen.view.marks) == ("", frozenset())


DAMAGED = ("", "{", "[]", '{"neuron": "4"}', '{"marks": [1.5]}', '{"zoomed": 1}', '{"page": "item"}', "[" * 100_000)


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
async def test_a_damaged_place_is_a_sentence_and_is_written_anew(demo: Home, text: str) -> None:
    file_of(demo).parent.mkdir(parents=True, exist_ok=True)
    file_of(demo).write_text(text)
    with pytest.raises(PlaceError):
        Place.read(file_of(demo))
    async with opened(demo) as driver:
        await driver.ready()
        await driver.shows("damaged")
        await driver.press("j")
        driver.app.exit()
    place = Place.read(file_of(demo))
    assert place is not None
    assert place.neuron == 1


def test_what_a_later_version_tells_besides_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "place.json"
    file.write_text('{"neuron": 4, "new": [1]}')
    assert Place.read(file) == Place(neuron=4)
    Place(neuron=5, marks=(1, 2), page=("item", "é")).write(file)
    assert Place.read(file) == Place(neuron=5, marks=(1, 2), page=("item", "é"))


async def test_looking_alone_keeps_nothing_and_moving_keeps_it_at_a_quiet_moment(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        driver.screen.memory.look()
        driver.screen.memory.look()
        assert not file_of(demo).exists()
        await driver.press("j")
        driver.screen.memory.look()
        await driver.press("j")
        driver.screen.memory.look()
        assert not file_of(demo).exists(), "it is not quiet yet"
        driver.screen.memory.look()
        assert json.loads(file_of(demo).read_text())["neuron"] == 2


async def test_a_place_that_cannot_be_written_is_a_sentence(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        file_of(demo).mkdir(parents=True)
        await driver.press("j")
        driver.screen.memory.keep()
        assert "Cannot write" in driver.screen.status.message


async def test_the_other_terminal_shows_what_the_first_does_and_keeps_no_place(demo: Home) -> None:
    with Session.open(demo, "demo-mf", "demo-mf") as first:
        async with opened(demo) as driver:
            await driver.ready()
            assert driver.screen.view.read_only
            await driver.press("j")
            driver.screen.memory.keep()
            assert not file_of(demo).exists(), "only who may write the session keeps the place"
            first.append("edit", edit={"neuron": 3, "operation": "add", "amount": 1.0})
            first.append("label", neuron=3, text="Slashers", state="human")
            first.append("watch", user="7")
            driver.screen.desk.follow()
            view = driver.screen.view
            assert [edit["neuron"] for edit in view.edits] == [3]
            assert (view.user, view.name(3)) == ("7", "Slashers")
            driver.screen.desk._watch("9")
            first.append("note", text="more", about=None)
            driver.screen.desk.follow()
            assert driver.screen.view.user == "9", "who is watched here stays until the other goes to another user"
            assert "gone" not in driver.screen.status.message
            await driver.press("plus")
            assert len(driver.screen.view.edits) == 1, "it is still the other's to write"
            assert "read-only" in driver.screen.status.message


async def test_when_the_first_has_gone_the_next_change_takes_the_session_over(demo: Home) -> None:
    first = Session.open(demo, "demo-mf", "demo-mf")
    async with opened(demo) as driver:
        await driver.ready()
        driver.screen.desk.follow()
        assert "let this session go" not in driver.screen.status.message
        first.append("edit", edit={"neuron": 3, "operation": "add", "amount": 1.0})
        first.close()
        driver.screen.desk.follow()
        driver.screen.desk.follow()
        assert "let this session go" in driver.screen.status.message
        await driver.press("plus")
        assert [edit["neuron"] for edit in driver.screen.view.edits] == [3, 0]
        assert not driver.screen.view.read_only
        assert Session.read(demo, "demo-mf").edits == driver.screen.view.edits
    with Session.open(demo, "demo-mf", "demo-mf") as third:
        assert not third.read_only


async def test_a_journal_that_another_damages_is_told_once(demo: Home) -> None:
    with Session.open(demo, "demo-mf", "demo-mf") as first:
        first.append("watch", user="3")
        async with opened(demo) as driver:
            await driver.ready()
            with open(demo.session("demo-mf"), "a") as journal:
                journal.write("nonsense\n{}\n")
            driver.screen.desk.follow()
            assert "line 3" in driver.screen.status.message
            driver.screen.status.say("")
            driver.screen.desk.follow()
            assert driver.screen.status.message == ""
            assert driver.screen.view.user == "3"


def test_a_removed_session_takes_its_place_along(demo: Home) -> None:
    with Session.open(demo, "demo-mf", "demo-mf") as session:
        session.append("watch", user="3")
        Place(neuron=4).write(session.place)
    remove_session(demo, "demo-mf")
    assert not file_of(demo).exists()
