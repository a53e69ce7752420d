"""Exact ranked lists with seen items left out, and how good they are on held-out interactions."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from engine.recommenders.recommender import Recommender

CHUNK_CELLS = 8_000_000
"""Cells of the affinity matrix that are held at once (float32: 32 MB); one user's row at the least."""

BLOCK_CELLS = 1_000_000
"""Cells that ranking and counting work on at once: their copies stay in a processor's cache."""


@dataclass(frozen=True)
class Histories:
    """Items of each user as rows of a sparse matrix: user u's are `items[starts[u]:starts[u + 1]]`, ascending."""

    starts: np.ndarray
    items: np.ndarray

    @classmethod
    def of(cls, user: np.ndarray, item: np.ndarray, users: int) -> "Histories":
        """From parallel arrays of user and item numbers, in any order."""
        order = np.lexsort((item, user))
        starts = np.searchsorted(user[order], np.arange(users + 1))
        return cls(starts.astype(np.int64), item[order].astype(np.int32))

    def __getitem__(self, user: int) -> np.ndarray:
        return self.items[self.starts[user] : self.starts[user + 1]]

    def lengths(self) -> np.ndarray:
        """The number of items of each user."""
        return np.diff(self.starts)

    def keys(self, width: int) -> np.ndarray:
        """`user * width + item` of every interaction, int64, ascending; made once for a width."""
        made: dict[int, np.ndarray] = self.__dict__.setdefault("_keys", {})
        if width not in made:
            made[width] = np.repeat(np.arange(len(self.starts) - 1), self.lengths()) * width + self.items
        return made[width]

    def cells(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row (position in `users`) and item of every interaction of `users`."""
        lengths = self.lengths()[users]
        rows = np.repeat(np.arange(len(users)), lengths)
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return rows, self.items[np.repeat(self.starts[users], lengths) + offsets]


@dataclass(frozen=True)
class Candidates:
    """What may enter a list: `seen` (training and validation items) is left out, and so is an item not `eligible`."""

    seen: Histories
    eligible: np.ndarray

    def mask(self, affinity_ui: np.ndarray, users: np.ndarray) -> np.ndarray:
        """`affinity_ui` with -inf at everything that may not be recommended; in place."""
        rows, items = self.seen.cells(users)
        np.put(affinity_ui, rows * affinity_ui.shape[1] + items, -np.inf)
        np.copyto(affinity_ui, -np.inf, where=~self.eligible)
        return affinity_ui


def top_k(affinity_ui: np.ndarray, k: int) -> np.ndarray:
    """The k best items of each row (rows × k, int32), best first; equal affinities by item number.

    -1 fills a row that has fewer than k items above -inf.
    """
    rows, items = affinity_ui.shape
    k = min(k, items)
    result = np.empty((rows, k), np.int32)
    step = max(1, BLOCK_CELLS // max(items, 1))
    for start in range(0, rows, step):
        block = affinity_ui[start : start + step]
        row = np.arange(len(block))[:, None]
        cells = _best_cells(block, k) if k < items else row * items + np.arange(items)
        affinity = np.take(block, cells)
        order = row * k + np.argsort(-affinity, axis=1, kind="stable")
        blocked = np.isneginf(np.take(affinity, order))
        result[start : start + step] = np.where(blocked, -1, np.take(cells, order) - row * items)
    return result


def _best_cells(block: np.ndarray, k: int) -> np.ndarray:
    """Each row's k best cells (rows × k, ascending) by their place in `block`; of equal ones at the cut, the first."""
    rows, items = block.shape
    # argpartition breaks ties at the cut as it likes: the cut's value decides, then the number.
    cut = np.partition(block, items - k, axis=1)[:, items - k, None]
    cells = np.flatnonzero(block >= cut)
    if len(cells) == rows * k:
        return cells.reshape(rows, k)
    row = cells // items
    tied = np.take(block, cells) == cut[row, 0]
    better = np.bincount(row[~tied], minlength=rows)
    ties_so_far = np.cumsum(tied)
    before_row = np.concatenate([[0], np.cumsum(np.bincount(row[tied], minlength=rows))])[row]
    kept = ~tied | (ties_so_far - before_row <= (k - better)[row])
    return cells[kept].reshape(rows, k)


def masked_affinities(
    recommender: Recommender,
    candidates: Candidates,
    users: np.ndarray,
    e_ud: np.ndarray | None = None,
    e_id: np.ndarray | None = None,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Chunks of users and their affinities (chunk × items) with -inf at what may not be recommended.

    `e_ud` has a row for each of `users`; see `Recommender.affinities`.
    """
    step = max(1, CHUNK_CELLS // len(recommender.items.ids))
    for start in range(0, len(users), step):
        part = slice(start, start + step)
        rows = None if e_ud is None else e_ud[part]
        yield part, candidates.mask(recommender.affinities(users[part], rows, e_id), users[part])


def ranked_lists(
    recommender: Recommender,
    candidates: Candidates,
    users: np.ndarray,
    k: int,
    e_ud: np.ndarray | None = None,
    e_id: np.ndarray | None = None,
) -> np.ndarray:
    """The top-k lists (users × k, int32, -1 = no more) of `users`, exactly, over the whole catalogue."""
    lists = np.full((len(users), min(k, len(recommender.items.ids))), -1, np.int32)
    for part, affinity in masked_affinities(recommender, candidates, users, e_ud, e_id):
        lists[part] = top_k(affinity, k)
    return lists


@dataclass(frozen=True)
class Metrics:
    """Quality on held-out items, mean over the users that have some (None if nobody has).

    Higher is better but for `mpr`.
    """

    ndcg10: float | None
    """Normalised discounted cumulative gain at 10, binary gains, log2 discount (Järvelin & Kekäläinen 2002)."""
    hr10: float | None
    """Hit ratio: the share of users with a held-out item in their top 10."""
    recall20: float | None
    """Share of a user's held-out items in the top 20."""
    mpr: float | None
    """Mean percentile rank of held-out items among a user's candidates: 0 best, 0.5 random (Hu et al. 2008)."""
    mrr10: float | None
    """Mean reciprocal rank of the best-ranked held-out item, 0 for a user with none in the top 10 (Voorhees 1999)."""
    coverage10: float | None
    """Share of the eligible items that are in the top 10 of at least one measured user."""
    users: int
    """Users measured."""

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


def mean(values: np.ndarray) -> float | None:
    """The mean, or None of nothing."""
    return float(values.mean()) if len(values) else None


def ndcg(lists: np.ndarray, held_out: Histories, users: np.ndarray, k: int = 10) -> np.ndarray:
    """NDCG@k of each of `users` (nan without a held-out item), from lists of at least k items."""
    hits = _hits(lists[:, :k], held_out, users)
    discount = 1 / np.log2(np.arange(k) + 2)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(held_out.lengths()[users], k)]
    gained = hits @ discount[: hits.shape[1]]
    return np.divide(gained, ideal, out=np.full(len(users), np.nan), where=ideal > 0)


def _hits(lists: np.ndarray, held_out: Histories, users: np.ndarray) -> np.ndarray:
    """True where a list's item is one of the user's held-out items."""
    rows, items = held_out.cells(users)
    width = int(max(lists.max(initial=0), items.max(initial=0))) + 1
    return np.isin(np.arange(len(users))[:, None] * width + lists, rows * width + items) & (lists >= 0)


def evaluate(
    recommender: Recommender, candidates: Candidates, held_out: Histories, users: np.ndarray | None = None
) -> Metrics:
    """Rank the whole catalogue for each user who has held-out items, and score the result.

    A held-out item that is not eligible (no training interaction) counts as ranked last.
    """
    if users is None:
        users = np.arange(len(recommender.users.ids))
    users = users[held_out.lengths()[users] > 0]
    lists = np.full((len(users), 20), -1, np.int32)
    percentiles = np.empty(len(users))
    for part, affinity in masked_affinities(recommender, candidates, users):
        lists[part, : affinity.shape[1]] = top_k(affinity, 20)
        percentiles[part] = _percentile_ranks(affinity, held_out, users[part])
    hits = _hits(lists, held_out, users)
    top = lists[:, :10]
    eligible = int(candidates.eligible.sum())
    return Metrics(
        ndcg10=mean(ndcg(lists, held_out, users)),
        hr10=mean(np.asarray(hits[:, :10].any(axis=1))),
        recall20=mean(hits.sum(axis=1) / held_out.lengths()[users]),
        mpr=mean(percentiles),
        mrr10=mean((hits[:, :10] / np.arange(1, 11)).max(axis=1)),
        coverage10=len(np.unique(top[top >= 0])) / eligible if len(users) and eligible else None,
        users=len(users),
    )


def _percentile_ranks(affinity_ui: np.ndarray, held_out: Histories, users: np.ndarray) -> np.ndarray:
    """Mean over each user's held-out items of the share of candidates ranked above it (ties count half)."""
    rows, items = held_out.cells(users)
    own = affinity_ui[rows, items]
    above = np.empty(len(own))
    ends = np.cumsum(held_out.lengths()[users])
    step = max(1, BLOCK_CELLS // affinity_ui.shape[1])
    for row, (start, end) in enumerate(pairwise([0, *ends.tolist()])):
        for first in range(start, end, step):
            part = slice(first, min(first + step, end))
            above[part] = _ranked_above(affinity_ui[row], own[part])
    candidates = affinity_ui.shape[1] - np.isneginf(affinity_ui).sum(axis=1)
    percentile = np.where(np.isneginf(own), 1.0, above / np.maximum(candidates - 1, 1)[rows])
    return np.bincount(rows, percentile, len(users)) / held_out.lengths()[users]


def _ranked_above(affinity_i: np.ndarray, own: np.ndarray) -> np.ndarray:
    """How many of `affinity_i` are above each of `own` (each one of them), and half of those equal to it."""
    # A better one counts 2 and an equal one 1. Counting takes one pass a held-out item and nothing is sorted.
    twice = (affinity_i > own[:, None]).view(np.uint8)
    twice += affinity_i >= own[:, None]
    return (twice.sum(axis=1, dtype=np.uint32) - 1) / 2


def popularity_recommender(like: Recommender, popularity: np.ndarray) -> Recommender:
    """The baseline that gives everyone the most popular items, with the ids of `like`."""
    from engine.recommenders.recommender import Tower

    zeros_u = np.zeros((len(like.users.ids), 1), np.float32)
    zeros_i = np.zeros((len(like.items.ids), 1), np.float32)
    return Recommender(
        Tower(like.users.ids, zeros_u, zeros_u[:, 0]),
        Tower(like.items.ids, zeros_i, popularity.astype(np.float32)),
    )
