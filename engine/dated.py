"""When a report was made, which a build system may fix. Standard library alone."""

import os
import time

from engine.errors import MonoscopeError

VARIABLE = "SOURCE_DATE_EPOCH"
"""The environment variable that fixes dates (reproducible-builds.org): whole seconds since 1970."""
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def exported() -> str:
    """When: now, or what SOURCE_DATE_EPOCH says, so that the same session makes the same file twice."""
    epoch = os.environ.get(VARIABLE)
    return time.strftime(_FORMAT, time.gmtime(None if epoch is None else int(epoch)))


def check() -> None:
    """Raises `MonoscopeError` where SOURCE_DATE_EPOCH is no date. NumPy reads it too, and ends with a traceback."""
    epoch = os.environ.get(VARIABLE)
    if epoch is None:
        return
    try:
        if not (epoch.isascii() and epoch.isdigit()):
            raise ValueError(epoch)
        time.gmtime(int(epoch))
    except (ValueError, OverflowError, OSError) as error:
        raise MonoscopeError(
            f"{VARIABLE} is {epoch!r}, which is no date: set it to whole seconds since 1970, or unset it."
        ) from error
