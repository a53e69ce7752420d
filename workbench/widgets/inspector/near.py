"""The tab Near: neurons that point the same way. Pure."""

from workbench.view import View
from workbench.widgets.answers import number, parts
from workbench.widgets.inspector.parts import Column, Facts, heading, prose, table, text_in
from workbench.widgets.line import Line, decimal, percent


def near(view: View, _neuron: int, facts: Facts, width: int) -> list[Line]:
    """The nearest neurons by their directions, and the overlap of what activates them."""
    rows = parts(facts, "neighbours")
    if not rows:
        return prose("There is no other neuron.", width)
    return [
        *heading("Neurons with the nearest directions", width),
        *table(
            width,
            Column("", [text_in(row, "neuron") for row in rows], role="strong"),
            Column("name", [_name(view, row) for row in rows], names=True),
            Column("cosine", [decimal(number(row, "cosine")) for row in rows]),
            Column("overlap", [percent(number(row, "jaccard")) for row in rows]),
        ),
        *prose(
            f"cosine: of their directions in the recommender's space, 1 is the same. overlap: {view.card.item_word}s "
            "that activate both, of those that activate either.",
            width,
        ),
    ]


def _name(view: View, row: Facts) -> str:
    neuron = row.get("neuron")
    known = view.neurons is not None and isinstance(neuron, int) and neuron in view.neurons.row_of
    return view.name(int(text_in(row, "neuron"))) if known else ""
