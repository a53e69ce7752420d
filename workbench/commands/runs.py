"""`monoscope train` and `monoscope runs`: how runs come about, and what there is of them."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import MonoscopeError
from workbench.choices import complete_run, home_of, setting
from workbench.commands.common import AsJson, DatasetName, RunName, emit_json, figure, group, open_run

if TYPE_CHECKING:
    from engine.run import Run

making_app = group("")
runs_app = group("Trained runs: list, show, remove.", invoke_without_command=True)


@making_app.command()
def train(
    ctx: typer.Context,
    dataset: DatasetName,
    recipe: Annotated[
        str, typer.Option(help="best (ours) or paper: where settings come from that you do not give.")
    ] = ("best"),
    recommender: Annotated[
        str | None, typer.Option(help="mf: matrix factorisation (default); ncf: neural collaborative filtering.")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="mf: dense (every user-item cell) or sampled (drawn negatives).")
    ] = None,
    negatives_power: Annotated[
        float | None, typer.Option(help="Draw negatives by popularity to this power: 1 proportional, 0 uniform.")
    ] = None,
    dim: Annotated[int | None, typer.Option(help="Factors of the recommender.")] = None,
    bias: Annotated[bool | None, typer.Option("--bias/--no-bias", help="mf: user and item biases.")] = None,
    base: Annotated[
        str | None, typer.Option(metavar="RUN", help="Take this run's frozen recommender; train the autoencoder alone.")
    ] = None,
    neurons: Annotated[int | None, typer.Option(help="Neurons of the autoencoder.")] = None,
    variant: Annotated[
        str | None,
        typer.Option(help="What keeps codes sparse: batchtopk, topk, or relu with penalties (the paper)."),
    ] = None,
    levels: Annotated[
        str | None, typer.Option(help="Matryoshka: so many nested quarters (4), or the size of each (10,10,20).")
    ] = None,
    beta: Annotated[float | None, typer.Option(help="Weight of the prediction-aware loss.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of recommender and autoencoder.")] = None,
    base_seed: Annotated[int | None, typer.Option(help="Seed of the recommender alone.")] = None,
    sae_seed: Annotated[int | None, typer.Option(help="Seed of the autoencoder alone.")] = None,
    baselines: Annotated[
        bool | None,
        typer.Option(help="Measure raw dimensions, PCA, ICA, random directions, another beta too (default: yes)."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as sae.k_items=12 or recommender.l2=1e-3."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run's name; default: data set and recommender.")] = None,
    device: Annotated[str | None, typer.Option(help="auto (default), cpu or cuda.")] = None,
) -> None:
    """Train a recommender and its sparse autoencoder, and measure every neuron.

    Interrupted, the same command goes on where it was.
    """
    from engine.train import train as train_run
    from workbench.tables import progress_bar, say

    options: dict[str, Any] = {
        "recipe": recipe if recipe != "best" else None,
        "device": device,
        "recommender.kind": recommender,
        "recommender.loss": loss,
        "recommender.negatives_power": negatives_power,
        "recommender.d": dim,
        "recommender.bias": bias,
        "recommender.seed": None if base else seed if base_seed is None else base_seed,
        "baselines": baselines,
        "sae.neurons": neurons,
        "sae.variant": variant,
        "sae.levels": None if levels is None else level_sizes(levels),
        "sae.beta": beta,
        "sae.seed": seed if sae_seed is None else sae_seed,
    }
    with progress_bar(f"Training on {dataset}") as progress:
        run = train_run(home_of(ctx), dataset, setting(config, options, values or []), name, progress, base)
    for sentence in run_summary(run):
        say(sentence)


def level_sizes(text: str) -> int | list[int]:
    """--levels as the setting takes it: 4, or 10,10,20."""
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter("--levels is a number such as 4, or sizes such as 10,10,20") from error
    return sizes[0] if len(sizes) == 1 else sizes


def run_summary(run: "Run") -> list[str]:
    """A run in a few sentences: recommender, fidelity, neurons, notes."""
    about, fidelity = run.manifest["recommender"], run.manifest["fidelity"]
    quality, popular = about["metrics"], about["popularity"]
    named = sum(neuron.named_by is not None for neuron in run.neurons)
    known = (
        f"Recommender: NDCG@10 {figure(quality['ndcg10'])}, HR@10 {figure(quality['hr10'])}, recall@20 "
        f"{figure(quality['recall20'])}, MRR@10 {figure(quality.get('mrr10'))}, MPR {figure(quality['mpr'])}, "
        f"coverage@10 {figure(quality.get('coverage10'))} (popularity alone: NDCG@10 "
        f"{figure(popular['ndcg10'])}, MPR {figure(popular['mpr'])})."
    )
    return [
        known if quality["ndcg10"] is not None else "Recommender: its quality on held-out items is unknown.",
        *fidelity_sentences(fidelity),
        f"Neurons: {len(run.neurons)}, of which {named} are named by a concept and "
        f"{sum(neuron.dead for neuron in run.neurons)} are dead.",
        *run.manifest["notes"],
        f"Run {run.name} is ready. Next: monoscope tui {run.name}",
    ]


def fidelity_sentences(fidelity: Mapping[str, Any]) -> list[str]:
    """What reconstruction keeps, and what biases alone would."""
    active = f"{fidelity['l0_items']:.1f} active neurons an item and {fidelity['l0_users']:.1f} a user"
    if fidelity["rbo"] is None:
        return [f"Reconstruction: what it keeps is unknown, as nobody has an unseen item to be ranked; {active}."]
    kept = "an unknown share" if fidelity["ndcg_kept"] is None else f"{fidelity['ndcg_kept']:.0%}"
    recovered = fidelity["ndcg_recovered"]
    added = "" if recovered is None else f"; {recovered:.0%} of what vectors add to NDCG is kept"
    return [
        f"Reconstruction: RBO {fidelity['rbo']:.2f} (identical lists 1, disjoint 0), Kendall tau "
        f"{fidelity['tau']:.2f} (identical 1, disjoint about -0.67), {kept} of NDCG kept, {active}.",
        f"Biases alone keep RBO {fidelity['rbo_ablated']:.2f}{added}. One user in twenty keeps less than RBO "
        f"{fidelity['rbo_p5']:.2f}.",
    ]


def panel_words(manifest: Mapping[str, Any]) -> list[str]:
    """Which concepts and which users the comparison of a run is over."""
    comparison = manifest.get("comparison")
    if not comparison or not comparison["panel"]:
        return []
    panel, (own, *others) = comparison["panel"], [row["fidelity"]["users"] for row in comparison["rows"]]
    said = (
        f"Panel: {len(panel)} concepts of this data set ({', '.join(panel)}). The paper's own list: reproduce table1."
    )
    if set(others) - {own}:
        return [said, f"RBO and L0 of the autoencoder are on {own} users, those of its baselines on {others[0]}."]
    if own < manifest["fidelity"]["users"]:
        return [said, f"RBO and L0 in this table are on {own} users, above on {manifest['fidelity']['users']}."]
    return [said]


@runs_app.callback()
def runs(ctx: typer.Context, as_json: AsJson = False) -> None:
    if ctx.invoked_subcommand is None:
        runs_list(ctx, as_json)


@runs_app.command("list")
def runs_list(ctx: typer.Context, as_json: AsJson = False) -> None:
    """The runs in the home, newest first."""
    from engine.run import runs as known
    from workbench.facts import run_facts

    found = [run_facts(manifest) for manifest in known(home_of(ctx))]
    if as_json:
        return emit_json(found)
    from workbench.tables import say, show_runs

    if not found:
        return say(f"No runs in {home_of(ctx).runs} yet; make one with `monoscope demo` or `monoscope train`.")
    return show_runs(found)


@runs_app.command("show")
def runs_show(
    ctx: typer.Context,
    run: RunName,
    worst: Annotated[int, typer.Option(min=0, help="List so many users whose lists change most.")] = 0,
    as_json: AsJson = False,
) -> None:
    """A run's manifest: settings, seeds, versions, hashes, metrics; how it stands beside its baselines."""
    opened = open_run(ctx, run)
    users = opened.fidelity_by_user[:worst] if worst else []
    if as_json:
        return emit_json({**opened.manifest, **({"worst_users": users} if worst else {})})
    from workbench.comparison import show_comparison
    from workbench.tables import say, show

    for sentence in run_summary(opened):
        say(sentence)
    show_comparison(opened.manifest.get("comparison"))
    for sentence in panel_words(opened.manifest):
        say(sentence)
    if users:
        rows = [list(row.values()) for row in users]
        show("Users whose lists change most", list(users[0]), rows, ", ".join(users[0]))
    typer.echo(json.dumps(opened.manifest["config"], indent=1))
    return None


@runs_app.command("compare")
def runs_compare(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="RUN...", autocompletion=complete_run)],
    kind: Annotated[
        str | None, typer.Option("--format", help="html, md or json: the comparison as a report, into --output.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File of the report; its ending can stand for --format.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write over a file that is no earlier report; one that is gives way.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Runs side by side: fidelity against purity, which neuron of one is which of another, which concepts came and
    went, and what was set differently.
    """
    from engine.compared import compared

    if len(names) < 2 or len(set(names)) < len(names):
        raise typer.BadParameter("give two runs or more, each once")
    chosen = report_format(kind, output)
    if output is not None:
        from engine.report import earlier

        earlier.check(output, overwrite=overwrite)
    opened = [open_run(ctx, name) for name in names]
    facts = compared(opened)
    if chosen is not None and output is not None:
        from engine.report.compared import compared_document
        from engine.report.documents import write_document
        from workbench.tables import say

        files = write_document(compared_document(opened, facts), output, chosen)
        return (
            emit_json({**facts, "files": [str(file) for file in files]})
            if as_json
            else say("Written: " + ", ".join(str(file) for file in files))
        )
    if as_json:
        return emit_json(facts)
    from workbench.comparison import show_compared

    return show_compared(facts)


def report_format(kind: str | None, output: Path | None) -> str | None:
    """html, md or json: as it was asked for, else by the file's ending; None where no report was asked for."""
    if kind is None and output is None:
        return None
    if output is None:
        raise typer.BadParameter(f"--format {kind} needs --output FILE")
    found = kind or output.suffix.removeprefix(".")
    if found not in ("html", "md", "json"):
        raise typer.BadParameter(f"--format is html, md or json, not {found!r}")
    return found


@runs_app.command("trust")
def runs_trust(ctx: typer.Context, run: RunName) -> None:
    """Let a run's scoring program run on this machine. It can do anything that you can."""
    from engine.run import trust_run
    from workbench.tables import say

    sha256 = trust_run(home_of(ctx), run)
    say(f"The program with SHA-256 {sha256} may run from now on.")


@runs_app.command("remove")
def runs_remove(
    ctx: typer.Context,
    run: RunName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a run for good. Its session, with labels and edits, stays."""
    from engine.run import remove_run

    open_run(ctx, run)
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Delete run {run} for good?", err=True)):
        raise MonoscopeError(f"Run {run} was kept; add --yes to delete it without being asked.")
    remove_run(home_of(ctx), run)
