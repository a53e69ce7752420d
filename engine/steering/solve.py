"""Solved edits: the change of a user's code that reaches a goal and moves the rest of the list least.

For every user a small weighted least-squares problem. With score gradients v_i (the item vectors of a dot product),
A is their centred covariance over the items that should stay where they are (those of the top of the user's list, and
a random sample for everything below), and g is the mean gradient of the concept's items less that of the others:

    smallest d'Ad with g'd = t  =>  d = t A^-1 g / (g'A^-1 g)

A common shift of all affinities changes no list, so it is free; hence "centred". The active-set form replaces the
mean of the concept's items by those alone that would still enter the list, as squared violations of the cut:

    smallest d'Ad + rho * sum over c of max(0, s_c + v_c'd - (cut - t))^2

by Newton's method. In both, t is the smallest that reaches the goal, measured on the whole ranking. With at most n
neurons, forward selection adds the neuron that leaves the smallest d'Ad for g'd = 1.

A dot product has the same gradients everywhere, so one such problem is the answer. Any other scorer is walked: at each
of some steps the gradients are taken anew where the user's vector then is, the problem is solved for a part of the gap
that is left (the cost being that of the whole change, as measured so far), and the affinities are measured again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.errors import EditError
from engine.recommenders.ranking import Candidates
from engine.recommenders.recommender import Recommender
from engine.sae.model import SparseAutoencoder
from engine.steering.goals import Goal
from engine.steering.problem import Local, Problem, gram, problems

Form = Literal["least squares", "active set"]

VIOLATION = 0.5
"""rho, the price of a squared violation beside d'Ad."""
NEWTON_STEPS = 6
SEARCH_STEPS = 16
SLOW_SEARCH_STEPS = 12
"""Where every one scores the whole catalogue anew."""
STEPS = 12
"""In which a walk is to arrive; each covers an equal part of the gap that is left."""
STEPS_AT_MOST = 24
LATE = 1.5
HALVINGS = 4
"""Of a walk's last step, which ends where the goal is just reached."""


Path = Callable[[np.ndarray], np.ndarray]
"""From each user's strength t to the changes of their vectors (u × d)."""


def straight(direction_ud: np.ndarray) -> Path:
    """The same direction at any strength."""
    return lambda t: t[:, None] * direction_ud


def least_squares(near: Local, basis_umd: np.ndarray, gain_u: np.ndarray) -> np.ndarray:
    """The further change of the vectors (u × d), in closed form, that raises g by `gain_u`.

    `basis_umd` are the directions that each user's edit may use.
    """
    g, b = np.einsum("umd,ud->um", basis_umd, near.g_ud), np.einsum("umd,ud->um", basis_umd, near.b_ud)
    both = np.linalg.solve(_within(near.a_udd, basis_umd), np.stack([g, b], axis=2))
    along, back = both[..., 0], both[..., 1]
    per_gain = along / np.maximum((g * along).sum(axis=1, keepdims=True), 1e-12)
    x = (gain_u + (g * back).sum(axis=1))[:, None] * per_gain - back
    return np.einsum("um,umd->ud", x, basis_umd)


def active_set(near: Local, basis_umd: np.ndarray, level_u: np.ndarray, x_um: np.ndarray | None = None) -> np.ndarray:
    """The further change in terms of the basis (u × m), of which only items of the concept above `level_u` are pushed.

    Newton's method starts at `x_um` (default: 0).
    """
    a, pushed = _within(near.a_udd, basis_umd), np.einsum("ucd,umd->ucm", near.pushed_ucd, basis_umd)
    b = np.einsum("umd,ud->um", basis_umd, near.b_ud)
    there = np.isfinite(near.pushed_uc)
    above = np.where(there, near.pushed_uc, 0.0) - level_u[:, None]
    x = np.zeros(b.shape) if x_um is None else x_um
    for _ in range(NEWTON_STEPS):
        violating = there & (above + np.einsum("ucm,um->uc", pushed, x) > 0)
        price = VIOLATION * violating
        x = _solved(a + gram(pushed, price), -b - np.einsum("ucm,uc->um", pushed, price * above))
    return x


def _within(a_udd: np.ndarray, basis_umd: np.ndarray) -> np.ndarray:
    return np.matmul(np.matmul(basis_umd, a_udd), basis_umd.transpose(0, 2, 1))


def _solved(a_umm: np.ndarray, b_um: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.solve(a_umm, b_um[..., None])[..., 0])


def path_of(problem: Problem, basis_umd: np.ndarray, form: Form) -> Path:
    """The changes that the gradients where nothing is changed yet ask for."""
    if form == "least squares":
        gain = np.full(len(problem.users), 1.0 if problem.up else -1.0)
        return straight(least_squares(problem.start, basis_umd, gain))
    cut, x = problem.cut(), None

    def path(t: np.ndarray) -> np.ndarray:
        nonlocal x
        x = active_set(problem.start, basis_umd, cut - t, x)
        return np.einsum("um,umd->ud", x, basis_umd)

    return path


def smallest_strength(problem: Problem, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The change of each vector (u × d) at the smallest strength that reaches the goal, and whether one does.

    Found by doubling and bisection, to one part in hundreds at least. Where the goal holds already, or none does, the
    change is 0.
    """
    n = len(problem.users)
    best, reached = problem.unchanged, problem.gap(problem.before) < 0
    live = np.flatnonzero(~reached)
    left = problem.of(live)
    low, high, t = np.zeros(n), np.full(n, np.inf), np.full(n, 0.5)
    for _ in range(SEARCH_STEPS if problem.linear else SLOW_SEARCH_STEPS):
        delta, met = path(t), np.zeros(n, bool)
        met[live] = left.gap(left.affinities(delta[live])) < 0
        best[met] = delta[met]
        reached |= met
        high, low = np.where(met, t, high), np.where(met, low, t)
        t = np.where(np.isinf(high), t * 2, (low + high) / 2)
    return best, reached


def walk(problem: Problem, basis_umd: np.ndarray, form: Form) -> tuple[np.ndarray, np.ndarray]:
    """As `smallest_strength`, along a path whose direction is solved for anew at every step."""
    best, short, gap = problem.unchanged, problem.unchanged, problem.gap(problem.before)
    reached = gap < 0
    live = np.flatnonzero(~reached)
    left, now, x, gap, basis = problem.of(live), problem.before.of(live), best[live], gap[live], basis_umd[live]
    level = left.cut() + gap
    for step in range(STEPS_AT_MOST):
        if not len(live):
            break
        # A soft push falls short of its level: who is late asks for more, the later the more.
        near, part = left.near(x, now), gap * (1 / (STEPS - step) if step < STEPS else LATE ** (step - STEPS))
        if form == "least squares":
            after = x + least_squares(near, basis, part if problem.up else -part)
        else:
            level = level - part
            after = x + np.einsum("um,umd->ud", active_set(near, basis, level), basis)
        now = left.affinities(after)
        gap = left.gap(now)
        met, on = gap < 0, gap >= 0
        best[live[met]], short[live[met]], reached[live[met]] = after[met], x[met], True
        live, left, now, basis = live[on], left.of(on), now.of(on), basis[on]
        x, gap, level = after[on], gap[on], level[on]
    moved = np.flatnonzero(best.any(axis=1))
    best[moved] = _shortened(problem.of(moved), short[moved], best[moved])
    return best, reached


def _shortened(problem: Problem, from_ud: np.ndarray, to_ud: np.ndarray) -> np.ndarray:
    """The smallest change between two of which the second reaches the goal."""
    low, high = np.zeros(len(from_ud)), np.ones(len(from_ud))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        met = problem.gap(problem.affinities(from_ud + middle[:, None] * (to_ud - from_ud))) < 0
        low, high = np.where(met, low, middle), np.where(met, middle, high)
    return from_ud + high[:, None] * (to_ud - from_ud)


def chosen_neurons(problem: Problem, directions_md: np.ndarray, n: int) -> np.ndarray:
    """The n neurons (u × n) that forward selection picks for each user, each the one that then leaves the smallest d'Ad
    for g'd = 1."""
    everyone = np.broadcast_to(directions_md, (len(problem.users), *directions_md.shape))
    a_umm = _within(problem.start.a_udd, everyone)
    g_um = problem.start.g_ud @ directions_md.T
    rows = np.arange(len(problem.users))
    picked = np.empty((len(rows), 0), np.int64)
    scale_um = np.maximum(np.diagonal(a_umm, axis1=1, axis2=2), 1e-12)
    for _ in range(n):
        if picked.shape[1]:
            a_uss = a_umm[rows[:, None, None], picked[:, :, None], picked[:, None, :]]
            a_usm = a_umm[rows[:, None], picked]
            g_us = np.take_along_axis(g_um, picked, axis=1)
            both = np.linalg.solve(a_uss, np.concatenate([a_usm, g_us[..., None]], axis=2))
            left_g = g_um - np.einsum("usm,us->um", a_usm, both[..., -1])
            left_a = scale_um - np.einsum("usm,usm->um", a_usm, both[..., :-1])
        else:
            left_g, left_a = g_um, scale_um
        # What is a combination of those picked already has nothing left but rounding.
        gain = np.where(left_a > 1e-6 * scale_um, left_g**2 / np.maximum(left_a, 1e-12), -1.0)
        np.put_along_axis(gain, picked, -np.inf, axis=1)
        picked = np.concatenate([picked, gain.argmax(axis=1)[:, None]], axis=1)
    return picked


@dataclass(frozen=True)
class Solved:
    """A solved edit: for each of `users`, the change of the code and of the vector, and whether the goal is reached."""

    users: np.ndarray
    change_um: np.ndarray
    delta_ud: np.ndarray
    reached: np.ndarray
    active_set: np.ndarray
    """Whether the user's edit is that of the active-set form (bool)."""
    expected: np.ndarray
    """By how much the gradients where nothing is changed yet let expect the gap to the goal to fall, in affinities."""
    achieved: np.ndarray
    """By how much it fell; the same but for rounding where the scorer is a dot product."""


def solve(
    recommender: Recommender,
    sae: SparseAutoencoder,
    candidates: Candidates,
    member_i: np.ndarray,
    goal: Goal,
    users: np.ndarray,
    k: int = 30,
    neurons_at_most: int | None = None,
    form: Form | None = None,
    seed: int = 0,
) -> Solved:
    """The edit of each of `users` that reaches `goal` with the least collateral.

    By default, where a share is to fall, both forms are tried and each user gets the one whose list without the
    concept's items stays closer to what it was (RBO). Raises `EditError` for a concept without items, a number of
    neurons that is none, and an active set that is to raise a share.
    """
    if not (member_i & candidates.eligible).any():
        raise EditError(f"{goal.concept} has no item that could be recommended, so there is nothing to solve for.")
    if neurons_at_most is not None and not 1 <= neurons_at_most <= sae.neurons:
        raise EditError(f"This run has {sae.neurons} neurons, so an edit has 1 to {sae.neurons} of them.")
    if form == "active set" and goal.up:
        raise EditError("The active set pushes items out of a list; to raise a share use least squares.")
    directions_md = directions(sae)
    span_rd = _span(directions_md)
    parts = []
    for _, problem in problems(recommender, candidates, member_i, goal, users, k, seed):
        picked = None
        if neurons_at_most is not None and neurons_at_most < len(span_rd):
            picked = chosen_neurons(problem, directions_md, neurons_at_most)
        basis = np.broadcast_to(span_rd, (len(problem.users), *span_rd.shape))
        delta, reached, active = _best_form(problem, basis if picked is None else directions_md[picked], form)
        now, keeps = problem.served(delta)
        gaps = (problem.gap(each) for each in (problem.before, problem.expected(delta), now))
        first, expected, achieved = (np.where(np.isfinite(gap), gap, 0.0) for gap in gaps)
        amounts = _amounts(delta, directions_md, picked)
        parts.append((amounts, delta, reached & keeps, active, first - expected, first - achieved))
    return Solved(users, *(np.concatenate(each) for each in zip(*parts, strict=True)))


def _best_form(problem: Problem, basis_umd: np.ndarray, form: Form | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The change of the vectors, whether it reaches the goal, and whether it is the active set's."""
    n = len(problem.users)
    if form == "active set":
        return *_found(problem, basis_umd, form), np.ones(n, bool)
    delta, reached = _found(problem, basis_umd, "least squares")
    if form == "least squares" or problem.up:
        return delta, reached, np.zeros(n, bool)
    other, also = _found(problem, basis_umd, "active set")
    better = also & (~reached | (problem.rest_kept(other) > problem.rest_kept(delta)))
    return np.where(better[:, None], other, delta), reached | also, better


def _found(problem: Problem, basis_umd: np.ndarray, form: Form) -> tuple[np.ndarray, np.ndarray]:
    if problem.linear:
        return smallest_strength(problem, path_of(problem, basis_umd, form))
    return walk(problem, basis_umd, form)


def _amounts(delta_ud: np.ndarray, directions_md: np.ndarray, picked_un: np.ndarray | None) -> np.ndarray:
    """The smallest changes of the code (u × m) that change the vectors so, in the neurons that may be used."""
    if picked_un is None:
        return np.asarray(delta_ud @ np.linalg.pinv(directions_md))
    change = np.zeros((len(delta_ud), len(directions_md)))
    amounts = np.einsum("ud,udn->un", delta_ud, np.linalg.pinv(directions_md[picked_un]))
    np.put_along_axis(change, picked_un, amounts, axis=1)
    return change


def directions(sae: SparseAutoencoder) -> np.ndarray:
    """What one unit of each neuron adds to a user's vector (m × d), in the recommender's units."""
    return sae.shift(np.eye(sae.neurons, dtype=np.float32), "users").astype(np.float64)


def _span(directions_md: np.ndarray) -> np.ndarray:
    """Orthonormal rows (r × d) that span what the neurons can do."""
    _, sizes, rows_dd = np.linalg.svd(directions_md, full_matrices=False)
    return np.asarray(rows_dd[sizes > 1e-6 * sizes[0]])
