"""Solved edits: exact on small problems by brute force, and on a planted recommender where the truth is known."""

import numpy as np
import pytest
from scipy.optimize import minimize

from engine.errors import EditError
from engine.explain import explain
from engine.fidelity import rbo
from engine.recommenders.ranking import Candidates, ranked_lists
from engine.steering.costs import compare_ways, cost_of
from engine.steering.effect import Steering
from engine.steering.goals import Goal
from engine.steering.problem import Problem, problems
from engine.steering.solve import chosen_neurons, directions, least_squares, smallest_strength, solve
from tests.planted import planted

K = 10


@pytest.fixture(scope="module")
def steering() -> Steering:
    model = planted()
    ids = model.recommender.items.ids
    concepts = {one.name: [ids[i] for i in np.flatnonzero(one.member)] for one in model.concepts}
    seen = {
        user: [ids[item] for item in model.seen[number].tolist()]
        for number, user in enumerate(model.recommender.users.ids)
    }
    return explain(model.recommender, concepts=concepts, seen=seen, neurons=16, steps=150).steering


def goal(steering: Steering, text: str) -> tuple[Goal, np.ndarray]:
    found = Goal.parse(text, steering.concepts)
    return found, next(one.member for one in steering.concepts if one.name == found.concept)


def lovers(steering: Steering, member: np.ndarray, least: int = 4) -> np.ndarray:
    everyone = np.arange(len(steering.recommender.users.ids))
    lists = ranked_lists(steering.recommender, steering.candidates, everyone, K)
    return np.flatnonzero(member[lists].sum(axis=1) >= least)


def solved(steering: Steering, text: str, users: np.ndarray, n: int | None = None):
    asked, member = goal(steering, text)
    return solve(steering.recommender, steering.sae, steering.candidates, member, asked, users, K, n)


def counts(steering: Steering, member: np.ndarray, users: np.ndarray, delta_ud: np.ndarray) -> np.ndarray:
    edited = (steering.recommender.users.vectors[users] + delta_ud).astype(np.float32)
    return member[ranked_lists(steering.recommender, steering.candidates, users, K, edited)].sum(axis=1)


def rest_kept(steering: Steering, member: np.ndarray, users: np.ndarray, delta_ud: np.ndarray) -> np.ndarray:
    rest = Candidates(steering.candidates.seen, steering.candidates.eligible & ~member)
    edited = (steering.recommender.users.vectors[users] + delta_ud).astype(np.float32)
    before = ranked_lists(steering.recommender, rest, users, K)
    return rbo(before, ranked_lists(steering.recommender, rest, users, K, edited))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("c1 < 3", "is no goal"),
        ("share(c1)<=30", r"at most 1.*30%"),
        ("share(nothing)<=0.1", "no concept 'nothing'"),
        ("share(c1)<=1.2.3", "no number"),
    ],
)
def test_a_goal_that_makes_no_sense_is_refused_in_a_sentence(steering: Steering, text: str, told: str) -> None:
    with pytest.raises(EditError, match=told):
        Goal.parse(text, steering.concepts)


def test_a_goal_is_read_and_written_alike(steering: Steering) -> None:
    for text in ("share(c1)<=0.02", "share(c1)>=0.3", "share(c1)<=0.5x"):
        assert str(Goal.parse(text, steering.concepts)) == text
    assert Goal.parse("SHARE( C1 ) >= 30 %", steering.concepts) == Goal("c1", ">=", 0.3)


def test_bounds_are_whole_items_of_the_list() -> None:
    held, lengths = np.array([0, 3, 7]), np.array([30, 30, 20])
    assert Goal("c", "<=", 0.1).bounds(held, lengths).tolist() == [3, 3, 2]
    assert Goal("c", ">=", 0.3).bounds(held, lengths).tolist() == [9, 9, 6]
    assert Goal("c", "<=", 0.5, relative=True).bounds(held, lengths).tolist() == [0, 1, 3]
    assert Goal("c", ">=", 2.0, relative=True).bounds(held, lengths).tolist() == [0, 6, 14]


@pytest.mark.parametrize("neurons", [None, 3])
@pytest.mark.parametrize("text", ["share(c1)<=0", "share(c1)<=0.5x", "share(c2)>=40%"])
def test_lists_ranked_anew_keep_to_the_goal(steering: Steering, text: str, neurons: int | None) -> None:
    asked, member = goal(steering, text)
    users = lovers(steering, member) if not asked.up else np.arange(120)
    edit = solved(steering, text, users, neurons)
    before = counts(steering, member, users, np.zeros_like(edit.delta_ud))
    after = counts(steering, member, users, edit.delta_ud)
    bounds = asked.bounds(before, np.full(len(users), K))
    assert edit.reached.mean() > 0.9
    assert asked.met(after[edit.reached], bounds[edit.reached]).all()
    # What the edit is said to do to the code is what it does to the vector.
    np.testing.assert_allclose(steering.sae.shift(edit.change_um, "users"), edit.delta_ud, atol=1e-4)
    if neurons:
        assert ((edit.change_um != 0).sum(axis=1) <= neurons).all()


def test_the_strength_is_the_smallest(steering: Steering) -> None:
    asked, member = goal(steering, "share(c1)<=0.5x")
    users = lovers(steering, member)
    edit = solved(steering, "share(c1)<=0.5x", users)
    before = counts(steering, member, users, np.zeros_like(edit.delta_ud))
    bounds = asked.bounds(before, np.full(len(users), K))
    moved = edit.reached & (before > bounds)
    weaker = counts(steering, member, users, 0.98 * edit.delta_ud)
    assert (weaker > bounds)[moved].mean() > 0.9


def test_a_user_who_meets_the_goal_is_left_alone(steering: Steering) -> None:
    _, member = goal(steering, "share(c1)<=0")
    everyone = np.arange(len(steering.recommender.users.ids))
    without = everyone[counts(steering, member, everyone, np.zeros((len(everyone), 10))) == 0]
    edit = solved(steering, "share(c1)<=0", without)
    assert edit.reached.all()
    assert not edit.change_um.any()
    assert not edit.delta_ud.any()


def test_the_closed_form_is_the_optimum_that_a_solver_finds(steering: Steering) -> None:
    asked, member = goal(steering, "share(c1)<=0.5x")
    _, problem = next(problems(steering.recommender, steering.candidates, member, asked, np.arange(3), K))
    everything = np.broadcast_to(np.eye(10), (3, 10, 10))
    step = least_squares(problem.start, everything, np.full(3, -1.0))
    for row in range(3):
        a, g = problem.start.a_udd[row], problem.start.g_ud[row]
        best = minimize(
            lambda d, a=a: 100 * d @ a @ d,
            np.zeros(10),
            method="SLSQP",
            constraints={"type": "eq", "fun": lambda d, g=g: g @ d + 1},
            options={"maxiter": 500, "ftol": 1e-12},
        )
        assert step[row] @ a @ step[row] == pytest.approx(best.fun / 100, rel=1e-3)


def test_the_first_neuron_chosen_is_the_best_alone_and_each_more_costs_less(steering: Steering) -> None:
    asked, member = goal(steering, "share(c1)<=0.5x")
    _, problem = next(problems(steering.recommender, steering.candidates, member, asked, np.arange(20), K))
    rows_md = directions(steering.sae)
    a_umm, g_um = rows_md @ problem.start.a_udd @ rows_md.T, problem.start.g_ud @ rows_md.T
    picked = chosen_neurons(a_umm, g_um, 4, swaps=0)
    price = price_of(problem, rows_md)
    for row in range(20):
        alone = [price(row, [j]) for j in range(len(rows_md))]
        assert alone[picked[row, 0]] == pytest.approx(min(alone))
        pairs = [price(row, [int(picked[row, 0]), j]) for j in range(len(rows_md)) if j != picked[row, 0]]
        assert price(row, picked[row, :2].tolist()) == pytest.approx(min(pairs), rel=1e-3)
        assert len(set(picked[row].tolist())) == 4
    # Exchanging one at a time never costs more, and where it is cheaper somebody gains.
    swapped = chosen_neurons(a_umm, g_um, 4)
    before, after = (np.array([price(row, of[row].tolist()) for row in range(20)]) for of in (picked, swapped))
    assert (after < before * (1 + 1e-6)).all()


def price_of(problem: Problem, rows_md: np.ndarray):
    def price(row: int, chosen: list[int]) -> float:
        basis = rows_md[chosen]
        a, g = basis @ problem.start.a_udd[row] @ basis.T, basis @ problem.start.g_ud[row]
        return float(1 / (g @ np.linalg.lstsq(a, g, rcond=None)[0]))

    return price


def test_a_solved_edit_moves_less_than_a_direction_for_everyone(steering: Steering) -> None:
    asked, member = goal(steering, "share(c1)<=0.5x")
    users = lovers(steering, member)
    ways = {way.name: way for way in compare_ways(steering, asked, users, K)}
    told = ways["difference of means of items"].as_dict(ways["solved"])["solved_ahead"]
    assert told[1] > 0
    assert ways["solved"].rbo_rest.mean() > ways["solved, 2 neurons"].rbo_rest.mean()
    assert ways["filter"].rbo_rest.mean() == pytest.approx(1)
    assert ways["random neuron"].rbo_rest.mean() < ways["solved"].rbo_rest.mean() - 0.2


def test_costs_are_those_of_lists_ranked_anew(steering: Steering) -> None:
    asked, member = goal(steering, "share(c1)<=0")
    users = lovers(steering, member)
    edit = solved(steering, "share(c1)<=0", users)
    before, after = cost_of(steering, asked, edit, K)
    none = np.zeros_like(edit.delta_ud)
    assert before.share == pytest.approx(counts(steering, member, users, none).mean() / K)
    assert after.share == pytest.approx(counts(steering, member, users, edit.delta_ud).mean() / K)
    np.testing.assert_allclose(after.rbo_rest, rest_kept(steering, member, users, edit.delta_ud))
    np.testing.assert_allclose(before.rbo_rest, 1)


def test_each_user_gets_the_form_that_keeps_more_of_the_rest(steering: Steering) -> None:
    asked, member = goal(steering, "share(c1)<=0")
    users = lovers(steering, member)
    model = (steering.recommender, steering.sae, steering.candidates, member, asked, users, K)
    chosen, active, plain = solve(*model), solve(*model, form="active set"), solve(*model, form="least squares")
    kept = [rest_kept(steering, member, users, edit.delta_ud) for edit in (chosen, active, plain)]
    both = active.reached & plain.reached
    assert (kept[0] >= kept[2] - 1e-6)[both].all()
    assert kept[0][both].mean() > np.maximum(kept[1], kept[2])[both].mean() - 0.005
    assert 0.5 < chosen.active_set.mean() < 1


def test_an_unreachable_goal_is_no_edit(steering: Steering) -> None:
    """With one neuron that points away, no strength does it: the user keeps the vector and is counted."""
    asked, member = goal(steering, "share(c1)>=0.5")
    _, problem = next(problems(steering.recommender, steering.candidates, member, asked, np.arange(30), K))
    delta, reached = smallest_strength(problem, -problem.start.g_ud)
    assert not reached.all()
    assert not delta[~reached].any()


def test_what_cannot_be_solved_is_refused_in_a_sentence(steering: Steering) -> None:
    asked, member = goal(steering, "share(c1)>=0.3")
    users = np.arange(3)
    model = (steering.recommender, steering.sae, steering.candidates)
    with pytest.raises(EditError, match="has no item"):
        solve(*model, np.zeros_like(member), asked, users)
    with pytest.raises(EditError, match="1 to 16"):
        solve(*model, member, asked, users, neurons_at_most=17)
    with pytest.raises(EditError, match="one direction"):
        solve(*model, member, asked, users, form="active set", pooled=True)


@pytest.mark.parametrize("neurons", [None, 3])
@pytest.mark.parametrize("text", ["share(c1)<=0.5x", "share(c2)>=40%"])
def test_a_pooled_edit_moves_everybody_the_same_way(steering: Steering, text: str, neurons: int | None) -> None:
    asked, member = goal(steering, text)
    users = lovers(steering, member) if not asked.up else np.arange(60)
    edit = solve(steering.recommender, steering.sae, steering.candidates, member, asked, users, K, neurons, pooled=True)
    moved = edit.change_um[edit.delta_ud.any(axis=1)]
    assert len(moved) > 10
    shape = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    np.testing.assert_allclose(shape, np.broadcast_to(shape[0], shape.shape), atol=1e-6)
    if neurons:
        assert (shape[0] != 0).sum() <= neurons
    before = counts(steering, member, users, np.zeros_like(edit.delta_ud))
    after = counts(steering, member, users, edit.delta_ud)
    assert asked.met(after, asked.bounds(before, np.full(len(users), K)))[edit.reached].all()
    assert edit.reached.mean() > 0.9
    own = solved(steering, text, users, neurons)
    kept = [rest_kept(steering, member, users, one.delta_ud) for one in (own, edit)]
    assert kept[0].mean() > kept[1].mean()


def test_one_item_is_brought_into_every_list(steering: Steering) -> None:
    """A goal of one place for one item, at any depth: the item is the whole concept."""
    users, depth, among = np.arange(60), 5, steering.candidates
    item = int(np.linalg.norm(steering.recommender.items.vectors, axis=1).argmax())
    alone = np.arange(len(among.eligible)) == item
    asked = Goal("item", ">=", 1.0, item=item, depth=depth)
    seen = np.array([item in among.seen[int(user)] for user in users])
    edit = solve(steering.recommender, steering.sae, among, alone, asked, users, depth)
    edited = (steering.recommender.users.vectors[users] + edit.delta_ud).astype(np.float32)
    lists = ranked_lists(steering.recommender, among, users, depth, edited)
    np.testing.assert_array_equal((lists == item).any(axis=1), edit.reached & ~seen)
    assert edit.reached[~seen].mean() > 0.9
    assert rest_kept(steering, alone, users[~seen], edit.delta_ud[~seen]).mean() > 0.3
    # Nobody is told that an item which every list leaves out was brought in.
    assert not edit.reached[seen].any()


def test_what_enters_from_outside_the_working_set_is_found(steering: Steering, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a far too small one the lists are those of the whole ranking all the same."""
    monkeypatch.setattr("engine.steering.problem.PUSHED_ITEMS", K + 1)
    monkeypatch.setattr("engine.steering.problem.KEPT_ITEMS", 1)
    _, member = goal(steering, "share(c1)<=0")
    users = lovers(steering, member)
    edit = solved(steering, "share(c1)<=0", users)
    assert edit.reached.all()
    assert not counts(steering, member, users, edit.delta_ud).any()
