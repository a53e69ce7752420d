"""How much of the recommender survives when the SAE's reconstruction stands in for its vectors."""

from dataclasses import asdict, dataclass

import numpy as np

from engine.recommenders.ranking import Candidates, Histories, masked_affinities, mean, ndcg, top_k
from engine.recommenders.recommender import Recommender
from engine.sae.model import SparseAutoencoder


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
    first = np.maximum(np.arange(k)[:, None], np.arange(k)[None, :])
    arrivals = np.zeros((rows, k))
    for rank in range(k):
        arrivals[:, rank] = same[:, first == rank].sum(axis=1)
    overlap = np.cumsum(arrivals, axis=1)
    depths = np.arange(1, k + 1)
    inside = depths <= depth[:, None]
    weighted = np.where(inside, overlap / depths * p**depths, 0).sum(axis=1) * (1 - p) / p
    last = np.maximum(depth, 1)
    return weighted + overlap[np.arange(rows), last - 1] / last * p**depth * (depth > 0)


def kendall_tau(a_uk: np.ndarray, b_uk: np.ndarray) -> np.ndarray:
    """Kendall's tau-b over the union of two top-k lists a row; an item outside a list ties at its end.

    Identical lists give 1; disjoint ones about -0.67 at k = 30, so 0 is not "nothing in common".
    """
    return np.array([_tau_row(a[a >= 0], b[b >= 0]) for a, b in zip(a_uk, b_uk, strict=True)])


def _tau_row(a: np.ndarray, b: np.ndarray) -> float:
    union = np.union1d(a, b)
    ranks = []
    for items in (a, b):
        rank = np.full(len(union), len(items))
        rank[np.searchsorted(union, items)] = np.arange(len(items))
        ranks.append(rank)
    upper = np.triu_indices(len(union), 1)
    x, y = (np.sign(rank[upper[0]] - rank[upper[1]]) for rank in ranks)
    ties = np.sqrt(np.count_nonzero(x) * np.count_nonzero(y))
    return float((x * y).sum() / ties) if ties else 1.0


@dataclass(frozen=True)
class Fidelity:
    """Original against reconstruction, mean over users that the SAE did not train on."""

    rbo: float
    """Extrapolated rank-biased overlap of the top-30 lists, p = 0.9."""
    tau: float
    """Kendall's tau-b over the union of the two top-30 lists."""
    overlap: float
    """Share of the top 30 that stays."""
    affinity_r2: float
    """Share of the affinities' variance about their mean that the reconstruction explains."""
    l0_items: float
    """Active neurons of an item, mean."""
    l0_users: float
    """Active neurons of a user, mean."""
    ndcg_original: float | None
    ndcg_reconstructed: float | None
    """NDCG@10 on held-out items before and after."""
    ndcg_kept: float | None
    """Their ratio. None without held-out items."""
    users: int
    """Users measured."""

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


def measure_fidelity(
    recommender: Recommender,
    sae: SparseAutoencoder,
    candidates: Candidates,
    held_out: Histories,
    users: np.ndarray,
    k: int = 30,
) -> Fidelity:
    """Rank `users` with the original and with the reconstructed vectors of both sides, and compare."""
    z_um = sae.encode(recommender.users.vectors[users], "users")
    z_im = sae.encode(recommender.items.vectors, "items")
    back_ud, back_id = sae.decode(z_um, "users"), sae.decode(z_im, "items")
    k = min(k, len(recommender.items.ids))
    original = np.empty((len(users), k), np.int32)
    rebuilt = np.empty((len(users), k), np.int32)
    error = total = 0.0
    pairs = zip(
        masked_affinities(recommender, candidates, users),
        masked_affinities(recommender, candidates, users, back_ud, back_id),
        strict=True,
    )
    for (part, before), (_, after) in pairs:
        original[part], rebuilt[part] = top_k(before, k), top_k(after, k)
        ranked = np.isfinite(before)
        error += float(((before[ranked] - after[ranked]) ** 2).sum())
        total += float(before[ranked].var() * ranked.sum())
    tested = held_out.lengths()[users] > 0
    before_ndcg = mean(ndcg(original[tested], held_out, users[tested]))
    after_ndcg = mean(ndcg(rebuilt[tested], held_out, users[tested]))
    return Fidelity(
        rbo=float(rbo(original, rebuilt).mean()),
        tau=float(kendall_tau(original, rebuilt).mean()),
        overlap=float(shared(original, rebuilt).mean() / k),
        affinity_r2=1 - error / total,
        l0_items=float((z_im[candidates.eligible] > 0).sum(axis=1).mean()),
        l0_users=float((z_um > 0).sum(axis=1).mean()),
        ndcg_original=before_ndcg,
        ndcg_reconstructed=after_ndcg,
        ndcg_kept=after_ndcg / before_ndcg if before_ndcg and after_ndcg is not None else None,
        users=len(users),
    )


def shared(a_uk: np.ndarray, b_uk: np.ndarray) -> np.ndarray:
    """How many items each pair of rows has in common."""
    return ((a_uk[:, :, None] == b_uk[:, None, :]) & (a_uk >= 0)[:, :, None]).sum(axis=(1, 2))
