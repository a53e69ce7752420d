"""`monoscope sessions`: an analyst's saved work, looked at, copied, replayed, and changed an action at a time."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import MonoscopeError
from workbench.choices import home_of
from workbench.commands.common import AsJson, emit_json, group

if TYPE_CHECKING:
    from engine.session import Session

sessions_app = group("Saved work on runs: labels, edits, notes, bookmarks, watched users.", invoke_without_command=True)

Name = Annotated[str, typer.Argument(metavar="SESSION", help="A session's name.")]


@sessions_app.callback()
def sessions(ctx: typer.Context, as_json: AsJson = False) -> None:
    if ctx.invoked_subcommand is None:
        sessions_list(ctx, as_json)


@sessions_app.command("list")
def sessions_list(ctx: typer.Context, as_json: AsJson = False) -> None:
    """The saved sessions, and the examples that can be copied."""
    from workbench.sessions import listed, show_listed

    found = listed(home_of(ctx))
    return emit_json(found) if as_json else show_listed(found)


@sessions_app.command("show")
def sessions_show(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """What a session holds: edits in order, labels, notes, bookmarks, watched users, and what it measured."""
    from workbench.sessions import session_facts, show_session

    facts = session_facts(home_of(ctx), name)
    return emit_json(facts) if as_json else show_session(facts)


@sessions_app.command("copy")
def sessions_copy(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SESSION", help="A session or an example.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The copy's name.")],
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Of an example: the run to work on; its neurons are found by their concepts."),
    ] = None,
) -> None:
    """Copy a session; or an example, made to fit a run: neurons by their concepts, goals solved anew."""
    from workbench.sessions import copied
    from workbench.tables import progress_bar, say

    with progress_bar("Copying") as progress:
        progress(0.1, name)
        of = copied(home_of(ctx), name, new, run)
    say(f"Session {new} of run {of} is ready. Next: monoscope sessions replay {new}")


@sessions_app.command("remove")
def sessions_remove(
    ctx: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a session for good."""
    from workbench.sessions import known, remove

    known(home_of(ctx), name)
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Delete session {name} for good?", err=True)):
        raise MonoscopeError(f"Session {name} was kept; add --yes to delete it without being asked.")
    remove(home_of(ctx), name)


@sessions_app.command("replay")
def sessions_replay(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Carry a session's edits out again and compare with the figures that it kept; fails where they differ."""
    from workbench.sessions import replayed, show_replayed
    from workbench.tables import progress_bar

    with progress_bar("Replaying") as progress:
        progress(0.1, "ranking the cohort")
        facts = replayed(home_of(ctx), name)
    if as_json:
        emit_json(facts)
    else:
        show_replayed(facts)
    if facts["same"] is False:
        raise MonoscopeError(f"Session {name} does not replay to the figures that it kept; see which above.")


@sessions_app.command()
def undo(ctx: typer.Context, name: Name) -> None:
    """Take back the last action."""
    _told(ctx, name, "undo")


@sessions_app.command()
def redo(ctx: typer.Context, name: Name) -> None:
    """Do again what was taken back."""
    _told(ctx, name, "redo")


@sessions_app.command()
def switch(
    ctx: typer.Context,
    name: Name,
    number: Annotated[int, typer.Argument(metavar="N", help="The edit's number in `sessions show`.")],
    on: Annotated[bool, typer.Option("--on/--off", help="Let it apply, or wait.")],
) -> None:
    """Switch one edit off, or on again, in its place."""
    from workbench.sessions import index_of

    _told(ctx, name, "switch", index=index_of(home_of(ctx), name, number), on=on)


@sessions_app.command()
def drop(
    ctx: typer.Context,
    name: Name,
    number: Annotated[int, typer.Argument(metavar="N", help="The edit's number in `sessions show`.")],
) -> None:
    """Take one edit out of the stack."""
    from workbench.sessions import index_of

    _told(ctx, name, "drop", index=index_of(home_of(ctx), name, number))


@sessions_app.command()
def note(
    ctx: typer.Context,
    name: Name,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The remark.")],
    about: Annotated[str | None, typer.Option(help='On what, such as "neuron 4".')] = None,
) -> None:
    """Keep a remark."""
    if not text.strip():
        raise MonoscopeError("A note needs a text.")
    _told(ctx, name, "note", text=text, **({} if about is None else {"about": about}))


@sessions_app.command()
def bookmark(
    ctx: typer.Context,
    name: Name,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="neuron, item, user or concept.")],
    which: Annotated[str, typer.Argument(metavar="ID", help="Its number, id or name.")],
    on: Annotated[bool, typer.Option("--on/--off", help="Mark it, or no longer.")] = True,
) -> None:
    """Mark a neuron, an item, a user or a concept to come back to."""
    from workbench.sessions import check_thing, opened

    if on:
        with opened(home_of(ctx), name):
            check_thing(home_of(ctx), name, kind, which)
    _told(ctx, name, "bookmark", kind=kind, id=which, on=on)


@sessions_app.command()
def watch(ctx: typer.Context, name: Name, user: Annotated[str, typer.Argument(metavar="USER", help="An id.")]) -> None:
    """Watch a user: the workbench opens on the one watched last."""
    from workbench.sessions import check_thing, opened

    with opened(home_of(ctx), name):
        check_thing(home_of(ctx), name, "user", user)
    _told(ctx, name, "watch", user=user)


def _told(ctx: typer.Context, name: str, action: str, **data: Any) -> None:
    """Append one action to a session that exists, or to that of a run, and say what the session holds now."""
    from workbench.sessions import opened, summary
    from workbench.tables import say

    session: Session
    with opened(home_of(ctx), name) as session:
        before = session.state
        after = session.append(action, **data)
    changed = "Nothing to do: s" if before == after else "S"
    say(f"{changed}ession {name} holds {summary(after)}.")
