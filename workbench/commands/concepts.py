"""`monoscope concepts`, `cohorts` and `concept`: the named sets that neurons and edits are measured against."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workbench.choices import home_of
from workbench.commands.common import AsJson, DatasetName, RunName, emit_json, group, open_run

if TYPE_CHECKING:
    from engine.catalogue.catalogue import Catalogue

concepts_app = group("")

Action = Annotated[str, typer.Argument(metavar="[add|remove]", help="Name one of your own, or forget it.")]
OwnName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Its name.")]


@concepts_app.command()
def concepts(
    ctx: typer.Context,
    dataset: DatasetName,
    action: Action = "list",
    name: OwnName = None,
    where: Annotated[
        str | None, typer.Option(metavar="SQL", help="Which items: \"year < 1950 AND has('Film-Noir')\".")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The named sets of items that purity is measured against; `add NAME --where SQL` names one of your own."""
    from engine.catalogue.catalogue import Catalogue

    with Catalogue.open(home_of(ctx), dataset) as catalogue:
        if _changed(catalogue, "concept", action, name, where):
            return None
        conditions = {entry.name: entry.where for entry in _own(catalogue, "concept")}
        found = [
            {"concept": c.name, "kind": c.kind, "items": len(c.items), "where": conditions.get(c.name)}
            for c in catalogue.concepts()
        ]
    if as_json:
        return emit_json(found)
    from workbench.tables import show

    rows = [[entry["concept"], entry["kind"], entry["items"], entry["where"] or ""] for entry in found]
    show("", ("concept", "kind", "items", "condition"), rows, "items")
    return None


@concepts_app.command()
def cohorts(
    ctx: typer.Context,
    dataset: DatasetName,
    action: Action = "list",
    name: OwnName = None,
    where: Annotated[
        str | None, typer.Option(metavar="SQL", help="Which users: \"share('Horror') >= 0.3 AND gender = 'F'\".")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Named sets of users; `add NAME --where SQL` names one, for `steer --users NAME`.

    Beside the users' columns a condition may say share('Horror'), the share of what they saw that carries a concept,
    seen('ID') and history(), how many items they saw.
    """
    from engine.catalogue.catalogue import Catalogue

    with Catalogue.open(home_of(ctx), dataset) as catalogue:
        if _changed(catalogue, "cohort", action, name, where):
            return None
        found = [{"cohort": c.name, "users": len(c.users), "where": c.where} for c in catalogue.cohorts()]
    if as_json:
        return emit_json(found)
    from workbench.tables import say, show

    if not found:
        return say(f"No cohorts yet; name one with: monoscope cohorts {dataset} add NAME --where SQL")
    show("", ("cohort", "users", "condition"), [list(entry.values()) for entry in found], "users")
    return None


def _own(catalogue: "Catalogue", kind: Literal["concept", "cohort"]) -> list:
    from engine.catalogue.named import own

    return own(catalogue.folder, kind)


def _changed(
    catalogue: "Catalogue", kind: Literal["concept", "cohort"], action: str, name: str | None, where: str | None
) -> bool:
    """Do what `action` says; False if it is to list."""
    from engine.catalogue import naming
    from workbench.tables import say

    if action == "list" and name is None and where is None:
        return False
    if action == "add" and name and where:
        found = naming.add(catalogue, kind, name, where)
        say(f"The {kind} {found.name!r} has {len(found.members):,} {'items' if kind == 'concept' else 'users'}.")
        return True
    if action == "remove" and name and where is None:
        naming.remove(catalogue, kind, name)
        say(f"The {kind} {name!r} is forgotten.")
        return True
    raise typer.BadParameter(f"write `{kind}s DATASET`, `... add NAME --where SQL` or `... remove NAME`")


@concepts_app.command()
def concept(
    ctx: typer.Context,
    run: RunName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A concept's name, one of your own too.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many neurons.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Which neurons stand for a concept: purity of each neuron's top items, the purest first."""
    from workbench.facts import concept_facts

    facts = concept_facts(open_run(ctx, run), name, k)
    if as_json:
        return emit_json(facts)
    from workbench.pages import show_concept

    return show_concept(facts)
