"""Changing neurons: `steer` and `dose`."""

from dataclasses import replace as with_values
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import MonoscopeError
from workbench.commands.common import AsJson, RunName, emit_json, group, open_run, session_state
from workbench.commands.keeping import Laid, Place, laid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.run import Run
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
HandOver = Annotated[Path | None, typer.Option("--hand-over", hidden=True, metavar="FILE")]
"""The workbench asks for an edit with it: the command does not write to a session that is open there."""


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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show it: keep nothing, in a --session or on the bench.")
    ] = False,
    hand_over: HandOver = None,
    as_json: AsJson = False,
) -> None:
    """Edit one neuron of users or of items, and see lists before and after, with the side effects.

    With --goal, solve for the edit of each user that reaches it and moves the rest of the lists least, beside other
    ways to it. With --session the edit is kept there, unless a --guard is crossed; without, nothing is kept. Without
    an edit (no --neuron, no --goal) it shows what the --session's edits do to the --users.
    """
    from workbench.steering import Asked

    given = {"off": off or None, "set": set_to, "add": add, "scale": scale, "cap": cap}
    chosen = [(operation, amount) for operation, amount in given.items() if amount is not None]
    if goal is not None and neuron is not None:
        raise typer.BadParameter("give --neuron and what to do with it, or --goal")
    asked = Asked(cohort, k, watch, about, by, serve, guard or (), warn or ())
    place = Place(session, replace, not dry_run, hand_over)
    if goal is None and neuron is None:
        if chosen or items or item or replace is not None or (users and cohort):
            raise typer.BadParameter("give --neuron and what to do with it, or --goal; or --users alone, to measure")
        return _measure(ctx, run, with_values(asked, cohort=cohort or users or "true"), session, as_json)
    if session is not None and serve != "change" and not dry_run:
        raise typer.BadParameter(
            "a session serves its edits as a change of the vectors: leave out --serve or --session, or keep nothing "
            "(--dry-run)"
        )
    if goal is not None:
        if chosen:
            raise typer.BadParameter(
                "--goal finds the amounts itself; leave --off, --set, --add, --scale and --cap out"
            )
        if items or item or users is None or serve != "change" or replace is not None:
            raise typer.BadParameter("--goal is for --users, is served as a change of their vectors, and lies on top")
        return _steer_to_goal(ctx, run, goal, users, asked, (neurons_at_most, pooled), place, as_json)
    if neurons_at_most is not None or pooled:
        raise typer.BadParameter("--neurons-at-most and --pooled go with --goal")
    if len(chosen) != 1:
        raise typer.BadParameter("give exactly one of --off, --set, --add, --scale and --cap")
    operation, amount = chosen[0]
    edit = _edit(ctx, run, neuron, users, items, item, operation, unit)
    edit["amount"] = None if operation == "off" else amount
    return _steer(ctx, run, edit, asked, place, as_json)


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
    session: Annotated[
        str | None,
        typer.Option(
            "--session", help="Beneath it, this session's edits, but for one of the same neuron for these users."
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Measure N of the users, drawn at random, always the same."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="With --session and --goal: keep the minimum dose there.")
    ] = False,
    hand_over: HandOver = None,
    as_json: AsJson = False,
) -> None:
    """What a growing edit does to a cohort, and the smallest that reaches a goal: the minimum dose.

    RBO is with the lists without this edit. In a session it takes the place of the edit of its neuron for the same
    users or items, if there is one.
    """
    from workbench.dose import dosed, show_dose
    from workbench.steering import Asked
    from workbench.tables import progress_bar

    if operation not in ("set", "add", "scale", "cap"):
        raise typer.BadParameter("--operation is set, add, scale or cap")
    edit = {**_edit(ctx, run, neuron, users, items, item, operation, unit), "amount": 0.0}
    if by is not None and not goal:
        raise typer.BadParameter("--by tells the minimum doses of groups apart, so it needs a --goal")
    asked = Asked(cohort, k, about=about, by=by, serve=serve, limits=goal or ())
    if keep and (session is None or not goal or serve != "change"):
        raise typer.BadParameter("--keep needs a --session and a --goal, and is served as a change of the vectors")
    opened = open_run(ctx, run)
    said: str | MonoscopeError = ""
    with laid(ctx, opened.name, Place(session, None, keep, hand_over)) as beneath:
        with progress_bar("Trying amounts") as progress:
            progress(0.1, "")
            facts = dosed(opened, edit, asked, (low, high, steps), beneath.edits, session, sample)
        said = _dose_kept(opened, edit, asked, facts, beneath) if keep else ""
    return _tell(facts, show_dose, said, as_json)


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


def _steer(ctx: typer.Context, run: str, edit: dict[str, Any], asked: "Asked", place: Place, as_json: bool) -> None:
    from engine.steering.edits import Edit
    from workbench.steering import show_effect, steered
    from workbench.tables import progress_bar

    opened = open_run(ctx, run)
    with laid(ctx, opened.name, place) as beneath:
        with progress_bar("Steering") as progress:
            progress(0.1, "ranking the cohort")
            effect = steered(opened, [edit], asked, beneath.edits, place.session, beneath.at)
        said = beneath.keep(effect, lambda: Edit.parse(edit).as_dict())
    _tell(effect, show_effect, said, as_json)


def _measure(ctx: typer.Context, run: str, asked: "Asked", session: str | None, as_json: bool) -> None:
    """What the edits of a session do to a cohort, without one of its own."""
    from workbench.steering import show_effect, steered
    from workbench.tables import progress_bar

    opened, stack = open_run(ctx, run), session_state(ctx, session, run).edits if session is not None else ()
    with progress_bar("Measuring") as progress:
        progress(0.1, "ranking the cohort")
        effect = steered(opened, [], asked, stack, session)
    said = Laid(Place(None), tuple(stack)).keep(effect, dict)
    _tell(effect, show_effect, said, as_json)


def _steer_to_goal(
    ctx: typer.Context,
    run: str,
    goal: str,
    users: str,
    asked: "Asked",
    which: tuple[int | None, bool],
    place: Place,
    as_json: bool,
) -> None:
    from workbench.goal import goal_facts, show_goal
    from workbench.steering import show_guards
    from workbench.tables import progress_bar

    def show(facts: "Mapping[str, Any]") -> None:
        show_goal(facts)
        show_guards(facts)

    opened = open_run(ctx, run)
    with laid(ctx, opened.name, place) as beneath:
        with progress_bar("Solving") as progress:
            progress(0.1, "and comparing with other ways")
            facts, write = goal_facts(
                opened, goal, asked, users, which[0], beneath.edits, place.session, pooled=which[1]
            )
        said = beneath.keep(facts, lambda: write(place.session or "").edit.as_dict())
    _tell(facts, show, said, as_json)


def _dose_kept(
    opened: "Run", edit: dict[str, Any], asked: "Asked", facts: "Mapping[str, Any]", beneath: Laid
) -> str | MonoscopeError:
    """Keep the smallest amount that reaches the goals, in the place of the edit that it is for; what to say."""
    from engine.steering.edits import Edit
    from workbench.steering import steered

    found = facts["minimum"]
    if found is None or found["amount"] is None:
        return MonoscopeError(f"No amount reaches it, so session {beneath.place.session} was left as it was.")
    smallest = Edit.parse({**edit, "amount": found["amount"]})
    at = None if facts["replaces"] is None else facts["replaces"] - 1
    effect = steered(opened, [smallest.as_dict()], asked, beneath.edits, beneath.place.session, at)
    return beneath.keep(effect, smallest.as_dict, at)


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
