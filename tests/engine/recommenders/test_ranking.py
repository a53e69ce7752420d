import tracemalloc

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.recommenders import ranking
from engine.recommenders.ranking import (
    Candidates,
    Histories,
    evaluate,
    ndcg,
    popularity_recommender,
    ranked_lists,
    top_k,
)
from engine.recommenders.recommender import Recommender, Tower
from engine.recommenders.scorers import Dot, Mlp, Scorer


def made(users: int, items: int, d: int, seed: int) -> Recommender:
    random = np.random.default_rng(seed)

    def tower(prefix: str, rows: int) -> Tower:
        vectors = random.standard_normal((rows, d)).astype(np.float32)
        return Tower([f"{prefix}{n}" for n in range(rows)], vectors, random.standard_normal(rows).astype(np.float32))

    return Recommender(tower("u", users), tower("i", items))


def made_histories(users: int, items: int, share: float, seed: int) -> Histories:
    user, item = np.nonzero(np.random.default_rng(seed).random((users, items)) < share)
    return Histories.of(user, item, users)


def with_affinities(affinity_ui: np.ndarray) -> Recommender:
    """A recommender whose affinities are exactly these: user vectors are rows of the identity."""
    users, items = affinity_ui.shape
    identity = np.eye(users, dtype=np.float32)
    return Recommender.of(([*range(users)], identity), ([*range(items)], affinity_ui.T), "dot")


NOBODY = np.array([], np.int64)


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Affinities with many ties, and who has seen and holds out what, and what is eligible."""
    users, items = draw(st.integers(1, 6)), draw(st.integers(2, 45))
    levels = draw(st.sampled_from([1, 3, 1000]))
    affinity = draw(hnp.arrays(np.float32, (users, items), elements=st.integers(0, levels).map(float)))
    role = draw(hnp.arrays(np.int8, (users, items), elements=st.integers(0, 4)))
    eligible = draw(hnp.arrays(bool, items, elements=st.integers(0, 5).map(bool)))
    return affinity, role == 1, role == 2, eligible


def naive(affinity: np.ndarray, seen: np.ndarray, held: np.ndarray, eligible: np.ndarray) -> dict[str, float | None]:
    """The metrics from their definitions, an item at a time."""
    figures: dict[str, list[float]] = {name: [] for name in ("ndcg10", "hr10", "recall20", "mpr", "mrr10")}
    shown: set[int] = set()
    for user in range(len(affinity)):
        wanted = [item for item in range(len(eligible)) if held[user, item]]
        allowed = [item for item in range(len(eligible)) if eligible[item] and not seen[user, item]]
        if not wanted:
            continue
        order = sorted(allowed, key=lambda item: (-affinity[user, item], item))
        ranks = [order.index(item) for item in wanted if item in order]
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(len(wanted), 10)))
        figures["ndcg10"].append(sum(1 / np.log2(rank + 2) for rank in ranks if rank < 10) / ideal)
        figures["hr10"].append(float(any(rank < 10 for rank in ranks)))
        figures["recall20"].append(sum(rank < 20 for rank in ranks) / len(wanted))
        figures["mrr10"].append(max([1 / (rank + 1) for rank in ranks if rank < 10], default=0.0))
        percentiles = []
        for item in wanted:
            others = [affinity[user, other] for other in allowed if other != item]
            above = sum(float(o > affinity[user, item]) + 0.5 * float(o == affinity[user, item]) for o in others)
            percentiles.append(above / max(len(others), 1) if item in allowed else 1.0)
        figures["mpr"].append(sum(percentiles) / len(percentiles))
        shown.update(order[:10])
    means: dict[str, float | None] = {name: float(np.mean(v)) if v else None for name, v in figures.items()}
    coverage = len(shown) / eligible.sum() if figures["mpr"] and eligible.any() else None
    return {**means, "coverage10": coverage, "users": len(figures["mpr"])}


def trec_eval(
    affinity: np.ndarray, seen: np.ndarray, held: np.ndarray, eligible: np.ndarray
) -> dict[str, float | None]:
    """The metrics that NIST's trec_eval knows. It breaks ties by document name, last first."""
    items = len(eligible)
    wanted = {str(user): {f"{items - i:09d}": 1 for i in np.flatnonzero(row)} for user, row in enumerate(held)}
    wanted = {user: documents for user, documents in wanted.items() if documents}
    found = {
        user: {f"{items - i:09d}": float(affinity[int(user), i]) for i in np.flatnonzero(eligible & ~seen[int(user)])}
        for user in wanted
    }
    measures = {"ndcg10": "ndcg_cut_10", "hr10": "success_10", "recall20": "recall_20", "mrr10": "recip_rank"}
    by_user = pytrec_eval.RelevanceEvaluator(wanted, set(measures.values())).evaluate(found)
    figures: dict[str, float | None] = {}
    for name, measure in measures.items():
        values = [by_user[user][measure] if found[user] else 0.0 for user in wanted]
        if name == "mrr10":
            values = [value if value > 1 / 10.5 else 0.0 for value in values]  # trec_eval's has no cut-off
        figures[name] = float(np.mean(values)) if values else None
    return figures


def test_a_history_gives_back_what_it_was_made_of() -> None:
    histories = Histories.of(np.array([2, 0, 2, 0]), np.array([5, 9, 1, 3]), 4)
    assert [histories[user].tolist() for user in range(4)] == [[3, 9], [], [1, 5], []]
    rows, items = histories.cells(np.array([2, 1, 0]))
    assert rows.tolist() == [0, 0, 2, 2]
    assert items.tolist() == [1, 5, 3, 9]


def test_top_k_orders_by_affinity_then_by_item_number() -> None:
    affinity = np.array([[1.0, 3.0, 3.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0, 0.0]], np.float32)
    assert top_k(affinity, 3).tolist() == [[1, 2, 4], [0, 1, 2]]
    assert top_k(affinity, 5).tolist() == [[1, 2, 4, 3, 0], [0, 1, 2, 3, 4]]


def test_top_k_marks_places_that_nothing_may_take() -> None:
    affinity = np.array([[-np.inf, 1.0, -np.inf, 0.0]], np.float32)
    assert top_k(affinity, 3).tolist() == [[1, 3, -1]]


def test_ranked_lists_equal_brute_force_and_leave_seen_items_out() -> None:
    recommender, seen = made(40, 60, 5, 0), made_histories(40, 60, 0.2, 1)
    eligible = np.random.default_rng(2).random(60) < 0.9
    lists = ranked_lists(recommender, Candidates(seen, eligible), np.arange(40), 10)
    for user in range(40):
        scores = [
            (
                -float(
                    recommender.users.vectors[user] @ recommender.items.vectors[item] + recommender.items.bias[item]
                ),
                item,
            )
            for item in range(60)
            if eligible[item] and item not in set(seen[user].tolist())
        ]
        assert lists[user].tolist() == [item for _, item in sorted(scores)[:10]]


def test_metrics_equal_brute_force_and_an_independent_library() -> None:
    from sklearn.metrics import ndcg_score

    users, items = 50, 80
    recommender, seen = made(users, items, 4, 3), made_histories(users, items, 0.1, 4)
    free = np.ones((users, items), bool)
    free[seen.cells(np.arange(users))] = False
    held = free & (np.random.default_rng(5).random((users, items)) < 0.08)
    held_out = Histories.of(*np.nonzero(held), users)
    metrics = evaluate(recommender, Candidates(seen, np.ones(items, bool)), held_out)
    affinity = recommender.affinities(np.arange(users))
    gains, hits, recalls, percentiles = [], [], [], []
    for user in np.flatnonzero(held.any(axis=1)):
        order = [item for item in np.argsort(-affinity[user], kind="stable") if free[user, item]]
        masked = np.where(free[user], affinity[user], affinity[user].min() - 1)
        gains.append(ndcg_score(held[user][None], masked[None], k=10))
        hits.append(held[user][order[:10]].any())
        recalls.append(held[user][order[:20]].sum() / held[user].sum())
        percentiles.append(np.mean([order.index(i) / (len(order) - 1) for i in np.flatnonzero(held[user])]))
    assert metrics.users == len(gains)
    assert metrics.ndcg10 == pytest.approx(np.mean(gains), abs=1e-9)
    assert metrics.hr10 == pytest.approx(np.mean(hits), abs=1e-9)
    assert metrics.recall20 == pytest.approx(np.mean(recalls), abs=1e-9)
    assert metrics.mpr == pytest.approx(np.mean(percentiles), abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_every_metric_equals_its_definition_and_trec_eval_with_ties_and_blocked_items(
    case: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    affinity, seen, held, eligible = case
    seen_by = Histories.of(*np.nonzero(seen), len(affinity))
    held_out = Histories.of(*np.nonzero(held), len(affinity))
    measured = evaluate(with_affinities(affinity), Candidates(seen_by, eligible), held_out).as_dict()
    assert measured == pytest.approx(naive(affinity, seen, held, eligible), abs=1e-9)
    theirs = trec_eval(affinity, seen, held, eligible)
    assert {name: measured[name] for name in theirs} == pytest.approx(theirs, abs=1e-9)


def test_the_figures_do_not_depend_on_how_the_work_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    recommender, seen = made(30, 50, 3, 10), made_histories(30, 50, 0.2, 11)
    held_out, allowed = made_histories(30, 50, 0.2, 12), Candidates(seen, np.arange(50) % 7 > 0)
    whole, lists = evaluate(recommender, allowed, held_out), ranked_lists(recommender, allowed, np.arange(30), 9)
    for cells in (1, 120, 333):
        monkeypatch.setattr(ranking, "CHUNK_CELLS", 3 * cells)
        monkeypatch.setattr(ranking, "BLOCK_CELLS", cells)
        assert evaluate(recommender, allowed, held_out).as_dict() == pytest.approx(whole.as_dict(), abs=1e-12)
        assert (ranked_lists(recommender, allowed, np.arange(30), 9) == lists).all()


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.sampled_from([-np.inf, 0, 1, 2])
    ),
    st.integers(1, 14),
)
def test_top_k_equals_a_full_stable_sort(affinity: np.ndarray, k: int) -> None:
    order = np.argsort(-affinity, axis=1, kind="stable")[:, :k]
    expected = np.where(np.isneginf(np.take_along_axis(affinity, order, axis=1)), -1, order)
    assert (top_k(affinity, k) == expected).all()


def small_mlp() -> Mlp:
    random = np.random.default_rng(0)
    weights = tuple(random.standard_normal(shape).astype(np.float32) for shape in ((8, 4), (1, 8)))
    return Mlp(weights, (np.zeros(8, np.float32), np.zeros(1, np.float32)), d_users=2)


@pytest.mark.parametrize("scorer", [Dot(), small_mlp()], ids=["dot", "mlp"])
def test_the_whole_matrix_of_affinities_is_never_held(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    users, items = 400, 20_000
    towers = made(users, items, 2, 13)
    held_out = Histories.of(np.repeat(np.arange(users), 40), np.tile(np.arange(40) * 500, users), users)
    allowed = Candidates(Histories.of(NOBODY, NOBODY, users), np.ones(items, bool))
    monkeypatch.setattr(ranking, "CHUNK_CELLS", 5 * items)
    monkeypatch.setattr(ranking, "BLOCK_CELLS", items)
    tracemalloc.start()
    try:
        evaluate(Recommender(towers.users, towers.items, scorer), allowed, held_out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < users * items * 4 / 4


def test_a_random_recommender_has_a_mean_percentile_rank_near_one_half() -> None:
    recommender, seen = made(400, 100, 8, 6), made_histories(400, 100, 0.1, 7)
    held_out = made_histories(400, 100, 0.05, 8)
    assert evaluate(recommender, Candidates(seen, np.ones(100, bool)), held_out).mpr == pytest.approx(0.5, abs=0.15)


def test_a_held_out_item_that_cannot_be_ranked_counts_as_last() -> None:
    recommender = made(1, 5, 2, 9)
    held_out = Histories.of(np.array([0]), np.array([3]), 1)
    eligible = np.array([True, True, True, False, True])
    empty = Histories.of(np.array([], int), np.array([], int), 1)
    metrics = evaluate(recommender, Candidates(empty, eligible), held_out)
    assert (metrics.hr10, metrics.mpr) == (0.0, 1.0)


def test_where_nobody_has_held_out_items_every_figure_is_unknown() -> None:
    nobody = Histories.of(NOBODY, NOBODY, 3)
    metrics = evaluate(made(3, 5, 2, 14), Candidates(nobody, np.ones(5, bool)), nobody).as_dict()
    assert metrics.pop("users") == 0
    assert set(metrics.values()) == {None}


def test_a_user_who_has_seen_everything_finds_nothing() -> None:
    seen = Histories.of(np.zeros(4, int), np.arange(4), 1)
    held_out = Histories.of(np.array([0]), np.array([2]), 1)
    metrics = evaluate(made(1, 4, 2, 15), Candidates(seen, np.ones(4, bool)), held_out)
    assert (metrics.ndcg10, metrics.hr10, metrics.recall20, metrics.mrr10, metrics.coverage10) == (0, 0, 0, 0, 0)
    assert metrics.mpr == 1


def test_without_an_eligible_item_coverage_is_unknown() -> None:
    held_out = Histories.of(np.array([0]), np.array([2]), 1)
    allowed = Candidates(Histories.of(NOBODY, NOBODY, 1), np.zeros(4, bool))
    metrics = evaluate(made(1, 4, 2, 16), allowed, held_out)
    assert (metrics.coverage10, metrics.hr10, metrics.mpr) == (None, 0, 1)


def test_equal_affinities_everywhere_give_one_half_and_lists_by_item_number() -> None:
    affinity = np.zeros((2, 40), np.float32)
    held_out = Histories.of(np.array([0, 1]), np.array([3, 30]), 2)
    allowed = Candidates(Histories.of(NOBODY, NOBODY, 2), np.ones(40, bool))
    metrics = evaluate(with_affinities(affinity), allowed, held_out)
    assert (metrics.mpr, metrics.mrr10, metrics.coverage10) == (0.5, 0.125, 0.25)


def test_with_fewer_items_than_places_everyone_finds_everything() -> None:
    held_out = Histories.of(np.array([0, 1]), np.array([0, 2]), 2)
    allowed = Candidates(Histories.of(NOBODY, NOBODY, 2), np.ones(3, bool))
    affinity = np.array([[3, 2, 1], [3, 2, 1]], np.float32)
    metrics = evaluate(with_affinities(affinity), allowed, held_out)
    assert (metrics.hr10, metrics.recall20, metrics.coverage10) == (1, 1, 1)
    assert metrics.mrr10 == pytest.approx((1 + 1 / 3) / 2)


def test_users_without_held_out_items_have_no_ndcg() -> None:
    held_out = Histories.of(np.array([0]), np.array([2]), 2)
    values = ndcg(np.array([[2, 1], [2, 1]]), held_out, np.array([0, 1]), k=2)
    assert values[0] == 1
    assert np.isnan(values[1])


def test_the_popularity_baseline_gives_everyone_the_most_popular_unseen_items() -> None:
    like = made(2, 4, 2, 0)
    seen = Histories.of(np.array([1]), np.array([2]), 2)
    baseline = popularity_recommender(like, np.array([5, 1, 9, 7]))
    lists = ranked_lists(baseline, Candidates(seen, np.ones(4, bool)), np.arange(2), 2)
    assert lists.tolist() == [[2, 3], [3, 0]]
