"""Pages of items, users and concepts: what the facts say, within the width, whatever is missing."""

from collections.abc import Mapping
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.run import Run
from tests.workbench.fake_run import AWKWARD
from tests.workbench.view_of import WIDTHS, damaged
from workbench.facts import concept_facts, item_facts, user_facts
from workbench.model import RunCard
from workbench.view import Page, View
from workbench.widgets.line import text_of, width_of
from workbench.widgets.page import page

Kind = Literal["item", "user", "concept"]
KINDS: tuple[Kind, ...] = ("item", "user", "concept")
NEURONS = [
    {"neuron": 4, "activation": 5.79, "units": 1.24, "name": "Scary", "concept": "Horror"},
    {"neuron": 6, "activation": 1.69, "units": None, "name": None, "concept": "Comedy"},
]
ITEM: dict[str, Any] = {
    "item_id": "1982",
    "title": "Halloween (1978)",
    "concepts": ["Horror", "70's Horror"],
    "ranked": True,
    "popularity": 494,
    "popularity_rank": 603,
    "ranked_items": 3701,
    "neurons": NEURONS,
    "error": {"share": 0.03, "mean": 0.04},
    "nearest_by_code": [
        {"item_id": "1", "title": "Omen", "cosine": 0.95},
        {"item_id": "2", "title": "It", "cosine": 0.9},
    ],
    "nearest_by_vector": [{"item_id": "1", "title": "Omen", "cosine": 0.97}],
    "nearest_shared": 1,
    "missing": None,
}
USER: dict[str, Any] = {
    "user": "u7",
    "neurons": NEURONS,
    "error": {"share": 0.02, "mean": 0.04},
    "affinity_explained": 0.99,
    "training_items": 1844,
    "training_concepts": [{"concept": "Horror", "kind": "genre", "items": 260, "share": 0.14, "catalogue": 0.09}],
    "missing": None,
}
CONCEPT: dict[str, Any] = {
    "concept": "Horror",
    "kind": "genre",
    "items": 338,
    "base_rate": 0.09,
    "missing": False,
    "standing": {"split_half": {"neuron": None, "purity20": 0.95}, "one_to_one": {"neuron": 4, "purity20": 0.9}},
    "neurons": [{"neuron": 4, "purity10": 1.0, "purity20": 0.9, "purity50": None, "lift": 10.9, "named": True}],
    "misses": [{"item_id": "5", "title": "Airplane!", "activation": 2.5}],
    "profile": [{"neuron": 3, "mean": 0.1, "catalogue": 0.2}, {"neuron": 4, "mean": 2.8, "catalogue": 0.3}],
}
FACTS: dict[Kind, dict[str, Any]] = {"item": ITEM, "user": USER, "concept": CONCEPT}


def shown(kind: Kind, facts: Mapping[str, Any] | None, width: int = 44, fault: str | None = None) -> str:
    view = View(RunCard("demo-mf"), "work", page=Page(kind, "what was asked for", facts, fault))
    lines = page(view, width).rows
    assert all(width_of(line) <= width for line in lines)
    return "\n".join(text_of(line).rstrip() for line in lines)


def said(kind: Kind, facts: Mapping[str, Any], width: int = 44) -> str:
    return " ".join(shown(kind, facts, width).split())


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_waits_in_words_and_a_fault_is_its_sentence(kind: Kind) -> None:
    assert shown(kind, None).splitlines() == [f"{kind} what was asked for", "Looking it up…"]
    assert shown(kind, None, fault="There is none.") == "There is none."
    refused = View(RunCard("demo-mf"), "work", page=Page(kind, "x", None, "There is none."))
    assert {role for line in page(refused, 44).rows for _, role in line} == {"warn"}


def test_an_item_shows_its_neurons_and_who_is_near_in_both_spaces() -> None:
    text = said("item", ITEM)
    assert text.startswith(
        "Halloween (1978) item 1982 Horror · 70's Horror 494 training interactions, number 603 of 3,701."
    )
    assert "4 Scary 5.79 1.24 ██████████" in text
    assert "6 Comedy? 1.69 –" in text
    assert "leaves out 3% of the item's variance (mean item: 4%)" in text
    assert text.count("Omen 0.9") == text.count("●") - 1 == 2
    assert "It 0.90 Nearest" in text


def test_an_item_that_is_not_ranked_says_so_and_no_more() -> None:
    text = said("item", {**ITEM, "ranked": False})
    assert "neither ranked nor measured" in text
    assert "Made of" not in text


def test_a_user_shows_what_they_are_made_of_beside_what_they_saw() -> None:
    text = said("user", USER)
    assert text.startswith("user u7 1,844 items in training")
    assert "Horror 260 14% 9% ██████████" in text
    assert "explains 99% of the variance" in text
    assert "Made of No neuron is active." in said("user", {**USER, "neurons": []})


def test_a_concept_shows_its_neurons_and_how_far_to_trust_them() -> None:
    text = said("concept", CONCEPT)
    assert "338 of the ranked items (9%)." in text
    assert "4 1.00 0.90 – 10.9 yes" in text
    assert "purity@20 is 0.95" in text
    assert "neuron 4 is its own, at 0.90" in text
    assert "In the top 20 of neuron 4 without it (1) item act Airplane! 2.50" in text
    assert text.index("4 2.80 0.30") < text.index("3 0.10 0.20")
    assert "no neuron stands for it" in said("concept", {**CONCEPT, "missing": True})
    assert "None of its items is ranked" in said("concept", {**CONCEPT, "items": 0})


def test_without_a_catalogue_its_sentence_is_shown() -> None:
    gone = "The catalogue is not here."
    assert f"Popularity is missing here: {gone}" in said("item", {**ITEM, "popularity": None, "missing": gone})
    assert f"What they saw is missing here: {gone}" in said("user", {**USER, "training_items": None, "missing": gone})


@pytest.mark.parametrize("title", AWKWARD)
def test_awkward_titles_align(title: str) -> None:
    facts = {**ITEM, "title": title, "nearest_by_code": [{"item_id": title, "title": title, "cosine": 0.95}]}
    for width in (30, 44, 46, 70, 120):
        text = shown("item", facts, width)
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "0.95" in text


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(KINDS), WIDTHS)
def test_nothing_is_too_wide_and_nothing_fails_whatever_is_missing(data: st.DataObject, kind: Kind, width: int) -> None:
    shown(kind, data.draw(damaged(FACTS[kind])), width)


def test_the_facts_of_a_real_run_fill_every_page(demo_run: Run) -> None:
    item, user = demo_run.recommender.items.ids[3], demo_run.recommender.users.ids[5]
    told: dict[Kind, dict[str, Any]] = {
        "item": item_facts(demo_run, item, {}, 10),
        "user": user_facts(demo_run, user, {}, 10),
        "concept": concept_facts(demo_run, "Horror", 5),
    }
    for kind, facts in told.items():
        for width in (30, 44, 70, 120):
            text = shown(kind, facts, width)
            assert len(text.splitlines()) > 8
            assert "None" not in text
            assert "nan" not in text


@pytest.mark.parametrize(("count", "told"), [(3, None), (40, "more")])
def test_many_tags_take_two_rows_and_tell_how_many_more_there_are(count: int, told: str | None) -> None:
    tags = [f"tag number {number}" for number in range(count)]
    shown = Page("item", "1982", facts={**ITEM, "concepts": tags})
    rows = [text_of(line) for line in page(View(RunCard("r"), "s", page=shown), 44).rows]
    rows = rows[1 : rows.index(next(row for row in rows if "training interactions" in row))]
    assert len(rows) == 2 if told else len(rows) < 3
    names = " · ".join(rows).split(" · ")
    listed = [name for name in names if name in tags]
    assert listed == tags[: len(listed)]
    assert names[len(listed) :] == ([f"and {count - len(listed)} more"] if told else [])
