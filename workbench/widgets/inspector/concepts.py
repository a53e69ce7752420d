"""The tab Concepts: which concept the neuron is purest for, and all of them by how strongly it fires for them. Pure."""

import math

from engine.text import plain
from workbench.view import View
from workbench.widgets.answers import number, part, parts, signed, whole
from workbench.widgets.charts import FEWEST_BAR_CELLS, bars
from workbench.widgets.inspector.parts import Column, Facts, heading, pairs, prose, table, text_in
from workbench.widgets.line import UNKNOWN, Line, decimal, percent, small, times

MOST_CONCEPTS = 40
DEPTHS = (10, 20, 50)
BAR_CELLS = 12


def concepts(view: View, neuron: int, facts: Facts, width: int) -> list[Line]:
    """Purity with what it could be at most, then concepts and decades."""
    lines = [*_purity(view, neuron, facts, width), *_nulls(view, facts, width)]
    if facts.get("profiles") is None:
        why = text_in(facts, "missing")
        return [
            *lines,
            (),
            *prose(f"Means over concepts are unknown here. {'' if why == UNKNOWN else why}", width, "warn"),
        ]
    profiles = part(facts, "profiles")
    return [*lines, *_means(profiles, width), *_decades(profiles, width)]


def _purity(view: View, neuron: int, facts: Facts, width: int) -> list[Line]:
    """The best concept, what so few items allow, what is left on items that did not choose it, the label's concept."""
    best = facts.get("concept")
    if best is None:
        return prose("No concept stands out: there are none, or it fires on too few items.", width, "warn")
    rows = [(f"best: {text_in(facts, 'concept')}", _depths(facts, "purity"))]
    if any(not math.isnan(value) for value in _depths(facts, "cap")):
        rows.append(("at most", _depths(facts, "cap")))
    if facts.get("half_concept") is not None:
        rows.append(("on unseen items", _depths(facts, "half_purity")))
    label = view.labels.get(neuron)
    own = label is not None and label.name is not None and label.concept not in (None, best)
    if label is not None and own:
        rows.append((f"label: {plain(label.concept or UNKNOWN)}", label_purity(view, neuron, facts)))
    columns = [Column("purity", [name for name, _ in rows], names=True)]
    for at, depth in enumerate(DEPTHS):
        columns.append(Column(f"@{depth}", [decimal(values[at]) for _, values in rows]))
    lines = table(width, *columns)
    if label is None or label.name is None or own:
        return lines
    told = "names no concept of the catalogue" if label.concept is None else "names the best concept"
    return [*lines, *prose(f"The label {told}.", width)]


def _depths(facts: Facts, prefix: str) -> list[float]:
    return [number(facts, f"{prefix}{depth}") for depth in DEPTHS]


def label_purity(view: View, neuron: int, facts: Facts) -> list[float]:
    """Purity of the label's concept at `DEPTHS`, from the facts if they are of that concept, else from its test."""
    label = view.labels.get(neuron)
    if label is None or label.concept is None:
        return [math.nan] * len(DEPTHS)
    if facts.get("concept") == label.concept:
        return _depths(facts, "purity")
    if facts.get("label_concept") == label.concept:
        return _depths(facts, "label_purity")
    score = part(view.scores.get(neuron, {}), "held-out")
    return _depths(part(score, "figures", "whole") if score.get("concept") == label.concept else {}, "purity")


def _nulls(view: View, facts: Facts, width: int) -> list[Line]:
    if facts.get("concept") is None:
        return []
    few = number(facts, "concept_items")
    cap = number(facts, "cap50")
    told = "q: against 1,000 random directions of the same vectors, corrected for all neurons."
    if cap < 1:
        told += f" At most: it has {whole(few)} {view.card.item_word}s, fewer than 50."
    if facts.get("half_concept") is not None:
        told += " On unseen items: chosen on one half of them, scored on the other."
    return [
        *pairs(
            width,
            ("base rate", percent(number(facts, "base_rate"))),
            ("lift", times(number(facts, "lift"))),
            ("q", small(number(facts, "q"))),
        ),
        *prose(told, width),
    ]


def _means(profiles: Facts, width: int) -> list[Line]:
    rows = sorted(parts(profiles, "concepts"), key=lambda row: -_known(number(row, "mean")))
    depth = number(profiles, "top50_items")
    if not rows:
        return [*heading("Concepts", width), *prose("The data set has none, so nothing can be compared.", width)]
    shown = rows[:MOST_CONCEPTS]
    means = [number(row, "mean") for row in shown]
    lines = [
        *heading("Concepts by mean activation of their items", width),
        *table(
            width,
            Column("concept", [text_in(row, "concept") for row in shown], names=True),
            Column("mean", [decimal(value) for value in means]),
            Column("", bars(means, BAR_CELLS), role="bar", spare=3 if width < 60 else 1),
            Column(f"top {whole(depth)}", [whole(number(row, "top50")) for row in shown]),
            Column("base", [percent(number(row, "catalogue")) for row in shown]),
            Column("lift", [times(_lift(row, depth)) for row in shown]),
            Column("items", [whole(number(row, "items")) for row in shown], spare=2),
        ),
    ]
    if len(rows) > len(shown):
        lines.append((((f"… {len(rows) - len(shown)} more below {decimal(means[-1])}"), "dim"),))
    told = f"All items: mean {decimal(number(profiles, 'mean'))}. base: share of all items; lift: of the top over it."
    return [*lines, *prose(told, width)]


def _known(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _lift(row: Facts, depth: float) -> float:
    base = number(row, "catalogue")
    return number(row, "top50") / depth / base if depth > 0 and base > 0 else math.nan


def _decades(profiles: Facts, width: int) -> list[Line]:
    rows = parts(profiles, "decades")
    if not rows:
        return []
    shares = [number(row, "share") for row in rows]
    excess = [share - number(row, "catalogue") for share, row in zip(shares, rows, strict=True)]
    cells = max(FEWEST_BAR_CELLS, min(BAR_CELLS, width - 30))
    return [
        *heading("Decades of its top 200, and of all items", width),
        *table(
            width,
            Column("decade", [f"{text_in(row, 'decade')}s" for row in rows], names=True),
            Column("top", [percent(share) for share in shares]),
            Column("", bars(shares, cells), role="bar", spare=1),
            Column("all", [percent(number(row, "catalogue")) for row in rows]),
            Column("points", [signed(100 * value, 0) for value in excess], spare=2),
        ),
    ]
