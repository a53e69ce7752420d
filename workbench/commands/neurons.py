"""Looking at neurons and at lists, and changing them."""

from typing import TYPE_CHECKING, Annotated

import typer

from workbench.commands.common import AsJson, RunName, SessionName, emit_json, group, open_run, session_state

if TYPE_CHECKING:
    from engine.run import Run

neurons_app = group("")


@neurons_app.command()
def neurons(
    ctx: typer.Context,
    run: RunName,
    sort: Annotated[str | None, typer.Option(help="A column of the JSON, such as purity20 or density_users.")] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL", help='Which: one condition over columns of the JSON, "purity20 >= 0.9 AND q < 0.1".'
        ),
    ] = None,
    match: Annotated[
        str | None, typer.Option(metavar="RUN", help="Another run: how well each neuron is found again there.")
    ] = None,
    matrix: Annotated[bool, typer.Option("--matrix", help="Concepts by neurons, one to one.")] = False,
    session: SessionName = None,
    as_json: AsJson = False,
) -> None:
    """The neuron table: what each neuron stands for, with its evidence."""
    from workbench.facts import filtered_rows, matched, neuron_facts, sorted_rows

    opened = open_run(ctx, run)
    labels = session_state(ctx, session, run).labels
    if matrix:
        return _matrix(opened, as_json)
    everyone = [neuron_facts(opened, n.neuron, labels) for n in opened.neurons]
    if match is not None:
        found = {one["a"]: one for one in matched(opened, open_run(ctx, match))["pairs"]}
        for row in everyone:
            pair = found.get(row["neuron"])
            row |= {"match": pair["correlation"] if pair else None, "match_neuron": pair["b"] if pair else None}
    rows = sorted_rows(filtered_rows(everyone, where), sort)
    if as_json:
        return emit_json(rows)
    from workbench.tables import show_neurons

    return show_neurons(rows, [vars(entry) for entry in opened.reach], opened.manifest["notice"])


def _matrix(run: "Run", as_json: bool) -> None:
    from workbench.facts import concept_matrix

    facts = concept_matrix(run)
    if as_json:
        return emit_json(facts)
    from workbench.comparison import show_matrix

    return show_matrix(facts)


@neurons_app.command()
def neuron(
    ctx: typer.Context,
    run: RunName,
    number: Annotated[int, typer.Argument(metavar="J", help="The neuron's number.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many items and users.")] = 20,
    session: SessionName = None,
    as_json: AsJson = False,
) -> None:
    """One neuron: its top items, its evidence, its whole range, who activates it, and what it moves."""
    from workbench.facts import inspected
    from workbench.tables import progress_bar

    with progress_bar("Measuring") as progress:
        progress(0.1, "what it moves")
        facts = inspected(open_run(ctx, run), number, session_state(ctx, session, run).labels, k)
    if as_json:
        return emit_json(facts)
    from workbench.pages import show_neuron_page
    from workbench.tables import show_neuron

    show_neuron(facts)
    return show_neuron_page(facts)


@neurons_app.command()
def recommend(
    ctx: typer.Context,
    run: RunName,
    user: Annotated[str, typer.Option(help="The user's id.")],
    k: Annotated[int, typer.Option("-k", min=1, help="Length of the list.")] = 30,
    session: Annotated[str | None, typer.Option(help="Apply the edits of this session.")] = None,
    as_json: AsJson = False,
) -> None:
    """A user's ranked list, seen items left out."""
    from workbench.facts import recommended

    edits = session_state(ctx, session, run).edits if session else ()
    facts = recommended(open_run(ctx, run), user, k, edits)
    if as_json:
        return emit_json(facts)
    from workbench.tables import say, show_list

    say(f"User {user}: top {k}" + (f" after {len(edits)} edits of session {session}" if session else ""))
    return show_list(facts["items"], ranks=bool(edits))


@neurons_app.command()
def steer(
    ctx: typer.Context,
    run: RunName,
    users: Annotated[str, typer.Option(metavar="SQL", help="Whose codes: a predicate such as \"gender = 'F'\".")],
    neuron: Annotated[int | None, typer.Option(help="The neuron to edit.")] = None,
    goal: Annotated[
        str | None,
        typer.Option(
            help="Solve for the edit instead: share(Horror)<=0.02, share(Horror)>=30%, share(Horror)<=0.5x "
            "(half of what each user has)."
        ),
    ] = None,
    neurons_at_most: Annotated[
        int | None, typer.Option(min=1, help="With --goal: how many neurons a user's edit may move.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Set the neuron to 0.")] = False,
    set_to: Annotated[float | None, typer.Option("--set", help="Set it to this amount.")] = None,
    add: Annotated[float | None, typer.Option(help="Add this amount.")] = None,
    scale: Annotated[float | None, typer.Option(help="Multiply it.")] = None,
    unit: Annotated[str, typer.Option(help="p99 (of the neuron's own activations) or raw.")] = "p99",
    watch: Annotated[str | None, typer.Option(metavar="SQL", help="Users whose lists are spelled out.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Length of the lists.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Edit one neuron for a cohort, and see its lists before and after, with the side effects.

    With --goal, solve for the edit that reaches it and moves the rest of the lists least, beside other ways to it.
    """
    from workbench.facts import steered
    from workbench.tables import progress_bar, show_effect

    given = {"off": off or None, "set": set_to, "add": add, "scale": scale}
    chosen = [(operation, amount) for operation, amount in given.items() if amount is not None]
    if (goal is None) == (neuron is None):
        raise typer.BadParameter("give --neuron and what to do with it, or --goal")
    if goal is not None:
        if chosen:
            raise typer.BadParameter("--goal finds the amounts itself; leave --off, --set, --add and --scale out")
        if watch is not None:
            raise typer.BadParameter("--watch goes with --neuron")
        return _steer_to_goal(ctx, run, goal, users, k, neurons_at_most, as_json)
    if neurons_at_most is not None:
        raise typer.BadParameter("--neurons-at-most goes with --goal")
    if len(chosen) != 1:
        raise typer.BadParameter("give exactly one of --off, --set, --add and --scale")
    operation, amount = chosen[0]
    edit = {
        "neuron": neuron,
        "operation": operation,
        "amount": None if operation == "off" else amount,
        "unit": unit,
    }
    with progress_bar("Steering") as progress:
        progress(0.1, "ranking the cohort")
        effect = steered(open_run(ctx, run), [edit], users, watch, k)
    if as_json:
        return emit_json(effect)
    return show_effect(effect, k)


def _steer_to_goal(
    ctx: typer.Context, run: str, goal: str, users: str, k: int, neurons_at_most: int | None, as_json: bool
) -> None:
    from workbench.goal import goal_facts, show_goal
    from workbench.tables import progress_bar

    with progress_bar("Solving") as progress:
        progress(0.1, "and comparing with other ways")
        facts = goal_facts(open_run(ctx, run), goal, users, k, neurons_at_most)
    if as_json:
        return emit_json(facts)
    return show_goal(facts)
