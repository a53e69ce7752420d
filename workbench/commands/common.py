"""What the command modules share: groups, arguments, and opening what a command names."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import MonoscopeError
from workbench.choices import complete_dataset, complete_run, home_of

if TYPE_CHECKING:
    from engine.run import Run
    from engine.session import State


def group(text: str, **extra: Any) -> typer.Typer:
    """A typer app that leaves text and exceptions alone."""
    return typer.Typer(help=text, rich_markup_mode=None, pretty_exceptions_enable=False, **extra)


RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's name.", autocompletion=complete_run)]
DatasetName = Annotated[
    str, typer.Argument(metavar="DATASET", help="A data set's name.", autocompletion=complete_dataset)
]
AsJson = Annotated[bool, typer.Option("--json", help="The same facts for programs, and nothing else.")]
SessionName = Annotated[str | None, typer.Option("--session", help="Default: the run's own session.")]


def open_run(ctx: typer.Context, name: str) -> "Run":
    """The run that the user named."""
    from engine.run import Run

    return Run.open(home_of(ctx), name)


def session_state(ctx: typer.Context, session: str | None, run: str) -> "State":
    """What a session holds: the one that was named, which must exist, else the run's own."""
    from engine.session import Session, sessions

    known = sessions(home_of(ctx))
    if session is not None and session not in known:
        raise MonoscopeError(f"There is no session {session!r}; there are {', '.join(known) or 'none yet'}.")
    return Session.read(home_of(ctx), session or run, run)


def figure(value: float | None) -> str:
    """Three decimals, or "unknown"."""
    return "unknown" if value is None else f"{value:.3f}"


def emit_json(facts: Any) -> None:
    """Facts as JSON on standard output; an unknown number must be None."""
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=1, allow_nan=False))
