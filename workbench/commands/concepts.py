"""`monoscope concepts`: the named sets of items that neurons are measured against."""

import typer

from workbench.choices import home_of
from workbench.commands.common import AsJson, DatasetName, emit_json, group

concepts_app = group("")


@concepts_app.command()
def concepts(ctx: typer.Context, dataset: DatasetName, as_json: AsJson = False) -> None:
    """The named sets of items that purity is measured against."""
    from engine.catalogue.catalogue import Catalogue

    with Catalogue.open(home_of(ctx), dataset) as catalogue:
        found = [{"concept": c.name, "kind": c.kind, "items": len(c.items)} for c in catalogue.concepts()]
    if as_json:
        return emit_json(found)
    from workbench.tables import show

    show("", ("concept", "kind", "items"), [list(entry.values()) for entry in found], "items")
    return None
