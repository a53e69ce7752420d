"""What is odd about a neuron, and which other neuron it resembles."""

from dataclasses import dataclass

import numpy as np

from engine.neurons.evidence import overlaps

DENSE = 0.5
DUPLICATE_COSINE, DUPLICATE_OVERLAP = 0.9, 0.5
POPULAR_PERCENTILE = 5.0


@dataclass(frozen=True)
class Near:
    """The neuron whose decoder row is closest. None: there is no other, or no decoder was given."""

    neuron: int | None = None
    cosine: float | None = None
    overlap: float | None = None
    """Jaccard index of the items that activate the two."""
    duplicate: bool = False
    """Whether any other neuron, the closest or not, is a duplicate as `flags` counts it."""


def near(directions_md: np.ndarray | None, z_nm: np.ndarray) -> list[Near]:
    """For each neuron of the item codes `z_nm` its closest other one by the cosine of the decoder's rows (m × d)."""
    m = z_nm.shape[1]
    if directions_md is None or m < 2:
        return [Near()] * m
    unit = directions_md / np.maximum(np.linalg.norm(directions_md, axis=1, keepdims=True), 1e-12)
    cosine, shared = unit @ unit.T, overlaps(z_nm)
    np.fill_diagonal(cosine, -np.inf)
    twin = ((cosine >= DUPLICATE_COSINE) & (shared >= DUPLICATE_OVERLAP)).any(axis=1)
    return [
        Near(int(other), float(cosine[j, other]), float(shared[j, other]), bool(twin[j]))
        for j, other in enumerate(cosine.argmax(axis=1))
    ]


def flags(
    z_i: np.ndarray, z_u: np.ndarray, duplicate: bool, popularity_percentile: float | None, popularity: np.ndarray
) -> list[str]:
    """The flags of one neuron from its activations for the eligible items and for the users.

    dead        nothing activates it.
    dense       more than half of the items or of the users do: it tells little apart.
    duplicate   its decoder row has cosine 0.9 or more with another's, and half of the items of both are the same.
    item-only, user-only   the other side never activates it, so that an edit there would be its first activation.
    popularity  its top 10 lie in the most popular 5 % on average, and its activation rises with popularity (Spearman).

    `popularity_percentile` is the mean one of its top 10 items (None: unknown), `popularity` each item's count.
    """
    from scipy.stats import spearmanr

    by_items, by_users = bool((z_i > 0).any()), bool((z_u > 0).any())
    if not (by_items or by_users):
        return ["dead"]
    found = ["dense"] if max((z_i > 0).mean(), (z_u > 0).mean()) > DENSE else []
    found += ["duplicate"] if duplicate else []
    found += [] if by_users else ["item-only"]
    found += [] if by_items else ["user-only"]
    if popularity_percentile is not None and popularity_percentile <= POPULAR_PERCENTILE:
        found += ["popularity"] if spearmanr(z_i, popularity).statistic > 0 else []
    return found
