"""Solved edits as steps of a stack: stored and read back, on top of others, filters for whom no edit reaches a goal."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import EditError
from engine.recommenders.ranking import Candidates, Histories, ranked_lists, top_k
from engine.steering.cohort import Cohort
from engine.steering.edits import Edit, SolvedEdit, Step
from engine.steering.effect import Steering
from engine.steering.filters import Filter, Filtered
from engine.steering.kept import SERVED, measured, steps_of, written
from engine.steering.toward import toward
from tests.engine.steering.test_solve import steering as steering

K = 10


def lists_of(steering: Steering, steps: list[Step], users: np.ndarray, k: int = K) -> np.ndarray:
    edited = steering.edit(steps, users=users)
    return Cohort(steering, users, k).lists(edited)


def member_of(steering: Steering, name: str) -> np.ndarray:
    return next(one.member for one in steering.concepts if one.name == name)


@pytest.fixture(scope="module")
def users() -> np.ndarray:
    return np.arange(0, 60)


def test_a_solved_step_keeps_to_its_goal_in_the_lists_that_are_served(steering: Steering, users: np.ndarray) -> None:
    found = toward(steering, "share(c1)<=0", users, K)
    lists = lists_of(steering, [found.step], users)
    assert not member_of(steering, "c1")[lists].any()
    assert found.solved.reached.mean() > 0.8


def test_it_is_the_same_step_after_a_round_trip_through_parquet(
    steering: Steering, users: np.ndarray, tmp_path: Path
) -> None:
    step = written(steering, toward(steering, "share(c1)<=0.5x", users, K, 3).step, tmp_path)
    (read,) = steps_of(steering, [step.edit.as_dict()], tmp_path)
    assert read.edit == step.edit
    np.testing.assert_array_equal(read.rows, step.rows)
    np.testing.assert_array_equal(read.amounts, step.amounts)
    np.testing.assert_array_equal(read.bounds, step.bounds)
    assert [path.stem for path in tmp_path.iterdir()] == [step.edit.amounts]  # type: ignore[union-attr]
    np.testing.assert_array_equal(lists_of(steering, [read], users), lists_of(steering, [step], users))


def test_amounts_that_are_missing_altered_or_of_another_run_are_refused(
    steering: Steering, users: np.ndarray, tmp_path: Path
) -> None:
    step = written(steering, toward(steering, "share(c1)<=0.5x", users, K, 3).step, tmp_path)
    edit = step.edit.as_dict()
    own = steering.recommender
    others = replace(steering, recommender=replace(own, users=replace(own.users, ids=[f"x{n}" for n in own.users.ids])))
    with pytest.raises(EditError, match=r"is for \d+ users, \d+ of whom are not in this run"):
        steps_of(others, [edit], tmp_path)
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(EditError, match="hash differs"):
        steps_of(steering, [edit], tmp_path)
    file.unlink()
    assert steps_of(steering, [{**edit, "on": False}], tmp_path)[0].rows.size == 0
    with pytest.raises(EditError, match="amounts of the edit"):
        steps_of(steering, [edit], tmp_path)
    with pytest.raises(EditError, match=r"neuron 99.*another run"):
        steps_of(steering, [Edit(neuron=99, operation="off").as_dict()], tmp_path)


def test_an_edit_is_solved_on_top_of_those_below_it(steering: Steering, users: np.ndarray) -> None:
    below = steering.steps([Edit(neuron=0, operation="add", amount=2.0)])
    found = toward(steering, "share(c1)<=0.5x", users, K, below=below)
    member = member_of(steering, "c1")
    before = member[lists_of(steering, below, users)].sum(axis=1)
    after = member[lists_of(steering, [*below, found.step], users)].sum(axis=1)
    assert (after <= before // 2).all()
    assert (before != member[lists_of(steering, [], users)].sum(axis=1)).any()


def test_a_pooled_edit_moves_the_same_neurons_in_the_same_proportion_and_says_so(
    steering: Steering, users: np.ndarray, tmp_path: Path
) -> None:
    step = written(steering, toward(steering, "share(c1)<=0.5x", users, K, 2, pooled=True).step, tmp_path)
    assert step.edit.as_dict()["pooled"] is True
    moved = step.amounts[(step.amounts != 0).any(axis=1)]  # type: ignore[index]
    assert len(moved) > 10
    parts = moved / np.abs(moved).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(parts, np.broadcast_to(parts[0], parts.shape), atol=1e-4)


def test_one_that_is_switched_off_changes_no_list(steering: Steering, users: np.ndarray) -> None:
    step = toward(steering, "share(c1)<=0", users, K).step
    off = replace(step, edit=step.edit.model_copy(update={"on": False}))
    np.testing.assert_array_equal(lists_of(steering, [off], users), lists_of(steering, [], users))


def unseen(steering: Steering, users: np.ndarray) -> int:
    """The item that is in nobody's list and in most lists that are twice as long."""
    near, there = lists_of(steering, [], users, 3 * K), lists_of(steering, [], users)
    counts = np.bincount(near.ravel(), minlength=len(steering.titles))
    counts[np.unique(there)] = 0
    return int(counts.argmax())


def test_an_item_reaches_as_many_users_as_the_goal_asks_for_and_no_more(steering: Steering, users: np.ndarray) -> None:
    seldom = unseen(steering, users)
    found = toward(steering, f"reach(i{seldom},{K})>=0.4", users, K)
    has = (lists_of(steering, [found.step], users) == seldom).any(axis=1)
    assert has.mean() == pytest.approx(0.4, abs=0.02)
    assert found.step.bounds is None
    effect = steering.effect(users, [found.step], K)
    assert effect["collateral"]["about_items"] == [f"i{seldom}"]
    assert effect["after"]["reach"]["edited_items"][0]["users"] == has.sum()
    assert effect["before"]["reach"]["edited_items"][0]["users"] == 0


def test_those_chosen_are_those_whom_it_costs_least(steering: Steering, users: np.ndarray) -> None:
    seldom = unseen(steering, users)
    few, many = (toward(steering, f"reach(i{seldom},{K})>={share}", users, K).solved for share in (0.3, 1))
    kept = Cohort(steering, users, K)
    rbo = kept.rbo(kept.lists(steering.edit([toward(steering, f"reach(i{seldom},{K})>=1", users, K).step])))
    assert many.reached.sum() > few.reached.sum() == 18
    assert rbo[few.reached].mean() > rbo[many.reached & ~few.reached].mean() + 0.05


def unreachable(steering: Steering, users: np.ndarray) -> Step:
    """An edit that reaches nobody: no amounts, and a filter for everyone."""
    edit = SolvedEdit(goal="share(c1)<=0", where="true", k=K, amounts="")
    nothing = np.zeros((len(users), steering.sae.neurons), np.float32)
    return Step(edit, users, nothing, np.zeros(len(users), np.int64))


def test_a_filter_serves_whom_no_edit_reaches_in_every_list_that_is_shown(
    steering: Steering, users: np.ndarray, tmp_path: Path
) -> None:
    step, member = unreachable(steering, users), member_of(steering, "c1")
    lists = lists_of(steering, [step], users)
    plain = [
        [item for item in row if not member[item]][:K]
        for row in ranked_lists(steering.recommender, steering.candidates, users, len(member)).tolist()
    ]
    np.testing.assert_array_equal(lists, plain)
    ranked = steering.rank(3, [step], K)
    assert [line["item_id"] for line in ranked["after"]] == [f"i{item}" for item in plain[3]]
    effect = steering.effect(users, [step], K)
    assert effect["after"]["concept_shares"]["c1"] == 0
    assert effect["collateral"]["users_filtered"] == len(users)
    assert effect["collateral"]["users_changed"] == 0
    assert effect["collateral"]["rbo_of_the_rest"] == pytest.approx(1)
    (read,) = steps_of(steering, [written(steering, step, tmp_path).edit.as_dict()], tmp_path)
    np.testing.assert_array_equal(read.bounds, step.bounds)


def test_where_an_edit_cannot_do_it_a_filter_is_what_remains(steering: Steering, users: np.ndarray) -> None:
    """One neuron that has nothing to do with the concept cannot empty lists of it."""
    found = toward(steering, "share(c1)<=0", users, K, neurons_at_most=1)
    assert found.step.bounds is not None
    served = found.step.bounds != SERVED
    np.testing.assert_array_equal(found.filtered, users[served])
    assert not found.step.amounts[served].any()  # type: ignore[index]
    assert not member_of(steering, "c1")[lists_of(steering, [found.step], users)].any()


@pytest.mark.parametrize("up", [True, False])
def test_a_filter_leaves_what_its_bound_says(up: bool) -> None:
    rng = np.random.default_rng(3)
    affinity, member = rng.standard_normal((5, 40)), rng.random(40) < 0.4
    nobody = Histories.of(np.empty(0, np.int32), np.empty(0, np.int32), 5)
    users = np.array([1, 3])
    bounds = np.array([2, 7]) if not up else np.array([6, 9])
    one = Filter(member, up, users, bounds, 10)
    masked = Filtered(nobody, np.ones(40, bool), [one]).mask(affinity.copy(), np.arange(5))
    lists, plain = top_k(masked, 10), top_k(affinity, 10)
    counts = member[lists].sum(axis=1)
    np.testing.assert_array_equal(lists[[0, 2, 4]], plain[[0, 2, 4]])
    if up:
        assert (counts[users] >= bounds).all()
    else:
        assert (counts[users] <= bounds).all()
    for row in users:
        kept = masked[row][np.isfinite(masked[row])]
        assert set(kept) <= set(affinity[row])
        best = [item for item in np.argsort(-affinity[row]) if member[item]][: bounds[list(users).index(row)]]
        assert set(best) <= set(np.flatnonzero(np.isfinite(masked[row])).tolist())


def test_filters_add_up(steering: Steering, users: np.ndarray) -> None:
    first = unreachable(steering, users)
    second = replace(first, edit=first.edit.model_copy(update={"goal": "share(c2)<=0"}))
    lists = lists_of(steering, [first, second], users)
    assert not (member_of(steering, "c1") | member_of(steering, "c2"))[lists].any()


def test_a_goal_is_solved_for_the_lists_that_a_filter_below_leaves(steering: Steering, users: np.ndarray) -> None:
    below = unreachable(steering, users)
    found = toward(steering, "share(c2)<=0", users, K, below=[below])
    lists = lists_of(steering, [below, found.step], users)
    assert not (member_of(steering, "c1") | member_of(steering, "c2"))[lists].any()
    assert found.solved.reached.mean() > 0.8


def test_a_stack_remembers_the_figures_of_its_effect(steering: Steering, users: np.ndarray) -> None:
    step = toward(steering, "share(c1)<=0", users, K).step
    effect = steering.effect(users, [step], K)
    kept = measured({"cohort": None, "k": K, "serve": "change", **effect})
    assert kept["users"] == len(users)
    assert kept["figures"]["rbo"] == effect["collateral"]["rbo"]
    assert kept["figures"]["share(c1)"] == 0


def test_candidates_without_filters_stay_the_very_same(steering: Steering, users: np.ndarray) -> None:
    edited = steering.edit([], users=users)
    assert edited.among(steering.candidates) is steering.candidates
    assert isinstance(steering.candidates, Candidates)


def test_diversity_is_the_same_in_parts(steering: Steering, users: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = Cohort(steering, users, K)
    whole = cohort.diversity(cohort.before)
    monkeypatch.setattr("engine.steering.cohort.PAIRS_AT_ONCE", 1)
    np.testing.assert_array_equal(cohort.diversity(cohort.before), whole)
    assert np.isfinite(whole).any()
