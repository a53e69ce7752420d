"""`monoscope sweep`: several autoencoders over one frozen recommender."""

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import MonoscopeError
from workbench.choices import home_of, setting
from workbench.commands.common import AsJson, DatasetName, emit_json, group

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
    name: Annotated[str | None, typer.Option(help="Keep the result under this name, in sweeps/NAME.json.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train every combination of settings over one frozen recommender; print the front of purity and fidelity.

    All train over the same batches. The choice (best) is by monosemanticity on half of the items, never by labels.
    """
    from engine.experiments.sweep import sweep as run_sweep
    from engine.run import Run, runs
    from workbench.tables import progress_bar

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

    return show_sweep(found)


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
