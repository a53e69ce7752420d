"""Ctrl-C: in a command that can say what it has kept, and while libraries load."""

import signal
from types import FrameType

INTERRUPTED = 130
"""The exit code after Ctrl-C."""
IMPORTING = "<frozen importlib._bootstrap>"
"""Where every import passes through."""
AGAIN_SECONDS = 0.02
"""Until an interrupt is tried again."""


class Stopped(SystemExit):
    """The program ends as after any Ctrl-C, with a sentence of its own."""

    def __init__(self, sentence: str) -> None:
        super().__init__(INTERRUPTED)
        self.sentence = sentence


def wait_for_imports() -> None:
    """From now on Ctrl-C while a library loads counts once it has loaded; at other times it counts at once.

    Libraries in C++ take an interrupt within their import for a fault, and abort or raise something else.
    """
    signal.signal(signal.SIGINT, _interrupted)
    signal.signal(signal.SIGALRM, _interrupted)


def interrupt_as_usual() -> None:
    """Ctrl-C as Python has it; asyncio looks for that before it takes the signal for itself."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupted(_number: int, frame: FrameType | None) -> None:
    within = frame
    while within is not None and within.f_code.co_filename != IMPORTING:
        within = within.f_back
    if within is None:
        signal.default_int_handler(signal.SIGINT, frame)
    else:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
