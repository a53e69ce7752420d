"""The tab Compare: the marked neurons side by side. Pure; the engine tells what they move and how alike they are."""

from collections.abc import Callable, Sequence
from itertools import combinations

from engine.text import plain
from workbench.model import Neurons
from workbench.view import MOST_COMPARED, View
from workbench.widgets.answers import number, part, parts, signed
from workbench.widgets.inspector.head import label_words
from workbench.widgets.inspector.parts import Column, Facts, heading, listed, prose, table, text_in
from workbench.widgets.line import UNKNOWN, Line, decimal, ends, percent, small, times

MOST_TITLES = 10
MOST_MOVED = 3
INTERVAL_CELLS = 15
"""What a figure with its interval in one cell takes."""
_FIRST = (
    ("purity @20", "purity20", decimal),
    ("base rate", "base_rate", percent),
    ("q", "q", small),
)
_FIGURES = (
    ("purity @10", "purity10", decimal),
    ("purity @50", "purity50", decimal),
    ("lift", "lift", times),
    ("fires on {items}", "density_items", percent),
    ("fires for users", "density_users", percent),
    ("coherence", "monosemanticity", decimal),
    ("popularity %ile", "popularity_percentile", lambda value: decimal(value, 0)),
)
_Figures = Sequence[tuple[str, str, Callable[[float], str]]]


def compare(view: View, width: int) -> list[Line]:
    """Names, figures, tests of the labels, how alike they are, what they move, and which items they share."""
    neurons = view.neurons
    if neurons is None:
        return []
    marked = sorted(neuron for neuron in view.marks if neuron in neurons.row_of)
    if len(marked) < 2:
        told = "No neuron is marked" if not marked else f"Neuron {marked[0]} alone is marked"
        return prose(f"{told}; space marks neurons, two to four of them stand side by side here.", width)
    shown = view.compared
    lines = [
        ends(
            ((f"{neuron:>4} ", "strong"), (view.name(neuron), "strong")),
            ((f" {label_words(view, neuron)}", "dim"),),
            width,
        )
        for neuron in shown
    ]
    if len(marked) > len(shown):
        lines += prose(
            f"{len(marked) - len(shown)} more are marked; the first {MOST_COMPARED} are shown.", width, "warn"
        )
    return [
        *lines,
        *_evidence(view, neurons, shown, width),
        *_pairs(view, neurons, shown, width),
        *_moves(view, shown, width),
        *_meaning(view, neurons, shown, width),
        *heading("Other figures", width),
        *table(width, *_columns(view, neurons, shown, _FIGURES)),
        *_items(view, neurons, shown, width),
    ]


def _columns(view: View, neurons: Neurons, shown: Sequence[int], figures: _Figures) -> list[Column]:
    names = [name.format(items=f"{view.card.item_word}s") for name, _, _ in figures]
    cells = [[text(neurons.figure(neurons.row_of[neuron], figure)) for _, figure, text in figures] for neuron in shown]
    return [
        Column("", names, role="dim", names=True),
        *(Column(str(neuron), texts) for neuron, texts in zip(shown, cells, strict=True)),
    ]


def _evidence(view: View, neurons: Neurons, shown: Sequence[int], width: int) -> list[Line]:
    """Purity, and how the labels do on items that their labeller did not see."""
    names, *columns = _columns(view, neurons, shown, _FIRST)
    whole = width >= 16 + (INTERVAL_CELLS + 2) * len(shown)
    rows, cells = list(names.texts), [list(column.texts) for column in columns]
    for kind in ("detection", "held-out"):
        figures = [part(view.scores.get(neuron, {}), kind, "figures") for neuron in shown]
        told = [_interval(each) if whole else (decimal(number(each, "value")), *_bounds(each)) for each in figures]
        rows += [kind, *(() if whole else ("  95 % from", "  to"))]
        for column, texts in zip(cells, told, strict=True):
            column += list(texts)
    gains = [part(view.scores.get(neuron, {}), "moves", "figures") for neuron in shown]
    rows += ["moves", "  at random"]
    for column, gain in zip(cells, gains, strict=True):
        column += [signed(number(gain, name), 2) for name in ("gain", "null_gain")]
    if not any(view.scores.get(neuron) for neuron in shown):
        rows, cells = rows[: len(_FIRST)], [column[: len(_FIRST)] for column in cells]
    lines = table(
        width,
        Column("", rows, role="dim", names=True),
        *(Column(str(neuron), column) for neuron, column in zip(shown, cells, strict=True)),
    )
    untested = [neuron for neuron in shown if not view.scores.get(neuron)]
    remark = f"Label not tested: {', '.join(map(str, untested))} (l tests it)." if untested else ""
    return [(), *lines, *prose(remark, width)]


def _bounds(figures: Facts) -> tuple[str, str]:
    low, high = (decimal(number(figures, name)) for name in ("low", "high"))
    return low, high


def _interval(figures: Facts) -> tuple[str]:
    if not figures:
        return (UNKNOWN,)
    low, high = _bounds(figures)
    return (f"{decimal(number(figures, 'value'))} [{low}, {high}]",)


def _meaning(view: View, neurons: Neurons, shown: Sequence[int], width: int) -> list[Line]:
    """What the figures above are, and what chance gives."""
    word = f"{view.card.item_word}s"
    tests = (
        "detection: does the label tell unseen items apart, chance .50. held-out: purity of the label's concept on "
        "unseen items, beside 95 % intervals; chance is its base rate. moves: how much more of it is in users' top 20 "
        "when they are raised by one p99; at random: by random directions as pure. "
    )
    alike = (
        f"cosine: of their directions. overlap: {word} that activate both, of those that activate either. of top "
        f"{neurons.top_item.shape[1]}: {word} that both have there. "
    )
    moved = (
        "What moves: affinity of the concept's items less that of all. random: share of random directions that raise "
        "some concept as much."
    )
    tested = any(view.scores.get(neuron) for neuron in shown)
    return [(), *prose(f"{tests if tested else ''}{alike}{moved}", width)]


def _pairs(view: View, neurons: Neurons, shown: Sequence[int], width: int) -> list[Line]:
    """How alike each two are: their directions, all items that activate them, and their top items."""
    top = {neuron: set(_top(neurons, neuron)) for neuron in shown}
    depth = neurons.top_item.shape[1]
    pairs = list(combinations(shown, 2))
    told = [view.pairs.get(pair, {}) for pair in pairs]
    return [
        *heading("How alike they are", width),
        *table(
            width,
            Column("neurons", [f"{a} and {b}" for a, b in pairs], names=True),
            Column("cosine", [signed(number(each, "cosine"), 2) for each in told]),
            Column("overlap", [percent(number(each, "jaccard")) for each in told]),
            Column(f"of top {depth}", [str(len(top[a] & top[b])) for a, b in pairs]),
        ),
    ]


def _moves(view: View, shown: Sequence[int], width: int) -> list[Line]:
    """For each neuron the concepts that gain and lose most when users are raised, beside random directions."""
    lines = heading("What they move, users raised by one p99", width)
    for neuron in shown:
        lines += _moved(view, neuron, width)
    return lines


def _moved(view: View, neuron: int, width: int) -> list[Line]:
    facts = view.facts.get(neuron)
    if facts is None:
        dead = view.neurons is not None and view.neurons.dead[view.neurons.row_of[neuron]]
        return prose(f"{neuron:>4} {'dead: it moves nothing' if dead else 'measuring…'}", width)
    if facts.get("fault"):
        return prose(f"{neuron:>4} {text_in(facts, 'fault')}", width, "warn")
    told = part(facts, "moves", "users", "concepts")
    if not told:
        return prose(f"{neuron:>4} unknown. {plain(str(facts.get('missing') or 'No user activates it.'))}", width)
    pieces = [
        f"{text_in(row, 'concept')} {signed(number(row, 'excess'), 2)}"
        for side, most in (("gained", MOST_MOVED), ("lost", 1))
        for row in parts(told, side)[:most]
    ]
    null = percent(number(told, "null_share"))
    pieces += [] if null == UNKNOWN else [f"random: {null}"]
    rows = listed(pieces, width, indent=5)
    return [((f"{neuron:>4} ", "strong"), *rows[0][1:]), *rows[1:]] if rows else []


def _items(view: View, neurons: Neurons, shown: Sequence[int], width: int) -> list[Line]:
    """Items that all of them have, and what each has alone."""
    top = {neuron: _top(neurons, neuron) for neuron in shown}
    everyone = [item for item in top[shown[0]] if all(item in items for items in top.values())]
    which = "both" if len(shown) == 2 else "all of them"
    lines = [*heading(f"In {which} ({len(everyone)})", width), *_titles(neurons, everyone, width)]
    for neuron in shown:
        others = {item for other in shown if other != neuron for item in top[other]}
        alone = [item for item in top[neuron] if item not in others]
        lines += [*heading(f"Only {neuron} {view.name(neuron)} ({len(alone)})", width), *_titles(neurons, alone, width)]
    return lines


def _top(neurons: Neurons, neuron: int) -> list[int]:
    return [int(item) for item in neurons.top_item[neurons.row_of[neuron]] if item >= 0]


def _titles(neurons: Neurons, items: Sequence[int], width: int) -> list[Line]:
    if not items:
        return prose("none", width)
    more = [f"… {len(items) - MOST_TITLES} more"] if len(items) > MOST_TITLES else []
    return listed([*(neurons.titles[item] for item in items[:MOST_TITLES]), *more], width)
