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
        position = next((at for at, other in enumerate(order) if other == key), 0)
        self.move_cursor(position)

    def choose(self, key: int) -> None:
        """Put the cursor on `key`, if it is shown."""
        for at, other in enumerate(self._order):
            if other == key:
                self.move_cursor(at)
                return
