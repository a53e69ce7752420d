"""Stories of changing a neuron for one item, one user or everyone: what is looked at says for whom."""

from typing import Any

from engine.home import Home
from engine.session import Session
from tests.workbench.driving import Driver, listen, opened, until
from tests.workbench.fake_run import UNEDITABLE

WIDE = (160, 45)
SOLVED = {"goal": "share(Horror)<=0.02", "amounts": "hash"}


async def page_of(driver: Driver, name: str) -> None:
    await driver.press("o")
    await driver.type(name)
    await until(lambda: (page := driver.screen.view.page) is not None and bool(page.facts))
    await driver.settled()


def edits(driver: Driver) -> list[tuple[Any, ...]]:
    return [
        (edit["side"], edit.get("ids"), edit["neuron"], edit["operation"], edit["amount"])
        for edit in driver.screen.view.edits
    ]


async def test_on_an_items_page_a_neuron_is_changed_for_this_item_alone(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await page_of(driver, "Film 12")
        assert "+ - change neuron 1 Horror for this film" in driver.pane("inspector")[1]
        await driver.press("plus", "plus")
        assert edits(driver) == [("items", ["12"], 1, "add", 1.0)]
        await driver.ranked()
        assert "+ - change 1 Horror for film Film 12 (1962)" in "\n".join(driver.pane("bench"))
        assert "for film Film 12 (1962)" in "".join(driver.pane("bench")[3:5])
        assert "film Film 12 (1962): place 12 → 10" in driver.text
        assert "▸Film 12 " in driver.text
        assert "+1.0" in next(row for row in driver.pane("inspector") if "▸" in row)
        assert "+1.0" not in driver.pane("neurons")[2]
        await driver.press("0")
        assert edits(driver) == [("items", ["12"], 1, "off", None)]
        await driver.press("d")
        assert edits(driver) == []
    assert [
        record["action"] for record in Session.open(demo, "demo-mf", "demo-mf").records if record["action"] != "open"
    ]


async def test_the_neuron_of_the_list_can_be_given_to_an_item_that_lacks_it(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await driver.press("j", "j")
        await page_of(driver, "Film 12")
        await driver.press("j")
        assert "▸ 2 Children: 0 here" in "\n".join(driver.pane("inspector"))
        await driver.press("equals_sign")
        assert "neuron 2 for film Film 12 (1962)" in driver.text
        await driver.type("1.5")
        assert edits(driver) == [("items", ["12"], 2, "set", 1.5)]
        await driver.press("k", "i")
        assert edits(driver)[1:] == [("items", ["12"], 1, "add", 0.0)]
        await driver.press("g", "G")
        assert driver.screen.view.neuron == 2


async def test_an_item_is_changed_where_no_user_activates_the_neuron(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        driver.screen.table.choose(UNEDITABLE)
        driver.screen.desk.choose(UNEDITABLE)
        await page_of(driver, "Film 12")
        await driver.press("G", "plus")
        fires = driver.screen.table.sheet.neurons.figure(UNEDITABLE, "p99_items") > 0
        assert bool(edits(driver)) == fires
        await driver.press("q", "plus")
        assert f"Neuron {UNEDITABLE} never fires for a user" in driver.screen.status.message


async def test_on_a_users_page_a_neuron_is_changed_for_this_user_who_is_easily_watched(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await driver.press("colon")
        await driver.type("user 17")
        await until(lambda: (page := driver.screen.view.page) is not None and bool(page.facts))
        await driver.settled()
        assert "p and enter watch this user." in driver.text
        await driver.press("plus")
        assert edits(driver) == [("users", ["17"], 1, "add", 0.5)]
        assert "User 17 is watched now: the change is for them." in driver.screen.status.message
        assert driver.screen.view.user == "17"
        await driver.ranked()
        assert "p and enter watch this user." not in driver.text
        assert edits(driver) == [("users", ["17"], 1, "add", 0.5)]


async def test_on_a_concepts_page_the_chosen_neuron_is_changed_for_everyone(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await driver.press("colon")
        await driver.type("concept Horror")
        await until(lambda: (page := driver.screen.view.page) is not None and bool(page.facts))
        await driver.settled()
        assert "+ - change neuron 1 Horror for every user" in driver.pane("inspector")[1]
        assert "1 Horror 1.00" in "\n".join(driver.pane("inspector"))
        await driver.press("plus")
        assert edits(driver) == [("users", None, 1, "add", 0.5)]
        assert "+0.5" in driver.pane("neurons")[2]


async def test_enter_on_a_page_opens_the_neuron_that_is_chosen(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("slash", *"comedy", "enter")
        await page_of(driver, "Film 12")
        await driver.press("enter")
        assert driver.screen.view.page is None
        assert driver.screen.view.current == driver.screen.table.current == 1


async def test_labels_and_marks_are_of_the_neuron_chosen_on_the_page(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await driver.press("space")
        await page_of(driver, "Film 12")
        await driver.press("L")
        assert "label of neuron 1" in driver.text
        await driver.type("Scary")
        assert {neuron: label.text for neuron, label in driver.screen.view.labels.items()} == {1: "Scary"}
        assert "Scary" in next(row for row in driver.pane("inspector") if "▸" in row)
        await driver.press("x")
        assert driver.screen.view.labels[1].state == "rejected"
        await driver.press("space")
        assert driver.screen.view.marks == {0, 1}


async def test_v_on_an_items_page_says_why_not_and_on_a_users_is_that_users(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        await page_of(driver, "Film 12")
        await driver.press("v")
        assert "A dose curve is of a neuron in users" in driver.screen.status.message
        assert driver.screen.view.side == "list"
        asked = listen(driver)
        await page_of(driver, "anna")
        await driver.press("v")
        await driver.shows("for user anna")
        told = [params for method, params in asked if method == "curve"]
        assert [(params["neuron"], params["user"]) for params in told] == [(1, "anna")]


async def test_v_beside_a_cohort_is_the_curve_of_that_cohort(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        asked = listen(driver)
        await driver.press("C", *"young", "enter", "v")
        await driver.shows("for cohort young")
        await driver.shows("RBO")
        await driver.press("j", "v")
        await driver.shows("dose of neuron 1")
        told = [params for method, params in asked if method == "curve"]
        assert [(params["neuron"], params.get("where"), params.get("user")) for params in told] == [
            (0, "young", None),
            (1, "young", None),
        ]
        await driver.press("v")
        assert driver.screen.view.side == "cohort"
        await page_of(driver, "anna")
        await driver.press("v")
        await driver.shows("for user anna")
        await driver.press("q", "w", "v")
        await driver.shows("for user 1")


async def test_an_edit_brings_up_what_shows_it(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("v")
        await driver.shows("dose of neuron 0")
        await driver.press("plus")
        assert driver.screen.view.side == "curve"
        await page_of(driver, "Film 12")
        await driver.press("plus")
        assert driver.screen.view.side == "list"
        await driver.shows("film Film 12 (1962): place 12")
        await driver.press("q", "C", *"young", "enter")
        await driver.shows("cohort young")
        await driver.press("plus")
        assert driver.screen.view.side == "cohort"
        await page_of(driver, "anna")
        await driver.press("plus")
        assert (driver.screen.view.side, driver.screen.view.user) == ("list", "anna")


async def test_before_and_after_leads_from_a_curve_or_a_cohort_to_the_list(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus")
        for key in ("v", "C"):
            await driver.press(key, *(("enter",) if key == "C" else ()))
            assert driver.screen.view.side != "list"
            await driver.press("t")
            assert (driver.screen.view.side, driver.screen.view.flipped) == ("list", False)
            assert "here is the list" in driver.screen.status.message
        await driver.press("t")
        assert driver.screen.view.flipped


async def test_the_bench_has_a_cursor_for_edits_of_every_kind(demo: Home) -> None:
    with Session.open(demo, "demo-mf", "demo-mf") as session:
        session.append("edit", edit=SOLVED)
        for neuron, more in ((0, {}), (1, {"side": "items", "ids": ["12"]}), (2, {"where": "age < 25"})):
            told = {"side": "users", "neuron": neuron, "operation": "add", "amount": 1.0, "unit": "p99", **more}
            session.append("edit", edit=told)
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        assert "2▸ 0 Comedy" in driver.text
        await driver.press("3", "j", "plus")
        assert "3▸ 1 Horror" in driver.text
        assert "+ - change 1 Horror for film Film 12 (1962)" not in driver.pane("bench")[0]
        await driver.press("j", "minus")
        assert [edit.get("amount") for edit in driver.screen.view.edits] == [None, 1.0, 1.5, 0.5]
        assert driver.screen.view.edits[3]["where"] == "age < 25"
        await driver.press("k", "k", "k", "plus")
        assert "has no step" in driver.screen.status.message
        await driver.press("d")
        assert [edit["neuron"] for edit in driver.screen.view.edits] == [0, 1, 2]
        await driver.press("j", "d")
        assert [edit["neuron"] for edit in driver.screen.view.edits] == [0, 2]
        await driver.press("1", "plus")
        assert [edit["amount"] for edit in driver.screen.view.edits if not edit.get("where")][-1] == 0.5


async def test_with_the_neurons_alone_on_the_screen_a_change_brings_the_bench_up(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("z")
        assert not driver.screen.pane("bench").display
        await driver.press("plus")
        assert driver.screen.pane("bench").display
        assert driver.screen.pane("neurons").display


async def test_where_the_bench_hides_the_page_q_goes_back_to_it(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await page_of(driver, "Film 12")
        await driver.press("plus")
        assert driver.screen.pane("bench").display
        assert "+ - change 1 Horror for film Film 12 (1962)" in driver.pane("bench")[1]
        await driver.press("plus", "q")
        assert edits(driver) == [("items", ["12"], 1, "add", 1.0)]
        assert driver.screen.view.page is not None
        assert driver.screen.pane("inspector").display
        await driver.press("q")
        assert driver.screen.view.page is None
        assert driver.screen.focused_pane == "neurons"


async def test_help_begins_with_the_page_or_the_jobs_that_are_shown(demo: Home) -> None:
    async with opened(demo, size=WIDE) as driver:
        await driver.ready()
        for name, begins in (
            ("Film 12", "The page of one film"),
            ("anna", "The page of one user"),
            ("horror", "concept"),
        ):
            await page_of(driver, name)
            await driver.press("question_mark")
            assert begins in driver.rows[1]
            await driver.press("q")
        await driver.press("q", "exclamation_mark", "question_mark")
        assert driver.rows[1].strip().startswith("Jobs: what was started")


async def test_past_the_last_neuron_the_page_scrolls_and_comes_back(demo: Home) -> None:
    async with opened(demo, size=(80, 16)) as driver:
        await driver.ready()
        await page_of(driver, "Film 12")
        pane, view = driver.screen.pane("inspector"), lambda: driver.screen.view
        first = view().neuron
        await driver.press("G")
        last = view().neuron
        assert (first, last) == (1, 0)
        top = pane.scroll_offset.y
        await driver.press("J", "J")
        assert pane.scroll_offset.y > top
        assert view().neuron == last
        await driver.press("k")
        assert view().neuron == last
        await driver.press("g")
        assert (view().neuron, pane.scroll_offset.y) == (first, 0)
