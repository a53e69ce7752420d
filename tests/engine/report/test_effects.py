"""What a report measures of edits: each alone, of items by who sees them, and a curve on the same base as its table."""

import numpy as np
import pytest

from engine.actions import Replay
from engine.neurons.profile import cosine_by_chance
from engine.report.effects import cohort, doses, effects
from engine.run import Run
from engine.steering.edits import Edit
from engine.steering.effect import Steering


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
    curve = doses(steering, steps, asked, False)[1]
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
    (curve,) = doses(steering, steps, asked, True)
    words, reach = curve.told
    assert words == f"users who see {steering.titles[0]}"
    assert reach[list(curve.amounts).index(3.0)] == pytest.approx(row["after"]["users"] / effect.users)
    few = [share for share in doses(steering, steps, asked, False)[0].told[1] if share is not None]
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


@pytest.mark.parametrize(("neurons", "factors"), [(40, 20), (12, 64), (2, 3)])
def test_the_nearest_of_random_directions_is_seldom_nearer_than_by_chance(neurons: int, factors: int) -> None:
    random, most = np.random.default_rng(0), []
    for _ in range(600):
        w = random.standard_normal((neurons, factors))
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        most.append((w[1:] @ w[0]).max())
    assert np.mean(np.array(most) > cosine_by_chance(w)) == pytest.approx(0.05, abs=0.03)
