"""What edits do to ranked lists: one user's before and after, and a cohort's with its collateral."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from engine.errors import EditError
from engine.fidelity import kendall_tau, rbo, shared
from engine.neurons.table import Neuron
from engine.recommenders.ranking import Candidates, masked_affinities, mean, top_k
from engine.recommenders.recommender import Recommender
from engine.sae.model import SparseAutoencoder
from engine.steering.cohort import Cohort, Edited, Library
from engine.steering.edits import Changed, Edit, Match, Serve, SolvedEdit, Step, changed, step_of, with_rows
from engine.steering.filters import Filter
from engine.steering.goals import Goal, concept_named

SHARES_SHOWN = 8
"""Concepts whose share is reported for one user's list, the most changed first."""
REACH_SHOWN = 10
WORST_SHOWN = 5
GROUPS_AT_MOST = 30
"""Values of a user column that are told apart, the commonest first."""
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
class Steering(Library):
    """A run and its catalogue, ready to rank: everything an edit's effect is computed from."""

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
        """One user's top k before and after the edits, with rank changes, leavers and list figures."""
        steps = self.steps(edits)
        (before, decoded), after = self._unedited(user, k), self.list_after(user, steps, k, serve)
        was, now = before.items, after.items
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
            "rbo": float(rbo(first, second)[0]),
            "tau": float(kendall_tau(first, second)[0]),
            "kept": int(shared(first, second)[0]),
            "reconstruction": {"rbo": float(rbo(first, middle)[0]), "kept": int(shared(first, middle)[0])},
            "shares": self._changed_shares(first, second),
        }

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

    def effect(
        self,
        users: np.ndarray,
        edits: Sequence[Edit | Step],
        k: int,
        watched: Sequence[int] | None = None,
        serve: Serve = "change",
        about: Sequence[str] | None = None,
        by: str | None = None,
    ) -> dict[str, Any]:
        """A cohort's lists before and after the edits: `before`, `reconstruction` and `after` with the same keys.

        `watched` are the users whose lists are spelled out; default: the one whose list changed most. `about` names the
        concepts that the edit is meant to change; default: those of its neurons. `by` is a column of the users whose
        groups are told apart.
        """
        steps = self.steps(edits)
        edited = self.edit(steps, serve, users)
        cohort = Cohort(self, users, k)
        lists = cohort.lists(edited)
        if watched is None:
            watched = [int(users[cohort.rbo(lists).argmin()])]
        meant = self.meant(steps, about)
        shown = np.union1d(edited.items.recoded, self._items_meant(steps)).astype(np.int64)
        arms = {
            "before": (cohort.before, None),
            "reconstruction": (cohort.lists(self.reconstruction), self.reconstruction),
            "after": (lists, edited),
        }
        return {
            **{name: self._arm(cohort, ranked, watched, arm, shown) for name, (ranked, arm) in arms.items()},
            "outside": self._outside(steps, edited),
            "collateral": self._collateral(cohort, edited, meant, lists, steps),
            "groups": self._groups(cohort, lists, meant, by),
        }

    def meant(self, steps: Sequence[Step], about: Sequence[str] | None) -> list[str]:
        """The concepts that are not collateral: `about`, or those of the steps' neurons and goals."""
        if about is None:
            return sorted({name for step in steps if step.edit.on for name in self._about(step)})
        return sorted({concept_named(one, self.concepts) for one in about})

    def _about(self, step: Step) -> list[str]:
        """The concept that a solved edit's goal names, or that of the neuron."""
        if isinstance(step.edit, SolvedEdit):
            goal = self.goal(step.edit.goal, step.edit.k)
            return [] if goal.item is not None else [goal.concept]
        concept = self.neurons[step.edit.neuron].concept
        return [concept] if concept else []

    def _outside(self, steps: Sequence[Step], edited: Edited) -> list[dict[str, Any]]:
        """Edited neurons that some row now has at a value that no row of its side had: below 0, or above the most."""
        found = []
        for side, change in (("users", edited.users), ("items", edited.items)):
            mine = (step for step in steps if step.edit.side == side and step.edit.on)
            for j in sorted({neuron for step in mine for neuron in step.neurons}):
                most = getattr(self.neurons[j], f"max_{side}")
                beyond = (change.z_edited[:, j] < 0) | (change.z_edited[:, j] > most)
                if beyond.any():
                    told = {"rows": int(beyond.sum()), "of": len(change.rows), "observed_most": most}
                    found.append({"side": side, "neuron": j, **told})
        return found

    def _line(self, item: int, rank: int, affinity: np.ndarray) -> dict[str, Any]:
        return {
            "rank": rank,
            "item_id": self.recommender.items.ids[item],
            "title": self.titles[item],
            "affinity": float(affinity[item]),
            "concepts": list(self.labels_of_items[item]),
        }

    def _arm(
        self, cohort: Cohort, lists: np.ndarray, watched: Sequence[int], edited: Edited | None, items: np.ndarray
    ) -> dict[str, Any]:
        counts = np.bincount(lists[lists >= 0], minlength=len(self.titles))
        shown = [item for item in np.argsort(-counts, kind="stable")[:REACH_SHOWN] if counts[item]]
        ndcg10 = cohort.ndcg(lists)
        return {
            "lists": [self._watched_list(cohort, lists, user, edited) for user in watched],
            "concept_shares": dict(
                zip((concept.name for concept in self.concepts), self._shares(lists).tolist(), strict=True)
            ),
            "reach": {
                "items_shown": int((counts > 0).sum()),
                "most_shown": [self._reached(item, counts) for item in shown],
                "edited_items": [self._reached(item, counts) for item in items[:REACH_SHOWN]],
            },
            "exposure": dict(cohort.exposure(lists)),
            "novelty": _known_mean(cohort.novelty(lists)),
            "diversity": _known_mean(cohort.diversity(lists)),
            "label_entropy": _known_mean(cohort.entropy(lists)),
            "ndcg10": _known_mean(ndcg10) if lists.shape[1] >= 10 else None,
        }

    def _reached(self, item: int, counts: np.ndarray) -> dict[str, Any]:
        return {"item_id": self.recommender.items.ids[item], "title": self.titles[item], "users": int(counts[item])}

    def _watched_list(self, cohort: Cohort, lists: np.ndarray, user: int, edited: Edited | None) -> dict[str, Any]:
        row = int(np.searchsorted(cohort.users, user))
        alone = cohort.users[row : row + 1]
        _, before = next(masked_affinities(self.recommender, self.candidates, alone))
        after = before
        if edited is not None:
            _, after = next(masked_affinities(edited.recommender, self.candidates, alone))
        return {
            "user": self.recommender.users.ids[user],
            "items": [
                {**self._line(item, rank, after[0]), "rank_before": full_rank(before[0], item)}
                for rank, item in enumerate(lists[row][lists[row] >= 0], 1)
            ],
        }

    def _items_meant(self, steps: Sequence[Step]) -> list[int]:
        """Items that solved edits are to bring into lists."""
        solved = [step.edit for step in steps if isinstance(step.edit, SolvedEdit) and step.edit.on]
        items = [self.goal(edit.goal, edit.k).item for edit in solved]
        return [item for item in items if item is not None]

    def _collateral(
        self, cohort: Cohort, edited: Edited, about: Sequence[str], lists: np.ndarray, steps: Sequence[Step]
    ) -> dict[str, Any]:
        inside = np.any([concept.member for concept in self.concepts if concept.name in about], axis=0)
        inside = np.broadcast_to(inside, len(self.titles)).copy()
        promoted = np.union1d(edited.items.recoded, self._items_meant(steps)).astype(np.int64)
        alone = 0 < len(promoted) <= len(self.titles) // 2
        if alone:  # an edit of items is about them, and no longer about all that share their neuron
            inside[:] = False
            inside[promoted] = True
        rest = rest_first = None
        if inside.any():
            candidates = Candidates(self.candidates.seen, self.candidates.eligible & ~inside)
            rest_cohort = Cohort(_without(self, candidates), cohort.users, cohort.k)
            rest_first, rest = rest_cohort.before, rest_cohort.lists(edited.unfiltered)
        each = cohort.rbo(lists)
        others = [c for c, concept in enumerate(self.concepts) if concept.name not in about]
        drift = np.abs(self._shares(lists) - self._shares(cohort.before))[others]
        was, now = cohort.ndcg(cohort.before), cohort.ndcg(lists)
        worst = np.argsort(each, kind="stable")[:WORST_SHOWN]
        lost = [row for row in np.argsort(now - was, kind="stable")[:WORST_SHOWN] if now[row] < was[row]]
        return {
            "about": list(about),
            "about_items": [self.recommender.items.ids[item] for item in promoted] if alone else [],
            "users": len(cohort.users),
            "users_changed": int(np.isin(cohort.users, edited.users.recoded).sum()),
            "users_filtered": int(np.isin(cohort.users, edited.filtered).sum()),
            "items_changed": len(edited.items.recoded),
            "lists_changed": int((lists != cohort.before).any(axis=1).sum()),
            "rbo": float(each.mean()),
            "rbo_of_the_rest": None if rest is None or rest_first is None else float(rbo(rest_first, rest).mean()),
            "kept": float(cohort.kept(lists).mean()),
            "drift_of_other_concepts": float(drift.mean()) if len(others) else None,
            "most_changed_users": [
                {"user": self.recommender.users.ids[cohort.users[row]], "rbo": float(each[row])} for row in worst
            ],
            "lost_most_ndcg": [
                {
                    "user": self.recommender.users.ids[cohort.users[row]],
                    "before": float(was[row]),
                    "after": float(now[row]),
                }
                for row in lost
            ],
        }

    def values(self, users: np.ndarray, by: str) -> np.ndarray:
        """A column of these users, as texts; `EditError` where there is no such column."""
        if by not in self.attributes:
            has = ", ".join(self.attributes) or "none"
            raise EditError(f"The users have no column {by!r}; there are {has}.")
        return np.array([str(self.attributes[by][user]) for user in users])

    def _groups(self, cohort: Cohort, lists: np.ndarray, about: Sequence[str], by: str | None) -> dict[str, Any] | None:
        if by is None:
            return None
        values = self.values(cohort.users, by)
        names, counts = np.unique(values, return_counts=True)
        member = np.any([concept.member for concept in self.concepts if concept.name in about], axis=0)
        member = np.broadcast_to(member, len(self.titles))
        figures = {
            "share_before": cohort.share(cohort.before, member),
            "share_after": cohort.share(lists, member),
            "rbo": cohort.rbo(lists),
            "ndcg10_before": cohort.ndcg(cohort.before),
            "ndcg10_after": cohort.ndcg(lists),
            "novelty_before": cohort.novelty(cohort.before),
            "novelty_after": cohort.novelty(lists),
            "diversity_before": cohort.diversity(cohort.before),
            "diversity_after": cohort.diversity(lists),
        }
        largest = np.argsort(-counts, kind="stable")[:GROUPS_AT_MOST]
        rows = [
            {
                "value": str(names[g]),
                "users": int(counts[g]),
                **{name: _known_mean(each[values == names[g]]) for name, each in figures.items()},
            }
            for g in sorted(largest)
        ]
        return {"column": by, "values": len(names), "rows": rows}

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


def _without(library: Library, candidates: Candidates) -> Library:
    return Library(library.recommender, candidates, library.held_out, library.labels_of_items, library.concepts)


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


def _known_mean(values: np.ndarray) -> float | None:
    return mean(values[~np.isnan(values)])


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
