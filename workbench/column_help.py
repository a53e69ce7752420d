"""What a column of the neuron table means, with what this run has of it. Pure."""

import math
from typing import TYPE_CHECKING

from workbench.columns import Column
from workbench.sheet import Sheet
from workbench.view import View
from workbench.widgets.line import decimal, small

if TYPE_CHECKING:
    import numpy as np


def column_help(view: View, column: Column, values: "np.ndarray | None" = None) -> list[str]:
    """The column in plain sentences, with what this run has of it.

    `values` are the column's, by row, where there is a `Sheet` that has them already.
    """
    meaning, chance, reading = column.help
    sentences = [f"{column.title}: {meaning}."]
    if chance:
        sentences.append(_chance(view, chance))
    if values is None and view.neurons is not None:
        values = Sheet(view).values(column)
    if column.kind != "text" and column.id != "number":
        sentences.append(_spread(column, values))
    return [*sentences, reading] if reading else sentences


def _spread(column: Column, values: "np.ndarray | None") -> str:
    import numpy as np

    known = np.empty(0) if values is None else values[~np.isnan(values)]
    if values is None or not len(known):
        return (
            "Here it is unknown: no label was tested yet." if column.score else "Here it is unknown for every neuron."
        )
    low, median, high = (column.write(float(value)) for value in np.quantile(known, [0.1, 0.5, 0.9]))
    if column.better is None:
        ends = f"eight of ten lie between {low} and {high}"
    else:
        ends = f"the best tenth reaches {high if column.better == 'high' else low}"
    missing = len(values) - len(known)
    unknown = f"; unknown for {missing:,} of {len(values):,}" if missing else ""
    return f"Here the median is {median}, {ends}{unknown}."


def _chance(view: View, told: str) -> str:
    coherence = view.card.chance.get("monosemanticity")
    known = "unknown" if coherence is None else decimal(coherence)
    return told.format(example=_example(view), range=_base_rates(view), coherence=known)


def _example(view: View) -> str:
    """The base rate of the current neuron's concept, else of the first that has one, in brackets."""
    neurons = view.neurons
    if neurons is None:
        return ""
    current = [] if view.current is None else [neurons.row_of[view.current]]
    row = next((row for row in [*current, *range(len(neurons))] if neurons.concept[row] is not None), None)
    rate = math.nan if row is None else neurons.figure(row, "base_rate")
    return "" if row is None or math.isnan(rate) else f" ({neurons.concept[row]}: {_rate(rate)})"


def _base_rates(view: View) -> str:
    import numpy as np

    rates = None if view.neurons is None else view.neurons.figures.get("base_rate")
    known = np.empty(0) if rates is None else rates[~np.isnan(rates)]
    return f"{_rate(float(known.min()))} to {_rate(float(known.max()))}" if len(known) else "unknown"


def _rate(value: float) -> str:
    """A base rate; it is never 0, so a small one keeps a third decimal."""
    return decimal(value) if value >= 0.01 else small(value)
