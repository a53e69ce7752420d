import numpy as np
import pytest

from engine.errors import EditError
from engine.neurons.table import ConceptItems, neuron_table
from engine.progress import silent
from engine.recommenders.ranking import Candidates, Histories, ranked_lists
from engine.sae.config import SaeConfig
from engine.sae.training import train_sae
from engine.steering.edits import Edit, edited_codes, edited_vectors
from engine.steering.effect import Steering
from tests.engine.sae.test_sae import planted

CONFIG = SaeConfig(neurons=12, k_items=3, k_users=4, steps=60, rows_a_step=128, pair_rows=64)


@pytest.fixture(scope="module")
def steering() -> Steering:
    recommender, codes = planted(users=120, items=300)
    everyone, everything = np.arange(120), np.arange(300)
    sae = train_sae(CONFIG, recommender, users=everyone, items=everything, progress=silent, log=lambda _: None)
    concepts = [ConceptItems(f"taste {c}", "genre", codes.argmax(axis=1) == c) for c in range(6)]
    random = np.random.default_rng(0)
    seen = Histories.of(*np.nonzero(random.random((120, 300)) < 0.1), 120)
    held_out = Histories.of(everyone, random.integers(0, 300, 120), 120)
    table = neuron_table(
        sae.encode(recommender.items.vectors, "items"),
        sae.encode(recommender.users.vectors, "users"),
        recommender.items.vectors,
        np.arange(1, 301),
        np.ones(300, bool),
        concepts,
        0,
    )
    return Steering(
        recommender,
        sae,
        table.neurons,
        Candidates(seen, np.ones(300, bool)),
        held_out,
        [f"title {n}" for n in range(300)],
        concepts,
        [[f"taste {code.argmax()}"] for code in codes],
    )


def off(neuron: int) -> Edit:
    return Edit(neuron=neuron, operation="off")


def strongest(steering: Steering, user: int) -> int:
    z = steering.sae.encode(steering.recommender.users.vectors[[user]], "users")[0]
    return int(z.argmax())


def test_no_edit_changes_no_list(steering: Steering) -> None:
    for user in range(0, 120, 17):
        ranked = steering.rank(user, [], 20)
        assert ranked["before"] == [{k: v for k, v in i.items() if k != "rank_before"} for i in ranked["after"]]
        assert (ranked["rbo"], ranked["kept"], ranked["left"], ranked["codes"]) == (pytest.approx(1), 20, [], [])


def test_an_edit_and_its_inverse_leave_every_vector_bit_by_bit(steering: Steering) -> None:
    e = steering.recommender.users.vectors
    z = steering.sae.encode(e, "users")
    p99 = [neuron.p99_users for neuron in steering.neurons]
    untouched = edited_codes(z, [Edit(neuron=0, operation="scale", amount=1.0)], p99)
    assert edited_vectors(steering.sae, e, z, untouched, "users").tobytes() == e.tobytes()


def test_only_users_whose_code_changed_have_another_vector(steering: Steering) -> None:
    e = steering.recommender.users.vectors
    z = steering.sae.encode(e, "users")
    edited = edited_codes(z, [off(3)], [neuron.p99_users for neuron in steering.neurons])
    vectors = edited_vectors(steering.sae, e, z, edited, "users")
    assert ((vectors != e).any(axis=1) == (z[:, 3] > 0)).all()


def test_the_ranked_list_is_the_brute_force_one(steering: Steering) -> None:
    user, k = 5, 15
    neuron = strongest(steering, user)
    ranked = steering.rank(user, [off(neuron)], k)
    recommender, sae = steering.recommender, steering.sae
    z = sae.encode(recommender.users.vectors[[user]], "users")
    e = recommender.users.vectors[user] - sae.sides["users"].scale * z[0, neuron] * sae.w_md[neuron]
    scores = recommender.items.vectors @ e + recommender.items.bias
    seen = set(steering.candidates.seen[user].tolist())
    order = [item for item in np.argsort(-scores, kind="stable") if item not in seen]
    assert [item["item_id"] for item in ranked["after"]] == [recommender.items.ids[i] for i in order[:k]]
    original = recommender.items.vectors @ recommender.users.vectors[user]
    full = [item for item in np.argsort(-original, kind="stable") if item not in seen]
    assert [i["rank_before"] for i in ranked["after"]] == [full.index(item) + 1 for item in order[:k]]
    assert [i["item_id"] for i in ranked["left"]] == [recommender.items.ids[i] for i in full[:k] if i not in order[:k]]


def test_turning_a_taste_off_lowers_its_share_and_says_what_else_changed(steering: Steering) -> None:
    taste = next(n for n in steering.neurons if n.named_by)
    cohort = np.flatnonzero(steering.sae.encode(steering.recommender.users.vectors, "users")[:, taste.neuron] > 0)
    effect = steering.effect(cohort, [off(taste.neuron)], 20, [int(cohort[0])])
    before, after, collateral = effect["before"], effect["after"], effect["collateral"]
    assert list(before) == list(after)
    assert list(before["lists"][0]["items"][0]) == list(after["lists"][0]["items"][0])
    assert after["concept_shares"][taste.concept] < before["concept_shares"][taste.concept]
    assert collateral["about"] == [taste.concept]
    assert collateral["users"] == collateral["users_changed"] == len(cohort)
    assert 0 < collateral["rbo"] < collateral["rbo_of_the_rest"] <= 1
    lists = ranked_lists(steering.recommender, steering.candidates, cohort, 20)
    member = next(c.member for c in steering.concepts if c.name == taste.concept)
    assert before["concept_shares"][taste.concept] == pytest.approx(member[lists].mean())


def test_an_amount_in_p99_units_is_the_neurons_own_p99(steering: Steering) -> None:
    neuron = strongest(steering, 5)
    unit = steering.neurons[neuron].p99_users
    assert unit is not None
    codes = steering.rank(5, [Edit(neuron=neuron, operation="add", amount=0.5)], 10)["codes"][0]
    assert codes["after"] - codes["before"] == pytest.approx(0.5 * unit, rel=1e-5)
    raw = steering.rank(5, [Edit(neuron=neuron, operation="set", amount=0.25, unit="raw")], 10)["codes"][0]
    assert raw["after"] == pytest.approx(0.25)


def test_values_that_the_neuron_never_takes_are_marked(steering: Steering) -> None:
    neuron = strongest(steering, 5)
    for amount, outside in ((-0.5, True), (50.0, True), (0.5, False)):
        edit = Edit(neuron=neuron, operation="set", amount=amount)
        assert steering.rank(5, [edit], 10)["codes"][0]["outside"] is outside


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"neuron": 1, "operation": "add"}, "need"),
        ({"neuron": 1, "operation": "off", "amount": 1.0}, "no amount"),
        ({"neuron": 1, "operation": "set", "amount": float("nan")}, "finite"),
        ({"neuron": 1, "operation": "blend", "amount": 1.0}, "operation"),
        ({"neuron": "x", "operation": "off"}, "neuron"),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused_in_a_sentence(data: dict, told: str) -> None:
    with pytest.raises(EditError, match=told):
        Edit.parse(data)


def test_an_unknown_neuron_and_a_dead_one_are_refused() -> None:
    z = np.zeros((1, 2), np.float32)
    with pytest.raises(EditError, match="no neuron 7"):
        edited_codes(z, [off(7)], [1.0, None])
    with pytest.raises(EditError, match="never fires"):
        edited_codes(z, [off(1)], [1.0, None])
