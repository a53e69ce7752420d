"""The engine as a library: the README's lines as they stand there, and what it refuses."""

import re
from pathlib import Path

import numpy as np
import pytest

from engine.errors import RunError
from engine.explain import explain
from engine.recommenders.recommender import Recommender
from engine.steering.edits import Edit
from tests.planted import Planted, planted

SMALL = {"neurons": 20, "k_items": 3, "k_users": 5, "steps": 200, "rows_a_step": 256, "pair_rows": 96}


@pytest.fixture(scope="module")
def case() -> Planted:
    return planted()


def ids(case: Planted, concept: int) -> list[str]:
    return [case.recommender.items.ids[n] for n in np.flatnonzero(case.concepts[concept].member)]


def test_the_lines_in_the_readme_do_what_they_say(case: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (lines,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    recommender = case.recommender
    names = {
        "user_ids": recommender.users.ids,
        "user_vectors": recommender.users.vectors,
        "item_ids": recommender.items.ids,
        "item_vectors": recommender.items.vectors,
        "horror": ids(case, 0),
        "comedy": ids(case, 1),
        "seen": {recommender.users.ids[n]: [recommender.items.ids[i] for i in case.seen[n]] for n in range(400)},
        "user": "u3",
    }
    exec(compile(lines, "README.md", "exec"), names)
    assert len(lines.strip().splitlines()) <= 14
    printed = capsys.readouterr().out
    assert "Horror" in printed
    found, neuron = names["found"], names["neuron"]
    assert found.neurons[neuron].concept == "Horror"  # type: ignore[attr-defined, index]


def test_seen_items_are_left_out_and_an_edit_moves_lists(case: Planted) -> None:
    recommender = case.recommender
    seen = {user: [recommender.items.ids[i] for i in case.seen[n]] for n, user in enumerate(recommender.users.ids)}
    found = explain(recommender, concepts={"c0": ids(case, 0)}, seen=seen, **SMALL)  # type: ignore[arg-type]
    assert found.standing is not None
    neuron = found.standing.concepts[0].readings["label-chosen"].neuron
    assert neuron is not None
    users = recommender.users.ids[:30]
    before = found.lists(users)
    assert all(not set(before[user]) & set(seen[user]) for user in users)
    assert found.lists(users, []) == before
    after = found.lists(users, [Edit(neuron=neuron, operation="add", amount=2)])
    mine = set(ids(case, 0))
    share = [np.mean([item in mine for user in users for item in lists[user]]) for lists in (before, after)]
    assert share[1] > share[0] + 0.2
    top = found.top(neuron, 20)
    assert sum(item in mine for item, _ in top) >= 19
    assert list(found.table().index) == list(range(20))


def test_without_concepts_and_histories_everything_but_purity_works(case: Planted) -> None:
    found = explain(case.recommender, **SMALL)  # type: ignore[arg-type]
    assert found.standing is None
    assert all(neuron.concept is None for neuron in found.neurons)
    assert 0 < found.fidelity.rbo <= 1
    assert len(found.lists(["u0"], k=5)["u0"]) == 5


def test_what_does_not_fit_is_said_in_a_sentence(case: Planted) -> None:
    with pytest.raises(RunError, match="concept 'Horror' names the item 'i9999'"):
        explain(case.recommender, concepts={"Horror": ["i9999"]})
    with pytest.raises(RunError, match="names the user 'nobody'"):
        explain(case.recommender, seen={"nobody": ["i1"]})
    with pytest.raises(RunError, match="neurons"):
        explain(case.recommender, neurons=0)
    found = explain(case.recommender, **SMALL)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="no user 'me'"):
        found.lists(["me"])


@pytest.mark.parametrize(("users", "items"), [(1, 1), (1, 30), (30, 1), (2, 2)])
def test_the_smallest_recommenders_are_explained_too(users: int, items: int) -> None:
    random = np.random.default_rng(0)
    tiny = Recommender.of(
        ([f"u{n}" for n in range(users)], random.standard_normal((users, 4))),
        ([f"i{n}" for n in range(items)], random.standard_normal((items, 4))),
    )
    found = explain(tiny, concepts={"all": [f"i{n}" for n in range(items)]}, steps=20, rows_a_step=8, pair_rows=4)
    assert len(found.neurons) == 8
    assert np.isfinite(found.sae.w_md).all()
    assert len(found.lists(["u0"])["u0"]) == min(items, 10)
