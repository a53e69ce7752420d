"""The command in the row above the keys, run on a real run: it prints the figures that the engine told the screen."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from engine.run import Run
from engine.session import Session
from tests.engine.test_serve import Peer
from tests.workbench.cli import Monoscope
from workbench.equivalents import cohort_command, curve_command, lists_command, neuron_command, page_command
from workbench.model import read_card, read_neurons
from workbench.screens.lookups import Lookups
from workbench.steering import Asked
from workbench.view import Cohort, Curve, Page, View
from workbench.widgets.bench import LIST_LENGTH

YOUNG = "age_band = 'under 18'"
ONE = {"side": "users", "neuron": 2, "operation": "add", "amount": 1.0, "unit": "p99"}
STACKS = ("none", "one", "waiting", "three", "own")


@pytest.fixture(scope="module")
def peer(demo_run: Run) -> Iterator[Peer]:
    made = Peer(str(demo_run.home.root))
    assert "result" in made.ask("load", run="demo")
    yield made
    made.end()


@pytest.fixture(scope="module")
def stacks(demo_run: Run) -> Mapping[str, View]:
    """Views under the edits of sessions: none, one for everyone, one that waits, and three that no option can say."""
    from workbench.goal import goal_facts

    scoped = {**ONE, "neuron": 3, "operation": "off", "amount": None, "where": "age_band <> 'under 18'"}
    items = {**ONE, "neuron": 4, "side": "items", "operation": "set", "ids": demo_run.recommender.items.ids[:3]}
    found = {}
    for name in STACKS:
        session = f"same-{name}"
        solved = []
        if name in ("three", "own"):
            _, write = goal_facts(demo_run, "share(Horror)<=0.5x", Asked(), YOUNG, 4)
            solved = [write(session).edit.as_dict()]
        edits = {"one": [ONE], "waiting": [{**ONE, "on": False}], "three": [scoped, items, *solved],
                 "own": [ONE, scoped, items, *solved]}.get(name, [])  # fmt: skip
        with Session.open(demo_run.home, session, "demo") as journal:
            journal.append("label", neuron=2, text="My own", state="human", concept=None, model=None, note=None)
            for edit in edits:
                journal.append("edit", edit=edit)
            state = journal.state
        card, neurons = read_card(demo_run.home, "demo"), read_neurons(demo_run.home, "demo")
        found[name] = View(card, session, neurons, labels=state.labels, edits=tuple(state.edits), log=("saved",),
                           lists=None, current=2)  # fmt: skip
    return found


class _Asking:
    """Stands for the client of the engine: asks at once, and keeps the answer by its method."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.told: dict[str, Any] = {}

    def ask(self, method: str, params: Mapping[str, Any], *_limits: Any, **_how: Any) -> int:
        body = self.peer.ask(method, **params)
        assert "result" in body, body
        self.told[method] = body["result"]
        return 0


def told(peer: Peer, view: View) -> dict[str, Any]:
    """What the engine answers to all that the screen asks for a view, by method."""
    asking = _Asking(peer)
    Lookups(asking).look(view)  # type: ignore[arg-type]
    return asking.told


def printed(monoscope: Monoscope, command: str | None) -> Any:
    """What a command prints as JSON."""
    words = shlex.split(str(command))
    assert words[0] == "monoscope"
    at = words.index("--") if "--" in words else len(words)
    answer = monoscope(*words[1:at], "--json", *words[at:])
    assert answer.code == 0, answer.err
    return answer.json


@pytest.mark.parametrize("where", ["", YOUNG])
@pytest.mark.parametrize("stack", ["none", "one", "waiting", "three"])
def test_a_cohort(peer: Peer, monoscope: Monoscope, stacks: Mapping[str, View], stack: str, where: str) -> None:
    view = replace(stacks[stack], side="cohort", cohort=Cohort(where))
    answer, facts = told(peer, view)["cohort"], printed(monoscope, cohort_command(view))
    assert answer["users"] == facts["collateral"]["users"]
    assert answer["k"] == facts["k"]
    for part in ("collateral", "outside", "groups"):
        assert answer[part] == facts[part]
    for arm in ("before", "reconstruction", "after"):
        ours, theirs = answer[arm], facts[arm]
        assert ours["concept_shares"].items() <= theirs["concept_shares"].items()
        assert all(ours["reach"][name] == theirs["reach"][name] for name in ours["reach"])
        single = ours.keys() - {"concept_shares", "reach"}
        assert {"ndcg10", "novelty", "diversity", "exposure"} <= single
        assert {name: ours[name] for name in single} == {name: theirs[name] for name in single}
    assert 0 < answer["reconstruction"]["rbo"] < 1
    assert answer["collateral"]["lists_changed"] == 0 or stack not in ("none", "waiting")


@pytest.mark.parametrize("users", [("v0001",), ("v0001", "v0017", "v0100")])
@pytest.mark.parametrize("stack", ["none", "one", "three"])
def test_lists(
    peer: Peer, monoscope: Monoscope, stacks: Mapping[str, View], stack: str, users: tuple[str, ...]
) -> None:
    view = replace(stacks[stack], watched=users, user=users[-1])
    edits = json.loads(json.dumps(view.edits))
    facts = printed(monoscope, lists_command(view))
    facts = facts["users"] if len(users) > 1 else [facts]
    answers = peer.ask("ranks", users=users, edits=edits, session=view.session, k=LIST_LENGTH)["result"]["ranks"]
    for user, ours, theirs in zip(users, answers, facts, strict=True):
        assert (theirs["user"], theirs["k"]) == (user, LIST_LENGTH)
        for name in ("rbo", "tau", "kept", "left", "shares", "codes", "reconstruction"):
            assert ours[name] == theirs[name]
        assert [{name: one[name] for name in row} for one, row in zip(ours["after"], theirs["items"], strict=True)] == (
            theirs["items"]
        )


@pytest.mark.parametrize("whose", [{"user": "v0001"}, {"where": YOUNG}, {"where": ""}])
@pytest.mark.parametrize("stack", ["none", "one", "three", "own"])
def test_a_dose_curve(
    peer: Peer, monoscope: Monoscope, stacks: Mapping[str, View], stack: str, whose: dict[str, str]
) -> None:
    neuron = 3 if stack == "three" else 2
    view = replace(stacks[stack], side="curve", curve=Curve(neuron, **whose), user="v0017")
    answer = told(peer, view)["curve"]
    shown = replace(view, curve=replace(Curve(neuron, **whose), facts=answer))
    facts = printed(monoscope, curve_command(shown))
    assert (answer["users"], answer["of"], answer["k"]) == (facts["users"], facts["of"], facts["k"])
    assert (answer["concept"], answer["observed"]) == (facts["concept"], facts["observed"])
    assert {name: answer["before"][name] for name in ("share", "ndcg10")} == facts["without"]
    for ours, theirs in zip(answer["points"], facts["points"], strict=True):
        assert all(ours[name] == theirs[name] for name in ("amount", "share", "ndcg10", "rbo"))
    assert (facts["replaces"] is not None) == (stack in ("one", "own"))


@pytest.mark.parametrize(("kind", "name"), [("item", "Psycho"), ("user", "v0001"), ("concept", "Horror")])
def test_a_page(peer: Peer, monoscope: Monoscope, stacks: Mapping[str, View], kind: Any, name: str) -> None:
    view = replace(stacks["one"], page=Page(kind, name))
    answer = told(peer, view)["page"]
    shown = replace(view, page=Page(kind, name, answer))
    assert printed(monoscope, page_command(shown)) == answer
    if kind == "user":
        assert "My own" in [row["name"] for row in answer["neurons"]] or 2 not in [
            row["neuron"] for row in answer["neurons"]
        ]


def test_a_neuron(peer: Peer, monoscope: Monoscope, stacks: Mapping[str, View]) -> None:
    view = replace(stacks["one"], tab="concepts")
    answer, facts = told(peer, view)["neuron"], printed(monoscope, neuron_command(view))
    assert {name: facts[name] for name in answer} == answer
    assert facts["label"] == "My own"


def test_the_table(monoscope: Monoscope, stacks: Mapping[str, View]) -> None:
    view = replace(stacks["one"], current=None)
    rows = {row["neuron"]: row for row in printed(monoscope, neuron_command(view))}
    neurons = view.neurons
    assert neurons is not None
    assert rows.keys() == neurons.row_of.keys()
    assert rows[2]["label"] == "My own"
    for number, row in neurons.row_of.items():
        for name in ("purity20", "base_rate", "lift", "q", "density_users", "monosemanticity"):
            value = rows[number][name]
            assert neurons.figure(row, name) == pytest.approx(float("nan") if value is None else value, nan_ok=True)
