"""`monoscope item` and `user`: what one film, one person is made of; `why`: what one is doing in the other's list."""

from typing import Annotated

import typer

from workbench.commands.common import AsJson, RunName, SessionName, emit_json, group, open_run, session_state

pages_app = group("")


@pages_app.command()
def item(
    ctx: typer.Context,
    run: RunName,
    which: Annotated[str, typer.Argument(metavar="ID", help="The item's id, or its title where only one has it.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many nearest items.")] = 10,
    session: SessionName = None,
    as_json: AsJson = False,
) -> None:
    """What an item is made of: its neurons, what its code leaves out, its nearest items by code and by vector."""
    from workbench.facts import item_facts

    facts = item_facts(open_run(ctx, run), which, session_state(ctx, session, run).labels, k)
    if as_json:
        return emit_json(facts)
    from workbench.pages import show_item

    return show_item(facts)


@pages_app.command()
def user(
    ctx: typer.Context,
    run: RunName,
    which: Annotated[str, typer.Argument(metavar="ID", help="The user's id.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many concepts of their training items.")] = 10,
    session: SessionName = None,
    as_json: AsJson = False,
) -> None:
    """What a user is made of: their neurons, and the concepts of what they saw. Similar users are not shown."""
    from workbench.facts import user_facts

    facts = user_facts(open_run(ctx, run), which, session_state(ctx, session, run).labels, k)
    if as_json:
        return emit_json(facts)
    from workbench.pages import show_user

    return show_user(facts)


@pages_app.command()
def why(
    ctx: typer.Context,
    run: RunName,
    user: Annotated[str, typer.Option(metavar="ID", help="The user's id.")],
    item: Annotated[str, typer.Option(metavar="ID", help="The item's id, or its title where only one has it.")],
    k: Annotated[int, typer.Option("-k", min=1, help="Depth of the list whose end stands beside the item.")] = 30,
    session: Annotated[
        str | None, typer.Option(help="Under the edits of this session; default: none, and the run's own labels.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Why an item is at its rank for a user: what each of their neurons adds to the affinity, down to the sum."""
    from workbench.why import show_why, why_facts

    state = session_state(ctx, session, run)
    facts = why_facts(open_run(ctx, run), user, item, state.labels, k, state.edits if session else (), session)
    return emit_json(facts) if as_json else show_why(facts)
