"""The neuron table: one row a neuron, every figure computed from this run's vectors and catalogue."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from engine.neurons.evidence import (
    DEPTHS,
    beats_random_items,
    chance_similarity,
    halves,
    hits_at,
    metadata_vectors,
    monosemanticity,
    null_of_best,
    popularity_percentiles,
    q_values,
    surprise,
    top_items,
)
from engine.neurons.flags import flags, near

TOP_STORED = 50
"""Top items of each neuron that a run stores for the workbench."""
CHOICE_DEPTH = 20
"""The depth at which a neuron's best concept is chosen."""
NAMED_PURITY, NAMED_LIFT = 0.5, 2.0
"""A concept names a neuron if at least this share of its top 20 carries it, at this multiple of the base rate."""
METADATA_KINDS = ("genre", "tag", "own")
"""Kinds of concepts that the independent monosemanticity compares items by."""


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
    concept_items: int | None
    """Ranked items that carry the concept."""
    cap50: float | None
    """The highest purity@50 that so few items allow."""
    lift: float | None
    q: float | None
    p_random_items: float | None
    """`beats_random_items`: shown beside q, evidence of nothing."""
    active_items: int
    """Ranked items with a positive activation; with fewer than K of them purity@K is unknown."""
    density_items: float
    density_users: float
    max_items: float
    p99_items: float | None
    max_users: float
    p99_users: float | None
    popularity_percentile: float | None
    monosemanticity: float | None
    """Published form: by the recommender's own vectors, so circular."""
    monosemanticity_independent: float | None
    """By the metadata."""
    neighbour: int | None
    """The neuron whose decoder row is closest, with the cosine, and the Jaccard index of the items of both."""
    neighbour_cosine: float | None
    neighbour_overlap: float | None
    flags: list[str]
    """Of dead, dense, duplicate, item-only, user-only, popularity; see `engine.neurons.flags.flags`."""
    dead: bool
    # Unknown in the tables of earlier runs, hence the defaults.
    cap10: float | None = None
    cap20: float | None = None
    half_concept: str | None = None
    """The concept that both halves of the items choose; None where they differ. See `split_half`."""
    half_purity10: float | None = None
    half_purity20: float | None = None
    half_purity50: float | None = None

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
    chance: dict[str, float | None]
    """What random items have for each form of monosemanticity."""


def neuron_table(
    z_im: np.ndarray,
    z_um: np.ndarray,
    vectors_id: np.ndarray,
    popularity: np.ndarray,
    eligible: np.ndarray,
    concepts: Sequence[ConceptItems],
    seed: int,
    directions_md: np.ndarray | None = None,
    levels: Sequence[int] = (),
) -> NeuronTable:
    """Measure every neuron on the eligible items (those with training interactions) and on all users.

    `z_im`, `z_um` are codes, `vectors_id` the recommender's item vectors, `popularity` training interactions
    of each item. `seed` draws the random directions of the null. `directions_md` are the decoder's rows, for
    neighbours; `levels` the cumulative sizes of a Matryoshka dictionary.
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
    described = metadata_vectors(member_ci[[concept.kind in METADATA_KINDS for concept in concepts]])
    scores = monosemanticity(top, z, vectors_id[known])
    independent = monosemanticity(top, z, described) if described.shape[1] else np.full(len(top), np.nan)
    carriers = member_ci.sum(axis=1)
    random_items = (
        beats_random_items(hits[CHOICE_DEPTH], CHOICE_DEPTH, carriers, len(known)) if hits else np.ones(len(top))
    )
    close = near(directions_md, z)
    half, half_purity = split_half(z, member_ci, seed)
    rank = popularity_percentiles(popularity[known])
    rows = []
    for j in range(z.shape[1]):
        c = best[j]
        purity = {d: _share(hits[d][j, c], d) if c is not None else None for d in DEPTHS}
        popular = _mean_rank(rank, top[j, :10])
        rows.append(
            Neuron(
                neuron=j,
                level=int(np.searchsorted(levels, j, "right")) if len(levels) else None,
                concept=None if c is None else concepts[c].name,
                concept_kind=None if c is None else concepts[c].kind,
                purity10=purity[10],
                purity20=purity[20],
                purity50=purity[50],
                base_rate=None if c is None else float(base[c]),
                concept_items=None if c is None else int(carriers[c]),
                **{f"cap{d}": None if c is None else min(1.0, float(carriers[c]) / d) for d in DEPTHS},
                half_concept=None if half[j] < 0 else concepts[half[j]].name,
                **{f"half_purity{d}": _number(half_purity[d][j]) for d in DEPTHS},
                lift=None if c is None else float(hits[CHOICE_DEPTH][j, c] / CHOICE_DEPTH / base[c]),
                q=_number(q[j]),
                p_random_items=None if c is None else float(random_items[j]),
                active_items=int((z[:, j] > 0).sum()),
                density_items=float((z[:, j] > 0).mean()) if len(z) else 0.0,
                density_users=float((z_um[:, j] > 0).mean()) if len(z_um) else 0.0,
                max_items=float(z[:, j].max(initial=0)),
                p99_items=_p99(z[:, j]),
                max_users=float(z_um[:, j].max(initial=0)),
                p99_users=_p99(z_um[:, j]),
                popularity_percentile=popular,
                monosemanticity=_number(scores[j]),
                monosemanticity_independent=_number(independent[j]),
                neighbour=close[j].neuron,
                neighbour_cosine=close[j].cosine,
                neighbour_overlap=close[j].overlap,
                flags=flags(z[:, j], z_um[:, j], close[j].duplicate, popular, popularity[known]),
                dead=not ((z[:, j] > 0).any() or (z_um[:, j] > 0).any()),
            )
        )
    chance = {
        "monosemanticity": _number(chance_similarity(vectors_id[known])),
        "monosemanticity_independent": _number(chance_similarity(described)) if described.shape[1] else None,
    }
    return NeuronTable(rows, _reach(concepts, member_ci, base, hits.get(CHOICE_DEPTH)), hits, chance)


def split_half(z_nm: np.ndarray, member_ci: np.ndarray, seed: int) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Choose each neuron's concept on one random half of the items (n), score it on the other, and the reverse.

    A concept that was chosen among many for its purity looks purer than it is; one that is scored on other items does
    not. Returns the concept's number if both halves choose the same one (-1 if not), and by K the mean of
    the two purities among the most active K items of the half that did not choose (nan: one of them is unknown).
    """
    m = z_nm.shape[1]
    if not len(member_ci) or len(z_nm) < 2 * CHOICE_DEPTH:
        return np.full(m, -1), {depth: np.full(m, np.nan) for depth in DEPTHS}
    parts = halves(len(z_nm), seed)
    tops = [top_items(z_nm[half], np.ones(len(half), bool), max(DEPTHS)) for half in parts]
    choices, scored = [], []
    for here, there in ((0, 1), (1, 0)):
        member, other = member_ci[:, parts[here]], member_ci[:, parts[there]]
        score = surprise(hits_at(tops[here], member, CHOICE_DEPTH), CHOICE_DEPTH, member.mean(axis=1))
        choice = np.where(score.max(axis=1) > 0, score.argmax(axis=1), -1)
        found = {depth: hits_at(tops[there], other, depth)[np.arange(m), choice] for depth in DEPTHS}
        choices.append(choice)
        scored.append({d: np.where((choice >= 0) & (hits >= 0), hits / d, np.nan) for d, hits in found.items()})
    agreed = np.where(choices[0] == choices[1], choices[0], -1)
    return agreed, {depth: (scored[0][depth] + scored[1][depth]) / 2 for depth in DEPTHS}


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


def _p99(z: np.ndarray) -> float | None:
    """99th percentile of the positive activations: one strength unit of an edit."""
    positive = z[z > 0]
    return float(np.percentile(positive, 99)) if len(positive) else None


def _share(hits: int, depth: int) -> float | None:
    return None if hits < 0 else float(hits) / depth


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
