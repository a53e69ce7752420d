"""The tab Range: how often the neuron is active and how strongly, and items at every height. Pure."""

from workbench.view import View
from workbench.widgets.charts import histogram
from workbench.widgets.inspector.parts import (
    Facts,
    beside,
    group,
    half_of,
    heading,
    number,
    numbers_of,
    prose,
    rows_of,
    text_in,
    whole,
)
from workbench.widgets.line import UNKNOWN, Line, decimal, fit, percent, right

EXAMPLES = 3


def activation_range(view: View, _neuron: int, facts: Facts, width: int) -> list[Line]:
    """Histograms of items and users, then examples from the top down."""
    word = f"{view.card.item_word}s"
    half = half_of(width)
    items, users = _side(facts, "items", word, half), _side(facts, "users", "users", half)
    steps = _steps(facts, view.card.item_word, width)
    if half < width:
        return [*beside(items, users, width), *steps]
    return [*items, *steps, *users]


def _side(facts: Facts, side: str, word: str, width: int) -> list[Line]:
    told = group(facts, "histogram", side)
    drawn = histogram(numbers_of(told, "edges"), [round(n) for n in numbers_of(told, "counts")], word, width)
    zeros = f"{percent(number(told, 'zeros'))} of {whole(number(told, 'rows'))} {word} are at 0"
    if not drawn:
        return [*heading(word.capitalize(), width), *prose(f"{zeros}: no activations to draw.", width, "warn")]
    return [*heading(word.capitalize(), width), *prose(f"{zeros}; the others:", width), *drawn]


def _steps(facts: Facts, word: str, width: int) -> list[Line]:
    """Three items at the top, at quantiles of the positive activations, and at the smallest."""
    steps = [step for step in rows_of(group(facts, "quantiles"), "items") if rows_of(step, "rows")]
    if not steps:
        return []
    names = [_place(number(step, "quantile")) for step in steps]
    first = max(map(len, names))
    room = max(1, width - first - 1 - 6)
    lines: list[Line] = [*heading(f"{word.capitalize()}s from the top down", width)]
    lines.append(((f"{fit('at', first)} {fit(word, room)}{right('act', 6)}", "dim"),))
    for name, step in zip(names, steps, strict=True):
        for n, row in enumerate(rows_of(step, "rows")[:EXAMPLES]):
            lines.append((
                (f"{fit('' if n else name, first)} ", "dim"),
                (fit(text_in(row, "title"), room), ""),
                (right(decimal(number(row, "activation")), 6), ""),
            ))  # fmt: skip
    return [*lines, *prose("at: quantile of its activations above 0; low: the smallest of them.", width)]


def _place(quantile: float) -> str:
    return {1.0: "top", 0.0: "low"}.get(quantile, UNKNOWN if quantile != quantile else percent(quantile))
