"""The whole engine on a recommender whose concepts are known: each measure finds them, and its null without them."""

import numpy as np
import pytest

from engine.fidelity import measure_fidelity
from engine.neurons.matching import match
from engine.neurons.moves import concept_moves, moves
from engine.neurons.standing import random_standing, standing
from engine.neurons.table import ConceptItems, NeuronTable, neuron_table
from engine.progress import silent
from engine.recommenders.ranking import Candidates, Histories
from engine.sae.config import SaeConfig
from engine.sae.model import SparseAutoencoder
from engine.sae.training import side_maps, train_sae
from tests.planted import CONCEPTS, ITEMS, USERS, Planted, planted

CONFIG = SaeConfig(neurons=20, k_items=3, k_users=5, steps=250, rows_a_step=256, pair_rows=96)
EVERYTHING = np.ones(ITEMS, bool)


def trained(case: Planted, config: SaeConfig = CONFIG) -> SparseAutoencoder:
    return train_sae(
        config,
        case.recommender,
        users=np.arange(0, USERS, 2),
        items=np.arange(ITEMS),
        progress=silent,
        log=lambda _line: None,
        seen=case.seen,
    )


@pytest.fixture(scope="module")
def case() -> Planted:
    return planted()


@pytest.fixture(scope="module")
def sae(case: Planted) -> SparseAutoencoder:
    return trained(case)


def table(case: Planted, sae: SparseAutoencoder, concepts: list[ConceptItems]) -> NeuronTable:
    return neuron_table(
        sae.encode(case.recommender.items.vectors, "items"),
        sae.encode(case.recommender.users.vectors, "users"),
        case.recommender.items.vectors,
        case.popularity,
        EVERYTHING,
        concepts,
        0,
        sae.w_md,
    )


def test_every_planted_concept_has_a_neuron_of_its_own_in_every_reading(case: Planted, sae: SparseAutoencoder) -> None:
    z = sae.encode(case.recommender.items.vectors, "items")
    found = standing(z, EVERYTHING, case.concepts, case.popularity, 0)
    for reading, means in found.means.items():
        assert means[20] > 0.95, reading
    owners = [one.readings["one-to-one"].neuron for one in found.concepts]
    assert len(set(owners)) == CONCEPTS
    chance = random_standing(case.recommender.items.vectors, EVERYTHING, case.concepts, 20, 0, draws=30)
    for reading, means in found.means.items():
        assert means[20] > chance.means[reading][20][2], reading


def test_the_table_reaches_every_planted_concept_and_says_that_the_other_is_missing(
    case: Planted, sae: SparseAutoencoder
) -> None:
    found = table(case, sae, [*case.concepts, case.missing])
    reached = {entry.concept: entry.reached for entry in found.reach}
    assert all(reached[concept.name] for concept in case.concepts)
    assert not reached["missing"]
    named = {neuron.named_by for neuron in found.neurons}
    assert {concept.name for concept in case.concepts} <= named
    assert "missing" not in named
    assert not any(neuron.dead for neuron in found.neurons)


def test_with_shuffled_metadata_every_evidence_falls_to_its_null(case: Planted, sae: SparseAutoencoder) -> None:
    z = sae.encode(case.recommender.items.vectors, "items")
    wrong = case.shuffled()
    base = float(np.mean([concept.member.mean() for concept in wrong]))
    real, false = (standing(z, EVERYTHING, concepts, case.popularity, 0) for concepts in (case.concepts, wrong))
    assert false.means["split-half"][50] == pytest.approx(base, abs=0.08)
    assert false.means["label-chosen"][50] < 0.5 * real.means["label-chosen"][50]
    right, nothing = table(case, sae, case.concepts), table(case, sae, wrong)
    independent = [
        np.mean([n.monosemanticity_independent for n in found.neurons if n.monosemanticity_independent is not None])
        for found in (right, nothing)
    ]
    chance = nothing.chance["monosemanticity_independent"]
    assert chance is not None
    assert independent[0] > 3 * chance
    assert independent[1] == pytest.approx(chance, abs=0.1)
    # The published form looks at the vectors alone, and does not notice: that is why it is called circular.
    assert [n.monosemanticity for n in right.neurons] == [n.monosemanticity for n in nothing.neurons]
    assert all(n.q > 0.05 for n in nothing.neurons if n.q is not None)
    assert not any(entry.reached for entry in nothing.reach)


def test_the_recommender_survives_and_random_neurons_keep_less(case: Planted, sae: SparseAutoencoder) -> None:
    nothing = Histories.of(np.empty(0, np.int32), np.empty(0, np.int32), USERS)
    candidates, users = Candidates(case.seen, EVERYTHING), np.arange(1, USERS, 2)
    found = measure_fidelity(case.recommender, sae, candidates, nothing, users)
    untrained = trained(case, CONFIG.model_copy(update={"start": "random", "steps": 1, "beta": 0.0}))
    worse = measure_fidelity(case.recommender, untrained, candidates, nothing, users)
    assert found.rbo > 0.6 > worse.rbo
    assert found.rbo > found.rbo_ablated
    assert found.affinity_r2 is not None
    assert found.affinity_r2 > 0.9
    assert found.l0_users <= 5.5


def test_raising_a_concepts_neuron_raises_its_items_for_users(case: Planted, sae: SparseAutoencoder) -> None:
    neurons = table(case, sae, case.concepts).neurons
    named = [neuron for neuron in neurons if neuron.named_by and neuron.p99_users]
    assert len(named) >= CONCEPTS
    for neuron in named:
        change = moves(case.recommender, sae, neuron.neuron, "users", neuron.p99_users or 0, 0)
        assert concept_moves(change.mean, EVERYTHING, case.concepts)[0].concept == neuron.named_by


def test_other_seeds_find_the_same_neurons(case: Planted, sae: SparseAutoencoder) -> None:
    other = trained(case, CONFIG.model_copy(update={"seed": 7}))
    z = [one.encode(case.recommender.items.vectors, "items") for one in (sae, other)]
    found = match(z[0], z[1])
    same = {pair.a for pair in found.pairs if pair.correlation >= 0.7}
    owners = {
        one.readings["one-to-one"].neuron
        for one in standing(z[0], EVERYTHING, case.concepts, case.popularity, 0).concepts
    }
    assert owners <= same
    assert found.chance_matched == 0


@pytest.mark.long
def test_where_the_towers_live_apart_alignment_makes_an_items_name_hold_for_users() -> None:
    apart = planted(scorer="mlp", turn=True)
    close = planted()
    pairs = apart.recommender.affinities(np.arange(5)), close.recommender.affinities(np.arange(5))
    np.testing.assert_allclose(
        pairs[0] - pairs[0].mean(1, keepdims=True), pairs[1] - pairs[1].mean(1, keepdims=True), atol=0.1
    )
    sides, alignment = side_maps(CONFIG, apart.recommender, np.arange(USERS), np.arange(ITEMS), apart.seen)
    assert alignment is not None
    assert sides["users"].rotation is not None
    # What Procrustes finds undoes what was hidden.
    assert np.trace(apart.turned @ sides["users"].rotation) / 10 > 0.9
    assert abs(np.trace(apart.turned) / 10) < 0.5

    def agreeing(align: str) -> float:
        sae = trained(apart, CONFIG.model_copy(update={"align": align, "beta": 0.0, "steps": 150}))
        neurons = [n for n in table(apart, sae, apart.concepts).neurons if n.named_by and n.p99_users]
        right = 0
        for neuron in neurons:
            change = moves(apart.recommender, sae, neuron.neuron, "users", neuron.p99_users or 0, 0)
            right += concept_moves(change.mean, EVERYTHING, apart.concepts)[0].concept == neuron.named_by
        return right / len(neurons)

    assert agreeing("on") > 0.75
    assert agreeing("off") < 0.4
