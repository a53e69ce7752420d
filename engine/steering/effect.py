"""What edits do to ranked lists: one user's before and after, and a cohort's with its collateral."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.fidelity import kendall_tau, rbo, shared
from engine.neurons.table import ConceptItems, Neuron
from engine.recommenders.ranking import Candidates, Histories, masked_affinities, mean, ndcg, ranked_lists, top_k
from engine.recommenders.recommender import Recommender
from engine.sae.model import SparseAutoencoder
from engine.steering.edits import Edit, edited_codes, edited_vectors

SHARES_SHOWN = 8
"""Concepts whose share is reported for one user's list, the most changed first."""
REACH_SHOWN = 10
WORST_SHOWN = 5


@dataclass(frozen=True)
class Steering:
    """A run and its catalogue, ready to rank: everything an edit's effect is computed from."""

    recommender: Recommender
    sae: SparseAutoencoder
    neurons: Sequence[Neuron]
    candidates: Candidates
    held_out: Histories
    titles: Sequence[str]
    concepts: Sequence[ConceptItems]
    labels_of_items: Sequence[Sequence[str]]
    """Each item's genres or tags, for display."""

    def rank(self, user: int, edits: Sequence[Edit], k: int) -> dict[str, Any]:
        """One user's top k before and after the edits, with rank changes, leavers and list figures."""
        users = np.array([user])
        z, z_edited, e_edited = self._edited(users, edits)
        _, before = next(masked_affinities(self.recommender, self.candidates, users))
        _, after = next(masked_affinities(self.recommender, self.candidates, users, e_edited))
        first, second = top_k(before, k), top_k(after, k)
        was, now = first[0][first[0] >= 0], second[0][second[0] >= 0]
        rank_before = {int(item): rank for rank, item in enumerate(was, 1)}
        left = [int(item) for item in was if item not in set(now.tolist())]
        return {
            "codes": [
                {
                    "neuron": j,
                    "before": float(z[0, j]),
                    "after": float(z_edited[0, j]),
                    "outside": not 0 <= z_edited[0, j] <= self.neurons[j].max_users,
                }
                for j in sorted({edit.neuron for edit in edits})
            ],
            "before": [self._line(item, rank, before[0]) for rank, item in enumerate(was, 1)],
            "after": [
                {**self._line(item, rank, after[0]), "rank_before": full_rank(before[0], item)}
                for rank, item in enumerate(now, 1)
            ],
            "left": [
                {
                    "item_id": self.recommender.items.ids[item],
                    "title": self.titles[item],
                    "rank_before": rank_before[item],
                    "rank_after": full_rank(after[0], item),
                }
                for item in left
            ],
            "rbo": float(rbo(first, second)[0]),
            "tau": float(kendall_tau(first, second)[0]),
            "kept": int(shared(first, second)[0]),
            "shares": self._changed_shares(first, second),
        }

    def effect(
        self, users: np.ndarray, edits: Sequence[Edit], k: int, watched: Sequence[int] | None = None
    ) -> dict[str, Any]:
        """A cohort's lists before and after the edits: `before` and `after` with the same keys, `collateral`.

        `watched` are the users of the cohort whose lists are spelled out; default: the one whose list
        changed most.
        """
        z, z_edited, e_edited = self._edited(users, edits)
        first = ranked_lists(self.recommender, self.candidates, users, k)
        second = ranked_lists(self.recommender, self.candidates, users, k, e_edited)
        if watched is None:
            watched = [int(users[rbo(first, second).argmin()])]
        return {
            "before": self._arm(users, first, k, watched, None),
            "after": self._arm(users, second, k, watched, e_edited),
            "collateral": self._collateral(users, edits, (z_edited != z).any(axis=1), e_edited, first, second),
        }

    def _edited(self, users: np.ndarray, edits: Sequence[Edit]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        e = self.recommender.users.vectors[users]
        z = self.sae.encode(e, "users")
        z_edited = edited_codes(z, edits, [neuron.p99_users for neuron in self.neurons])
        return z, z_edited, edited_vectors(self.sae, e, z, z_edited, "users")

    def _line(self, item: int, rank: int, affinity: np.ndarray) -> dict[str, Any]:
        return {
            "rank": rank,
            "item_id": self.recommender.items.ids[item],
            "title": self.titles[item],
            "affinity": float(affinity[item]),
            "concepts": list(self.labels_of_items[item]),
        }

    def _arm(
        self,
        users: np.ndarray,
        lists: np.ndarray,
        k: int,
        watched: Sequence[int],
        edited: np.ndarray | None,
    ) -> dict[str, Any]:
        counts = np.bincount(lists[lists >= 0], minlength=len(self.titles))
        shown = np.argsort(-counts, kind="stable")[:REACH_SHOWN]
        tested = self.held_out.lengths()[users] > 0
        return {
            "lists": [self._watched_list(users, lists, user, edited) for user in watched],
            "concept_shares": dict(
                zip((concept.name for concept in self.concepts), self._shares(lists).tolist(), strict=True)
            ),
            "reach": {
                "items_shown": int((counts > 0).sum()),
                "most_shown": [
                    {
                        "item_id": self.recommender.items.ids[item],
                        "title": self.titles[item],
                        "users": int(counts[item]),
                    }
                    for item in shown
                    if counts[item]
                ],
            },
            "ndcg10": mean(ndcg(lists[tested], self.held_out, users[tested])) if k >= 10 else None,
        }

    def _watched_list(
        self, users: np.ndarray, lists: np.ndarray, user: int, edited: np.ndarray | None
    ) -> dict[str, Any]:
        row = int(np.searchsorted(users, user))
        alone = users[row : row + 1]
        _, before = next(masked_affinities(self.recommender, self.candidates, alone))
        after = before
        if edited is not None:
            _, after = next(masked_affinities(self.recommender, self.candidates, alone, edited[row : row + 1]))
        return {
            "user": self.recommender.users.ids[user],
            "items": [
                {**self._line(item, rank, after[0]), "rank_before": full_rank(before[0], item)}
                for rank, item in enumerate(lists[row][lists[row] >= 0], 1)
            ],
        }

    def _collateral(
        self,
        users: np.ndarray,
        edits: Sequence[Edit],
        changed: np.ndarray,
        e_edited: np.ndarray,
        first: np.ndarray,
        second: np.ndarray,
    ) -> dict[str, Any]:
        about = sorted({name for edit in edits if (name := self.neurons[edit.neuron].concept)})
        inside = np.any([concept.member for concept in self.concepts if concept.name in about], axis=0)
        rest = Candidates(self.candidates.seen, self.candidates.eligible & ~inside)
        k = first.shape[1]
        rest_first = ranked_lists(self.recommender, rest, users, k)
        rest_second = ranked_lists(self.recommender, rest, users, k, e_edited)
        each = rbo(first, second)
        others = [c for c, concept in enumerate(self.concepts) if concept.name not in about]
        drift = np.abs(self._shares(second) - self._shares(first))[others]
        worst = np.argsort(each, kind="stable")[:WORST_SHOWN]
        return {
            "about": about,
            "users": len(users),
            "users_changed": int(changed.sum()),
            "rbo": float(each.mean()),
            "rbo_of_the_rest": float(rbo(rest_first, rest_second).mean()) if about else None,
            "kept": float(shared(first, second).mean()),
            "drift_of_other_concepts": float(drift.mean()) if len(others) else None,
            "most_changed_users": [
                {"user": self.recommender.users.ids[users[row]], "rbo": float(each[row])} for row in worst
            ],
        }

    def _shares(self, lists: np.ndarray) -> np.ndarray:
        """Share of all list places that carry each concept."""
        items = lists[lists >= 0]
        counts = np.bincount(items, minlength=len(self.titles))
        return np.array([counts[concept.member].sum() for concept in self.concepts]) / max(len(items), 1)

    def _changed_shares(self, first: np.ndarray, second: np.ndarray) -> list[dict[str, Any]]:
        before, after = self._shares(first), self._shares(second)
        order = np.argsort(-np.abs(after - before), kind="stable")[:SHARES_SHOWN]
        return [
            {"concept": self.concepts[c].name, "before": float(before[c]), "after": float(after[c])}
            for c in order
            if before[c] != after[c]
        ]


def full_rank(affinity_i: np.ndarray, item: int) -> int:
    """1-based rank of an item in a full masked ranking, ties by item number."""
    better = affinity_i > affinity_i[item]
    tied = affinity_i[:item] == affinity_i[item]
    return int(better.sum() + tied.sum() + 1)
