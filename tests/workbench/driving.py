"""Driving the app by pilot: open it on made-up runs with a made-up engine, press keys, read the screen."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.events import Key, Paste
from textual.keys import _character_to_key, key_to_character
from textual.pilot import Pilot

from engine.home import Home
from workbench.screens.application import MonoscopeApp
from workbench.screens.panes import PanesScreen
from workbench.screens.run import RunScreen
from workbench.terminal import Terminal

FAKE_ENGINE = [sys.executable, str(Path(__file__).with_name("fake_engine.py"))]
LOCAL = Terminal(remote=False, tmux=False, plain=False)


async def until(condition: Callable[[], object], seconds: float = 8.0) -> None:
    """Wait for `condition`; fails with its source line's name if it never holds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


class Driver:
    """One open app: keys in, rows of text out."""

    def __init__(self, app: MonoscopeApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def screen(self) -> RunScreen:
        screen = self.app.screen
        assert isinstance(screen, RunScreen)
        return screen

    @property
    def rows(self) -> list[str]:
        """The terminal's rows as they would be drawn now, with what waits for the next frame."""
        self._settle()
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    def _settle(self) -> None:
        if isinstance(self.app.screen, PanesScreen):
            self.app.screen.settle()

    def pane(self, name: str) -> list[str]:
        self._settle()
        pane = self.screen.pane(name)
        return [pane.render_line(y).text for y in range(pane.size.height)]

    async def press(self, *keys: str) -> None:
        """Press keys (Textual's names or single characters) and let the app deal with each.

        The pilot's own `press` waits for an idle processor, 40 ms a key and a second where a thread is busy.
        """
        for key in keys:
            if not self.app.is_running:
                return
            character = key if len(key) == 1 else key_to_character(key)
            self.app.post_message(Key(_character_to_key(key) if len(key) == 1 else key, character))
            await self.settled()

    async def settled(self) -> None:
        """Wait until no message and no new layout waits anywhere."""
        calm = 0
        while calm < 3 and self.app.is_running:
            await asyncio.sleep(0.001)
            pumps = [self.app, self.app.screen, *self.app.screen.walk_children()]
            busy = self.app.screen._layout_required or not all(pump._message_queue.empty() for pump in pumps)
            calm = 0 if busy else calm + 1

    async def type(self, text: str) -> None:
        """Type a text into the question that is asked, and enter it."""
        await self.press(*text, "enter")

    async def paste(self, text: str) -> None:
        """Paste a text into the question that is asked, and enter it: a long one is drawn once, not at every letter."""
        self.app.post_message(Paste(text))
        await self.settled()
        await self.press("enter")

    async def shows(self, text: str) -> None:
        await until(lambda: text in self.text)

    async def ranked(self) -> None:
        """Wait until the list on the bench fits the user and the edits."""
        await until(lambda: self.screen.view.ranking is not None and not self.screen.engine.pending())

    async def ready(self) -> None:
        await until(lambda: isinstance(self.app.screen, RunScreen) and self.screen.view.neurons is not None)
        await self.ranked()
        await self.settled()
        self._settle()


@asynccontextmanager
async def opened(
    home: Home,
    run: str | None = "demo-mf",
    size: tuple[int, int] = (80, 24),
    session: str | None = None,
    engine: list[str] = FAKE_ENGINE,
    terminal: Terminal = LOCAL,
) -> AsyncIterator[Driver]:
    """The app on `run`, or on the list of runs; with the fake engine unless told otherwise."""
    app = MonoscopeApp(home, run, session, engine, terminal)
    async with app.run_test(size=size) as pilot:
        yield Driver(app, pilot)


def listen(driver: Driver) -> list[tuple[str, dict[str, Any]]]:
    """What the screen asks the engine from now on: methods and parameters."""
    asked: list[tuple[str, dict[str, Any]]] = []
    ask = driver.screen.engine.ask

    def hear(method: str, params: Mapping[str, Any], limit_seconds: float | None, *, newest: bool = False) -> int:
        asked.append((method, dict(params)))
        return ask(method, params, limit_seconds, newest=newest)

    driver.screen.engine.ask = hear  # type: ignore[method-assign]
    return asked
