"""The lines that were typed after `:`, kept in the home so that they are there tomorrow.

A home that cannot be read or written keeps no lines and stops no command: the reason is told, as a sentence.
"""

from collections.abc import Sequence
from pathlib import Path

from engine.errors import HomeError
from engine.home import Home, write_whole
from engine.text import plain

FILE = "lines.txt"
MOST = 500


def file_of(home: Home) -> Path:
    """Where the lines are kept, one a row, the newest last."""
    return home.root / FILE


def earlier(home: Home) -> tuple[Sequence[str], str]:
    """The kept lines, the newest last, and why there are none, if that is no matter of course."""
    path = file_of(home)
    try:
        kept = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return (), ""
    except OSError as error:
        return (), f"Cannot read the earlier lines in {path}: {error.strerror}."
    return [line for line in map(plain, kept.splitlines()) if line.strip()], ""


def remember(home: Home, line: str) -> str:
    """Keep a line once, as the newest of the last `MOST`; says why that could not be done, if it could not."""
    kept, fault = earlier(home)
    line = plain(line).strip()
    if fault or not line or line in kept[-1:]:
        return fault
    others = [one for one in kept if one != line]
    try:
        write_whole(file_of(home), "".join(f"{one}\n" for one in [*others, line][-MOST:]))
    except HomeError as error:
        return str(error)
    return ""
