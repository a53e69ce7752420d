"""The row above the keys: the command that does the same, a message, or a question with a line to type in.

While a question is asked every key goes to it, so that no letter typed is taken for a command.
"""

from collections.abc import Callable

from rich.cells import cell_len
from textual import events

from engine.text import plain
from workbench.widgets.line import Line, ends, wrap
from workbench.widgets.pane import Pane

MESSAGE_ROWS = 3


class StatusRow(Pane, inherit_bindings=False):
    """Grows to `MESSAGE_ROWS` for a long message; a question takes its place."""

    def __init__(self) -> None:
        super().__init__(id="status")
        self.can_focus = False
        self._command = ""
        self._state = ""
        self._message = ""
        self._question = ""
        self._remark = ""
        self._text = ""
        self._at = 0
        self._typed: Callable[[str], str] | None = None
        self._done: Callable[[str | None], None] | None = None

    @property
    def asking(self) -> bool:
        return self._done is not None

    @property
    def message(self) -> str:
        return self._message

    def show_command(self, command: str, state: str) -> None:
        """The equivalent command at the left, the save state at the right."""
        self._command, self._state = command, state
        self._draw()

    def say(self, message: str) -> None:
        """Show a message until it is cleared; an empty one clears."""
        if message != self._message:
            self._message = message
            self._draw()

    def ask(
        self, question: str, text: str, done: Callable[[str | None], None], typed: Callable[[str], str] | None = None
    ) -> None:
        """Ask for a line. `typed` hears every change and answers with a remark; `done` gets the line, None on esc."""
        self._question, self._text, self._at = question, text, len(text)
        self._typed, self._done = typed, done
        self._remark = typed(text) if typed else ""
        self.can_focus = True
        self.focus()
        self._draw()

    async def on_key(self, event: events.Key) -> None:
        if not self.asking:
            return
        event.stop()
        event.prevent_default()
        if event.key in ("enter", "escape", "ctrl+c"):
            self._finish(self._text if event.key == "enter" else None)
            return
        text, at = self._text, self._at
        match event.key:
            case "left":
                at = max(0, at - 1)
            case "right":
                at = min(len(text), at + 1)
            case "home" | "ctrl+a":
                at = 0
            case "end" | "ctrl+e":
                at = len(text)
            case "backspace" | "ctrl+h":
                text, at = text[: max(0, at - 1)] + text[at:], max(0, at - 1)
            case "delete":
                text = text[:at] + text[at + 1 :]
            case "ctrl+u":
                text, at = text[at:], 0
            case "ctrl+w":
                start = text[:at].rstrip().rfind(" ") + 1
                text, at = text[:start] + text[at:], start
            case _ if event.character and event.is_printable:
                text, at = text[:at] + event.character + text[at:], at + 1
        self._change(text, at)

    def on_paste(self, event: events.Paste) -> None:
        if self.asking:
            event.stop()
            pasted = plain(event.text)
            self._change(self._text[: self._at] + pasted + self._text[self._at :], self._at + len(pasted))

    def set_width(self, cells: int) -> None:
        super().set_width(cells)
        self._draw()

    def _change(self, text: str, at: int) -> None:
        changed = text != self._text
        self._text, self._at = text, at
        if changed and self._typed is not None:
            self._remark = self._typed(text)
        self._draw()

    def _finish(self, text: str | None) -> None:
        done, self._done, self._typed = self._done, None, None
        self.can_focus = False
        self._draw()
        if done is not None:
            done(text)

    def _draw(self) -> None:
        width = self.text_width
        if width <= 0:
            return
        lines = self._lines(width)
        if self.styles.height is None or self.styles.height.value != len(lines):
            self.styles.height = len(lines)
        self.set_top(lines)

    def _lines(self, width: int) -> list[Line]:
        if self.asking:
            return [self._asked_line(width)]
        if self._message:
            rows = wrap(self._message, width - 2)
            if len(rows) > MESSAGE_ROWS:
                rows = [*rows[: MESSAGE_ROWS - 1], wrap(" ".join(rows[MESSAGE_ROWS - 1 :]), width - 3)[0] + "…"]
            return [((" ", ""), (row, "warn")) for row in rows]
        return [ends(((" $ ", "dim"), (self._command, "")), ((f" {self._state} ", "dim"),), width)]

    def _asked_line(self, width: int) -> Line:
        """The question, the text with a block for the cursor, and what is known of it at the right."""
        room = max(4, width - cell_len(self._question) - cell_len(self._remark) - 5)
        start = 0
        while cell_len(self._text[start : self._at]) >= room:
            start += 1
        before, under = self._text[start : self._at], self._text[self._at : self._at + 1] or " "
        line = ((f" {self._question} ", "strong"), (before, ""), (under, "cursor"), (self._text[self._at + 1 :], ""))
        return ends(line, ((f" {self._remark} ", "dim"),), width)
