"""Which neuron of one run is which of another: of another seed, another base, another recommender."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import RunError

if TYPE_CHECKING:
    from engine.run import Run

SAME = 0.7
"""Correlation of item activations from which on two neurons count as the same, where chance does not reach it."""
PERMUTATIONS = 20
DRAWS = 20
"""Sets of random directions that stand beside a dictionary in `match_runs`."""
FEWEST_ITEMS = 20


@dataclass(frozen=True)
class Match:
    """A neuron of A with the one neuron of B that it is paired with."""

    a: int
    b: int
    correlation: float


@dataclass(frozen=True)
class Matching:
    """A one-to-one pairing of two dictionaries over the items that both know. Dead neurons are paired with nothing."""

    pairs: list[Match]
    """By neuron of A."""
    items: int
    """Items that the correlation is over."""
    alive_a: int
    """Living neurons of A, and of B; no more than the fewer of both can be found again."""
    alive_b: int
    matched: float | None
    """Share of A's living neurons whose pair correlates by `level` or more."""
    chance: float
    """The largest correlation that pairing gave with the items of B permuted: 95th percentile over permutations."""
    chance_matched: float
    """Share of A's neurons that would correlate by `SAME` or more by then, mean over permutations."""
    appeared: list[int]
    """Living neurons of B that are no neuron of A."""
    vanished: list[int]
    """Living neurons of A that are no neuron of B."""
    random: float | None = None
    """The largest correlation that as many random directions of B's vectors give: 95th percentile over draws."""
    random_matched: float | None = None
    """Share of A's neurons that would correlate by `SAME` or more in them, mean over draws; both for runs alone."""
    level: float = SAME
    """What a pair has to reach to count as one neuron: `SAME`, or the largest correlation by chance if that is more."""


def match(za_im: np.ndarray, zb_im: np.ndarray, seed: int = 0, drawn: tuple[float, float] | None = None) -> Matching:
    """Pair the columns of two code matrices over the same items, row by row, for the largest total correlation.

    Kuhn-Munkres on Pearson's correlation of item activations. The null permutes the items of B and pairs again;
    `drawn` is what `random_directions` gave, a second null.
    """
    correlation = _correlations(za_im, zb_im)
    rows, columns = _paired(correlation)
    pairs = [Match(int(a), int(b), float(correlation[a, b])) for a, b in zip(rows, columns, strict=True)]
    alive_a, alive_b = (np.flatnonzero(z.std(axis=0) > 0) for z in (za_im, zb_im))
    pairs = [one for one in pairs if one.a in alive_a and one.b in alive_b]
    random, best, share = np.random.default_rng(seed), [], []
    for _ in range(PERMUTATIONS):
        shuffled = _correlations(za_im, zb_im[random.permutation(len(zb_im))])
        found = shuffled[_paired(shuffled)]
        best.append(found.max(initial=0.0))
        share.append(float((found >= SAME).sum()) / max(len(alive_a), 1))
    chance, (by_drawing, drawn_share) = float(np.percentile(best, 95)), drawn or (None, None)
    level = max(SAME, chance, by_drawing or 0.0)
    same = {one.a: one.b for one in pairs if one.correlation >= level}
    return Matching(
        pairs,
        len(za_im),
        len(alive_a),
        len(alive_b),
        len(same) / len(alive_a) if len(alive_a) else None,
        chance,
        float(np.mean(share)),
        [int(b) for b in alive_b if b not in same.values()],
        [int(a) for a in alive_a if a not in same],
        by_drawing,
        drawn_share,
        level,
    )


def match_runs(a: "Run", b: "Run", seed: int = 0) -> Matching:
    """Pair the neurons of two runs over the ranked items whose ids both have. Raises `RunError` for too few of them.

    Between data sets of different names an id is the same item only where its title is the same too.
    """
    apart = a.manifest["dataset"] != b.manifest["dataset"]
    known_a, known_b = (_known(run, with_titles=apart) for run in (a, b))
    shared = [one for one in known_a if one in known_b]
    if len(shared) < FEWEST_ITEMS:
        raise RunError(
            f"Runs {a.name} and {b.name} have {len(shared)} ranked items in common; neurons are matched by what items "
            "activate them, so compare runs of one data set."
        )
    vectors = [
        run.recommender.items.vectors[[known[one] for one in shared]] for run, known in ((a, known_a), (b, known_b))
    ]
    za_im, zb_im = (run.sae.encode(e_id, "items") for run, e_id in zip((a, b), vectors, strict=True))
    return match(za_im, zb_im, seed, random_directions(za_im, vectors[1], zb_im.shape[1], seed))


def _known(run: "Run", *, with_titles: bool) -> dict[tuple[str, str], int]:
    """The number of each ranked item, by its id and, if asked for, its title."""
    ids, titles = run.recommender.items.ids, run.texts["title"]
    return {(one, titles[n] if with_titles else ""): n for n, one in enumerate(ids) if run.screen["ranked"][n]}


def random_directions(za_im: np.ndarray, e_id: np.ndarray, neurons: int, seed: int) -> tuple[float, float]:
    """How far A's neurons match sets of random directions of the vectors `e_id`.

    A direction fires where the centred vectors point its way. The 95th percentile over draws of the largest
    correlation, and the mean share of A's living neurons that match.
    """
    random, centred = np.random.default_rng(seed), e_id - e_id.mean(axis=0)
    alive, best, share = max(int((za_im.std(axis=0) > 0).sum()), 1), [], []
    for _ in range(DRAWS):
        drawn = np.maximum(centred @ random.standard_normal((e_id.shape[1], neurons)), 0)
        correlation = _correlations(za_im, drawn)
        found = correlation[_paired(correlation)]
        best.append(found.max(initial=0.0))
        share.append(float((found >= SAME).sum()) / alive)
    return float(np.percentile(best, 95)), float(np.mean(share))


def _correlations(za_im: np.ndarray, zb_im: np.ndarray) -> np.ndarray:
    """Pearson's correlation of every two columns; 0 where one does not vary."""
    unit = []
    for z in (za_im, zb_im):
        centred = z.astype(np.float64) - z.mean(axis=0)
        unit.append(centred / np.maximum(np.linalg.norm(centred, axis=0), 1e-12))
    return np.asarray(unit[0].T @ unit[1])


def _paired(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-correlation)
    return rows, columns
