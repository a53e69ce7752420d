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
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.errors import EditError
from engine.fidelity import rbo
from engine.recommenders.ranking import Candidates, masked_affinities, top_k
from engine.recommenders.recommender import Recommender
from engine.sae.model import SparseAutoencoder
from engine.steering.goals import Goal

Form = Literal["least squares", "active set"]

USERS_AT_ONCE = 256
KEPT_ITEMS = 200
"""Items at the top of a user's list, without the concept's, that should stay; the first counts most."""
KEPT_DECAY = 0.9
SAMPLED_ITEMS = 300
SAMPLED_WEIGHT = 0.1
"""Weight of all the sampled items together; the top's add up to 1."""
PUSHED_ITEMS = 60
"""The concept's items that an edit looks at: the best of each user."""
RIDGE = 0.005
"""Of the mean diagonal of A."""
VIOLATION = 0.5
"""rho, the price of a squared violation beside d'Ad."""
NEWTON_STEPS = 6
SEARCH_STEPS = 16
SPARE = 1e-5
"""By how much of the largest affinity a goal is overshot."""


@dataclass(frozen=True)
class Problem:
    """What one edit has to do for some users, as arrays by their place in `users`."""

    users: np.ndarray
    bounds: np.ndarray
    """How many of the concept's items each list may or must hold."""
    depth: int
    up: bool
    a_udd: np.ndarray
    g_ud: np.ndarray
    pushed_ucd: np.ndarray
    """Gradients of the concept's best items, less the mean of the others."""
    pushed_uc: np.ndarray
    """Their affinities, -inf where there are fewer."""
    others_ui: np.ndarray
    """Affinities of items outside the concept; -inf elsewhere."""
    members_ui: np.ndarray
    items_id: np.ndarray

    def gap(self, delta_ud: np.ndarray) -> np.ndarray:
        """How far each list is from its goal after `delta_ud`, in affinities; below 0 it is reached.

        Lists are ranked in single precision, so a goal is reached with a little to spare.
        """
        moved = delta_ud @ self.items_id.T
        members, others = self.members_ui + moved, self.others_ui + moved
        gap = np.empty(len(moved))
        for bound in np.unique(self.bounds):
            rows = self.bounds == bound
            gap[rows] = self._gap(members[rows], others[rows], int(bound))
        largest = np.where(np.isfinite(self.others_ui), np.abs(self.others_ui), 0.0).max(initial=1.0)
        return gap + SPARE * float(largest)

    def _gap(self, members: np.ndarray, others: np.ndarray, bound: int) -> np.ndarray:
        """At most b members in the top k: the member b + 1 is below the other k - b. At least b: the member b is
        above the other k - b + 1."""
        if self.up:
            if bound == 0:
                return np.full(len(members), -np.inf)
            return _nth(others, self.depth - bound + 1) - _nth(members, bound)
        if bound >= self.depth:
            return np.full(len(members), -np.inf)
        return _nth(members, bound + 1) - _nth(others, self.depth - bound)

    def rest_kept(self, delta_ud: np.ndarray) -> np.ndarray:
        """RBO of each list without the concept's items, before against after."""
        moved = self.others_ui + delta_ud @ self.items_id.T
        return rbo(top_k(self.others_ui, self.depth), top_k(moved, self.depth))

    def cut(self) -> np.ndarray:
        """The affinity of the other item that a member has to stay below, without an edit."""
        cut = np.empty(len(self.users))
        for bound in np.unique(self.bounds):
            rows = self.bounds == bound
            cut[rows] = _nth(self.others_ui[rows], max(self.depth - int(bound), 1))
        return cut


def _nth(values_ui: np.ndarray, n: int) -> np.ndarray:
    """The n-th largest of each row; -inf where there are fewer."""
    width = values_ui.shape[1]
    if n > width:
        return np.full(len(values_ui), -np.inf)
    return np.partition(values_ui, width - n, axis=1)[:, width - n]


def problems(
    recommender: Recommender,
    candidates: Candidates,
    member_i: np.ndarray,
    goal: Goal,
    users: np.ndarray,
    k: int,
    seed: int = 0,
) -> Iterator[tuple[slice, Problem]]:
    """The problems of `users`, some hundred at a time. Raises `EditError` where the scorer is no dot product."""
    if recommender.scorer.kind != "dot":
        raise EditError(
            f"Solved edits need a dot product so far, and this recommender has the scorer {recommender.scorer.kind!r}; "
            "edit a neuron with --neuron instead."
        )
    outside = np.flatnonzero(candidates.eligible & ~member_i)
    rng = np.random.default_rng(seed)
    sample = rng.choice(outside, min(SAMPLED_ITEMS, len(outside)), replace=False)
    for start in range(0, len(users), USERS_AT_ONCE):
        part = slice(start, start + USERS_AT_ONCE)
        affinity = np.concatenate([each for _, each in masked_affinities(recommender, candidates, users[part])])
        yield part, _problem(recommender.items.vectors, affinity, member_i, goal, users[part], k, sample)


def _problem(
    v_id: np.ndarray,
    affinity_ui: np.ndarray,
    member_i: np.ndarray,
    goal: Goal,
    users: np.ndarray,
    k: int,
    sample: np.ndarray,
) -> Problem:
    others_ui = np.where(member_i, -np.inf, affinity_ui)
    members_ui = np.where(member_i, affinity_ui, -np.inf)
    lists = top_k(affinity_ui, k)
    counts = (member_i[lists] & (lists >= 0)).sum(axis=1)
    bounds = goal.bounds(counts, (lists >= 0).sum(axis=1))
    # A list that keeps to its goal already is held to what it has, so that its bound asks for nothing.
    bounds = np.where(goal.met(counts, bounds), counts, bounds)
    kept, pushed = top_k(others_ui, KEPT_ITEMS), top_k(members_ui, PUSHED_ITEMS)
    weight_uk = np.where(kept >= 0, KEPT_DECAY ** np.arange(kept.shape[1]), 0.0)
    weight_uk /= np.maximum(weight_uk.sum(axis=1, keepdims=True), 1e-12)
    kept_ukd = v_id[kept]
    each = SAMPLED_WEIGHT / max(len(sample), 1)
    mean_ud = np.einsum("uk,ukd->ud", weight_uk, kept_ukd) + each * v_id[sample].sum(axis=0)
    mean_ud /= weight_uk.sum(axis=1, keepdims=True) + each * len(sample)
    a_udd = _gram(kept_ukd - mean_ud[:, None], weight_uk)
    a_udd += each * _gram(v_id[sample] - mean_ud[:, None], np.ones((len(users), len(sample))))
    d = v_id.shape[1]
    a_udd += RIDGE / d * np.trace(a_udd, axis1=1, axis2=2)[:, None, None] * np.eye(d)
    pushed_uc = np.where(pushed >= 0, np.take_along_axis(affinity_ui, np.maximum(pushed, 0), axis=1), -np.inf)
    pushed_ucd = v_id[pushed] - mean_ud[:, None]
    share_uc = np.exp(pushed_uc - np.where(np.isfinite(pushed_uc[:, :1]), pushed_uc[:, :1], 0.0))
    share_uc /= np.maximum(share_uc.sum(axis=1, keepdims=True), 1e-12)
    return Problem(
        users=users,
        bounds=bounds,
        depth=k,
        up=goal.up,
        a_udd=a_udd,
        g_ud=np.einsum("uc,ucd->ud", share_uc, pushed_ucd),
        pushed_ucd=pushed_ucd,
        pushed_uc=pushed_uc,
        others_ui=others_ui,
        members_ui=members_ui,
        items_id=v_id,
    )


def _gram(x_und: np.ndarray, weight_un: np.ndarray) -> np.ndarray:
    return np.matmul((x_und * weight_un[..., None]).transpose(0, 2, 1), x_und)


Path = Callable[[np.ndarray], np.ndarray]
"""From each user's strength t to the changes of their vectors (u × d)."""


def straight(direction_ud: np.ndarray) -> Path:
    """The same direction at any strength."""
    return lambda t: t[:, None] * direction_ud


def least_squares(problem: Problem, basis_umd: np.ndarray) -> Path:
    """Closed form; `basis_umd` are the directions that each user's edit may use."""
    g = np.einsum("umd,ud->um", basis_umd, problem.g_ud)
    x = _solved(_within(problem.a_udd, basis_umd), g)
    x /= np.maximum((g * x).sum(axis=1, keepdims=True), 1e-12)
    direction = np.einsum("um,umd->ud", x, basis_umd)
    return straight(direction if problem.up else -direction)


def active_set(problem: Problem, basis_umd: np.ndarray) -> Path:
    """Only items of the concept that would still enter the list are pushed below the cut."""
    a, pushed = _within(problem.a_udd, basis_umd), np.einsum("ucd,umd->ucm", problem.pushed_ucd, basis_umd)
    cut = problem.cut()
    x = np.zeros((len(a), a.shape[1]))
    there = np.isfinite(problem.pushed_uc)
    affinity = np.where(there, problem.pushed_uc, 0.0)

    def path(t: np.ndarray) -> np.ndarray:
        nonlocal x
        above = affinity - (cut - t)[:, None]
        for _ in range(NEWTON_STEPS):
            violating = there & (above + np.einsum("ucm,um->uc", pushed, x) > 0)
            price = VIOLATION * violating
            x = _solved(a + _gram(pushed, price), -np.einsum("ucm,uc->um", pushed, price * above))
        return np.einsum("um,umd->ud", x, basis_umd)

    return path


def _within(a_udd: np.ndarray, basis_umd: np.ndarray) -> np.ndarray:
    return np.matmul(np.matmul(basis_umd, a_udd), basis_umd.transpose(0, 2, 1))


def _solved(a_umm: np.ndarray, b_um: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.solve(a_umm, b_um[..., None])[..., 0])


def smallest_strength(problem: Problem, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The change of each vector (u × d) at the smallest strength that reaches the goal, and whether one does.

    Found by doubling and bisection, so to one part in some thousands. Where the goal holds already, or none does, the
    change is 0.
    """
    n, d = problem.g_ud.shape
    best, reached = np.zeros((n, d)), problem.gap(np.zeros((n, d))) < 0
    idle = reached.copy()
    low, high, t = np.zeros(n), np.full(n, np.inf), np.full(n, 0.5)
    for _ in range(SEARCH_STEPS):
        delta = path(t)
        met = (problem.gap(delta) < 0) & ~idle
        best[met] = delta[met]
        reached |= met
        high, low = np.where(met, t, high), np.where(met, low, t)
        t = np.where(np.isinf(high), t * 2, (low + high) / 2)
    return best, reached


def chosen_neurons(problem: Problem, directions_md: np.ndarray, n: int) -> np.ndarray:
    """The n neurons (u × n) that forward selection picks for each user, each the one that then leaves the smallest d'Ad
    for g'd = 1."""
    everyone = np.broadcast_to(directions_md, (len(problem.users), *directions_md.shape))
    a_umm = _within(problem.a_udd, everyone)
    g_um = problem.g_ud @ directions_md.T
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
        parts.append((_amounts(delta, directions_md, picked), delta, reached, active))
    change, delta, reached, active = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Solved(users, change, delta, reached, active)


def _best_form(problem: Problem, basis_umd: np.ndarray, form: Form | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The change of the vectors, whether it reaches the goal, and whether it is the active set's."""
    n = len(problem.users)
    if form == "active set":
        return *smallest_strength(problem, active_set(problem, basis_umd)), np.ones(n, bool)
    delta, reached = smallest_strength(problem, least_squares(problem, basis_umd))
    if form == "least squares" or problem.up:
        return delta, reached, np.zeros(n, bool)
    other, also = smallest_strength(problem, active_set(problem, basis_umd))
    better = also & (~reached | (problem.rest_kept(other) > problem.rest_kept(delta)))
    return np.where(better[:, None], other, delta), reached | also, better


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
