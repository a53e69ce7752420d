"""What a labeller is shown of a neuron, and the items that its label is tested on: never the same ones.

The items are split once, by a seed, into two halves. Whoever names a neuron sees items of the explain half alone; every
test of the name asks about items of the score half. Both hold, for each neuron: its most active items, items that
activate it less, near misses (silent items that are close in metadata, or that activate the neuron beside it),
and random silent items.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.neurons.evidence import halves

Source = Literal["top", "lower", "near by metadata", "near by neuron", "random"]
"""How an item came to be evidence. The first two activate the neuron, the others do not at all."""
ACTIVE: tuple[Source, ...] = ("top", "lower")
NEAR: tuple[Source, ...] = ("near by metadata", "near by neuron")

EXPLAINED: dict[Source, int] = {"top": 20, "lower": 10, "near by metadata": 5, "near by neuron": 5, "random": 10}
SCORED: dict[Source, int] = {"top": 10, "lower": 10, "near by metadata": 5, "near by neuron": 5, "random": 20}
"""Items of each source in the two halves, where there are so many."""
ROUNDS, ALIKE, ALIKE_FROM = 10, 4, 20
"""Rounds of the intruder test, each with so many of the neuron's so many most active items and one silent one."""
NEAREST = 50
"""Near misses are drawn from so many of the nearest silent items."""


@dataclass(frozen=True)
class Shown:
    """One item of a neuron's evidence, by its number."""

    item: int
    source: Source

    @property
    def active(self) -> bool:
        """Whether it activates the neuron."""
        return self.source in ACTIVE


@dataclass(frozen=True)
class Round:
    """Items of which all but one are among the neuron's most active ones, in the order in which they are shown."""

    items: tuple[int, ...]
    intruder: int


@dataclass(frozen=True)
class Evidence:
    """A neuron's evidence: `explain` for who names it, `score` and `rounds` for who tests the name."""

    neuron: int
    seed: int
    explain: tuple[Shown, ...]
    score: tuple[Shown, ...]
    """In a random order."""
    rounds: tuple[Round, ...]

    def of(self, *sources: Source) -> list[int]:
        """The items of these sources that a labeller is shown, in order."""
        return [shown.item for shown in self.explain if shown.source in sources]


@dataclass(frozen=True)
class Split:
    """The eligible items in two halves (ascending numbers), drawn by `seed`."""

    seed: int
    explain: np.ndarray
    score: np.ndarray

    @classmethod
    def of(cls, eligible: np.ndarray, seed: int) -> "Split":
        """Halves of the items that `eligible` (bool, items) marks."""
        known = np.flatnonzero(eligible)
        explain, score = halves(len(known), seed)
        return cls(seed, known[explain], known[score])


def evidence_for(
    neuron: int, z_im: np.ndarray, split: Split, metadata_id: np.ndarray, neighbour: int | None
) -> Evidence:
    """Evidence on one neuron of the items' codes `z_im`, drawn by the split's seed and the neuron's number.

    `metadata_id` (items × any, rows of zeros without metadata) tells how alike items are; `neighbour` is the
    neuron beside. Any source may have fewer items than `EXPLAINED` and `SCORED` say, or none.
    """
    rng = np.random.default_rng([split.seed, neuron])
    explain = _chosen(neuron, z_im, split.explain, metadata_id, neighbour, EXPLAINED, rng)
    score = _chosen(neuron, z_im, split.score, metadata_id, neighbour, SCORED, rng)
    taken = {shown.item for shown in score}
    rounds = _rounds(z_im[:, neuron], split.score, taken, rng)
    return Evidence(
        neuron, split.seed, tuple(explain), tuple(score[place] for place in rng.permutation(len(score))), tuple(rounds)
    )


def _chosen(
    neuron: int,
    z_im: np.ndarray,
    pool: np.ndarray,
    metadata_id: np.ndarray,
    neighbour: int | None,
    wanted: dict[Source, int],
    rng: np.random.Generator,
) -> list[Shown]:
    z = z_im[pool, neuron]
    ranked = pool[np.argsort(-z, kind="stable")][: int((z > 0).sum())]
    top, weaker = ranked[: wanted["top"]], ranked[wanted["top"] :]
    silent = pool[z == 0]
    near = _nearest(silent, metadata_id[silent] @ metadata_id[top].sum(axis=0))
    found: dict[Source, np.ndarray] = {
        "top": top,
        "lower": _from_each_band(weaker, wanted["lower"], rng),
        "near by metadata": _drawn(near, wanted["near by metadata"], rng),
    }
    beside = np.empty(0, np.int64) if neighbour is None else _nearest(silent, z_im[silent, neighbour])
    found["near by neuron"] = _drawn(_without(beside, found), wanted["near by neuron"], rng)
    found["random"] = _drawn(_without(silent, found), wanted["random"], rng)
    return [Shown(int(item), source) for source, items in found.items() for item in items]


def _from_each_band(ranked: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """One item of each of `count` bands of equal size, so that every strength is there, the strongest first."""
    bands = [band for band in np.array_split(ranked, count) if len(band)]
    return np.array([rng.choice(band) for band in bands], np.int64)


def _nearest(items: np.ndarray, closeness: np.ndarray) -> np.ndarray:
    """The `NEAREST` items that are close at all."""
    order = np.argsort(-closeness, kind="stable")[:NEAREST]
    return np.asarray(items[order[closeness[order] > 0]])


def _drawn(items: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(items, min(count, len(items)), replace=False)


def _without(items: np.ndarray, found: dict[Source, np.ndarray]) -> np.ndarray:
    return np.setdiff1d(items, np.concatenate(list(found.values())))


def _rounds(z_n: np.ndarray, pool: np.ndarray, taken: set[int], rng: np.random.Generator) -> list[Round]:
    """Rounds over the pool's most active items, each in two rounds at most; `taken` are no intruders."""
    z = z_n[pool]
    active = pool[np.argsort(-z, kind="stable")][: min(ALIKE_FROM, int((z > 0).sum()))]
    silent = np.setdiff1d(pool[z == 0], np.array(sorted(taken), np.int64))
    each = len(active) // ALIKE
    alike = [group for _ in range(2) for group in rng.permutation(active)[: each * ALIKE].reshape(each, ALIKE).tolist()]
    count = min(len(alike), len(silent), ROUNDS)
    rounds = []
    for items, intruder in zip(alike[:count], rng.choice(silent, count, replace=False).tolist(), strict=True):
        rounds.append(Round(tuple(rng.permutation([*items, intruder]).tolist()), intruder))
    return rounds


def likeness(labels_of_items: Sequence[Sequence[str]]) -> np.ndarray:
    """Items × labels, float32: rows of length 1 whose products tell how alike two items' labels are (tf-idf).

    An item without labels is a row of zeros.
    """
    names = sorted({label for labels in labels_of_items for label in labels})
    place = {name: column for column, name in enumerate(names)}
    rows = np.zeros((len(labels_of_items), len(names)), np.float32)
    for item, labels in enumerate(labels_of_items):
        rows[item, [place[label] for label in labels]] = 1
    carriers = rows.sum(axis=0)
    rows *= np.log((1 + len(rows)) / np.maximum(carriers, 1)).astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
