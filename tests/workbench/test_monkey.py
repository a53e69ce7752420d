"""Whatever is pressed, in whatever terminal, and whatever things are called: nothing breaks, nothing is lost."""

import json
import os
import random
import signal
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.screen import Screen

from engine.home import Home
from engine.session import Session
from tests.workbench.driving import Driver, opened, until
from tests.workbench.fake_run import make_run
from workbench.keymap import of_screen
from workbench.screens.run import RunScreen
from workbench.view import TABS
from workbench.widgets.pane import Pane

EngineThat = Callable[[str], None]
SIZES = ((80, 24), (160, 45), (100, 30), (60, 16), (240, 60), (50, 10), (140, 40))
TEXTS = (
    "Film 3", "anna", "17", "Horror", "nobody [/x]", "age < 25", "nonsense", "1.5", "x2", "off", "-1", "p20>.8 !sci",
    "Laughs 笑", "sort q", "tab near", "item Film 3", "user 4", "cohort young", "curve 3", "neuron 7", "theme nord",
    "train demo", "label --neurons 3", "frobnicate", "note odd", "write shown.txt", "filter", "'", "undo",
)  # fmt: skip
TITLES = {
    "markup": "[/x] [bold]closing[/bold] nothing",
    "brackets": "[REC]",
    "action": "[@click=app.quit]click me[/]",
    "controls": "bell\x07 and\x1b[31m red\x9b1m\r\nnext\ttab\x7f\x08",
    "right to left": "שלום עולם \u202eevil\u202c مرحبا",
    "emoji": "👩‍👩‍👧‍👦 family 🏳️‍🌈 flag ❤️ heart 🇩🇪",
    "wide": "浜崎あゆみ 天国 全角文字の長い題名です" * 3,
    "long": "A very long title " * 55,
    "one word": "x" * 1000,
    "combining": "Z̸̢̛a̴l̵g̶o̷" * 4,
    "empty": "",
}
WORST = ("markup", "controls", "right to left", "wide", "one word")
"""Titles of every kind of harm: read as markup, obeyed by the terminal, measured wrongly, too long to break."""


def check(driver: Driver) -> None:
    """Every row fills the terminal, and every pane its place."""
    assert driver.app.crash is None
    assert driver.app.is_running
    screen: Screen = driver.app.screen
    width, height = driver.app.size
    rows = driver.rows
    assert len(rows) == height
    assert {cell_len(row) for row in rows} == {width}
    for pane in screen.query(Pane):
        if pane.display and pane.size.width:
            for y in range(pane.size.height):
                text = pane.render_line(y).text
                assert cell_len(text) == pane.size.width, (pane.id, y, text)
    for row in rows:
        assert not [
            letter for letter in row if unicodedata.category(letter) == "Cc" or letter in "\u202e\u202d\u2066"
        ], row


def step(dice: random.Random, asking: bool) -> list[str]:
    """Keys for one step: one that does something, or an answer to the question that is asked."""
    kind = dice.random()
    if asking and kind < 0.7:
        return [
            "ctrl+u",
            *dice.choice(TEXTS),
            *dice.choice((["enter"], ["enter"], ["escape"], ["tab", "tab", "enter"])),
        ]
    if kind < 0.08:
        return [*dice.choice(TEXTS), "enter"]
    if kind < 0.12:
        return ["colon", "ctrl+u", *dice.choice(TEXTS), dice.choice(("enter", "escape", "tab"))]
    if kind < 0.2:
        return [dice.choice(("enter", "escape", "tab", "shift+tab", "backspace", "ctrl+w", "left"))]
    if kind < 0.3:
        return [dice.choice("0123456789")]
    return [dice.choice(KEYS)]


KEYS = [key for action in of_screen("run") for key in action.keys.split()]


@pytest.mark.parametrize(
    ("seed", "steps"), [(1, 150), *(pytest.param(seed, 400, marks=pytest.mark.long) for seed in (1, 2, 3))]
)
async def test_any_keys_in_any_terminal_break_nothing_and_the_journal_has_it_all(
    demo: Home,
    seed: int,
    steps: int,
    jobs_that: Callable[[str], None],
    engine_that: EngineThat,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    jobs_that("")
    engine_that("opening")
    dice = random.Random(seed)
    async with opened(demo) as driver:
        monkeypatch.setattr(driver.app, "exit", lambda *_, **__: None)
        await driver.ready()
        run = driver.screen
        for number in range(steps):
            await driver.press(*step(dice, run.status.asking))
            if dice.random() < 0.03:
                await driver.pilot.resize_terminal(*dice.choice(SIZES))
            if number == steps // 2 and run.engine.pid is not None:
                os.kill(run.engine.pid, signal.SIGKILL)
            if number % 5 == 0:
                check(driver)
        while not isinstance(driver.app.screen, RunScreen) or driver.screen.status.asking:
            await driver.press("escape")
        await driver.pilot.resize_terminal(160, 45)
        await until(lambda: not run.engine.pending(), 30)
        await driver.settled()
        check(driver)
        state, view = Session.read(demo, "demo-mf"), driver.screen.view
        assert view.edits == tuple(state.edits)
        assert dict(view.labels) == dict(state.labels)
        assert view.notes == tuple(state.notes)
        assert view.bookmarks == tuple(state.bookmarks)
        assert view.user == (state.watched[-1] if state.watched else "1")


@pytest.mark.parametrize(
    "name", [name if name in WORST else pytest.param(name, marks=pytest.mark.long) for name in TITLES]
)
async def test_no_title_breaks_a_tab_or_a_page(home: Home, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    title = TITLES[name]
    monkeypatch.setenv("MONOSCOPE_FAKE_TITLE", title)
    folder = make_run(home.root)
    texts = json.loads((folder / "titles.json").read_text())
    texts["title"] = [title] * len(texts["title"])
    texts["detail"] = [title] * len(texts["detail"])
    texts["concept"] = [None if concept is None else title for concept in texts["concept"]]
    (folder / "titles.json").write_text(json.dumps(texts))
    async with opened(home, size=(160, 45)) as driver:
        await driver.ready()
        await driver.press("L")
        driver.screen.desk.write_label(title)
        await driver.press("escape", "plus", "space", "space", "P", "m", "o", "enter")
        driver.screen.desk.note(title)
        for size in ((160, 45), (80, 24), (60, 16)):
            await driver.pilot.resize_terminal(*size)
            for tab in TABS:
                driver.screen.desk.show_tab(tab)
                driver.screen.go("inspector")
                await until(lambda: not driver.screen.engine.pending())
                await driver.settled()
                check(driver)
            for kind, known in (("item", "Film 3"), ("user", "4"), ("concept", "Horror"), ("item", title)):
                driver.screen.desk.open_page(kind, known)  # type: ignore[arg-type]
                await until(lambda: not driver.screen.engine.pending())
                await driver.settled()
                check(driver)
            for key in ("v", "C"):
                await driver.press(key, *(["enter"] if key == "C" else []))
                await until(lambda: not driver.screen.engine.pending())
                await driver.settled()
                driver.screen.go("bench")
                check(driver)
            await driver.press("w")
            check(driver)
