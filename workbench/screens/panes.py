"""The three panes of a run: laid out by width, tab and zoom, and filled from a view."""

import time
from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.timer import Timer

from workbench.equivalents import cohort_command, curve_command, lists_command, neuron_command, page_command
from workbench.screens.base import BaseScreen
from workbench.view import View
from workbench.widgets import frame
from workbench.widgets.bench import COLUMN_READABLE, Bench, bench, beside_from, side_line, which_list
from workbench.widgets.inspector import inspector, tabs_line
from workbench.widgets.jobs import jobs_lines
from workbench.widgets.line import Line, cut, ends, text_of, width_of, wrap
from workbench.widgets.neurons import NeuronTable
from workbench.widgets.page import PageLines, page
from workbench.widgets.pane import Pane
from workbench.widgets.status import StatusRow
from workbench.widgets.target import target_line

WIDE_COLUMNS, MIDDLE_COLUMNS, NARROW_COLUMNS = 140, 100, 78
PANES = ("neurons", "inspector", "bench")
LEAST_LEFT, SIDE_CELLS, RULE_CELLS = 34, 40, 2
"""Cells of the neurons and of the inspector where several users' lists stand side by side."""
ROWS_AROUND = 3
"""Title, command and keys."""
TALL_ROWS, JOB_ROWS, LOG_ROWS = 40, 7, 9
"""From this height on a wide terminal has jobs and journal below the neurons."""
FRAME_SECONDS = 1 / 60
"""Views that follow each other faster than this are not drawn but for the last."""


class PanesScreen(BaseScreen, inherit_bindings=False):
    """Neurons at the left, what one of them is in the middle, what changing it does at the right.

    Below `WIDE_COLUMNS` the last two share a place as tabs.
    """

    NAME = "run"

    def __init__(self) -> None:
        super().__init__()
        self._tab = "inspector"
        self._zoomed = False
        self._laid_for_several = 0
        self._inspected_now: object = None
        self._bench = Bench([], [])
        self._page = PageLines([])
        self._came_from: str | None = None
        """The pane that had the focus before the page that is open."""
        self._drawn_at = 0.0
        self._drawing: Timer | None = None
        """Draws with the next frame what changed since the last."""

    @property
    def view(self) -> View:
        """What the panes show."""
        raise NotImplementedError

    @property
    def table(self) -> NeuronTable:
        return self.query_one(NeuronTable)

    @property
    def status(self) -> StatusRow:
        return self.query_one(StatusRow)

    @property
    def wide(self) -> bool:
        """Whether inspector and bench stand side by side."""
        return self.app.size.width >= WIDE_COLUMNS

    @property
    def _both(self) -> bool:
        """Whether inspector and bench stand side by side now."""
        return all(self.pane(name).display for name in PANES[1:])

    @property
    def _several(self) -> int:
        """How many users' lists are to stand side by side; 0 where it is not several."""
        users = len(self.view.watched)
        return users if users > 1 and self.view.side == "list" and self.wide else 0

    @property
    def focused_pane(self) -> str:
        """The pane with the focus; the table while a question is asked."""
        name = self.focused.id if self.focused is not None else None
        return name if name in PANES else "neurons"

    @property
    def command(self) -> str:
        """The command that prints what is looked at: the bench where it shows something, a page, else the neuron."""
        view = self.view
        bench, inspector = self.pane("bench").display, self.pane("inspector").display
        on_bench = bench and self.focused_pane != "inspector"
        side = {"cohort": cohort_command, "curve": curve_command}.get(view.side)
        shown = side(view) if on_bench and side is not None else page_command(view) if inspector else None
        if shown is None and on_bench and (view.edits or len(view.watched) > 1 or self.focused_pane == "bench"):
            shown = lists_command(view)
        if shown is None and self.focused_pane == "neurons":
            shown = self.table.command(view)
        return neuron_command(view) if shown is None else shown

    def pane(self, name: str) -> Pane:
        return self.query_one(f"#{name}", Pane)

    def compose(self) -> ComposeResult:
        yield from super().compose()
        title, footer = Pane(id="title"), Pane(id="footer")
        title.can_focus = footer.can_focus = False
        yield title
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield NeuronTable()
                for name in ("jobs", "log"):
                    below = Pane(id=name)
                    below.can_focus = False
                    yield below
            yield Pane(id="inspector", ruled=True)
            yield Pane(id="bench", ruled=True)
        yield StatusRow()
        yield footer

    def show(self, view: View) -> None:
        """Show a view everywhere, now; each pane draws only what differs."""
        if not self._arranged(view):
            self.table.show_view(view)
            self._draw()

    def show_soon(self, view: View) -> None:
        """Show a view: now, or with the next frame where another was drawn within this one.

        So of a burst of keys the newest view alone is drawn, and a single key waits for nothing. What the next key
        builds on is never late: the focus, the tab that is up, and the table's rows and order.
        """
        if self._arranged(view):
            return
        self.table.show_view(view)
        wait = self._drawn_at + FRAME_SECONDS - time.monotonic()
        if wait <= 0:
            self._draw()
        elif self._drawing is None:
            self._drawing = self.set_timer(wait, self.settle)

    def settle(self) -> None:
        """Draw now what waits for the next frame."""
        if self._drawing is not None:
            self._draw()

    def _arranged(self, view: View) -> bool:
        """Lay out anew and move the focus where a view asks for that; True where that showed the view."""
        if self._several != self._laid_for_several:
            if self._several and self.focused_pane != "inspector":
                self._tab = "bench"
            self.lay_out()
            return True
        return self._turned(view)

    def _draw(self) -> None:
        """Fill the panes beside the table from the newest view."""
        view = self.view
        if self._drawing is not None:
            self._drawing.stop()
            self._drawing = None
        self.pane("title").set_top([frame.title(view, self.pane("title").text_width)])
        for name in (*PANES[1:], "jobs", "log"):
            if self.pane(name).display:
                self._fill(name)
        saved = "read-only" if view.read_only else f"saved {view.saved}" if view.saved else ""
        self.status.show_command(self.command, saved)
        self.pane("footer").set_top([self._keys(self.pane("footer").text_width)])
        self._drawn_at = time.monotonic()

    def _turned(self, view: View) -> bool:
        """A page that opens gets the focus, and gives it back when it goes; True where that showed the view."""
        opened, came_from = view.page is not None, self._came_from
        if opened == (came_from is not None):
            return False
        focused = self.focused_pane
        self._came_from = focused if opened else None
        target = "inspector" if opened else came_from if focused == "inspector" else None
        if target is None or target == focused:
            return False
        self.go(target)
        self.refill()
        return True

    def _fill(self, name: str) -> None:
        pane = self.pane(name)
        if name == "inspector" and self._inspected_now != (now := self._subject()):
            self._inspected_now = now
            pane.scroll_rows_to(0)
        if name == "jobs":
            rows = jobs_lines(self.view.jobs[::-1], pane.text_width) or [((" nothing runs", "dim"),)]
            pane.show([((" Jobs", "strong"), ("  ! shows more", "dim"))], rows)
        elif name == "log":
            rows = [((f" {text}", "dim"),) for text in self.view.log[1 - LOG_ROWS :]]
            pane.show(
                [((" Journal", "strong"), ("  u undo · U redo", "dim"))], [cut(row, pane.text_width) for row in rows]
            )
        elif name == "inspector":
            self._page = page(self.view, pane.text_width)
            target = target_line(self.view, pane.text_width, on_page=True) if self._page.rows else None
            rows = self._page.rows or self._inspected(pane.text_width)
            pane.show([self._tabs(name), *([] if target is None else [target])], rows)
            at = next((row for row, neuron in self._page.neuron_at.items() if neuron == self.view.page_neuron), None)
            if at != pane.cursor:
                pane.move_cursor(at)
        else:
            target = target_line(self.view, pane.text_width)
            head = [self._tabs(name), *([] if target is None else [target])]
            self._bench = bench(self.view, pane.text_width, self.app.size.height - ROWS_AROUND - len(head))
            pane.show(head, self._bench.rows, self._bench.foot)

    def _subject(self) -> object:
        """What the inspector shows; another one is shown from its top."""
        view = self.view
        return (view.page.kind, view.page.name) if view.page is not None else (view.current, view.tab)

    def _tabs(self, name: str) -> Line:
        """A pane's title; where inspector and bench share a place, both, with the shown one in brackets."""
        width, together = self.pane(name).text_width, not self._both
        if name == "inspector":
            told: Line = (("2 ", "strong"),)
            other: Line = (("  3 Bench", "dim"),) if together else ()
            if self.view.page is not None:
                return ends(
                    (*told, (f"[{self.view.page.kind.capitalize()}]", "title"), ("  q goes back", "dim")), other, width
                )
            return ends((*told, *tabs_line(self.view, width - 2 - width_of(other))), other, width)
        title: Line = (("2 Inspector  ", "dim"), ("3 [Bench]", "title")) if together else (("3 Bench", "title"),)
        sides, which = side_line(self.view), which_list(self.view)
        both = (*sides, ("  ", ""), *which) if which else sides
        at_right = next((one for one in (both, which or sides) if width_of(title) + width_of(one) + 2 <= width), which)
        return ends(title, at_right, width)

    def _inspected(self, width: int) -> list[Line]:
        """What the inspector's place shows of a neuron: the opening's sentences, a tab."""
        view = self.view
        if view.opening:
            rows = [line for sentence in view.opening for line in (*wrap(f"· {sentence}", width), "")]
            more = [(), (("j k move to a neuron, ? tells every key", "dim"),)]
            return [((f"{view.card.name}", "strong"),), (), *(((row, ""),) for row in rows), *more]
        return inspector(view, width)

    def texts(self) -> list[str]:
        """What the panes show, without colours, each pane whole."""
        self.settle()
        return [text_of(line) for name in PANES if self.pane(name).display for line in self.pane(name).lines]

    def lay_out(self) -> None:
        """Widths and visibility of the panes for this width, tab and zoom, and what they show."""
        self._laid_for_several = self._several
        width, focused = self.app.size.width, self.focused_pane
        if focused != "neurons":
            self._tab = focused
        if self._zoomed:
            shown = {focused: width}
        elif width >= WIDE_COLUMNS and self._several:
            rest = width - LEAST_LEFT
            shown = {"neurons": LEAST_LEFT, self._tab: rest}
            if rest - SIDE_CELLS >= beside_from(self._several, COLUMN_READABLE) + RULE_CELLS:
                shown = {"neurons": LEAST_LEFT, "inspector": SIDE_CELLS, "bench": rest - SIDE_CELLS}
        elif width >= WIDE_COLUMNS:
            side = max(42, min(46 + (width - 160) // 3, 70)) if width >= 156 else 42
            shown = {"neurons": width - 2 * side, "inspector": side, "bench": side}
        else:
            left = 44 if width >= MIDDLE_COLUMNS else 34 if width >= NARROW_COLUMNS else width // 2
            shown = {"neurons": left, self._tab: width - left}
        for name in ("title", "status", "footer"):
            self.pane(name).set_width(width)
        for name in PANES:
            pane = self.pane(name)
            pane.display = name in shown
            if name in shown:
                pane.set_width(shown[name])
        column = self.query_one("#left")
        column.display = "neurons" in shown
        column.styles.width = shown.get("neurons", 0)
        below = "neurons" in shown and width >= WIDE_COLUMNS and self.app.size.height >= TALL_ROWS and not self._zoomed
        for name in ("jobs", "log"):
            self.pane(name).display = below
            self.pane(name).set_width(shown.get("neurons", 0))
        if self.focused is None:
            self.table.focus()
        self.refill()

    def refill(self) -> None:
        """Show the same view again, for other widths or another focus."""
        if self.is_attached:
            self.show(self.view)

    def _keys(self, width: int) -> Line:
        if self.status.asking:
            return frame.ASKED
        name, target = self.focused_pane, self.view.target
        if name == "inspector" and self.view.page is not None:
            name = "page"
        elif name == "neurons" and target is not None and target.at is not None:
            name = "edited"
        return frame.footer(name, width)

    def on_descendant_focus(self, _event: events.DescendantFocus) -> None:
        if self._zoomed and not self.pane(self.focused_pane).display:
            self.lay_out()
        else:
            self.refill()

    def go(self, name: str) -> None:
        """Focus a pane, bringing it up first if it is hidden."""
        hidden = not self.pane(name).display
        if hidden:
            self.pane(name).display = True
        self.pane(name).focus()
        if hidden:
            self.set_focus(self.pane(name))
            self.lay_out()

    def show_tab(self, name: str) -> None:
        """Bring a tab up; the focus stays in the table if it is there, which then no longer has all of the screen."""
        if self.pane(name).display:
            return
        if self._zoomed and self.focused_pane == "neurons" and name == "bench":
            self._zoomed = False
        if self.focused_pane != "neurons" or (self._zoomed and name == "inspector"):
            self.go(name)
        else:
            self._tab = name
            self.lay_out()

    @property
    def arrangement(self) -> tuple[str, str, bool]:
        """The pane with the focus, which of inspector and bench is up where they share a place, and the zoom."""
        return self.focused_pane, self._tab, self._zoomed

    def rearrange(self, focused: str, shown: str, zoomed: bool) -> None:
        """Take an arrangement; names that are none are left out, and a question keeps the focus."""
        self._tab = shown if shown in PANES[1:] else self._tab
        self._zoomed = zoomed
        if focused in PANES and not self.status.asking:
            self.pane(focused).display = True
            self.set_focus(self.pane(focused))
        self.lay_out()

    def neighbour(self, step: int) -> str:
        """The pane that tab leads to."""
        names = PANES if self._both or self._zoomed else ("neurons", self._tab)
        return names[(names.index(self.focused_pane) + step) % len(names)]

    def zoom(self) -> None:
        """The focused pane alone, or all of them again."""
        self._zoomed = not self._zoomed
        self.lay_out()

    def travel(self, unit: str, direction: int) -> None:
        """Move the focused pane's cursor, or scroll it, by a row, half a page, a page, or to the end."""
        pane = self.pane(self.focused_pane)
        height = pane.rows_height
        rows = {"row": 1, "half": max(1, height // 2), "page": max(1, height - 1), "end": 1 << 30}[unit]
        if pane is self.table:
            pane.travel(direction * rows)
        else:  # a page's cursor goes through its neurons alone; all else scrolls
            self.settle()
            pane.scroll_rows_to(min(max(pane.scroll_offset.y + direction * rows, 0), pane.max_scroll_y))

    def next_edit(self, direction: int) -> int | None:
        """The position of the next edit on the bench; None where the list should scroll instead."""
        self.settle()
        first: dict[int, int] = {}
        for row, edit in self._bench.edit_at.items():
            first.setdefault(edit, row)
        folded = min(first.values(), default=0)  # those that are not drawn stand where the one is that is
        rows = [first.get(edit, folded) for edit in range(len(self.view.edits))]
        target = self.view.target
        return self._next("bench", rows, None if target is None else target.at, direction)

    def next_neuron(self, direction: int, last: bool = False) -> int | None:
        """The next neuron on the open page, or the `last` that way; None where the page should scroll instead."""
        self.settle()
        rows, neurons = list(self._page.neuron_at), list(self._page.neuron_at.values())
        chosen = self.view.page_neuron
        at = neurons.index(chosen) if chosen in neurons else None
        found = self._next("inspector", rows, at, direction, last)
        return None if found is None else neurons[found]

    def _next(self, name: str, rows: Sequence[int], at: int | None, direction: int, last: bool = False) -> int | None:
        """Which of `rows` the cursor goes to, brought into view; None past the ends, and where it is scrolled away."""
        pane = self.pane(name)
        top, height = pane.scroll_offset.y, pane.rows_height
        start = at if at is not None else -1 if direction > 0 else len(rows)
        found = start + direction
        if last:
            found = len(rows) - 1 if direction > 0 else 0
        elif at is not None and rows[at] < top:
            return None
        if found == at or not 0 <= found < len(rows):
            return None
        row = 0 if found == 0 else rows[found]
        if not top <= row < top + height:
            pane.scroll_rows_to(row if row < top else row - height + 1)
        return found
