from dataclasses import replace

import numpy as np
import pytest

from engine.errors import EditError, RunError
from engine.recommenders.ranking import Candidates, Histories, ranked_lists
from engine.recommenders.recommender import Recommender, Tower
from engine.recommenders.scorers import Cosine, Dot, Mlp, Program, Scorer
from engine.sae.model import Side, SideMap, SparseAutoencoder
from engine.steering.why import Why, why

USERS, ITEMS, D, M = 12, 40, 6, 9
UNRANKED, UNKNOWN = 39, 38
"""An item that is not eligible, and one (a user too) without a vector."""


def case(
    seed: int = 0, *, tied: bool = True, rotated: bool = False, scorer: Scorer | None = None
) -> tuple[Recommender, SparseAutoencoder, Candidates]:
    """Random vectors with biases and an autoencoder that leaves much out, so that no part is 0."""
    random = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    rotation = np.linalg.qr(some(D, D))[0] if rotated else None
    sides: dict[Side, SideMap] = {
        "users": SideMap(some(D), 1.7, 0.2, None, rotation),
        "items": SideMap(some(D), 0.6, 0.1, 4),
    }
    sae = SparseAutoencoder(some(M, D), 0.1 * some(M), 0.3 * some(D), sides, None if tied else some(M, D))
    known = np.arange(ITEMS) != UNKNOWN
    recommender = Recommender(
        Tower([f"u{n}" for n in range(USERS)], some(USERS, D), some(USERS), np.arange(USERS) != USERS - 1),
        Tower([f"i{n}" for n in range(ITEMS)], some(ITEMS, D), some(ITEMS), known),
        scorer or Dot(),
    )
    seen = Histories.of(*np.nonzero(random.random((USERS, ITEMS)) < 0.2), USERS)
    return recommender, sae, Candidates(seen, known & (np.arange(ITEMS) != UNRANKED))


def mlp(seed: int = 0) -> Mlp:
    random = np.random.default_rng(seed)
    weights = [random.standard_normal(shape).astype(np.float32) for shape in ((8, 2 * D), (5, 8), (1, 5))]
    return Mlp(tuple(weights), tuple(random.standard_normal(len(w)).astype(np.float32) for w in weights), D)


def without(recommender: Recommender, sae: SparseAutoencoder, side: Side, row: int, *neurons: int) -> np.ndarray:
    """The row's vector (d) with these neurons taken out of its code, as an edit takes them out."""
    e_1d = (recommender.users if side == "users" else recommender.items).vectors[[row]]
    z = sae.encode(e_1d, side)
    edited = z.copy()
    edited[:, list(neurons)] = 0
    return np.asarray((e_1d + sae.decode(edited, side) - sae.decode(z, side))[0])


def affinity(recommender: Recommender, user: int, item: int, *changed: tuple[Side, np.ndarray]) -> float:
    """What is served for the pair when vectors stand in for its own."""
    instead = dict(changed)
    e_u = instead.get("users", recommender.users.vectors[user])[None]
    e_id = recommender.items.vectors.copy()
    e_id[item] = instead.get("items", e_id[item])
    return float(recommender.affinities(np.array([user]), e_u, e_id)[0, item])


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_the_parts_of_a_dot_product_add_up_to_the_affinity_that_is_served(tied: bool, rotated: bool) -> None:
    recommender, sae, candidates = case(tied=tied, rotated=rotated)
    for user, item in ((0, 0), (3, 17), (7, UNRANKED)):
        found = why(recommender, sae, candidates, user, item)
        served = affinity(recommender, user, item)
        assert found.parts is not None
        groups = found.parts.groups()
        assert found.total == pytest.approx(sum(groups.values()), abs=1e-12)
        assert found.total == pytest.approx(served, rel=1e-4, abs=1e-5)
        assert found.place.affinity == served
        assert (groups["user_bias"], groups["item_bias"]) == (
            pytest.approx(recommender.users.bias[user]),
            pytest.approx(recommender.items.bias[item]),
        )


@pytest.mark.parametrize("rotated", [False, True])
def test_what_a_neuron_adds_is_what_is_lost_without_it(rotated: bool) -> None:
    recommender, sae, candidates = case(1, rotated=rotated)
    found, served = why(recommender, sae, candidates, 2, 5), affinity(recommender, 2, 5)
    assert (found.z_users > 0).sum() > 1
    assert (found.z_items > 0).sum() > 1
    sides: tuple[tuple[Side, int, np.ndarray], ...] = (("users", 2, found.users), ("items", 5, found.items))
    for side, row, parts in sides:
        for j in range(M):
            left = affinity(recommender, 2, 5, (side, without(recommender, sae, side, row, j)))
            assert parts[j] == pytest.approx(served - left, abs=1e-4)


def test_a_pair_is_what_two_neurons_do_together_and_alone_neither() -> None:
    recommender, sae, candidates = case(2, rotated=True)
    found = why(recommender, sae, candidates, 4, 9)
    assert found.parts is not None
    assert np.count_nonzero(found.parts.pairs) > 3
    for j, k in np.argwhere(found.parts.pairs):
        user: tuple[Side, np.ndarray] = ("users", without(recommender, sae, "users", 4, int(j)))
        item: tuple[Side, np.ndarray] = ("items", without(recommender, sae, "items", 9, int(k)))
        both = affinity(recommender, 4, 9) + affinity(recommender, 4, 9, user, item)
        together = both - affinity(recommender, 4, 9, user) - affinity(recommender, 4, 9, item)
        assert found.parts.pairs[j, k] == pytest.approx(together, abs=1e-4)


def test_vectors_without_a_neuron_are_constants_and_remainder_alone() -> None:
    recommender, sae, candidates = case(3, rotated=True)
    silent = replace(sae, sides={side: replace(to, threshold=1e9) for side, to in sae.sides.items()})
    other = why(recommender, silent, candidates, 0, 0).parts
    nothing = np.zeros((1, M), np.float32)
    recommender.users.vectors[0] = sae.decode(nothing, "users")[0]
    recommender.items.vectors[0] = sae.decode(nothing, "items")[0]
    exact = why(recommender, silent, candidates, 0, 0).parts
    assert exact is not None
    assert other is not None
    assert exact.constant == pytest.approx(recommender.users.vectors[0] @ recommender.items.vectors[0], abs=1e-5)
    assert exact.remainder == pytest.approx(0, abs=1e-5)
    assert (other.constant, abs(other.remainder) > 0.1) == (pytest.approx(exact.constant), True)
    assert not other.pairs.any()


def test_above_average_is_the_part_less_its_mean_over_the_users_candidates() -> None:
    recommender, sae, candidates = case(4, rotated=True)
    user, item = 6, 11
    found = why(recommender, sae, candidates, user, item)
    among = [i for i in np.flatnonzero(candidates.eligible) if i not in candidates.seen[user]]
    assert found.place.candidates == len(among) < candidates.eligible.sum()
    every = [why(recommender, sae, candidates, user, int(i)) for i in among]
    assert found.users_above == pytest.approx(found.users - np.mean([one.users for one in every], axis=0), abs=1e-5)
    assert found.items_above == pytest.approx(found.items - np.mean([one.items for one in every], axis=0), abs=1e-5)
    assert found.parts is not None
    assert found.above is not None
    pairs = np.mean([one.parts.pairs for one in every if one.parts], axis=0)
    assert found.above.pairs == pytest.approx(found.parts.pairs - pairs, abs=1e-5)
    assert found.place.mean_affinity == pytest.approx(np.mean([one.place.affinity for one in every]), abs=1e-5)
    assert sum(found.above.groups().values()) == pytest.approx(
        found.place.affinity - np.mean([one.place.affinity for one in every]), abs=1e-4
    )
    assert found.above.constant == found.above.user_bias == 0


def test_the_place_is_the_one_in_the_ranked_list() -> None:
    recommender, sae, candidates = case(5)
    user = 3
    ranked = ranked_lists(recommender, candidates, np.array([user]), ITEMS)[0]
    ranked = ranked[ranked >= 0]
    for rank, item in enumerate(ranked, 1):
        place = why(recommender, sae, candidates, user, int(item), k=7).place
        assert (place.rank, place.would_be, place.cut) == (rank, rank, ranked[6])
        assert place.cut_affinity == affinity(recommender, user, int(ranked[6]))
    assert why(recommender, sae, candidates, user, int(ranked[0]), k=len(ranked)).place.cut == ranked[-1]
    assert why(recommender, sae, candidates, user, int(ranked[0]), k=len(ranked) + 1).place.cut is None


def test_a_seen_item_and_one_that_is_not_ranked_have_no_rank_but_are_taken_apart() -> None:
    recommender, sae, candidates = case(6)
    user = 1
    seen = int(candidates.seen[user][0])
    for item in (seen, UNRANKED):
        place = why(recommender, sae, candidates, user, item).place
        assert place.rank is None
        assert (place.seen, place.eligible) == (item in candidates.seen[user], item != UNRANKED)
        others = [i for i in np.flatnonzero(candidates.eligible) if i not in candidates.seen[user]]
        better = [i for i in others if affinity(recommender, user, int(i)) > place.affinity]
        assert place.would_be == len(better) + 1


def test_a_user_who_has_seen_everything_is_answered_without_an_average() -> None:
    recommender, sae, candidates = case(7)
    user, item = np.divmod(np.arange(USERS * ITEMS), ITEMS)
    found = why(recommender, sae, replace(candidates, seen=Histories.of(user, item, USERS)), 2, 3)
    assert (found.above, found.users_above, found.place.mean_affinity, found.place.cut) == (None,) * 4
    assert found.total == pytest.approx(affinity(recommender, 2, 3), abs=1e-4)


@pytest.mark.parametrize("scorer", [Cosine(2.5), mlp()], ids=["cosine", "mlp"])
def test_integrated_gradients_add_up_to_the_affinity_that_is_served(scorer: Scorer) -> None:
    recommender, sae, candidates = case(8, rotated=True, scorer=scorer)
    for user, item in ((0, 0), (3, 17), (7, 30)):
        found = why(recommender, sae, candidates, user, item)
        assert found.path is not None
        assert found.parts is None
        assert found.total == pytest.approx(affinity(recommender, user, item), abs=5e-3 * scorer_size(found))
        bare = (
            ("users", without(recommender, sae, "users", user, *range(M))),
            ("items", without(recommender, sae, "items", item, *range(M))),
        )
        biases = recommender.users.bias[user] + recommender.items.bias[item]
        assert found.path.baseline + biases == pytest.approx(affinity(recommender, user, item, *bare), abs=1e-4)


def scorer_size(found: Why) -> float:
    return float(max(1, np.abs(found.users).sum() + np.abs(found.items).sum()))


def test_a_linear_scorers_gradients_are_its_weights() -> None:
    random = np.random.default_rng(9)
    weight = random.standard_normal((1, 2 * D)).astype(np.float32)
    recommender, sae, candidates = case(9, rotated=True, scorer=Mlp((weight,), (np.ones(1, np.float32),), D))
    found = why(recommender, sae, candidates, 2, 5, steps=3)
    e_u, e_i = recommender.users.vectors[2], recommender.items.vectors[5]
    assert found.users.any()
    assert found.items.any()
    for j in range(M):
        assert found.users[j] == pytest.approx(
            weight[0, :D] @ (e_u - without(recommender, sae, "users", 2, j)), abs=1e-4
        )
        assert found.items[j] == pytest.approx(
            weight[0, D:] @ (e_i - without(recommender, sae, "items", 5, j)), abs=1e-4
        )
    assert found.off_users == pytest.approx(found.users, abs=1e-4)
    assert found.path is not None
    assert found.path.error < 1e-4


def test_a_program_that_multiplies_shares_each_pair_equally_between_its_two_neurons() -> None:
    recommender, sae, candidates = case(10, rotated=True)
    exact = why(recommender, sae, candidates, 2, 5)
    program = replace(recommender, scorer=Program.of(lambda u, v: (u * v).sum(1), D, D))
    found = why(program, sae, candidates, 2, 5)
    assert exact.parts is not None
    assert exact.parts.pairs.any()
    assert found.users == pytest.approx(exact.users - exact.parts.pairs.sum(axis=1) / 2, abs=1e-4)
    assert found.items == pytest.approx(exact.items - exact.parts.pairs.sum(axis=0) / 2, abs=1e-4)
    assert found.off_users == pytest.approx(exact.users, abs=1e-4)
    assert found.off_items == pytest.approx(exact.items, abs=1e-4)


def test_the_error_of_the_path_is_told_and_falls_with_its_steps() -> None:
    recommender, sae, candidates = case(11, scorer=mlp(3))
    errors = []
    for steps in (1, 4096):
        found = why(recommender, sae, candidates, 3, 4, steps=steps)
        assert found.path is not None
        change = abs(found.place.affinity - found.path.baseline - found.path.user_bias - found.path.item_bias)
        assert found.path.error == pytest.approx(abs(found.total - found.place.affinity), abs=1e-4)
        assert found.path.error_share == pytest.approx(found.path.error / change, rel=1e-3)
        errors.append(found.path.error)
    assert errors[1] < errors[0] / 10


def test_a_scorer_without_gradients_is_one_sentence() -> None:
    def deaf(u: object, v: object) -> object:
        return (u.detach() * v.detach()).sum(1)  # type: ignore[attr-defined]

    recommender, sae, candidates = case(12)
    with pytest.raises(EditError, match="No gradient comes through the scorer"):
        why(replace(recommender, scorer=Program.of(deaf, D, D)), sae, candidates, 0, 0)


@pytest.mark.parametrize(("user", "item", "told"), [(USERS - 1, 0, "User 'u11'"), (0, UNKNOWN, "Item 'i38'")])
def test_a_side_without_a_vector_is_named(user: int, item: int, told: str) -> None:
    recommender, sae, candidates = case(13)
    with pytest.raises(RunError, match=f"{told} has no vector"):
        why(recommender, sae, candidates, user, item)
