"""A child's tie to the workbench that wanted it: a pipe that nothing is written to, whose end tells of the other's.

The system closes it with the workbench, however that ends, `kill -9` included. Standard library alone.
"""

import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

VARIABLE = "MONOSCOPE_LEASH"
"""The environment variable with the number of the descriptor to watch."""
GRACE_SECONDS = 1.5
"""From the interrupt, after which work keeps what is complete, to the kill."""


class Leash:
    """The workbench's side. `held` goes to the child by `pass_fds`, `environment` into what it finds around it."""

    def __init__(self) -> None:
        self.held, self._kept = os.pipe()
        self.environment: Mapping[str, str] = {VARIABLE: str(self.held)}

    def passed(self) -> None:
        """The child has its end by now, or will never have it."""
        os.close(self.held)

    def let_go(self) -> None:
        """Close this side: a child that is still there ends."""
        os.close(self._kept)


def follow() -> None:
    """On the child's side: end with the workbench from now on, if one holds a leash; what this starts ends too.

    The process must lead its group, which is interrupted as by Ctrl-C, and killed where that is not enough.
    """
    held = os.environ.pop(VARIABLE, None)  # it is no business of what this process starts
    if held is not None and held.isdecimal():
        threading.Thread(target=_watch, args=(int(held),), daemon=True).start()


def _watch(held: int) -> None:
    with suppress(OSError):  # it is no descriptor: the workbench that it was for is long gone
        while os.read(held, 1):
            pass
    os.killpg(0, signal.SIGINT)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)
