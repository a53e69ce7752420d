"""The list of neurons: columns by width, order by any of them, rows by a filter that is typed."""

from dataclasses import dataclass
from functools import lru_cache

from workbench.columns import BY_ID, COLUMNS, Column, find_column, no_column
from workbench.edits import amount_of
from workbench.equivalents import table_command
from workbench.filters import Query, matching, parse
from workbench.sheet import Sheet
from workbench.view import View
from workbench.widgets.line import UNKNOWN, Line, Span, bar, cut, fit, right, wrap
from workbench.widgets.table import VirtualTable

BAR_CELLS = 6
NAME_CELLS, NAME_MOST = 14, 30
"""What the name gets in the narrowest pane, and at least in a wide one, where every third further cell is its own."""
REMARK_ROWS = 3
FITTING = (
    *("lift", "q", "items", "pop", "users", "p50", "detection", "edit", "p10", "base", "held", "intruder"),
    *("coherence", "moves", "flags", "p99users", "p99items"),
)
"""What stands beside p@20 and its bar as far as there is room, the most useful first."""
ALWAYS = ("number", "name", "state")
"""Columns that stand in every row, without a title of their own."""
USUAL = "p20"
"""The column that sorts at first."""
CHANGES_ROWS = ("labels", "edits", "asked", "marks", "scores")
"""Fields of a view that a row shows."""


class NeuronTable(VirtualTable):
    """Neurons of a run. `sort` is a column's id; what is unknown sorts last either way.

    `remarks` say which terms of the filter make no sense. New labels and marks change rows, not the order: that
    would move rows under the cursor. The next sort or filter sees them.
    """

    def __init__(self) -> None:
        super().__init__(id="neurons")
        self.sort = USUAL
        self.descending = True
        self.filter = ""
        self.remarks: tuple[str, ...] = ()
        self.sheet = Sheet()
        self._view: View | None = None
        self._laid: tuple[int, str, View, Layout] | None = None

    def show_view(self, view: View) -> None:
        """Show the view's neurons; draws only the rows that changed."""
        before = self._view
        if view.neurons is None:
            self._view = view
            message = view.fault or "Reading the neurons…"
            rows = wrap(message, max(1, self.text_width - 2))
            self.set_top([((" 1 Neurons", "title"),), *(((" " + row, ""),) for row in rows)])
            return
        if before is None or before.neurons is not view.neurons:
            self._show(view)
            self.reorder()
            self.call_after_refresh(self.sheet.warm)
            return
        same = all(getattr(before, name) is getattr(view, name) for name in CHANGES_ROWS)
        old = [] if same else [self.row(index) for index in self.in_window]
        self._show(view)
        self.set_head()
        for index, line in zip(self.in_window, old, strict=False):
            if self.row(index) != line:
                self.refresh_row(index)

    def _show(self, view: View) -> None:
        self._view = view
        self.sheet.show(view)

    def reorder(self) -> None:
        """Filter and sort again."""
        if self._view is None or self._view.neurons is None:
            return
        rows = self.sheet.rows(BY_ID[self.sort], self.descending)
        query = parse(self.filter)
        self.remarks = ()
        if query != Query():
            shown, self.remarks = matching(query, self.sheet)
            rows = rows[shown[rows]]
        self.set_order(self._view.neurons.number[rows].tolist())
        self.set_head()
        self._set_remarks()

    def sort_by(self, step: int) -> None:
        """Sort by the next column to the right (+1) or left (-1), in its usual direction.

        Columns that are unknown throughout, as of tests that nobody made, would be stops where nothing happens.
        """
        at = COLUMNS.index(BY_ID[self.sort])
        ahead = [COLUMNS[(at + step * far) % len(COLUMNS)] for far in range(1, len(COLUMNS))]
        found = next((column for column in ahead if self._known(column)), None)
        if found is not None:
            self.sort_to(found.id)

    def sort_to(self, name: str, descending: bool | None = None) -> str:
        """Sort by the column of this id, title or name; in its usual direction if none is given.

        What there is to say: that there is no such column, that all of it is unknown, or nothing.
        """
        column = find_column(name)
        if column is None:
            return f"{no_column(name)}."
        self.sort = column.id
        self.descending = column.descending if descending is None else descending
        self.reorder()
        return "" if self._known(column) else f"{column.title} is unknown for every neuron here."

    def reverse(self) -> None:
        self.descending = not self.descending
        self.reorder()

    def command(self, view: View) -> str | None:
        """The command that prints this list, where it is filtered or sorted in another way than at first."""
        return table_command(view, self.filter, self.order, self.sort, self.descending, USUAL)

    def set_head(self) -> None:
        """The title row, with the columns' titles over them and a mark at the one that sorts."""
        if self._view is None or self._view.neurons is None:
            return
        total, shown = len(self._view.neurons), len(self._order)
        title = f" 1 Neurons {total}" if shown == total else f" 1 Neurons {shown}/{total}"
        layout, mark = self._layout(), "▼" if self.descending else "▲"
        by = f" {BY_ID[self.sort].title}{mark}" if self.sort in ALWAYS else ""
        room = max(0, layout.left - len(by))
        found = f" /{self.filter}" if self.filter else ""
        title = fit(title, min(len(title), room))
        spans: list[Span] = [(title, "title"), (fit(found, room - len(title)) + by, "dim")]
        for column in layout.columns:
            width, at_bar = layout.width(column), column.id == layout.bar
            sign = mark if column.id == self.sort else ""
            text = column.title if at_bar else column.title + sign
            spans.append((" " + (fit(text, width) if column.kind == "text" else right(text, width)), "dim"))
            if at_bar:
                spans.append((fit(sign, BAR_CELLS + 1), "dim"))
        self.set_top([cut(tuple(spans), self.text_width)])

    def row_of(self, key: int) -> Line:
        view = self._view
        if view is None or view.neurons is None:
            return ()
        layout, row = self._layout(), view.neurons.row_of[key]
        at = view.edit_of(key)
        edit = "" if at is None else amount_of(view.edits[at])
        letter = view.letter(key)
        spans: list[Span] = [
            ("*" if key in view.marks else " ", "key"),
            (f"{key:>{layout.number}} ", ""),
            (fit(view.name(key), layout.name), "dim" if view.neurons.dead[row] else "strong" if edit else ""),
            (f" {letter}", "warn" if letter == "!" else "dim"),
        ]
        for column in layout.columns:
            spans.append(self._cell(column, row, edit, layout.width(column)))
            if column.id == layout.bar:
                spans.append((" ", ""))
                spans.append((right(edit, BAR_CELLS), "strong") if edit and not layout.edits else
                             (bar(self._share(column, row), BAR_CELLS), "bar"))  # fmt: skip
        return cut(tuple(spans), max(0, self.text_width - 1))

    def on_resize(self) -> None:
        self._set_remarks()
        super().on_resize()

    def _cell(self, column: Column, row: int, edit: str, width: int) -> Span:
        if column.id == "edit":
            return " " + fit(edit, width), "strong"
        if column.id == "flags":
            flags = self.sheet.flags()
            return " " + fit(UNKNOWN if flags is None else " ".join(flags[row]), width), "warn"
        return " " + right(column.write(float(self.sheet.values(column)[row])), width), ""

    def _share(self, column: Column, row: int) -> float:
        """A figure as a share of a bar: shares as they are, percentiles out of 100, lift out of the highest."""
        import numpy as np

        values = self.sheet.values(column)
        most = 100.0 if column.kind == "percentile" else 1.0
        if column.id == "lift":
            most = max(float(np.nanmax(values, initial=1.0)), 1.0)
        return float(values[row]) / most

    def _known(self, column: Column) -> bool:
        ready = self._view is not None and self._view.neurons is not None
        return ready and self.sheet.known(column)

    def _layout(self) -> "Layout":
        view, width, laid = self.sheet.view, self.text_width, self._laid
        if laid is None or laid[:2] != (width, self.sort) or laid[2] is not view:
            unknown = frozenset(column.id for column in COLUMNS if column.id != "edit" and not self._known(column))
            digits = len(str(int(self.sheet.neurons.number.max(initial=0))))
            laid = (width, self.sort, view, Layout.of(width, digits, self.sort, unknown, bool(view.edits)))
            self._laid = laid
        return laid[3]

    def _set_remarks(self) -> None:
        """What the filter cannot do, at the pane's foot: the rows above keep their place."""
        width = max(2, self.text_width - 2)
        rows = [row for remark in self.remarks for row in wrap(remark, width)]
        if len(rows) > REMARK_ROWS:
            rows = [*rows[: REMARK_ROWS - 1], fit(" ".join(rows[REMARK_ROWS - 1 :]), width)]
        self.set_foot([((f" {row}", "warn"),) for row in rows])


@dataclass(frozen=True)
class Layout:
    """Which columns fit a width, from left to right; the one that sorts is always among them.

    `bar` is the column with a bar, which makes way for an edit where edits have no column.
    """

    number: int
    name: int
    columns: tuple[Column, ...]
    bar: str | None
    sort: str

    @property
    def left(self) -> int:
        """Cells before the first column: cursor, mark, number, name and state."""
        return self.number + self.name + 5

    def width(self, column: Column) -> int:
        """Its cells: where it sorts, its title has its sign beside it, over the bar if there is one."""
        return _wide(column) if column.id == self.sort != self.bar else column.width

    @property
    def edits(self) -> bool:
        return any(column.id == "edit" for column in self.columns)

    @classmethod
    @lru_cache(maxsize=64)
    def of(
        cls, width: int, number: int, sort: str, unknown: frozenset[str] = frozenset(), edited: bool = False
    ) -> "Layout":
        """For numbers of `number` digits; columns that are `unknown` throughout are left out unless they sort."""
        barred = sort if sort not in ALWAYS and BY_ID[sort].barred else "p20"
        room = width - number - 5
        shown: list[str] = [] if sort in ALWAYS else [sort]
        room -= sum(_wide(BY_ID[id]) + 1 for id in shown)
        spare = room - min(NAME_MOST, NAME_CELLS + max(0, width - 34) // 3)
        # What the sorting column does not need if its sign can stand over its bar.
        won = _wide(BY_ID[sort]) - BY_ID[sort].width if barred == sort else 0

        def take(id: str, of_name: int = 0) -> None:
            nonlocal room, spare
            cells = BAR_CELLS + 1 if id == "bar" else BY_ID[id].width + 1
            if id not in shown and id not in unknown and cells <= spare + of_name + (won if id == "bar" else 0):
                shown.append(id)
                room, spare = room - cells, spare - cells

        take("p20")
        if barred in shown:
            take("bar")
        if "bar" in shown:
            room, spare = room + won, spare + won
        if edited and "bar" not in shown:
            take("edit", NAME_CELLS // 2)
        for id in FITTING:
            take(id)
        columns = tuple(column for column in COLUMNS if column.id in shown)
        return cls(number, max(1, room), columns, barred if "bar" in shown else None, sort)


def _wide(column: Column) -> int:
    """Cells for the column's title with a sign at its end."""
    return max(column.width, len(column.title) + 1)
