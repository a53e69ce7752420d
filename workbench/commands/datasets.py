"""`monoscope datasets`: what is known, what is here, and how it gets here."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.choices import home_of
from workbench.commands.common import AsJson, DatasetName, emit_json, group

datasets_app = group("Data sets: what is known, what is here.", invoke_without_command=True)


@datasets_app.callback()
def datasets(ctx: typer.Context, as_json: AsJson = False) -> None:
    if ctx.invoked_subcommand is None:
        datasets_list(ctx, as_json)


@datasets_app.command("list")
def datasets_list(ctx: typer.Context, as_json: AsJson = False) -> None:
    """What is known and what is here, with licence and size."""
    from dataclasses import asdict

    from engine.catalogue.catalogue import datasets as known

    found = [asdict(info) for info in known(home_of(ctx))]
    if as_json:
        return emit_json(found)
    from workbench.tables import megabytes, show

    columns = ("name", "title", "state", "users", "items", "interactions", "licence")
    rows = [[*(info[column] for column in columns), megabytes(info["bytes"])] for info in found]
    show("", (*columns, "size"), rows, "users, items, interactions, size")
    return None


@datasets_app.command("fetch")
def datasets_fetch(
    ctx: typer.Context,
    name: DatasetName,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="An archive or folder with the official layout, in place of a download."),
    ] = None,
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="Assent to the licence.")] = False,
) -> None:
    """Download a data set, or read it from a file, and build its catalogue."""
    from engine.catalogue.fetch import fetch
    from engine.catalogue.recipes import recipe
    from workbench.tables import progress_bar, say

    known = recipe(name)
    assent = accept_licence or not known.needs_assent
    if not assent:
        say(f"{known.title}: {known.licence}")
        say(known.licence_text)
        assent = sys.stdin.isatty() and typer.confirm("Do you accept these terms?", default=False, err=True)
    with progress_bar(f"Fetching {name}") as progress:
        folder = fetch(home_of(ctx), name, source=source, assent=assent, progress=progress)
    from engine.catalogue.catalogue import Catalogue

    with Catalogue.open(home_of(ctx), name) as catalogue:
        if catalogue.meta["source_notice"]:
            say(f"Note: {catalogue.meta['source_notice']}.")
    say(f"{name} is ready in {folder}. Next: monoscope train {name} --recommender mf")
