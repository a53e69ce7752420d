"""The terminal that the workbench runs in: whether it can, what to ask of Textual there, and how to copy."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_TMUX_SECONDS = 1.0


@dataclass(frozen=True)
class Terminal:
    """What the environment says about the terminal. `remote`: over SSH; `plain`: NO_COLOR is set."""

    remote: bool
    tmux: bool
    plain: bool

    @classmethod
    def probe(cls, environ: Mapping[str, str] = os.environ) -> "Terminal":
        return cls(
            remote=bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY")),
            tmux=bool(environ.get("TMUX")),
            plain=bool(environ.get("NO_COLOR")),
        )

    @property
    def mouse(self) -> bool:
        """Mouse modes stay on in the local terminal when a line is cut, so they are off over SSH."""
        return not self.remote

    def textual_environment(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Settings that Textual reads when it is imported; what the user has set stays.

        The theme is the terminal's own 16 colours: it follows light and dark, costs the fewest bytes, and is the
        only kind that NO_COLOR leaves without any colour code.
        """
        wanted = {"TEXTUAL_THEME": "ansi-dark", "TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0"}
        if self.remote:
            wanted["TEXTUAL_FPS"] = "15"
        return {name: value for name, value in wanted.items() if name not in environ}


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
