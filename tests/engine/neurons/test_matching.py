"""Pairing neurons of two runs: known permutations, dead ones, and the null."""

import itertools

import numpy as np
import pytest

from engine.errors import RunError
from engine.neurons.matching import match, match_runs
from engine.run import Run


def codes(neurons: int = 8, items: int = 300, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    active = random.random((items, neurons)) < 0.3
    return (random.random((items, neurons)) * active).astype(np.float32)


def test_a_permuted_and_scaled_dictionary_is_found_again() -> None:
    z = codes()
    order = np.random.default_rng(1).permutation(8)
    found = match(z, z[:, order] * 3)
    assert found.matched == 1
    assert not found.appeared
    assert not found.vanished
    for pair in found.pairs:
        assert order[pair.b] == pair.a
        assert pair.correlation == pytest.approx(1)


def test_the_pairing_has_the_largest_total_correlation_of_all() -> None:
    a, b = codes(4, 60, 2), codes(4, 60, 3)
    b[:, 0] += a[:, 1]
    correlation = np.corrcoef(a.T, b.T)[:4, 4:]
    best = max(sum(correlation[i, p[i]] for i in range(4)) for p in itertools.permutations(range(4)))
    assert sum(pair.correlation for pair in match(a, b).pairs) == pytest.approx(best, abs=1e-6)


def test_unrelated_neurons_do_not_match_and_chance_says_how_far_they_get() -> None:
    found = match(codes(seed=0), codes(seed=9))
    assert found.matched == 0
    assert len(found.appeared) == len(found.vanished) == 8
    assert found.chance_matched == 0
    assert max(pair.correlation for pair in found.pairs) < 2 * found.chance < 0.7


def test_dead_neurons_match_nothing_and_are_counted_nowhere() -> None:
    z = codes()
    dead = z.copy()
    dead[:, 2] = 0
    found = match(dead, dead)
    assert found.matched == 1
    assert 2 not in {pair.a for pair in found.pairs}
    assert 2 not in found.appeared + found.vanished
    assert match(np.zeros_like(z), z).matched is None


def test_a_new_neuron_appears_and_a_lost_one_vanishes() -> None:
    z = codes()
    found = match(z[:, :7], z[:, 1:])
    assert found.vanished == [0]
    assert found.appeared == [6]


def test_runs_match_by_item_id(demo_run: Run) -> None:
    found = match_runs(demo_run, demo_run)
    assert found.matched == 1
    assert found.items == int(demo_run.screen["ranked"].sum())
    renamed = Run(demo_run.home, demo_run.folder, demo_run.manifest)
    towers = demo_run.recommender
    strange = type(towers.items)([f"x{one}" for one in towers.items.ids], towers.items.vectors, towers.items.bias)
    renamed.__dict__["recommender"] = type(towers)(towers.users, strange, towers.scorer)
    with pytest.raises(RunError, match="0 ranked items in common"):
        match_runs(demo_run, renamed)
