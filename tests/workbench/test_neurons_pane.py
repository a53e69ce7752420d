"""The list of neurons as it is drawn: columns at every width, marks, what is drawn again, and typing a filter."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from rich.cells import cell_len
from textual.geometry import Region

from engine.actions import Label
from engine.home import Home
from tests.workbench.driving import Driver, opened
from tests.workbench.fake_run import DEAD, make_run
from tests.workbench.test_columns import flagged, scored
from workbench.columns import BY_ID, COLUMNS
from workbench.filters import matching, parse
from workbench.model import read_card, read_neurons
from workbench.sheet import Sheet
from workbench.view import View
from workbench.widgets.line import text_of, width_of
from workbench.widgets.neurons import Layout, NeuronTable


@contextmanager
def drawn(table: NeuronTable) -> Iterator[list[int]]:
    """Rows of the window that are drawn again; -1 stands for all of them."""
    rows: list[int] = []
    usual = table.refresh

    def refresh(*regions: Region, **how: bool) -> NeuronTable:
        rows.extend([y for region in regions for y in range(region.y, region.bottom)] or [-1])
        return usual(*regions, **how)

    table.refresh = refresh  # type: ignore[method-assign]
    try:
        yield rows
    finally:
        del table.refresh  # type: ignore[method-assign]


def ids(width: int, sort: str = "p20", **more: bool) -> list[str]:
    return [column.id for column in Layout.of(width, 2, sort, **more).columns]


@pytest.mark.parametrize("width", range(20, 161))
def test_the_sorting_column_stands_at_every_width_and_the_row_fits(width: int) -> None:
    for number in (1, 2, 5):
        for column in COLUMNS:
            layout = Layout.of(width, number, column.id)
            assert column in layout.columns or column.id in ("number", "name", "state")
            cells = sum(layout.width(shown) + 1 for shown in layout.columns) + (7 if layout.bar else 0)
            assert layout.left + cells == width or (layout.name == 1 and width < 24), column.id


def test_more_columns_stand_in_wider_panes() -> None:
    assert ids(34) == ["p20"]
    assert Layout.of(34, 2, "p20").bar == "p20"
    assert ids(44) == ["p20", "lift"]
    assert ids(68) == ["p20", "lift", "q", "items", "pop"]
    assert set(ids(100)) >= {"p20", "p50", "lift", "q", "items", "users", "pop", "detection", "edit"}
    assert ids(160) == [column.id for column in COLUMNS[3:]]
    assert Layout.of(160, 2, "p20").name >= 25


def test_a_narrow_pane_sorted_by_another_column_keeps_purity_and_edits() -> None:
    assert ids(34, "lift") == ["p20", "lift"]
    assert Layout.of(34, 2, "lift").bar is None
    assert ids(34, "lift", edited=True) == ["p20", "lift", "edit"]
    assert Layout.of(68, 2, "pop").bar == "pop"


def test_what_is_unknown_throughout_takes_no_room() -> None:
    gone = frozenset({"detection", "held", "moves", "intruder", "flags"})
    shown = {column.id for column in Layout.of(160, 2, "p20", gone).columns}
    assert not shown & gone
    assert BY_ID["moves"] in Layout.of(34, 2, "moves", gone).columns


async def show(driver: Driver, **changes: object) -> None:
    driver.screen.desk._show(**changes)
    await driver.settled()


@pytest.mark.parametrize("size", [(60, 16), (78, 20), (100, 24), (160, 40), (240, 30)])
async def test_rows_align_whatever_stands_in_them(demo: Home, size: tuple[int, int]) -> None:
    async with opened(demo, size=size) as driver:
        await driver.ready()
        labels = {
            0: Label("浜崎あゆみ 天国 全角文字の長い題名です", "human"),
            1: Label("[/x]\x1b[31m שלום " * 9, "llm"),
        }
        await show(driver, labels=labels, scores={2: scored(0.75)}, marks=frozenset({0, DEAD}))
        for column in COLUMNS:
            assert driver.screen.table.sort_to(column.id) in ("", f"{column.title} is unknown for every neuron here.")
            table = driver.screen.table
            assert {width_of(table.row(index)) for index in range(12)} == {table.text_width}, column.id
            assert {cell_len(row) for row in driver.pane("neurons")} == {table.size.width}
            assert any(f"{column.title}{mark}" in driver.pane("neurons")[0] for mark in "▲▼")
            shown = [other.title for other in table._layout().columns]
            assert [word.rstrip("▲▼") for word in driver.pane("neurons")[0].split()][-len(shown) :] == shown


async def test_a_mark_stands_before_the_number_and_draws_its_row_alone(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        with drawn(driver.screen.table) as rows:
            await show(driver, marks=frozenset({2}))
            assert rows == [3]
        assert driver.pane("neurons")[3].startswith(" * 2 Children")
        with drawn(driver.screen.table) as rows:
            await show(driver, marks=frozenset({0, 1}))
            assert sorted(rows) == [1, 2, 3]
        assert driver.pane("neurons")[1].startswith("▸* 0 Comedy")


async def test_a_cursor_move_draws_two_rows_and_a_label_its_own(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        with drawn(driver.screen.table) as rows:
            await driver.press("j")
            assert sorted(set(rows)) == [1, 2]
        with drawn(driver.screen.table) as rows:
            await show(driver, labels={4: Label("Westerns", "llm")})
            assert rows == [5]
        assert " 4 Westerns        l 0.88" in driver.pane("neurons")[5]
        with drawn(driver.screen.table) as rows:
            await show(driver, saved="12:00:00", labels=dict(driver.screen.view.labels))
            assert rows == []


async def test_an_edit_takes_the_bar_of_its_row_and_has_a_column_where_there_is_no_bar(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus")
        await driver.ranked()
        assert driver.pane("neurons")[1].endswith("1.00   +0.5")
        assert driver.screen.table.sort_to("lift") == ""
        assert driver.pane("neurons")[0].endswith(" p@20 lift▼ edit  ")
        assert driver.pane("neurons")[1].endswith("· 1.00  10.0 +0.5  ")


async def test_a_filter_is_figures_and_words_as_it_is_typed(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("slash", *"p20>.8 !children")
        assert list(driver.screen.table.order) == [0, 1, 3, 4, 6]
        assert "5 of 12" in driver.rows[-2]
        await driver.press("enter", "J")
        assert driver.screen.table.remarks == ()
        await driver.press("escape")
        assert len(driver.screen.table.order) == 12


async def test_what_the_filter_does_not_know_is_said_at_the_foot_and_goes_again(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("slash", *"sci p21>.8")
        assert list(driver.screen.table.order) == [3, 9]
        foot = driver.pane("neurons")[-3:]
        assert foot[0].startswith(" no column 'p21'; there are")
        assert foot[2].rstrip().endswith("…")
        await driver.press("enter", "escape")
        assert "no column" not in driver.text
        assert len(driver.screen.table.order) == 12


async def test_the_walk_over_columns_passes_what_is_unknown_and_comes_round(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        table, seen = driver.screen.table, []
        for _ in range(14):
            seen.append(table.sort)
            table.sort_by(1)
        assert table.sort == seen[0]
        unknown = {"state", "detection", "intruder", "held", "moves", "flags", "edit"}
        assert set(seen) == {column.id for column in COLUMNS} - unknown
        table.sort_to("p99items")
        await show(driver, scores={2: scored(0.75)})
        table.sort_by(1)
        assert (table.sort, table.current) == ("detection", 0)
        assert table.order[0] == 2


async def test_sorting_to_a_column_takes_its_names_and_says_what_is_none(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        table = driver.screen.table
        assert table.sort_to("P@50") == ""
        assert (table.sort, table.descending) == ("p50", True)
        assert table.sort_to("q") == ""
        assert not table.descending
        assert table.sort_to("name", descending=True) == ""
        assert "name▼" in driver.pane("neurons")[0]
        assert table.sort_to("p21").startswith("no column 'p21'; there are number")
        assert table.sort == "name"
        assert table.sort_to("moves") == "moves is unknown for every neuron here."
        assert "moves▼" in driver.pane("neurons")[0]


async def test_flags_stand_in_a_wide_pane_where_the_files_have_them(demo: Home) -> None:
    async with opened(demo, size=(150, 30)) as driver:
        await driver.ready()
        neurons = driver.screen.view.neurons
        assert neurons is not None
        await show(driver, neurons=flagged(neurons, [("dense", "popularity") if at == 1 else () for at in range(12)]))
        driver.screen.table.sort_to("flags")
        assert text_of(driver.screen.table.row(0)).rstrip().endswith("dense pop…")
        assert driver.screen.table.order[0] == 1


def test_a_hundred_thousand_neurons_sort_and_filter_as_each_says_alone(home: Home) -> None:
    make_run(home.root, neurons=100_000, items=20_000)
    view = View(read_card(home, "demo-mf"), "s", neurons=read_neurons(home, "demo-mf"))
    assert view.neurons is not None
    sheet = Sheet(view)
    sheet.warm()
    for id in ("q", "name"):
        rows = sheet.rows(BY_ID[id], descending=False)
        assert sorted(rows) == list(range(100_000))
        values = sheet.values(BY_ID[id])[rows]
        known = values[~np.isnan(values)]
        assert (np.diff(known) >= 0).all(), id
        assert np.isnan(values[len(known) :]).all()
    shown, remarks = matching(parse("p20>.8 lift<9"), sheet)
    alone = (sheet.values(BY_ID["p20"]) > 0.8) & (sheet.values(BY_ID["lift"]) < 9)
    assert remarks == ()
    assert 0 < alone.sum() < 100_000
    assert (shown == alone).all()


async def test_of_a_hundred_thousand_neurons_only_the_window_is_drawn(home: Home) -> None:
    make_run(home.root, neurons=100_000)
    async with opened(home) as driver:
        await driver.ready()
        view, table = driver.screen.view, driver.screen.table
        assert view.neurons is not None
        made: list[int] = []
        usual = table.row_of
        table.row_of = lambda key: made.append(key) or usual(key)  # type: ignore[method-assign, func-returns-value]
        table.show_view(replace(view, neurons=replace(view.neurons, dead=np.zeros(100_000, bool))))
        await driver.settled()
        assert 0 < len(set(made)) <= 2 * table.size.height
