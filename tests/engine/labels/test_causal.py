import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from engine.labels import causal
from engine.labels.causal import (
    CausalAgreement,
    causal_agreement,
    drawn_users,
    interval,
)
from engine.labels.equal_purity import equally_pure, members_in_top
from engine.recommenders.ranking import Candidates, Histories, top_k
from engine.recommenders.recommender import Recommender, Tower
from engine.recommenders.scorers import Cosine, Dot, Mlp, Scorer
from engine.run import Run
from engine.sae.model import SideMap, SparseAutoencoder
from engine.steering.edits import Edit

USERS, ITEMS, D = 150, 360, 6
KIND = np.arange(ITEMS) % D
"""Items of kind j lie along axis j, and neuron j reads and writes that axis."""


class Made:
    """A small recommender with biases, seen items, items that are not ranked and users without a vector."""

    def __init__(self, scorer: Scorer | None = None, rotated: bool = False, untied: bool = False) -> None:
        random = np.random.default_rng(0)
        items = (3 * np.eye(D)[KIND] + random.standard_normal((ITEMS, D))).astype(np.float32)
        users = random.standard_normal((USERS, D)).astype(np.float32)
        rotation = np.linalg.qr(random.standard_normal((D, D)))[0].astype(np.float32) if rotated else None
        if rotation is not None and scorer is None:
            scorer = turning(rotation)
        known = np.ones(USERS, bool)
        known[:10] = False
        self.recommender = Recommender(
            Tower([f"u{n}" for n in range(USERS)], users, random.standard_normal(USERS).astype(np.float32), known),
            Tower([f"i{n}" for n in range(ITEMS)], items, random.standard_normal(ITEMS).astype(np.float32)),
            scorer or Dot(),
        )
        zero, w = np.zeros(D, np.float32), np.eye(D, dtype=np.float32)
        sides = {"users": SideMap(zero, 1.7, 0.1, rotation=rotation), "items": SideMap(zero, 0.6, 0.1)}
        encoder = w + 0.01 if untied else None
        self.sae = SparseAutoencoder(w, zero, zero, sides, encoder)  # type: ignore[arg-type]
        eligible = np.ones(ITEMS, bool)
        eligible[-12:] = False
        seen = random.random((USERS, ITEMS)) < 0.1
        self.candidates = Candidates(Histories.of(*np.nonzero(seen), USERS), eligible)

    def ask(
        self, neuron: int, member: np.ndarray, seed: int = 0, unit: float | None = 2.0, **more: int
    ) -> CausalAgreement:
        z_im = self.sae.encode(self.recommender.items.vectors, "items")
        return causal_agreement(
            self.recommender,
            self.sae,
            self.candidates,
            neuron,
            unit,
            member,
            z_im,
            seed,
            **more,  # type: ignore[arg-type]
        )


def turning(rotation: np.ndarray) -> Mlp:
    """A perceptron that sums relu over the items' axes of the rotated user's vector plus the item's."""
    first = np.concatenate([rotation.T, np.eye(D)], axis=1).astype(np.float32)
    return Mlp((first, np.ones((1, D), np.float32)), (np.zeros(D, np.float32), np.zeros(1, np.float32)), D)


def perceptron() -> Mlp:
    random = np.random.default_rng(3)
    first, last = random.standard_normal((16, 2 * D)), random.standard_normal((1, 16))
    return Mlp(
        (first.astype(np.float32), last.astype(np.float32)), (np.zeros(16, np.float32), np.zeros(1, np.float32)), D
    )


def test_an_edit_of_the_same_users_by_one_unit_gives_the_very_same_shares(demo_run: Run) -> None:
    with demo_run.catalogue() as catalogue:
        steering = demo_run.steering(catalogue)
    recommender, sae = demo_run.recommender, demo_run.sae
    z_im = sae.encode(recommender.items.vectors, "items")
    members = {concept.name: concept.member for concept in steering.concepts}
    users = drawn_users(recommender, 200, seed=3)
    named = [neuron for neuron in demo_run.neurons if neuron.named_by][:6]
    assert len(named) == 6
    for neuron, k in zip(named, (20, 10, 20, 30, 20, 5), strict=True):
        name = neuron.named_by or ""
        found = causal_agreement(
            recommender, sae, steering.candidates, neuron.neuron, neuron.p99_users, members[name], z_im, 3, k=k
        )
        edit = Edit(side="users", neuron=neuron.neuron, operation="add", amount=1)
        effect = steering.effect(users, [edit], k)
        assert found.users == len(users)
        assert found.before == effect["before"]["concept_shares"][name]
        assert found.after == effect["after"]["concept_shares"][name]
        assert found.purity == neuron.purity20
        assert found.null_purity == pytest.approx(found.purity)
        assert found.implied


def test_a_label_agrees_where_its_items_come_to_fill_the_lists() -> None:
    found = Made().ask(2, KIND == 2, unit=50.0)
    assert found.before is not None
    assert 0 < found.before < 0.5
    assert (found.after, found.users, found.agrees, found.purity) == (1.0, USERS - 10, True, 1.0)
    assert found.gain == found.room == 1 - found.before
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.gain < found.high
    assert found.random_share == 0.001


def test_a_wrong_label_gains_nothing() -> None:
    found = Made().ask(2, KIND == 3, unit=50.0)
    assert found.before is not None
    assert (found.after, found.gain, found.agrees) == (0.0, -found.before, False)
    assert found.random_share is not None
    assert found.random_share > 0.9


def test_few_random_concepts_of_the_same_size_gain_as_much_as_the_label() -> None:
    made, random = Made(), np.random.default_rng(1)
    shares = []
    for _ in range(40):
        member = np.zeros(ITEMS, bool)
        member[random.choice(ITEMS - 12, 58, replace=False)] = True
        shares.append(made.ask(2, member, directions=0).random_share)
    assert np.mean(np.array(shares) <= 0.05) <= 0.15
    assert 0.35 < np.mean(shares) < 0.65  # type: ignore[arg-type]


def test_the_users_lists_are_of_items_that_they_have_not_seen() -> None:
    made = Made()
    seen = np.nonzero(np.tile(KIND == 2, (USERS, 1)))
    made.candidates = Candidates(Histories.of(*seen, USERS), made.candidates.eligible)
    found = made.ask(2, KIND == 2, unit=50.0)
    assert (found.before, found.room, found.gain, found.agrees) == (0.0, 0.0, None, None)
    assert found.unknown is not None
    assert found.unknown.startswith("0 of the 140 users measured have room")


@pytest.mark.parametrize("hits", [0, 3, 11, 20])
def test_every_direction_of_the_null_is_as_pure_as_the_neuron(hits: int) -> None:
    made, member = Made(), KIND == 2
    x = made.recommender.items.vectors - made.recommender.items.vectors.mean(axis=0)
    found = equally_pure(x, member, hits, 60, seed=0)
    top = top_k(found.direction_nd @ x.T, 20)
    assert found.unreached == 0
    assert (member[top].sum(axis=1) == hits).all()
    assert (found.hits == hits).all()
    np.testing.assert_allclose(np.linalg.norm(found.direction_nd, axis=1), 1, atol=1e-5)


def test_the_null_is_no_nearer_to_the_concept_than_random_directions_of_its_purity() -> None:
    made, member = Made(), np.isin(KIND, (2, 3))
    x = made.recommender.items.vectors - made.recommender.items.vectors.mean(axis=0)
    concept = x[member].mean(axis=0) - x[~member].mean(axis=0)
    concept /= np.linalg.norm(concept)
    drawn = np.random.default_rng(7).standard_normal((40_000, D)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    for hits in (16, 19):
        truly = drawn[members_in_top(drawn @ x.T, member, 20) == hits] @ concept
        found = equally_pure(x, member, hits, 400, seed=0).direction_nd @ concept
        assert len(truly) > 500
        assert found.mean() == pytest.approx(truly.mean(), abs=0.04)
        assert found.std() == pytest.approx(truly.std(), abs=0.03)


@pytest.mark.parametrize("scorer", [Dot(), Cosine(2.0), perceptron(), None], ids=["dot", "cosine", "mlp", "rotated"])
def test_a_direction_moves_the_lists_as_the_neuron_that_lies_along_it_does(scorer: Scorer | None) -> None:
    made = Made(scorer, rotated=scorer is None)
    for neuron in range(D):
        cohort = causal._Cohort(made.recommender, made.candidates, np.arange(10, 60), 10, KIND == 2)
        own = cohort.members(cohort.raised(made.sae, neuron, 1.5))
        code = np.zeros((1, D), np.float32)
        code[0, neuron] = 1.5
        assert cohort.moved(made.sae.shift(code, "users")).tolist() == [cohort.share(own)]
        assert cohort.share(own) != cohort.share(cohort.before)


def test_the_null_moves_users_as_far_as_the_neuron_does_and_by_their_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    made, shifts = Made(rotated=True), []
    moved = causal._Cohort.moved

    def watched(self: causal._Cohort, shift_nd: np.ndarray) -> np.ndarray:
        shifts.append(shift_nd)
        return moved(self, shift_nd)

    monkeypatch.setattr(causal._Cohort, "moved", watched)
    found = made.ask(2, KIND == 2, unit=2.0)
    shift_nd = np.concatenate(shifts)
    assert found.null_directions == len(shift_nd) == 100
    np.testing.assert_allclose(np.linalg.norm(shift_nd, axis=1), 2.0 * 1.7, rtol=1e-5)
    rotation, ranked = made.sae.sides["users"].rotation, made.candidates.eligible
    response = (shift_nd @ rotation) @ made.recommender.items.vectors[ranked].T
    assert members_in_top(response, KIND[ranked] == 2, 20).mean() == pytest.approx(
        20 * (found.null_purity or 0), abs=0.1
    )


@pytest.mark.parametrize(("pure", "moves", "share"), [(0.3, 2, 1 / 101), (1.0, 3, 1.0)], ids=["more", "less"])
def test_the_null_share_tells_a_neuron_that_moves_more_or_less_than_its_purity_promises(
    pure: float, moves: int, share: float
) -> None:
    made, random = Made(), np.random.default_rng(0)
    z_im = np.zeros((ITEMS, D), np.float32)
    inside, outside = np.flatnonzero(KIND[:-12] == 2), np.flatnonzero(KIND[:-12] != 2)
    most = round(20 * pure)
    z_im[random.choice(inside, most, replace=False), moves] = 1
    z_im[random.choice(outside, 20 - most, replace=False), moves] = 1
    ask = (made.recommender, made.sae, made.candidates, moves, 2.0)
    found = causal_agreement(*ask, KIND == 2, z_im, 0)
    assert (found.purity, found.null_purity) == (pure, pytest.approx(pure))
    assert found.null_share == share
    assert found.null_low is not None
    assert found.null_gain is not None
    assert found.null_high is not None
    assert found.null_low < found.null_gain < found.null_high


def test_it_is_implied_by_a_dot_product_with_a_tied_decoder_alone() -> None:
    assert Made().ask(1, KIND == 1).implied
    assert not Made(untied=True).ask(1, KIND == 1).implied
    assert not Made(perceptron()).ask(1, KIND == 1).implied
    assert not Made(Cosine()).ask(1, KIND == 1).implied
    assert not Made(Dot(), rotated=True).ask(1, KIND == 1).implied


def test_the_seed_decides_everything() -> None:
    made = Made()
    assert made.ask(2, KIND == 2, seed=4, users=60) == made.ask(2, KIND == 2, seed=4, users=60)
    first, other = (made.ask(2, KIND == 2, seed=seed, users=60) for seed in (4, 5))
    assert (first.before, first.null_gain) != (other.before, other.null_gain)


def test_it_is_plain_json() -> None:
    found = Made().ask(2, KIND == 2)
    assert CausalAgreement(**json.loads(json.dumps(found.as_dict()))) == found


def test_what_cannot_be_asked_is_unknown() -> None:
    made, member = Made(), KIND == 2
    nowhere = made.candidates.eligible
    for found, reason in (
        (made.ask(2, np.zeros(ITEMS, bool)), "No ranked item is one of those that the label names."),
        (made.ask(2, ~nowhere), "No ranked item is one of those that the label names."),
        (made.ask(2, nowhere), "The label names every ranked item, so that every list is full of them."),
        (made.ask(2, member, k=348), "Only 348 items are ranked, so that a list of 348 holds them all."),
        (made.ask(2, member, k=1000), "Only 348 items are ranked, so that a list of 1000 holds them all."),
        (made.ask(2, member, unit=None), "No user fires neuron 2, so that it has no strength unit to be raised by."),
        (made.ask(2, member, k=347), "No known user has more than 347 items to rank"),
        (made.ask(2, member, users=19), "19 of the 19 users measured have room"),
    ):
        assert (found.unknown or "").startswith(reason)
        assert found.null_unknown == found.unknown
        assert (found.after, found.gain, found.low, found.agrees, found.null_share) == (None,) * 5


def test_without_known_users_nothing_is_known() -> None:
    made = Made()
    nobody = replace(made.recommender.users, known=np.zeros(USERS, bool))
    made.recommender = replace(made.recommender, users=nobody)
    found = made.ask(2, KIND == 2)
    assert (found.users, found.before, found.agrees) == (0, None, None)
    assert found.unknown == "No known user has more than 20 items to rank, so no list can change what it holds."


def test_full_lists_have_no_room_to_gain() -> None:
    made = Made()
    items = made.recommender.items
    liked = replace(items, bias=np.where(KIND == 2, 1000, 0).astype(np.float32))
    made.recommender = replace(made.recommender, items=liked)
    found = made.ask(2, KIND == 2)
    assert (found.before, found.room, found.after, found.agrees) == (1.0, 0.0, None, None)


def test_a_neuron_that_few_items_fire_has_a_gain_but_no_purity_and_no_null() -> None:
    made = Made()
    z_im = np.zeros((ITEMS, D), np.float32)
    z_im[:19, 2] = 1
    found = causal_agreement(made.recommender, made.sae, made.candidates, 2, 2.0, KIND == 2, z_im, 0)
    assert found.agrees
    assert (found.purity, found.null_share) == (None, None)
    assert found.null_unknown == "Fewer than 20 ranked items fire the neuron: its purity is unknown."


def test_a_purity_that_no_direction_has_leaves_the_null_unknown() -> None:
    made = Made()
    member = np.zeros(ITEMS, bool)
    member[np.random.default_rng(2).choice(ITEMS, 40, replace=False)] = True
    z_im = made.sae.encode(made.recommender.items.vectors, "items")
    z_im[member, 2] = 100
    found = causal_agreement(made.recommender, made.sae, made.candidates, 2, 2.0, member, z_im, 0)
    assert (found.purity, found.null_unreached, found.null_directions, found.null_gain) == (1.0, 100, 0, None)
    assert (found.null_unknown or "").startswith("100 of 100 random directions do not come to the neuron's purity of 1")
    assert found.gain is not None


def test_large_catalogues_are_asked_of_fewer_users_along_fewer_directions() -> None:
    assert causal._sizes(causal.DOT_PAIRS, 3701, 200, 100) == (200, 100)
    users, directions = causal._sizes(causal.PAIRS, 3701, 200, 100)
    assert users * (directions + 2) * 3701 <= causal.PAIRS
    assert (users >= 50, directions >= 25) == (True, True)
    assert causal._sizes(causal.PAIRS, 60_000, 200, 100) == (66, 0)
    found = Made().ask(2, KIND == 2, pairs=348 * 60)
    assert (found.users, found.null_directions, found.agrees is not None) == (30, 0, True)
    assert found.null_unknown == "Fewer than 19 directions are asked for, or fit the pairs."


def test_the_first_places_are_counted_as_lists_count_them_ties_too() -> None:
    random = np.random.default_rng(0)
    value = random.integers(0, 30, (50, 80)).astype(np.float32)
    value[:, ::7] = -np.inf
    member = random.random(80) < 0.3
    for k in (1, 5, 20):
        np.testing.assert_array_equal(members_in_top(value, member, k), member[top_k(value, k)].sum(axis=1))


def test_the_interval_is_students() -> None:
    gain = np.random.default_rng(0).choice([-0.05, 0, 0, 0.05, 0.3], 50)
    expected = ttest_1samp(gain, 0).confidence_interval(0.95)
    assert interval(gain) == pytest.approx((expected.low, expected.high))


def test_arrays_of_other_items_are_refused() -> None:
    with pytest.raises(ValueError, match="3 marks and 360 codes of 360 items with lists of 20 cannot be used"):
        Made().ask(0, np.ones(3, bool))
    with pytest.raises(ValueError, match="lists of 0"):
        Made().ask(0, KIND == 0, k=0)
