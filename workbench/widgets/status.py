"""The row above the keys: the command that does the same, a message, or a question with a line to type in.

While a question is asked every key goes to it, so that no letter typed is taken for a command.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import events

from engine.text import plain
from workbench.widgets.line import Line, Span, cut, ends, fit, width_of, wrap
from workbench.widgets.pane import Pane

if TYPE_CHECKING:
    from workbench.completion import Completion

MESSAGE_ROWS = 3
LEAST_CELLS = 50
"""Cells that the typed text has at least, where the terminal has them; else the question gets a row of its own."""


class StatusRow(Pane, inherit_bindings=False):
    """Grows to `MESSAGE_ROWS` for a long message; a question takes its place, in as many rows as it needs."""

    def __init__(self) -> None:
        super().__init__(id="status")
        self.can_focus = False
        self._command = ""
        self._state = ""
        self._message = ""
        self._question = ""
        self._remark = ""
        self._keys = ""
        self._text = ""
        self._at = 0
        self._apart = False
        """Whether the question has a row of its own; once it has, until it is answered."""
        self._earlier: Sequence[str] = ()
        self._back = 0
        """Which earlier line stands there, counted from the newest; 0 is what was typed, which `_draft` keeps."""
        self._draft = ""
        self._typed: Callable[[str], str] | None = None
        self._complete: Callable[[str, int], Completion] | None = None
        self._completion: Completion | None = None
        self._taken = -1
        self._done: Callable[[str | None], None] | None = None

    @property
    def asking(self) -> bool:
        return self._done is not None

    @property
    def message(self) -> str:
        return self._message

    def show_command(self, command: str, state: str) -> None:
        """The equivalent command at the left, the save state at the right."""
        self._command, self._state = plain(command), state
        self._draw()

    def say(self, message: str) -> None:
        """Show a message until it is cleared; an empty one clears."""
        message = plain(message)
        if message != self._message:
            self._message = message
            self._draw()

    def ask(
        self,
        question: str,
        text: str,
        done: Callable[[str | None], None],
        typed: Callable[[str], str] | None = None,
        complete: "Callable[[str, int], Completion] | None" = None,
        earlier: Sequence[str] = (),
    ) -> None:
        """Ask for a line. `typed` hears every change and answers with a remark; `done` gets the line, None on esc.

        What `complete` knows to follow stands in a row above; tab takes one after the other. Up and down go through
        `earlier` lines, whose last is the newest.
        """
        self._question, self._text, self._at = question, text, len(text)
        self._earlier, self._back, self._apart = earlier, 0, False
        self._complete, self._keys = complete, ""
        self.recall()
        self._typed, self._done = typed, done
        self._remark = typed(text) if typed else ""
        self.can_focus = True
        self.focus()
        self._draw()

    def ask_key(self, question: str, keys: str, done: Callable[[str | None], None]) -> None:
        """Ask for a single one of `keys`; `done` gets it, None on esc."""
        self.ask(plain(question), "", done)
        self._keys = keys
        self._draw()

    async def on_key(self, event: events.Key) -> None:
        if not self.asking:
            return
        event.stop()
        event.prevent_default()
        if self._keys:
            given = event.character if event.character and event.character in self._keys else None
            if given is not None or event.key in ("escape", "ctrl+c"):
                self._finish(given)
            return
        if event.key in ("enter", "escape", "ctrl+c"):
            self._finish(self._text if event.key == "enter" else None)
            return
        text, at = self._text, self._at
        match event.key:
            case "tab" | "shift+tab" if self._complete is not None:
                self._take(1 if event.key == "tab" else -1)
                return
            case "up" | "ctrl+p":
                text = self._line_back(1)
                at = len(text)
            case "down" | "ctrl+n":
                text = self._line_back(-1)
                at = len(text)
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
        if self.asking and not self._keys:
            pasted = plain(event.text)
            self._change(self._text[: self._at] + pasted + self._text[self._at :], self._at + len(pasted))

    def set_width(self, cells: int) -> None:
        super().set_width(cells)
        self._draw()

    def _change(self, text: str, at: int) -> None:
        changed = text != self._text
        self._text, self._at = text, at
        self.recall()
        if changed and self._typed is not None:
            self._remark = self._typed(text)
        self._draw()

    def recall(self) -> None:
        """Look again at what may follow; more of it may be known by now."""
        if self._complete is not None:
            self._completion, self._taken = self._complete(self._text, self._at), -1
            self._draw()

    def learnt(self) -> None:
        """More is known now: look again, unless a candidate was taken already and tab goes through them."""
        if self._taken < 0:
            self.recall()

    def _take(self, step: int) -> None:
        """Put the next of the candidates where the word at the cursor stands."""
        found = self._completion
        if found is None or not found.candidates:
            return
        self._taken = (self._taken + step) % len(found.candidates) if self._taken >= 0 or step > 0 else -1
        text = found.candidates[self._taken][0]
        rest = self._text[self._at :]
        self._text, self._at = self._text[: found.start] + text + rest, found.start + len(text)
        if self._typed is not None:
            self._remark = self._typed(self._text)
        if len(found.candidates) == 1:
            self.recall()
        self._draw()

    def _line_back(self, step: int) -> str:
        """An earlier line, or a later one, or again what was typed before them."""
        if self._back == 0:
            self._draft = self._text
        back = max(0, min(len(self._earlier), self._back + step))
        if back == self._back:
            return self._text
        self._back = back
        return self._earlier[-back] if back else self._draft

    def _finish(self, text: str | None) -> None:
        done, self._done, self._typed, self._complete = self._done, None, None, None
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
        if self.asking and self._keys:
            return [((" ", ""), (row, "strong")) for row in wrap(self._question, width - 2)]
        if self.asking:
            asked = self._asked(width)
            return [self._candidates(width), *asked] if self._complete is not None else asked
        if self._message:
            rows = wrap(self._message, width - 2)
            if len(rows) > MESSAGE_ROWS:
                rows = [*rows[: MESSAGE_ROWS - 1], wrap(" ".join(rows[MESSAGE_ROWS - 1 :]), width - 3)[0] + "…"]
            return [((" ", ""), (row, "warn")) for row in rows]
        return [
            ends(((" $ " if self._command else " ", "dim"), (self._command, "")), ((f" {self._state} ", "dim"),), width)
        ]

    def _candidates(self, width: int) -> Line:
        """What may follow, the one that was taken marked, and what it does; else what is wanted here."""
        found = self._completion
        if found is None:
            return ()
        if not found.candidates:
            return cut(((f" {found.hint}", "dim"),), width)
        spans: list[Span] = [(" ", "")]
        first = max(0, self._taken)
        for at, (text, _help) in enumerate(found.candidates[first:], first):
            spans.append((text.strip(), "cursor" if at == self._taken else "key" if at == 0 else ""))
            spans.append(("  ", ""))
        told = found.candidates[first][1]
        ending: Line = ((f" {fit(told, min(len(told), width // 2))} ", "dim"),) if told else ()
        return ends(tuple(spans), ending, width)

    def _asked(self, width: int) -> list[Line]:
        """The question, the text with a block for the cursor, and what is known of it at the right."""
        question: Line = ((f" {self._question} ", "strong"),)
        remark: Line = ((f" {self._remark} ", "dim"),) if self._remark else ()
        room = width - width_of(question) - width_of(remark)
        self._apart = self._apart or room < min(LEAST_CELLS, width)
        if not self._apart:
            return [ends((*question, *self._text_in(room)), remark, width)]
        told = ends(question, cut(remark, min(width_of(remark), width // 2)) if remark else (), width)
        return [told, cut(((" ", ""), *self._text_in(width - 1)), width)]

    def _text_in(self, room: int) -> Line:
        """The part of the text around the cursor that `room` cells hold, with an ellipsis where more is before it."""
        start = 0
        while start < self._at and cell_len(self._text[start : self._at]) + 2 + (start > 0) > room:
            start += 1
        before, under = self._text[start : self._at], self._text[self._at : self._at + 1] or " "
        return (("…" if start else "", "dim"), (before, ""), (under, "cursor"), (self._text[self._at + 1 :], ""))
