"""What a neuron moves: the change of every affinity when it is raised by one strength unit.

One unit is the 99th percentile of the neuron's positive activations on the side whose code is raised, and is applied
as an edit is: `e + shift(unit * direction)`. Positions are item and user numbers; the caller puts ids beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.neurons.table import ConceptItems
from engine.recommenders.recommender import Recommender
from engine.sae.model import Side, SparseAutoencoder

SAMPLE = 200
"""Rows of the raised side that a scorer other than a dot product is measured on."""
PAIRS = 800_000
"""Pairs that a measurement by differences may score, about a second's work for a small MLP; the sample becomes smaller
for large catalogues."""
SAMPLE_MINIMUM = 8
NULL_DIRECTIONS = 1000
CONCEPT_MINIMUM = 20
"""Eligible items that a concept needs for its mean change to be compared."""


@dataclass(frozen=True)
class Moves:
    """Change of affinity of each row of the other side (n), one strength unit of the raised side.

    Where it is `exact` (a dot product) the change is the same for every raised row. Else it is the central difference
    `g(e + s/2) - g(e - s/2)` over a sample: mean, quartiles, and the share of the sample whose change has the sign of
    the mean.
    """

    exact: bool
    sample: int
    unit: float
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    same_sign: np.ndarray


def moves(recommender: Recommender, sae: SparseAutoencoder, neuron: int, side: Side, unit: float, seed: int) -> Moves:
    """Raise `neuron` by `unit` in the codes of `side` and measure every row of the other side.

    `side` "users" gives items gained and lost, "items" gives users. `seed` draws the sample.
    """
    code = np.zeros((1, sae.neurons), np.float32)
    code[0, neuron] = unit
    shift = sae.shift(code, side)
    other = recommender.items if side == "users" else recommender.users
    if recommender.scorer.kind == "dot":
        mean = (other.vectors.astype(np.float64) @ shift[0].astype(np.float64)).astype(np.float32)
        return Moves(True, 0, unit, mean, mean, mean, np.ones(len(mean), np.float32))
    rows = _sample(recommender, side, 2 * len(other.vectors), seed)
    change = _differences(recommender, side, rows, np.arange(len(other.vectors)), shift)
    mean = change.mean(axis=0)
    low, high = np.percentile(change, [25, 75], axis=0).astype(np.float32)
    return Moves(False, len(rows), unit, mean, low, high, (np.sign(change) == np.sign(mean)).mean(axis=0))


def _sample(recommender: Recommender, side: Side, pairs_each: int, seed: int) -> np.ndarray:
    """Numbers of the rows that differences are taken over, ascending; each costs `pairs_each` scored pairs."""
    known = np.flatnonzero((recommender.users if side == "users" else recommender.items).known)
    most = min(SAMPLE, max(SAMPLE_MINIMUM, PAIRS // max(pairs_each, 1)), len(known))
    return np.sort(np.random.default_rng(seed).choice(known, most, replace=False))


def _differences(
    recommender: Recommender, side: Side, rows: np.ndarray, others: np.ndarray, shift_1d: np.ndarray
) -> np.ndarray:
    """Central difference of every pair (rows × others) for `shift_1d`, half of it to either side."""
    raised = (recommender.users if side == "users" else recommender.items).vectors[rows]
    still = (recommender.items if side == "users" else recommender.users).vectors[others]
    score = recommender.scorer
    if side == "users":
        return score(raised + shift_1d / 2, still) - score(raised - shift_1d / 2, still)
    return (score(still, raised + shift_1d / 2) - score(still, raised - shift_1d / 2)).T


@dataclass(frozen=True)
class ConceptMove:
    """Mean change of a concept's items, and how far it is from the mean of all (both in units of affinity)."""

    concept: str
    kind: str
    items: int
    mean: float
    excess: float


def concept_moves(change_n: np.ndarray, eligible: np.ndarray, concepts: Sequence[ConceptItems]) -> list[ConceptMove]:
    """The mean change over each concept with `CONCEPT_MINIMUM` eligible items or more, largest excess first."""
    overall = float(change_n[eligible].mean()) if eligible.any() else 0.0
    found = []
    for concept in concepts:
        inside = concept.member & eligible
        if inside.sum() >= CONCEPT_MINIMUM:
            mean = float(change_n[inside].mean())
            found.append(ConceptMove(concept.name, concept.kind, int(inside.sum()), mean, mean - overall))
    return sorted(found, key=lambda move: -move.excess)


def null_of_moves(
    recommender: Recommender,
    length: float,
    eligible: np.ndarray,
    concepts: Sequence[ConceptItems],
    seed: int,
    directions: int = NULL_DIRECTIONS,
) -> np.ndarray:
    """The largest excess of any concept when users move in a random direction of this `length` (directions).

    The maximum is over the concepts, as it is for the neuron whose best concept is looked at. For a dot product it is
    exact; else the scorer is made linear around a sample of users by differences of each dimension.
    """
    members = [concept.member & eligible for concept in concepts]
    inside = np.array([member for member in members if member.sum() >= CONCEPT_MINIMUM])
    if not len(inside):
        return np.empty(0)
    slope_cd = _concept_slopes(recommender, eligible, inside, length, seed)
    random = np.random.default_rng(seed).standard_normal((slope_cd.shape[1], directions))
    random *= length / np.linalg.norm(random, axis=0)
    return (slope_cd @ random).max(axis=0)


def _concept_slopes(
    recommender: Recommender, eligible: np.ndarray, inside_ci: np.ndarray, length: float, seed: int
) -> np.ndarray:
    """Excess of each concept for a step of 1 along each dimension of the users' vectors (concepts × d)."""
    items = np.flatnonzero(eligible)
    member = inside_ci[:, items].astype(np.float64)
    weight_ci = member / member.sum(axis=1, keepdims=True) - 1 / len(items)
    if recommender.scorer.kind == "dot":
        return weight_ci @ recommender.items.vectors[items].astype(np.float64)
    d = recommender.users.vectors.shape[1]
    rows = _sample(recommender, "users", 2 * d * len(items), seed)
    step = length / np.sqrt(d)
    slopes = np.empty((len(weight_ci), d))
    for dimension in range(d):
        shift = np.zeros(d, np.float32)
        shift[dimension] = step
        change = _differences(recommender, "users", rows, items, shift).mean(axis=0) / step
        slopes[:, dimension] = weight_ci @ change
    return slopes


def share_at_or_above(value: float, null: np.ndarray) -> float | None:
    """The share of `null` at or above `value`, itself counted; None without a null."""
    return float((1 + (null >= value).sum()) / (1 + len(null))) if len(null) else None


def implied(recommender: Recommender, sae: SparseAutoencoder) -> bool:
    """Whether it follows from the algebra that what fires a neuron gains from it.

    It does with a dot product, one set of weights to encode and to decode, and users and items in one space.
    """
    of_users, of_items = sae.sides["users"].rotation, sae.sides["items"].rotation
    turned = of_users is not of_items and (of_users is None or of_items is None or not np.allclose(of_users, of_items))
    return recommender.scorer.kind == "dot" and sae.encoder_md is None and not turned
