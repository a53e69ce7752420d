"""Ranked lists under edits: the recommender that a stack of edits leaves, and one user's list before and after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from engine.fidelity import kendall_tau, rbo, shared
from engine.neurons.table import Neuron
from engine.recommenders.ranking import Candidates, masked_affinities, top_k
from engine.recommenders.recommender import Recommender
from engine.sae.model import SparseAutoencoder
from engine.steering.cohort import Edited, Library
from engine.steering.edits import Changed, Edit, Match, Serve, SolvedEdit, Step, changed, step_of, with_rows
from engine.steering.filters import Filter
from engine.steering.goals import Goal

SHARES_SHOWN = 8
"""Concepts whose share is reported for one user's list, the most changed first."""
PLACES_TOLD = 10
"""Items whose places are told, of those that edits are about."""
USERS_KEPT = 8
"""Users whose unedited lists are kept: an analyst tries many edits on few."""


@dataclass(frozen=True)
class Ranked:
    """One user's list (k numbers, -1 = no more), read off `affinity_i` (-inf at what may not be recommended)."""

    places: np.ndarray
    affinity_i: np.ndarray
    edited: Edited | None = None
    """What edits did to the user's codes, and to items."""

    @property
    def items(self) -> np.ndarray:
        """The numbers of the list's items, the best first."""
        return np.asarray(self.places[self.places >= 0])


@dataclass(frozen=True)
class Lists(Library):
    """A run and its catalogue, ready to rank with edits and without."""

    sae: SparseAutoencoder
    neurons: Sequence[Neuron]
    titles: Sequence[str]
    attributes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Columns of the users, by user number."""
    match: Match | None = None
    """Rows of a side for which an SQL predicate is true."""

    def steps(self, edits: Sequence[Edit | Step]) -> list[Step]:
        """The edits with the rows that they are for. Raises `EditError` for one that is for nobody."""
        return [one if isinstance(one, Step) else step_of(one, self.recommender, self.match) for one in edits]

    def edit(self, steps: Sequence[Step], serve: Serve = "change", users: np.ndarray | None = None) -> Edited:
        """The recommender under `steps`; `users` (ascending) are the only ones whose lists will be asked for."""
        ask = (self.recommender, self.sae, self.neurons, steps)
        on_users, on_items = changed(*ask, "users", users, serve), changed(*ask, "items", None, serve)
        filters = [one for step in steps if (one := self._filter(step)) is not None]
        return Edited(self.recommender, on_users, on_items, filters)

    def _filter(self, step: Step) -> Filter | None:
        """Of a solved edit: of those whom it could not bring to its goal."""
        if step.bounds is None or not step.edit.on or not isinstance(step.edit, SolvedEdit):
            return None
        served = step.bounds >= 0
        goal = self.goal(step.edit.goal, step.edit.k)
        member = goal.member(self.concepts, len(self.titles))
        return Filter(member, goal.up, step.rows[served], step.bounds[served], step.edit.k) if served.any() else None

    def goal(self, text: str, k: int) -> Goal:
        """What a solved edit is to reach; raises as `Goal.parse` does."""
        return Goal.parse(text, self.concepts, self.recommender.items.place, k)

    @cached_property
    def reconstruction(self) -> Edited:
        """Every vector replaced by what its code decodes to, and no edit: the arm between original and edited."""
        return self.edit([], "all-decoded")

    def rank(self, user: int, edits: Sequence[Edit | Step], k: int, serve: Serve = "change") -> dict[str, Any]:
        """One user's top k before and after the edits, with rank changes, leavers and list figures.

        `places` are the ranks of the items that the edits are about among all `candidates` for the list; None where
        such an item may not be recommended.
        """
        steps = self.steps(edits)
        (before, decoded), after = self._unedited(user, k), self.list_after(user, steps, k, serve)
        was, now = before.items, after.items
        about = np.empty(0, np.int64) if after.edited is None else self.items_of(after.edited, steps)[:PLACES_TOLD]
        left = np.flatnonzero(~np.isin(was, now))
        first, second, middle = before.places[None], after.places[None], decoded.places[None]
        return {
            "codes": [] if after.edited is None else self._codes(steps, after.edited.users, user),
            "before": [self._line(item, rank, before.affinity_i) for rank, item in enumerate(was, 1)],
            "after": [
                {**self._line(item, rank, after.affinity_i), "rank_before": rank_before}
                for rank, (item, rank_before) in enumerate(zip(now, full_ranks(before.affinity_i, now), strict=True), 1)
            ],
            "left": [
                {
                    "item_id": self.recommender.items.ids[item],
                    "title": self.titles[item],
                    "rank_before": int(place) + 1,
                    "rank_after": rank_after,
                }
                for place, item, rank_after in zip(
                    left, was[left], full_ranks(after.affinity_i, was[left]), strict=True
                )
            ],
            "places": self._places(before.affinity_i, after.affinity_i, about),
            "candidates": int(np.isfinite(before.affinity_i).sum()),
            "rbo": float(rbo(first, second)[0]),
            "tau": float(kendall_tau(first, second)[0]),
            "kept": int(shared(first, second)[0]),
            "reconstruction": {"rbo": float(rbo(first, middle)[0]), "kept": int(shared(first, middle)[0])},
            "shares": self._changed_shares(first, second),
        }

    def items_of(self, edited: Edited, steps: Sequence[Step]) -> np.ndarray:
        """Numbers, ascending, of the items that the edits are about: those with another code, and those of goals."""
        solved = [step.edit for step in steps if isinstance(step.edit, SolvedEdit) and step.edit.on]
        meant = [item for edit in solved if (item := self.goal(edit.goal, edit.k).item) is not None]
        return np.union1d(edited.items.recoded, meant).astype(np.int64)

    def meant_items(self, steps: Sequence[Step]) -> np.ndarray:
        """Numbers, ascending, of the items that are no collateral: those of goals, and those of edits for few items."""
        found, few = [], len(self.titles) // 2
        for step in steps:
            if step.edit.on and isinstance(step.edit, SolvedEdit):
                item = self.goal(step.edit.goal, step.edit.k).item
                found += [] if item is None else [np.array([item])]
            elif step.edit.on and step.edit.side == "items" and len(step.rows) <= few:
                found.append(step.rows)
        return np.unique(np.concatenate(found)).astype(np.int64) if found else np.empty(0, np.int64)

    def _places(self, before_i: np.ndarray, after_i: np.ndarray, items: np.ndarray) -> list[dict[str, Any]]:
        was, now = (
            [rank if np.isfinite(one[item]) else None for item, rank in zip(items, full_ranks(one, items), strict=True)]
            for one in (before_i, after_i)
        )
        return [
            {"item_id": self.recommender.items.ids[item], "title": self.titles[item], "before": first, "after": second}
            for item, first, second in zip(items, was, now, strict=True)
        ]

    def list_after(self, user: int, steps: Sequence[Step], k: int, serve: Serve = "change") -> Ranked:
        """One user's top k under `steps`: nobody else is encoded, and items only where an edit is for them."""
        edited = self.edit(steps, serve, np.array([user]))
        e_ud = edited.users.e_edited if len(edited.users.rows) else None
        e_id = with_rows(self.recommender.items, edited.items).vectors if len(edited.items.rows) else None
        places, affinity_i = _top(self.recommender, edited.among(self.candidates), user, k, e_ud, e_id)
        return Ranked(places, affinity_i, edited)

    @cached_property
    def _unedited(self) -> Callable[[int, int], tuple[Ranked, Ranked]]:
        """A user's list as it is, and from reconstructions alone."""

        @lru_cache(USERS_KEPT)
        def arms(user: int, k: int) -> tuple[Ranked, Ranked]:
            both = (self.recommender, self.reconstruction.recommender)
            before, decoded = (Ranked(*_top(one, self.candidates, user, k)) for one in both)
            return before, decoded

        return arms

    def _codes(self, steps: Sequence[Step], on_users: Changed, user: int) -> list[dict[str, Any]]:
        """The user's edited neurons, before and after."""
        row = np.flatnonzero(on_users.rows == user)
        if not len(row):
            return []
        z, z_edited = on_users.z[row[0]], on_users.z_edited[row[0]]
        mine = {
            neuron
            for step in steps
            if step.edit.side == "users" and step.edit.on and user in step.rows
            for neuron in step.neurons
        }
        return [
            {
                "neuron": j,
                "before": float(z[j]),
                "after": float(z_edited[j]),
                "outside": not 0 <= z_edited[j] <= self.neurons[j].max_users,
            }
            for j in sorted(mine)
        ]

    def _line(self, item: int, rank: int, affinity: np.ndarray) -> dict[str, Any]:
        return {
            "rank": rank,
            "item_id": self.recommender.items.ids[item],
            "title": self.titles[item],
            "affinity": float(affinity[item]),
            "concepts": list(self.labels_of_items[item]),
        }

    def _shares(self, lists: np.ndarray) -> np.ndarray:
        """Share of all list places that carry each concept."""
        counts = np.bincount(lists[lists >= 0], minlength=len(self.titles))
        items = np.flatnonzero(counts)
        return np.asarray(counts[items] @ self._members[items] / max(counts.sum(), 1))

    @cached_property
    def _members(self) -> np.ndarray:
        """Which item carries which concept (items × concepts, bool)."""
        members = [concept.member for concept in self.concepts]
        return np.stack(members, axis=1) if members else np.zeros((len(self.titles), 0), bool)

    def _changed_shares(self, first: np.ndarray, second: np.ndarray) -> list[dict[str, Any]]:
        before, after = self._shares(first), self._shares(second)
        order = np.argsort(-np.abs(after - before), kind="stable")[:SHARES_SHOWN]
        return [
            {"concept": self.concepts[c].name, "before": float(before[c]), "after": float(after[c])}
            for c in order
            if before[c] != after[c]
        ]


def _top(
    recommender: Recommender,
    candidates: Candidates,
    user: int,
    k: int,
    e_ud: np.ndarray | None = None,
    e_id: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """One user's top k, as `top_k` gives it, and the masked affinities (items) behind it."""
    _, affinity = next(masked_affinities(recommender, candidates, np.array([user]), e_ud, e_id))
    return top_k(affinity, k)[0], affinity[0]


def full_rank(affinity_i: np.ndarray, item: int) -> int:
    """1-based rank of an item in a full masked ranking, ties by item number."""
    return full_ranks(affinity_i, np.array([item]))[0]


def full_ranks(affinity_i: np.ndarray, items: np.ndarray) -> list[int]:
    """The same of several items: the affinities are sorted once, and ties looked at where there are any."""
    ascending, own = np.sort(affinity_i), affinity_i[items]
    first, end = np.searchsorted(ascending, own, "left"), np.searchsorted(ascending, own, "right")
    ranks = len(ascending) - end + 1
    for n in np.flatnonzero(end - first > 1):
        ranks[n] += (affinity_i[: items[n]] == own[n]).sum()
    return [int(rank) for rank in ranks]
