"""A pasted text as one whole, whatever it holds: Textual's parser takes escape sequences in it for keys."""

from collections.abc import Generator
from contextlib import suppress

import textual.drivers.linux_driver as driver
from textual import events
from textual._parser import ParseEOF, ParseTimeout, Peek1, Read1, TokenCallback
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.message import Message


class WholePastes(XTermParser):
    """Keeps what stands between the two brackets of a paste from Textual's parser, and gives it out as one event."""

    def parse(self, token_callback: TokenCallback[Message]) -> Generator[Read1 | Peek1, str, None]:
        pasted: list[str] = []

        def told(token: Message) -> None:
            whole = "".join(pasted).replace("\0", "")
            token_callback(events.Paste(whole) if isinstance(token, events.Paste) else token)

        inner = super().parse(told)
        wanted, latest = next(inner), ""
        while True:
            try:
                letter = yield wanted
            except ParseTimeout as late:  # the escape key, not the begin of a sequence
                wanted, latest = inner.throw(late), ""
                continue
            except ParseEOF as end:
                with suppress(StopIteration):
                    inner.throw(end)
                return
            wanted, latest = inner.send(letter), (latest + letter)[-len(BRACKETED_PASTE_START) :]
            if latest == BRACKETED_PASTE_START:
                try:
                    pasted[:] = yield from _until_end()
                except ParseEOF:
                    return
                for letter in BRACKETED_PASTE_END:  # with nothing between its brackets it tells of a paste now
                    wanted = inner.send(letter)
                latest = ""


def _until_end() -> Generator[Read1 | Peek1, str, list[str]]:
    """The letters of a paste, without the bracket that ends it; `ParseEOF` where none comes any more."""
    letters: list[str] = []
    size = len(BRACKETED_PASTE_END)
    while "".join(letters[-size:]) != BRACKETED_PASTE_END:
        try:
            letters.append((yield Read1()))
        except ParseTimeout:  # none was asked for, but one may have been due
            continue
    return letters[:-size]


def keep_pastes_whole() -> None:
    """Have Textual read terminals so from now on."""
    driver.XTermParser = WholePastes  # type: ignore[attr-defined]
