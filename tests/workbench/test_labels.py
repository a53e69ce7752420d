"""Stories of naming neurons: by hand, by a model, and when that fails."""

from collections.abc import Callable

import pytest

from engine.home import Home
from engine.session import Session
from tests.workbench.driving import Driver, listen, opened, until

EngineThat = Callable[[str], None]


async def test_a_label_from_the_model_is_shown_with_its_source(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("l")
        await driver.shows("Label of 0")
        assert driver.pane("neurons")[1].split()[:6] == ["▸", "0", "Label", "of", "0", "l"]
        assert "labelled by a model" in driver.pane("inspector")[1]
        assert Session.read(demo, "demo-mf").labels[0].model == "m"


@pytest.mark.parametrize(
    ("words", "reason"),
    [("label-fails", "the server answered 500"), ("label-refused", "No key: set OPENAI_API_KEY.")],
)
async def test_a_label_that_fails_is_a_state_with_its_reason(
    demo: Home, engine_that: EngineThat, words: str, reason: str
) -> None:
    engine_that(words)
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("l")
        await driver.shows("! label failed")
        assert " ! " in driver.pane("neurons")[1]
        assert "0 Comedy" in driver.pane("neurons")[1]
        assert reason in " ".join(row.strip("│ ") for row in driver.pane("inspector"))
        label = Session.read(demo, "demo-mf").labels[0]
        assert (label.state, label.text) == ("failed", None)


async def test_a_label_by_hand_wins_over_the_model(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("L")
        await driver.type("Mine's [/x] 笑")
        await driver.press("l")
        await until(lambda: not driver.screen.engine.pending() and not driver.screen.view.asked)
        assert driver.screen.view.name(0) == "Mine's [/x] 笑"
        assert "labelled by hand" in driver.pane("inspector")[1]
        assert " h " in driver.pane("neurons")[1]


async def test_a_failure_does_not_take_a_label_away(demo: Home, engine_that: EngineThat) -> None:
    engine_that("label-refused")
    with Session.open(demo, "demo-mf", "demo-mf") as session:
        session.append("label", neuron=0, text="Laughs", state="llm", concept=None, model="m", note=None)
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("l")
        await until(lambda: "OPENAI_API_KEY" in driver.screen.status.message)
        assert driver.screen.view.name(0) == "Laughs"
        assert driver.screen.view.letter(0) == "l"


async def test_asking_shows_at_once_and_ctrl_c_cancels_it(demo: Home, engine_that: EngineThat) -> None:
    engine_that("slow-label")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("l")
        assert driver.screen.view.letter(0) == "…"
        assert "labelling 0" in driver.rows[0]
        await driver.press("ctrl+c")
        await driver.shows("Cancelled the label of neuron 0.")
        assert driver.screen.view.letter(0) == "·"
        assert driver.app.is_running
        await driver.press("plus")
        await driver.ranked()
        assert len(driver.screen.view.edits) == 1


async def test_an_editor_of_one_line_edits(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("L", *"abc def", "ctrl+w", *"xz", "left", "y", "home", "delete", "end", "exclamation_mark")
        assert "label of neuron 0: bc xyz!" in driver.rows[-2]
        await driver.press("enter")
        assert driver.screen.view.name(0) == "bc xyz!"
        await driver.press("L", "ctrl+u", "enter")
        assert driver.screen.view.name(0) == "bc xyz!"
        await driver.press("u")
        assert driver.screen.view.name(0) == "Comedy"


async def test_a_model_is_asked_after_a_yes_alone(demo: Home, engine_that: EngineThat) -> None:
    engine_that("model")
    async with opened(demo) as driver:
        await driver.ready()
        asked = listen(driver)
        await driver.press("space", "space", "l")
        await driver.shows("Ask made-up at 127.0.0.1:9 about 2 neurons: 6 requests, at most $0.0200 (about")
        await until(lambda: "titles, years and genres or tags of 120 items, nothing of users" in question(driver))
        assert [method for method, _ in asked if method == "label"] == []
        await driver.press("j", "n")
        await driver.shows("Nothing was sent.")
        assert [method for method, _ in asked if method == "label"] == []
        assert not driver.screen.view.asked
        assert driver.screen.view.current == 2  # the keys went to the question, not to the table
        await driver.press("l")
        await driver.shows("Ask made-up")
        await driver.press("y")
        await driver.shows("2 labels came")
        (params,) = [params for method, params in asked if method == "label"]
        assert (params["neurons"], params["labeller"], params["max_cost"]) == ([0, 1], "llm", 0.02)
        await driver.press("l")
        await driver.shows("Ask made-up")
        await driver.press("escape")
        await driver.shows("Nothing was sent.")


async def test_yes_for_the_sitting_asks_no_more_and_says_what_is_sent(demo: Home, engine_that: EngineThat) -> None:
    engine_that("model")
    async with opened(demo) as driver:
        await driver.ready()
        asked = listen(driver)
        await driver.press("l")
        await driver.shows("Ask made-up")
        await driver.press("Y")
        await driver.shows("Label of 0")
        await driver.press("j", "l")
        await driver.shows("Label of 1")
        assert not driver.screen.status.asking
        assert [method for method, _ in asked] == ["label_plan", "label", "label_plan", "label"]


async def test_a_refused_plan_is_a_sentence_and_no_failed_label(demo: Home, engine_that: EngineThat) -> None:
    engine_that("refuse-label_plan")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("l")
        await driver.shows("The made-up engine refuses label_plan.")
        assert not driver.screen.view.labels
        assert not driver.screen.view.asked


async def test_a_question_that_is_open_is_not_replaced_by_the_one_for_labels(
    demo: Home, engine_that: EngineThat
) -> None:
    engine_that("model slow-label_plan")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("l", "colon", *"note")
        await until(lambda: not driver.screen.view.asked)
        assert driver.screen.status.asking
        assert "note" in driver.text
        await driver.press("escape")


def question(driver: Driver) -> str:
    """What the status row asks, without its breaks."""
    return " ".join(row.strip() for row in driver.rows[-5:])
