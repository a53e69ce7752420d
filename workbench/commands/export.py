"""`monoscope export`: reports of a run, and edited vectors for the system that serves them."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import MonoscopeError
from workbench.choices import complete_run_or_session, home_of
from workbench.commands.common import SessionName, group, session_state
from workbench.stopped import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.home import Home
    from engine.report.formats import About
    from engine.report.vectors import Wanted
    from engine.run import Run
    from engine.session import State

export_app = group("")

Name = Annotated[
    str,
    typer.Argument(
        metavar="RUN|SESSION", help="A run's name, or that of a session.", autocompletion=complete_run_or_session
    ),
]


@export_app.command()
def export(
    ctx: typer.Context,
    name: Name,
    kind: Annotated[str, typer.Option("--format", help="html, md, json, csv, parquet, svg, png, or vectors.")] = "md",
    output: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, else html, md and json go to the screen; csv, parquet, svg, png and vectors are "
            "several files and need a folder."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write over a file that is no earlier report; one that is gives way.")
    ] = False,
    session: SessionName = None,
    rows: Annotated[
        str | None, typer.Option(help="Vectors that are written: changed by edits (default), or all.")
    ] = None,
    file_format: Annotated[
        str | None, typer.Option(help="Files of vectors: parquet (default), npy or safetensors.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Length of the lists that vectors' effect is measured on.")] = 30,
    with_users: Annotated[
        bool,
        typer.Option("--with-users", help="Ids of users may leave: in a page, and with the vectors that edits change."),
    ] = False,
) -> None:
    """A report of a run, or the vectors of users and items under a session's edits.

    A report holds no user ids, no histories and no group of fewer than ten users. html is one page that needs nothing
    else; md, which goes to the screen without --output, is short; json holds everything that the page does, and csv and
    parquet are a file for each of its tables, with their columns in manifest.json; svg and png are a file for each of
    its figures, with its numbers beside. A report takes the place of an earlier one; any other file that is there is
    left alone without --overwrite. Vectors come with their ids, biases and scorer, whom a filter serves, and a manifest
    of the edits, their measured effect and the files' hashes; `monoscope adopt` reads them. Without edits, --rows all
    writes everyone's and everything's.
    """
    run, session = _opened(ctx, name, session)
    if kind == "vectors":
        if output is None:
            raise typer.BadParameter("vectors are files: name a folder for them with --output")
        from engine.report.vectors import Wanted

        wanted = Wanted(rows or "changed", file_format or "parquet", with_users, k)
        return _export_vectors(run, session or run.name, output, wanted)
    from engine.report import earlier, formats
    from engine.session import Session

    if rows or file_format or (with_users and kind not in ("html", *formats.PICTURES)):
        raise typer.BadParameter(
            "--rows and --file-format go with --format vectors, --with-users with that, html, svg and png"
        )
    if kind in formats.FOLDERS and output is None:
        raise typer.BadParameter(f"{kind} is several files: name a folder for them with --output")
    state, about = session_state(ctx, session, run.name), formats.About(session, with_users, _remark)
    _remark(Session.remark(run.home, session or run.name))
    if kind in formats.PICTURES and output is not None:
        return _export_pictures(run, state, kind, output.absolute(), about, overwrite)
    if kind in formats.TABLE_FORMATS and output is not None:
        return _export_tables(run, state, kind, output.absolute(), about)
    if output is not None:
        earlier.check_place(output.absolute())
        earlier.check(output, overwrite=overwrite)
    text = _rendered(run, state, kind, about)
    if output is None:
        return typer.echo(text, nl=False)
    from engine.home import write_whole

    return write_whole(output.absolute(), text)


def _remark(sentence: str | None) -> None:
    """Say on standard error what is amiss with what is exported all the same."""
    if sentence is not None:
        typer.echo(f"monoscope: {sentence}", err=True)


@contextmanager
def _all_or_nothing() -> "Iterator[None]":
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped("stopped; nothing was written, and what an earlier export wrote is as it was.") from None


def _rendered(run: "Run", state: "State", kind: str, about: "About") -> str:
    from engine.report import formats
    from workbench.tables import progress_bar

    if kind not in formats.FORMATS:
        return formats.render(run, state, kind, about)  # which says that there is none
    with _all_or_nothing(), progress_bar("Writing the report") as progress:
        return formats.render(run, state, kind, about, progress)


def _export_pictures(run: "Run", state: "State", kind: str, folder: Path, about: "About", overwrite: bool) -> None:
    from engine.report import formats
    from workbench.tables import progress_bar, say

    with _all_or_nothing(), progress_bar("Drawing figures") as progress:
        drawn = formats.write_pictures(run, state, kind, folder, about, progress, overwrite=overwrite)
    say(f"Wrote {len(drawn.written)} figures to {folder}: {', '.join(path.name for path in drawn.written)}.")
    for title, reason in drawn.missing:
        say(f"Not drawn: {title} ({reason}).")


def _export_tables(run: "Run", state: "State", kind: str, folder: Path, about: "About") -> None:
    from engine.report.formats import write_report_tables
    from workbench.tables import progress_bar, say

    with _all_or_nothing(), progress_bar("Writing tables") as progress:
        written = write_report_tables(run, state, kind, folder, about, progress)
    say(f"Wrote {len(written) - 1} tables to {folder}; manifest.json tells what their columns hold.")


def _opened(ctx: typer.Context, name: str, session: str | None) -> tuple["Run", str | None]:
    """The run of that name, or else the run that the session of that name is about, and the session."""
    from engine.run import Run
    from engine.session import Session

    home = home_of(ctx)
    if not home.run(name).exists():
        origin = Session.origin(home, name)
        if origin is not None and session is not None and session != name:
            raise MonoscopeError(
                f"{name} is a session of run {origin.run}, and --session names another, {session}; give one of them."
            )
        if origin is not None:
            return Run.open(home, origin.run), name
        _refuse_if_near_a_session(home, name)
    return Run.open(home, name), session


def _refuse_if_near_a_session(home: "Home", name: str) -> None:
    """A misspelt session is told of here; a misspelt run where runs are opened."""
    from difflib import get_close_matches

    from engine.session import sessions

    if home.session(name).is_file():
        raise MonoscopeError(
            f"Session {name} is empty, so it is about no run: name a run, and the session by --session."
        )
    own = {one for one in sessions(home) if not home.run(one).exists()}
    known = [*own, *(path.name for path in home.runs.glob("[!.]*"))]
    close = get_close_matches(name, known, 1)
    if close and close[0] in own:
        raise MonoscopeError(f"There is no run or session {name!r}; did you mean the session {close[0]!r}?")


def _export_vectors(run: "Run", session: str, output: Path, wanted: "Wanted") -> None:
    from engine.report.vectors import export_session
    from workbench.tables import progress_bar, say

    with progress_bar("Exporting vectors") as progress:
        progress(0.1, "and measuring their effect")
        manifest = export_session(run, session, output, wanted)
    for sentence in _summary(manifest, output):
        say(sentence)


def _summary(manifest: "Mapping[str, Any]", output: Path) -> list[str]:
    users, items = manifest["users"], manifest["items"]
    counts = f"{users['rows']:,} of {users['of']:,} users and {items['rows']:,} of {items['of']:,} items"
    told = [f"Wrote the vectors of {counts} to {output}."]
    if manifest["rows"] == "all":
        told.append(f"Edits changed those of {users['changed']:,} users and {items['changed']:,} items.")
    elif users["rows"] + items["rows"]:
        told.append(f"They take the places of the same ids among the vectors of run {manifest['run']['name']}.")
    else:
        told = [f"No vector changed; wrote filters to {output}."]
    if manifest["filters"]:
        told.append(f"{manifest['filters']['users']:,} users are served by a filter: see filters.json.")
    return told
