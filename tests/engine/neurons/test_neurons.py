import numpy as np
import pytest

from engine.neurons.evidence import (
    beats_random_items,
    chance_similarity,
    halves,
    hits_at,
    metadata_vectors,
    monosemanticity,
    null_of_best,
    overlaps,
    q_values,
    surprise,
    top_items,
)
from engine.neurons.flags import near
from engine.neurons.table import ConceptItems, NeuronTable, neuron_table, split_half


def test_top_items_are_the_most_active_eligible_ones_and_end_where_activity_ends() -> None:
    z = np.array([[0.0, 5], [3, 5], [1, 0], [9, 1]], np.float32)
    eligible = np.array([True, True, True, False])
    assert top_items(z, eligible, 3).tolist() == [[1, 2, -1], [0, 1, -1]]


def test_hits_are_unknown_when_fewer_items_are_active() -> None:
    member = np.array([[True, False, True, True]])
    assert hits_at(np.array([[0, 1, 2], [3, 0, -1]]), member, 3).tolist() == [[2], [-1]]


def test_surprise_is_zero_at_the_base_rate_and_grows_above_it() -> None:
    base = np.array([0.5])
    values = [surprise(np.array([[hits]]), 20, base)[0, 0] for hits in (5, 10, 15, 20)]
    assert values[0] == values[1] == 0
    assert values[3] > values[2] > 0
    assert values[3] == pytest.approx(20 * np.log(2))


def test_q_values_equal_scipy_and_keep_the_unknown_unknown() -> None:
    from scipy.stats import false_discovery_control

    random = np.random.default_rng(0)
    statistic, null = random.standard_normal(30) + 1, random.standard_normal(1000)
    p = np.array([(1 + (null >= value).sum()) / 1001 for value in statistic])
    q = q_values(np.append(statistic, np.nan), null)
    np.testing.assert_allclose(q[:-1], false_discovery_control(p))
    assert np.isnan(q[-1])


def test_monosemanticity_is_one_for_copies_and_equals_the_double_sum() -> None:
    random = np.random.default_rng(0)
    z = random.exponential(size=(50, 2)).astype(np.float32)
    vectors = random.standard_normal((50, 4))
    top = top_items(z, np.ones(50, bool), 50)
    same = np.tile(vectors[:1], (50, 1))
    np.testing.assert_allclose(monosemanticity(top, z, same), 1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    above = below = 0.0
    for i in top[0, :30]:
        for j in top[0, :30]:
            if i != j:
                above += z[i, 0] * z[j, 0] * float(unit[i] @ unit[j])
                below += z[i, 0] * z[j, 0]
    assert monosemanticity(top, z, vectors)[0] == pytest.approx(above / below, rel=1e-5)


def case(shuffled: bool = False) -> tuple[NeuronTable, np.ndarray, list[ConceptItems], np.ndarray, np.ndarray]:
    """Neuron 0 is "Horror", neuron 1 is dead, neuron 2 fires for 15 items; item 0 is never ranked."""
    random = np.random.default_rng(1)
    items = 500
    horror = random.random(items) < 0.1
    vectors = random.standard_normal((items, 8)).astype(np.float32)
    vectors[:, 0] += 4 * horror
    z = np.zeros((items, 3), np.float32)
    z[:, 0] = np.maximum(vectors[:, 0], 0)
    z[100:115, 2] = 1
    popularity = random.integers(1, 1000, items)
    popularity[0] = 0
    member = random.permutation(horror) if shuffled else horror
    concepts = [ConceptItems("Horror", "genre", member), ConceptItems("Half", "genre", random.random(items) < 0.5)]
    users = np.array([[1.0, 0, 0], [2, 0, 0], [0, 0, 1]], np.float32)
    table = neuron_table(z, users, vectors, popularity, popularity > 0, concepts, 0)
    return table, z, concepts, popularity, vectors


def test_the_table_finds_the_planted_concept_and_its_figures_can_be_recomputed() -> None:
    table, z, concepts, popularity, _ = case()
    neuron = table.neurons[0]
    assert neuron.concept == "Horror"
    known = popularity > 0
    order = [item for item in np.argsort(-z[:, 0], kind="stable") if known[item]]
    for depth, purity in ((10, neuron.purity10), (20, neuron.purity20), (50, neuron.purity50)):
        assert purity == pytest.approx(concepts[0].member[order[:depth]].mean())
    assert neuron.base_rate == pytest.approx(concepts[0].member[known].mean())
    assert neuron.lift == pytest.approx((neuron.purity20 or 0) / (neuron.base_rate or 1))
    assert neuron.q is not None
    assert neuron.q < 0.05
    assert neuron.named_by == "Horror"
    assert neuron.density_items == pytest.approx((z[known, 0] > 0).mean())
    assert neuron.density_users == pytest.approx(2 / 3)
    assert neuron.p99_users == pytest.approx(np.percentile([1, 2], 99))
    ranks = np.array([100 * np.mean(popularity[known] > popularity[item]) for item in order[:10]])
    assert neuron.popularity_percentile == pytest.approx(ranks.mean(), abs=0.3)


def test_shuffled_metadata_falls_to_the_null() -> None:
    neuron = case(shuffled=True)[0].neurons[0]
    assert neuron.purity20 is None or neuron.purity20 < 0.7
    assert neuron.q is None or neuron.q > 0.2


def test_a_dead_neuron_is_dead_and_a_rare_one_unknown() -> None:
    table = case()[0]
    dead, rare = table.neurons[1], table.neurons[2]
    assert dead.dead
    assert dead.p99_users is None
    assert not rare.dead
    assert (rare.concept, rare.purity20, rare.q) == (None, None, None)


def test_a_concept_that_no_neuron_carries_is_reported_missing() -> None:
    reach = {entry.concept: entry for entry in case()[0].reach}
    assert reach["Horror"].reached
    assert reach["Horror"].neuron == 0
    assert not reach["Half"].reached


def test_without_concepts_everything_but_purity_works() -> None:
    _, z, _, popularity, vectors = case()
    table = neuron_table(z, z[:4], vectors, popularity, popularity > 0, [], 0)
    assert table.reach == []
    assert table.neurons[0].concept is None
    assert table.neurons[0].monosemanticity is not None


def test_the_null_is_the_best_concept_of_random_directions() -> None:
    _, _, concepts, popularity, vectors = case()
    known = popularity > 0
    member = np.array([concept.member[known] for concept in concepts])
    null = null_of_best(vectors[known], member, 20, seed=0, directions=200)
    assert null.shape == (200,)
    assert (null == null_of_best(vectors[known], member, 20, seed=0, directions=200)).all()
    along = vectors[known][:, 0]
    best = surprise(hits_at(np.argsort(-along)[None, :20], member, 20), 20, member.mean(axis=1)).max()
    assert (null < best).mean() > 0.9


def test_chance_similarity_is_the_mean_over_all_pairs() -> None:
    vectors = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [float(unit[i] @ unit[j]) for i in range(30) for j in range(30) if i != j]
    assert chance_similarity(vectors) == pytest.approx(np.mean(pairs), abs=1e-6)
    assert np.isnan(chance_similarity(vectors[:1]))


def test_metadata_vectors_weigh_rare_concepts_more_and_leave_out_what_nobody_carries() -> None:
    member = np.array([[True, True, True, False], [True, False, False, False], [False] * 4])
    vectors = metadata_vectors(member)
    assert vectors.shape == (4, 2)
    assert vectors[0, 1] > vectors[0, 0] > 0
    assert (vectors[3] == 0).all()


def test_beating_random_items_equals_scipy_and_counts_the_concepts() -> None:
    from scipy.stats import hypergeom

    hits = np.array([[9, 2], [-1, -1]])
    p = beats_random_items(hits, 10, np.array([30, 50]), 100)
    expected = min(hypergeom.sf(8, 100, 30, 10), hypergeom.sf(1, 100, 50, 10)) * 2
    assert p[0] == pytest.approx(expected)
    assert p[1] == 1


def test_overlaps_are_jaccard_indices() -> None:
    z = np.array([[1, 1, 0], [2, 0, 0], [0, 3, 0], [1, 1, 0]], np.float32)
    found = overlaps(z)
    assert found[0, 1] == pytest.approx(2 / 4)
    assert found[0, 0] == 1
    assert found[2, 2] == found[2, 0] == 0


def flags_of(z: np.ndarray, users: np.ndarray, directions: np.ndarray, popularity: np.ndarray) -> list[list[str]]:
    table = neuron_table(z, users, z + 1, popularity, popularity > 0, [], 0, directions)
    return [neuron.flags for neuron in table.neurons]


def test_every_flag_is_raised_by_what_it_names_and_by_nothing_else() -> None:
    random = np.random.default_rng(0)
    popularity = np.arange(1, 401)[::-1]
    sparse = [(random.random(400) < 0.2) * random.random(400) for _ in range(3)]
    z = np.stack(
        [
            sparse[0],
            sparse[0] * 2,  # the same items in the same direction: a duplicate
            np.where(np.arange(400) < 12, np.arange(400, 0, -1), 0),  # the popular head
            random.random(400),  # dense
            np.zeros(400),  # only users activate it
            np.zeros(400),  # dead
            sparse[1],  # only items activate it
            sparse[2],  # ordinary
        ],
        axis=1,
    ).astype(np.float32)
    users = (random.random((50, 8)) < 0.3).astype(np.float32)
    users[:, [5, 6]] = 0
    directions = np.eye(8, dtype=np.float32)
    directions[1] = [1, 0.1, 0, 0, 0, 0, 0, 0]
    found = flags_of(z, users, directions, popularity)
    assert found == [
        ["duplicate"],
        ["duplicate"],
        ["popularity"],
        ["dense"],
        ["user-only"],
        ["dead"],
        ["item-only"],
        [],
    ]


def test_a_neuron_of_the_least_popular_items_is_no_popularity_neuron() -> None:
    popularity = np.arange(1, 401)
    z = np.where(np.arange(400) < 12, 1.0, 0.0)[:, None].astype(np.float32)
    assert flags_of(z, z, np.ones((1, 1), np.float32), popularity) == [[]]


def test_levels_count_from_0_and_follow_the_sizes() -> None:
    z = np.random.default_rng(0).random((60, 6)).astype(np.float32)
    table = neuron_table(z, z, z, np.ones(60, int), np.ones(60, bool), [], 0, None, (1, 3, 6))
    assert [neuron.level for neuron in table.neurons] == [0, 1, 1, 2, 2, 2]
    flat = neuron_table(z, z, z, np.ones(60, int), np.ones(60, bool), [], 0)
    assert {neuron.level for neuron in flat.neurons} == {None}


def test_independent_monosemanticity_falls_to_chance_when_metadata_are_shuffled() -> None:
    random = np.random.default_rng(0)
    group = random.integers(0, 4, 600)
    z = (random.random((600, 4)) * (group[:, None] == np.arange(4))).astype(np.float32)

    def measured(order: np.ndarray) -> tuple[float, float]:
        concepts = [ConceptItems(str(c), "genre", group[order] == c) for c in range(4)]
        table = neuron_table(z, z, z, np.ones(600, int), np.ones(600, bool), concepts, 0)
        chance = table.chance["monosemanticity_independent"]
        assert chance is not None
        return float(np.mean([n.monosemanticity_independent or 0 for n in table.neurons])), chance

    found, chance = measured(np.arange(600))
    assert found == pytest.approx(1)
    assert chance == pytest.approx(0.25, abs=0.01)
    shuffled, chance = measured(random.permutation(600))
    assert shuffled == pytest.approx(chance, abs=0.1)


@pytest.mark.parametrize("levels", [2, 5, 10_000])
def test_top_items_equal_a_stable_sort_however_many_activations_are_equal(levels: int) -> None:
    random = np.random.default_rng(levels)
    z = (random.integers(0, levels, (200, 12)) * (random.random((200, 12)) < np.linspace(0.02, 1, 12))).astype(
        np.float32
    )
    eligible = random.random(200) < 0.7
    for depth in (1, 20, 150, 200, 300):
        found = top_items(z, eligible, depth)
        assert found.shape == (12, min(depth, 200))
        for j in range(12):
            order = [i for i in np.argsort(-z[:, j], kind="stable") if eligible[i] and z[i, j] > 0][:depth]
            assert found[j].tolist() == order + [-1] * (found.shape[1] - len(order))


def test_both_halves_choose_the_planted_concept_and_its_purity_equals_brute_force() -> None:
    random = np.random.default_rng(0)
    member = random.random((5, 600)) < 0.25
    z = ((member[3] | (random.random(600) < 0.05)) * random.random(600)).astype(np.float32)[:, None]
    concept, purity = split_half(z, member, 7)
    assert concept.tolist() == [3]
    for depth in (10, 20, 50):
        each = []
        for half in halves(600, 7):
            order = half[np.argsort(-z[half, 0], kind="stable")][:depth]
            each.append(member[3, order].mean())
        assert purity[depth][0] == pytest.approx(np.mean(each))


def test_a_purity_that_was_found_by_chance_does_not_survive_the_other_half() -> None:
    random = np.random.default_rng(0)
    member = random.random((100, 1000)) < 0.2
    z = random.random((1000, 40)).astype(np.float32)
    table = neuron_table(
        z,
        z,
        z,
        np.ones(1000, int),
        np.ones(1000, bool),
        [ConceptItems(str(n), "tag", row) for n, row in enumerate(member)],
        0,
    )
    chosen = np.mean([neuron.purity20 or 0 for neuron in table.neurons])
    other = np.mean([neuron.half_purity20 or 0 for neuron in table.neurons])
    assert chosen > 0.38
    assert other == pytest.approx(0.2, abs=0.03)
    assert sum(neuron.half_concept is not None for neuron in table.neurons) <= 3


def test_half_purity_is_unknown_where_a_half_has_too_few_active_items() -> None:
    member = np.arange(400)[None] < 100
    z = np.zeros((400, 2), np.float32)
    z[:60, 0] = 1
    concept, purity = split_half(z, member, 0)
    assert concept.tolist() == [0, -1]
    assert purity[20].tolist() == pytest.approx([1, np.nan], nan_ok=True)
    assert np.isnan(purity[50]).all()
    assert np.isnan(split_half(z[:30], member[:, :30], 0)[1][10]).all()


def test_a_duplicate_that_is_not_the_closest_neuron_is_still_one() -> None:
    z = np.zeros((40, 3), np.float32)
    z[:10, [0, 2]], z[20:30, 1] = 1, 1
    directions = np.array([[1, 0], [1, 0.05], [1, 0.3]])
    found = near(directions, z)
    assert (found[0].neuron, found[0].overlap) == (1, 0)
    assert [one.duplicate for one in found] == [True, False, True]


def test_caps_are_what_so_few_items_allow() -> None:
    z = np.zeros((500, 1), np.float32)
    z[:60, 0] = np.arange(60, 0, -1)
    rare = [ConceptItems("rare", "tag", np.arange(500) < 13)]
    (neuron,) = neuron_table(z, z, z, np.ones(500, int), np.ones(500, bool), rare, 0).neurons
    assert (neuron.cap10, neuron.cap20, neuron.cap50) == (1.0, 0.65, 0.26)
    assert (neuron.purity10, neuron.purity20, neuron.purity50) == (1.0, 0.65, 0.26)


def test_neither_the_order_of_the_items_nor_the_scale_of_a_neuron_changes_the_table() -> None:
    random = np.random.default_rng(0)
    z = (random.random((300, 6)) * (random.random((300, 6)) < 0.4)).astype(np.float32)
    member, popularity = random.random((4, 300)) < 0.3, random.integers(1, 500, 300)
    vectors = random.standard_normal((300, 8))

    def measured(order: np.ndarray, scale: float) -> list[tuple[object, ...]]:
        concepts = [ConceptItems(str(c), "genre", row[order]) for c, row in enumerate(member)]
        table = neuron_table(
            z[order] * scale, z * scale, vectors[order], popularity[order], np.ones(300, bool), concepts, 0, np.eye(6)
        )
        return [
            (n.concept, n.purity10, n.purity20, n.purity50, n.q, n.popularity_percentile, n.flags, n.neighbour_overlap)
            for n in table.neurons
        ]

    assert measured(random.permutation(300), 8.0) == measured(np.arange(300), 1.0)
