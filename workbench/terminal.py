"""The terminal that the workbench runs in: whether it can, what to ask of Textual there, and how to copy."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_TMUX_SECONDS = 1.0
Colours = Literal["auto", "none", "16", "256", "true"]
SYSTEMS: dict[Colours, str] = {"16": "standard", "256": "256", "true": "truecolor"}
"""Textual's names for numbers of colours."""
PLAIN_THEMES = ("ansi-dark", "ansi-light")
"""Themes of the terminal's own 16 colours, the only ones that NO_COLOR leaves without any colour code."""


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for; what it does not say is left to the environment."""

    ascii: bool | None = None
    color: Colours = "auto"
    theme: str | None = None
    keys: Path | None = None


NO_WISHES = Wishes()


@dataclass(frozen=True)
class Terminal:
    """What is known of the terminal and asked of it. `remote`: over SSH; `plain`: without colours; `ascii`: our own
    signs in ASCII. Letters that `encoding` lacks cannot be drawn at all.
    """

    remote: bool
    tmux: bool
    plain: bool
    ascii: bool = False
    encoding: str = "utf-8"
    wishes: Wishes = NO_WISHES

    @classmethod
    def probe(
        cls, environ: Mapping[str, str] = os.environ, wishes: Wishes = NO_WISHES, encoding: str | None = None
    ) -> "Terminal":
        """`encoding` is by default that of standard error, where Textual draws."""
        encoding = encoding or (sys.__stderr__.encoding if sys.__stderr__ is not None else None) or "utf-8"
        return cls(
            remote=bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY")),
            tmux=bool(environ.get("TMUX")),
            plain=bool(environ.get("NO_COLOR")) if wishes.color == "auto" else wishes.color == "none",
            ascii=_ascii(environ, encoding) if wishes.ascii is None else wishes.ascii,
            encoding=encoding,
            wishes=wishes,
        )

    @property
    def mouse(self) -> bool:
        """Mouse modes stay on in the local terminal when a line is cut, so they are off over SSH."""
        return not self.remote

    def textual_environment(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Settings that Textual reads when it is imported; what the user has set stays, unless the command line asks.

        The usual theme is the terminal's own 16 colours: it follows light and dark, and costs the fewest bytes.
        """
        usual = {
            "TEXTUAL_THEME": "ansi-light" if _light(environ) else "ansi-dark",
            "TEXTUAL_ANIMATIONS": "none",
            "TEXTUAL_SMOOTH_SCROLL": "0",
            # A new list waits for the next frame after the edit's own: half as long at twice Textual's rate.
            "TEXTUAL_FPS": "15" if self.remote else "120",
        }
        wanted = {name: value for name, value in usual.items() if name not in environ}
        if self.wishes.theme is not None:
            wanted["TEXTUAL_THEME"] = self.wishes.theme
        if self.wishes.color in SYSTEMS:
            wanted["TEXTUAL_COLOR_SYSTEM"] = SYSTEMS[self.wishes.color]
        if self.plain:
            wanted["NO_COLOR"] = "1"
            if wanted.get("TEXTUAL_THEME", environ.get("TEXTUAL_THEME")) not in PLAIN_THEMES:
                wanted["TEXTUAL_THEME"] = PLAIN_THEMES[0]
        return wanted


def _ascii(environ: Mapping[str, str], encoding: str) -> bool:
    """MONOSCOPE_ASCII decides, else what can be drawn: the fonts of the Linux console have no eighths of a block."""
    said = environ.get("MONOSCOPE_ASCII")
    if said:
        return said != "0"
    return environ.get("TERM") == "linux" or encoding.lower().replace("-", "").replace("_", "") != "utf8"


def _light(environ: Mapping[str, str]) -> bool:
    """Whether the background is light, as far as a terminal says so: COLORFGBG ends with its number."""
    return environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")


def refusal(environ: Mapping[str, str] = os.environ) -> str | None:
    """Why the workbench cannot be drawn here, in one sentence; None if it can."""
    if not (sys.__stdin__ and sys.__stdin__.isatty() and sys.__stderr__ and sys.__stderr__.isatty()):
        return (
            "The workbench needs a terminal on standard input and standard error; "
            "`monoscope neurons RUN` and the other commands work without one."
        )
    if environ.get("TERM", "dumb") == "dumb":
        return (
            "The workbench cannot draw on a terminal with TERM=dumb; set TERM to what the terminal is, "
            "for example xterm-256color."
        )
    return None


def copy(text: str, osc52: Callable[[str], None], terminal: Terminal) -> str:
    """Copy `text` by every way that may work here; says in a sentence which were taken.

    OSC 52 reaches the terminal directly and over SSH, but stock tmux swallows it, so tmux is asked as well.
    """
    osc52(text)
    if not terminal.tmux:
        return "Copied the command through the terminal (OSC 52)."
    if shutil.which("tmux") is None:
        return "Copied the command through the terminal (OSC 52); tmux is not on the PATH here."
    try:
        subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],
            input=text.encode(),
            capture_output=True,
            timeout=_TMUX_SECONDS,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return "Sent the command to the terminal (OSC 52); tmux did not take it."
    return "Copied the command to tmux and its terminal (prefix ] pastes)."
