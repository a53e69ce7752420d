"""How long work reports itself: a callable that any front end can turn into a bar."""

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with the share done (0 to 1) and a few words on what is being done."""


def silent(share: float, text: str) -> None:
    """Report nothing."""


def part(progress: Progress, start: float, end: float, what: str) -> Progress:
    """A progress from 0 to 1 that fills `progress` from `start` to `end`; `what` comes before its words."""
    return lambda share, text: progress(start + (end - start) * share, f"{what}: {text}")
