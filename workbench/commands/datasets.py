"""`monoscope datasets`: what is known, what is here, and how it gets here."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.choices import home_of, key_values
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
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A parameter of its recipe, such as min_listeners=5."),
    ] = None,
) -> None:
    """Download a data set, or read it from a file, and build its catalogue."""
    from engine.catalogue.fetch import fetch, fetchable
    from workbench.tables import progress_bar, say

    known = fetchable(home_of(ctx), name)
    assent = accept_licence or not known.needs_assent
    if not assent:
        say(f"{known.title}: {known.licence}")
        say(known.licence_text)
        assent = sys.stdin.isatty() and typer.confirm("Do you accept these terms?", default=False, err=True)
    with progress_bar(f"Fetching {name}") as progress:
        folder = fetch(
            home_of(ctx),
            name,
            source=source,
            assent=assent,
            progress=progress,
            parameters=key_values(values or []),
        )
    from engine.catalogue.catalogue import Catalogue

    with Catalogue.open(home_of(ctx), name) as catalogue:
        if catalogue.meta["source_notice"]:
            say(f"Note: {catalogue.meta['source_notice']}.")
    say(f"{name} is ready in {folder}. Next: monoscope train {name}")


Column = Annotated[str | None, typer.Option(metavar="COLUMN")]


@datasets_app.command("add")
def datasets_add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    interactions: Annotated[Path | None, typer.Option(help="Rows of user, item and, if known, weight, time.")] = None,
    items: Annotated[Path | None, typer.Option(help="The items' titles, years, tags and other columns.")] = None,
    users: Annotated[Path | None, typer.Option(help="The users' columns.")] = None,
    user_column: Column = None,
    item_column: Column = None,
    weight_column: Column = None,
    time_column: Column = None,
    title_column: Column = None,
    year_column: Column = None,
    tags_column: Column = None,
    min_rating: Annotated[
        float | None, typer.Option(help="Keep the interactions of this weight and more; default: all.")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Accept items and users that only the interactions name.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace one of that name; without files, build it again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add data of your own: CSV, TSV, Parquet or JSON Lines, text also as .gz.

    Columns are guessed by their names, and the guess is printed; the options name them (a column's option with "none"
    leaves it out). The files are read where they are. What was understood becomes three small files that you can
    change, in the data set's folder: dataset.toml, load.sql and concepts.sql.
    """
    from dataclasses import asdict

    from engine.catalogue.add import add, rebuild
    from engine.catalogue.guess import Columns
    from workbench.tables import progress_bar, say

    home = home_of(ctx)
    columns = Columns(user_column, item_column, weight_column, time_column, title_column, year_column, tags_column)
    with progress_bar(f"Adding {name}") as progress:
        if replace and interactions is items is users is None:
            done = rebuild(home, name, progress)
        else:
            done = add(
                home,
                name,
                interactions=interactions,
                items=items,
                users=users,
                columns=columns,
                min_rating=min_rating,
                allow_missing=allow_missing,
                replace=replace,
                progress=progress,
            )
    if as_json:
        return emit_json(asdict(done))
    for file, chosen in done.guessed.items():
        say(f"{file}: " + ", ".join(f"{role} is {column!r}" for role, column in chosen.items()))
    for note in done.notes:
        say(f"Note: {note}.")
    say(
        f"{name}: {done.users:,} users, {done.items:,} items, {done.interactions:,} interactions, {done.concepts:,}"
        f" concepts. Its recipe is in {home.dataset(name)}."
    )
    after = f"train {name}" if done.interactions else f"adopt {name} --user-vectors FILE --item-vectors FILE"
    say(f"Next: monoscope datasets doctor {name}, then monoscope {after}")
    return None


@datasets_app.command("doctor")
def datasets_doctor(ctx: typer.Context, name: DatasetName, as_json: AsJson = False) -> None:
    """What in a data set will show in results, a line a finding, with what to do about it.

    Exits with 1 if the data set cannot be used as it is.
    """
    from dataclasses import asdict

    from engine.catalogue.check import check

    found = check(home_of(ctx), name)
    if as_json:
        emit_json([asdict(finding) for finding in found])
    else:
        from workbench.tables import say

        for finding in found:
            advice = f" → {finding.advice}" if finding.advice else ""
            say(f"{finding.state:<8}{finding.what}: {finding.finding}{advice}")
            if finding.samples:
                say(f"        such as {'; '.join(finding.samples)}")
    if any(finding.state == "problem" for finding in found):
        raise typer.Exit(1)
