"""The commands of a report: they make the session's own labels and edits, and no others."""

from typing import Any

from engine.actions import Label, State
from engine.labels.metadata import NO_CONCEPT
from engine.labels.scores import KINDS
from engine.report.again import digest, of_session
from engine.run import Run


def label_lines(run: Run, state: State) -> list[str]:
    return [line for _, line in of_session(run, "s", state, (), (), ())]


def scored(*kinds: str, judge: str = "metadata") -> dict[str, dict[str, Any]]:
    return {kind: {"judge": "lists" if kind == "moves" else judge} for kind in kinds}


def test_labels_of_the_metadata_are_made_for_their_neurons_alone_with_the_tests_that_they_had(demo_run: Run) -> None:
    labels = {n: Label("Horror", "metadata", "Horror") for n in (1, 2, 3, 5, 8)} | {6: Label(NO_CONCEPT, "metadata")}
    scores = {n: scored(*KINDS) for n in (1, 2, 3)} | {5: scored("moves"), 6: scored("detection", judge="llm")}
    assert label_lines(demo_run, State(labels=labels, scores=scores)) == [
        "monoscope label demo --neurons 6,8 --labeller metadata --tests none --session s",
        "monoscope label demo --neurons 1-3 --labeller metadata --session s",
        "monoscope label demo --neurons 5 --labeller metadata --tests moves --session s",
    ]


def test_a_rejected_label_comes_back_whoever_it_was_from(demo_run: Run) -> None:
    labels = {4: Label("Space opera", "rejected", "Sci-Fi", model="m"), 7: Label("Odd", "failed")}
    assert label_lines(demo_run, State(labels=labels)) == [
        "monoscope labels demo set --concept Sci-Fi --session s 4 -- 'Space opera'",
        "monoscope labels demo reject 4 --session s",
    ]


def test_a_label_that_was_accepted_is_made_by_the_metadata_and_accepted_again(demo_run: Run) -> None:
    evidence = {"evidence": {"judge": "metadata", "figures": {"by": "enrichment"}}}
    state = State(labels={4: Label("Horror", "human", "Horror", note="20 of 20")}, scores={4: evidence})
    assert label_lines(demo_run, state) == [
        "monoscope label demo --neurons 4 --labeller metadata --tests none --session s",
        "monoscope labels demo accept 4 --session s",
    ]


def test_a_session_is_the_same_whatever_the_last_digits_of_solved_amounts_and_the_labels_that_failed() -> None:
    solved = {"goal": "share(Horror)<=0.5x", "where": "true", "amounts": "a" * 64}
    same = {"goal": "share(Horror)<=0.5x", "amounts": "b" * 64, "on": True}
    state = State(labels={1: Label(None, "failed")})
    assert digest([solved], state, ()) == digest([same], State(), ())
    assert digest([solved], state, ()) != digest([{**solved, "neurons_at_most": 8}], state, ())
