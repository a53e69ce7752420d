"""One user's list under edits, and everybody's: what is not computed anew is what computing it anew would give."""

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import EditError
from engine.recommenders.ranking import Candidates, Histories
from engine.recommenders.scorers import Dot, Mlp, Scorer
from engine.sae.model import Side
from engine.steering.cohort import Cohort
from engine.steering.edits import Edit, edited_codes, edited_vectors
from engine.steering.effect import Steering
from engine.steering.lists import full_ranks
from tests.engine.steering.test_steering import item_neuron, steering, strongest

__all__ = ["steering"]

K = 12


def mlp(d: int) -> Mlp:
    random = np.random.default_rng(5)
    weights = [random.normal(size=shape).astype(np.float32) for shape in ((9, 2 * d), (6, 9), (1, 6))]
    return Mlp(tuple(weights), tuple(random.normal(size=len(w)).astype(np.float32) for w in weights), d)


@pytest.fixture(params=["dot", "mlp"])
def scored(request: pytest.FixtureRequest, steering: Steering) -> Steering:
    """The steering of either kind of scorer, with items that may not be recommended and biases that differ."""
    recommender = steering.recommender
    scorer: Scorer = Dot() if request.param == "dot" else mlp(recommender.items.vectors.shape[1])
    bias = np.random.default_rng(6).normal(scale=0.2, size=300).astype(np.float32)
    return replace(
        steering,
        recommender=replace(recommender, items=replace(recommender.items, bias=bias), scorer=scorer),
        candidates=Candidates(steering.candidates.seen, np.arange(300) % 11 > 0),
    )


def whole(steering: Steering, edits: list[Edit], side: Side, rows: list[int] | None = None) -> np.ndarray:
    """The vectors of a side with `edits` of `rows` (default: all), everything encoded and nothing left out."""
    e = getattr(steering.recommender, side).vectors
    z = steering.sae.encode(e, side)
    changed = edited_codes(z, edits, [getattr(neuron, f"p99_{side}") for neuron in steering.neurons])
    if rows is not None:
        z_kept = z.copy()
        z_kept[rows] = changed[rows]
        changed = z_kept
    return edited_vectors(steering.sae, e, z, changed, side)


def brute(steering: Steering, e_ud: np.ndarray, e_id: np.ndarray, user: int) -> list[int]:
    """A user's list: one pair at a time in double precision, then everything sorted."""
    scorer, bias = steering.recommender.scorer, steering.recommender.items.bias
    e_u = e_ud[user].astype(np.float64)
    affinities = []
    for item, e_i in enumerate(e_id.astype(np.float64)):
        if isinstance(scorer, Mlp):
            h = np.concatenate([e_u, e_i])
            for n, (weight, offset) in enumerate(zip(scorer.weights, scorer.biases, strict=True)):
                h = weight @ (np.maximum(h, 0) if n else h) + offset
            affinities.append(h[0] + bias[item])
        else:
            affinities.append(e_u @ e_i + bias[item])
    allowed = steering.candidates.eligible.copy()
    allowed[steering.candidates.seen[user]] = False
    order = sorted(np.flatnonzero(allowed).tolist(), key=lambda item: (-affinities[item], item))
    return order[:K]


def test_one_users_list_after_an_edit_is_the_brute_force_one(scored: Steering) -> None:
    changed = 0
    for user in range(0, 120, 7):
        edit = Edit(neuron=strongest(scored, user), operation="set", amount=-1.5)
        after = scored.list_after(user, scored.steps([edit]), K)
        assert after.items.tolist() == brute(
            scored, whole(scored, [edit], "users"), scored.recommender.items.vectors, user
        )
        changed += after.items.tolist() != scored.list_after(user, [], K).items.tolist()
    assert changed > 10


def test_so_it_is_under_edits_of_both_sides_some_of_them_for_others(scored: Steering) -> None:
    user, neuron = 5, item_neuron(scored)
    mine = Edit(neuron=strongest(scored, user), operation="off", ids=("u5", "u7"))
    theirs = Edit(neuron=strongest(scored, user), operation="add", amount=4.0, ids=("u8",))
    items = Edit(side="items", neuron=neuron, operation="set", amount=3.0, ids=("i7", "i40", "i41"))
    steps = scored.steps([theirs, mine, items])
    e_id = whole(scored, [items], "items", [7, 40, 41])
    assert scored.list_after(user, steps, K).items.tolist() == brute(scored, whole(scored, [mine], "users"), e_id, user)
    untouched = scored.recommender.users.vectors
    assert scored.list_after(9, steps, K).items.tolist() == brute(scored, untouched, e_id, 9)


def test_without_an_edit_the_affinities_are_the_same_to_the_bit(scored: Steering) -> None:
    everyone_else = Edit(neuron=strongest(scored, 5), operation="off", ids=("u6",))
    nothing = Edit(neuron=strongest(scored, 5), operation="scale", amount=1.0)
    before = scored.list_after(5, [], K).affinity_i
    for edit in (everyone_else, nothing, nothing.model_copy(update={"side": "items"})):
        assert scored.list_after(5, scored.steps([edit]), K).affinity_i.tobytes() == before.tobytes()


def test_an_edit_that_cannot_be_is_refused_also_where_it_is_for_others(scored: Steering) -> None:
    for side, ids in (("users", ("u6",)), ("items", ("i6",))):
        edit = Edit(side=side, neuron=99, operation="off", ids=ids)  # type: ignore[arg-type]
        with pytest.raises(EditError, match="no neuron 99"):
            scored.list_after(5, scored.steps([edit]), K)


def test_the_list_of_one_is_that_of_the_cohort_and_what_rank_tells(scored: Steering) -> None:
    users = np.arange(0, 120, 5)
    steps = scored.steps([Edit(neuron=strongest(scored, 5), operation="add", amount=1.0)])
    lists = Cohort(scored, users, K).lists(scored.edit(steps))
    for row, user in enumerate(users.tolist()):
        assert scored.list_after(user, steps, K).places.tolist() == lists[row].tolist()
        told = [item["item_id"] for item in scored.rank(user, steps, K)["after"]]
        assert told == [f"i{item}" for item in lists[row]]


def test_the_unedited_arms_do_not_depend_on_who_was_asked_for_before(scored: Steering) -> None:
    edit = Edit(neuron=strongest(scored, 5), operation="set", amount=-1.5)
    first = [scored.rank(user, [edit], K) for user in range(20)]
    fresh = [replace(scored).rank(user, [edit], K) for user in range(20)]
    assert first == fresh == [scored.rank(user, [edit], K) for user in range(20)]


@pytest.mark.parametrize("count", [1, 9, 60, 250])
def test_moved_items_are_put_into_lists_as_ranking_anew_would(scored: Steering, count: int) -> None:
    """With 60 of them, and those the best, most users lose more of their list than was kept in reserve."""
    users = np.arange(0, 120, 10)
    cohort = Cohort(scored, users, K)
    often = np.argsort(-np.bincount(cohort.before[cohort.before >= 0], minlength=300), kind="stable")[:count]
    edit = Edit(
        side="items",
        neuron=item_neuron(scored),
        operation="set",
        amount=-2.0,
        ids=tuple(f"i{item}" for item in often),
    )
    lists = cohort.lists(scored.edit(scored.steps([edit])))
    e_id = whole(scored, [edit], "items", often.tolist())
    for row, user in enumerate(users.tolist()):
        assert lists[row].tolist() == brute(scored, scored.recommender.users.vectors, e_id, user)
    assert (lists != cohort.before).any()


def test_a_list_that_is_shorter_than_k_stays_so_when_its_items_move(scored: Steering) -> None:
    free = np.arange(1, 300, 30)  # of which two are not eligible
    seen = [item for item in range(300) if item not in free]
    full = replace(
        scored,
        candidates=Candidates(Histories.of(np.zeros(len(seen), int), np.array(seen), 120), scored.candidates.eligible),
    )
    edit = Edit(side="items", neuron=item_neuron(full), operation="set", amount=3.0, ids=("i31", "i61"))
    cohort = Cohort(full, np.array([0, 1]), K)
    lists = cohort.lists(full.edit(full.steps([edit])))
    e_id = whole(full, [edit], "items", [31, 61])
    for user in (0, 1):
        assert lists[user][lists[user] >= 0].tolist() == brute(full, full.recommender.users.vectors, e_id, user)
    assert (lists[0] < 0).any()
    assert full.rank(0, [edit], K)["kept"] == (lists[0] >= 0).sum()


def test_ranks_of_several_items_are_counted_with_ties_and_blocked_items() -> None:
    affinity = np.array([1.0, 3.0, 3.0, -np.inf, 2.0, 3.0, -np.inf, 0.0], np.float32)
    order = sorted(range(8), key=lambda item: (-affinity[item], item))
    assert full_ranks(affinity, np.arange(8)) == [order.index(item) + 1 for item in range(8)]
