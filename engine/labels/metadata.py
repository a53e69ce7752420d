"""The offline labeller: a neuron is named by what its most active items are enriched with, or by nothing.

The p-values are against random items and are no evidence for a neuron: 76 to 98 % of random directions of the same
vectors pass such a test on MovieLens 1M. Here they only keep a name from resting on a handful of items. Whether a name
is any good is for its scores to say, on items that had no part in choosing it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.actions import Label, now
from engine.labels.resolve import JOINT, resolve
from engine.neurons.evidence import surprise, top_items
from engine.neurons.table import CHOICE_DEPTH, ConceptItems, names

NO_CONCEPT = "no coherent concept"
FEWEST_ITEMS = 10
"""With fewer active items nothing is named."""
FIRST_Q, SECOND_Q = 0.01, 0.01

Family = Literal["theme", "time", "popularity"]
TIME_KINDS, POPULARITY_KINDS = ("decade", "era"), ("popularity",)
COMPOSITE_KINDS = ("genre-decade",)
"""Kinds that name nothing here: a genre in a decade is told as the two that it is made of."""
_ORDER: tuple[Family, ...] = ("theme", "time", "popularity")


@dataclass(frozen=True)
class Enrichment:
    """How often one concept is among a neuron's most active items, and how often elsewhere."""

    concept: str
    kind: str
    hits: int
    share: float
    base_rate: float
    """Share of the pool's items that carry it."""
    lift: float
    p: float
    """Probability of as many hits or more among items drawn at random: hypergeometric upper tail."""
    q: float
    """`p` by Benjamini-Hochberg over the concepts tested beside it."""


def family(kind: str) -> Family:
    """What concepts of this kind tell of an item; two of one family do not name a neuron together."""
    if kind in TIME_KINDS:
        return "time"
    return "popularity" if kind in POPULARITY_KINDS else "theme"


def enriched(top: np.ndarray, pool: np.ndarray, concepts: Sequence[ConceptItems]) -> list[Enrichment]:
    """How enriched the items `top` are with each concept, beside the `pool` that they are from (item numbers).

    Tested are the concepts that some item of the pool carries, in their order; q is over these. Empty without items.
    """
    return _enriched(top, _Pool.of(pool, concepts))


def metadata_labels(
    z_im: np.ndarray, pool: np.ndarray, concepts: Sequence[ConceptItems], neurons: Sequence[int]
) -> Iterator[tuple[int, Label]]:
    """Name each of `neurons` by the concepts that its 20 most active items of the `pool` are enriched with.

    `z_im` are the items' codes (items × neurons), `pool` the numbers of the items that are looked at. Of the concepts
    that `names` accepts at a q below .01 the most surprising one is the name. One of another family (theme, time,
    popularity) joins it if `names` accepts both together, they surprise more than the first alone, and the top items
    that carry the first are enriched with it beside all items that do, at a q below .01.

    The q-values are over the concepts tested for one neuron, so that a name does not depend on which neurons are asked
    for: of neurons without any concept up to one in a hundred is named. The label's concept is what the name resolves
    to. A neuron that fewer than 10 items of the pool activate has none.
    """
    simple = _Pool.of(np.sort(pool), [concept for concept in concepts if concept.kind not in COMPOSITE_KINDS])
    known = [concept.name for concept in concepts]
    z = z_im[np.ix_(simple.items, np.asarray(neurons, int))]
    for number, row in zip(neurons, top_items(z, np.ones(len(z), bool), CHOICE_DEPTH), strict=True):
        top = simple.items[row[row >= 0]]
        yield number, _label(top, simple, known)


@dataclass(frozen=True)
class _Pool:
    """Items to draw from, and the concepts that some of them carry."""

    items: np.ndarray
    concepts: Sequence[ConceptItems]
    carriers: np.ndarray
    """Items of the pool that carry each concept."""

    @classmethod
    def of(cls, items: np.ndarray, concepts: Sequence[ConceptItems]) -> "_Pool":
        carriers = np.array([int(concept.member[items].sum()) for concept in concepts], int)
        kept = [concept for concept, some in zip(concepts, carriers, strict=True) if some]
        return cls(items, kept, carriers[carriers > 0])


def _enriched(top: np.ndarray, pool: _Pool) -> list[Enrichment]:
    from scipy.stats import false_discovery_control, hypergeom

    if not len(top) or not len(pool.concepts):
        return []
    hits = np.array([int(concept.member[top].sum()) for concept in pool.concepts])
    p = np.clip(hypergeom.sf(hits - 1, len(pool.items), pool.carriers, len(top)), 0, 1)
    share, base = hits / len(top), pool.carriers / len(pool.items)
    columns = zip(pool.concepts, hits, share, base, share / base, p, false_discovery_control(p), strict=True)
    return [Enrichment(c.name, c.kind, int(row[0]), *(float(value) for value in row[1:])) for c, *row in columns]


def _label(top: np.ndarray, pool: _Pool, known: Sequence[str]) -> Label:
    if len(top) < FEWEST_ITEMS:
        only = f"only {len(top)} item{'' if len(top) == 1 else 's'}" if len(top) else "no item"
        return Label(NO_CONCEPT, "metadata", note=f"It fires on {only} of those that are looked at.", time=now())
    tested = _enriched(top, pool)
    first = _most_surprising([e for e in tested if e.q < FIRST_Q and names(e.share, e.lift)], len(top))
    if first is None:
        return Label(NO_CONCEPT, "metadata", note=_nothing(tested, len(top)), time=now())
    second = _second(top, pool, first)
    parts = sorted(filter(None, (first, second)), key=lambda part: _ORDER.index(family(part.kind)))
    text = ", ".join(part.concept for part in parts)
    concept = resolve(text, known).concept or JOINT.join(part.concept for part in parts)
    return Label(text, "metadata", concept=concept, note=_note(first, second, len(top)), time=now())


def _second(top: np.ndarray, pool: _Pool, first: Enrichment) -> Enrichment | None:
    """The concept of another family that sets the top items apart from other items of the first concept.

    The two together must say more than the first alone: else "Sci-Fi" becomes "Sci-Fi, Popular head" for every
    neuron that fires most on what is popular, and half of its items are no longer what it is called. That also
    keeps out what the first implies (no enrichment is left) and what implies it (it would have been the first).
    """
    member = next(c.member for c in pool.concepts if (c.name, c.kind) == (first.concept, first.kind))
    of_first = pool.items[member[pool.items]]
    others = [concept for concept in pool.concepts if family(concept.kind) != family(first.kind)]
    tested = _enriched(top[member[top]], _Pool.of(of_first, others))
    joined = [e for e in tested if e.q < SECOND_Q and _says_more(e, first, len(top))]
    return _most_surprising(joined, first.hits)


def _says_more(second: Enrichment, first: Enrichment, depth: int) -> bool:
    """Whether both together name the neuron, and surprise more than the first does."""
    share, base = second.hits / depth, first.base_rate * second.base_rate
    alone, both = surprise(np.array([first.hits, second.hits]), depth, np.array([first.base_rate, base]))
    return names(share, share / base) and bool(both > alone)


def _most_surprising(tested: Sequence[Enrichment], depth: int) -> Enrichment | None:
    """Of equals the one that comes first; None where none is above its base rate."""
    if not tested:
        return None
    found = surprise(np.array([e.hits for e in tested]), depth, np.array([e.base_rate for e in tested]))
    return tested[int(found.argmax())] if found.max() > 0 else None


def _note(first: Enrichment, second: Enrichment | None, depth: int) -> str:
    told = f"{first.concept} {first.hits} of {depth} ({_percent(first.base_rate)} of all that are looked at)"
    if second is not None:
        rate = f"{_percent(second.base_rate)} of {first.concept}"
        told += f", {second.concept} {second.hits} of these {first.hits} ({rate})"
    corrected = " and ".join(f"{part.q:.1g}" for part in (first, second) if part is not None)
    return f"{told}; corrected p against random items {corrected}."


def _nothing(tested: Sequence[Enrichment], depth: int) -> str:
    nearest = _most_surprising(tested, depth)
    said = (
        f"No concept is on half of its {depth} most active items, at twice its rate among all that are looked at and a "
        f"corrected p below {FIRST_Q}"
    )
    if nearest is None:
        return f"{said}."
    rate = _percent(nearest.base_rate)
    return f"{said}; the nearest is {nearest.concept}, {nearest.hits} of {depth} ({rate} of all)."


def _percent(share: float) -> str:
    return f"{100 * share:.{0 if share >= 0.01 else 1}f}%"
