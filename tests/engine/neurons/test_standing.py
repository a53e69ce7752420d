"""Three readings of purity, on codes whose truth is known, against brute force and against their nulls."""

import numpy as np
import pytest

from engine.neurons.standing import READINGS, paired_interval, panel, random_ranges, random_standing, standing
from engine.neurons.table import ConceptItems

ITEMS = 800
ALL = np.ones(ITEMS, bool)


def world(seed: int = 0, concepts: int = 5) -> tuple[np.ndarray, list[ConceptItems]]:
    """Codes of which neuron c fires for the items of concept c, with three more neurons of noise."""
    random = np.random.default_rng(seed)
    member = np.stack([random.random(ITEMS) < share for share in np.linspace(0.2, 0.4, concepts)])
    noise = random.random((ITEMS, 3)) * (random.random((ITEMS, 3)) < 0.3)
    z = np.concatenate([member.T * (1 + random.random((ITEMS, concepts))), noise], axis=1).astype(np.float32)
    return z, [ConceptItems(f"c{n}", "genre", row) for n, row in enumerate(member)]


def shuffled(concepts: list[ConceptItems], seed: int = 1) -> list[ConceptItems]:
    order = np.random.default_rng(seed).permutation(ITEMS)
    return [ConceptItems(one.name, one.kind, one.member[order]) for one in concepts]


def test_perfect_neurons_are_found_in_every_reading() -> None:
    z, concepts = world()
    found = standing(z, ALL, concepts, np.ones(ITEMS, int), 0)
    assert found.candidates == 8
    for reading in READINGS:
        assert found.means[reading] == {10: 1.0, 20: 1.0, 50: 1.0}
    assert [one.readings["one-to-one"].neuron for one in found.concepts] == [0, 1, 2, 3, 4]
    assert [one.base_rate for one in found.concepts] == [pytest.approx(c.member.mean()) for c in concepts]


def test_with_shuffled_metadata_the_split_half_falls_to_the_base_rate_and_the_chosen_one_stays_above() -> None:
    z, concepts = world()
    base = np.mean([concept.member.mean() for concept in concepts])
    found = [standing(z, ALL, shuffled(concepts, seed), np.ones(ITEMS, int), seed).means for seed in range(20)]
    split = np.mean([means["split-half"][20] for means in found])
    chosen = np.mean([means["label-chosen"][20] for means in found])
    assert split == pytest.approx(base, abs=0.03)
    assert chosen > base + 0.08  # the best of eight by the labels themselves: the bias that the halves remove


def test_label_chosen_purity_equals_brute_force() -> None:
    random = np.random.default_rng(3)
    z = (random.random((ITEMS, 6)) * (random.random((ITEMS, 6)) < 0.5)).astype(np.float32)
    _, concepts = world(4)
    found = standing(z, ALL, concepts, np.ones(ITEMS, int), 0)
    for row, concept in zip(found.concepts, concepts, strict=True):
        by_neuron = []
        for j in range(6):
            order = sorted(range(ITEMS), key=lambda i, j=j: (-z[i, j], i))  # type: ignore[misc]
            by_neuron.append([concept.member[order[:depth]].mean() for depth in (10, 20, 50)])
        best = int(np.argmax(np.mean(by_neuron, axis=1)))
        assert row.readings["label-chosen"].neuron == best
        assert list(row.readings["label-chosen"].purity.values()) == pytest.approx(by_neuron[best])


def test_one_neuron_cannot_stand_for_two_concepts_one_to_one() -> None:
    z, concepts = world()
    twice = [concepts[0], ConceptItems("again", "genre", concepts[0].member)]
    found = standing(z[:, :1], ALL, twice, np.ones(ITEMS, int), 0)
    assert found.means["label-chosen"][20] == 1
    assert found.means["one-to-one"][20] == 0.5
    assert sorted(str(one.readings["one-to-one"].neuron) for one in found.concepts) == ["0", "None"]


def test_items_in_another_order_and_neurons_in_another_scale_change_nothing() -> None:
    z, concepts = world()
    found = standing(z, ALL, concepts, np.arange(ITEMS), 0)
    order = np.random.default_rng(0).permutation(ITEMS)
    again = standing(
        z[order] * np.arange(1, 9),
        ALL,
        [ConceptItems(one.name, one.kind, one.member[order]) for one in concepts],
        np.arange(ITEMS)[order],
        0,
    )
    assert again.means["label-chosen"] == found.means["label-chosen"]
    assert again.means["one-to-one"] == found.means["one-to-one"]
    assert again.popularity == found.popularity


def test_fewer_active_items_than_k_are_unknown_and_count_as_0_in_a_mean() -> None:
    z, concepts = world()
    z[30:, 0] = 0
    found = standing(z[:, :1], ALL, concepts[:1], np.ones(ITEMS, int), 0)
    active = int((z[:, 0] > 0).sum())
    assert active < 50
    assert found.concepts[0].readings["label-chosen"].purity[50] is None
    assert found.means["label-chosen"][50] == 0


def test_items_that_are_not_eligible_count_nowhere() -> None:
    z, concepts = world()
    eligible = np.arange(ITEMS) < 500
    z[500:] = 100 * (np.arange(8) == 7)
    found = standing(z, eligible, concepts, np.ones(ITEMS, int), 0)
    assert found.means["label-chosen"][50] == 1
    assert found.concepts[0].items == concepts[0].member[:500].sum()


def test_a_cap_is_what_so_few_items_allow() -> None:
    z, _ = world()
    rare = [ConceptItems("rare", "genre", np.arange(ITEMS) < 13)]
    assert standing(z, ALL, rare, np.ones(ITEMS, int), 0).concepts[0].cap == {10: 1.0, 20: 0.65, 50: 0.26}


def test_the_most_popular_neuron_is_found_with_its_percentiles() -> None:
    z, concepts = world()
    popularity = np.arange(ITEMS, 0, -1)
    z[:, 6] = np.where(np.arange(ITEMS) < 60, popularity, 0)
    found = standing(z, ALL, concepts, popularity, 0)
    assert found.popularity_neuron == 6
    assert found.popularity[10] == pytest.approx(100 * 4.5 / ITEMS)


def test_random_directions_have_a_range_and_planted_ones_lie_above_it() -> None:
    random = np.random.default_rng(0)
    z, concepts = world()
    vectors = (z[:, :5] @ np.linalg.qr(random.standard_normal((5, 5)))[0]).astype(np.float32)
    chance = random_standing(vectors, ALL, concepts, 8, 0, draws=40)
    for reading in READINGS:
        mean, low, high = chance.means[reading][20]
        assert low < mean < high <= 1
        assert np.mean(list(chance.by_concept[reading].values())) == pytest.approx(mean)
    again = random_standing(vectors, ALL, concepts, 8, 0, draws=40)
    assert again == chance
    more = random_standing(vectors, ALL, concepts, 64, 0, draws=40)
    assert more.means["label-chosen"][20][0] > chance.means["label-chosen"][20][0]


def test_the_paired_interval_excludes_0_for_a_real_difference_and_not_for_none() -> None:
    random = np.random.default_rng(0)
    a = random.random(40)
    mean, low, high = paired_interval(a + 0.1 + 0.02 * random.standard_normal(40), a)
    assert mean == pytest.approx(0.1, abs=0.01)
    assert 0.08 < low < mean < high < 0.12
    _, low, high = paired_interval(a + 0.1 * random.standard_normal(40), a)
    assert low < 0 < high
    assert paired_interval(a, a) == (0, 0, 0)


def test_the_panel_takes_large_genres_and_the_commonest_tags_or_what_is_named() -> None:
    def concept(name: str, kind: str, items: int) -> ConceptItems:
        return ConceptItems(name, kind, np.arange(ITEMS) < items)

    tags = [concept(f"t{n}", "tag", 50 + n) for n in range(40)]
    concepts = [concept("Drama", "genre", 300), concept("Rare", "genre", 19), concept("1990s", "decade", 400), *tags]
    assert [one.name for one in panel(concepts, ALL)] == ["Drama", *(f"t{n}" for n in range(10, 40))]
    assert [one.name for one in panel(concepts, ALL, ["1990s", "Rare", "nothing"])] == ["1990s", "Rare"]


def test_a_concept_measured_over_three_bases_counts_once() -> None:
    random = np.random.default_rng(0)
    ahead = 0.05 + 0.1 * random.standard_normal(16)
    once = paired_interval(ahead, np.zeros(16))
    over_bases = paired_interval(np.repeat(ahead[:, None], 3, axis=1), np.zeros((16, 3)))
    assert over_bases == pytest.approx(once)
    as_if_independent = paired_interval(np.tile(ahead, 3), np.zeros(48))
    assert as_if_independent[2] - as_if_independent[1] < 0.7 * (once[2] - once[1])


def test_the_popularity_neuron_is_chosen_over_all_depths_as_a_concepts_is() -> None:
    popularity = np.arange(ITEMS, 0, -1)
    head = np.where(np.arange(ITEMS) < 60, popularity + 5000, 0)
    narrow = np.where(np.arange(ITEMS) < 12, popularity + 9000, popularity[::-1])  # the head's first 12, then the tail
    z = np.stack([np.roll(head, 3), narrow], axis=1).astype(np.float32)
    found = standing(z, ALL, world()[1], popularity, 0)
    assert found.popularity_neuron == 0
    assert (found.popularity[50] or 100) < 10
    alone = standing(z[:, 1:] * (np.arange(ITEMS) < 12)[:, None], ALL, world()[1], popularity, 0)
    assert alone.popularity == {10: pytest.approx(100 * 4.5 / ITEMS), 20: None, 50: None}


def test_the_range_of_random_sets_is_over_the_sets_whose_mean_is_kept() -> None:
    random = np.random.default_rng(5)
    member = random.random((3, ITEMS)) < 0.2
    x = random.standard_normal((ITEMS, 6)) + member.T @ random.standard_normal((3, 6))
    concepts = [ConceptItems(f"c{n}", "genre", row) for n, row in enumerate(member)]
    eligible = random.random(ITEMS) < 0.9
    found = random_ranges(x, eligible, concepts, 8, 3, draws=40)
    single = [random_ranges(x, eligible, concepts, 8, 3, draws=n)["c1"] for n in (1, 2)]
    first, mean = single[0][0], random_standing(x, eligible, concepts, 8, 3, draws=2).by_concept["split-half"]["c1"]
    assert single[0] == (first, first)
    assert random_standing(x, eligible, concepts, 8, 3, draws=1).by_concept["split-half"]["c1"] == pytest.approx(first)
    assert sum(single[1]) / 2 == pytest.approx(mean)
    kept = random_standing(x, eligible, concepts, 8, 3, draws=40).by_concept["split-half"]
    assert all(low < kept[name] < high for name, (low, high) in found.items())
    few = np.arange(ITEMS) < 30  # each half has 15 items: purity@20 is unknown and counts as 0
    assert random_ranges(x, few, concepts, 8, 3, draws=3) == dict.fromkeys(("c0", "c1", "c2"), (0.0, 0.0))
