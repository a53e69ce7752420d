"""The tab Range: how often the neuron is active and how strongly, and items at every height. Pure."""

from rich.cells import cell_len

from workbench.view import View
from workbench.widgets.answers import number, part, parts, whole
from workbench.widgets.charts import histogram
from workbench.widgets.inspector.parts import Facts, beside, half_of, heading, numbers_of, prose, text_in
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
    told = part(facts, "histogram", side)
    drawn = histogram(numbers_of(told, "edges"), [round(n) for n in numbers_of(told, "counts")], word, width)
    zeros = f"{percent(number(told, 'zeros'))} of {whole(number(told, 'rows'))} {word} are at 0"
    if not drawn:
        return [*heading(word.capitalize(), width), *prose(f"{zeros}: no activations to draw.", width, "warn")]
    return [*heading(word.capitalize(), width), *prose(f"{zeros}; the others:", width), *drawn]


def _steps(facts: Facts, word: str, width: int) -> list[Line]:
    """Three items at the top, at quantiles of the positive activations, and at the smallest."""
    steps = [step for step in parts(part(facts, "quantiles"), "items") if parts(step, "rows")]
    if not steps:
        return []
    names = [_place(number(step, "quantile")) for step in steps]
    first = max(map(len, names))
    widest = max(cell_len(text_in(row, "title")) for step in steps for row in parts(step, "rows")[:EXAMPLES])
    room = max(1, min(widest, width - first - 1 - 6))
    lines: list[Line] = [*heading(f"{word.capitalize()}s from the top down", width)]
    lines.append(((f"{fit('at', first)} {fit(word, room)}{right('act', 6)}", "dim"),))
    for name, step in zip(names, steps, strict=True):
        for n, row in enumerate(parts(step, "rows")[:EXAMPLES]):
            lines.append((
                (f"{fit('' if n else name, first)} ", "dim"),
                (fit(text_in(row, "title"), room), ""),
                (right(decimal(number(row, "activation")), 6), ""),
            ))  # fmt: skip
    return [*lines, *prose("at: quantile of its activations above 0; low: the smallest of them.", width)]


def _place(quantile: float) -> str:
    return {1.0: "top", 0.0: "low"}.get(quantile, UNKNOWN if quantile != quantile else percent(quantile))
