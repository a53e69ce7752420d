"""What edits do to a cohort's lists: three arms with the same figures, and the collateral."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import EditError
from engine.fidelity import kendall_tau, rbo, shared
from engine.recommenders.ranking import masked_affinities, mean
from engine.steering.cohort import PLACED_USERS, Cohort, Edited
from engine.steering.edits import Edit, Serve, SolvedEdit, Step
from engine.steering.goals import concept_named
from engine.steering.lists import Lists, full_rank

REACH_SHOWN = 10
WORST_SHOWN = 5
GROUPS_AT_MOST = 30
"""Values of a user column that are told apart, the commonest first."""


@dataclass(frozen=True)
class Reranked:
    """A cohort's lists under edits. `about` are the concepts, and `about_items` the ids, that are no collateral."""

    about: Sequence[str]
    about_items: Sequence[str]
    inside: np.ndarray
    """All items that either is about (bool)."""
    lists: np.ndarray
    rest: tuple[np.ndarray, np.ndarray] | None
    """The lists without what the edits are about, before and after; None where they are about nothing."""


@dataclass(frozen=True)
class Steering(Lists):
    """A run and its catalogue, ready to be steered: everything an edit's effect is computed from."""

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
        return self.effect_and_lists(users, edits, k, watched, serve, about, by)[0]

    def effect_and_lists(
        self,
        users: np.ndarray,
        edits: Sequence[Edit | Step],
        k: int,
        watched: Sequence[int] | None = None,
        serve: Serve = "change",
        about: Sequence[str] | None = None,
        by: str | None = None,
    ) -> tuple[dict[str, Any], Cohort, np.ndarray]:
        """`effect`, the cohort with its unedited lists, and its lists under the edits (users × k)."""
        steps = self.steps(edits)
        edited = self.edit(steps, serve, users)
        cohort = Cohort(self, users, k)
        ranked = self.reranked(cohort, edited, steps, about)
        lists = ranked.lists
        if watched is None:
            watched = [int(users[cohort.rbo(lists).argmin()])]
        shown = self.items_of(edited, steps)
        arms = {
            "before": (cohort.before, None),
            "reconstruction": (cohort.lists(self.reconstruction), self.reconstruction),
            "after": (lists, edited),
        }
        told = {
            **{name: self._whole_arm(cohort, each, watched, arm, shown) for name, (each, arm) in arms.items()},
            **self.change(cohort, edited, ranked, steps, by),
        }
        return told, cohort, lists

    def rebuilt(self, cohort: Cohort) -> tuple[dict[str, Any], np.ndarray]:
        """The lists where every vector is what its code decodes to: `arm`, how alike they are to `before`, and they."""
        lists = cohort.lists(self.reconstruction)
        return {**self.arm(cohort, lists), **_fidelity(cohort, lists)}, lists

    def reranked(
        self, cohort: Cohort, edited: Edited, steps: Sequence[Step], about: Sequence[str] | None = None
    ) -> "Reranked":
        """A cohort's lists under `edited`, and those of everything that the edits are not about."""
        meant, items = self.meant(steps, about), self.meant_items(steps)
        inside = self.inside(meant, items)
        ids = [self.recommender.items.ids[item] for item in items]
        if not inside.any():
            return Reranked(meant, ids, inside, cohort.lists(edited), None)
        lists, rest = cohort.lists_and_rest(edited, inside)
        return Reranked(meant, ids, inside, lists, (cohort.without(inside).before, rest))

    def inside(self, concepts: Sequence[str], items: np.ndarray) -> np.ndarray:
        """What is no collateral (bool, items): all that carry one of the concepts, and the items themselves."""
        member = np.any([concept.member for concept in self.concepts if concept.name in concepts], axis=0)
        found = np.broadcast_to(member, len(self.titles)).copy()
        found[items] = True
        return found

    def change(
        self, cohort: Cohort, edited: Edited, ranked: "Reranked", steps: Sequence[Step], by: str | None = None
    ) -> dict[str, Any]:
        """`outside`, `collateral` and `groups` of a cohort that was `reranked` under `edited`."""
        return {
            "outside": self._outside(steps, edited),
            "collateral": self._collateral(cohort, edited, ranked),
            "groups": self._groups(cohort, ranked, by),
        }

    def meant(self, steps: Sequence[Step], about: Sequence[str] | None) -> list[str]:
        """The concepts that are not collateral: `about`, or those of the steps' neurons and goals.

        An edit for few items is about these (`meant_items`), and not about all that share their neuron's concept.
        """
        if about is None:
            return sorted({name for step in steps if step.edit.on for name in self._about(step)})
        return sorted({concept_named(one, self.concepts) for one in about})

    def _about(self, step: Step) -> list[str]:
        """The concept that a solved edit's goal names, or that of the neuron."""
        if isinstance(step.edit, SolvedEdit):
            goal = self.goal(step.edit.goal, step.edit.k)
            return [] if goal.item is not None else [goal.concept]
        concept = self.neurons[step.edit.neuron].concept
        return [concept] if concept and not len(self.meant_items([step])) else []

    def _outside(self, steps: Sequence[Step], edited: Edited) -> list[dict[str, Any]]:
        """Edited neurons that some row now has at a value that no row of its side had: below 0, or above the most."""
        found = []
        for side, change in (("users", edited.users), ("items", edited.items)):
            mine = (step for step in steps if step.edit.side == side and step.edit.on)
            for j in sorted({neuron for step in mine for neuron in step.neurons}):
                most = getattr(self.neurons[j], f"max_{side}")
                z, edited_z = change.z[:, j], change.z_edited[:, j]
                beyond = (z != edited_z) & ((edited_z < 0) | (edited_z > most))
                if beyond.any():
                    told = {"rows": int(beyond.sum()), "of": len(change.rows), "observed_most": most}
                    found.append({"side": side, "neuron": j, **told})
        return found

    def _whole_arm(
        self, cohort: Cohort, lists: np.ndarray, watched: Sequence[int], edited: Edited | None, items: np.ndarray
    ) -> dict[str, Any]:
        """`arm`, with how alike the lists are to `before`, those of the watched, and who sees the edited items."""
        told = {**self.arm(cohort, lists), **_fidelity(cohort, lists)}
        told["reach"]["edited_items"] = self.edited_items(cohort, lists, edited, items)
        return {"lists": [self._watched_list(cohort, lists, user, edited) for user in watched], **told}

    def edited_items(
        self, cohort: Cohort, lists: np.ndarray, edited: Edited | None, items: np.ndarray
    ) -> list[dict[str, Any]]:
        """Of the first of `items`: who has it in the cohort's `lists`, and its median place in the whole rankings.

        The median is over those of `placed` users to whom it may be recommended; None where it is nobody.
        """
        counts, items = np.bincount(lists[lists >= 0], minlength=len(self.titles)), items[:REACH_SHOWN]
        places = cohort.sampled(PLACED_USERS).places(edited, items.tolist())
        return [
            {
                **self._reached(item, counts),
                "median_place": None if np.isnan(own).all() else float(np.nanmedian(own)),
                "placed": len(own),
            }
            for item, own in zip(items, places.T, strict=True)
        ]

    def arm(self, cohort: Cohort, lists: np.ndarray) -> dict[str, Any]:
        """The figures of a cohort's `lists`."""
        counts = np.bincount(lists[lists >= 0], minlength=len(self.titles))
        shown = [item for item in np.argsort(-counts, kind="stable")[:REACH_SHOWN] if counts[item]]
        ndcg10 = cohort.ndcg(lists)
        return {
            "concept_shares": dict(
                zip((concept.name for concept in self.concepts), self._shares(lists).tolist(), strict=True)
            ),
            "reach": {
                "items_shown": int((counts > 0).sum()),
                "most_shown": [self._reached(item, counts) for item in shown],
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
        was, now = cohort.before[row : row + 1], lists[row : row + 1]
        return {
            "user": self.recommender.users.ids[user],
            "rbo": float(rbo(was, now)[0]),
            "tau": float(kendall_tau(was, now)[0]),
            "kept": int(shared(was, now)[0]),
            "items": [
                {**self._line(item, rank, after[0]), "rank_before": full_rank(before[0], item)}
                for rank, item in enumerate(lists[row][lists[row] >= 0], 1)
            ],
        }

    def _collateral(self, cohort: Cohort, edited: Edited, ranked: "Reranked") -> dict[str, Any]:
        about, lists = ranked.about, ranked.lists
        each = cohort.rbo(lists)
        others = [c for c, concept in enumerate(self.concepts) if concept.name not in about]
        drift = np.abs(self._shares(lists) - self._shares(cohort.before))[others]
        was, now = cohort.ndcg(cohort.before), cohort.ndcg(lists)
        worst = np.argsort(each, kind="stable")[:WORST_SHOWN]
        lost = [row for row in np.argsort(now - was, kind="stable")[:WORST_SHOWN] if now[row] < was[row]]
        return {
            "about": list(about),
            "about_items": list(ranked.about_items),
            "users": len(cohort.users),
            "users_changed": int(np.isin(cohort.users, edited.users.recoded).sum()),
            "users_filtered": int(np.isin(cohort.users, edited.filtered).sum()),
            "items_changed": len(edited.items.recoded),
            "lists_changed": int((lists != cohort.before).any(axis=1).sum()),
            "rbo": float(each.mean()),
            "rbo_of_the_rest": None if ranked.rest is None else float(rbo(*ranked.rest).mean()),
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

    def _groups(self, cohort: Cohort, ranked: "Reranked", by: str | None) -> dict[str, Any] | None:
        """Shares are of the places that hold what the edits are about; None where they are about nothing."""
        if by is None:
            return None
        values, lists = self.values(cohort.users, by), ranked.lists
        names, counts = np.unique(values, return_counts=True)
        unknown = np.full(len(values), np.nan)
        inside = ranked.inside if ranked.inside.any() else None
        figures = {
            "share_before": unknown if inside is None else cohort.share(cohort.before, inside),
            "share_after": unknown if inside is None else cohort.share(lists, inside),
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


def _fidelity(cohort: Cohort, lists: np.ndarray) -> dict[str, float]:
    """How alike a cohort's `lists` are to those without an edit, mean over users."""
    return {"rbo": float(cohort.rbo(lists).mean()), "kept": float(cohort.kept(lists).mean())}


def _known_mean(values: np.ndarray) -> float | None:
    return mean(values[~np.isnan(values)])
