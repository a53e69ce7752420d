"""How well a whole set of neurons covers the concepts, in three readings, beside what chance and plain methods reach.

Purity without a null flatters: random directions of a recommender's vectors are often pure, and whoever picks the
best of many neurons by the labels that are then reported has picked his own figure. So every mean comes as

label-chosen  each concept's purest neuron, chosen and scored on all items, as in the paper's Table 1;
split-half    chosen on one half of the items and scored on the other, the mean of both directions;
one-to-one    chosen on all items, but a neuron stands for one concept at most (Kuhn-Munkres).

The same function takes an SAE, raw dimensions, PCA, ICA or random directions; compare at equal `candidates`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from engine.neurons.evidence import DEPTHS, halves, popularity_percentiles, top_items
from engine.neurons.table import ConceptItems

Reading = Literal["label-chosen", "split-half", "one-to-one"]
READINGS: tuple[Reading, ...] = ("label-chosen", "split-half", "one-to-one")
PANEL_ITEMS, PANEL_TAGS = 20, 30
"""A concept of the panel has so many ranked items; of tags there are so many, the commonest."""
PANEL_KINDS = ("genre", "tag", "era", "own")


def panel(
    concepts: Sequence[ConceptItems], eligible: np.ndarray, names: Sequence[str] | None = None
) -> list[ConceptItems]:
    """The concepts that a mean is over: those of `names`, or genres, eras and tags with enough ranked items."""
    if names is not None:
        by_name = {concept.name: concept for concept in concepts}
        return [by_name[name] for name in names if name in by_name]
    counts = {concept.name: int(concept.member[eligible].sum()) for concept in concepts}
    large = [c for c in concepts if c.kind in PANEL_KINDS and counts[c.name] >= PANEL_ITEMS]
    tags = sorted((c for c in large if c.kind == "tag"), key=lambda c: (-counts[c.name], c.name))
    dropped = {concept.name for concept in tags[PANEL_TAGS:]}
    return [concept for concept in large if concept.name not in dropped]


@dataclass(frozen=True)
class Purest:
    """A concept's neuron under one reading. None: no neuron, or fewer than K items activate it."""

    neuron: int | None
    purity: Mapping[int, float | None]
    """By K."""


@dataclass(frozen=True)
class ConceptStanding:
    """One concept: how rare it is, how pure a neuron could be at most, and how pure one is."""

    concept: str
    kind: str
    items: int
    base_rate: float
    cap: Mapping[int, float]
    """The highest purity@K that so few items allow."""
    readings: Mapping[Reading, Purest]


@dataclass(frozen=True)
class Standing:
    """All concepts of a panel, and the means over them; an unknown purity counts as 0 in a mean."""

    candidates: int
    concepts: Sequence[ConceptStanding]
    means: Mapping[Reading, Mapping[int, float]]
    popularity_neuron: int | None
    popularity: Mapping[int, float | None]
    """Mean popularity percentile of that neuron's top K (0: the most popular item), lowest over the mean of the K."""

    def as_dict(self) -> dict[str, Any]:
        """As plain values; JSON turns the depths into text."""
        return asdict(self)

    def purity(self, reading: Reading, depth: int) -> np.ndarray:
        """Purity@depth of every concept of the panel; 0 where it is unknown."""
        return np.array([concept.readings[reading].purity[depth] or 0.0 for concept in self.concepts])


def standing(
    z_im: np.ndarray,
    eligible: np.ndarray,
    concepts: Sequence[ConceptItems],
    popularity: np.ndarray,
    seed: int,
) -> Standing:
    """Measure the neurons whose item codes are `z_im` on the eligible items; `seed` draws the halves.

    `concepts` are the panel, `popularity` counts each item's training interactions.
    """
    known = np.flatnonzero(eligible)
    z, member_ci = z_im[known], _members(concepts, known)
    halved = halves(len(known), seed)
    whole = _purities(_tops(z), member_ci)
    parts = [_purities(_tops(z[half]), member_ci[:, half]) for half in halved]
    chosen = _readings(whole, parts)
    base = member_ci.mean(axis=1) if len(known) else np.zeros(len(concepts))
    rows = [
        ConceptStanding(
            concept.name,
            concept.kind,
            int(member_ci[c].sum()),
            float(base[c]),
            {depth: min(1.0, float(member_ci[c].sum()) / depth) for depth in DEPTHS},
            {reading: _purest(chosen[reading], c) for reading in READINGS},
        )
        for c, concept in enumerate(concepts)
    ]
    neuron, percentiles = _most_popular(_tops(z), popularity[known])
    return Standing(z_im.shape[1], rows, _means(chosen), neuron, percentiles)


@dataclass(frozen=True)
class RandomStanding:
    """Means over the panel for sets of random directions: their mean and the range of 95 of 100 sets."""

    candidates: int
    draws: int
    means: Mapping[Reading, Mapping[int, tuple[float, float, float]]]
    """By K: mean, 2.5th and 97.5th percentile over the sets."""
    by_concept: Mapping[Reading, Mapping[str, float]]
    """Purity@20 of each concept, mean over the sets."""

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def random_standing(
    x_nd: np.ndarray,
    eligible: np.ndarray,
    concepts: Sequence[ConceptItems],
    candidates: int,
    seed: int,
    draws: int = 100,
) -> RandomStanding:
    """The same means for `draws` sets of `candidates` random directions of the item vectors `x_nd` (n × d).

    A direction fires where the centred vectors point its way, as a neuron would.
    """
    known = np.flatnonzero(eligible)
    member_ci, halved = _members(concepts, known), halves(len(known), seed)
    found: dict[Reading, dict[int, list[float]]] = {reading: {depth: [] for depth in DEPTHS} for reading in READINGS}
    each: dict[Reading, np.ndarray] = {reading: np.zeros(len(concepts)) for reading in READINGS}
    for z in _random_codes(x_nd[known], candidates, seed, draws):
        parts = [_purities(_tops(z[half]), member_ci[:, half]) for half in halved]
        chosen = _readings(_purities(_tops(z), member_ci), parts)
        for reading, means in _means(chosen).items():
            each[reading] += np.nan_to_num(chosen[reading].purity[:, DEPTHS.index(20)]) / draws
            for depth, value in means.items():
                found[reading][depth].append(value)
    return RandomStanding(
        candidates,
        draws,
        {
            reading: {
                depth: (float(np.mean(values)), *(float(v) for v in np.percentile(values, [2.5, 97.5])))  # type: ignore[misc]
                for depth, values in depths.items()
            }
            for reading, depths in found.items()
        },
        {
            reading: {concept.name: float(value) for concept, value in zip(concepts, values, strict=True)}
            for reading, values in each.items()
        },
    )


def random_ranges(
    x_nd: np.ndarray,
    eligible: np.ndarray,
    concepts: Sequence[ConceptItems],
    candidates: int,
    seed: int,
    draws: int = 100,
) -> dict[str, tuple[float, float]]:
    """The range of 95 of 100 sets in split-half purity@20 of each concept, over the sets of `random_standing`."""
    known = np.flatnonzero(eligible)
    halved, at, found = halves(len(known), seed), DEPTHS.index(20), []
    member_ci = _members(concepts, known).astype(np.float32)
    members = [np.ascontiguousarray(member_ci[:, half].T) for half in halved]
    for z in _random_codes(x_nd[known], candidates, seed, draws):
        parts = [_purities_by_cut(z[half], member) for half, member in zip(halved, members, strict=True)]
        found.append(np.nan_to_num(_crossed(parts)[:, at]))
    low, high = np.percentile(found, [2.5, 97.5], axis=0)
    return {concept.name: (float(low[c]), float(high[c])) for c, concept in enumerate(concepts)}


def _random_codes(x_nd: np.ndarray, candidates: int, seed: int, draws: int) -> Iterator[np.ndarray]:
    """Codes of the vectors for `draws` sets of random directions, the same for the same seed."""
    random = np.random.default_rng(seed)
    x = (x_nd - x_nd.mean(axis=0)).astype(np.float32)
    for _ in range(draws):
        yield np.maximum(x @ random.standard_normal((x.shape[1], candidates)).astype(np.float32), 0)


def paired_interval(a: np.ndarray, b: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Mean of a - b with its 95 % bootstrap interval over concepts.

    One row a concept (C), or a concept's row over several bases (C × bases): a concept is drawn with all its bases,
    since its figures over two bases of one data set are no independent evidence.
    """
    from scipy.stats import bootstrap

    difference = np.asarray(a, float) - np.asarray(b, float)
    if difference.ndim > 1:
        difference = difference.mean(axis=1)
    if len(difference) < 2 or not np.ptp(difference):
        return (float(difference.mean()),) * 3
    interval = bootstrap(
        (difference,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(seed), batch=1000
    ).confidence_interval
    return float(difference.mean()), float(interval.low), float(interval.high)


def _members(concepts: Sequence[ConceptItems], known: np.ndarray) -> np.ndarray:
    return np.array([concept.member[known] for concept in concepts], bool).reshape(len(concepts), len(known))


def _tops(z_nm: np.ndarray) -> np.ndarray:
    """The most active items of each neuron (m × 50, best first); -1 where fewer are active."""
    top = top_items(z_nm, np.ones(len(z_nm), bool), max(DEPTHS))
    return np.pad(top, ((0, 0), (0, max(DEPTHS) - top.shape[1])), constant_values=-1)


def _purities(top_mt: np.ndarray, member_ci: np.ndarray) -> np.ndarray:
    """Purity of every neuron for every concept at each depth (m × C × depths); nan where too few items are active."""
    if not member_ci.shape[1]:
        return np.full((len(top_mt), len(member_ci), len(DEPTHS)), np.nan)
    hits = member_ci[:, np.maximum(top_mt, 0)] & (top_mt >= 0)
    counts = hits.cumsum(axis=2, dtype=np.int32)
    purity = np.stack([counts[:, :, depth - 1].T / depth for depth in DEPTHS], axis=2)
    for n, depth in enumerate(DEPTHS):
        purity[top_mt[:, depth - 1] < 0, :, n] = np.nan
    return purity


def _purities_by_cut(z_nm: np.ndarray, member_nc: np.ndarray) -> np.ndarray:
    """What `_purities` has of codes without ties, in half of the time: nothing is put in order."""
    n, m = z_nm.shape
    purity = np.full((m, member_nc.shape[1], len(DEPTHS)), np.nan)
    depths = [depth for depth in DEPTHS if depth <= n]
    if depths:
        a_mn = np.ascontiguousarray(z_nm.T)
        cut = np.partition(a_mn, [n - depth for depth in depths], axis=1)
        for place, depth in enumerate(depths):
            least = cut[:, n - depth, None]
            hits = (a_mn >= least).astype(np.float32) @ member_nc
            purity[:, :, place] = np.where(least > 0, hits.astype(np.float64) / depth, np.nan)
    return purity


@dataclass(frozen=True)
class _Chosen:
    """For each concept: its neuron (-1: none) and purity at each depth (C × depths, nan unknown)."""

    neuron: np.ndarray
    purity: np.ndarray


def _readings(whole: np.ndarray, parts: Sequence[np.ndarray]) -> dict[Reading, _Chosen]:
    from scipy.optimize import linear_sum_assignment

    concepts = np.arange(whole.shape[1])
    if not len(whole):  # a dictionary of vectors that do not vary has no directions
        nobody = _Chosen(np.full(len(concepts), -1), np.full(whole.shape[1:], np.nan))
        return dict.fromkeys(READINGS, nobody)
    score = np.nan_to_num(whole).mean(axis=2)
    best = score.argmax(axis=0)
    alone = np.full(len(concepts), -1)
    neurons, assigned = linear_sum_assignment(-score)
    alone[assigned] = neurons
    own = np.where((alone >= 0)[:, None], whole[alone, concepts], np.nan)
    return {
        "label-chosen": _Chosen(best, whole[best, concepts]),
        "split-half": _Chosen(np.full(len(concepts), -1), _crossed(parts)),
        "one-to-one": _Chosen(alone, own),
    }


def _crossed(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Purity (C × depths) of each concept's neuron of one half of the items on the other, mean of both directions."""
    concepts = np.arange(parts[0].shape[1])
    found = []
    for chosen_on, scored_on in (parts, parts[::-1]):
        pick = np.nan_to_num(chosen_on).mean(axis=2).argmax(axis=0)
        found.append(scored_on[pick, concepts])
    return np.asarray(np.mean(found, axis=0))


def _means(chosen: Mapping[Reading, _Chosen]) -> dict[Reading, dict[int, float]]:
    return {
        reading: {
            depth: float(np.nan_to_num(one.purity[:, n]).mean()) if len(one.purity) else 0.0
            for n, depth in enumerate(DEPTHS)
        }
        for reading, one in chosen.items()
    }


def _purest(chosen: _Chosen, c: int) -> Purest:
    neuron = int(chosen.neuron[c])
    purity = {
        depth: float(value) if np.isfinite(value) else None
        for depth, value in zip(DEPTHS, chosen.purity[c], strict=True)
    }
    return Purest(None if neuron < 0 else neuron, purity)


def _most_popular(top_mt: np.ndarray, popularity: np.ndarray) -> tuple[int | None, dict[int, float | None]]:
    """The popularity neuron, chosen as every concept's is: by the mean over the depths, an unknown one the worst."""
    percentile = popularity_percentiles(popularity)
    if percentile is None or not (top_mt[:, DEPTHS[0] - 1] >= 0).any():
        return None, dict.fromkeys(DEPTHS)
    known = [top_mt[:, depth - 1] >= 0 for depth in DEPTHS]
    means = [percentile[np.maximum(top_mt[:, :depth], 0)].mean(axis=1) for depth in DEPTHS]
    neuron = int(np.mean([np.where(*pair, 100.0) for pair in zip(known, means, strict=True)], axis=0).argmin())
    found = zip(DEPTHS, known, means, strict=True)
    return neuron, {depth: float(mean[neuron]) if complete[neuron] else None for depth, complete, mean in found}
