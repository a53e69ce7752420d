import numpy as np
import pytest

from engine.neurons.moves import concept_moves, moves, null_of_moves, share_at_or_above
from engine.neurons.table import ConceptItems
from engine.recommenders.recommender import Recommender
from engine.recommenders.scorers import Cosine, Dot, Mlp, Scorer
from engine.sae.model import SideMap, SparseAutoencoder
from engine.steering.edits import Edit, edited_codes, edited_vectors

USERS, ITEMS, D, M = 30, 50, 6, 8


def made(scorer: Scorer) -> tuple[Recommender, SparseAutoencoder]:
    random = np.random.default_rng(0)
    users, items = (random.standard_normal((n, D)).astype(np.float32) for n in (USERS, ITEMS))
    w = random.standard_normal((M, D)).astype(np.float32)
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    rotation = np.linalg.qr(random.standard_normal((D, D)))[0].astype(np.float32)
    sides = {
        "users": SideMap(np.zeros(D, np.float32), 1.7, 0.1, rotation=rotation),
        "items": SideMap(np.zeros(D, np.float32), 0.6, 0.1),
    }
    sae = SparseAutoencoder(w, np.zeros(M, np.float32), np.zeros(D, np.float32), sides)  # type: ignore[arg-type]
    ids = ([f"u{n}" for n in range(USERS)], [f"i{n}" for n in range(ITEMS)])
    return Recommender.of((ids[0], users), (ids[1], items), scorer), sae


def perceptron() -> Mlp:
    random = np.random.default_rng(3)
    first, last = random.standard_normal((16, 2 * D)), random.standard_normal((1, 16))
    return Mlp(
        (first.astype(np.float32), last.astype(np.float32)), (np.zeros(16, np.float32), np.zeros(1, np.float32)), D
    )


def test_what_a_dot_product_moves_is_what_an_edit_of_any_user_does() -> None:
    recommender, sae = made(Dot())
    found = moves(recommender, sae, 2, "users", 1.5, seed=0)
    everyone = np.arange(USERS)
    z = sae.encode(recommender.users.vectors, "users")
    raised = edited_codes(z, [Edit(neuron=2, operation="add", amount=1.0)], [1.5] * M)
    edited = edited_vectors(sae, recommender.users.vectors, z, raised, "users")
    change = recommender.affinities(everyone, edited) - recommender.affinities(everyone)
    np.testing.assert_allclose(change, np.tile(found.mean, (USERS, 1)), atol=1e-4)
    assert found.exact
    assert (found.same_sign == 1).all()


def test_what_an_items_code_moves_is_the_change_of_every_users_affinity_to_it() -> None:
    recommender, sae = made(Dot())
    found = moves(recommender, sae, 5, "items", 2.0, seed=0)
    code = np.zeros((1, M), np.float32)
    code[0, 5] = 2
    after = recommender.items.vectors[7] + sae.shift(code, "items")[0]
    change = recommender.users.vectors @ after - recommender.users.vectors @ recommender.items.vectors[7]
    np.testing.assert_allclose(found.mean, change, atol=1e-4)


@pytest.mark.parametrize("scorer", [Cosine(2.0), perceptron()], ids=["cosine", "mlp"])
@pytest.mark.parametrize("side", ["users", "items"])
def test_other_scorers_are_measured_by_central_differences(scorer: Scorer, side: str) -> None:
    recommender, sae = made(scorer)
    found = moves(recommender, sae, 1, side, 1.0, seed=0)  # type: ignore[arg-type]
    code = np.zeros((1, M), np.float32)
    code[0, 1] = 1
    half = sae.shift(code, side)[0] / 2  # type: ignore[arg-type]
    users, items = recommender.users.vectors, recommender.items.vectors
    if side == "users":
        each = scorer(users + half, items) - scorer(users - half, items)
    else:
        each = (scorer(users, items + half) - scorer(users, items - half)).T
    assert (found.exact, found.sample) == (False, len(each))
    np.testing.assert_allclose(found.mean, each.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found.low, np.percentile(each, 25, axis=0), atol=1e-5)
    np.testing.assert_allclose(found.same_sign, (np.sign(each) == np.sign(each.mean(axis=0))).mean(axis=0))
    assert found.same_sign.min() < 1


def test_concepts_are_ordered_by_what_they_gain_over_the_mean_and_small_ones_are_left_out() -> None:
    change = np.arange(100, dtype=np.float32)
    eligible = np.ones(100, bool)
    eligible[99] = False
    high, low, few = (np.zeros(100, bool) for _ in range(3))
    high[70:], low[:30], few[50:60] = True, True, True
    concepts = [ConceptItems(name, "genre", mask) for name, mask in (("low", low), ("high", high), ("few", few))]
    told = concept_moves(change, eligible, concepts)
    assert [one.concept for one in told] == ["high", "low"]
    assert (told[0].items, told[0].mean, told[0].excess) == (29, 84.0, 35.0)


@pytest.mark.parametrize("scorer", [Dot(), Cosine(2.0)], ids=["dot", "cosine"])
def test_the_null_moves_concepts_as_random_shifts_of_that_length_do(scorer: Scorer) -> None:
    recommender, _ = made(scorer)
    half = np.arange(ITEMS) < ITEMS // 2
    concepts = [ConceptItems("half", "genre", half)]
    length = 1.0 if scorer.kind == "dot" else 0.01  # linear where it is small
    null = null_of_moves(recommender, length, np.ones(ITEMS, bool), concepts, seed=0, directions=400)
    random = np.random.default_rng(9)
    brute = []
    for _ in range(400):
        shift = random.standard_normal(D)
        shift = (length * shift / np.linalg.norm(shift)).astype(np.float32)
        users = recommender.users.vectors.astype(np.float64)
        change = (scorer(users + shift, recommender.items.vectors) - scorer(users, recommender.items.vectors)).mean(0)
        brute.append(change[half].mean() - change.mean())
    assert null.shape == (400,)
    assert null.std() == pytest.approx(np.std(brute), rel=0.15)
    assert abs(null.mean()) < 3 * null.std() / 20


def test_a_share_of_the_null_counts_the_value_itself() -> None:
    assert share_at_or_above(2.0, np.array([1.0, 2.0, 3.0])) == 0.75
    assert share_at_or_above(2.0, np.empty(0)) is None
