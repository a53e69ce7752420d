import numpy as np
import pytest

from engine.errors import EditError
from engine.fidelity import rbo
from engine.neurons.table import ConceptItems, neuron_table
from engine.progress import silent
from engine.recommenders.ranking import Candidates, Histories, ranked_lists
from engine.recommenders.recommender import Recommender
from engine.sae.config import SaeConfig
from engine.sae.training import train_sae
from engine.steering.cohort import Cohort
from engine.steering.dose import Dose
from engine.steering.edits import Edit, edited_codes, edited_vectors
from engine.steering.effect import Steering
from engine.steering.goals import Limit
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
        recommender=recommender,
        sae=sae,
        neurons=table.neurons,
        candidates=Candidates(seen, np.ones(300, bool)),
        held_out=held_out,
        titles=[f"title {n}" for n in range(300)],
        concepts=concepts,
        labels_of_items=[[f"taste {code.argmax()}"] for code in codes],
        attributes={"half": ["low" if n < 60 else "high" for n in range(120)]},
        match=lambda side, every: np.arange(int(every), 120 if side == "users" else 300, int(every)),
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


def full_lists(steering: Steering, recommender: Recommender, users: np.ndarray, k: int) -> np.ndarray:
    scores = recommender.users.vectors[users] @ recommender.items.vectors.T + recommender.items.bias
    for row, user in enumerate(users):
        scores[row, steering.candidates.seen[int(user)]] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def item_neuron(steering: Steering) -> int:
    return next(n.neuron for n in steering.neurons if n.named_by and n.p99_items)


def test_an_edit_of_items_changes_those_items_alone_and_the_lists_are_the_brute_force_ones(steering: Steering) -> None:
    users = np.arange(0, 120, 3)
    edit = Edit(side="items", neuron=item_neuron(steering), operation="set", amount=3.0, ids=("i7", "i40", "i41"))
    edited = steering.edit(steering.steps([edit]))
    assert edited.items.rows.tolist() == [7, 40, 41]
    others = np.setdiff1d(np.arange(300), edited.items.rows)
    assert (edited.recommender.items.vectors[others] == steering.recommender.items.vectors[others]).all()
    assert edited.recommender.users is steering.recommender.users
    lists = Cohort(steering, users, 20).lists(edited)
    assert (lists == full_lists(steering, edited.recommender, users, 20)).all()
    assert (lists != full_lists(steering, steering.recommender, users, 20)).any()


def test_edits_of_both_sides_and_of_some_users_are_the_brute_force_ones(steering: Steering) -> None:
    users = np.arange(0, 120, 3)
    stack = [
        Edit(neuron=strongest(steering, 5), operation="add", amount=1.0, where="2"),
        Edit(side="items", neuron=item_neuron(steering), operation="off", where="50"),
        Edit(neuron=strongest(steering, 9), operation="off"),
    ]
    edited = steering.edit(steering.steps(stack))
    assert edited.users.rows.tolist() == list(range(120))
    assert (Cohort(steering, users, 20).lists(edited) == full_lists(steering, edited.recommender, users, 20)).all()


def test_edits_apply_in_order_and_one_that_is_switched_off_waits(steering: Steering) -> None:
    neuron = strongest(steering, 5)
    doubled = Edit(neuron=neuron, operation="scale", amount=2.0)
    capped = Edit(neuron=neuron, operation="cap", amount=0.25)
    unit = steering.neurons[neuron].p99_users
    assert unit is not None
    after = {
        order: steering.rank(5, stack, 10)["codes"][0]["after"]
        for order, stack in {"cap last": [doubled, capped], "cap first": [capped, doubled]}.items()
    }
    assert after["cap last"] == pytest.approx(0.25 * unit)
    assert after["cap first"] == pytest.approx(0.5 * unit)
    waiting = doubled.model_copy(update={"on": False})
    assert steering.rank(5, [waiting, capped], 10)["codes"][0]["after"] == pytest.approx(0.25 * unit)
    assert steering.rank(5, [waiting], 10)["after"] == steering.rank(5, [], 10)["after"]


def test_an_edit_for_others_leaves_this_user_alone(steering: Steering) -> None:
    edit = Edit(neuron=strongest(steering, 5), operation="off", ids=("u6",))
    ranked = steering.rank(5, [edit], 20)
    assert (ranked["codes"], ranked["rbo"]) == ([], pytest.approx(1))


@pytest.mark.parametrize(
    ("who", "told"), [({"ids": ("u6", "nobody")}, "no user 'nobody'"), ({"where": "399"}, "No user matches '399'")]
)
def test_an_edit_for_nobody_is_refused(steering: Steering, who: dict, told: str) -> None:
    with pytest.raises(EditError, match=told):
        steering.steps([Edit(neuron=1, operation="off", **who)])


def test_the_papers_way_serves_what_the_code_decodes_to(steering: Steering) -> None:
    users, neuron = np.arange(120), strongest(steering, 5)
    recommender, sae = steering.recommender, steering.sae
    z = sae.encode(recommender.users.vectors, "users")
    z[5, neuron] = 0
    edit = Edit(neuron=neuron, operation="off", ids=("u5",))
    alone = steering.edit(steering.steps([edit]), "decoded").recommender.users.vectors
    assert np.allclose(alone[5], sae.decode(z[[5]], "users")[0], atol=1e-6)
    assert (np.delete(alone, 5, axis=0) == np.delete(recommender.users.vectors, 5, axis=0)).all()
    whole = steering.edit(steering.steps([edit]), "all-decoded").recommender
    assert np.allclose(whole.users.vectors, sae.decode(z, "users"), atol=1e-6)
    decoded_items = sae.decode(sae.encode(recommender.items.vectors, "items"), "items")
    assert np.allclose(whole.items.vectors, decoded_items, atol=1e-6)
    effect = steering.effect(users, [edit], 20, serve="all-decoded")
    nothing = steering.effect(users, [], 20, [0], serve="all-decoded")
    assert nothing["after"] == nothing["reconstruction"]
    assert effect["before"] != effect["reconstruction"] != effect["after"]


def test_groups_of_a_user_column_stand_side_by_side(steering: Steering) -> None:
    taste = next(n for n in steering.neurons if n.named_by)
    edit = Edit(neuron=taste.neuron, operation="off", ids=tuple(f"u{n}" for n in range(60)))
    rows = {row["value"]: row for row in steering.effect(np.arange(120), [edit], 20, by="half")["groups"]["rows"]}
    assert (rows["low"]["users"], rows["high"]["users"]) == (60, 60)
    assert rows["low"]["share_after"] < rows["low"]["share_before"]
    assert rows["high"]["share_after"] == rows["high"]["share_before"]
    assert rows["high"]["rbo"] == pytest.approx(1)
    assert rows["low"]["rbo"] < 0.99
    with pytest.raises(EditError, match="no column 'age'; there are half"):
        steering.effect(np.arange(120), [edit], 20, by="age")


def test_the_users_who_lost_most_are_named_with_what_they_had(steering: Steering) -> None:
    users, taste = np.arange(120), next(n for n in steering.neurons if n.named_by)
    edit = Edit(neuron=taste.neuron, operation="set", amount=-4.0)
    collateral = steering.effect(users, [edit], 20)["collateral"]
    cohort = Cohort(steering, users, 20)
    lost = cohort.ndcg(cohort.before) - cohort.ndcg(cohort.lists(steering.edit(steering.steps([edit]))))
    assert lost.max() > 0
    first = collateral["lost_most_ndcg"][0]
    assert first["user"] == f"u{lost.argmax()}"
    assert first["before"] - first["after"] == pytest.approx(lost.max())


def test_exposure_novelty_and_diversity_are_what_a_plain_count_gives(steering: Steering) -> None:
    users = np.arange(0, 120, 5)
    cohort = Cohort(steering, users, 10)
    counts = np.zeros(300)
    for row in cohort.before:
        counts[row] += 1
    difference = np.abs(counts[:, None] - counts[None, :]).sum()
    exposure = cohort.exposure(cohort.before)
    assert exposure["gini"] == pytest.approx(difference / (2 * 300 * counts.sum()))
    assert exposure["coverage"] == pytest.approx((counts > 0).mean())
    for row, user in enumerate(users):
        labels = [steering.labels_of_items[item][0] for item in cohort.before[row]]
        seen = [steering.labels_of_items[item][0] for item in steering.candidates.seen[int(user)]]
        usual, covered = set(), 0
        for name in sorted(sorted(set(seen)), key=seen.count, reverse=True):
            if covered >= 0.8 * len(seen):
                break
            usual.add(name)
            covered += seen.count(name)
        assert cohort.novelty(cohort.before)[row] == pytest.approx(np.mean([one not in usual for one in labels]))
        pairs = [a != b for n, a in enumerate(labels) for b in labels[:n]]
        assert cohort.diversity(cohort.before)[row] == pytest.approx(np.mean(pairs))
        share = np.array([labels.count(name) / 10 for name in set(labels)])
        assert cohort.entropy(cohort.before)[row] == pytest.approx(-(share * np.log2(share)).sum())


def test_an_edit_of_an_item_beside_edits_of_users_leaves_what_these_are_about_out_of_the_damage(
    steering: Steering,
) -> None:
    taste = next(n for n in steering.neurons if n.named_by)
    other = next(n.neuron for n in steering.neurons if n.named_by not in (None, taste.concept) and n.p99_items)
    cohort, item = np.arange(120), Edit(side="items", neuron=other, operation="set", amount=3.0, ids=("i7",))
    alone = steering.effect(cohort, [item], 20)["collateral"]
    assert (alone["about"], alone["about_items"]) == ([], ["i7"])
    both = steering.effect(cohort, [off(taste.neuron), item], 20)["collateral"]
    assert (both["about"], both["about_items"]) == ([taste.concept], ["i7"])
    steps = steering.steps([off(taste.neuron), item])
    inside = next(c.member for c in steering.concepts if c.name == taste.concept).copy()
    inside[7] = True
    rest = Cohort(steering, cohort, 20).lists_and_rest(steering.edit(steps), inside)[1]
    before = Cohort(steering, cohort, 20).without(inside).before
    assert both["rbo_of_the_rest"] == pytest.approx(rbo(before, rest).mean())
    groups = steering.effect(cohort, [item], 20, by="half")["groups"]["rows"]
    seen = Cohort(steering, cohort, 20).lists(steering.edit(steering.steps([item])))[60:]
    assert groups[0]["share_after"] == pytest.approx((seen == 7).mean())


def test_a_limit_on_the_rest_of_an_edit_of_an_item_is_on_the_lists_without_it(steering: Steering) -> None:
    edit = Edit(side="items", neuron=item_neuron(steering), operation="add", amount=3.0, ids=("i7",))
    cohort = np.arange(120)
    dose = Dose(steering, edit, cohort, 20, [Limit.parse("rest>=0", steering.concepts, int, 20)])
    told = dose.point(3.0)
    assert told.figures["rest>=0"] == pytest.approx(
        steering.effect(cohort, [edit], 20)["collateral"]["rbo_of_the_rest"]
    )
    assert dose.concept == steering.neurons[edit.neuron].concept
