import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from engine.fidelity import audit, kendall_tau, measure_fidelity, rbo, shared
from engine.recommenders.ranking import Candidates, Histories
from engine.recommenders.recommender import Recommender, Tower
from engine.sae.model import SideMap, SparseAutoencoder

LISTS = st.permutations(range(12)).map(lambda order: np.array([order[:6]]))


def rbo_by_definition(a: list[int], b: list[int], p: float) -> float:
    """Webber et al. 2010, Eq. 23 with equal lengths, written as the paper writes it."""
    k = len(a)
    overlaps = [len(set(a[:d]) & set(b[:d])) for d in range(1, k + 1)]
    return overlaps[-1] / k * p**k + (1 - p) / p * sum(x / d * p**d for d, x in enumerate(overlaps, 1))


@given(LISTS, LISTS)
def test_rbo_equals_its_definition(a: np.ndarray, b: np.ndarray) -> None:
    assert rbo(a, b)[0] == pytest.approx(rbo_by_definition(a[0].tolist(), b[0].tolist(), 0.9), abs=1e-12)


def test_rbo_is_one_for_identical_lists_and_zero_for_disjoint_ones() -> None:
    a = np.arange(30)[None]
    assert rbo(a, a)[0] == pytest.approx(1)
    assert rbo(a, a + 30)[0] == 0
    assert rbo(np.array([[1, 2, -1, -1]]), np.array([[1, 2, -1, -1]]))[0] == pytest.approx(1)


@given(LISTS, LISTS)
def test_kendall_tau_equals_scipy_on_the_union(a: np.ndarray, b: np.ndarray) -> None:
    union = sorted({*a[0].tolist(), *b[0].tolist()})
    ranks = [[row.index(i) if i in row else len(row) for i in union] for row in (a[0].tolist(), b[0].tolist())]
    assert kendall_tau(a, b)[0] == pytest.approx(kendalltau(*ranks).statistic, abs=1e-12)


def test_disjoint_lists_of_thirty_have_the_tau_that_is_shown_as_reference() -> None:
    a = np.arange(30)[None]
    assert kendall_tau(a, a + 30)[0] == pytest.approx(-0.674, abs=1e-3)
    assert kendall_tau(a, a)[0] == 1


def test_shared_counts_common_items_and_not_empty_places() -> None:
    assert shared(np.array([[1, 2, -1]]), np.array([[2, 9, -1]])).tolist() == [1]


def lossless() -> tuple[Recommender, SparseAutoencoder]:
    """Two neurons for each of three dimensions (one a sign), no threshold: nothing is lost."""
    random = np.random.default_rng(0)
    recommender = Recommender(
        Tower([f"u{n}" for n in range(20)], random.standard_normal((20, 3)).astype(np.float32), np.zeros(20, "f4")),
        Tower([f"i{n}" for n in range(50)], random.standard_normal((50, 3)).astype(np.float32), np.zeros(50, "f4")),
    )
    identity = np.eye(3, dtype=np.float32)
    plain = SideMap(np.zeros(3, np.float32), 1.0, 0.0)
    sae = SparseAutoencoder(
        np.concatenate([identity, -identity]), np.zeros(6, "f4"), np.zeros(3, "f4"), {"users": plain, "items": plain}
    )
    return recommender, sae


def test_a_lossless_autoencoder_keeps_everything() -> None:
    recommender, sae = lossless()
    empty = Histories.of(np.array([], int), np.array([], int), 20)
    held_out = Histories.of(np.arange(20), np.arange(20), 20)
    fidelity = measure_fidelity(recommender, sae, Candidates(empty, np.ones(50, bool)), held_out, np.arange(20), 10)
    assert fidelity.rbo == pytest.approx(1)
    assert fidelity.tau == pytest.approx(1)
    assert fidelity.affinity_r2 == pytest.approx(1)
    assert fidelity.ndcg_kept == pytest.approx(1)
    assert (fidelity.l0_users, fidelity.l0_items) == (3, 3)


def test_predicting_the_mean_explains_nothing() -> None:
    recommender, sae = lossless()
    silent = SparseAutoencoder(sae.w_md, sae.b_m - 1e6, sae.b_d, sae.sides)
    empty = Histories.of(np.array([], int), np.array([], int), 20)
    centred = recommender.items.vectors - recommender.items.vectors.mean(axis=0)
    flat = Recommender(recommender.users, Tower(recommender.items.ids, centred, recommender.items.bias))
    fidelity = measure_fidelity(flat, silent, Candidates(empty, np.ones(50, bool)), empty, np.arange(20), 10)
    assert fidelity.affinity_r2 == pytest.approx(0, abs=1e-3)
    assert fidelity.ndcg_kept is None
    # The reconstruction is 0 here, which is the items' mean and not the users'.
    assert fidelity.explained_items == pytest.approx(0, abs=1e-6)
    assert fidelity.explained_users is not None
    assert fidelity.explained_users < 0


@given(st.lists(st.integers(0, 15), unique=True, max_size=7), st.lists(st.integers(0, 15), unique=True, max_size=7))
def test_tau_of_lists_of_any_length_equals_scipy_on_the_union(a: list[int], b: list[int]) -> None:
    union = sorted({*a, *b})
    ranks = [[row.index(i) if i in row else len(row) for i in union] for row in (a, b)]
    padded = [np.array([[*row, *[-1] * (7 - len(row))]]) for row in (a, b)]
    expected = kendalltau(*ranks).statistic if len(union) > 1 else 1.0
    assert kendall_tau(*padded)[0] == pytest.approx(1.0 if np.isnan(expected) else expected, abs=1e-12)


def biased(items: int = 50) -> tuple[Recommender, SparseAutoencoder]:
    recommender, sae = lossless()
    bias = np.linspace(1, 0, items).astype(np.float32)
    return Recommender(recommender.users, Tower(recommender.items.ids, recommender.items.vectors, bias)), sae


def test_the_ablated_arm_ranks_by_biases_alone_and_the_share_recovered_stands_between_the_arms() -> None:
    recommender, sae = biased()
    empty = Histories.of(np.array([], int), np.array([], int), 20)
    best = np.argsort(-recommender.affinities(np.arange(20)), axis=1)[:, 0]
    held_out = Histories.of(np.arange(20), best, 20)
    candidates = Candidates(empty, np.ones(50, bool))
    whole = measure_fidelity(recommender, sae, candidates, held_out, np.arange(20), 10)
    assert whole.ndcg_original == 1
    assert whole.ndcg_recovered == pytest.approx(1)
    assert whole.ndcg_ablated is not None
    by_bias = [1 / np.log2(item + 2) if item < 10 else 0 for item in best]
    assert whole.ndcg_ablated == pytest.approx(np.mean(by_bias))
    silent = SparseAutoencoder(sae.w_md, sae.b_m - 1e6, sae.b_d, sae.sides)
    nothing = measure_fidelity(recommender, silent, candidates, held_out, np.arange(20), 10)
    assert nothing.ndcg_recovered == pytest.approx(0)
    assert nothing.rbo == pytest.approx(nothing.rbo_ablated)


def test_the_worst_users_are_listed_by_their_own_numbers() -> None:
    recommender, sae = lossless()
    empty = Histories.of(np.array([], int), np.array([], int), 20)
    crude = SparseAutoencoder(sae.w_md[:4], sae.b_m[:4], sae.b_d, sae.sides)  # one dimension loses a sign, one is gone
    users = np.array([3, 5, 8, 13])
    found = audit(recommender, crude, Candidates(empty, np.ones(50, bool)), empty, users, 10)
    assert found.users.tolist() == users.tolist()
    alone = [
        audit(recommender, crude, Candidates(empty, np.ones(50, bool)), empty, users[n : n + 1], 10).rbo[0]
        for n in range(4)
    ]
    np.testing.assert_allclose(found.rbo, alone)
    assert found.worst(2).tolist() == np.argsort(alone, kind="stable")[:2].tolist()
    assert found.fidelity.rbo_p5 <= found.fidelity.rbo_median


def test_users_with_nothing_left_to_rank_are_left_out_and_one_affinity_for_all_explains_nothing() -> None:
    recommender, sae = lossless()
    everything = Histories.of(np.zeros(50, int), np.arange(50), 20)
    candidates = Candidates(everything, np.ones(50, bool))
    empty = Histories.of(np.array([], int), np.array([], int), 20)
    found = measure_fidelity(recommender, sae, candidates, empty, np.arange(3), 10)
    assert found.users == 2
    flat = Recommender(
        recommender.users, Tower(recommender.items.ids, np.zeros((50, 3), np.float32), recommender.items.bias)
    )
    assert measure_fidelity(flat, sae, candidates, empty, np.arange(3), 10).affinity_r2 is None


def test_a_code_as_large_as_the_vector_is_said_to_pass_through() -> None:
    recommender, sae = lossless()
    empty = Histories.of(np.array([], int), np.array([], int), 20)
    candidates = Candidates(empty, np.ones(50, bool))
    assert measure_fidelity(recommender, sae, candidates, empty, np.arange(20), 10).passes_through
    half = SparseAutoencoder(sae.w_md[:3], sae.b_m[:3], sae.b_d, sae.sides)
    assert not measure_fidelity(recommender, half, candidates, empty, np.arange(20), 10).passes_through
