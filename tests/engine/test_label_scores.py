"""Scores in a session: measurements beside labels, outside of undo."""

import pytest

from engine.errors import SessionError
from engine.home import Home
from engine.session import Session


def score(kind: str, value: float, text: str | None = None, concept: str | None = None) -> dict[str, object]:
    return {"kind": kind, "state": "scored", "text": text, "concept": concept, "figures": {"value": value}}


def values(journal: Session, neuron: int = 3) -> dict[str, float]:
    return {kind: told["figures"]["value"] for kind, told in journal.state.scores.get(neuron, {}).items()}


def test_a_score_stands_beside_the_label_that_it_is_about_and_comes_back_with_it(home: Home) -> None:
    with Session.open(home, "work", "run") as journal:
        journal.append("label", neuron=3, text="Horror", state="metadata", concept="Horror")
        journal.append("score", neuron=3, **score("detection", 0.9, "Horror"))
        journal.append("score", neuron=3, **score("held-out", 0.8, concept="Horror"))
        journal.append("score", neuron=3, **score("intruder", 0.7))
        assert values(journal) == {"detection": 0.9, "held-out": 0.8, "intruder": 0.7}
        journal.append("label", neuron=3, text="Scary", state="human", concept="Horror")
        assert values(journal) == {"held-out": 0.8, "intruder": 0.7}
        journal.append("label", neuron=3, text="Westerns", state="human", concept="Western")
        assert values(journal) == {"intruder": 0.7}
        journal.append("undo")
        journal.append("undo")
        assert values(journal) == {"detection": 0.9, "held-out": 0.8, "intruder": 0.7}
        assert values(journal, 4) == {}
    assert Session.read(home, "work").scores == journal.state.scores


def test_undo_takes_back_the_label_before_a_score_not_the_score(home: Home) -> None:
    with Session.open(home, "work", "run") as journal:
        journal.append("label", neuron=3, text="Horror", state="llm")
        journal.append("score", neuron=3, **score("detection", 0.9, "Horror"))
        assert journal.append("undo").labels == {}
        assert values(journal) == {}
        journal.append("score", neuron=3, **score("intruder", 0.7))
        assert journal.append("redo").labels[3].text == "Horror"
        assert values(journal) == {"detection": 0.9, "intruder": 0.7}


def test_a_test_that_is_made_again_replaces_the_earlier_one(home: Home) -> None:
    with Session.open(home, "work", "run") as journal:
        journal.append("label", neuron=3, text="Horror", state="llm")
        for value in (0.9, 0.4):
            journal.append("score", neuron=3, **score("detection", value, "Horror"))
        assert values(journal) == {"detection": 0.4}
        assert journal.append("undo").labels == {}


@pytest.mark.parametrize(
    "told", [{"kind": 3}, {"kind": "detection", "text": 3}, {"kind": "detection", "concept": []}, {}]
)
def test_a_score_that_is_none_is_refused(home: Home, told: dict[str, object]) -> None:
    with Session.open(home, "work", "run") as journal, pytest.raises(SessionError):
        journal.append("score", neuron=3, **told)


def test_scores_by_the_names_that_tests_once_had_are_read_by_those_of_today(home: Home) -> None:
    with Session.open(home, "old", "run") as journal:
        journal.append("score", neuron=3, **score("agreement", 0.8))
        journal.append("score", neuron=3, **score("causal", 0.1))
        assert values(journal) == {"held-out": 0.8, "moves": 0.1}
        assert journal.state.scores[3]["moves"]["kind"] == "moves"
        journal.append("score", neuron=3, **score("moves", 0.2))
        assert values(journal) == {"held-out": 0.8, "moves": 0.2}
    assert Session.read(home, "old").scores == journal.state.scores
