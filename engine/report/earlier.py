"""Whether a file may be written over by a report: an earlier report may, anything else was somebody's work."""

import json
from pathlib import Path

from engine.errors import HomeError

COMPARED = ", runs compared"
_HEADINGS = ("what the model has learned", COMPARED)
"""What a report that is read says at its top."""
_KEYS = ({"run", "provenance", "neurons"}, {"runs", "matchings", "settings"})
"""What a report for programs holds."""
_TOP = 4096


def check(path: Path, *, overwrite: bool) -> None:
    """Raise a `HomeError` where `path` is a file, not empty, that is no earlier report; never if `overwrite`."""
    if overwrite or not path.is_file():
        return
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise HomeError(f"Cannot read {path}: {error.strerror}.") from error
    if text.strip() and not _is_report(text):
        raise HomeError(
            f"{path} exists and is no report of monoscope; name another file, or write over it with --overwrite."
        )


def _is_report(text: str) -> bool:
    if any(heading in text[:_TOP] for heading in _HEADINGS):
        return True
    try:
        told = json.loads(text)
    except ValueError:
        return False
    return isinstance(told, dict) and any(told.keys() >= keys for keys in _KEYS)
