"""The export formats by name."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import HomeError, RunError
from engine.progress import Progress, silent
from engine.report.complete import complete
from engine.report.document import About, document, figure_table, figures_of
from engine.report.earlier import check, check_folder, check_place
from engine.report.markdown import as_json, as_markdown
from engine.report.tables import KIND as TABLES
from engine.report.tables import TABLE_FORMATS, write_tables
from engine.run import Run
from engine.session import State

__all__ = ["ALL", "FOLDERS", "FORMATS", "PICTURES", "TABLE_FORMATS", "About", "Pictures", "render", "write_pictures"]


def _markdown(run: Run, state: State, about: About, progress: Progress) -> str:
    return as_markdown(complete(run, state, about, progress, short=True))


def _json(run: Run, state: State, about: About, progress: Progress) -> str:
    return as_json(complete(run, state, about, progress))


def _html(run: Run, state: State, about: About, progress: Progress) -> str:
    from engine.report.html import as_html

    return as_html(document(run, state, about, progress))


FORMATS: Mapping[str, Callable[[Run, State, About, Progress], str]] = {"html": _html, "md": _markdown, "json": _json}
PICTURES = ("svg", "png")
"""Formats that are a file for each figure."""
FOLDERS = (*TABLE_FORMATS, *PICTURES, "vectors")
"""Formats that are several files."""
ALL = (*FORMATS, *FOLDERS)


def render(run: Run, state: State, kind: str, about: About | None = None, progress: Progress = silent) -> str:
    """The report of a run and its session's labels and edits, in one of `FORMATS`."""
    if kind not in FORMATS:
        raise RunError(f"There is no export format {kind!r}; there are {', '.join(ALL)}.")
    return FORMATS[kind](run, state, about or About(), progress)


def write_report_tables(
    run: Run, state: State, kind: str, folder: Path, about: About, progress: Progress = silent
) -> list[Path]:
    """Every table of the report as CSV or Parquet in a folder, raising as `write_tables` does; the files."""
    check_folder(folder, TABLES)
    return write_tables(run, complete(run, state, about, progress), kind, folder)


@dataclass(frozen=True)
class Pictures:
    """The pictures that were written, and the titles of the others with the reason why there are none."""

    written: list[Path]
    missing: list[tuple[str, str]]


def write_pictures(
    run: Run,
    state: State,
    kind: str,
    folder: Path,
    about: About,
    progress: Progress = silent,
    *,
    overwrite: bool = False,
) -> Pictures:
    """Every figure of the report as NAME.svg or NAME.png, and beside it NAME.md: its words and its numbers.

    Pictures of an earlier export are replaced; raises `HomeError` for any other file in their place, for a place that
    is no folder, and where the disk refuses: then there are the earlier files, and none of these.
    """
    check_place(folder)
    if folder.exists() and not folder.is_dir():
        raise HomeError(f"{folder} is a file, and figures are several; name a folder with --output.")
    found = [(one, folder / f"{one.id}.{kind}") for one in figures_of(run, state, about, progress)]
    drawn = {path: (one, one.picture) for one, path in found if one.picture is not None}
    for path in drawn:
        words = path.with_suffix(".md")
        check(words if words.exists() else path, overwrite=overwrite)
    files: dict[Path, bytes] = {}
    for path, (figure, picture) in drawn.items():
        files[path] = picture.svg if kind == "svg" else picture.png
        files[path.with_suffix(".md")] = figure_table(run, figure).encode()
    _write_together(folder, files)
    return Pictures(list(drawn), [(one.title, one.reason or "") for one, _ in found if one.picture is None])


def _write_together(folder: Path, files: Mapping[Path, bytes]) -> None:
    """Write all files beside their places, and only then rename them, so that a full disk leaves none of them."""
    fresh, beside = not folder.exists(), {path: path.with_name(f".{path.name}.{os.getpid()}.partial") for path in files}
    try:
        folder.mkdir(exist_ok=True)
        for path, content in files.items():
            with open(beside[path], "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path, partial in beside.items():
            os.replace(partial, path)
    except OSError as error:
        raise HomeError(f"Cannot write {folder}: {error.strerror or error}; no figure was written.") from error
    finally:
        for partial in beside.values():
            partial.unlink(missing_ok=True)
        if fresh and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
