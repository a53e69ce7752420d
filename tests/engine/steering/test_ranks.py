"""The cost that the active set minimises: it is rank-biased overlap's own, its slopes are its slopes, it costs less."""

from dataclasses import replace

import numpy as np
import pytest

from engine.fidelity import rbo
from engine.recommenders.ranking import Candidates
from engine.steering.goals import Goal
from engine.steering.problem import Problem, problems
from engine.steering.ranks import Head, refined
from engine.steering.solve import just_enough, least_squares, smallest_strength
from tests.planted import planted

K = 10


@pytest.fixture(scope="module")
def problem() -> Problem:
    model = planted()
    candidates = Candidates(model.seen, np.ones(len(model.popularity), bool))
    goal = Goal("c1", "<=", 0.0)
    member = model.concepts[1].member
    _, found = next(problems(model.recommender, candidates, member, goal, np.arange(80), K))
    return found.of(np.flatnonzero(found.gap(found.before) >= 0))


@pytest.fixture(scope="module")
def head(problem: Problem) -> Head:
    return Head(problem, np.broadcast_to(np.eye(10), (len(problem.users), 10, 10)))


@pytest.mark.parametrize("depth", range(1, K))
def test_two_neighbours_that_change_places_cost_what_the_overlap_loses(head: Head, depth: int) -> None:
    first = np.arange(K)[None]
    swapped = first.copy()
    swapped[0, [depth - 1, depth]] = swapped[0, [depth, depth - 1]]
    weight = dict(zip(head.depths.tolist(), head.weight_d.tolist(), strict=True))[depth]
    assert 1 - rbo(first, swapped)[0] == pytest.approx(weight, rel=1e-5)


def test_slopes_are_those_of_the_smooth_count_of_crossings(head: Head) -> None:
    tau = 0.7
    affinity, _ = head.affinities(head.problem.unchanged)
    falling = -np.sort(-affinity, axis=1)
    theta = (falling[:, head.depths - 1] + falling[:, head.depths]) / 2

    def count(of_uj: np.ndarray) -> np.ndarray:
        z = np.clip((of_uj[:, :, None].astype(float) - theta[:, None]) / tau, -500, 500)
        return (head.sign_jd / (1 + np.exp(-z))).sum(axis=(1, 2)) / 2

    slope, curve = head.crossings(affinity, falling, tau)
    for item in (0, 3, 11):
        step = np.zeros_like(affinity)
        step[:, item] = 0.01
        np.testing.assert_allclose((count(affinity + step) - count(affinity - step)) / 0.02, slope[:, item], atol=2e-4)
    assert (curve >= 0).all()


def test_it_costs_less_of_the_rest_than_least_squares(problem: Problem, head: Head) -> None:
    plain, reached = smallest_strength(
        problem, least_squares(problem.start, head.basis_umd, np.full(len(problem.users), -1.0))
    )
    change, _ = refined(problem, head.basis_umd, plain)
    after, met = just_enough(problem, change)
    both = reached & met
    assert both.mean() > 0.9
    assert problem.rest_kept(after)[both].mean() > problem.rest_kept(plain)[both].mean() + 0.01


def test_a_list_without_others_is_left_as_it_is(problem: Problem, head: Head) -> None:
    """With one other item alone there is no order to keep, and nothing to divide by."""
    alone = replace(
        problem, kept_uk=problem.kept_uk[:, :1], before=replace(problem.before, kept_uk=problem.before.kept_uk[:, :1])
    )
    start = np.full_like(problem.unchanged, 0.1)
    change, _ = refined(alone, head.basis_umd, start)
    np.testing.assert_array_equal(change, start)
