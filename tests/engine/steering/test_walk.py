"""Solved edits for scorers that are no dot product: what is said to be reached is, at no more cost than need be."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.explain import explain
from engine.recommenders.ranking import ranked_lists
from engine.recommenders.recommender import Recommender
from engine.recommenders.scorers import Mlp, Program
from engine.steering.costs import compare_ways
from engine.steering.effect import Steering
from engine.steering.goals import Goal
from engine.steering.problem import problems
from engine.steering.solve import Form, Solved, directions, smallest_strength, solve
from tests.planted import planted

K, USERS = 10, 10
ASKED = ("share(c1)<=0", "share(c1)<=0.5x", "share(c2)>=40%")


def steering_of(scorer: str, *, turn: bool) -> Steering:
    model = planted(scorer=scorer, turn=turn, knots=5)
    ids = model.recommender.items.ids
    concepts = {one.name: [ids[i] for i in np.flatnonzero(one.member)] for one in model.concepts}
    seen = {
        user: [ids[item] for item in model.seen[number].tolist()]
        for number, user in enumerate(model.recommender.users.ids)
    }
    return explain(model.recommender, concepts=concepts, seen=seen, neurons=16, steps=150).steering


@pytest.fixture(scope="module")
def dot() -> Steering:
    return steering_of("dot", turn=False)


@pytest.fixture(scope="module")
def turned() -> Steering:
    """A perceptron over users who are turned away from the items."""
    return steering_of("mlp", turn=True)


def asked_of(steering: Steering, text: str) -> tuple[Goal, np.ndarray, np.ndarray]:
    """The goal, the concept's items, and users for whom it asks something."""
    goal = Goal.parse(text, steering.concepts)
    member = next(one.member for one in steering.concepts if one.name == goal.concept)
    everyone = np.arange(len(steering.recommender.users.ids))
    held = counts(steering, member, everyone, np.zeros((1, 1)))
    return goal, member, np.flatnonzero(held < 4 if goal.up else held >= 4)[:USERS]


def counts(steering: Steering, member: np.ndarray, users: np.ndarray, delta_ud: np.ndarray) -> np.ndarray:
    """How many of the concept's items the lists hold, ranked by the recommender itself."""
    edited = (steering.recommender.users.vectors[users] + delta_ud).astype(np.float32)
    return member[ranked_lists(steering.recommender, steering.candidates, users, K, edited)].sum(axis=1)


def solved(steering: Steering, text: str, n: int | None = None, form: Form | None = None) -> Solved:
    goal, member, users = asked_of(steering, text)
    return solve(steering.recommender, steering.sae, steering.candidates, member, goal, users, K, n, form)


@pytest.mark.parametrize("neurons", [None, 3])
@pytest.mark.parametrize("text", ASKED)
def test_lists_of_an_mlp_ranked_anew_keep_to_the_goal(turned: Steering, text: str, neurons: int | None) -> None:
    goal, member, users = asked_of(turned, text)
    edit = solved(turned, text, neurons)
    before = counts(turned, member, users, np.zeros_like(edit.delta_ud))
    kept = goal.met(counts(turned, member, users, edit.delta_ud), goal.bounds(before, np.full(len(users), K)))
    assert edit.reached.mean() > 0.9
    np.testing.assert_array_equal(kept, edit.reached)
    np.testing.assert_allclose(turned.sae.shift(edit.change_um, "users"), edit.delta_ud, atol=1e-4)
    if neurons:
        assert ((edit.change_um != 0).sum(axis=1) <= neurons).all()


@pytest.mark.parametrize("form", ["least squares", "active set"])
def test_each_form_walks_alone(turned: Steering, form: Form) -> None:
    _, member, users = asked_of(turned, "share(c1)<=0.5x")
    edit = solved(turned, "share(c1)<=0.5x", form=form)
    assert (edit.active_set == (form == "active set")).all()
    assert edit.reached.mean() > 0.9
    before = counts(turned, member, users, np.zeros_like(edit.delta_ud))
    assert (counts(turned, member, users, edit.delta_ud) <= before // 2)[edit.reached].all()


@pytest.mark.parametrize("text", ASKED)
def test_a_walk_ends_where_the_goal_is_just_reached(turned: Steering, text: str) -> None:
    goal, member, users = asked_of(turned, text)
    edit = solved(turned, text)
    before = counts(turned, member, users, np.zeros_like(edit.delta_ud))
    bounds = goal.bounds(before, np.full(len(users), K))
    weaker = goal.met(counts(turned, member, users, 0.95 * edit.delta_ud), bounds)
    assert weaker[edit.reached].mean() < 0.15


def disguised(steering: Steering) -> Steering:
    """The same recommender with its dot product as a torch program."""
    program = Program.of(lambda u, v: (u * v).sum(1), 10, 10)
    own = steering.recommender
    return replace(steering, recommender=Recommender(own.users, own.items, program))


@pytest.mark.parametrize("form", ["least squares", "active set"])
@pytest.mark.parametrize("text", ASKED[:2])
def test_a_dot_product_in_disguise_costs_no_more_of_the_rest(dot: Steering, text: str, form: Form) -> None:
    """What is pushed is chosen anew at each step, so it is another edit, and no worse a one."""
    goal, member, users = asked_of(dot, text)
    _, problem = next(problems(dot.recommender, dot.candidates, member, goal, users, K))
    known, found = (solved(each, text, form=form) for each in (dot, disguised(dot)))
    np.testing.assert_array_equal(found.reached, known.reached)
    assert problem.rest_kept(found.delta_ud).mean() > problem.rest_kept(known.delta_ud).mean() - 0.02


def test_a_perceptron_that_is_nearly_a_dot_product_gives_nearly_its_answer(dot: Steering) -> None:
    model = planted(scorer="mlp", knots=17)
    other = replace(dot, recommender=model.recommender)
    goal, member, users = asked_of(dot, "share(c1)<=0")
    known, found = solved(dot, "share(c1)<=0"), solved(other, "share(c1)<=0")
    _, problem = next(problems(dot.recommender, dot.candidates, member, goal, users, K))
    assert found.reached.mean() == pytest.approx(known.reached.mean(), abs=0.05)
    assert problem.rest_kept(found.delta_ud).mean() == pytest.approx(problem.rest_kept(known.delta_ud).mean(), abs=0.05)


def test_cosines_are_walked_too() -> None:
    model = planted()
    own = model.recommender
    cosine = Recommender.of((own.users.ids, own.users.vectors), (own.items.ids, own.items.vectors), "cosine")
    steering = replace(steering_of("dot", turn=False), recommender=cosine)
    _, member, users = asked_of(steering, "share(c1)<=0.5x")
    edit = solved(steering, "share(c1)<=0.5x")
    before = counts(steering, member, users, np.zeros_like(edit.delta_ud))
    assert edit.reached.mean() > 0.9
    assert (counts(steering, member, users, edit.delta_ud) <= before // 2)[edit.reached].all()


def test_what_is_expected_of_a_dot_product_is_what_happens(dot: Steering) -> None:
    edit = solved(dot, "share(c1)<=0")
    np.testing.assert_allclose(edit.achieved, edit.expected, atol=1e-4)
    assert (edit.achieved > 0).any()


def test_a_bent_scorer_does_not_do_what_its_gradients_let_expect() -> None:
    """Saturation by construction: tanh flattens what the gradients at the start would go on raising."""
    base = steering_of("dot", turn=False)
    program = Program.of(lambda u, v: torch.tanh(0.5 * (u * v).sum(1)), 10, 10)
    bent = replace(base, recommender=Recommender(base.recommender.users, base.recommender.items, program))
    goal, member, users = asked_of(bent, "share(c2)>=40%")
    edit = solved(bent, "share(c2)>=40%")
    _, problem = next(problems(bent.recommender, bent.candidates, member, goal, users, K))
    first = problem.gap(problem.before)
    measured = first - problem.gap(problem.affinities(edit.delta_ud))
    np.testing.assert_allclose(edit.achieved[edit.reached], measured[edit.reached], atol=1e-4)
    assert (edit.achieved > first - 1e-6)[edit.reached].all()
    assert (np.abs(edit.expected - edit.achieved) > 0.01)[edit.reached].mean() > 0.5


def test_a_walk_keeps_more_of_the_rest_than_one_direction_for_all(turned: Steering) -> None:
    """Directions of items take the rotation: without it they point anywhere, at the cost of the rest of the lists."""
    goal, member, users = asked_of(turned, "share(c1)<=0.5x")
    ways = {way.name: way for way in compare_ways(turned, goal, users, K)}
    rivals = [name for name in ways if "difference of means" in name or "probe" in name]
    assert len(rivals) == 4
    for name in rivals:
        assert ways[name].reached.mean() > 0.5
        assert ways["solved"].rbo_rest.mean() > ways[name].rbo_rest[ways[name].reached].mean()
    rotated = ways["difference of means of items, rotated"]
    assert rotated.reached.mean() > 0.9
    items = turned.recommender.items.vectors
    plain = items[~member].mean(axis=0) - items[member].mean(axis=0)
    _, problem = next(problems(turned.recommender, turned.candidates, member, goal, users, K))
    delta, reached = smallest_strength(problem, np.tile(plain / np.linalg.norm(plain), (len(users), 1)))
    assert np.where(reached, problem.rest_kept(delta), 0.0).mean() < rotated.rbo_rest.mean() - 0.2


def test_no_more_directions_than_the_users_space_has(turned: Steering) -> None:
    assert directions(turned.sae).shape == (16, 10)


@pytest.mark.parametrize("neurons", [None, 3])
def test_where_a_scorer_is_flat_nothing_is_reached_and_nothing_breaks(turned: Steering, neurons: int | None) -> None:
    """Every ReLU off: all affinities are alike, gradients are 0, and no edit changes a list."""
    own = turned.recommender
    assert isinstance(own.scorer, Mlp)
    flat = replace(own.scorer, biases=(own.scorer.biases[0] - 1e3, *own.scorer.biases[1:]))
    steering = replace(turned, recommender=Recommender(own.users, own.items, flat))
    goal, member, _ = asked_of(turned, "share(c1)<=0")
    edit = solve(steering.recommender, steering.sae, steering.candidates, member, goal, np.arange(6), K, neurons)
    assert np.isfinite(edit.delta_ud).all()
    before = counts(steering, member, np.arange(6), np.zeros((1, 1)))
    np.testing.assert_array_equal(edit.reached, before == 0)
