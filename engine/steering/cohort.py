"""A cohort's ranked lists, before and after edits, and the figures that are read off them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from engine.fidelity import rbo, shared
from engine.neurons.table import ConceptItems
from engine.recommenders.ranking import Candidates, Histories, masked_affinities, ndcg, top_k
from engine.recommenders.recommender import Recommender, Tower
from engine.steering.edits import Changed, with_vectors
from engine.steering.filters import Filter, Filtered

USUAL_COVER = 0.8
"""A user's usual genres or tags are the fewest, the commonest first, that cover this share of their history."""
PAIRS_AT_ONCE = 8_000_000
"""Pairs of places in lists that are compared at once."""
TICK_CELLS = 1_000_000
"""Cells of affinities between two ticks: a fifth of a second for a small MLP."""
PLACED_USERS = 500
"""Of a larger cohort the places of items are those of so many users, drawn at random: each takes a whole ranking."""
SEED = 0
"""Draws the users that stand for a cohort."""
MERGED_ITEMS = 200
"""Up to so many edited items are put into the lists of the others; beyond, everything is ranked anew."""


@dataclass(frozen=True)
class Edited:
    """Edits of a recommender: the rows that they are for, and the whole of it if it is asked for."""

    original: Recommender
    users: Changed
    items: Changed
    filters: Sequence[Filter] = ()
    """Of users whom a solved edit could not bring to its goal."""

    def among(self, candidates: Candidates) -> Candidates:
        """What of `candidates` the filters leave."""
        return Filtered(candidates.seen, candidates.eligible, self.filters) if self.filters else candidates

    @property
    def filtered(self) -> np.ndarray:
        """Numbers of the users whom a filter serves."""
        return np.unique(np.concatenate([np.empty(0, np.int64), *(one.users for one in self.filters)]))

    @property
    def unfiltered(self) -> "Edited":
        """The same without its filters: for lists that a concept's items are left out of anyway."""
        return replace(self, filters=())

    @cached_property
    def recommender(self) -> Recommender:
        """The recommender under the edits; a side without any keeps its very array."""
        return with_vectors(self.original, self.users, self.items)


@dataclass(frozen=True)
class Library:
    """What lists are made from and measured with, by item and user number."""

    recommender: Recommender
    candidates: Candidates
    held_out: Histories
    labels_of_items: Sequence[Sequence[str]]
    concepts: Sequence[ConceptItems]

    @cached_property
    def labels(self) -> np.ndarray:
        """Which item carries which genre or tag (items × labels, bool)."""
        names = sorted({name for labels in self.labels_of_items for name in labels})
        place = {name: column for column, name in enumerate(names)}
        carried = np.zeros((len(self.labels_of_items), len(names)), bool)
        for item, labels in enumerate(self.labels_of_items):
            carried[item, [place[name] for name in labels]] = True
        return carried

    @cached_property
    def percentile(self) -> np.ndarray:
        """Popularity percentile of each item among those that may be recommended: 0 the most popular, 100 the least."""
        count = np.bincount(self.candidates.seen.items, minlength=len(self.candidates.eligible)).astype(float)
        found = np.full(len(count), np.nan)
        eligible = np.flatnonzero(self.candidates.eligible)
        order = np.argsort(-count[eligible], kind="stable")
        found[eligible[order]] = 100 * np.arange(len(eligible)) / max(len(eligible) - 1, 1)
        return found


class Cohort:
    """The lists of `users` (numbers, ascending) at depth k: as they are, and under any edits."""

    def __init__(self, library: Library, users: np.ndarray, k: int) -> None:
        self.library, self.users, self.k = library, users, min(k, len(library.recommender.items.ids))
        self._tick: Callable[[], None] | None = None
        self._rest: tuple[bytes, Cohort] | None = None

    def watch(self, tick: Callable[[], None] | None) -> None:
        """Call `tick` between chunks of users from now on; what it raises ends the ranking."""
        self._tick = tick

    def sampled(self, most: int) -> "Cohort":
        """The cohort, or `most` of its users drawn at random, the same ones every time."""
        if len(self.users) <= most:
            return self
        found = Cohort(self.library, drawn(self.users, most), self.k)
        found.watch(self._tick)
        return found

    def without(self, inside: np.ndarray) -> "Cohort":
        """The same users without some items (bool, items) in their lists; that of the last items is kept."""
        key = np.packbits(inside).tobytes()
        if self._rest is None or self._rest[0] != key:
            self._rest = (key, _Rest(self, inside))
        self._rest[1].watch(self._tick)
        return self._rest[1]

    def lists_and_rest(self, edited: Edited, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`lists(edited)`, and those without the items `inside` (bool, items); of users alone both in one ranking."""
        rest = self.without(inside)
        if edited.filters or len(edited.items.moved):
            return self.lists(edited), rest.lists(edited.unfiltered)
        lists, others = self.before.copy(), rest.before.copy()
        rows = np.flatnonzero(np.isin(self.users, edited.users.moved))
        for part, affinity in self.affinities(edited.recommender, self.library.candidates, self.users[rows]):
            lists[rows[part]] = top_k(affinity, self.k)
            np.copyto(affinity, -np.inf, where=inside)
            others[rows[part]] = top_k(affinity, self.k)
        return lists, others

    def _ranked(self, recommender: Recommender, candidates: Candidates, users: np.ndarray) -> np.ndarray:
        lists = np.empty((len(users), self.k), np.int32)
        for part, affinity in self.affinities(recommender, candidates, users):
            lists[part] = top_k(affinity, self.k)
        return lists

    def affinities(
        self, recommender: Recommender, candidates: Candidates, users: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """As `masked_affinities`; with a tick in smaller chunks, so that it comes soon enough."""
        step = max(len(users), 1)
        if self._tick is not None:
            step = max(1, TICK_CELLS // len(recommender.items.ids))
        for start in range(0, len(users), step):
            for part, affinity in masked_affinities(recommender, candidates, users[start : start + step]):
                if self._tick is not None:
                    self._tick()
                yield slice(start + part.start, start + part.start + len(affinity)), affinity

    @cached_property
    def before(self) -> np.ndarray:
        """The lists without an edit (users × k)."""
        return self.deep[0][:, : self.k]

    def lists(self, edited: Edited) -> np.ndarray:
        """The lists under `edited`. Only what it touches is ranked anew: moved users, and moved items in each list."""
        among, moved = edited.among(self.library.candidates), edited.items.moved
        if len(moved) > MERGED_ITEMS:
            return self._ranked(edited.recommender, among, self.users)
        lists = self._merged(edited.recommender, moved) if len(moved) else self.before.copy()
        rows = np.flatnonzero(np.isin(self.users, np.concatenate([edited.users.moved, edited.filtered])))
        if len(rows):
            lists[rows] = self._ranked(edited.recommender, among, self.users[rows])
        return lists

    @cached_property
    def deep(self) -> tuple[np.ndarray, np.ndarray]:
        """The lists without an edit at twice the depth (users × 2k, -1 = no more), and their affinities."""
        library, depth = self.library, min(2 * self.k, len(self.library.recommender.items.ids))
        lists = np.empty((len(self.users), depth), np.int32)
        affinities = np.empty(lists.shape, np.float32)
        for part, affinity in self.affinities(library.recommender, library.candidates, self.users):
            lists[part] = top_k(affinity, depth)
            affinities[part] = np.take_along_axis(affinity, np.maximum(lists[part], 0), axis=1)
        return lists, affinities

    def _merged(self, recommender: Recommender, moved: np.ndarray) -> np.ndarray:
        """The lists when `moved` items alone have other vectors: the best of the others, and the moved put in.

        The others come out of deeper lists; whoever loses too much of theirs is ranked anew.
        """
        deep, affinity = self.deep
        items, candidates = recommender.items, self.library.candidates
        is_moved = np.zeros(len(items.ids), bool)
        is_moved[moved] = True
        others = (deep >= 0) & ~is_moved[deep]
        few = Recommender(
            recommender.users,
            Tower([items.ids[item] for item in moved], items.vectors[moved], items.bias[moved]),
            recommender.scorer,
        )
        unseen = Candidates(_renumbered(candidates.seen, moved), candidates.eligible[moved])
        lists = np.empty_like(self.before)
        for part, moved_affinity in masked_affinities(few, unseen, self.users):
            both = np.concatenate([np.where(others[part], affinity[part], -np.inf), moved_affinity], axis=1)
            number = np.concatenate([deep[part], np.broadcast_to(moved, moved_affinity.shape)], axis=1)
            order = np.lexsort((number, -both), axis=1)[:, : self.k]
            there = np.isfinite(np.take_along_axis(both, order, axis=1))
            lists[part] = np.where(there, np.take_along_axis(number, order, axis=1), -1)
        short = np.flatnonzero((deep[:, -1] >= 0) & (others.sum(axis=1) < self.k))
        lists[short] = self._ranked(recommender, candidates, self.users[short])
        return lists

    def share(self, lists: np.ndarray, member: np.ndarray) -> np.ndarray:
        """Share of each user's places that carry a concept; nan for an empty list."""
        there = lists >= 0
        count = (member[lists] & there).sum(axis=1)
        return np.divide(count, there.sum(axis=1), out=np.full(len(lists), np.nan), where=there.any(axis=1))

    def places(self, edited: Edited | None, items: Sequence[int]) -> np.ndarray:
        """The rank of each item in the whole ranking of each user (users × items) under `edited`, None as it is.

        nan where it may not be recommended to the user.
        """
        library = self.library
        recommender = library.recommender if edited is None else edited.recommender
        among = library.candidates if edited is None else edited.among(library.candidates)
        found = np.full((len(self.users), len(items)), np.nan)
        for part, affinity in self.affinities(recommender, among, self.users) if len(items) else ():
            for column, item in enumerate(items):
                found[part, column] = places_in(affinity, item)
        return found

    def reach(self, lists: np.ndarray, item: int, depth: int) -> float:
        """Share of the users who have the item among their first `depth`."""
        return float((lists[:, :depth] == item).any(axis=1).mean())

    def ndcg(self, lists: np.ndarray) -> np.ndarray:
        """NDCG@10 of each user on held-out items; nan without one."""
        return ndcg(lists, self.library.held_out, self.users)

    @cached_property
    def _unusual(self) -> np.ndarray:
        """Which labels are outside each user's usual ones (users × labels, bool); all of a user without history."""
        carried, seen = self.library.labels, self.library.candidates.seen
        unusual = np.ones((len(self.users), carried.shape[1]), bool)
        for row, user in enumerate(self.users):
            history = carried[seen[int(user)]]
            history = history[history.any(axis=1)]
            wanted, covered = USUAL_COVER * len(history), np.zeros(len(history), bool)
            for label in np.argsort(-history.sum(axis=0), kind="stable"):
                if covered.sum() >= wanted:
                    break
                covered |= history[:, label]
                unusual[row, label] = False
        return unusual

    def novelty(self, lists: np.ndarray) -> np.ndarray:
        """Share of each list's labelled items that carry none of the user's usual genres or tags; nan of none."""
        carried = self.library.labels[lists]
        labelled = (lists >= 0) & carried.any(axis=2)
        novel = labelled & ~(carried & ~self._unusual[:, None, :]).any(axis=2)
        found = np.full(len(lists), np.nan)
        return np.divide(novel.sum(axis=1), labelled.sum(axis=1), out=found, where=labelled.any(axis=1))

    def diversity(self, lists: np.ndarray) -> np.ndarray:
        """Mean Jaccard distance between the labels of two items of each list; nan with fewer than two labelled ones."""
        step = max(1, PAIRS_AT_ONCE // max(lists.shape[1], 1) ** 2)
        parts = [self._diversity(lists[start : start + step]) for start in range(0, len(lists), step)]
        return np.concatenate([np.empty(0), *parts])

    def _diversity(self, lists: np.ndarray) -> np.ndarray:
        carried = self.library.labels[lists].astype(np.float32)
        labelled = (lists >= 0) & carried.any(axis=2)
        carried *= labelled[..., None]
        both = np.matmul(carried, carried.transpose(0, 2, 1))
        size = carried.sum(axis=2)
        union = size[:, :, None] + size[:, None, :] - both
        distance = np.where(union > 0, 1 - both / np.maximum(union, 1), 0.0)
        n = labelled.sum(axis=1)
        pairs = labelled[:, :, None] & labelled[:, None, :]
        total = (distance * pairs).sum(axis=(1, 2))
        return np.divide(total, n * (n - 1), out=np.full(len(lists), np.nan), where=n > 1)

    def entropy(self, lists: np.ndarray) -> np.ndarray:
        """Entropy in bits of the labels over each list's places; nan without a label."""
        count = (self.library.labels[lists] & (lists >= 0)[..., None]).sum(axis=1).astype(float)
        total = count.sum(axis=1, keepdims=True)
        p = count / np.maximum(total, 1)
        bits = -(p * np.log2(np.maximum(p, 1e-12))).sum(axis=1)
        return np.where(total[:, 0] > 0, bits, np.nan)

    def exposure(self, lists: np.ndarray) -> Mapping[str, float | None]:
        """How the list places are spread over the items that may be recommended.

        `coverage`: share of them that anybody is shown; `gini`: 0 all alike, 1 one item has every place;
        `popularity_percentile`: mean over places, 0 the most popular.
        """
        places = lists[lists >= 0]
        if not len(places):
            return {"coverage": None, "gini": None, "popularity_percentile": None}
        eligible = self.library.candidates.eligible
        count = np.sort(np.bincount(places, minlength=len(eligible))[eligible])
        n = len(count)
        gini = float((2 * np.arange(1, n + 1) - n - 1) @ count / (n * count.sum()))
        return {
            "coverage": float((count > 0).mean()),
            "gini": gini,
            "popularity_percentile": float(np.nanmean(self.library.percentile[places])),
        }

    def rbo(self, lists: np.ndarray) -> np.ndarray:
        """Rank-biased overlap of each list with what it was."""
        return rbo(self.before, lists)

    def kept(self, lists: np.ndarray) -> np.ndarray:
        """How many items of each list were in it before."""
        return shared(self.before, lists)


class _Rest(Cohort):
    """The lists of a cohort without some items; unedited ones are read off its deeper lists where these reach."""

    def __init__(self, whole: Cohort, inside: np.ndarray) -> None:
        library = whole.library
        candidates = Candidates(library.candidates.seen, library.candidates.eligible & ~inside)
        super().__init__(
            Library(library.recommender, candidates, library.held_out, library.labels_of_items, library.concepts),
            whole.users,
            whole.k,
        )
        self._whole, self._inside = whole, inside

    @cached_property
    def before(self) -> np.ndarray:
        """The lists without an edit (users × k)."""
        deep = self._whole.deep[0]
        outside = (deep >= 0) & ~self._inside[deep]
        order = np.argsort(~outside, axis=1, kind="stable")[:, : self.k]
        lists = np.where(np.take_along_axis(outside, order, axis=1), np.take_along_axis(deep, order, axis=1), -1)
        short = np.flatnonzero((deep[:, -1] >= 0) & (outside.sum(axis=1) < self.k))
        lists[short] = self._ranked(self.library.recommender, self.library.candidates, self.users[short])
        return lists


def places_in(affinity_ui: np.ndarray, item: int) -> np.ndarray:
    """1-based rank of an item in each row of masked affinities, ties by item number; nan where it is left out."""
    own = affinity_ui[:, [item]]
    ahead = (affinity_ui > own).sum(axis=1) + (affinity_ui[:, :item] == own).sum(axis=1)
    return np.where(np.isfinite(own[:, 0]), 1.0 + ahead, np.nan)


def drawn(users: np.ndarray, most: int | None) -> np.ndarray:
    """`users`, or `most` of them drawn at random, the same ones every time."""
    if most is None or len(users) <= most:
        return users
    return np.sort(np.random.default_rng(SEED).choice(users, most, replace=False))


def _renumbered(seen: Histories, moved: np.ndarray) -> Histories:
    """`seen` of the items `moved` alone, numbered by their place in it."""
    place = np.full(int(max(seen.items.max(initial=0), moved.max(initial=0))) + 1, -1)
    place[moved] = np.arange(len(moved))
    users = np.repeat(np.arange(len(seen.starts) - 1), seen.lengths())
    kept = place[seen.items] >= 0
    return Histories.of(users[kept], place[seen.items][kept], len(seen.starts) - 1)
