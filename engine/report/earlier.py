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
    if path.is_dir():
        raise HomeError(f"{path.absolute()} is a folder; name a file in it with --output.")
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


def check_folder(folder: Path, kind: str) -> None:
    """Raise a `HomeError` where `folder` cannot be made, is a file, or holds other files than an export of `kind`."""
    try:
        check_place(folder)
        if not folder.exists():
            return
        if not folder.is_dir():
            raise HomeError(f"{folder} is a file, and this export is several; name a folder with --output.")
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
        if there <= _files_of(folder, kind):
            return
    except OSError as error:
        raise HomeError(f"Cannot write {folder}: {error.strerror}.") from error
    raise HomeError(f"{folder} holds other files than an earlier export; name a new folder, or empty this one.")


def check_place(path: Path) -> None:
    """Raise a `HomeError` where the folder that `path` shall lie in is not there: a mistyped one is not made."""
    if not path.parent.is_dir():
        raise HomeError(f"There is no folder {path.parent}; make it first, or name another place with --output.")


def _files_of(folder: Path, kind: str) -> set[str]:
    """The files that an earlier export of that kind wrote to `folder`."""
    try:
        told = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return {"manifest.json", *told["files"]} if told["kind"] == kind else set()
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return set()
