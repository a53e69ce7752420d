"""Levels of a nested dictionary, on codes whose answers are known."""

import numpy as np
import pytest

from engine.experiments.matryoshka import DEPTH, by_level, trends
from engine.neurons.table import ConceptItems

ITEMS = 400
"""The first 200 of them stand in four genres of 50 items, the others in none."""
GENRES = [
    ConceptItems(name, "genre", (np.arange(ITEMS) // 50) == block)
    for block, name in enumerate(["Horror", "Comedy", "War", "Western"])
]
EVERYTHING = np.ones(ITEMS, bool)


def active_on(*items: np.ndarray) -> np.ndarray:
    """Codes (items × m): neuron j is active on the j-th list, equally."""
    z = np.zeros((ITEMS, len(items)), np.float32)
    for j, rows in enumerate(items):
        z[rows, j] = 1
    return z


def test_a_neuron_of_one_genre_has_no_entropy_and_one_of_four_has_two_bits() -> None:
    even = np.concatenate([np.arange(block * 50, block * 50 + 13) for block in range(4)])[:DEPTH]
    z_im = active_on(np.arange(50), even)
    one, four = by_level(z_im, np.ones((2, 2)), np.arange(ITEMS), EVERYTHING, GENRES, [1, 2])
    assert (one.number, four.number) == (1, 2)
    assert (one.neurons[0].concepts, one.neurons[0].entropy) == (1, 0.0)
    assert one.neurons[0].examples == ("Horror",)
    assert four.neurons[0].entropy == pytest.approx(2.0, abs=0.01)


def test_a_concept_at_its_base_rate_does_not_widen_a_neuron() -> None:
    spread = np.arange(0, ITEMS, ITEMS // DEPTH)
    (level,) = by_level(active_on(spread), np.ones((1, 1)), np.arange(ITEMS), EVERYTHING, GENRES, [1])
    assert level.neurons[0].concepts == 0
    assert level.neurons[0].examples == ()


def test_one_item_of_a_rare_concept_does_not_widen_a_neuron() -> None:
    rare = ConceptItems("Film-Noir", "genre", np.arange(ITEMS) == 0)
    (level,) = by_level(active_on(np.arange(50)), np.ones((1, 1)), np.arange(ITEMS), EVERYTHING, [*GENRES, rare], [1])
    assert level.neurons[0].examples == ("Horror",)


def test_audience_is_the_share_of_users_and_popularity_a_percentile_of_the_eligible_items() -> None:
    popularity = np.arange(ITEMS)[::-1].copy()
    z_um = np.array([[1, 0], [2, 0], [0, 0], [0, 0.5]])
    eligible = np.arange(ITEMS) < 200
    z_im = active_on(np.arange(50), np.arange(200))
    z_im[:, 1] *= np.arange(ITEMS)
    (level,) = by_level(z_im, z_um, popularity, eligible, GENRES, [2])
    assert [neuron.audience for neuron in level.neurons] == [0.5, 0.25]
    assert level.neurons[0].popularity == pytest.approx(100 * 24.5 / 200)
    assert level.neurons[1].popularity == pytest.approx(100 * 174.5 / 200)
    assert level.mean(lambda neuron: neuron.audience) == pytest.approx(0.375)


def test_with_fewer_items_than_the_depth_breadth_and_popularity_are_unknown() -> None:
    (level,) = by_level(active_on(np.arange(DEPTH - 1)), np.ones((1, 1)), np.arange(ITEMS), EVERYTHING, GENRES, [1])
    neuron = level.neurons[0]
    assert (neuron.concepts, neuron.entropy, neuron.popularity, neuron.examples) == (None, None, None, ())
    assert neuron.audience == 1.0
    assert level.mean(lambda one: one.entropy) is None


def test_without_concepts_or_interactions_only_the_audience_is_known() -> None:
    nothing = np.zeros(ITEMS, int)
    (level,) = by_level(active_on(np.arange(60)), np.ones((1, 1)), nothing, EVERYTHING, [], [1])
    neuron = level.neurons[0]
    assert (neuron.audience, neuron.concepts, neuron.entropy, neuron.popularity) == (1.0, 0, None, None)


@pytest.mark.parametrize("levels", [[], [1], [2, 2], [0, 2], [3]])
def test_levels_that_do_not_nest_up_to_the_last_neuron_are_refused(levels: list[int]) -> None:
    with pytest.raises(ValueError, match="must rise from above 0 to 2"):
        by_level(active_on(np.arange(50), np.arange(50)), np.ones((1, 2)), np.arange(ITEMS), EVERYTHING, [], levels)


def test_an_audience_that_shrinks_with_the_level_is_a_trend_and_a_constant_one_is_unknown() -> None:
    m, users = 12, 120
    z_um = (np.arange(users)[:, None] >= np.arange(m)[None, :] * 10).astype(float)
    levels = by_level(active_on(*[np.arange(60)] * m), z_um, np.arange(ITEMS), EVERYTHING, GENRES, [3, 6, 9, 12])
    found = trends(levels, seed=0)
    assert found["audience"].rho is not None
    assert found["audience"].rho < -0.9
    assert found["audience"].p is not None
    assert found["audience"].p < 0.001
    assert (found["entropy"].rho, found["entropy"].p, found["entropy"].neurons) == (None, None, m)


def test_the_trend_is_spearmans() -> None:
    from scipy.stats import spearmanr

    random = np.random.default_rng(1)
    z_um = (random.random((50, 8)) < random.random(8)).astype(float)
    levels = by_level(active_on(*[np.arange(60)] * 8), z_um, np.arange(ITEMS), EVERYTHING, GENRES, [2, 4, 6, 8])
    audience = [neuron.audience for level in levels for neuron in level.neurons]
    expected = spearmanr([1, 1, 2, 2, 3, 3, 4, 4], audience)
    found = trends(levels, seed=0)["audience"]
    assert found.rho == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue, abs=0.1)
