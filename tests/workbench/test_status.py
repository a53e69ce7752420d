"""The row that asks: room for what is typed, the cursor in view, and the lines typed before."""

from pathlib import Path

import pytest
from rich.cells import cell_len

from engine.home import Home
from tests.workbench.driving import Driver, opened
from workbench.history import MOST, earlier, file_of, remember
from workbench.screens.runs import RunsScreen
from workbench.widgets.line import text_of

LONG = "share('Horror') >= 0.3 AND gender = 'F' AND age = '25-34' AND history() > 20 AND seen('2571') OR false"
PROMPTS = ("slash", "p", "o", "C", "m", "L", "equals_sign", "colon", "e")
"""Keys that ask for a line."""


def asked(driver: Driver) -> list[str]:
    status = driver.screen.status
    return [text_of(line) for line in status._lines(status.text_width)]


async def typed(driver: Driver) -> str:
    """What is seen of a long text that is being typed."""
    await driver.press("ctrl+u", *LONG)
    return asked(driver)[-1]


@pytest.mark.parametrize("key", PROMPTS)
async def test_every_question_leaves_fifty_cells_and_shows_the_cursor(demo: Home, key: str) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press(key)
        assert driver.screen.status.asking
        row = await typed(driver)
        assert cell_len(row) <= 80
        assert LONG[-48:] in row
        assert "…" in row
        await driver.press("home")
        row = asked(driver)[-1]
        assert LONG[:48] in row
        assert "…" not in row.partition(LONG[:48])[0]


async def test_a_long_remark_gives_the_text_a_row_of_its_own_until_it_is_entered(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("slash")
        assert len(asked(driver)) == 1
        await driver.press(*"beauty>3")
        rows = asked(driver)
        assert len(rows) == 2
        assert "filter:" in rows[0]
        assert "no column 'beauty'" in rows[0]
        assert rows[1].strip() == "beauty>3"
        await driver.press("ctrl+u")
        assert len(asked(driver)) == 2
        await driver.press("enter", "slash")
        assert len(asked(driver)) == 1


async def test_up_and_down_go_through_the_lines_of_this_and_earlier_days(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        for line in ("sort q", "frobnicate", "sort q", "tab near"):
            await driver.press("colon")
            await driver.type(line)
    async with opened(demo) as driver:
        await driver.ready()
        status = driver.screen.status
        await driver.press("colon", *"fil", "up")
        assert status._text == "tab near"
        await driver.press("up", "up")
        assert status._text == "frobnicate"
        await driver.press("up", "up", "down", "down")
        assert status._text == "tab near"
        await driver.press("down", "down")
        assert status._text == "fil"
        await driver.press("up", "up", "enter")
        assert driver.screen.table.sort == "q"
    assert file_of(demo).read_text() == "frobnicate\ntab near\nsort q\n"


async def test_the_list_of_runs_has_the_same_lines(demo: Home) -> None:
    remember(demo, "frobnicate")
    async with opened(demo, None) as driver:
        await driver.settled()
        screen = driver.app.screen
        assert isinstance(screen, RunsScreen)
        await driver.press("colon", "up", "enter")
        assert "There is no command 'frobnicate'" in screen.status.message
        await driver.press("colon")
        await driver.type("xyzzy")
    assert earlier(demo)[0] == ["frobnicate", "xyzzy"]


async def test_other_questions_have_no_earlier_lines(demo: Home) -> None:
    remember(demo, "sort q")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("m", *"a remark", "up", "enter")
        assert driver.screen.view.notes[0].text == "a remark"
    assert earlier(demo)[0] == ["sort q"]


def test_the_newest_lines_are_kept_and_none_with_control_characters(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert earlier(home) == ((), "")
    for number in range(MOST + 3):
        assert remember(home, f"note {number}") == ""
    assert remember(home, "   ") == ""
    kept, _ = earlier(home)
    assert (len(kept), kept[0], kept[-1]) == (MOST, "note 3", f"note {MOST + 2}")
    file_of(home).write_bytes(b"a\x1b[31mb\n\n\xff\n")
    assert earlier(home)[0] == ["a [31mb", "�"]


async def test_a_home_that_keeps_no_lines_says_so_and_carries_commands_out(demo: Home) -> None:
    file_of(demo).mkdir()
    assert "Cannot read the earlier lines" in remember(demo, "sort q")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("colon")
        await driver.type("filter p20>.9")
        assert "Cannot read the earlier lines" in driver.screen.status.message
        assert driver.screen.table.filter == "p20>.9"
