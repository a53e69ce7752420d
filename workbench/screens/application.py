"""The Textual app: which screen comes first, which theme, and how signals and crashes end it."""

import asyncio
import gc
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual.app import App
from textual.screen import Screen

from engine.home import Home
from workbench.model import RunCard, read_card
from workbench.screens.run import RunScreen
from workbench.screens.runs import RunsScreen
from workbench.terminal import PLAIN_THEMES, Terminal
from workbench.widgets.charts import in_ascii
from workbench.widgets.pane import Signs

TERMINAL_POLL_SECONDS = 5.0


class MonoscopeApp(App[None], inherit_bindings=False):
    """Opens on the list of runs, or straight on one. `crash` is what ended it, if a mistake of its own did."""

    CSS_PATH = Path(__file__).parent.parent / "monoscope.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = []

    def __init__(
        self, home: Home, run: str | None, session: str | None, command: Sequence[str], terminal: Terminal
    ) -> None:
        super().__init__()
        self.crash: BaseException | None = None
        self._home = home
        self._run_name = run
        self._session_name = session
        self._command = command
        self._terminal = terminal
        self.signs: Signs | None = partial(in_ascii, encoding=terminal.encoding) if terminal.ascii else None
        self.scrolls_far = terminal.remote
        if terminal.plain:
            self._without_colours()

    def _without_colours(self) -> None:
        """Only themes that need none: from the others Textual makes greys."""
        if self.theme not in PLAIN_THEMES:
            self.theme = PLAIN_THEMES[0]
        for name in set(self.available_themes) - set(PLAIN_THEMES):
            self.unregister_theme(name)

    def get_default_screen(self) -> Screen:
        """The first screen, drawn at once: there is no empty one below it."""
        if self._run_name is None:
            return RunsScreen(self._home, self.open_run)
        return self._run_screen(read_card(self._home, self._run_name))

    def open_run(self, card: RunCard) -> None:
        self.push_screen(self._run_screen(card))

    def _run_screen(self, card: RunCard) -> RunScreen:
        return RunScreen(self._home, card, self._session_name or card.name, self._command, self._terminal)

    def exit(self, *args: Any, **options: Any) -> None:
        """Leave; engines and jobs are let go first, so that they end while the screen is cleared."""
        for screen in self.screen_stack:
            if isinstance(screen, RunScreen):
                screen.memory.keep()
                screen.engine.hang_up()
                screen.runner.hang_up()
        super().exit(*args, **options)

    def on_mount(self) -> None:
        if self.is_headless:
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            loop.add_signal_handler(number, self._end_by, number)
        self.set_interval(TERMINAL_POLL_SECONDS, self._check_terminal)
        self.call_after_refresh(gc.enable)

    async def on_key(self, event: events.Key) -> None:
        """Keys that were on their way to a pane when a question was asked belong to the question (a pasted "/hor")."""
        if isinstance(self.screen, RunScreen) and self.screen.status.asking:
            await self.screen.status.on_key(event)

    def on_paste(self, event: events.Paste) -> None:
        """A paste that was on its way as well; where nothing is asked it does nothing."""
        if isinstance(self.screen, RunScreen) and self.screen.status.asking:
            self.screen.status.on_paste(event)

    def _end_by(self, number: signal.Signals) -> None:
        """The line was cut, or someone asked us to end: everything is in the journal, so just leave."""
        self.exit(return_code=128 + number)

    def _check_terminal(self) -> None:
        """Where SIGHUP is ignored (nohup, some supervisors) a lost terminal shows only here."""
        if sys.__stdin__ is None or not sys.__stdin__.isatty():
            self._end_by(signal.SIGHUP)

    def _handle_exception(self, error: Exception) -> None:
        """End without Textual's traceback, which prints local variables; `workbench.app` writes a report."""
        if self.crash is None:
            self.crash = error
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._return_code = 1
        self._close_messages_no_wait()
