"""Filters on lists, for users whom an edit cannot bring to a goal: what they may not be shown is left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.recommenders.ranking import Candidates, top_k


@dataclass(frozen=True)
class Filter:
    """A quota for the top `depth` of some users' lists.

    Where a concept is to lose, all but its best `bounds[n]` items are left out of the list of user `users[n]`
    (ascending). Where it is to gain, the others below the place that its best `bounds[n]` items need are.
    """

    member_i: np.ndarray
    up: bool
    users: np.ndarray
    bounds: np.ndarray
    depth: int

    def mask(self, affinity_ui: np.ndarray, users: np.ndarray) -> None:
        """-inf at what these `users` may not be shown, in place."""
        rows = np.flatnonzero(np.isin(users, self.users))
        bounds = self.bounds[np.searchsorted(self.users, users[rows])]
        for row, bound in zip(rows, bounds, strict=True):
            affinity = affinity_ui[row]
            inside = self.member_i if not self.up else ~self.member_i
            allowed = self.depth - int(bound) if self.up else int(bound)
            left_out = np.where(inside, affinity, -np.inf)
            best = top_k(left_out[None], allowed)[0] if allowed else np.empty(0, np.int64)
            kept = affinity[best[best >= 0]]
            affinity[inside] = -np.inf
            affinity[best[best >= 0]] = kept


@dataclass(frozen=True)
class Filtered(Candidates):
    """Candidates of which some users are shown fewer."""

    filters: Sequence[Filter] = ()

    def mask(self, affinity_ui: np.ndarray, users: np.ndarray) -> np.ndarray:
        """As any candidates', and then every filter's."""
        super().mask(affinity_ui, users)
        for one in self.filters:
            one.mask(affinity_ui, users)
        return affinity_ui
