"""What every screen has: bindings from the keymap, help, redraw, and the polite sentence for small terminals."""

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen

from workbench.keymap import of_screen
from workbench.view import Job
from workbench.widgets.line import wrap
from workbench.widgets.pane import Pane

LEAST_COLUMNS, LEAST_ROWS = 60, 16
TWICE_SECONDS = 2.0


def bindings_of(screen: str) -> list[Binding]:
    """Bindings for a screen's actions. Its keys are the keymap's, none come from Textual."""
    return [
        Binding(action.keys.replace(" ", ","), action.call, action.help, show=False, id=action.id)
        for action in of_screen(screen)
    ]


class JobMoved(Message):
    """A job has got further, or ended."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job


class BaseScreen(Screen[None], inherit_bindings=False):
    """A screen that says so when the terminal is too small for it."""

    NAME: ClassVar[str]
    AUTO_FOCUS = None
    _asked_to_leave = -1e9

    def compose(self) -> ComposeResult:
        small = Pane(id="small")
        small.can_focus = False
        yield small

    def on_resize(self, event: events.Resize) -> None:
        width, height = event.size
        small = width < LEAST_COLUMNS or height < LEAST_ROWS
        self.set_class(small, "-small")
        if small:
            text = (
                f"monoscope needs {LEAST_COLUMNS} columns and {LEAST_ROWS} rows; this terminal has {width} and "
                f"{height}. Make it larger, or press q."
            )
            self._tell_small(text)
        else:
            self.lay_out()

    @property
    def too_small(self) -> bool:
        """Whether the terminal is too small for anything but a sentence."""
        return self.has_class("-small")

    def _tell_small(self, text: str) -> None:
        """Show a sentence in place of all else."""
        self.query_one("#small", Pane).show([((row, ""),) for row in wrap(text, max(1, self.app.size.width))], [])

    def lay_out(self) -> None:
        """Lay the panes out for the terminal's size, and fill them."""
        raise NotImplementedError

    def action_help(self) -> None:
        from workbench.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.NAME, self.help_first()))

    def help_first(self) -> Sequence[str]:
        """Sentences on what is looked at, before the keys."""
        return ()

    def ends_jobs(self, jobs: Sequence[Job], say: Callable[[str], None]) -> bool:
        """Whether the analyst may leave: while jobs run, only when asked twice at once, for leaving ends them."""
        running = sum(job.state == "running" for job in jobs)
        now, before = time.monotonic(), self._asked_to_leave
        self._asked_to_leave = now
        if running and now - before > TWICE_SECONDS:
            sentence = f"{running} job{'s run' if running > 1 else ' runs'} here and would be ended; q again leaves."
            say(sentence)
            if self.too_small:
                self._tell_small(sentence)
            return False
        return True

    def action_redraw(self) -> None:
        self.app.refresh(repaint=True, layout=True)
        self.refresh(repaint=True, layout=True)
