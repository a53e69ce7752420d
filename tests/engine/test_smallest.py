"""One item, one user: everything works, and what nobody can know is unknown."""

import json

import numpy as np
import pytest

from engine.adopt import Adoption, adopt
from engine.catalogue.add import add
from engine.experiments.sweep import sweep
from engine.home import Home
from engine.neurons.standing import READINGS, standing
from engine.neurons.table import ConceptItems
from engine.progress import silent
from engine.recommenders.recommender import Recommender, Tower
from engine.run import Run
from engine.train import train


def of_size(users: int, items: int) -> Recommender:
    random = np.random.default_rng(0)

    def tower(prefix: str, count: int) -> Tower:
        return Tower.of([f"{prefix}{n}" for n in range(count)], random.standard_normal((count, 6)).astype(np.float32))

    return Recommender.of(tower("u", users), tower("i", items), "dot")


def compared(run: Run) -> dict[str, dict]:
    return {row["name"]: row for row in run.manifest["comparison"]["rows"]}


@pytest.mark.parametrize(("users", "items"), [(30, 1), (1, 40), (1, 1)])
def test_a_model_of_one_user_or_one_item_is_adopted(home: Home, users: int, items: int) -> None:
    run = adopt(home, "few", of_size(users, items), Adoption(sae={"steps": 20}), None, silent)
    assert len(run.neurons) == 12
    assert len(run.top(0, 5)[0]) <= items
    rows = compared(run)
    assert set(rows) >= {"SAE", "raw dimensions", "PCA", "ICA", "ICA, top k"}
    if items == 1:
        assert rows["ICA"]["candidates"] == 0  # vectors that do not vary have no independent components
    with run.catalogue() as catalogue:
        assert len(run.steering(catalogue).rank(0, [], 5)["before"]) == min(items, 5)
    json.dumps(run.manifest, allow_nan=False)


def test_one_interaction_is_trained_on_and_the_lists_that_nobody_has_are_unknown(home: Home) -> None:
    folder = home.root
    folder.mkdir(parents=True)
    (folder / "i.csv").write_text("user_id,item_id\nu0,i0\n")
    (folder / "t.csv").write_text("item_id,title,genres\ni0,Only,Horror\n")
    add(home, "pair", interactions=folder / "i.csv", items=folder / "t.csv")
    run = train(home, "pair", {"recommender": {"epochs": 2}, "sae": {"steps": 20}}, None, silent)
    fidelity = run.manifest["fidelity"]
    assert fidelity["users"] == 0  # the one user has seen the one item
    assert {fidelity[name] for name in ("rbo", "rbo_p5", "rbo_median", "tau", "overlap", "rbo_ablated")} == {None}
    assert all(row["fidelity"]["rbo"] is None for row in compared(run).values())
    swept = sweep(home, run, {"sae": {"steps": 5}}, {"sae.beta": [0, 1]}, None, silent)
    assert swept.users == 0
    assert {(one.rbo, one.front) for one in swept.trials} == {(None, False)}
    assert {one.rbo for one in swept.baselines} == {None}


def test_no_neurons_stand_for_no_concept() -> None:
    concepts = [ConceptItems("one", "genre", np.ones(30, bool)), ConceptItems("none", "genre", np.zeros(30, bool))]
    found = standing(np.empty((30, 0), np.float32), np.ones(30, bool), concepts, np.ones(30, int), 0)
    assert found.candidates == 0
    for row in found.concepts:
        for reading in READINGS:
            assert row.readings[reading].neuron is None
            assert set(row.readings[reading].purity.values()) == {None}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"learning_rate": 0.05, "steps": 100}, "worse than the mean vector"),
        ({"learning_rate": 0.02, "steps": 200}, "every neuron is dead"),
    ],
)
def test_a_training_that_came_to_nothing_says_so(home: Home, more: dict, told: str) -> None:
    settings = {"variant": "relu", "l1": 1e4, "revive": 0, "rows_a_step": 64, **more}
    run = adopt(home, "much", of_size(60, 80), Adoption(sae=settings), None, silent)
    assert any(note.startswith("WARNING") and told in note for note in run.manifest["notes"])
