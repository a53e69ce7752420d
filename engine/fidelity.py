"""How much of the recommender survives when the SAE's reconstruction stands in for its vectors."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.recommenders.ranking import Candidates, Histories, masked_affinities, ndcg, top_k
from engine.recommenders.recommender import Recommender
from engine.sae.model import SparseAutoencoder

TAU_CELLS = 4_000_000
"""Pairs of items whose order is compared at once."""

OF_LISTS = ("rbo", "rbo_p5", "rbo_median", "tau", "overlap", "rbo_ablated")
"""Figures of `Fidelity` that come from the lists of the users measured."""


def rbo(a_uk: np.ndarray, b_uk: np.ndarray, p: float = 0.9) -> np.ndarray:
    """Extrapolated rank-biased overlap of two top-k lists a row: identical 1, disjoint 0.

    Webber, Moffat & Zobel 2010, Eq. 23 for lists of equal length. The truncated sum that the paper uses
    gives 0.958 for identical lists of 30 at p = 0.9. Rows end at -1; rows of different length are
    compared to the shorter one's depth.
    """
    rows, k = a_uk.shape
    depth = np.minimum((a_uk >= 0).sum(axis=1), (b_uk >= 0).sum(axis=1))
    same = (a_uk[:, :, None] == b_uk[:, None, :]) & (a_uk >= 0)[:, :, None]
    # An item shared at ranks i and j counts in the overlap from depth max(i, j) on.
    row, i, j = np.nonzero(same)
    arrivals = np.bincount(row * k + np.maximum(i, j), minlength=rows * k).reshape(rows, k)
    overlap = np.cumsum(arrivals, axis=1)
    depths = np.arange(1, k + 1)
    inside = depths <= depth[:, None]
    weighted = np.where(inside, overlap / depths * p**depths, 0).sum(axis=1) * (1 - p) / p
    last = np.maximum(depth, 1)
    return weighted + overlap[np.arange(rows), last - 1] / last * p**depth * (depth > 0)


def kendall_tau(a_uk: np.ndarray, b_uk: np.ndarray) -> np.ndarray:
    """Kendall's tau-b over the union of two top-k lists a row; an item outside a list ties at its end.

    Identical lists give 1; disjoint ones about -0.67 at k = 30, so 0 is not "nothing in common". Rows end at -1.
    """
    step = max(1, TAU_CELLS // (4 * a_uk.shape[1] * b_uk.shape[1] + 1))
    parts = [_tau(a_uk[n : n + step], b_uk[n : n + step]) for n in range(0, len(a_uk), step)]
    return np.concatenate(parts) if parts else np.empty(0)


def _tau(a_uk: np.ndarray, b_uk: np.ndarray) -> np.ndarray:
    same = (a_uk[:, :, None] == b_uk[:, None, :]) & (a_uk >= 0)[:, :, None]
    in_b, in_a = same.any(axis=2), same.any(axis=1)
    a_end, b_end = ((rows >= 0).sum(axis=1, keepdims=True) for rows in (a_uk, b_uk))
    # The union: the items of a, then those of b that a lacks; each with its rank in either list.
    x = np.concatenate([np.broadcast_to(np.arange(a_uk.shape[1]), a_uk.shape), np.broadcast_to(a_end, b_uk.shape)], 1)
    in_b_at = np.where(in_b, same.argmax(axis=2), b_end)
    y = np.concatenate([in_b_at, np.broadcast_to(np.arange(b_uk.shape[1]), b_uk.shape)], 1)
    valid = np.concatenate([a_uk >= 0, (b_uk >= 0) & ~in_a], 1)
    first, second = np.triu_indices(x.shape[1], 1)
    counts = valid[:, first] & valid[:, second]
    dx = np.sign(x[:, first] - x[:, second]).astype(np.int8) * counts
    dy = np.sign(y[:, first] - y[:, second]).astype(np.int8) * counts
    ties = np.sqrt(np.count_nonzero(dx, axis=1) * np.count_nonzero(dy, axis=1).astype(np.float64))
    agreement = (dx * dy).sum(axis=1, dtype=np.int64)
    return np.where(ties > 0, agreement / np.maximum(ties, 1), 1.0)


@dataclass(frozen=True)
class Fidelity:
    """Original against reconstruction, mean over users that the SAE did not train on. None: unknown."""

    rbo: float
    """Extrapolated rank-biased overlap of the top-30 lists, p = 0.9; two random lists have about 30 / items."""
    rbo_p5: float
    """The 5th percentile over users: one in twenty keeps less."""
    rbo_median: float
    tau: float
    """Kendall's tau-b over the union of the two top-30 lists."""
    overlap: float
    """Share of the top 30 that stays."""
    affinity_r2: float | None
    """Share of the affinities' variance about their mean that the reconstruction explains."""
    explained_items: float | None
    explained_users: float | None
    """Share of the vectors' variance about their mean; predicting the mean explains exactly 0."""
    l0_items: float
    """Active neurons of an item, mean."""
    l0_users: float
    """Active neurons of a user, mean."""
    passes_through: bool
    """Whether a user has as many active neurons as their vector has numbers: such a code reads nothing."""
    ndcg_original: float | None
    ndcg_reconstructed: float | None
    ndcg_ablated: float | None
    """NDCG@10 on held-out items: as it is, from reconstructions, and with every vector replaced by its side's mean."""
    ndcg_kept: float | None
    """reconstructed / original. None without held-out items."""
    ndcg_recovered: float | None
    """(reconstructed - ablated) / (original - ablated): what is kept of what the vectors add to biases alone."""
    rbo_ablated: float
    """RBO of the original lists with those of the mean vectors: what biases alone keep."""
    users: int
    """Users measured."""

    def as_dict(self) -> dict[str, Any]:
        """As plain values; where nobody could be measured, what lists would have told is None."""
        return asdict(self) | ({} if self.users else dict.fromkeys(OF_LISTS))


@dataclass(frozen=True)
class Audit:
    """Fidelity with what lies behind it: one row for each user measured, who is numbered `users`."""

    fidelity: Fidelity
    users: np.ndarray
    rbo: np.ndarray
    tau: np.ndarray
    overlap: np.ndarray
    ndcg_before: np.ndarray
    ndcg_after: np.ndarray
    """nan without a held-out item."""

    def worst(self, count: int) -> np.ndarray:
        """Rows of the users whose lists change most, the worst first."""
        return np.argsort(self.rbo, kind="stable")[:count]


def measure_fidelity(
    recommender: Recommender,
    sae: SparseAutoencoder,
    candidates: Candidates,
    held_out: Histories,
    users: np.ndarray,
    k: int = 30,
) -> Fidelity:
    """Rank `users` with the original and with the reconstructed vectors of both sides, and compare."""
    return audit(recommender, sae, candidates, held_out, users, k).fidelity


def audit(
    recommender: Recommender,
    sae: SparseAutoencoder,
    candidates: Candidates,
    held_out: Histories,
    users: np.ndarray,
    k: int = 30,
) -> Audit:
    """The same with a row for each user. Users for whom nothing is left to rank are left out."""
    e_ud, e_id = recommender.users.vectors[users], recommender.items.vectors
    z_um, z_im = sae.encode(e_ud, "users"), sae.encode(e_id, "items")
    back_ud, back_id = sae.decode(z_um, "users"), sae.decode(z_im, "items")
    k = min(k, len(recommender.items.ids))
    original, rebuilt = (np.empty((len(users), k), np.int32) for _ in range(2))
    # With one vector for all of a side, the scorer is a constant: biases alone rank.
    ablated = _by_bias(recommender.items.bias, candidates, users, k)
    moments = np.zeros(4)
    pairs = zip(
        masked_affinities(recommender, candidates, users),
        masked_affinities(recommender, candidates, users, back_ud, back_id),
        strict=True,
    )
    for (part, before), (_, after) in pairs:
        original[part], rebuilt[part] = top_k(before, k), top_k(after, k)
        ranked = np.isfinite(before)
        np.copyto(before, 0, where=~ranked)
        np.copyto(after, 0, where=~ranked)
        moments[:3] += (ranked.sum(), before.sum(axis=1).sum(dtype=np.float64), _squares(before))
        moments[3] += _squares(np.subtract(after, before, out=after))
    cells, total, squares, error_sum = moments
    variance = squares - total**2 / cells if cells else 0.0
    some = (original >= 0).any(axis=1)
    own, z_own = users[some], z_um[some]
    lists = [one[some] for one in (original, rebuilt, ablated)]
    overlaps, before_ndcg, after_ndcg = (
        rbo(lists[0], lists[1]),
        ndcg(lists[0], held_out, own),
        ndcg(lists[1], held_out, own),
    )
    taus, common = kendall_tau(lists[0], lists[1]), shared(lists[0], lists[1]) / np.maximum((lists[0] >= 0).sum(1), 1)
    ndcgs = [_mean(before_ndcg), _mean(after_ndcg), _mean(ndcg(lists[2], held_out, own))]
    l0_users = float((z_own > 0).sum(axis=1).mean()) if len(own) else 0.0
    fidelity = Fidelity(
        rbo=float(overlaps.mean()) if len(own) else 0.0,
        rbo_p5=float(np.percentile(overlaps, 5)) if len(own) else 0.0,
        rbo_median=float(np.median(overlaps)) if len(own) else 0.0,
        tau=float(taus.mean()) if len(own) else 0.0,
        overlap=float(common.mean()) if len(own) else 0.0,
        # A recommender that gives every pair one affinity has no variance to explain.
        affinity_r2=float(1 - error_sum / variance) if variance > 1e-9 * max(squares, 1e-30) else None,
        explained_items=_explained(e_id[candidates.eligible], back_id[candidates.eligible]),
        explained_users=_explained(e_ud, back_ud),
        l0_items=float((z_im[candidates.eligible] > 0).sum(axis=1).mean()) if candidates.eligible.any() else 0.0,
        l0_users=l0_users,
        passes_through=l0_users >= e_ud.shape[1],
        ndcg_original=ndcgs[0],
        ndcg_reconstructed=ndcgs[1],
        ndcg_ablated=ndcgs[2],
        ndcg_kept=ndcgs[1] / ndcgs[0] if ndcgs[0] and ndcgs[1] is not None else None,
        ndcg_recovered=_recovered(*ndcgs),
        rbo_ablated=float(rbo(lists[0], lists[2]).mean()) if len(own) else 0.0,
        users=len(own),
    )
    return Audit(fidelity, own, overlaps, taus, common, before_ndcg, after_ndcg)


def _squares(rows: np.ndarray) -> float:
    return float(np.einsum("ij,ij->i", rows, rows).sum(dtype=np.float64))


def _by_bias(bias: np.ndarray, candidates: Candidates, users: np.ndarray, k: int) -> np.ndarray:
    """Each user's k unseen eligible items of the largest bias, equal ones by number; -1 where there are fewer."""
    order = np.flatnonzero(candidates.eligible)
    order = order[np.argsort(-bias[order], kind="stable")]
    place = np.full(len(bias), len(order))
    place[order] = np.arange(len(order))
    rows, items = candidates.seen.cells(users)
    # Enough of the order for whoever has seen most of its front.
    count = min(len(order), k + int(np.bincount(rows, minlength=1).max(initial=0)))
    result = np.full((len(users), k), -1, np.int32)
    step = max(1, TAU_CELLS // max(count, 1))
    for start in range(0, len(users), step):
        inside = (rows >= start) & (rows < start + step) & (place[items] < count)
        seen = np.zeros((len(users[start : start + step]), count), bool)
        seen[rows[inside] - start, place[items[inside]]] = True
        first = np.argsort(seen, axis=1, kind="stable")[:, :k]
        free = ~np.take_along_axis(seen, first, axis=1)
        result[start : start + step, : first.shape[1]] = np.where(free, order[first], -1)
    return result


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _recovered(original: float | None, reconstructed: float | None, ablated: float | None) -> float | None:
    if original is None or reconstructed is None or ablated is None or original <= ablated:
        return None
    return (reconstructed - ablated) / (original - ablated)


def _explained(e_nd: np.ndarray, back_nd: np.ndarray) -> float | None:
    e = e_nd.astype(np.float64)
    total = ((e - e.mean(axis=0)) ** 2).sum() if len(e) else 0.0
    return float(1 - ((back_nd - e) ** 2).sum() / total) if total > 0 else None


def shared(a_uk: np.ndarray, b_uk: np.ndarray) -> np.ndarray:
    """How many items each pair of rows has in common."""
    return ((a_uk[:, :, None] == b_uk[:, None, :]) & (a_uk >= 0)[:, :, None]).sum(axis=(1, 2))
