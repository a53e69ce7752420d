"""Changing neurons: `steer` and `dose`."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import MonoscopeError
from workbench.choices import home_of
from workbench.commands.common import AsJson, RunName, emit_json, group, open_run, session_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from engine.session import Session
    from workbench.steering import Asked

steering_app = group("")

Users = Annotated[
    str | None, typer.Option(metavar="SQL", help="Edit users: a predicate such as \"gender = 'F'\", or a cohort.")
]
Items = Annotated[
    str | None, typer.Option(metavar="SQL", help='Edit items instead: a predicate such as "year < 1940".')
]
Item = Annotated[str | None, typer.Option(metavar="ID", help="Edit one item: its id or title.")]
CohortOption = Annotated[
    str | None,
    typer.Option(metavar="SQL", help="Whose lists are measured; default: the edited users, or everyone."),
]
Unit = Annotated[str, typer.Option(help="p99 (of the neuron's own activations on the edited side) or raw.")]
Depth = Annotated[int, typer.Option("-k", min=1, help="Length of the lists.")]
ServeOption = Annotated[
    str,
    typer.Option(
        help="change: add the edit's change to the vectors. decoded: serve what the edited codes decode to. "
        "all-decoded: everyone's and everything's (the paper's way)."
    ),
]
About = Annotated[
    list[str] | None,
    typer.Option(metavar="CONCEPT", help="What the edit is meant to change; default: its neuron's concept."),
]
InSession = Annotated[
    str | None, typer.Option("--session", help="Lay the edit on top of this session's, and keep it there.")
]


@steering_app.command()
def steer(
    ctx: typer.Context,
    run: RunName,
    users: Users = None,
    items: Items = None,
    item: Item = None,
    neuron: Annotated[int | None, typer.Option(help="The neuron to edit.")] = None,
    goal: Annotated[
        str | None,
        typer.Option(
            help="Solve for the users' edit instead: share(Horror)<=0.02, share(Horror)>=30%, share(Horror)<=0.5x "
            "(half of what each user has), reach(ID,30)>=0.5 (an item in the top 30 of half of them)."
        ),
    ] = None,
    neurons_at_most: Annotated[
        int | None, typer.Option(min=1, help="With --goal: how many neurons a user's edit may move.")
    ] = None,
    pooled: Annotated[
        bool, typer.Option("--pooled", help="With --goal: the same neurons in the same proportion for everybody.")
    ] = False,
    off: Annotated[bool, typer.Option("--off", help="Set the neuron to 0.")] = False,
    set_to: Annotated[float | None, typer.Option("--set", help="Set it to this amount.")] = None,
    add: Annotated[float | None, typer.Option(help="Add this amount.")] = None,
    scale: Annotated[float | None, typer.Option(help="Multiply it.")] = None,
    cap: Annotated[float | None, typer.Option(help="No more than this amount.")] = None,
    unit: Unit = "p99",
    cohort: CohortOption = None,
    watch: Annotated[str | None, typer.Option(metavar="SQL", help="Users whose lists are spelled out.")] = None,
    by: Annotated[str | None, typer.Option(metavar="COLUMN", help="Tell groups of users apart.")] = None,
    about: About = None,
    serve: ServeOption = "change",
    guard: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIMIT", help="Refuse where it is crossed: ndcg>=0.99, rest>=0.8, reach(ID,30)>=0.5; repeatable."
        ),
    ] = None,
    warn: Annotated[
        list[str] | None, typer.Option(metavar="LIMIT", help="As --guard, but only say so where it is crossed.")
    ] = None,
    k: Depth = 30,
    session: InSession = None,
    replace: Annotated[
        int | None, typer.Option(metavar="N", help="With --session: put it in the place of its edit N.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Edit one neuron of users or of items, and see lists before and after, with the side effects.

    With --goal, solve for the edit of each user that reaches it and moves the rest of the lists least, beside other
    ways to it. With --session the edit is kept there, unless a --guard is crossed; without, nothing is kept.
    """
    from workbench.steering import Asked

    given = {"off": off or None, "set": set_to, "add": add, "scale": scale, "cap": cap}
    chosen = [(operation, amount) for operation, amount in given.items() if amount is not None]
    if (goal is None) == (neuron is None):
        raise typer.BadParameter("give --neuron and what to do with it, or --goal")
    asked = Asked(cohort, k, watch, about, by, serve, guard or (), warn or ())
    if session is not None and serve != "change":
        raise typer.BadParameter(
            "a session serves its edits as a change of the vectors: leave out --serve or --session"
        )
    if goal is not None:
        if chosen:
            raise typer.BadParameter(
                "--goal finds the amounts itself; leave --off, --set, --add, --scale and --cap out"
            )
        if items or item or users is None or serve != "change" or replace is not None:
            raise typer.BadParameter("--goal is for --users, is served as a change of their vectors, and lies on top")
        return _steer_to_goal(ctx, run, goal, users, asked, (neurons_at_most, pooled), session, as_json)
    if neurons_at_most is not None or pooled:
        raise typer.BadParameter("--neurons-at-most and --pooled go with --goal")
    if len(chosen) != 1:
        raise typer.BadParameter("give exactly one of --off, --set, --add, --scale and --cap")
    operation, amount = chosen[0]
    edit = _edit(ctx, run, neuron, users, items, item, operation, unit)
    edit["amount"] = None if operation == "off" else amount
    return _steer(ctx, run, edit, asked, session, replace, as_json)


@steering_app.command()
def dose(
    ctx: typer.Context,
    run: RunName,
    neuron: Annotated[int, typer.Option(help="The neuron to edit.")],
    users: Users = None,
    items: Items = None,
    item: Item = None,
    goal: Annotated[
        list[str] | None,
        typer.Option(
            help="What the cohort's lists shall keep to: share(Horror)<=0.02, reach(ID,30)>=0.5, ndcg>=0.99, "
            "rest>=0.8, novelty>=1.1x, diversity>=0.6; repeatable, all must hold."
        ),
    ] = None,
    operation: Annotated[str, typer.Option(help="set, add, scale or cap.")] = "add",
    low: Annotated[float | None, typer.Option("--from", help="The smallest amount.")] = None,
    high: Annotated[float | None, typer.Option("--to", help="The largest.")] = None,
    steps: Annotated[int, typer.Option(min=2, max=200, help="How many amounts are tried.")] = 17,
    unit: Unit = "p99",
    cohort: CohortOption = None,
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The minimum dose of each group of users, too.")
    ] = None,
    about: About = None,
    serve: ServeOption = "change",
    k: Depth = 30,
    session: Annotated[str | None, typer.Option("--session", help="Beneath it, this session's edits.")] = None,
    as_json: AsJson = False,
) -> None:
    """What a growing edit does to a cohort, and the smallest that reaches a goal: the minimum dose."""
    from workbench.dose import dosed, show_dose
    from workbench.steering import Asked
    from workbench.tables import progress_bar

    if operation not in ("set", "add", "scale", "cap"):
        raise typer.BadParameter("--operation is set, add, scale or cap")
    edit = {**_edit(ctx, run, neuron, users, items, item, operation, unit), "amount": 0.0}
    if by is not None and not goal:
        raise typer.BadParameter("--by tells the minimum doses of groups apart, so it needs a --goal")
    asked = Asked(cohort, k, about=about, by=by, serve=serve, limits=goal or ())
    with progress_bar("Trying amounts") as progress:
        progress(0.1, "")
        if session is not None:
            session_state(ctx, session, run)
        facts = dosed(open_run(ctx, run), edit, asked, (low, high, steps), session)
    if as_json:
        return emit_json(facts)
    return show_dose(facts)


def _edit(
    ctx: typer.Context,
    run: str,
    neuron: int | None,
    users: str | None,
    items: str | None,
    item: str | None,
    operation: str,
    unit: str,
) -> dict[str, Any]:
    """The edit as plain data, without its amount."""
    if sum(one is not None for one in (users, items, item)) != 1:
        raise typer.BadParameter("say what to edit: one of --users, --items and --item")
    who: dict[str, Any] = {"side": "users", "where": users} if users is not None else {"side": "items", "where": items}
    if item is not None:
        from engine.inspector import item_number

        opened = open_run(ctx, run)
        who = {"side": "items", "ids": (opened.recommender.items.ids[item_number(opened, item)],)}
    return {**who, "neuron": neuron, "operation": operation, "unit": unit}


def _steer(
    ctx: typer.Context,
    run: str,
    edit: dict[str, Any],
    asked: "Asked",
    session: str | None,
    replaces: int | None,
    as_json: bool,
) -> None:
    from engine.steering.edits import Edit
    from workbench.steering import show_effect, steered
    from workbench.tables import progress_bar

    opened = open_run(ctx, run)
    with _kept_open(ctx, opened.name, session, replaces) as journal:
        stack = journal.state.edits if journal else ()
        with progress_bar("Steering") as progress:
            progress(0.1, "ranking the cohort")
            effect = steered(opened, [edit], asked, stack, session, None if replaces is None else replaces - 1)
        said = _keep(journal, effect, lambda: Edit.parse(edit).as_dict(), replaces)
    _tell(effect, show_effect, said, as_json)


def _steer_to_goal(
    ctx: typer.Context,
    run: str,
    goal: str,
    users: str,
    asked: "Asked",
    which: tuple[int | None, bool],
    session: str | None,
    as_json: bool,
) -> None:
    from workbench.goal import goal_facts, show_goal
    from workbench.steering import show_guards
    from workbench.tables import progress_bar

    def show(facts: "Mapping[str, Any]") -> None:
        show_goal(facts)
        show_guards(facts)

    opened = open_run(ctx, run)
    with _kept_open(ctx, opened.name, session, None) as journal:
        stack = journal.state.edits if journal else ()
        with progress_bar("Solving") as progress:
            progress(0.1, "and comparing with other ways")
            facts, write = goal_facts(opened, goal, asked, users, which[0], stack, session, pooled=which[1])
        said = _keep(journal, facts, lambda: write(session or "").edit.as_dict(), None)
    _tell(facts, show, said, as_json)


@contextmanager
def _kept_open(ctx: typer.Context, run: str, session: str | None, replaces: int | None) -> "Iterator[Session | None]":
    """The session that an edit is to be kept in, locked until it is: no other process changes what it is laid on."""
    from engine.session import Session

    if session is None:
        if replaces is not None:
            raise typer.BadParameter("--replace names an edit of a --session")
        yield None
        return
    with Session.open(home_of(ctx), session, run) as journal:
        if journal.read_only:
            raise MonoscopeError(journal.notice or f"Session {session} can be read, not changed.")
        if replaces is not None and not 1 <= replaces <= len(journal.state.edits):
            raise MonoscopeError(f"Session {session} has no edit {replaces}; `sessions show {session}` numbers them.")
        yield journal


def _keep(
    journal: "Session | None",
    effect: "Mapping[str, Any]",
    edit_of: "Callable[[], dict[str, Any]]",
    replaces: int | None,
) -> str | MonoscopeError:
    """Put the edit into the session with the figures of the whole stack, unless a guard is crossed; what to say."""
    from engine.steering.kept import measured

    crossed = [
        f"{guard['limit']} {'is unknown' if guard['holds'] is None else 'does not hold'}"
        for guard in effect["guards"]
        if guard["refuses"] and not guard["holds"]
    ]
    if crossed:
        kept = f" Session {journal.name} was left as it was." if journal else ""
        return MonoscopeError(f"{' and '.join(crossed)} after this edit.{kept}")
    if journal is None:
        return ""
    place = {} if replaces is None else {"replaces": replaces - 1}
    state = journal.append("edit", edit=edit_of(), measured=measured(effect), **place)
    count = len(state.edits)
    return f"Kept in session {journal.name}, which has {count} edit{'s' if count > 1 else ''} now."


def _tell(
    facts: "Mapping[str, Any]", show: "Callable[[Mapping[str, Any]], None]", said: str | MonoscopeError, as_json: bool
) -> None:
    """What came of it: everything is kept by now, so that a closed pipe loses no edit."""
    from workbench.tables import say

    if as_json:
        emit_json(facts)
    else:
        show(facts)
    if isinstance(said, MonoscopeError):
        raise said
    if said and not as_json:
        say(said)
