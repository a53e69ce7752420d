"""The active set of a solved edit: the order at the head of the list is what is kept, and what would enter is pushed.

Rank-biased overlap (Webber et al. 2010) loses w_d for every item that crosses depth d. With the boundary theta_d half
way between the d-th and the next affinity, the cost of a change of the affinities s is the smooth count of crossings

    1/2 sum over d, j of w_d sigma(+-(s_j - theta_d) / tau),  - for j <= d, + for j > d,

with boundaries that move along, plus mu times the squared violations of the goal by those items of the concept alone
that would still be in the list (or that are to be in it and are not), plus a small quadratic cost of everything else.
Items that nothing brings near a boundary cost nothing, which is why it keeps more than least squares does. Newton's
method, with |sigma'| / tau for the curvature (never below that of sigma), from the least-squares edit; tau falls.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.steering.problem import Problem, gram

P = 0.9
"""Persistence of the overlap."""
HEAD_ITEMS = 60
"""Others that are looked at, at least twice the depth."""
DEPTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 23, 26, 30)
"""Boundaries; beyond, every fifth place. Each stands for those nearest to it."""
SOFTNESS = (1.0,) * 4 + (0.6,) * 4 + (0.4,) * 4
"""tau of each step, in mean distances between neighbours of the list."""
VIOLATION = 0.01
"""mu, of a squared violation in such distances."""
URGENT = 1.0
"""mu for whom that does not bring to the goal."""
MARGIN = 0.2
"""By how many such distances the goal is overshot here; the strength is cut to what is needed afterwards."""
ELSEWHERE = 0.001
"""Of d'Ad in squared such distances."""
DAMPING = 1e-3


@dataclass
class Head:
    """The head of each user's list around some change, in mean distances between neighbours."""

    problem: Problem
    basis_umd: np.ndarray

    @cached_property
    def items(self) -> int:
        """How many others are looked at."""
        return min(max(HEAD_ITEMS, 2 * self.problem.depth), self.problem.kept_uk.shape[1])

    @cached_property
    def depths(self) -> np.ndarray:
        """Boundaries that lie within the list and what is looked at."""
        last = min(self.problem.depth, self.items - 1)
        return np.array([d for d in (*DEPTHS, *range(35, last + 1, 5)) if d < last] + [last])

    @cached_property
    def weight_d(self) -> np.ndarray:
        """What an item that crosses each boundary costs of the extrapolated overlap."""
        depth = np.arange(1, self.problem.depth + 1)
        lost = (1 - P) / P * P**depth / depth
        lost[-1] += P ** depth[-1] / depth[-1]
        owner = np.abs(depth[:, None] - self.depths).argmin(axis=1)
        return np.bincount(owner, lost, len(self.depths)).astype(np.float32)

    @cached_property
    def sign_jd(self) -> np.ndarray:
        """-w for an item above a boundary, which is to stay there, +w for one below."""
        above = np.arange(self.items)[:, None] < self.depths
        return np.where(above, -self.weight_d, self.weight_d).astype(np.float32)

    @cached_property
    def unit_u(self) -> np.ndarray:
        """Mean distance between neighbours of the list."""
        head = self.problem.before.kept_uk[:, : self.problem.depth]
        there = np.isfinite(head)
        low = np.where(there, head, np.inf).min(axis=1)
        span = np.where(there[:, 0], head[:, 0] - low, 0.0)
        return np.asarray(np.maximum(span / np.maximum(there.sum(axis=1), 1), 1e-9), np.float32)

    @cached_property
    def a_udd(self) -> np.ndarray:
        """The quadratic cost of everything else."""
        return ELSEWHERE * self.problem.start.a_udd / self.unit_u[:, None, None] ** 2

    def gradients(self, delta_ud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the others and of the concept's items, in the basis and in mean distances."""
        if self.problem.linear:
            return self._at_start
        return self._gradients(delta_ud)

    @cached_property
    def _at_start(self) -> tuple[np.ndarray, np.ndarray]:
        return self._gradients(self.problem.unchanged)

    def _gradients(self, delta_ud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        into = (self.basis_umd / self.unit_u[:, None, None]).astype(np.float32).transpose(0, 2, 1)
        kept, pushed = self.problem.head_gradients(delta_ud, self.items)
        return np.matmul(kept, into), np.matmul(pushed, into)

    def affinities(self, delta_ud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the others and of the concept's items, in mean distances from the head's first; far below where none."""
        now = self.problem.affinities(delta_ud, head=self.items)
        first = np.where(np.isfinite(self.problem.before.kept_uk[:, :1]), self.problem.before.kept_uk[:, :1], 0.0)
        head, pushed = ((one - first) / self.unit_u[:, None] for one in (now.kept_uk, now.pushed_uc))
        return np.maximum(head, -1e6).astype(np.float32), np.maximum(pushed, -1e6).astype(np.float32)

    def crossings(self, head_uj: np.ndarray, falling_uj: np.ndarray, tau: float) -> tuple[np.ndarray, np.ndarray]:
        """Slope and curvature of the smooth count of crossings in each other's affinity."""
        theta_ud = (falling_uj[:, self.depths - 1] + falling_uj[:, self.depths]) / 2
        z = (head_uj[:, :, None] - theta_ud[:, None, :]) * np.float32(1 / tau)
        np.clip(z, -30, 30, out=z)
        np.exp(z, out=z)
        slope = z / np.square(1 + z)
        return np.einsum("ujd,jd->uj", slope, self.sign_jd) / (2 * tau), slope @ self.weight_d / (2 * tau**2)

    def violations(self, pushed_uc: np.ndarray, falling_uj: np.ndarray) -> np.ndarray:
        """By how much items of the concept are on the wrong side of the list's end: too many in it, or too few."""
        k, bounds, up = self.problem.depth, self.problem.bounds, self.problem.up
        place = np.clip(k - bounds - (0 if up else 1), 0, self.items - 1)
        cut = np.take_along_axis(falling_uj, place[:, None], axis=1)
        order = np.argsort(-pushed_uc, axis=1)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), axis=1)
        if up:
            return np.where(rank < bounds[:, None], np.maximum(cut + MARGIN - pushed_uc, 0), 0)
        return np.where((rank >= bounds[:, None]) & (pushed_uc > -1e6), np.maximum(pushed_uc - cut + MARGIN, 0), 0)


def refined(
    problem: Problem, basis_umd: np.ndarray, start_ud: np.ndarray, price: float = VIOLATION
) -> tuple[np.ndarray, np.ndarray]:
    """The change that Newton's method comes to from `start_ud` within the basis, and its Hessian (u × m × m) there.

    `price` is mu. It need not reach the goal exactly: see `solve.just_enough`.
    """
    head, delta, n = Head(problem, basis_umd), start_ud.copy(), basis_umd.shape[1]
    a_umm = np.matmul(np.matmul(basis_umd, head.a_udd), basis_umd.transpose(0, 2, 1))
    sign, hessian = -1 if problem.up else 1, a_umm
    if head.items < 2:
        return delta, hessian
    even = (P ** np.arange(head.items)).astype(np.float32)
    for tau in SOFTNESS:
        head_uj, pushed_uc = head.affinities(delta)
        head_ujm, pushed_ucm = head.gradients(delta)
        falling_uj = -np.sort(-head_uj, axis=1)
        slope_uj, curve_uj = head.crossings(head_uj, falling_uj, tau)
        total = curve_uj.sum(axis=1, keepdims=True) + np.float32(1e-12)
        mean_um = np.einsum("uj,ujm->um", curve_uj, head_ujm) / total  # a shift that all share is free
        slope = np.einsum("uj,ujm->um", slope_uj, head_ujm) - slope_uj.sum(axis=1, keepdims=True) * mean_um
        hessian = a_umm + gram(head_ujm, curve_uj) - total[:, :, None] * mean_um[:, :, None] * mean_um[:, None, :]
        push_uc = head.violations(pushed_uc, falling_uj) * np.float32(2 * price)
        against = pushed_ucm - (np.einsum("j,ujm->um", even, head_ujm) / even.sum())[:, None]
        hessian += gram(against, (push_uc > 0) * np.float32(2 * price))
        slope = slope + sign * np.einsum("uc,ucm->um", push_uc, against)
        slope = slope + np.einsum("umd,ud->um", basis_umd, np.matmul(head.a_udd, delta[..., None])[..., 0])
        damp = DAMPING / n * np.trace(hessian, axis1=1, axis2=2) + 1e-12
        step = np.linalg.solve(hessian + damp[:, None, None] * np.eye(n), -slope[..., None])[..., 0]
        delta = delta + np.einsum("um,umd->ud", step, basis_umd)
    return delta, hessian
