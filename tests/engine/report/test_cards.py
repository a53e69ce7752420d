"""Cards of neurons: likeness without what all vectors share, and no wall of tags."""

import re

import numpy as np
import pytest

from engine.inspector import Inspector
from engine.report.cards import OF_AN_ITEM, Cards, _few_concepts
from engine.report.document import MISSING, About, _missing_concepts, document
from engine.report.html import as_html
from engine.run import Run
from engine.session import State


def test_likeness_is_over_vectors_without_their_mean_and_chance_is_of_any_two_items(demo_run: Run) -> None:
    vectors = demo_run.recommender.items.vectors
    with Inspector.open(demo_run) as inspector:
        told = Cards(inspector, with_users=False)._likeness([3, 5])
        z, eligible = inspector.z_im[:, 5], np.flatnonzero(inspector.eligible)
    x = vectors - vectors[eligible].mean(axis=0)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    top = eligible[np.argsort(-z[eligible], kind="stable")][:30]
    top = top[z[top] > 0]
    pairs = [(a, b) for a in top for b in top if a != b]
    weights = [z[a] * z[b] for a, b in pairs]
    assert told[5]["likeness"] == pytest.approx(
        np.average([unit[a] @ unit[b] for a, b in pairs], weights=weights), 1e-4
    )
    cosines = unit[eligible] @ unit[eligible].T
    n = len(eligible)
    assert told[3]["likeness_chance"] == pytest.approx((cosines.sum() - n) / (n * (n - 1)), abs=1e-4)


def test_a_card_tells_five_concepts_of_an_item_the_neurons_own_first() -> None:
    tags = [f"tag {n}" for n in range(12)]
    told = _few_concepts(tags, [None, "tag 9", "absent", "tag 4", "tag 9"])
    assert told == {"few": ["tag 9", "tag 4", "tag 0", "tag 1", "tag 2"], "more": 12 - OF_AN_ITEM}
    assert _few_concepts(["a"], []) == {"few": ["a"], "more": 0}


def test_the_summary_names_ten_missing_concepts_those_of_most_items_first() -> None:
    concepts = [{"concept": f"c{n:02}", "kind": "tag", "reached": False, "items": n} for n in range(14)]
    (sentence,) = _missing_concepts({"concepts": concepts})
    names = ", ".join(f"c{n:02}" for n in range(13, 3, -1))
    assert sentence == f"No neuron stands for {names} and {14 - MISSING} rarer concepts."
    assert _missing_concepts({"concepts": concepts[:2]}) == ["No neuron stands for c01, c00."]
    assert _missing_concepts({"concepts": [concepts[0] | {"reached": True}]}) == []


def test_only_neurons_with_neighbours_have_a_part_for_them(demo_run: Run) -> None:
    told = document(demo_run, State(), About())
    first, second, *rest = told["cards"]
    near = [{"neuron": second["neuron"], "cosine": 0.9, "jaccard": 0.5}]
    alone = {**second, "neighbours": []}
    page = as_html(
        {**told, "cards": [{**first, "neighbours": near}, alone, *({**one, "neighbours": []} for one in rest)]}
    )
    cards = re.findall(r"<article.*?</article>", page, re.DOTALL)
    assert ["<h4>Neighbours</h4>" in card for card in cards] == [True, *[False] * (len(cards) - 1)]
    assert "a card without them has none" in page
    assert "no neuron here has any" in as_html({**told, "cards": [alone]})
