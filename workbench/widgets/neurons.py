"""The neuron table: columns by width, order by any of them, rows by a filter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workbench.edits import amount_of
from workbench.model import Neurons
from workbench.view import View
from workbench.widgets.line import Line, Span, bar, decimal, fit, percent, right, small, times, wrap
from workbench.widgets.table import VirtualTable

BAR_CELLS = 6
NAME_CELLS = 14


@dataclass(frozen=True)
class Column:
    """A column one can sort by. `figure` is its name in the run's files; `descending` is how it sorts at first."""

    figure: str
    title: str
    width: int
    descending: bool
    text: Callable[[float], str]


COLUMNS = (
    Column("purity20", "pur@20", 4, True, decimal),
    Column("lift", "lift", 5, True, times),
    Column("density_items", "dens", 5, True, percent),
    Column("q", "q", 5, False, small),
    Column("popularity_percentile", "pop%", 4, False, lambda value: decimal(value, 0)),
)
SORTS = ("neuron", "name", *(column.figure for column in COLUMNS))
EDIT_CELLS = 6


class NeuronTable(VirtualTable):
    """Neurons of a run. `sort` is one of `SORTS`; what is unknown sorts last either way."""

    def __init__(self) -> None:
        super().__init__(id="neurons")
        self.sort = "purity20"
        self.descending = True
        self.filter = ""
        self._view: View | None = None

    def show_view(self, view: View) -> None:
        """Show the view's neurons; draws only rows whose label or edit changed."""
        before, self._view = self._view, view
        if view.neurons is None:
            message = view.fault or "Reading the neurons…"
            rows = wrap(message, max(1, self.text_width - 2))
            self.set_top([((" 1 Neurons", "title"),), *(((" " + row, ""),) for row in rows)])
            return
        if before is None or before.neurons is not view.neurons:
            self.reorder()
        self.set_head()
        if before is not None and (before.labels, before.edits, before.asked) != (view.labels, view.edits, view.asked):
            for index, neuron in enumerate(self._order):
                if _looks(before, neuron) != _looks(view, neuron):
                    self.refresh_row(index)

    def reorder(self) -> None:
        """Filter and sort again."""
        view = self._view
        if view is None or view.neurons is None:
            return
        order = sorted_neurons(view, self.sort, self.descending)
        wanted = self.filter.casefold()
        if wanted:
            order = [neuron for neuron in order if wanted in searched(view, neuron).casefold()]
        self.set_order(order)
        self.set_head()

    def sort_by(self, step: int) -> None:
        """Sort by the next column to the right (+1) or left (-1), in its usual direction."""
        self.sort = SORTS[(SORTS.index(self.sort) + step) % len(SORTS)]
        self.descending = next((column.descending for column in COLUMNS if column.figure == self.sort), False)
        self.reorder()

    def reverse(self) -> None:
        self.descending = not self.descending
        self.reorder()

    def set_head(self) -> None:
        """The title row, with the columns' titles over them and a mark at the one that sorts."""
        view = self._view
        if view is None or view.neurons is None:
            return
        total, shown = len(view.neurons), len(self._order)
        title = f" 1 Neurons {total}" if shown == total else f" 1 Neurons {shown}/{total}"
        found = f" /{self.filter}" if self.filter else ""
        layout = Layout.of(self.text_width, view.neurons, self.sort)
        mark = "▼" if self.descending else "▲"
        by_name = {"neuron": " by #" + mark, "name": " by name" + mark}.get(self.sort, "")
        first = layout.number + layout.name + 5
        spans: list[Span] = [(title, "title"), (fit(found + by_name, max(0, first - len(title))), "dim")]
        for at, column in enumerate(layout.columns):
            width = column.width + 1 + (BAR_CELLS + 1 if at == 0 else 0)
            text = column.title + (mark if column.figure == self.sort else "")
            spans.append((" " + fit(text, width - 1) if at == 0 else right(text, width), "dim"))
        if layout.edits:
            spans.append((right("edit", EDIT_CELLS + 1), "dim"))
        self.set_top([tuple(spans)])

    def row_of(self, key: int) -> Line:
        view = self._view
        if view is None or view.neurons is None:
            return ()
        neurons, row = view.neurons, view.neurons.row_of[key]
        layout = Layout.of(self.text_width, neurons, self.sort)
        at = view.edit_of(key)
        edit = "" if at is None else amount_of(view.edits[at])
        first, *others = layout.columns
        value = neurons.figure(row, first.figure)
        last: Span = (right(edit, BAR_CELLS), "strong") if edit and not layout.edits else (
            bar(_share(first.figure, value, neurons), BAR_CELLS), "bar")  # fmt: skip
        return (
            (f" {key:>{layout.number}} ", ""),
            (fit(view.name(key), layout.name), "dim" if neurons.dead[row] else "strong" if edit else ""),
            (f" {view.letter(key)} ", "warn" if view.letter(key) == "!" else "dim"),
            (right(first.text(value), first.width) + " ", ""),
            last,
            *((" " + right(c.text(neurons.figure(row, c.figure)), c.width), "") for c in others),
            *([(" " + right(edit, EDIT_CELLS), "strong")] if layout.edits else []),
        )


@dataclass(frozen=True)
class Layout:
    """Which columns fit a width: the first has a bar; a figure that sorts is always among them."""

    number: int
    name: int
    columns: tuple[Column, ...]
    edits: bool

    @classmethod
    def of(cls, width: int, neurons: Neurons, sort: str) -> "Layout":
        number = len(str(max(neurons.row_of, default=0)))
        room = width - (6 + number + COLUMNS[0].width + 1 + BAR_CELLS) - NAME_CELLS
        shown = [COLUMNS[0]]
        for column in COLUMNS[1:]:
            if room >= column.width + 1:
                shown.append(column)
                room -= column.width + 1
        edits = len(shown) == len(COLUMNS) and room >= EDIT_CELLS + 1
        room -= EDIT_CELLS + 1 if edits else 0
        wanted = next((column for column in COLUMNS if column.figure == sort), None)
        if wanted is not None and wanted not in shown:
            room += shown[0].width - wanted.width
            shown[0] = wanted
        return cls(number, max(1, NAME_CELLS + room), tuple(shown), edits)


def sorted_neurons(view: View, sort: str, descending: bool) -> Sequence[int]:
    """All neurons of the view in order; of equal figures the one with more lift comes first."""
    import numpy as np

    neurons = view.neurons
    if neurons is None:
        return ()
    if sort == "neuron":
        return sorted(neurons.row_of, reverse=descending)
    if sort == "name":
        named = sorted(neurons.row_of, key=lambda neuron: (view.name(neuron).casefold(), neuron))
        return named[::-1] if descending else named
    values, lift = neurons.figures[sort], neurons.figures["lift"]
    order: list[int] = neurons.number[np.lexsort((neurons.number, -lift, -values if descending else values))].tolist()
    return order


def searched(view: View, neuron: int) -> str:
    """What a filter looks in: the label and the best concept."""
    concept = "" if view.neurons is None else view.neurons.concept[view.neurons.row_of[neuron]] or ""
    return f"{view.name(neuron)}\n{concept}"


def _looks(view: View, neuron: int) -> tuple[str, str, str]:
    at = view.edit_of(neuron)
    return view.name(neuron), view.letter(neuron), "" if at is None else amount_of(view.edits[at])


def _share(figure: str, value: float, neurons: Neurons) -> float:
    """A figure as a share of a bar: shares as they are, percentiles out of 100, lift out of the highest there is."""
    if figure == "popularity_percentile":
        return value / 100
    if figure == "lift":
        import numpy as np

        return value / max(float(np.nanmax(neurons.figures["lift"], initial=1.0)), 1.0)
    return value
