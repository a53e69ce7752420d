"""What terminals that can do less are sent: signs in ASCII, no colours, and few scrolls over a slow line."""

from itertools import pairwise

import pytest

from engine.home import Home
from tests.workbench.driving import Driver, opened
from tests.workbench.fake_run import AWKWARD, make_run
from workbench.terminal import Terminal

ASCII = Terminal(remote=False, tmux=False, plain=False, ascii=True)
LETTERS = {letter for title in AWKWARD for letter in title if not letter.isascii()}
VIEWS = (
    *(("right_square_bracket",) for _ in range(12)),
    ("space", "space", "c"),
    ("left_square_bracket", "2", "G"),
    ("1", "plus", "3"),
    ("t",),
    ("v",),
    ("w", "C", "enter"),
    ("P", "n"),
    ("m", *"noted", "enter"),
    ("o", *"Film 1", "enter"),
    ("q", "exclamation_mark"),
    ("colon", *"he", "tab"),
    ("escape", "slash", *"p21>.8"),
    ("escape", "l"),
    ("question_mark",),
    ("G",),
)


def strange(driver: Driver) -> set[str]:
    return {sign for row in driver.rows for sign in row if not sign.isascii()} - LETTERS


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_every_view_is_ascii_except_for_data(demo: Home, size: tuple[int, int]) -> None:
    async with opened(demo, size=size, terminal=ASCII) as driver:
        assert not strange(driver)
        await driver.ready()
        for keys in VIEWS:
            await driver.press(*keys)
            await driver.pilot.pause(0.05)
            assert not strange(driver), (keys, driver.text)
        assert LETTERS


async def test_the_list_of_runs_is_ascii_too(demo: Home) -> None:
    async with opened(demo, run=None, terminal=ASCII) as driver:
        await driver.shows("demo-mf")
        assert not strange(driver)


async def test_with_blocks_the_same_views_have_them(demo: Home) -> None:
    """What the claims above rest on: there is something to replace."""
    async with opened(demo, size=(160, 45)) as driver:
        await driver.ready()
        assert strange(driver) >= set("│▸█▼●")


async def test_without_colours_only_themes_that_need_none_can_be_chosen(demo: Home) -> None:
    plain = Terminal(remote=False, tmux=False, plain=True)
    async with opened(demo, terminal=plain) as driver:
        await driver.ready()
        await driver.press("colon", *"theme nord", "enter")
        await driver.shows("there are ansi-dark, ansi-light.")
        assert driver.app.theme != "nord"


async def test_over_a_slow_line_the_list_scrolls_by_half_a_window_at_a_time(home: Home) -> None:
    make_run(home.root, neurons=60)
    remote = Terminal(remote=True, tmux=False, plain=False)
    async with opened(home, terminal=remote) as driver:
        await driver.ready()
        table = driver.screen.table
        height, tops = table.rows_height, []
        for key in (*["j"] * 59, *["k"] * 59):
            await driver.press(key)
            top = int(table.scroll_offset.y)
            assert table.cursor is not None
            assert top <= table.cursor < top + height
            tops.append(top)
        moved = [after - before for before, after in pairwise(tops) if after != before]
        assert len(moved) <= 8
        assert (max(tops), tops[-1]) == (60 - height, 0)
