"""A pane of lines: rows that stay at the top, rows that scroll, rows that stay at the bottom. No box, no wrapping.

Everything is drawn line by line, and a line that changed only as far as it differs from what the terminal has: over
a slow link a cursor move costs a few hundred bytes. A mark at the first or last row that scrolls tells of more.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Self

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import Reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.widgets.line import Line

ROLES = ("dim", "strong", "good", "bad", "warn", "bar", "key", "title", "cursor")
REVERSING = ("title", "cursor")
TERMINALS_OWN = Style(color="default", bgcolor="default")
"""What the themes of the terminal's own colours make of a pane. It needs no code, which saves a third of all bytes."""

OWN = "own"
"""The name of the pane's own style beside those of its roles."""
RULE: Line = (("│ ", "dim"),)
ABOVE, BELOW, BOTH = "▴", "▾", "↕"
"""There is more that way."""
Signs = Callable[[Line], Line]
"""A line in other signs, one for one; an app that has `signs` has every line drawn in them."""


class Pane(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows lines. A subclass that draws its rows itself overrides `row_count` and `row`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"pane--{role}" for role in ROLES}
    # There are no scrollbars, so neither of these changes the layout, nor a line that is shown.
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), repaint=False)
    show_vertical_scrollbar: Reactive[bool] = Reactive(False, repaint=False)

    class Clicked(Message):
        """A row of the scrolling part was clicked."""

        def __init__(self, pane: "Pane", row: int) -> None:
            super().__init__()
            self.pane = pane
            self.row = row

        @property
        def control(self) -> "Pane":
            return self.pane

    def __init__(self, *, id: str, ruled: bool = False) -> None:
        """`ruled` draws a vertical rule down the left side."""
        super().__init__(id=id)
        self._ruled = ruled
        self._head: Sequence[Line] = ()
        self._rows: Sequence[Line] = ()
        self._foot: Sequence[Line] = ()
        self._promised = 0
        self._cursor: int | None = None
        self._styles_by_role: dict[str, Style] = {}
        self._drawn: dict[int, Strip] = {}
        """What the terminal has of some rows of the window, or is about to get."""
        self._made: dict[int, tuple[object, Strip]] = {}
        """The last strip of each row of the window, with all that it was made from."""

    @property
    def text_width(self) -> int:
        """Cells that a line may take: what `set_width` promised, before the layout has happened too."""
        return max(0, (self._promised or self.size.width) - (2 if self._ruled else 0))

    def set_width(self, cells: int) -> None:
        """Take this width with the next layout; lines made from now on are made for it, so they are drawn once."""
        self._promised = cells
        self.styles.width = cells

    @property
    def rows_height(self) -> int:
        """How many scrolling rows are visible."""
        return max(0, self.size.height - len(self._head) - len(self._foot))

    @property
    def row_count(self) -> int:
        return len(self._rows)

    @property
    def cursor(self) -> int | None:
        return self._cursor

    @property
    def lines(self) -> list[Line]:
        """All lines, those that are scrolled away too."""
        return [*self._head, *(self.row(index) for index in range(self.row_count)), *self._foot]

    def row(self, index: int) -> Line:
        """Line `index` of the scrolling part."""
        return self._rows[index]

    def show(self, head: Sequence[Line], rows: Sequence[Line], foot: Sequence[Line] = ()) -> None:
        """Show these lines; draws only those that differ from what is shown."""
        self._head, self._rows, self._foot = head, rows, foot
        self.fit_rows()

    def set_top(self, head: Sequence[Line]) -> None:
        """Change the rows that stay at the top."""
        before, self._head = self._head, head
        if len(before) != len(head):
            self.fit_rows()
        elif list(before) != list(head):
            self._redraw(range(len(head)))

    def set_foot(self, foot: Sequence[Line]) -> None:
        """Change the rows that stay at the bottom."""
        before, self._foot = self._foot, foot
        if len(before) != len(foot):
            self.fit_rows()
            self.move_cursor(self._cursor)
        elif list(before) != list(foot):
            self._redraw(range(self.size.height - len(foot), self.size.height))

    def travel(self, rows: int) -> None:
        """Move the cursor by `rows`, or scroll by them where there is no cursor."""
        if self._cursor is None:
            self.scroll_rows_to(self.scroll_offset.y + rows)
        else:
            self.move_cursor(self._cursor + rows)

    def fit_rows(self) -> None:
        """Tell the scrolling how many rows there are now, and draw what differs."""
        self.virtual_size = Size(1, len(self._head) + self.row_count + len(self._foot))
        if self.scroll_offset.y > self.max_scroll_y:
            self.scroll_rows_to(self.max_scroll_y)
        self._redraw(range(self.size.height))

    def refresh_row(self, index: int) -> None:
        """Draw one scrolling row again, if it is visible."""
        y = index - self.scroll_offset.y
        if 0 <= y < self.rows_height:
            self._redraw(range(y + len(self._head), y + len(self._head) + 1))

    def move_cursor(self, index: int | None) -> None:
        """Put the cursor on a row, within the rows there are, and bring the row into view."""
        index = None if index is None or not self.row_count else min(max(index, 0), self.row_count - 1)
        before, self._cursor = self._cursor, index
        if before is not None and before != index:
            self.refresh_row(before)
        if index is None:
            return
        self.refresh_row(index)
        top, height = self.scroll_offset.y, self.rows_height
        if not top <= index < top + height:
            beyond = index - top if index < top else index - (top + height - 1)
            self.scroll_rows_to(max(0, top + beyond + self._further(beyond)))

    def _further(self, beyond: int) -> int:
        """Rows to scroll on where that is dear, when the cursor steps out: half a window, so that it is seldom."""
        dear = abs(beyond) == 1 and getattr(self.app, "scrolls_far", False)
        return beyond * (self.rows_height // 2) if dear else 0

    def scroll_rows_to(self, top: int) -> None:
        self.scroll_to(y=top, animate=False, immediate=True, force=True)

    @property
    def allow_vertical_scroll(self) -> bool:
        return self.row_count > self.rows_height

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        if round(old_value) != round(new_value):
            self._redraw(range(self.size.height))

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        if not regions:
            self._drawn.clear()  # all of it is sent, whatever it is by then
            self._made.clear()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def _redraw(self, rows: range) -> None:
        """Have some rows of the window drawn, each as far as it differs from what the terminal has."""
        for y in rows:
            old, new = self._drawn.get(y), self._strip(y)
            cells = self.size.width if old is None else differing(old, new)
            if cells:
                self._drawn[y] = new
                self.refresh(Region(0, y, cells, 1))

    def render_line(self, y: int) -> Strip:
        """Row `y` of the window, in the signs that the terminal can draw."""
        strip = self._strip(y)
        self._drawn.setdefault(y, strip)
        return strip

    def _strip(self, y: int) -> Strip:
        line, more = self._line(y), self._more(y)
        lit = self.has_focus and self._cursor is not None and self._row_at(y) == self._cursor
        of = (line, more, lit, self.has_focus, self.size.width)
        made = self._made.get(y)
        if made is None or made[0] != of:
            made = self._made[y] = (of, self._strip_of(line, more, lit))
        return made[1]

    def _strip_of(self, line: Line, more: str, lit: bool) -> Strip:
        """A line with the pane's rule and the mark of more, in the pane's styles."""
        rule: Line = ((f"{more} ", "strong"),) if more and self._ruled else RULE
        signs: Signs | None = getattr(self.app, "signs", None)
        if signs is not None:
            line, rule = signs(line), signs(rule)
        segments = [Segment(text, self._style("cursor" if lit else _seen(text, role))) for text, role in line if text]
        width = self.size.width - (2 if self._ruled else 0)
        strip = Strip(segments).adjust_cell_length(width, self._style("cursor" if lit else ""))
        if self._ruled:
            strip = Strip([*(Segment(text, self._style(role)) for text, role in rule), *strip])
        elif more:
            [(mark, role)] = ((more, line[0][1]),) if signs is None else signs(((more, line[0][1]),))
            strip = Strip([Segment(mark, self._style(role)), *strip.crop(1)])
        if OWN not in self._styles_by_role:
            self._styles_by_role[OWN] = self.rich_style
        own = self._styles_by_role[OWN]
        return (strip if own == TERMINALS_OWN else strip.apply_style(own)).simplify()

    def _more(self, y: int) -> str:
        """The mark of row `y`: whether rows are scrolled away behind it, or for the title anywhere."""
        if not self._ruled:
            top = self.scroll_offset.y
            above, below = top > 0, top + self.rows_height < self.row_count
            blank = y == 0 and bool(self._head) and self._head[0][:1] != () and self._head[0][0][0][:1] == " "
            return (BOTH if above and below else ABOVE if above else BELOW if below else "") if blank else ""
        index = self._row_at(y)
        if index is None:
            return ""
        if y == self.size.height - len(self._foot) - 1 and index + 1 < self.row_count:
            return BELOW
        return ABOVE if y == len(self._head) and index else ""

    def on_resize(self) -> None:
        self._drawn.clear()
        self.move_cursor(self._cursor)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        index = self._row_at(event.y)
        if index is not None:
            self.post_message(self.Clicked(self, index))

    def notify_style_update(self) -> None:
        self._styles_by_role.clear()
        self._made.clear()
        super().notify_style_update()

    def _row_at(self, y: int) -> int | None:
        if not len(self._head) <= y < self.size.height - len(self._foot):
            return None
        index = y - len(self._head) + self.scroll_offset.y
        return index if index < self.row_count else None

    def _line(self, y: int) -> Line:
        if y < len(self._head):
            return self._head[y]
        index = self._row_at(y)
        if index is not None:
            return self.row(index)
        below = y - (self.size.height - len(self._foot))
        return self._foot[below] if 0 <= below < len(self._foot) else ()

    def _style(self, role: str) -> Style:
        if role == "title" and not self.has_focus:
            role = "strong"
        if role not in self._styles_by_role:
            self._styles_by_role[role] = (
                self.get_component_rich_style(f"pane--{role}", partial=True) if role else Style.null()
            )
        return self._styles_by_role[role]


def differing(old: Strip, new: Strip) -> int:
    """Cells from the left up to where two strips of one length are the same; 0 if they are the same throughout."""
    cells = new.cell_length
    one, other = _letters(old), _letters(new)
    while one and other and one[-1] == other[-1]:
        cells -= cell_len(one.pop()[0])
        other.pop()
    return cells if one or other else 0


def _letters(strip: Strip) -> list[tuple[str, Style | None]]:
    return [(letter, segment.style) for segment in strip for letter in segment.text]


def _seen(text: str, role: str) -> str:
    """The role that shows in `text`: for blanks none but those that reverse, so that no code is sent for them."""
    return role if role in REVERSING or not text.isspace() else ""
