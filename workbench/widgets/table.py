"""A table of any length: only the rows in the window are ever made. (Textual's own takes 48 s for 100,000 rows.)"""

from collections.abc import Sequence

from workbench.widgets.line import Line
from workbench.widgets.pane import Pane


class VirtualTable(Pane):
    """Rows are keys in an order; a subclass says what a key looks like in `row_of`."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._order: Sequence[int] = ()

    @property
    def row_count(self) -> int:
        return len(self._order)

    @property
    def order(self) -> Sequence[int]:
        """Keys of the rows, from the top."""
        return self._order

    @property
    def current(self) -> int | None:
        """The key under the cursor."""
        return None if self._cursor is None else self._order[self._cursor]

    @property
    def in_window(self) -> range:
        """The rows in the window."""
        top = self.scroll_offset.y
        return range(min(top, self.row_count), min(top + self.rows_height, self.row_count))

    def row(self, index: int) -> Line:
        mark = "▸" if index == self._cursor else " "
        return ((mark, "key"), *self.row_of(self._order[index]))

    def row_of(self, key: int) -> Line:
        """The cells of row `key`."""
        raise NotImplementedError

    def set_order(self, order: Sequence[int]) -> None:
        """Show these keys in this order; the cursor stays on its key if that is still shown, else goes to the top."""
        key = self.current
        self._order = order
        self.fit_rows()
        self.move_cursor(self._place_of(key) or 0)

    def choose(self, key: int) -> None:
        """Put the cursor on `key`, if it is shown."""
        at = self._place_of(key)
        if at is not None:
            self.move_cursor(at)

    def _place_of(self, key: int | None) -> int | None:
        try:
            return None if key is None else self._order.index(key)
        except ValueError:
            return None
