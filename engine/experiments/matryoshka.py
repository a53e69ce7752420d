"""What nesting does: whether the first neurons of a Matryoshka dictionary are broader than the last.

The paper (section "Hierarchical Structure with Matryoshka") says that on Last.FM early neurons reach broad audiences
and later ones micro-genres, and prints no figure for it. Here each level has three: audience, breadth and popularity,
and a permutation test says whether they go with the level at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.neurons.evidence import top_items
from engine.neurons.table import ConceptItems

DEPTH = 50
"""Top items that breadth and popularity are taken over."""
LIFT, LEAST_HITS = 2.0, 3
"""A concept counts towards breadth above this multiple of its base rate, with this many of the top items or more:
one item of a rare concept is above any multiple."""
EXAMPLES = 3


@dataclass(frozen=True)
class NeuronBreadth:
    """One neuron; None is unknown: fewer than `DEPTH` active items, no interactions, or no concept among its items."""

    neuron: int
    audience: float
    """Share of the users whose code has it active."""
    concepts: int | None
    """How many concepts hold for more than `LIFT` times their base rate of its top items."""
    entropy: float | None
    """Bits, of the top items' concept memberships; 0 if all are of one concept."""
    popularity: float | None
    """Mean popularity percentile of its top items; 0 is the most popular."""
    examples: tuple[str, ...]
    """The concepts that count towards breadth, most frequent among its top items first."""


@dataclass(frozen=True)
class Level:
    """The neurons that a nested dictionary adds to the one before; `number` counts from 1."""

    number: int
    neurons: tuple[NeuronBreadth, ...]

    def mean(self, of: Callable[[NeuronBreadth], float | None]) -> float | None:
        """Mean over the neurons for which it is known; None without any."""
        known = [value for neuron in self.neurons if (value := of(neuron)) is not None]
        return float(np.mean(known)) if known else None


@dataclass(frozen=True)
class Trend:
    """Spearman's rho of a figure with the level, over `neurons`; `p` is two-sided, from permuted levels.

    Both are None where one side does not vary.
    """

    rho: float | None
    p: float | None
    neurons: int


MEASURES: dict[str, Callable[[NeuronBreadth], float | None]] = {
    "audience": lambda neuron: neuron.audience,
    "concepts": lambda neuron: neuron.concepts,
    "entropy": lambda neuron: neuron.entropy,
    "popularity": lambda neuron: neuron.popularity,
}


def by_level(
    z_im: np.ndarray,
    z_um: np.ndarray,
    popularity: np.ndarray,
    eligible: np.ndarray,
    concepts: Sequence[ConceptItems],
    levels: Sequence[int],
) -> list[Level]:
    """Every neuron's audience, breadth and popularity, by level.

    `z_im`, `z_um` are codes of items and users, `popularity` (items) counts training interactions, `eligible` (items,
    bool) says which items count. `concepts` should be of one kind (genres, or tags): nested kinds count an item twice.
    `levels` are the nested dictionaries' sizes, cumulative, the last of them m. Raises `ValueError` if they are not.
    """
    m = z_im.shape[1]
    if not levels or levels[-1] != m or any(low >= high for low, high in zip((0, *levels), levels, strict=False)):
        raise ValueError(f"levels must rise from above 0 to {m}, the number of neurons, not {tuple(levels)}")
    known = np.flatnonzero(eligible)
    top = top_items(z_im[known], np.ones(len(known), bool), DEPTH)
    member_ci = np.array([concept.member[known] for concept in concepts], bool).reshape(len(concepts), len(known))
    names = [concept.name for concept in concepts]
    audience = (z_um > 0).mean(axis=0)
    percentile = _percentiles(popularity[known])
    rows = []
    for j in range(m):
        items = top[j]
        complete = len(items) == DEPTH and bool((items >= 0).all())
        breadth, bits, examples = _breadth(items, member_ci, names) if complete else (None, None, ())
        mean_rank = float(percentile[items].mean()) if complete and percentile is not None else None
        rows.append(NeuronBreadth(j, float(audience[j]), breadth, bits, mean_rank, examples))
    starts = (0, *levels[:-1])
    return [
        Level(number, tuple(rows[start:end]))
        for number, (start, end) in enumerate(zip(starts, levels, strict=True), start=1)
    ]


def trends(levels: Sequence[Level], seed: int, permutations: int = 10_000) -> dict[str, Trend]:
    """Whether each of `MEASURES` goes with the level. A dead neuron (no audience, no items) counts with audience 0."""
    random = np.random.default_rng(seed)
    found = {}
    for name, of in MEASURES.items():
        pairs = [
            (level.number, value) for level in levels for neuron in level.neurons if (value := of(neuron)) is not None
        ]
        found[name] = _trend(np.array(pairs, np.float64).reshape(-1, 2), random, permutations)
    return found


def _trend(pairs: np.ndarray, random: np.random.Generator, permutations: int) -> Trend:
    """Spearman's rho: the correlation of the ranks, so that permuting one side needs the ranks alone."""
    from scipy.stats import rankdata

    x, y = (rankdata(column) - (len(pairs) + 1) / 2 for column in pairs.T)
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    if scale == 0:
        return Trend(None, None, len(pairs))
    rho = float(x @ y / scale)
    null = np.abs(random.permuted(np.broadcast_to(x, (permutations, len(x))), axis=1) @ y) / scale
    return Trend(rho, float((1 + (null >= abs(rho) - 1e-12).sum()) / (1 + permutations)), len(pairs))


def _breadth(
    items: np.ndarray, member_ci: np.ndarray, names: Sequence[str]
) -> tuple[int, float | None, tuple[str, ...]]:
    """How many concepts stand out among `items`, the entropy of their memberships in bits, and the commonest names."""
    hits = member_ci[:, items].sum(axis=1)
    base = member_ci.mean(axis=1)
    stands_out = np.flatnonzero((hits > LIFT * base * len(items)) & (hits >= LEAST_HITS))
    order = sorted(stands_out.tolist(), key=lambda c: (-int(hits[c]), names[c]))
    share = hits[hits > 0] / max(hits.sum(), 1)
    bits = float(-(share * np.log2(share)).sum()) + 0.0 if len(share) else None
    return len(order), bits, tuple(names[c] for c in order[:EXAMPLES])


def _percentiles(popularity: np.ndarray) -> np.ndarray | None:
    """0 the most popular; equal counts share their mean rank; None where nothing has an interaction."""
    from scipy.stats import rankdata

    if not popularity.any():
        return None
    return 100 * (rankdata(-popularity.astype(np.int64)) - 1) / len(popularity)
