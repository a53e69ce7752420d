"""What is sent to the terminal, piece by piece, adds up to what is shown; and what is the same is not sent."""

import re
from typing import Any

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from engine.home import Home
from tests.workbench.driving import Driver, opened, until
from tests.workbench.fake_run import make_run
from workbench.widgets.line import Line, text_of
from workbench.widgets.pane import Pane, differing

CONTROL = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|(\r?\n)|([^\x1b\r\n])")


class Grid:
    """A terminal that knows the few sequences that are sent: letters and their colours, by cell."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], tuple[str, str]] = {}
        self.sent = 0

    def take(self, text: str) -> None:
        x = y = 0
        colours = ""
        self.sent += len(text.encode())
        for found in CONTROL.finditer(text):
            numbers, kind, line, letter = found.groups()
            if kind == "H":
                y, x = (int(number) - 1 for number in numbers.split(";"))
            elif kind == "m":
                colours = "" if numbers in ("", "0") else numbers
            elif line:
                y, x = y + 1, 0
            elif letter:
                self.cells[x, y] = (letter, colours)
                x += Segment(letter).cell_length
                if Segment(letter).cell_length == 2:
                    self.cells[x - 1, y] = ("", colours)


def watch(driver: Driver) -> Grid:
    """A terminal that gets from now on what the app would send; it begins with all that is shown."""
    grid, app = Grid(), driver.app
    display = app._display

    def shown(screen: Any, renderable: Any) -> None:
        if hasattr(renderable, "render_segments"):
            grid.take(renderable.render_segments(app.console))
        display(screen, renderable)

    app._display = shown  # type: ignore[method-assign]
    return grid


def everything(driver: Driver) -> dict[tuple[int, int], tuple[str, str]]:
    whole = Grid()
    whole.take(driver.app.screen._compositor.render_full_update().render_segments(driver.app.console))  # type: ignore[attr-defined]
    return whole.cells


@pytest.fixture
def many(home: Home) -> Home:
    """A home with a run of more neurons than rows."""
    make_run(home.root, neurons=60)
    return home


WAYS = (
    "jjjjjjjjjjjjjjjjjjjjjjjj",
    "GkkkkkkkkkkkkkkkkkkkkkggjG",
    "]j]j]j]j]j]j]j]j]j]j]j",
    "ij+j+jk-k-t",
    "zjjz2jjjjjGgg1",
    "ssss>>>>jj<<s",
    "?jjq",
    "!ju",
)


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
@pytest.mark.parametrize("keys", WAYS)
async def test_what_is_sent_adds_up_to_what_is_shown(many: Home, size: tuple[int, int], keys: str) -> None:
    async with opened(many, size=size) as driver:
        await driver.ready()
        grid = watch(driver)
        driver.app.refresh(repaint=True, layout=True)
        await driver.press("ctrl+l")
        for key in keys:
            await driver.press({"?": "question_mark", "+": "plus", "-": "minus", "!": "exclamation_mark"}.get(key, key))
        await driver.ranked()
        await driver.pilot.pause(0.1)
        assert {at: cell for at, cell in everything(driver).items() if grid.cells.get(at) != cell} == {}


STRONG, PLAIN = Style(bold=True), Style()


@pytest.mark.parametrize(
    ("old", "new", "cells"),
    [
        ([("abc", PLAIN)], [("abc", PLAIN)], 0),
        ([("abc", PLAIN)], [("abd", PLAIN)], 3),
        ([("abc", PLAIN)], [("xbc", PLAIN)], 1),
        ([("abc", PLAIN)], [("a", PLAIN), ("bc", PLAIN)], 0),
        ([("abc", PLAIN)], [("a", STRONG), ("bc", PLAIN)], 1),
        ([("日本 x", PLAIN)], [("日木 x", PLAIN)], 4),
        ([("日x", PLAIN)], [("abx", PLAIN)], 2),
        ([("█░", STRONG)], [("█░", PLAIN)], 2),
    ],
)
def test_a_line_differs_up_to_its_last_changed_cell(
    old: list[tuple[str, Style]], new: list[tuple[str, Style]], cells: int
) -> None:
    one, other = (Strip([Segment(text, style) for text, style in line]) for line in (old, new))
    assert differing(one, other) == differing(other, one) == cells


def marks(pane: Pane) -> list[str]:
    """The first cell of each row."""
    return [pane.render_line(y).text[0] for y in range(pane.size.height)]


def whole(pane: Pane) -> bool:
    """Whether each row that scrolls shows all that it says."""
    rows = [pane.render_line(y).text.rstrip() for y in range(len(pane._head), pane.size.height)]
    return rows == [text_of(pane.row(pane.scroll_offset.y + at)).rstrip() for at in range(len(rows))]


async def test_more_above_and_below_has_a_mark(many: Home) -> None:
    async with opened(many, size=(80, 24)) as driver:
        await driver.ready()
        table = driver.screen.table
        assert marks(table)[0] == "▾"
        assert whole(table)
        await driver.press("J", "J", "J")
        assert marks(table)[0] == "↕"
        assert whole(table)
        await driver.press("G")
        assert marks(table)[0] == "▴"
        assert whole(table)
        assert not {"▴", "▾", "↕"} & set(marks(table)[1:])
        await driver.press("g")
        inspector = driver.screen.pane("inspector")
        assert marks(inspector)[-1] == "▾"
        lines: list[Line] = [((f"line {number}", ""),) for number in range(5)]
        inspector.show([], lines)
        assert set(marks(inspector)) == {"│"}


async def test_a_pane_that_was_drawn_anew_is_compared_with_that(many: Home) -> None:
    async with opened(many, size=(80, 24)) as driver:
        await driver.ready()
        inspector, grid = driver.screen.pane("inspector"), watch(driver)
        for text, anew in (("first", False), ("other", True), ("first", False)):
            inspector._head, inspector._rows = [], [((text, ""),)]
            if anew:
                inspector.refresh()
            else:
                inspector.show([], inspector._rows)
            await driver.settled()
            await until(lambda: driver.screen._compositor._dirty_regions == set())
        left = inspector.region.x + 2
        assert "".join(grid.cells[left + at, inspector.region.y][0] for at in range(5)) == "first"
