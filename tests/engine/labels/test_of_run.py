"""Labels of a trained run, by metadata and through a server that reads the questions; and what must fall to chance."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from engine.actions import Label
from engine.home import Home
from engine.labels.cards import parse_fields
from engine.labels.ledger import Ledger
from engine.labels.material import Material
from engine.labels.metadata import NO_CONCEPT
from engine.labels.of_run import Arrival, Request, label_and_test, questions, score_labels
from engine.labels.scores import KINDS
from engine.labels.settings import LlmSettings
from engine.progress import silent
from engine.run import Run
from tests.engine.labels.chat_server import ChatServer, Reply, chat_server, completion, error
from tests.engine.labels.judging import purpose, reader, tagged


@pytest.fixture(scope="module")
def material(demo_run: Run) -> Material:
    return Material.of(demo_run)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        running.choose = reader()
        yield running


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    with Ledger.open(home) as opened:
        yield opened


def llm(server: ChatServer, **changes: Any) -> Request:
    settings = LlmSettings("a-model", server.base_url, SecretStr("sk-0123456789abcdef"), backoff_seconds=0.001)
    return Request("llm", "llm", replace(settings, **changes))


def results(
    material: Material, neurons: list[int], request: Request, ledger: Ledger, cancelled: Callable[[], bool] = bool
) -> tuple[dict[int, dict[str, Any]], dict[tuple[int, str], dict[str, Any]]]:
    """Labels by neuron, and scores by neuron and kind; no neuron has two labels, or two scores of a kind."""
    return sorted_out(list(label_and_test(material, neurons, request, ledger, silent, cancelled)))


def sorted_out(
    arrived: list[Arrival],
) -> tuple[dict[int, dict[str, Any]], dict[tuple[int, str], dict[str, Any]]]:
    labels = [(number, data) for number, action, data in arrived if action == "label"]
    scores = [((number, data["kind"]), data) for number, action, data in arrived if action == "score"]
    assert len(dict(labels)) == len(labels)
    assert len(dict(scores)) == len(scores)
    return dict(labels), dict(scores)


def neuron_named(run: Run, concept: str) -> int:
    return next(number for number, row in enumerate(run.neurons) if row.concept == concept and row.named_by)


METADATA = Request("metadata", "metadata")


def test_metadata_labels_of_planted_tastes_hold_on_items_that_were_not_shown(
    material: Material, demo_run: Run, ledger: Ledger
) -> None:
    horror, western = neuron_named(demo_run, "Horror"), neuron_named(demo_run, "Western")
    labels, scores = results(material, [horror, western], METADATA, ledger)
    assert {labels[horror]["text"], labels[western]["text"]} == {"Horror", "Western"}
    assert labels[horror]["concept"] == "Horror"
    for kind, least in (("detection", 0.7), ("intruder", 0.5), ("held-out", 0.8)):
        assert scores[horror, kind]["state"] == "scored"
        assert scores[horror, kind]["figures"]["low"] > scores[horror, kind]["figures"]["chance"]
        assert scores[horror, kind]["figures"]["value"] >= least
    assert scores[horror, "moves"]["figures"]["agrees"] is True
    assert scores[horror, "moves"]["figures"]["implied"] is True


def test_held_out_purity_is_what_can_be_recomputed_from_the_held_out_half(
    material: Material, demo_run: Run, ledger: Ledger
) -> None:
    horror = neuron_named(demo_run, "Horror")
    _, scores = results(material, [horror], replace(METADATA, tests=("held-out",)), ledger)
    with demo_run.catalogue() as catalogue:
        member = set(next(concept for concept in catalogue.concepts() if concept.name == "Horror").items.tolist())
    z = demo_run.sae.encode(demo_run.recommender.items.vectors, "items")[:, horror]
    shown = {demo_run.recommender.items.ids.index(item) for item, _ in scores[horror, "evidence"]["figures"]["shown"]}
    held_out = material.split.score
    assert not shown & set(held_out.tolist())
    best = sorted(held_out.tolist(), key=lambda item: -z[item])[:20]
    figures = scores[horror, "held-out"]["figures"]
    assert figures["value"] == pytest.approx(np.mean([item in member for item in best]))
    row = demo_run.neurons[horror]
    assert (figures["whole"]["purity10"], figures["whole"]["purity20"]) == (row.purity10, row.purity20)


def test_a_model_names_and_judges_by_what_it_is_shown(
    material: Material, demo_run: Run, server: ChatServer, ledger: Ledger
) -> None:
    horror = neuron_named(demo_run, "Horror")
    labels, scores = results(material, [horror], llm(server), ledger)
    label = labels[horror]
    assert (label["text"], label["state"], label["concept"], label["model"]) == ("Horror", "llm", "Horror", "a-model")
    assert {kind for _, kind in scores} == {"evidence", *KINDS}
    assert scores[horror, "detection"]["judge"] == scores[horror, "intruder"]["judge"] == "a-model"
    assert scores[horror, "detection"]["text"] == "Horror"
    by_metadata = results(material, [horror], METADATA, ledger)[1]
    same = ("value", "low", "high", "verdicts", "said_to_fit")
    for name in same:
        assert scores[horror, "detection"]["figures"][name] == by_metadata[horror, "detection"]["figures"][name]
    assert sorted(purpose(request["body"]) for request in server.requests) == ["detection", "intruder", "label"]


def test_no_question_tells_more_than_cards(
    material: Material, demo_run: Run, server: ChatServer, ledger: Ledger
) -> None:
    results(material, [neuron_named(demo_run, "Horror"), 30], llm(server), ledger)
    rows = [row for request in server.requests for row in cards_in(request["body"])]
    assert len(rows) > 100
    assert all(set(row) <= {"id", "title", "year", "concepts"} for row in rows)
    for request in server.requests:
        assert "Horror, " not in request["body"]["messages"][0]["content"]
        assert set(request["body"]) == {"model", "messages", "response_format"}
        assert not any(user in request["raw"] for user in demo_run.recommender.users.ids[:50])


def test_titles_can_be_withheld(demo_run: Run, server: ChatServer, ledger: Ledger) -> None:
    blind = Material.of(demo_run, parse_fields("concepts"))
    results(blind, [neuron_named(demo_run, "Horror")], llm(server), ledger)
    rows = [row for request in server.requests for row in cards_in(request["body"])]
    assert len(rows) > 50
    assert all(set(row) <= {"id", "concepts"} for row in rows)


def cards_in(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Every item that a request shows."""
    tags = ("responds_most", "responds_less", "near_misses", "random", "items")
    cards = [card for tag in tags for card in tagged(body, tag)]
    return cards + [card for one in tagged(body, "rounds") for card in one["items"]]


def test_who_judges_sees_no_item_that_who_named_it_saw(
    material: Material, demo_run: Run, server: ChatServer, ledger: Ledger
) -> None:
    horror = neuron_named(demo_run, "Horror")
    results(material, [horror], llm(server), ledger)
    seen: dict[str, set[str]] = {"label": set(), "detection": set(), "intruder": set()}
    for request in server.requests:
        shown = cards_in(request["body"])
        seen[purpose(request["body"])] |= {f"{card['title']} {card.get('year')}" for card in shown}
    assert all(len(titles) > 20 for titles in seen.values())
    assert not seen["label"] & (seen["detection"] | seen["intruder"])


def test_a_model_that_sees_no_concept_is_believed_and_not_tested_on_it(
    material: Material, server: ChatServer, ledger: Ledger
) -> None:
    server.choose = reader(named=lambda _cards: None)
    labels, scores = results(material, [2], llm(server), ledger)
    assert (labels[2]["text"], labels[2]["state"], labels[2]["concept"]) == (NO_CONCEPT, "llm", None)
    assert scores[2, "intruder"]["state"] == "scored"
    assert {scores[2, kind]["state"] for kind in ("detection", "held-out", "moves")} == {"unknown"}


def test_a_label_that_names_no_concept_is_judged_by_the_model_alone(
    material: Material, server: ChatServer, ledger: Ledger
) -> None:
    server.choose = reader(named=lambda _cards: "Haunted houses", fits=lambda _name, card: "Horror" in card["concepts"])
    labels, scores = results(material, [2], llm(server), ledger)
    assert labels[2]["concept"] is None
    assert scores[2, "detection"]["state"] == "scored"
    for kind in ("held-out", "moves"):
        assert scores[2, kind]["state"] == "unknown"
        assert "names no concept" in scores[2, kind]["why"]


def test_a_verdict_on_every_item_is_demanded_once_more_and_then_it_failed(
    material: Material, server: ChatServer, ledger: Ledger
) -> None:
    right = reader()

    def lazy(body: dict[str, Any], before: int) -> Reply:
        if purpose(body) == "detection":
            return completion('{"answers": [{"id": "i1", "fits": true}]}', usage=(10, 10))
        if purpose(body) == "intruder" and len(body["messages"]) == 2:
            return completion('{"answers": [{"round": "r1", "intruder": "r2i1"}]}', usage=(10, 10))
        return right({**body, "messages": body["messages"][:2]}, before)

    server.choose = lazy
    labels, scores = results(material, [2], llm(server), ledger)
    assert labels[2]["state"] == "llm"
    assert scores[2, "intruder"]["state"] == "scored"
    assert scores[2, "detection"]["state"] == "failed"
    assert scores[2, "detection"]["figures"] is None
    assert "has no answer (49 of 50 are missing)" in scores[2, "detection"]["why"]


def test_a_failure_is_one_neurons_and_a_state(material: Material, server: ChatServer, ledger: Ledger) -> None:
    right, title = reader(), tagged_title(material, 3)

    def picky(body: dict[str, Any], before: int) -> Reply:
        shown = tagged(body, "responds_most")
        return error(400, "not this one") if shown and shown[0].get("title") == title else right(body, before)

    server.choose = picky
    labels, scores = results(material, [2, 3, 4], llm(server), ledger)
    assert [labels[number]["state"] for number in (2, 3, 4)] == ["llm", "failed", "llm"]
    assert "not this one" in labels[3]["note"]
    assert (3, "detection") not in scores
    assert scores[2, "detection"]["state"] == scores[4, "detection"]["state"] == "scored"


def tagged_title(material: Material, neuron: int) -> str:
    return str(material.cards.card(material.evidence(neuron).of("top")[0])["title"])


def test_what_has_been_answered_costs_nothing_again_unless_it_is_asked_anew(
    material: Material, server: ChatServer, ledger: Ledger
) -> None:
    first = results(material, [2, 4], llm(server), ledger)
    sent = len(server.requests)
    assert [q.purpose for q in questions(material, [2, 4], llm(server))[0]].count("label") == 2
    again = results(material, [2, 4], llm(server), ledger)
    assert len(server.requests) == sent
    assert first[0][2]["text"] == again[0][2]["text"]
    results(material, [2], replace(llm(server), fresh=True), ledger)
    assert len(server.requests) == sent + 3


def test_one_limit_of_cost_is_for_labels_and_tests_together(
    material: Material, server: ChatServer, ledger: Ledger
) -> None:
    from engine.labels.prices import parse

    priced = replace(llm(server, concurrency=2, price=parse("10/10", "test")), max_cost=0.2)
    labels, scores = results(material, list(range(20)), priced, ledger)
    spent = sum(row.usd or 0.0 for row in ledger.spent())
    assert 0.05 < spent <= 0.2
    assert spent == pytest.approx(sum(row.requests for row in ledger.spent()) * 540 * 10e-6)
    states = {scores[number, "detection"]["state"] for number in labels if (number, "detection") in scores}
    assert "failed" in states | {label["state"] for label in labels.values()}
    told = [label["note"] for label in labels.values() if label["state"] == "failed"]
    told += [score["why"] for score in scores.values() if score["state"] == "failed"]
    assert all("limit of $0.20 would be passed" in why for why in told)


@pytest.mark.parametrize("labeller", ["llm", "metadata"])
def test_what_an_analyst_decided_is_tested_and_not_named(
    material: Material, server: ChatServer, ledger: Ledger, labeller: Any
) -> None:
    standing = {
        2: Label("Mine", "human", "Horror"),
        3: Label("Not this", "rejected"),
        4: Label("A model's", "llm"),
        5: Label("Another's", "human"),
    }
    request = replace(llm(server), labeller=labeller)
    expected, open_yet = questions(material, [2, 3, 4], request, standing)
    labels, scores = sorted_out(list(label_and_test(material, [2, 3, 4], request, ledger, silent, bool, standing)))
    assert list(labels) == [4]
    assert (scores[2, "detection"]["text"], scores[2, "held-out"]["concept"]) == ("Mine", "Horror")
    assert {kind for number, kind in scores if number == 3} == {"intruder"}
    sent = [purpose(request["body"]) for request in server.requests]
    assert sorted(sent) == sorted(question.purpose for question in expected)
    assert sent.count("label") == (labeller == "llm")
    assert open_yet == 1


def test_a_model_that_is_missing_fails_no_neuron_that_an_analyst_named(material: Material, ledger: Ledger) -> None:
    refused = Request("llm", "llm", refusal="No key.")
    standing = {1: Label("Mine", "human")}
    arrived = list(label_and_test(material, [1, 2], refused, ledger, silent, bool, standing))
    assert [number for number, _action, _data in arrived] == [2]


def test_a_label_that_is_nothing_but_a_key_is_a_failure(material: Material, server: ChatServer, ledger: Ledger) -> None:
    server.choose = reader(named=lambda _cards: "(sk-0123456789abcdef)")
    labels, _ = results(material, [2], llm(server), ledger)
    assert (labels[2]["state"], labels[2]["text"]) == ("failed", None)
    assert "repeats a key" in labels[2]["note"]


def test_a_model_that_cannot_be_asked_fails_every_label_with_the_reason(material: Material, ledger: Ledger) -> None:
    refused = Request("llm", "llm", refusal="No key.")
    labels, scores = results(material, [1, 2], refused, ledger)
    assert [(label["state"], label["note"]) for label in labels.values()] == [("failed", "No key.")] * 2
    assert not scores


def test_cancelling_keeps_what_arrived(material: Material, server: ChatServer, ledger: Ledger) -> None:
    arrived: list[Arrival] = []
    request = llm(server, concurrency=1)
    for one in label_and_test(material, list(range(10)), request, ledger, silent, lambda: len(arrived) >= 6):
        arrived.append(one)
    labels, scores = sorted_out(arrived)
    assert 3 <= len(labels) <= 5
    assert all(label["state"] == "llm" for label in labels.values())
    assert {kind for _, kind in scores} == {"evidence"}


def test_on_shuffled_metadata_there_are_no_names_and_true_ones_score_chance(
    material: Material, demo_run: Run, ledger: Ledger
) -> None:
    shuffled = material.shuffled(seed=1)
    labels, _ = results(shuffled, list(range(40)), replace(METADATA, tests=()), ledger)
    assert [label["text"] for label in labels.values()].count(NO_CONCEPT) >= 39
    named = {number: row.concept for number, row in enumerate(demo_run.neurons) if row.named_by}
    truths = {number: Label(name, "metadata", name) for number, name in named.items()}
    tests = replace(METADATA, tests=("detection", "intruder", "held-out"))

    def means(on: Material) -> dict[str, tuple[float, float]]:
        scores = sorted_out(list(score_labels(on, truths, tests, ledger, silent, bool)))[1].values()
        figures = {kind: [s["figures"] for s in scores if s["kind"] == kind and s["figures"]] for kind in tests.tests}
        return {
            kind: (float(np.mean([f["value"] for f in some])), float(np.mean([f["chance"] for f in some])))
            for kind, some in figures.items()
        }

    assert len(truths) >= 15
    true, chance = means(material), means(shuffled)
    for kind, within in (("detection", 0.05), ("intruder", 0.1), ("held-out", 0.06)):
        assert chance[kind][0] == pytest.approx(chance[kind][1], abs=within), kind
        assert true[kind][0] > true[kind][1] + 0.25, kind


def test_a_model_falls_to_chance_on_shuffled_metadata_too(
    material: Material, demo_run: Run, server: ChatServer, ledger: Ledger
) -> None:
    named = {number: row.concept for number, row in enumerate(demo_run.neurons) if row.named_by}
    truths = {number: Label(name, "metadata", name) for number, name in named.items()}
    judged = replace(llm(server), tests=("detection",))
    scores = sorted_out(list(score_labels(material.shuffled(seed=2), truths, judged, ledger, silent, bool)))[1]
    values = [score["figures"]["value"] for score in scores.values()]
    assert np.mean(values) == pytest.approx(0.5, abs=0.05)


def test_without_the_data_set_a_model_still_names_and_what_needs_it_is_unknown(
    demo_run: Run, server: ChatServer, ledger: Ledger, tmp_path: Any
) -> None:
    import shutil

    elsewhere = Home(tmp_path / "elsewhere")
    shutil.copytree(demo_run.folder, elsewhere.run("demo"))
    alone = Material.of(Run.open(elsewhere, "demo"))
    labels, scores = results(alone, [2], llm(server), ledger)
    assert labels[2]["state"] == "llm"
    assert scores[2, "detection"]["state"] == "scored"
    assert scores[2, "held-out"]["state"] == scores[2, "moves"]["state"] == "unknown"
    assert "not here" in scores[2, "held-out"]["why"]
