"""How a label does on items that its labeller did not see: arithmetic on a judge's verdicts, no judge here.

detection   does the label tell items that activate the neuron from items that do not? Balanced accuracy, chance 0.5.
intruder    do the neuron's items belong together? Which of five is the one that does not activate it? Chance 0.2. It
            needs no label.
held-out    purity of the label's own items among the neuron's most active held-out ones, beside their base rate.
moves       do users' lists gain the label's items when the neuron is raised? `engine.labels.causal` has it.

A test that could not be made is a state with its reason ("unknown", "failed"), never a figure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from engine.labels.evidence import ACTIVE, NEAR, Evidence, Source
from engine.neurons.evidence import DEPTHS

Kind = Literal["detection", "intruder", "held-out", "moves"]
KINDS: tuple[Kind, ...] = ("detection", "intruder", "held-out", "moves")
DETECTION_CHANCE = 0.5
FEWEST = 5
"""Items of each class without which a detection is unknown; rounds without which the intruder test is."""
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Score:
    """A test's outcome: "scored" with its figures, or "unknown" or "failed" with `why`."""

    kind: Kind
    state: Literal["scored", "unknown", "failed"]
    judge: str
    """Who judged: a model's name, or "metadata"."""
    text: str | None = None
    """The label that was tested; None where the test needs none."""
    concept: str | None = None
    """The concept that the test went by; None where it needs none."""
    why: str | None = None
    figures: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as a session keeps it."""
        return asdict(self)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, z2 = hits / of, _Z**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def balanced_accuracy(hits: int, of: int, rejected: int, negatives: int) -> tuple[float, float, float]:
    """Mean of sensitivity and specificity, with a 95 % interval.

    The interval combines the Wilson intervals of both shares by their distances (Zou & Donner 2008, MOVER), which
    holds for shares of 0 and 1 too.
    """
    shares = (hits / of, rejected / negatives)
    lows, highs = zip(wilson(hits, of), wilson(rejected, negatives), strict=True)
    value = sum(shares) / 2
    low = value - math.hypot(*(share - low for share, low in zip(shares, lows, strict=True))) / 2
    high = value + math.hypot(*(high - share for share, high in zip(shares, highs, strict=True))) / 2
    return value, max(0.0, low), min(1.0, high)


def detection(evidence: Evidence, fits: Mapping[int, bool], ids: Sequence[str], judge: str, **about: Any) -> Score:
    """Balanced accuracy of a judge's verdicts (`fits`, by item number) on the scored items.

    Positives are items that activate the neuron, the strongest and weaker ones in equal number; negatives are random
    silent ones. Near misses are judged too, but counted apart: they were picked for looking alike, so that even a
    judge who guesses by looks would fall under chance on them. `ids` are those of all items.
    """
    by_source: dict[Source, tuple[int, int]] = {}
    for shown in evidence.score:
        said, of = by_source.get(shown.source, (0, 0))
        by_source[shown.source] = (said + fits[shown.item], of + 1)
    hits, of = _sum(by_source, ACTIVE)
    alarms, negatives = _sum(by_source, ("random",))
    if min(of, negatives) < FEWEST:
        return Score("detection", "unknown", judge, why=_too_few(of, negatives), **about)
    value, low, high = balanced_accuracy(hits, of, negatives - alarms, negatives)
    figures = {
        "value": value,
        "low": low,
        "high": high,
        "chance": DETECTION_CHANCE,
        "items": of + negatives,
        "said_to_fit": {source: list(by_source[source]) for source in sorted(by_source)},
        "near_misses_rejected": _rejected(by_source),
        "verdicts": [[ids[shown.item], shown.source, bool(fits[shown.item])] for shown in evidence.score],
        "seed": evidence.seed,
    }
    return Score("detection", "scored", judge, figures=figures, **about)


def detectable(evidence: Evidence) -> str | None:
    """Why a detection on this evidence would be unknown; None if it can be made."""
    of = sum(shown.active for shown in evidence.score)
    negatives = sum(shown.source == "random" for shown in evidence.score)
    return _too_few(of, negatives) if min(of, negatives) < FEWEST else None


def intruder(evidence: Evidence, picked: Sequence[int], ids: Sequence[str], judge: str) -> Score:
    """How often the item that was picked from each round is the one that does not activate the neuron."""
    if len(evidence.rounds) < FEWEST:
        return Score("intruder", "unknown", judge, why=few_rounds(evidence))
    hits = sum(one.intruder == item for one, item in zip(evidence.rounds, picked, strict=True))
    n = len(evidence.rounds)
    low, high = wilson(hits, n)
    figures = {
        "value": hits / n,
        "low": low,
        "high": high,
        "chance": 1 / len(evidence.rounds[0].items),
        "rounds": n,
        "verdicts": [
            [[ids[item] for item in one.items], ids[one.intruder], ids[item]]
            for one, item in zip(evidence.rounds, picked, strict=True)
        ],
        "seed": evidence.seed,
    }
    return Score("intruder", "scored", judge, figures=figures)


def few_rounds(evidence: Evidence) -> str | None:
    """Why the intruder test would be unknown; None if it can be made."""
    n = len(evidence.rounds)
    return None if n >= FEWEST else f"Its held-out items are enough for {n} rounds alone; {FEWEST} are needed."


def held_out(z_n: np.ndarray, pool: np.ndarray, member: np.ndarray, concept: str, everything: np.ndarray) -> Score:
    """Purity@10, 20 and 50 of `member` (bool, items) among the items of `pool` that activate a neuron most.

    With the score half as `pool`, no label that was chosen on the explain half can flatter itself. `whole` are the
    same over `everything` (item numbers), as in the neuron table.
    """
    purity, base = _purity(z_n, pool, member), float(member[pool].mean()) if len(pool) else 0.0
    why = None
    if purity["purity10"] is None:
        why = f"Only {int((z_n[pool] > 0).sum())} of the held-out items activate it; 10 are needed."
    elif not base:
        why = f"None of the held-out items is of {concept}."
    if why is not None:
        return Score("held-out", "unknown", "metadata", concept=concept, why=why)
    depth = 20 if purity["purity20"] is not None else 10
    value = purity[f"purity{depth}"] or 0.0
    low, high = wilson(round(value * depth), depth)
    figures = {
        "value": value,
        "low": low,
        "high": high,
        "chance": base,
        "depth": depth,
        **purity,
        "held_out_items": len(pool),
        "held_out_members": int(member[pool].sum()),
        "whole": _purity(z_n, everything, member),
    }
    return Score("held-out", "scored", "metadata", concept=concept, figures=figures)


def _purity(z_n: np.ndarray, pool: np.ndarray, member: np.ndarray) -> dict[str, float | None]:
    """Purity at each depth; None where fewer items of the pool are active."""
    z = z_n[pool]
    ranked = pool[np.argsort(-z, kind="stable")][: int((z > 0).sum())]
    return {f"purity{k}": float(member[ranked[:k]].mean()) if len(ranked) >= k else None for k in DEPTHS}


def odd_one_out(items: Sequence[int], likeness_id: np.ndarray) -> int | None:
    """The item of a round whose labels are least like the others' (mean tf-idf cosine); the first of equals.

    None where no item of the round has labels.
    """
    rows = likeness_id[list(items)]
    if not rows.any():
        return None
    alike = rows @ rows.T
    np.fill_diagonal(alike, 0)
    return int(items[int(alike.sum(axis=1).argmin())])


def _sum(by_source: Mapping[Source, tuple[int, int]], sources: Sequence[Source]) -> tuple[int, int]:
    pairs = [by_source[source] for source in sources if source in by_source]
    return sum(said for said, _of in pairs), sum(of for _said, of in pairs)


def _rejected(by_source: Mapping[Source, tuple[int, int]]) -> list[int] | None:
    said, of = _sum(by_source, NEAR)
    return [of - said, of] if of else None


def _too_few(active: int, silent: int) -> str:
    return (
        f"Of the held-out items {active} that activate it and {silent} that do not could be drawn; "
        f"{FEWEST} of each are needed."
    )
