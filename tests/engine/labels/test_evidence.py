import numpy as np
import pytest

from engine.labels.evidence import evidence_for

TITLES = [f"film {number}" for number in range(8)]
CONCEPTS = [["Drama"] if number % 2 else ["Comedy", "Western"] for number in range(8)]
ACTIVATIONS = np.array([0.0, 0.5, 2.0, 0.0, 2.0, 9.0, 0.0, 0.1], np.float32)
ALL = np.ones(8, bool)


def test_the_top_items_come_strongest_first_and_ties_by_number() -> None:
    evidence = evidence_for(3, ACTIVATIONS, TITLES, CONCEPTS, ALL, np.random.default_rng(0), top=4)
    assert evidence.neuron == 3
    assert [item.title for item in evidence.items] == ["film 5", "film 2", "film 4", "film 1"]
    assert [item.activation for item in evidence.items] == [9.0, 2.0, 2.0, 0.5]
    assert evidence.items[1].concepts == ["Comedy", "Western"]


def test_the_contrast_is_drawn_from_items_that_do_not_activate_the_neuron() -> None:
    evidence = evidence_for(0, ACTIVATIONS, TITLES, CONCEPTS, ALL, np.random.default_rng(0), contrast=2)
    assert len(evidence.contrast) == 2
    assert {item.title for item in evidence.contrast} < {"film 0", "film 3", "film 6"}
    assert all(item.activation == 0 for item in evidence.contrast)


def test_the_same_generator_gives_the_same_contrast_and_another_one_may_not() -> None:
    n = 200
    drawn = [
        evidence_for(0, np.zeros(n), [str(i) for i in range(n)], [[]] * n, np.ones(n, bool), np.random.default_rng(s))
        for s in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_items_that_are_not_eligible_are_shown_nowhere() -> None:
    eligible = ALL.copy()
    eligible[[5, 0]] = False
    evidence = evidence_for(0, ACTIVATIONS, TITLES, CONCEPTS, eligible, np.random.default_rng(0))
    assert [item.title for item in evidence.items] == ["film 2", "film 4", "film 1", "film 7"]
    assert {item.title for item in evidence.contrast} == {"film 3", "film 6"}


def test_a_neuron_that_fires_nowhere_or_everywhere_has_one_empty_side() -> None:
    silent = evidence_for(0, np.zeros(8), TITLES, CONCEPTS, ALL, np.random.default_rng(0))
    loud = evidence_for(0, np.ones(8), TITLES, CONCEPTS, ALL, np.random.default_rng(0))
    assert (len(silent.items), len(silent.contrast)) == (0, 8)
    assert (len(loud.items), len(loud.contrast)) == (8, 0)


def test_arrays_of_different_items_are_refused() -> None:
    with pytest.raises(ValueError, match="7 titles"):
        evidence_for(0, ACTIVATIONS, TITLES[:7], CONCEPTS, ALL, np.random.default_rng(0))
