"""The neuron table: one row a neuron, every figure computed from this run's vectors and catalogue."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from engine.neurons.evidence import (
    DEPTHS,
    hits_at,
    monosemanticity,
    null_of_best,
    q_values,
    surprise,
    top_items,
)

TOP_STORED = 50
"""Top items of each neuron that a run stores for the workbench."""
CHOICE_DEPTH = 20
"""The depth at which a neuron's best concept is chosen."""
NAMED_PURITY, NAMED_LIFT = 0.5, 2.0
"""A concept names a neuron if at least this share of its top 20 carries it, at this multiple of the base rate."""


@dataclass(frozen=True)
class ConceptItems:
    """A concept as the table needs it: its name, its kind, and which items carry it (bool, items)."""

    name: str
    kind: str
    member: np.ndarray


@dataclass(frozen=True)
class Neuron:
    """One row. None is unknown: fewer than K active items, or no concepts to compare with."""

    neuron: int
    level: int | None
    concept: str | None
    concept_kind: str | None
    purity10: float | None
    purity20: float | None
    purity50: float | None
    base_rate: float | None
    cap50: float | None
    lift: float | None
    q: float | None
    density_items: float
    density_users: float
    max_items: float
    p99_items: float | None
    max_users: float
    p99_users: float | None
    popularity_percentile: float | None
    monosemanticity: float | None
    dead: bool

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    @property
    def named_by(self) -> str | None:
        """The concept, where it holds for half of the top 20 or more at twice its base rate or more."""
        known = self.purity20 is not None and self.lift is not None
        return self.concept if known and names(self.purity20 or 0.0, self.lift or 0.0) else None


@dataclass(frozen=True)
class ConceptReach:
    """A concept and the neuron whose top 20 items carry it most; `reached` as `Neuron.named_by` counts it."""

    concept: str
    kind: str
    items: int
    base_rate: float
    neuron: int | None
    purity20: float | None
    reached: bool


@dataclass(frozen=True)
class NeuronTable:
    """The table, the concepts as neurons reach them, and the counts behind both."""

    neurons: list[Neuron]
    reach: list[ConceptReach]
    hits: dict[int, np.ndarray]
    """For each K of purity@K: how many of a neuron's top K carry each concept of `reach` (m × concepts, -1 unknown)."""


def neuron_table(
    z_im: np.ndarray,
    z_um: np.ndarray,
    vectors_id: np.ndarray,
    popularity: np.ndarray,
    eligible: np.ndarray,
    concepts: Sequence[ConceptItems],
    seed: int,
) -> NeuronTable:
    """Measure every neuron on the eligible items (those with training interactions) and on all users.

    `z_im`, `z_um` are codes, `vectors_id` the recommender's item vectors, `popularity` training interactions
    of each item. `seed` draws the random directions of the null.
    """
    known = np.flatnonzero(eligible)
    member_ci = np.array([concept.member[known] for concept in concepts]).reshape(len(concepts), len(known))
    present = np.asarray(member_ci.any(axis=1))
    concepts = [concept for concept, some in zip(concepts, present, strict=True) if some]
    member_ci = member_ci[present]
    base = member_ci.mean(axis=1)
    z = z_im[known]
    top = top_items(z, np.ones(len(known), bool), TOP_STORED)
    hits = {depth: hits_at(top, member_ci, depth) for depth in DEPTHS} if len(concepts) else {}
    best, q = _best_concepts(hits.get(CHOICE_DEPTH), member_ci, base, vectors_id[known], seed, len(top))
    scores = monosemanticity(top, z, vectors_id[known])
    rank = _popularity_percentiles(popularity[known])
    rows = []
    for j in range(z.shape[1]):
        c = best[j]
        purity = {d: _share(hits[d][j, c], d) if c is not None else None for d in DEPTHS}
        rows.append(
            Neuron(
                neuron=j,
                level=None,
                concept=None if c is None else concepts[c].name,
                concept_kind=None if c is None else concepts[c].kind,
                purity10=purity[10],
                purity20=purity[20],
                purity50=purity[50],
                base_rate=None if c is None else float(base[c]),
                cap50=None if c is None else min(1.0, float(member_ci[c].sum()) / 50),
                lift=None if c is None else float(hits[CHOICE_DEPTH][j, c] / CHOICE_DEPTH / base[c]),
                q=_number(q[j]),
                density_items=float((z[:, j] > 0).mean()),
                density_users=float((z_um[:, j] > 0).mean()),
                max_items=float(z[:, j].max()),
                p99_items=_p99(z[:, j]),
                max_users=float(z_um[:, j].max()),
                p99_users=_p99(z_um[:, j]),
                popularity_percentile=_mean_rank(rank, top[j, :10]),
                monosemanticity=_number(scores[j]),
                dead=not ((z[:, j] > 0).any() or (z_um[:, j] > 0).any()),
            )
        )
    return NeuronTable(rows, _reach(concepts, member_ci, base, hits.get(CHOICE_DEPTH)), hits)


def _best_concepts(
    hits: np.ndarray | None,
    member_ci: np.ndarray,
    base: np.ndarray,
    vectors: np.ndarray,
    seed: int,
    neurons: int,
) -> tuple[list[int | None], np.ndarray]:
    """Each neuron's most surprising concept at K = 20 (None without one) and its q against random directions."""
    if hits is None or member_ci.shape[1] < CHOICE_DEPTH:
        return [None] * neurons, np.full(neurons, np.nan)
    score = surprise(hits, CHOICE_DEPTH, base)
    top_score = score.max(axis=1)
    known = (hits[:, 0] >= 0) & (top_score > 0)
    null = null_of_best(vectors - vectors.mean(axis=0), member_ci, CHOICE_DEPTH, seed)
    q = q_values(np.where(hits[:, 0] >= 0, top_score, np.nan), null)
    choice = score.argmax(axis=1)
    return [int(c) if ok else None for c, ok in zip(choice, known, strict=True)], np.where(known, q, np.nan)


def _reach(
    concepts: Sequence[ConceptItems], member_ci: np.ndarray, base: np.ndarray, hits: np.ndarray | None
) -> list[ConceptReach]:
    reach = []
    for c, concept in enumerate(concepts):
        complete = hits is not None and (hits[:, c] >= 0).any()
        neuron = int(hits[:, c].argmax()) if hits is not None and complete else None
        purity = _share(hits[neuron, c], CHOICE_DEPTH) if hits is not None and neuron is not None else None
        reached = purity is not None and names(purity, purity / float(base[c]))
        reach.append(
            ConceptReach(concept.name, concept.kind, int(member_ci[c].sum()), float(base[c]), neuron, purity, reached)
        )
    return reach


def names(purity20: float, lift: float) -> bool:
    """Whether a concept names a neuron: half of its top 20 and more, at twice the base rate and more."""
    return purity20 >= NAMED_PURITY and lift >= NAMED_LIFT


def _mean_rank(rank: np.ndarray | None, top: np.ndarray) -> float | None:
    known = rank is not None and len(top) == 10 and (top >= 0).all()
    return float(rank[top].mean()) if rank is not None and known else None


def _popularity_percentiles(popularity: np.ndarray) -> np.ndarray | None:
    """Percentile rank of each item by popularity: 0 the most popular; equal counts share their mean rank.

    None where nothing is popular because there are no interactions.
    """
    from scipy.stats import rankdata

    if not popularity.any():
        return None

    return 100 * (rankdata(-popularity.astype(np.int64)) - 1) / len(popularity)


def _p99(z: np.ndarray) -> float | None:
    """99th percentile of the positive activations: one strength unit of an edit."""
    positive = z[z > 0]
    return float(np.percentile(positive, 99)) if len(positive) else None


def _share(hits: int, depth: int) -> float | None:
    return None if hits < 0 else float(hits) / depth


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
