import numpy as np
import pytest

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


def made(users: int, items: int, d: int, seed: int) -> Recommender:
    random = np.random.default_rng(seed)

    def tower(prefix: str, rows: int) -> Tower:
        vectors = random.standard_normal((rows, d)).astype(np.float32)
        return Tower([f"{prefix}{n}" for n in range(rows)], vectors, random.standard_normal(rows).astype(np.float32))

    return Recommender(tower("u", users), tower("i", items))


def made_histories(users: int, items: int, share: float, seed: int) -> Histories:
    user, item = np.nonzero(np.random.default_rng(seed).random((users, items)) < share)
    return Histories.of(user, item, users)


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
