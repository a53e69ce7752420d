import numpy as np
import pytest

from engine.neurons.makeup import (
    active_neurons,
    concept_shares,
    explained_affinity,
    nearest,
    reconstruction_error,
)
from engine.neurons.table import ConceptItems
from engine.recommenders.recommender import Recommender
from engine.sae.model import SideMap, SparseAutoencoder


def identity(keep: int, d: int = 4) -> SparseAutoencoder:
    """Neurons +x and -x for the first `keep` dimensions: a code that forgets the others."""
    eye = np.eye(d, dtype=np.float32)[:keep]
    side = SideMap(np.zeros(d, np.float32), 1.0, 0.0)
    w = np.concatenate([eye, -eye])
    return SparseAutoencoder(w, np.zeros(len(w), np.float32), np.zeros(d, np.float32), {"users": side, "items": side})


def test_active_neurons_are_ordered_by_their_own_units() -> None:
    told = active_neurons(np.array([4.0, 0, 1, 3], np.float32), [8.0, 1.0, 0.5, None])
    assert [(one.neuron, one.units) for one in told] == [(2, 2.0), (0, 0.5), (3, None)]


def test_the_error_is_zero_for_a_perfect_code_and_the_lost_variance_for_one_that_forgets() -> None:
    e = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
    e -= e.mean(axis=0)
    assert reconstruction_error(identity(4), e, 3, "items").share == pytest.approx(0, abs=1e-10)
    told = reconstruction_error(identity(3), e, 3, "items")
    assert told.share == pytest.approx(e[3, 3] ** 2 / e.var(axis=0).sum(), rel=1e-4)
    assert told.mean == pytest.approx(e[:, 3].var() / e.var(axis=0).sum(), rel=1e-4)
    assert reconstruction_error(identity(4), np.ones((5, 4), np.float32), 0, "users").share is None


def test_nearest_rows_have_the_largest_cosine_and_are_eligible() -> None:
    x = np.array([[1, 0], [2, 0.1], [1, 1], [0, 0], [5, 0], [-1, 0]])
    told = nearest(x, 0, np.array([True, True, True, True, False, True]), 2)
    assert [one.number for one in told] == [1, 2]
    assert told[1].cosine == pytest.approx(np.sqrt(0.5))
    assert nearest(x, 3, np.ones(6, bool), 2) == []


def test_concepts_of_a_history_stand_beside_the_catalogue_the_most_surprising_first() -> None:
    eligible = np.ones(100, bool)
    rare, common = np.zeros(100, bool), np.ones(100, bool)
    rare[:5] = True
    common[95:] = False
    concepts = [ConceptItems("common", "genre", common), ConceptItems("rare", "genre", rare)]
    told = concept_shares(np.array([0, 1, 2, 50]), eligible, concepts)
    assert [(one.concept, one.items, one.share, one.catalogue) for one in told] == [
        ("rare", 3, 0.75, 0.05),
        ("common", 4, 1.0, 0.95),
    ]


def test_a_perfect_code_explains_all_affinities_and_an_empty_one_none() -> None:
    random = np.random.default_rng(0)
    items = random.standard_normal((200, 4)).astype(np.float32)
    users = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 1]], np.float32)
    names = [str(n) for n in range(200)]
    recommender = Recommender.of((names[:3], users), (names, items))
    everything = np.ones(200, bool)
    explained = [explained_affinity(recommender, identity(3), user, everything) for user in range(3)]
    assert explained[0] == pytest.approx(1)
    assert explained[1] == pytest.approx(0, abs=0.05)
    a = items @ users[2]
    assert explained[2] == pytest.approx(1 - (items[:, 3] ** 2).sum() / ((a - a.mean()) ** 2).sum(), rel=1e-5)
