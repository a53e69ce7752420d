"""What the inspector's tabs and the pages are made of: facts read with care, tables, sentences. Pure.

Facts come from the engine as plain data: a field may be missing or None, and texts hold whatever the data hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len

from engine.text import plain
from workbench.widgets.line import UNKNOWN, Line, Span, cut, fit, packed, right, width_of, wrap

Facts = Mapping[str, Any]

SIDE_BY_SIDE_CELLS = 88
"""Width from which two tables stand beside each other."""
NAME_CELLS = 12
"""What a table leaves for names before it gives up a column."""


def numbers_of(facts: Facts, name: str) -> list[float]:
    """A list of figures; empty where there is none, or where one of them is unknown."""
    values = facts.get(name) or ()
    return [float(value) for value in values] if all(isinstance(value, int | float) for value in values) else []


def text_in(facts: Facts, name: str) -> str:
    """A text or an id, safe to show, or the sign for unknown."""
    value = facts.get(name)
    return UNKNOWN if value is None else plain(str(value)) or UNKNOWN


def heading(text: str, width: int) -> list[Line]:
    """What the lines below are, after an empty one."""
    return [(), *(((row, "strong"),) for row in wrap(text, width))]


def prose(text: str, width: int, role: str = "dim") -> list[Line]:
    """Sentences, wrapped."""
    return [((row, role),) for row in wrap(plain(text), width)]


def listed(pieces: Sequence[str], width: int, role: str = "", indent: int = 0, between: str = " · ") -> list[Line]:
    """Names in as few rows as they need."""
    return [((" " * indent, ""), (row, role)) for row in packed(list(pieces), max(1, width - indent), between)]


def pairs(width: int, *named: tuple[str, str]) -> list[Line]:
    """Names with their values, as many on a row as fit whole."""
    lines: list[list[Span]] = [[]]
    for name, value in named:
        spans: list[Span] = [(f"{name} ", "dim"), (f"{value}  ", "")]
        if lines[-1] and width_of((*lines[-1], *spans)) - 2 > width:
            lines.append([])
        lines[-1] += spans
    return [cut((*line[:-1], (line[-1][0].rstrip(), "")), width) if line else () for line in lines]


@dataclass(frozen=True)
class Column:
    """A column of a table: figures at the right of theirs, names (`names`) at the left, cut where room is short.

    Columns are given up in the order of `spare`, the highest first, until names have `least` cells or all that they
    need; those with 0 stay. `roles` are the cells'.
    """

    title: str
    texts: Sequence[str]
    role: str = ""
    roles: Sequence[str] = ()
    names: bool = False
    spare: int = 0
    least: int = NAME_CELLS

    @property
    def cells(self) -> int:
        return max(map(cell_len, (self.title, *self.texts)))

    def span(self, row: int, cells: int) -> Span:
        text = self.texts[row]
        return (fit(text, cells) if self.names else right(text, cells)), self.roles[row] if self.roles else self.role


def table(width: int, *columns: Column) -> list[Line]:
    """The columns side by side under their titles; just as wide as what they hold needs, or `width`."""
    shown = [column for column in columns if any(text.strip() for text in column.texts)]
    if not shown:
        return []
    while (names := _names_cells(shown, width)) < _needed(shown) and any(column.spare for column in shown):
        least = max(shown, key=lambda column: column.spare)
        shown = [column for column in shown if column is not least]
    cells = [min(column.cells, max(names, 1)) if column.names else column.cells for column in shown]
    gap = " " * _gap(width)
    titles = gap.join(
        fit(column.title, size) if column.names else right(column.title, size)
        for column, size in zip(shown, cells, strict=True)
    )
    lines: list[Line] = [((titles, "dim"),)] if titles.strip() else []
    for row in range(len(shown[0].texts)):
        spans: list[Span] = []
        for column, size in zip(shown, cells, strict=True):
            spans += [(gap if spans else "", ""), column.span(row, size)]
        lines.append(tuple(spans))
    return within(lines, width)


def _gap(width: int) -> int:
    return 1 if width < 60 else 2


def _needed(columns: Sequence[Column]) -> int:
    return max((min(column.least, column.cells) for column in columns if column.names), default=0)


def _names_cells(columns: Sequence[Column], width: int) -> int:
    """Cells that are left for the names."""
    figures = sum(column.cells for column in columns if not column.names)
    return width - figures - _gap(width) * (len(columns) - 1)


def within(lines: Sequence[Line], width: int) -> list[Line]:
    """Lines that are too wide are cut; the others stay as they are."""
    return [line if width_of(line) <= width else cut(line, width) for line in lines]


def half_of(width: int) -> int:
    """What each of two tables has where `beside` would put them side by side; else the whole width."""
    return (width - 3) // 2 if width >= SIDE_BY_SIDE_CELLS else width


def beside(left: Sequence[Line], at_right: Sequence[Line], width: int) -> list[Line]:
    """Two blocks that were made for `half_of(width)`: side by side, or one below the other where room is short."""
    if width < SIDE_BY_SIDE_CELLS:
        return [*left, *at_right]
    half = half_of(width)
    return [
        (*cut(one, half), ("   ", ""), *other) for one, other in zip_longest(left, at_right, fillvalue=())
    ]  # fmt: skip
