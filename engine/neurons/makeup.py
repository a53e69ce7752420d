"""What one item or one person is made of: their active neurons, and what the code leaves out.

Pure functions over arrays; position is the item's or user's number, and the caller puts ids beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.neurons.table import ConceptItems
from engine.recommenders.recommender import Recommender
from engine.sae.model import Side, SparseAutoencoder


@dataclass(frozen=True)
class ActiveNeuron:
    """One active coordinate of a code; `units` is its activation over the neuron's p99, None where that is unknown."""

    neuron: int
    activation: float
    units: float | None


def active_neurons(z_m: np.ndarray, p99: Sequence[float | None]) -> list[ActiveNeuron]:
    """The active neurons of one code, strongest first in their own units (those without a unit last)."""
    found = []
    for j in np.flatnonzero(z_m > 0).tolist():
        unit = p99[j]
        found.append(ActiveNeuron(j, float(z_m[j]), float(z_m[j] / unit) if unit else None))
    return sorted(found, key=lambda one: (one.units is None, -(one.units or 0.0), one.neuron))


@dataclass(frozen=True)
class Error:
    """What reconstruction loses, in units of the side's variance about its mean; predicting the mean scores 1 on mean.

    `share` is that of one row, `mean` that of all of them. None where the vectors do not vary.
    """

    share: float | None
    mean: float | None


def reconstruction_error(sae: SparseAutoencoder, e_nd: np.ndarray, row: int, side: Side) -> Error:
    """`|e - e'|^2` of a row over the mean of `|e - mean(e)|^2`; `e_nd` are the side's known vectors."""
    total = float(((e_nd - e_nd.mean(axis=0)) ** 2).sum(axis=1).mean())
    if total <= 0:
        return Error(None, None)
    lost = ((e_nd - sae.decode(sae.encode(e_nd, side), side)) ** 2).sum(axis=1)
    return Error(float(lost[row] / total), float(lost.mean() / total))


@dataclass(frozen=True)
class Neighbour:
    """Another row and its cosine."""

    number: int
    cosine: float


def nearest(x_nd: np.ndarray, row: int, eligible: np.ndarray, k: int) -> list[Neighbour]:
    """The `k` eligible rows with the largest cosine to `row`, itself left out; none for a row of zeros.

    Rows of zeros are no neighbours; ties by number.
    """
    length = np.linalg.norm(x_nd, axis=1)
    if length[row] == 0:
        return []
    others = np.flatnonzero(eligible & (length > 0) & (np.arange(len(x_nd)) != row))
    cosine = (x_nd[others] @ x_nd[row]) / (length[others] * length[row])
    order = np.argsort(-cosine, kind="stable")[:k]
    return [Neighbour(int(others[place]), float(cosine[place])) for place in order]


@dataclass(frozen=True)
class ConceptShare:
    """The share of some items that carries a concept, beside its share of all eligible items."""

    concept: str
    kind: str
    items: int
    share: float
    catalogue: float


def concept_shares(
    items: np.ndarray, eligible: np.ndarray, concepts: Sequence[ConceptItems], at_least: int = 3
) -> list[ConceptShare]:
    """Concepts carried by `at_least` of the items, those furthest above the catalogue's share first.

    The order is that of the binomial surprise, so that neither a rare concept nor a common one wins by its size.
    """
    from engine.neurons.evidence import surprise

    depth, everything = len(items), max(int(eligible.sum()), 1)
    found = []
    for concept in concepts:
        count, base = int(concept.member[items].sum()), float((concept.member & eligible).sum() / everything)
        if count >= at_least:
            found.append(ConceptShare(concept.name, concept.kind, count, count / depth, base))
    hits = np.array([one.items for one in found])
    score = surprise(hits, depth, np.array([one.catalogue for one in found])) if found else hits
    return [found[n] for n in np.argsort(-score, kind="stable")]


def explained_affinity(
    recommender: Recommender, sae: SparseAutoencoder, user: int, eligible: np.ndarray
) -> float | None:
    """Share of the variance of one user's affinities over the eligible items that their code explains.

    The scorer's part alone (biases pass by the autoencoder): `1 - sum (a - a')^2 / sum (a - mean a)^2`, which is 1 for
    a perfect code and below 0 for one that is worse than no information. None where affinities do not vary.
    """
    e_1d, items = recommender.users.vectors[[user]], recommender.items.vectors[eligible]
    decoded = sae.decode(sae.encode(e_1d, "users"), "users")
    affinity = recommender.scorer(e_1d, items)[0].astype(np.float64)
    total = float(((affinity - affinity.mean()) ** 2).sum()) if len(affinity) else 0.0
    lost = float(((affinity - recommender.scorer(decoded, items)[0]) ** 2).sum())
    return 1 - lost / total if total > 0 else None
