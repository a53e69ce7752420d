"""The tab Compare: the marked neurons side by side. Pure; needs files alone, but for the cosines."""

import math
from collections.abc import Sequence
from itertools import combinations

from workbench.model import Neurons
from workbench.view import View
from workbench.widgets.answers import number, parts
from workbench.widgets.inspector.parts import Column, heading, listed, prose, table
from workbench.widgets.line import UNKNOWN, Line, decimal, fit, percent, small, times

MOST_COMPARED = 4
MOST_TITLES = 10
_FIGURES = (
    ("purity @10", "purity10", decimal),
    ("purity @20", "purity20", decimal),
    ("purity @50", "purity50", decimal),
    ("base rate", "base_rate", percent),
    ("lift", "lift", times),
    ("q", "q", small),
    ("fires on {items}", "density_items", percent),
    ("fires for users", "density_users", percent),
    ("coherence", "monosemanticity", decimal),
    ("popularity %ile", "popularity_percentile", lambda value: decimal(value, 0)),
)


def compare(view: View, width: int) -> list[Line]:
    """Names, figures, and which of their strongest items they share."""
    neurons = view.neurons
    if neurons is None:
        return []
    marked = sorted(neuron for neuron in view.marks if neuron in neurons.row_of)
    if len(marked) < 2:
        told = "No neuron is marked" if not marked else f"Neuron {marked[0]} alone is marked"
        return prose(f"{told}; space marks neurons, two to four of them stand side by side here.", width)
    shown = marked[:MOST_COMPARED]
    lines: list[Line] = [((f"{neuron:>4} ", "strong"), (fit(view.name(neuron), max(1, width - 5)), "strong"))
                         for neuron in shown]  # fmt: skip
    if len(marked) > len(shown):
        lines += prose(
            f"{len(marked) - len(shown)} more are marked; the first {MOST_COMPARED} are shown.", width, "warn"
        )
    return [*lines, (), *_figures(view, neurons, shown, width), *_items(view, neurons, shown, width)]


def _figures(view: View, neurons: Neurons, shown: Sequence[int], width: int) -> list[Line]:
    names = [name.format(items=f"{view.card.item_word}s") for name, _, _ in _FIGURES]
    columns = [
        Column(
            str(neuron),
            [text(neurons.figure(neurons.row_of[neuron], figure)) for _, figure, text in _FIGURES],
        )
        for neuron in shown
    ]
    return table(width, Column("", names, role="dim", names=True), *columns)


def _items(view: View, neurons: Neurons, shown: Sequence[int], width: int) -> list[Line]:
    """Items that all of them have, pairs with what they share, and what each has alone."""
    top = {neuron: [int(item) for item in neurons.top_item[neurons.row_of[neuron]] if item >= 0] for neuron in shown}
    sets = {neuron: set(items) for neuron, items in top.items()}
    depth = neurons.top_item.shape[1]
    everyone = [item for item in top[shown[0]] if all(item in items for items in sets.values())]
    word = f"{view.card.item_word}s"
    pairs = list(combinations(shown, 2))
    lines = [
        *heading(f"Pairs: shared {word} of the top {depth}", width),
        *table(
            width,
            Column("neurons", [f"{a} and {b}" for a, b in pairs], names=True),
            Column("shared", [str(len(sets[a] & sets[b])) for a, b in pairs]),
            Column("cosine", [_cosine(view, a, b) for a, b in pairs]),
        ),
        *prose(f"cosine: of their directions, {UNKNOWN} where they are no near neighbours.", width),
    ]
    which = "both" if len(shown) == 2 else "all of them"
    lines += [*heading(f"In {which} ({len(everyone)})", width), *_titles(neurons, everyone, width)]
    for neuron in shown:
        others = set().union(*(sets[other] for other in shown if other != neuron))
        alone = [item for item in top[neuron] if item not in others]
        lines += [*heading(f"Only {neuron} {view.name(neuron)} ({len(alone)})", width), *_titles(neurons, alone, width)]
    return lines


def _titles(neurons: Neurons, items: Sequence[int], width: int) -> list[Line]:
    if not items:
        return prose("none", width)
    more = [f"… {len(items) - MOST_TITLES} more"] if len(items) > MOST_TITLES else []
    return listed([*(neurons.titles[item] for item in items[:MOST_TITLES]), *more], width)


def _cosine(view: View, a: int, b: int) -> str:
    """From either one's neighbours, where the engine has told them."""
    for one, other in ((a, b), (b, a)):
        for row in parts(view.facts.get(one, {}), "neighbours"):
            if row.get("neuron") == other:
                return decimal(number(row, "cosine"))
    return decimal(math.nan)
