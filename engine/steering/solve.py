"""Solved edits: the change of a user's code that reaches a goal and moves the rest of the list least.

For every user a small weighted least-squares problem. With score gradients v_i (the item vectors of a dot product),
A is their centred covariance over the items that should stay where they are (those of the top of the user's list, and
a random sample for everything below), and g is the mean gradient of the concept's items less that of the others:

    smallest d'Ad with g'd = t  =>  d = t A^-1 g / (g'A^-1 g)

A common shift of all affinities changes no list, so it is free; hence "centred". From there the active-set form
(`engine.steering.ranks`) goes on with what the closed form cannot see: which items of the concept would still enter,
and which others' order would change. In both the strength is the smallest that reaches the goal, measured on the whole
ranking. With at most n neurons, forward selection and one round of swaps find those that come closest to the change
that all neurons would make. Pooled, one direction serves everybody, each user at the strength that is needed.

A dot product has the same gradients everywhere. Any other scorer is walked: the gradients are taken anew at every step
where the user's vector then is, and the affinities are measured again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from engine.errors import EditError
from engine.recommenders.ranking import Candidates
from engine.recommenders.recommender import Recommender
from engine.sae.model import SparseAutoencoder
from engine.steering.goals import Goal
from engine.steering.problem import Local, Problem, problems
from engine.steering.ranks import URGENT, VIOLATION, refined

Form = Literal["least squares", "active set"]

SEARCH_STEPS, SLOW_SEARCH_STEPS = 16, 12
"""Doublings and halvings of a strength; fewer where every one asks a scorer anew."""
STEPS, STEPS_AT_MOST = 8, 20
"""In which a walk is to arrive, each covering an equal part of the gap that is left, and when it gives up."""
LATE = 1.5
"""How a step grows for who is late: a gradient that falls off lets every step fall short."""
ROUNDS = ((VIOLATION, 1.1), (VIOLATION, 0.9), (URGENT, 0.0))
"""Of the active set: the price of a violation, and for whom a round is, whose list keeps less of its rest (RBO) so far;
it keeps nothing for whom the goal is not reached."""
STRETCHES = (1.0, 1.02, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0)
"""Of an edit that falls short of its goal."""


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


@dataclass(frozen=True)
class Found:
    """What one way makes of a problem, by its users."""

    delta_ud: np.ndarray
    reached: np.ndarray
    active: np.ndarray
    picked_un: np.ndarray | None = None
    """The neurons that were used; None: any."""

    def of(self, rows: np.ndarray) -> "Found":
        """Some of the users'."""
        picked = None if self.picked_un is None else self.picked_un[rows]
        return Found(self.delta_ud[rows], self.reached[rows], self.active[rows], picked)

    def put(self, rows: np.ndarray, other: "Found") -> "Found":
        """With `other` for some of the users."""
        mine = {"delta_ud": self.delta_ud, "reached": self.reached, "active": self.active}
        made = {name: array.copy() for name, array in mine.items()}
        for name, array in made.items():
            array[rows] = getattr(other, name)
        picked = self.picked_un
        if picked is not None and other.picked_un is not None:
            picked = picked.copy()
            picked[rows] = other.picked_un
        return Found(made["delta_ud"], made["reached"], made["active"], picked)


Way = Callable[[Problem], Found]


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
    pooled: bool = False,
) -> Solved:
    """The edit of each of `users` that reaches `goal` with the least collateral.

    `member_i` are the items that the goal is about: a concept's, or a single one. By default both forms are tried and
    each user gets the one whose list without those items stays closer to what it was (RBO). `pooled`: the same neurons
    in the same proportion for everybody (in closed form), each user as strongly as the goal needs. Raises `EditError`
    for a concept without items, a number of neurons that is none, and a pooled edit in the active-set form.
    """
    if not (member_i & candidates.eligible).any():
        raise EditError(f"{goal.concept} has no item that could be recommended, so there is nothing to solve for.")
    if neurons_at_most is not None and not 1 <= neurons_at_most <= sae.neurons:
        raise EditError(f"This run has {sae.neurons} neurons, so an edit has 1 to {sae.neurons} of them.")
    if pooled and form == "active set":
        raise EditError("A pooled edit is one direction for everybody; the active set is each user's own.")
    asked = (recommender, candidates, member_i, goal, users, k, seed)
    directions_md = directions(sae)
    span_rd = _span(directions_md)
    fewer = neurons_at_most if neurons_at_most is not None and neurons_at_most < len(span_rd) else None

    way: Way = partial(_solved, directions_md=directions_md, span_rd=span_rd, fewer=fewer, form=form)
    if pooled:
        direction, picked = _pooled([one for _, one in problems(*asked)], directions_md, span_rd, fewer)
        way = along(direction, picked)
    parts = []
    for problem, found in _each(way, *asked):
        gaps = (problem.gap(problem.before), problem.gap(problem.expected(found.delta_ud)))
        first, expected = (np.where(np.isfinite(gap), gap, 0.0) for gap in gaps)
        last = problem.gap(problem.affinities(found.delta_ud))
        achieved = first - np.where(np.isfinite(last), last, 0.0)
        amounts = _amounts(found.delta_ud, directions_md, found.picked_un)
        parts.append((amounts, found.delta_ud, found.reached, found.active, first - expected, achieved))
    return Solved(users, *(np.concatenate(each) for each in zip(*parts, strict=True)))


def reach_along(
    recommender: Recommender,
    candidates: Candidates,
    member_i: np.ndarray,
    goal: Goal,
    users: np.ndarray,
    k: int,
    direction_d: np.ndarray,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """The change of each user's vector along one direction at the smallest strength that reaches the goal, and whether
    one does."""
    found = [one for _, one in _each(along(direction_d), recommender, candidates, member_i, goal, users, k, seed)]
    return np.concatenate([one.delta_ud for one in found]), np.concatenate([one.reached for one in found])


def _each(way: Way, *asked: object) -> list[tuple[Problem, Found]]:
    """Each problem with what a way finds, by lists made from the whole ranking: for whom these do not keep to the goal,
    it is tried again on a wider working set."""
    made = []
    for _, problem in problems(*asked):  # type: ignore[arg-type]  # as the callers' own arguments say
        found = way(problem)
        keeps = found.reached & problem.served(found.delta_ud)
        again = np.flatnonzero(~keeps)
        if len(again):
            wide = problem.widened(again)
            other = way(wide)
            reached = other.reached & wide.served(other.delta_ud)
            found = found.put(again, replace(other, reached=reached))
        delta = np.where(found.reached[:, None], found.delta_ud, 0.0)
        made.append((problem, replace(found, delta_ud=delta)))
    return made


def along(direction_d: np.ndarray, picked_n: np.ndarray | None = None) -> Way:
    """One direction for everybody."""

    def way(problem: Problem) -> Found:
        everyone = np.broadcast_to(direction_d, problem.unchanged.shape)
        delta, reached = smallest_strength(problem, everyone)
        picked = None if picked_n is None else np.broadcast_to(picked_n, (len(delta), len(picked_n)))
        return Found(delta, reached, np.zeros(len(delta), bool), picked)

    return way


def _solved(
    problem: Problem, directions_md: np.ndarray, span_rd: np.ndarray, fewer: int | None, form: Form | None
) -> Found:
    """Both forms within what the neurons can do, or within the best few of each user.

    Those few are chosen twice: by what they do for the concept, and by how near they come to the change that all would
    make; a user gets the better choice.
    """
    everything = np.broadcast_to(span_rd, (len(problem.users), *span_rd.shape))
    if fewer is None:
        return _best_form(problem, everything, form)[0]
    everyone = np.broadcast_to(directions_md, (len(problem.users), *directions_md.shape))
    picked = chosen_neurons(_within(problem.start.a_udd, everyone), problem.start.g_ud @ directions_md.T, fewer)
    found = replace(_best_form(problem, directions_md[picked], form)[0], picked_un=picked)
    if form == "least squares":
        return found
    whole, hessian = _best_form(problem, everything, form)
    a_udd = np.matmul(np.matmul(span_rd.T, hessian), span_rd)
    g_um = np.matmul(a_udd, whole.delta_ud[..., None])[..., 0] @ directions_md.T
    picked = chosen_neurons(_within(a_udd, everyone), g_um, fewer)
    other = replace(_best_form(problem, directions_md[picked], form)[0], picked_un=picked)
    kept = [np.where(one.reached, problem.rest_kept(one.delta_ud), -1.0) for one in (found, other)]
    rows = np.flatnonzero(kept[1] > kept[0])
    return found.put(rows, other.of(rows))


def _best_form(problem: Problem, basis_umd: np.ndarray, form: Form | None) -> tuple[Found, np.ndarray]:
    """The edit within a basis, and the Hessian of the active-set form at its end (u × m × m)."""
    n = len(problem.users)
    if problem.linear:
        gain = np.full(n, 1.0 if problem.up else -1.0)
        plain, reached = smallest_strength(problem, least_squares(problem.start, basis_umd, gain))
    else:
        plain, reached = walk(problem, basis_umd)
    if form == "least squares":
        return Found(plain, reached, np.zeros(n, bool)), np.zeros(0)
    active, also, hessian = plain.copy(), reached.copy(), np.tile(np.eye(basis_umd.shape[1]), (n, 1, 1))
    kept = np.where(reached, problem.rest_kept(plain), -1.0)
    on = np.flatnonzero(problem.gap(problem.before) >= 0)
    for number, (price, less) in enumerate(ROUNDS):
        on = on[kept[on] < less]
        if not len(on):
            break
        left = problem.of(on)
        change, hessian[on] = refined(left, basis_umd[on], active[on], price)
        change, met = just_enough(left, change)
        keeps = np.where(met, left.rest_kept(change), -1.0)
        better = met if form == "active set" and not number else keeps > kept[on]
        active[on[better]], also[on[better]], kept[on[better]] = change[better], True, keeps[better]
    used = (active != plain).any(axis=1) | (form == "active set")
    return Found(active, also, used), hessian


def least_squares(near: Local, basis_umd: np.ndarray, gain_u: np.ndarray) -> np.ndarray:
    """The further change of the vectors (u × d), in closed form, that raises g by `gain_u`.

    `basis_umd` are the directions that each user's edit may use.
    """
    g, b = np.einsum("umd,ud->um", basis_umd, near.g_ud), np.einsum("umd,ud->um", basis_umd, near.b_ud)
    both = np.linalg.solve(_within(near.a_udd, basis_umd), np.stack([g, b], axis=2))
    along_um, back = both[..., 0], both[..., 1]
    per_gain = along_um / np.maximum((g * along_um).sum(axis=1, keepdims=True), 1e-12)
    x = (gain_u + (g * back).sum(axis=1))[:, None] * per_gain - back
    return np.einsum("um,umd->ud", x, basis_umd)


def _within(a_udd: np.ndarray, basis_umd: np.ndarray) -> np.ndarray:
    return np.matmul(np.matmul(basis_umd, a_udd), basis_umd.transpose(0, 2, 1))


def smallest_strength(problem: Problem, direction_ud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The change of each vector (u × d) at the smallest strength that reaches the goal, and whether one does.

    Found by doubling and bisection, to one part in hundreds at least. Where the goal holds already, or none does, the
    change is 0.
    """
    n = len(problem.users)
    best, reached = problem.unchanged, problem.gap(problem.before) < 0
    live = np.flatnonzero(~reached)
    left, along_ld = problem.of(live), direction_ud[live]
    low, high, t = np.zeros(len(live)), np.full(len(live), np.inf), np.full(len(live), 0.5)
    for _ in range(SEARCH_STEPS if problem.linear else SLOW_SEARCH_STEPS):
        met = left.gap(left.affinities(t[:, None] * along_ld)) < 0
        high, low = np.where(met, t, high), np.where(met, low, t)
        t = np.where(np.isinf(high), t * 2, (low + high) / 2)
    found = np.isfinite(high)
    best[live] = np.where(found, high, 0.0)[:, None] * along_ld
    reached[live] = found
    return best, reached & np.ones(n, bool)


def just_enough(problem: Problem, delta_ud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The changes shortened, or stretched a little, to where the goal is just reached, and whether it is."""
    high = np.full(len(delta_ud), np.nan)
    for stretch in STRETCHES:
        open_ = np.flatnonzero(np.isnan(high))
        if not len(open_):
            break
        left = problem.of(open_)
        met = left.gap(left.affinities(stretch * delta_ud[open_])) < 0
        high[open_[met]] = stretch
    reached = ~np.isnan(high)
    high = np.where(reached, high, 0.0)
    low = np.zeros_like(high)
    for _ in range(SEARCH_STEPS - 4 if problem.linear else SLOW_SEARCH_STEPS - 4):
        middle = (low + high) / 2
        met = problem.gap(problem.affinities(middle[:, None] * delta_ud)) < 0
        low, high = np.where(met, low, middle), np.where(met, middle, high)
    return np.where(reached, high, 0.0)[:, None] * delta_ud, reached


def walk(problem: Problem, basis_umd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `smallest_strength`, along a path whose least-squares direction is solved for anew at every step."""
    best, gap = problem.unchanged, problem.gap(problem.before)
    reached = gap < 0
    live = np.flatnonzero(~reached)
    left, now, x, gap, basis = problem.of(live), problem.before.of(live), best[live], gap[live], basis_umd[live]
    for step in range(STEPS_AT_MOST):
        if not len(live):
            break
        part = gap * (1 / (STEPS - step) if step < STEPS else LATE ** (step - STEPS))
        after = x + least_squares(left.near(x, now), basis, part if problem.up else -part)
        now = left.affinities(after, sampled=True)
        gap = left.gap(now)
        met, on = gap < 0, gap >= 0
        best[live[met]], reached[live[met]] = after[met], True
        live, left, now, basis = live[on], left.of(on), now.of(on), basis[on]
        x, gap = after[on], gap[on]
    moved = np.flatnonzero(best.any(axis=1))
    best[moved], _ = just_enough(problem.of(moved), best[moved])
    return best, reached


def _pooled(
    parts: list[Problem], directions_md: np.ndarray, span_rd: np.ndarray, fewer: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """One direction (d) for all users of `parts` whom the goal asks something of, and the neurons that it uses."""
    asked = [(one.start, one.gap(one.before) >= 0) for one in parts]
    moving = max(sum(int(some.sum()) for _, some in asked), 1)
    a_dd = sum(near.a_udd[some].sum(axis=0) for near, some in asked) / moving
    g_d = sum(near.g_ud[some].sum(axis=0) for near, some in asked) / moving
    a_dd = a_dd + 1e-9 * np.eye(len(g_d))
    picked, basis = None, span_rd
    if fewer is not None:
        picked = chosen_neurons((directions_md @ a_dd @ directions_md.T)[None], (directions_md @ g_d)[None], fewer)[0]
        basis = directions_md[picked]
    sign = 1 if parts[0].up else -1
    direction = sign * np.linalg.solve(basis @ a_dd @ basis.T, basis @ g_d) @ basis
    return direction / max(float(np.linalg.norm(direction)), 1e-12), picked


def chosen_neurons(a_umm: np.ndarray, g_um: np.ndarray, n: int, swaps: int = 1) -> np.ndarray:
    """The n neurons S (u × n) with the largest g_S' A_SS^-1 g_S: what they can do of x, by A, if g = A x.

    Forward selection; then in each round every one of them in turn is replaced by the best, which may be itself.
    """
    picked = np.empty((len(g_um), 0), np.int64)
    for _ in range(n):
        picked = np.concatenate([picked, _next(a_umm, g_um, picked)[:, None]], axis=1)
    for place in list(range(n)) * (swaps if n > 1 else 0):
        picked[:, place] = _next(a_umm, g_um, np.delete(picked, place, axis=1))
    return picked


def _next(a_umm: np.ndarray, g_um: np.ndarray, picked: np.ndarray) -> np.ndarray:
    """The neuron (u) that adds most to those picked."""
    rows = np.arange(len(g_um))
    scale_um = np.maximum(np.diagonal(a_umm, axis1=1, axis2=2), 1e-12)
    left_g, left_a = g_um, scale_um
    if picked.shape[1]:
        a_uss = a_umm[rows[:, None, None], picked[:, :, None], picked[:, None, :]]
        a_usm = a_umm[rows[:, None], picked]
        g_us = np.take_along_axis(g_um, picked, axis=1)
        both = np.linalg.solve(a_uss, np.concatenate([a_usm, g_us[..., None]], axis=2))
        left_g = g_um - np.einsum("usm,us->um", a_usm, both[..., -1])
        left_a = scale_um - np.einsum("usm,usm->um", a_usm, both[..., :-1])
    # What is a combination of those picked already has nothing left but rounding.
    gain = np.where(left_a > 1e-6 * scale_um, left_g**2 / np.maximum(left_a, 1e-12), -1.0)
    np.put_along_axis(gain, picked, -np.inf, axis=1)
    return np.asarray(gain.argmax(axis=1))


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
