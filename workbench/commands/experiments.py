"""`monoscope sweep` and `monoscope reproduce`: several runs at once."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import MonoscopeError
from workbench.choices import complete_dataset, home_of, setting
from workbench.commands.common import AsJson, DatasetName, emit_json, group

if TYPE_CHECKING:
    from engine.experiments.reproduce import Order

experiments_app = group("")


@experiments_app.command()
def sweep(
    ctx: typer.Context,
    dataset: DatasetName,
    grid: Annotated[
        list[str],
        typer.Option("--grid", metavar="KEY=V1,V2", help="A setting and its values, such as sae.beta=0,1,10."),
    ],
    base: Annotated[
        str | None, typer.Option(metavar="RUN", help="Whose recommender; default: the newest run of the data set.")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="best or paper: settings that are not given.")] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting for all, such as sae.seed=1.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings for all.")] = None,
    name: Annotated[str | None, typer.Option(help="Keep the result in sweeps/NAME.json, and its picture.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train every combination of settings over one frozen recommender; print the front of purity and fidelity
    beside what needs no training.

    All train over the same batches. The choice (best) is by monosemanticity on half of the items, never by labels.
    """
    from engine.experiments.sweep import stored
    from engine.experiments.sweep import sweep as run_sweep
    from engine.run import Run, runs
    from workbench.tables import progress_bar, say

    home = home_of(ctx)
    if base is None:
        usable = [one["name"] for one in runs(home) if one.get("dataset") == dataset]
        if not usable:
            raise MonoscopeError(
                f"There is no run of {dataset} to take a recommender from; `monoscope train {dataset}`."
            )
        base = str(usable[0])
    opened = Run.open(home, base)
    if opened.manifest["dataset"] != dataset:
        raise MonoscopeError(f"Run {base} is of the data set {opened.manifest['dataset']}, not of {dataset}.")
    given = setting(config, {"recipe": recipe}, values or [])
    with progress_bar(f"Sweeping over {base}") as progress:
        found = run_sweep(home, opened, given, axes_of(grid), name, progress).as_dict()
    if as_json:
        return emit_json(found)
    from workbench.comparison import show_sweep

    show_sweep(found)
    if name is not None:
        say("Written: " + ", ".join(str(file) for file in stored(home, name)))
    return None


def axes_of(texts: list[str]) -> dict[str, list[Any]]:
    """KEY=V1,V2 options as settings with their values; a value is read as TOML, else as text."""
    import tomllib

    axes: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, listed = text.partition("=")
        if not equals or not listed.strip():
            raise MonoscopeError(f"--grid {text!r} is no KEY=V1,V2, such as sae.beta=0,1,10.")
        try:
            axes[key.strip()] = tomllib.loads(f"value = [{listed}]")["value"]
        except ValueError:
            axes[key.strip()] = [part.strip() for part in listed.split(",")]
    return axes


@experiments_app.command()
def reproduce(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="all, table1, figure2, figure3, figure4, figure5, interventions, steering or matryoshka.",
        ),
    ],
    dataset: Annotated[str, typer.Option(help="ml-1m, lastfm-2k or lastfm-msd.", autocompletion=complete_dataset)],
    models: Annotated[str, typer.Option(help="Recommenders: mf, ncf or both.")] = "mf,ncf",
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Seeds 0, 1, 2... of the recommender (table1, steering) or of the autoencoder over one recommender "
            "(figure4); means are over them. The others show seed 0.",
        ),
    ] = 3,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the files; default: reproductions/ in the home.")
    ] = None,
    with_users: Annotated[
        bool, typer.Option("--with-users", help="Tell of groups of fewer than 10 users too; they are left out else.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a table or figure of the paper from this data set, ours beside the published one.

    Trains what is missing, over recommenders that are here; an interrupted command goes on where it was. `all` makes
    every one that the data set allows, what costs least first, keeps each as soon as it is done, and writes one
    document (all.html, all.md) with our pictures beside the published figures, and where and why they differ. The
    document is written anew as each part begins and ends, and says in its title while it is unfinished.
    """
    from engine.experiments.reproduce import MAKERS, Order, needed
    from engine.experiments.trained import MODELS
    from engine.experiments.whole import make
    from workbench.tables import progress_bar, say

    chosen = [model for model in MODELS if model in models.split(",")]
    if what not in ("all", *MAKERS):
        raise typer.BadParameter(f"WHAT is one of all, {', '.join(MAKERS)}")
    if not chosen or set(models.split(",")) - set(MODELS):
        raise typer.BadParameter("--models is mf, ncf or mf,ncf")
    order = Order(home_of(ctx), dataset, chosen, range(seeds), with_users)
    folder = output or order.folder
    if what == "all":
        return reproduce_all(order, folder, as_json)
    if not as_json:
        say(needed(order, what))
    with progress_bar(f"{what} of {dataset}") as progress:
        files = make(order, what, folder, progress)
    if as_json:
        facts = json.loads((folder / f"{what}.json").read_text(encoding="utf-8"))
        return emit_json({**facts, "files": [str(file) for file in files]})
    for line in (folder / f"{what}.md").read_text(encoding="utf-8").splitlines():
        say(line)
    return say("Written: " + ", ".join(str(file) for file in files))


def reproduce_all(order: "Order", folder: Path, as_json: bool) -> None:
    """Say what is going to be made, make it, and write the document; exits with 1 if a part failed."""
    from engine.experiments.pace import minutes
    from engine.experiments.whole import Part, make_all, stated, steps
    from engine.report.paper import write_paper
    from workbench.tables import progress_bar, say, show, tell

    planned = steps(order, folder)

    began = 0.0

    def told(part: Part, parts: Sequence[Part]) -> None:
        nonlocal began
        took = f" in {minutes(time.monotonic() - began)}" if part.state == "made" else ""
        if part.state == "being made":
            began = time.monotonic()
        if not as_json:
            say(f"{part.name}: {part.state}{took}.{' ' + part.reason if part.reason else ''}")
        write_paper(order, parts, folder)

    if not as_json:
        for sentence in stated(order, planned, folder):
            tell(sentence)
    with progress_bar(f"The paper on {order.dataset}") as progress:
        parts = make_all(order, planned, folder, progress, told)
    document, files = write_paper(order, parts, folder)
    if as_json:
        emit_json({**document.facts, "files": [str(file) for file in files]})
    else:
        rows = [[one["what"], one["paper"], one["ours"], one["verdict"]] for one in document.facts["differences"]]
        show("Published figures beside ours", ("what", "paper", "ours", ""), rows, "paper, ours")
        say("Written: " + ", ".join(str(file) for file in files))
    if any(part.state == "failed" for part in parts):
        raise typer.Exit(1)
