"""The journal in words."""

from typing import Any

from workbench.journal import Journal, journal_lines


def said(**data: Any) -> str:
    (line,) = journal_lines([{"time": "2026-01-02T03:04:05Z", **data}])
    return line.removeprefix("03:04 ")


def test_a_test_is_called_as_everywhere_and_stands_beside_chance() -> None:
    def test(kind: str, state: str = "scored", why: str | None = None, **figures: Any) -> str:
        return said(action="score", neuron=4, kind=kind, state=state, why=why, figures=figures or None)

    assert test("detection", value=0.75, chance=0.5) == "detection of 4: 0.75 (chance 0.50)"
    assert test("held-out", value=0.8, chance=0.09) == "held-out purity of 4: 0.80 (chance 0.09)"
    assert test("agreement", value=0.8, chance=0.09) == "held-out purity of 4: 0.80 (chance 0.09)"
    assert test("moves", gain=0.123, null_gain=0.04) == "moves of 4: +0.12 (random directions +0.04)"
    assert test("causal", gain=0.123, null_gain=None) == "moves of 4: +0.12 (null unknown)"
    assert test("intruder", "failed", "No key.") == "intruder of 4: failed No key."
    assert test("evidence", "shown", shown=[["1", "top"], ["2", "random"]]) == "what the labeller of 4 saw: 2 items"


def test_an_undo_is_told_with_what_it_took_back() -> None:
    records: list[dict[str, Any]] = [
        {"action": "bookmark", "kind": "neuron", "id": "1", "on": True},
        {"action": "bookmark", "kind": "neuron", "id": "1", "on": True},  # it changes nothing
        {"action": "watch", "user": "5"},
        {"action": "undo"},
        {"action": "undo"},
        {"action": "redo"},
        {"action": "undo"},
    ]
    journal = Journal()
    lines = journal.lines(records)
    assert [line[2:] for line in lines[3:]] == [
        "undo: watch user 5",
        "undo: mark neuron 1",
        "redo: mark neuron 1",
        "undo: mark neuron 1",
    ]
    grown = list(records[:4])
    assert len(journal.lines(grown)) == 4
    grown += records[4:]
    assert journal.lines(grown) == lines
