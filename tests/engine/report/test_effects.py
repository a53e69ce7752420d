"""What a report measures of edits: each alone, of items by who sees them, and a curve on the same base as its table."""

import numpy as np
import pytest

from engine.actions import Replay
from engine.neurons.profile import cosine_by_chance
from engine.report.doses import DOSES, doses
from engine.report.effects import COMPARED_USERS, Effect, _kin, cohort, effects, measured_users
from engine.run import Run
from engine.steering.cohort import drawn
from engine.steering.costs import compare_ways, filter_suffices
from engine.steering.edits import Edit, Step
from engine.steering.effect import Steering
from engine.steering.toward import toward


@pytest.fixture(scope="module")
def steering(demo_run: Run) -> Steering:
    with demo_run.catalogue() as catalogue:
        return demo_run.steering(catalogue)


def named(steering: Steering, place: int) -> int:
    return [one.neuron for one in steering.neurons if one.named_by and one.p99_users and one.p99_items][place]


def test_a_curve_is_its_edit_alone_on_the_users_of_its_table(steering: Steering) -> None:
    first = Edit(neuron=named(steering, 0), operation="scale", amount=0.0)
    steps = steering.steps([first, Edit(neuron=named(steering, 1), operation="add", amount=1.5)])
    asked = [cohort(steering, [one]) for one in steps]
    (_, alone), together = effects(steering, steps, asked, False)
    curve = doses(steering, steps, asked, False).curves[1]
    assert alone is not None
    assert alone.facts is not None
    assert curve.at == 1.5
    at = list(curve.amounts).index(1.5)
    assert curve.users == alone.users
    assert curve.share[at] == pytest.approx(alone.facts["after"]["concept_shares"][curve.concept])
    assert curve.rbo[at] == pytest.approx(alone.facts["collateral"]["rbo"])
    assert together is not None
    assert together.facts is not None
    assert curve.rbo[at] != pytest.approx(together.facts["collateral"]["rbo"])


def test_an_edit_of_an_item_is_told_by_who_sees_it_among_those_whom_the_session_measured(steering: Steering) -> None:
    item = steering.recommender.items.ids[0]
    edit = Edit(side="items", neuron=named(steering, 0), operation="add", amount=3.0, ids=(item,))
    steps = steering.steps([edit])
    asked = [cohort(steering, steps, "age_band = 'under 18'")]
    (effect,), _ = effects(steering, steps, asked, False)
    assert effect is not None
    assert effect.facts is not None
    assert effect.condition == "age_band = 'under 18'"
    assert effect.asked == len(asked[0][0]) < steering.recommender.users.known.sum()
    assert effect.meant == [steering.titles[0]]
    (row,) = effect.reach
    assert row["after"]["users"] > row["before"]["users"]
    (curve,) = doses(steering, steps, asked, True).curves
    words, reach = curve.told
    assert words == f"users who see {steering.titles[0]}"
    assert reach[list(curve.amounts).index(3.0)] == pytest.approx(row["after"]["users"] / effect.users)
    few = [share for share in doses(steering, steps, asked, False).curves[0].told[1] if share is not None]
    assert all(share == 0 or share * curve.users >= 10 for share in few)


def test_a_condition_that_may_not_be_told_or_holds_for_nobody_is_left_out(steering: Steering) -> None:
    item = steering.recommender.items.ids[0]
    steps = steering.steps([Edit(side="items", neuron=named(steering, 0), operation="add", amount=3.0, ids=(item,))])
    everyone = int(steering.recommender.users.known.sum())
    for condition in ("user_id < 'v1000'", "user_id = 'v0001'", "a cohort that was dropped", "true", None):
        users, told = cohort(steering, steps, condition)
        assert (len(users), told) == (everyone, None)
    users, told = cohort(steering, steps, "user_id < 'v1000'", with_users=True)
    assert told is not None
    assert len(users) < everyone


def test_a_session_remembers_on_whom_each_edit_was_first_measured() -> None:
    replay = Replay()

    def take(**record: object) -> None:
        replay.take(record, replay.changes(record))

    take(action="edit", edit={"neuron": 1, "operation": "off"}, measured={"cohort": "a"})
    take(action="edit", edit={"neuron": 2, "operation": "off"})
    assert replay.state().cohorts == ("a", None)
    take(action="measured", measured={"cohort": "b"})
    assert replay.state().cohorts == ("a", "b")
    take(action="measured", measured={"cohort": "c"})
    take(action="drop", index=0)
    assert replay.state().cohorts == ("b",)


def measured(steering: Steering, *steps: Step) -> tuple[list[Effect], Effect | None]:
    alone, together = effects(steering, steps, [cohort(steering, [one]) for one in steps], False)
    return [one for one in alone if one is not None and one.facts is not None], together


def test_concepts_with_most_of_their_items_in_common_with_what_is_meant_are_kin(steering: Steering) -> None:
    larger = 0
    for meant in steering.concepts:
        kin = set(_kin(steering, [meant.name], []))
        assert meant.name not in kin
        for one in steering.concepts:
            both = (one.member & meant.member).sum()
            smaller = min(one.member.sum(), meant.member.sum())
            assert (one.name in kin) == (one.name != meant.name and both > smaller / 2), (meant.name, one.name)
            larger += one.name in kin and one.member.sum() > 2 * both
    assert larger > 0  # a part of a larger concept moves that one along


def test_the_drift_is_that_of_concepts_that_are_neither_meant_nor_kin(steering: Steering) -> None:
    (effect,), _ = measured(steering, *steering.steps([Edit(neuron=named(steering, 0), operation="scale", amount=0.0)]))
    assert effect.facts is not None
    shares = {arm: effect.facts[arm]["concept_shares"] for arm in ("before", "after")}
    left_out = {*effect.kin, *effect.facts["collateral"]["about"]}
    rest = [abs(shares["after"][name] - was) for name, was in shares["before"].items() if name not in left_out]
    assert 0 < len(rest) < len(shares["before"])
    assert effect.drift_beyond_kin == pytest.approx(np.mean(rest))


def test_what_an_edited_item_carries_is_kin_of_it(steering: Steering) -> None:
    edit = Edit(side="items", neuron=named(steering, 0), operation="add", amount=3.0, ids=("f001",))
    (effect,), _ = measured(steering, *steering.steps([edit]))
    assert set(effect.kin) == {one.name for one in steering.concepts if one.member[0]}


def test_the_change_of_ndcg_is_that_between_the_arms_within_its_interval(steering: Steering) -> None:
    edit = Edit(neuron=named(steering, 0), operation="scale", amount=0.0)
    (effect,), _ = measured(steering, *steering.steps([edit]))
    assert effect.facts is not None
    assert effect.ndcg10_change is not None
    mean, low, high = effect.ndcg10_change
    assert mean == pytest.approx(effect.facts["after"]["ndcg10"] - effect.facts["before"]["ndcg10"])
    assert low < mean < high


def test_with_all_edits_on_each_is_told_on_its_own_users(steering: Steering) -> None:
    first, second = named(steering, 0), named(steering, 1)
    steps = steering.steps(
        [
            Edit(neuron=first, operation="scale", amount=0.0, where="age_band = 'under 18'"),
            Edit(neuron=second, operation="add", amount=2.0),
            Edit(side="items", neuron=first, operation="add", amount=3.0, ids=("f001",)),
        ]
    )
    alone, together = measured(steering, *steps)
    assert together is not None
    rows = {(row["edit"], row["what"]): row for row in together.stacked}
    assert set(rows) == {(1, "share"), (2, "share"), (3, "users")}
    for number, effect in enumerate(alone[:2], 1):
        row = rows[number, "share"]
        assert effect.facts is not None
        assert row["users"] == effect.users
        for arm, name in (("before", "before"), ("after", "alone")):
            assert row[name]["share"] == pytest.approx(effect.facts[arm]["concept_shares"][row["subject"]])
    assert together.users != rows[1, "share"]["users"]
    users = measured_users(steering, steps[:1], steps[0].rows)
    facts = steering.effect(users, steps, 30, ())
    concept = rows[1, "share"]["subject"]
    assert rows[1, "share"]["together"]["share"] == pytest.approx(facts["after"]["concept_shares"][concept])
    (reach,) = alone[2].reach
    assert rows[3, "users"]["alone"]["users"] == reach["after"]["users"]
    assert rows[3, "users"]["users"] == alone[2].users


def test_a_solved_edit_tells_whom_it_brings_to_the_goal_and_what_steer_says_of_a_filter(steering: Steering) -> None:
    users = steering.steps([Edit(neuron=0, operation="off", where="age_band = 'under 18'")])[0].rows
    (below,) = steering.steps([Edit(neuron=named(steering, 0), operation="scale", amount=0.5)])
    found = toward(steering, "share(Horror)<=0.5x", users, below=[below], where="age_band = 'under 18'")
    (_, effect), _ = measured(steering, below, found.step)
    told = effect.toward
    assert told is not None
    assert found.step.bounds is not None
    assert (told.goal, told.users) == ("share(Horror)<=0.5x", len(users))
    assert told.reached == (found.step.bounds < 0).sum()
    some = drawn(users, COMPARED_USERS)
    ways = {way.name: way for way in compare_ways(found.below, found.goal, some)}
    assert told.ndcg10 == pytest.approx(ways["solved"].ndcg10)
    assert told.ndcg10_filtered == pytest.approx(ways["filter"].ndcg10)
    best = ways["solved"].as_dict(ways["solved"])
    assert told.filter_suffices == filter_suffices(best, ways["filter"].as_dict(ways["solved"]))


def test_an_edit_without_a_curve_has_a_reason(steering: Steering) -> None:
    users = steering.steps([Edit(neuron=0, operation="off", where="age_band = 'under 18'")])[0].rows
    solved = toward(steering, "share(Horror)<=0.5x", users, where="age_band = 'under 18'").step
    one = Edit(neuron=named(steering, 0), operation="scale", amount=0.5)
    steps = [solved, *steering.steps([one.model_copy(update={"on": False}), *[one] * (DOSES + 1)])]
    found = doses(steering, steps, [cohort(steering, [step]) for step in steps], False)
    assert len(found.curves) == DOSES
    assert [words.split(":")[0] for words in found.undrawn] == [f"Edit {n} has no curve" for n in (1, 2, DOSES + 3)]
    assert "solved for a goal" in found.undrawn[0]
    assert "switched off" in found.undrawn[1]


@pytest.mark.parametrize(("neurons", "factors"), [(40, 20), (12, 64), (2, 3)])
def test_the_nearest_of_random_directions_is_seldom_nearer_than_by_chance(neurons: int, factors: int) -> None:
    random, most = np.random.default_rng(0), []
    for _ in range(600):
        w = random.standard_normal((neurons, factors))
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        most.append((w[1:] @ w[0]).max())
    assert np.mean(np.array(most) > cosine_by_chance(w)) == pytest.approx(0.05, abs=0.03)
