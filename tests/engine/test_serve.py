"""The engine as a process, spoken to as the workbench does."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from engine.protocol import Message, read_message, write_message
from engine.run import Run
from tests.engine.labels.chat_server import answer, chat_server, completion


class Peer:
    def __init__(self, home: str) -> None:
        command = [sys.executable, "-m", "engine.serve", "--home", home]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._number = 0

    def send(self, method: str, **params: Any) -> int:
        return self._send(method, params)

    def _send(self, method: Any, params: Any) -> int:
        assert self.process.stdin
        write_message(self.process.stdin, Message({"id": self._number + 1, "method": method, "params": params}))
        self._number += 1
        return self._number

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout
        message = read_message(self.process.stdout)
        assert message is not None
        return message.body

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        return self.raw(method, params)

    def raw(self, method: Any, params: Any) -> dict[str, Any]:
        """Whatever is sent as method and parameters; the answer to it."""
        number = self._send(method, params)
        while "progress" in (body := self.answer()):
            pass
        assert body["id"] == number
        return body

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()


@pytest.fixture
def peer(demo_run: Run) -> Iterator[Peer]:
    made = Peer(str(demo_run.home.root))
    yield made
    made.end()


def test_hello_load_and_rank(peer: Peer, demo_run: Run) -> None:
    assert peer.ask("hello")["result"]["protocol"] == 1
    loaded = peer.ask("load", run="demo")["result"]
    assert (loaded["lists"], loaded["users"], loaded["missing"]) == (True, 2000, None)
    user = loaded["first_user"]
    plain = peer.ask("rank", user=user, k=10)["result"]
    assert len(plain["before"]) == len(plain["after"]) == 10
    assert plain["rbo"] == pytest.approx(1)
    strongest = max(demo_run.neurons, key=lambda n: n.density_users).neuron
    edit = {"side": "users", "neuron": strongest, "operation": "add", "amount": 2.0, "unit": "p99"}
    edited = peer.ask("rank", user=user, k=10, edits=[edit])["result"]
    assert edited["before"] == plain["before"]
    assert edited["after"] != plain["after"]
    assert [line["rank"] for line in edited["after"]] == list(range(1, 11))
    assert edited["user"]["user_id"] == user
    assert edited["user"]["attributes"]["age_band"]


def test_neighbours_of_a_user_wrap_around(peer: Peer, demo_run: Run) -> None:
    peer.ask("load", run="demo")
    ids = demo_run.recommender.users.ids
    assert peer.ask("user", user=ids[-1], step=1)["result"]["user"] == ids[0]
    assert peer.ask("user", user=ids[0], step=-1)["result"]["user"] == ids[-1]


@pytest.mark.parametrize(
    ("method", "params", "told"),
    [
        ("rank", {"user": "nobody"}, "no user 'nobody'"),
        ("rank", {"user": "1", "edits": [{"neuron": 99, "operation": "off"}]}, "neuron 99"),
        ("rank", {"user": "1", "k": 0}, "at least one place"),
        ("rank", {}, "does not make sense"),
        ("load", {"run": "nope"}, "no run 'nope'"),
        ("load", {"run": "../x"}, "cannot name a run"),
        ("fly", {}, "no method 'fly'"),
    ],
)
def test_a_bad_request_is_answered_and_the_next_one_works(
    peer: Peer, demo_run: Run, method: str, params: dict, told: str
) -> None:
    peer.ask("load", run="demo")
    if params.get("user") == "1":
        params = {**params, "user": demo_run.recommender.users.ids[0]}
    assert told in peer.ask(method, **params)["error"]["message"]
    assert peer.ask("hello")["result"]["protocol"] == 1


def test_a_waiting_request_can_be_cancelled(peer: Peer) -> None:
    load = peer.send("load", run="demo")
    rank = peer.send("rank", user="1", k=10)
    cancel = peer.send("cancel", id=rank)
    answers = {body["id"]: body for body in (peer.answer() for _ in range(3))}
    assert answers[cancel]["result"] == {"cancelled": True}
    assert answers[rank]["error"] == {"message": "cancelled"}
    assert "result" in answers[load]
    assert peer.ask("cancel", id=rank)["result"] == {"cancelled": False}


def test_the_process_ends_when_its_input_does(peer: Peer) -> None:
    peer.send("load", run="demo")
    assert peer.process.stdin
    peer.process.stdin.close()
    started = time.monotonic()
    assert peer.process.wait(timeout=10) == 0
    assert time.monotonic() - started < 10


def test_what_a_library_prints_does_not_reach_the_frames(demo_run: Run) -> None:
    code = (
        "import os, threading, time\n"
        "from pathlib import Path\n"
        "import engine.serve as serve\n"
        "from engine.home import Home\n"
        "hello = serve.Server._hello\n"
        "def loud(self, *rest):\n"
        "    print('noise'); os.write(1, b'more noise')\n"
        "    return hello(self, *rest)\n"
        "serve.Server._hello = loud\n"
        f"serve.main(Home(Path({str(demo_run.home.root)!r})))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    write_message(process.stdin, Message({"id": 1, "method": "hello", "params": {}}))
    answer = read_message(process.stdout)
    assert answer is not None
    assert answer.body["result"]["protocol"] == 1
    _, errors = process.communicate(timeout=20)
    assert b"noise" in errors


def test_ranking_goes_on_while_a_label_waits_for_the_language_model(peer: Peer) -> None:
    peer.ask("load", run="demo")
    with chat_server() as server:
        server.replies = [replace(answer("Scary films"), after_seconds=1.5), completion("no test")]
        label = peer.send("label", run="demo", neurons=[3], model="any", base_url=server.base_url)
        rank = peer.send("rank", user="v0001", k=5)
        bodies = []
        while not bodies or bodies[-1]["id"] != label or "progress" in bodies[-1]:
            bodies.append(peer.answer())
    order = [body["id"] for body in bodies if "result" in body]
    assert order == [rank, label]
    labelled, *scores = bodies[-1]["result"]["actions"]
    assert (labelled["action"], labelled["neuron"], labelled["text"]) == ("label", 3, "Scary films")
    assert {(score["action"], score["kind"], score["state"]) for score in scores} == {
        ("score", "evidence", "shown"),
        ("score", "held-out", "unknown"),
        ("score", "moves", "unknown"),
        ("score", "detection", "failed"),
        ("score", "intruder", "failed"),
    }
