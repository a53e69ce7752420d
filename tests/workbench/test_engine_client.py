"""The child process: answers, order, death, silence and the end."""

import os
import queue
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.workbench.driving import FAKE_ENGINE
from workbench.engine_client import Answered, Ended, EngineClient, Event, Progressed, Refused

Client = tuple[EngineClient, "queue.Queue[Event]"]
EDIT = {"side": "users", "neuron": 7, "operation": "add", "amount": 1.0, "unit": "p99"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    events: queue.Queue[Event] = queue.Queue()
    engine = EngineClient(FAKE_ENGINE, tmp_path / "log" / "engine.log", events.put)
    yield engine, events
    engine.stop()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def rank(user: str, *edits: dict[str, object]) -> dict[str, object]:
    return {"user": user, "k": 30, "edits": list(edits)}


def test_answers_come_back_with_what_was_asked(client: Client) -> None:
    engine, events = client
    engine.start()
    engine.ask("hello", {}, 5)
    engine.ask("user", {"user": "999", "step": 0}, 5)
    first, second = events.get(timeout=5), events.get(timeout=5)
    assert isinstance(first, Answered)
    assert first.result["protocol"] == 1
    assert isinstance(second, Refused)
    assert second.asked.params["user"] == "999"
    assert "no user '999'" in second.message
    assert engine.pending() == []


def test_progress_comes_before_the_answer_it_belongs_to(client: Client) -> None:
    engine, events = client
    engine.start()
    number = engine.ask("label", {"run": "r", "neurons": [3]}, None)
    first, second = events.get(timeout=5), events.get(timeout=5)
    assert isinstance(first, Progressed)
    assert isinstance(second, Answered)
    assert first.asked.id == second.asked.id == number


def test_only_the_newest_rank_is_answered(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSCOPE_FAKE", "slow-rank")
    engine, events = client
    engine.start()
    for user in ("1", "2", "3"):
        engine.ask("rank", rank(user), 5, newest=True)
    answered = events.get(timeout=5)
    assert isinstance(answered, Answered)
    assert answered.asked.params["user"] == "3"
    time.sleep(0.3)
    assert events.empty()


def test_a_child_that_dies_says_so_once_with_what_it_owes(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSCOPE_FAKE", "die-on-rank")
    engine, events = client
    engine.start()
    engine.ask("rank", rank("1", EDIT), 5)
    ended = events.get(timeout=5)
    assert isinstance(ended, Ended)
    assert ended.reason == "ended (exit code 3)"
    assert [asked.method for asked in ended.unanswered] == ["rank"]
    assert engine.pid is None
    engine.start()
    engine.ask("hello", {}, 5)
    assert isinstance(events.get(timeout=5), Answered)


def test_a_child_that_hangs_is_killed_when_its_time_is_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSCOPE_FAKE", "hang-on-rank")
    engine, events = client
    engine.start()
    engine.ask("rank", rank("1", EDIT), 0.2)
    engine.check()
    time.sleep(0.3)
    assert events.empty()
    engine.check()
    ended = events.get(timeout=5)
    assert isinstance(ended, Ended)
    assert ended.reason == "did not answer (rank) and was killed"


def test_progress_counts_as_an_answer_and_silence_after_it_does_not(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOSCOPE_FAKE", "slow-label")
    asked, told, checks = 0.0, 8.0, (15.0, 19.0)
    moments = iter((asked, told, *checks))
    monkeypatch.setattr("workbench.engine_client.time", SimpleNamespace(monotonic=lambda: next(moments)))
    engine, events = client
    engine.start()
    engine.ask("label", {"run": "r", "neurons": [3]}, 10.0)
    assert isinstance(events.get(timeout=5), Progressed)
    pid = engine.pid
    engine.check()
    assert events.empty()
    assert engine.pid == pid
    engine.check()
    ended = events.get(timeout=5)
    assert isinstance(ended, Ended)
    assert ended.reason == "did not answer (label) and was killed"


def test_a_long_label_does_not_get_the_engine_killed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSCOPE_FAKE", "slow-label")
    engine, _ = client
    engine.start()
    engine.ask("label", {"run": "r", "neurons": [3]}, None)
    engine.ask("rank", rank("1"), 0.0)
    engine.check()
    assert engine.pid is not None


@pytest.mark.parametrize("words", ["", "hang-on-rank", "deaf"])
def test_stopping_kills_even_the_deaf_and_leaves_no_orphan(
    client: Client, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("MONOSCOPE_FAKE", words)
    engine, events = client
    engine.start()
    engine.ask("hello", {}, 5)
    events.get(timeout=5)
    pid = engine.pid
    assert pid is not None
    if words == "hang-on-rank":
        engine.ask("rank", rank("1", EDIT), 5)
        time.sleep(0.1)
    engine.stop()
    assert gone(pid)
    assert events.empty()


def test_a_program_that_is_missing_shows_as_an_end(tmp_path: Path) -> None:
    events: queue.Queue[Event] = queue.Queue()
    EngineClient([str(tmp_path / "nothing")], tmp_path / "log", events.put).start()
    ended = events.get(timeout=5)
    assert isinstance(ended, Ended)
    assert ended.reason == "could not be started: No such file or directory"


def test_a_child_that_talks_nonsense_is_ended_and_its_errors_go_to_the_log(tmp_path: Path) -> None:
    events: queue.Queue[Event] = queue.Queue()
    program = "import sys; print('help!', file=sys.stderr); print('not a frame at all' * 9); sys.stdin.read()"
    engine = EngineClient([sys.executable, "-c", program], tmp_path / "log" / "engine.log", events.put)
    engine.start()
    ended = events.get(timeout=5)
    assert isinstance(ended, Ended)
    assert ended.reason.startswith("sent something unreadable")
    assert (tmp_path / "log" / "engine.log").read_text() == "help!\n"
    engine.stop()


def test_a_home_that_cannot_be_written_costs_only_the_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file where a folder should be")
    events: queue.Queue[Event] = queue.Queue()
    engine = EngineClient(FAKE_ENGINE, tmp_path / "log" / "engine.log", events.put)
    engine.start()
    engine.ask("hello", {}, 5)
    assert isinstance(events.get(timeout=5), Answered)
    engine.stop()
