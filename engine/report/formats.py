"""The export formats by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import RunError
from engine.home import make_folder, write_whole
from engine.progress import Progress, silent
from engine.report.document import About, document, figure_table, figures_of
from engine.report.earlier import check
from engine.report.facts import report_facts
from engine.report.markdown import as_json, as_markdown
from engine.run import Run
from engine.session import State

__all__ = ["FORMATS", "PICTURES", "About", "Pictures", "render", "write_pictures"]


def _markdown(run: Run, state: State, _about: About, _progress: Progress) -> str:
    return as_markdown(report_facts(run, state))


def _json(run: Run, state: State, _about: About, _progress: Progress) -> str:
    return as_json(report_facts(run, state))


def _html(run: Run, state: State, about: About, progress: Progress) -> str:
    from engine.report.html import as_html

    return as_html(document(run, state, about, progress))


FORMATS: Mapping[str, Callable[[Run, State, About, Progress], str]] = {"html": _html, "md": _markdown, "json": _json}
PICTURES = ("svg", "png")
"""Formats that are a file for each figure."""


def render(run: Run, state: State, kind: str, about: About | None = None, progress: Progress = silent) -> str:
    """The report of a run and its session's labels and edits, in one of `FORMATS`."""
    if kind not in FORMATS:
        raise RunError(f"There is no export format {kind!r}; there are {', '.join([*FORMATS, *PICTURES])} and vectors.")
    return FORMATS[kind](run, state, about or About(), progress)


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

    Pictures of an earlier export are replaced; raises `HomeError` for any other file in their place.
    """
    make_folder(folder)
    found = [(one, folder / f"{one.id}.{kind}") for one in figures_of(run, state, about, progress)]
    for figure, path in found:
        if figure.picture is not None:
            words = path.with_suffix(".md")
            check(words if words.exists() else path, overwrite=overwrite)
    for figure, path in found:
        if figure.picture is not None:
            write_whole(path, figure.picture.svg if kind == "svg" else figure.picture.png)
            write_whole(path.with_suffix(".md"), figure_table(run, figure))
    return Pictures(
        [path for figure, path in found if figure.picture is not None],
        [(figure.title, figure.reason or "") for figure, _ in found if figure.picture is None],
    )
