"""The desk alone: which answers count."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.home import Home
from engine.session import Session
from tests.workbench.fake_engine import rank
from workbench.engine_client import Answered, Asked, EngineClient, Progressed, Refused
from workbench.model import RunCard, read_neurons
from workbench.screens.desk import Desk
from workbench.view import View


class RecordingEngine(EngineClient):
    """Starts nothing and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__([], Path("engine.log"), lambda _: None)
        self.asked: list[Asked] = []
        self.said: list[str] = []
        self.killed = ""
        self.dropped: list[int] = []

    def start(self) -> None:
        pass

    def ask(self, method: str, params: Mapping[str, Any], limit_seconds: float | None, *, newest: bool = False) -> int:
        self.asked.append(Asked(len(self.asked), method, {**params, "newest": newest}, limit_seconds))
        return len(self.asked) - 1

    def cancel(self, number: int, *, forget: bool = False) -> None:
        if forget:
            self.dropped.append(number)

    def pending(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "label" and asked.id not in self.dropped]

    def kill(self, reason: str) -> None:
        self.killed = reason

    @property
    def pid(self) -> int | None:
        return 1


@pytest.fixture
def engine() -> RecordingEngine:
    return RecordingEngine()


@pytest.fixture
def desk(demo: Home, engine: RecordingEngine) -> Desk:
    desk = Desk(View(RunCard("demo-mf"), "demo-mf"), engine, lambda _: None, engine.said.append)
    desk.seat(read_neurons(demo, "demo-mf"), None, Session.open(demo, "demo-mf", "demo-mf"), None)
    desk.choose(0)
    desk.start_engine()
    desk.heard(Answered(engine.asked[-1], {"first_user": "1", "lists": True, "missing": None}))
    return desk


def test_an_answer_to_an_older_question_is_not_shown(desk: Desk, engine: RecordingEngine) -> None:
    older = engine.asked[-1]
    desk.step(1)
    newer = engine.asked[-1]
    assert newer.params["newest"]
    desk.heard(Answered(older, rank(dict(older.params))))
    assert desk.view.ranking is None
    desk.heard(Answered(newer, rank(dict(newer.params))))
    assert desk.view.ranking is not None
    assert desk.view.ranking.rbo == 0.99


def test_an_answer_that_makes_no_sense_costs_the_engine_not_the_screen(desk: Desk, engine: RecordingEngine) -> None:
    desk.heard(Answered(engine.asked[-1], {"rbo": "high"}))
    assert engine.killed.startswith("answered rank with nonsense")


def test_a_refused_list_is_a_sentence(desk: Desk, engine: RecordingEngine) -> None:
    desk.heard(Refused(engine.asked[-1], "There is no neuron 99."))
    assert engine.said[-1] == "There is no neuron 99."


def test_an_edit_that_the_disk_does_not_take_is_not_shown(desk: Desk, engine: RecordingEngine, demo: Home) -> None:
    desk.step(1)
    (demo.sessions / "demo-mf.jsonl").unlink()
    before = desk.view.edits
    desk.step(1)
    assert desk.view.edits == before
    assert "demo-mf.jsonl" in engine.said[-1]


def test_progress_that_comes_after_the_cancelling_does_not_bring_a_label_back(
    desk: Desk, engine: RecordingEngine
) -> None:
    desk.ask_label()
    desk.heard(Answered(engine.asked[-1], {"asks": False, "why": None}))
    asked = engine.asked[-1]
    assert asked.method == "label"
    desk.heard(Progressed(asked, 0.5, "asking"))
    assert desk.view.asked == {0: "asking 50%"}
    assert desk.interrupt()
    desk.heard(Progressed(asked, 0.6, "asking"))
    assert desk.view.asked == {}
