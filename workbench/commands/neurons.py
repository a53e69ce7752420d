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
    reverse: Annotated[bool, typer.Option("--reverse", help="With --sort: the other way round.")] = False,
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
    from workbench.facts import filtered_rows, neuron_facts, sorted_rows

    opened = open_run(ctx, run)
    state = session_state(ctx, session, run)
    if matrix:
        return _matrix(opened, as_json)
    everyone = [neuron_facts(opened, n.neuron, state) for n in opened.neurons]
    if match is not None:
        from engine.compared import matched

        found = {one["a"]: one for one in matched(opened, open_run(ctx, match))["pairs"]}
        for row in everyone:
            pair = found.get(row["neuron"])
            row |= {"match": pair["correlation"] if pair else None, "match_neuron": pair["b"] if pair else None}
    rows = sorted_rows(filtered_rows(everyone, where), sort, reverse)
    if as_json:
        return emit_json(rows)
    from workbench.tables import show_neurons

    reach = [vars(entry) for entry in opened.reach]
    return show_neurons(rows, reach, opened.manifest["notice"], opened.manifest["dataset"])


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
    whole: Annotated[
        bool, typer.Option("--all", help="Every concept, group of users, example and gain, not the first few.")
    ] = False,
    session: SessionName = None,
    as_json: AsJson = False,
) -> None:
    """One neuron: its top items, its evidence, its whole range, who activates it, and what it moves."""
    from workbench.facts import inspected
    from workbench.tables import progress_bar

    with progress_bar("Measuring") as progress:
        progress(0.1, "what it moves")
        facts = inspected(open_run(ctx, run), number, session_state(ctx, session, run), k)
    if as_json:
        return emit_json(facts)
    from workbench.pages import show_neuron_page
    from workbench.tables import show_neuron

    show_neuron(facts)
    return show_neuron_page(facts, whole=whole)


@neurons_app.command()
def recommend(
    ctx: typer.Context,
    run: RunName,
    user: Annotated[list[str], typer.Option(metavar="ID", help="The user's id; repeatable.")],
    k: Annotated[int, typer.Option("-k", min=1, help="Length of the list.")] = 30,
    session: Annotated[str | None, typer.Option(help="Apply the edits of this session.")] = None,
    as_json: AsJson = False,
) -> None:
    """The ranked lists of users, seen items left out, and how faithful the neurons are to each.

    With --session also what its edits did to each list. With --json one user is an object; several are `users`.
    """
    from workbench.facts import recommended

    edits = session_state(ctx, session, run).edits if session else ()
    facts = recommended(open_run(ctx, run), user, k, edits, session)
    if as_json:
        return emit_json(facts[0] if len(facts) == 1 else {"k": k, "users": facts})
    from workbench.steering import show_ranked

    under = f" after {len(edits)} edit{'' if len(edits) == 1 else 's'} of session {session}" if session else ""
    for one in facts:
        show_ranked(one, under, edited=bool(edits))
    return None
