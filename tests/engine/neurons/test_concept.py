"""One concept against all neurons: what was measured in training comes out again."""

import numpy as np

from engine.neurons.concept import concept_neurons
from engine.run import Run


def test_the_purest_neuron_of_a_genre_is_the_one_that_the_run_stored(demo_run: Run) -> None:
    with demo_run.catalogue() as catalogue:
        members = {concept.name: concept.items for concept in catalogue.concepts()}
        eligible = demo_run.steering(catalogue).candidates.eligible
    z_im = demo_run.sae.encode(demo_run.recommender.items.vectors, "items")
    for stored in demo_run.reach:
        member = np.zeros(len(eligible), bool)
        member[members[stored.concept]] = True
        best = concept_neurons(z_im, eligible, member)[0]
        assert best.purity20 == stored.purity20
        assert best.named == stored.reached


def test_a_neuron_with_too_few_active_items_is_unknown_and_comes_last() -> None:
    z_im = np.zeros((30, 2), np.float32)
    z_im[:25, 1] = np.arange(25, 0, -1)
    z_im[:5, 0] = 1
    member = np.arange(30) < 15
    first, second = concept_neurons(z_im, np.ones(30, bool), member)
    assert (first.neuron, first.purity10, first.purity20, first.purity50) == (1, 1.0, 0.75, None)
    assert (second.neuron, second.purity20, second.lift, second.named) == (0, None, None, False)
