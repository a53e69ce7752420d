"""The command line: one short function a command. Nothing here computes.

Heavy libraries load inside the commands that need them, so that `monoscope --help` is immediate.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import MonoscopeError
from engine.home import Home
from workbench.choices import complete_dataset, complete_run, home_of, pick_numbers, setting

if TYPE_CHECKING:
    from engine.run import Run
    from engine.session import State


def _group(text: str, **extra: Any) -> typer.Typer:
    return typer.Typer(help=text, rich_markup_mode=None, pretty_exceptions_enable=False, **extra)


app = _group(
    "See what a two-tower recommender has learned, neuron by neuron, and what happens if you change it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
datasets_app = _group("Data sets: what is known, what is here.", invoke_without_command=True)
runs_app = _group("Trained runs: list, show, remove.", invoke_without_command=True)
sessions_app = _group("Saved work on runs.", invoke_without_command=True)
app.add_typer(datasets_app, name="datasets")
app.add_typer(runs_app, name="runs")
app.add_typer(sessions_app, name="sessions")

RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's name.", autocompletion=complete_run)]
DatasetName = Annotated[
    str, typer.Argument(metavar="DATASET", help="A data set's name.", autocompletion=complete_dataset)
]
AsJson = Annotated[bool, typer.Option("--json", help="The same facts for programs, and nothing else.")]
SessionName = Annotated[str | None, typer.Option("--session", help="Default: the run's own session.")]


def _version(wanted: bool) -> None:
    if wanted:
        import engine

        typer.echo(f"monoscope {engine.__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    home: Annotated[
        Path | None, typer.Option(help="Folder of data sets, runs and sessions (else MONOSCOPE_HOME).")
    ] = None,
    version: Annotated[  # noqa: ARG001 (its callback acts)
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    ctx.obj = Home.find(home)


@app.command()
def demo(
    ctx: typer.Context,
    tui: Annotated[bool, typer.Option("--tui/--no-tui", help="Open the workbench, if there is a terminal.")] = True,
) -> None:
    """Train on the embedded films and their simulated audience, then open the workbench.

    Without a terminal it prints a short tour instead.
    """
    from workbench.tour import make_demo, print_tour

    run = make_demo(home_of(ctx))
    if tui and sys.stdin.isatty() and sys.stderr.isatty():
        _open_workbench(home_of(ctx), run.name, None)
    else:
        print_tour(run)


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
        return _json(found)
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


@app.command()
def concepts(ctx: typer.Context, dataset: DatasetName, as_json: AsJson = False) -> None:
    """The named sets of items that purity is measured against."""
    from engine.catalogue.catalogue import Catalogue

    with Catalogue.open(home_of(ctx), dataset) as catalogue:
        found = [{"concept": c.name, "kind": c.kind, "items": len(c.items)} for c in catalogue.concepts()]
    if as_json:
        return _json(found)
    from workbench.tables import show

    show("", ("concept", "kind", "items"), [list(entry.values()) for entry in found], "items")
    return None


@app.command()
def train(
    ctx: typer.Context,
    dataset: DatasetName,
    recommender: Annotated[str, typer.Option(help="mf: matrix factorisation.")] = "mf",
    dim: Annotated[int | None, typer.Option(help="Factors of the recommender.")] = None,
    bias: Annotated[bool | None, typer.Option("--bias/--no-bias", help="User and item biases.")] = None,
    neurons: Annotated[int | None, typer.Option(help="Neurons of the autoencoder.")] = None,
    beta: Annotated[float | None, typer.Option(help="Weight of the prediction-aware loss.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of recommender and autoencoder.")] = None,
    base_seed: Annotated[int | None, typer.Option(help="Seed of the recommender alone.")] = None,
    sae_seed: Annotated[int | None, typer.Option(help="Seed of the autoencoder alone.")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as sae.k_items=12."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run's name; default: data set and recommender.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a recommender and its sparse autoencoder, and measure every neuron."""
    from engine.train import TrainConfig
    from engine.train import train as train_run
    from workbench.tables import progress_bar, say

    options: dict[str, Any] = {
        "recommender": recommender,
        "device": device,
        "mf.d": dim,
        "mf.bias": bias,
        "mf.seed": seed if base_seed is None else base_seed,
        "sae.neurons": neurons,
        "sae.beta": beta,
        "sae.seed": seed if sae_seed is None else sae_seed,
    }
    chosen = TrainConfig.of(setting(config, options, values or []))
    with progress_bar(f"Training on {dataset}") as progress:
        run = train_run(home_of(ctx), dataset, chosen, name, progress)
    for sentence in _run_summary(run):
        say(sentence)


def _run_summary(run: "Run") -> list[str]:
    quality, popular = (run.manifest["recommender"][part] for part in ("metrics", "popularity"))
    fidelity = run.manifest["fidelity"]
    named = sum(neuron.named_by is not None for neuron in run.neurons)
    return [
        f"Recommender: NDCG@10 {quality['ndcg10']:.3f}, HR@10 {quality['hr10']:.3f}, recall@20 "
        f"{quality['recall20']:.3f}, MPR {quality['mpr']:.3f} (popularity alone: NDCG@10 {popular['ndcg10']:.3f}).",
        f"Reconstruction: RBO {fidelity['rbo']:.2f}, Kendall tau {fidelity['tau']:.2f}, {fidelity['ndcg_kept']:.0%} of "
        f"NDCG kept, {fidelity['l0_items']:.1f} active neurons an item and {fidelity['l0_users']:.1f} a user.",
        f"Neurons: {len(run.neurons)}, of which {named} are named by a concept and "
        f"{sum(neuron.dead for neuron in run.neurons)} are dead.",
        *run.manifest["notes"],
        f"Run {run.name} is ready. Next: monoscope tui {run.name}",
    ]


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
        return _json(found)
    from workbench.tables import say, show_runs

    if not found:
        return say(f"No runs in {home_of(ctx).runs} yet; make one with `monoscope demo` or `monoscope train`.")
    return show_runs(found)


@runs_app.command("show")
def runs_show(ctx: typer.Context, run: RunName, as_json: AsJson = False) -> None:
    """A run's manifest: settings, seeds, versions, hashes, metrics."""
    opened = _open(ctx, run)
    if as_json:
        return _json(dict(opened.manifest))
    from workbench.tables import say

    for sentence in _run_summary(opened):
        say(sentence)
    typer.echo(json.dumps(opened.manifest["config"], indent=1))
    return None


@runs_app.command("remove")
def runs_remove(
    ctx: typer.Context,
    run: RunName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a run for good. Its session, with labels and edits, stays."""
    from engine.run import remove_run

    _open(ctx, run)
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Delete run {run} for good?", err=True)):
        raise MonoscopeError(f"Run {run} was kept; add --yes to delete it without being asked.")
    remove_run(home_of(ctx), run)


@app.command()
def neurons(
    ctx: typer.Context,
    run: RunName,
    sort: Annotated[str | None, typer.Option(help="A column of the JSON, such as purity20 or density_users.")] = None,
    session: SessionName = None,
    as_json: AsJson = False,
) -> None:
    """The neuron table: what each neuron stands for, with its evidence."""
    from workbench.facts import neuron_facts, sorted_rows

    opened = _open(ctx, run)
    labels = _state(ctx, session, run).labels
    rows = sorted_rows([neuron_facts(opened, n.neuron, labels) for n in opened.neurons], sort)
    if as_json:
        return _json(rows)
    from workbench.tables import show_neurons

    return show_neurons(rows, [vars(entry) for entry in opened.reach], opened.manifest["notice"])


@app.command()
def neuron(
    ctx: typer.Context,
    run: RunName,
    number: Annotated[int, typer.Argument(metavar="J", help="The neuron's number.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many items and users.")] = 20,
    session: SessionName = None,
    as_json: AsJson = False,
) -> None:
    """One neuron: its top items, its evidence, and who activates it."""
    from workbench.facts import inspected

    facts = inspected(_open(ctx, run), number, _state(ctx, session, run).labels, k)
    if as_json:
        return _json(facts)
    from workbench.tables import show_neuron

    return show_neuron(facts)


@app.command()
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

    edits = _state(ctx, session, run).edits if session else ()
    facts = recommended(_open(ctx, run), user, k, edits)
    if as_json:
        return _json(facts)
    from workbench.tables import say, show_list

    say(f"User {user}: top {k}" + (f" after {len(edits)} edits of session {session}" if session else ""))
    return show_list(facts["items"], ranks=bool(edits))


@app.command()
def steer(
    ctx: typer.Context,
    run: RunName,
    neuron: Annotated[int, typer.Option(help="The neuron to edit.")],
    users: Annotated[str, typer.Option(metavar="SQL", help="Whose codes: a predicate such as \"gender = 'F'\".")],
    off: Annotated[bool, typer.Option("--off", help="Set the neuron to 0.")] = False,
    set_to: Annotated[float | None, typer.Option("--set", help="Set it to this amount.")] = None,
    add: Annotated[float | None, typer.Option(help="Add this amount.")] = None,
    scale: Annotated[float | None, typer.Option(help="Multiply it.")] = None,
    unit: Annotated[str, typer.Option(help="p99 (of the neuron's own activations) or raw.")] = "p99",
    watch: Annotated[str | None, typer.Option(metavar="SQL", help="Users whose lists are spelled out.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Length of the lists.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Edit one neuron for a cohort, and see its lists before and after, with the side effects."""
    from workbench.facts import steered
    from workbench.tables import progress_bar, show_effect

    given = {"off": off or None, "set": set_to, "add": add, "scale": scale}
    chosen = [(operation, amount) for operation, amount in given.items() if amount is not None]
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
        effect = steered(_open(ctx, run), [edit], users, watch, k)
    if as_json:
        return _json(effect)
    return show_effect(effect, k)


@app.command()
def label(
    ctx: typer.Context,
    run: RunName,
    neurons: Annotated[str | None, typer.Option(metavar="LIST", help="Such as 1,4-9; default: all of them.")] = None,
    labeller: Annotated[str, typer.Option(help="llm, or metadata (offline).")] = "llm",
    model: Annotated[str | None, typer.Option(help="The model (else MONOSCOPE_LLM_MODEL).")] = None,
    base_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible server (else OPENAI_BASE_URL).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, send nothing.")] = False,
    session: SessionName = None,
    as_json: AsJson = False,
) -> None:
    """Ask a language model what neurons stand for. Item metadata is all that is sent.

    A failure is the state of a label, never a label.
    """
    from workbench.labelling import label_neurons, show_estimate, show_labels

    opened = _open(ctx, run)
    chosen = pick_numbers(neurons, len(opened.neurons))
    if dry_run:
        return show_estimate(opened, chosen, as_json=as_json)
    results = label_neurons(opened, chosen, labeller, model, base_url, session or run)
    if as_json:
        _json(results)
    else:
        show_labels(results)
    if any(result["state"] == "failed" for result in results):
        raise typer.Exit(1)
    return None


@app.command()
def labels(
    ctx: typer.Context,
    run: RunName,
    action: Annotated[str, typer.Argument(metavar="[set]", help="set: name a neuron by hand.")] = "list",
    number: Annotated[int | None, typer.Argument(metavar="[J]", help="The neuron's number.")] = None,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Its name.")] = None,
    session: SessionName = None,
    as_json: AsJson = False,
) -> None:
    """Every label of a run's session with its state; `set J TEXT` names a neuron by hand, which wins over any other."""
    opened = _open(ctx, run)
    if action == "set" and number is not None and text is not None:
        from workbench.labelling import set_by_hand

        return set_by_hand(opened, number, text, session or run)
    if action != "list" or number is not None:
        raise typer.BadParameter("write `labels RUN` to list them, or `labels RUN set J TEXT` to name a neuron")
    from dataclasses import asdict

    rows = [{"neuron": j, **asdict(label)} for j, label in sorted(_state(ctx, session, run).labels.items())]
    if as_json:
        return _json(rows)
    from workbench.labelling import show_labels
    from workbench.tables import say

    return show_labels(rows) if rows else say(f"No labels yet; ask for some with `monoscope label {run}`.")


@sessions_app.callback()
def sessions(ctx: typer.Context, as_json: AsJson = False) -> None:
    if ctx.invoked_subcommand is None:
        sessions_list(ctx, as_json)


@sessions_app.command("list")
def sessions_list(ctx: typer.Context, as_json: AsJson = False) -> None:
    """The saved sessions."""
    from engine.session import sessions as known

    names = known(home_of(ctx))
    if as_json:
        return _json(names)
    for name in names:
        typer.echo(name)
    return None


@app.command()
def tui(
    ctx: typer.Context,
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", autocompletion=complete_run)] = None,
    session: SessionName = None,
) -> None:
    """Open the workbench: on the list of runs, or straight on one."""
    _open_workbench(home_of(ctx), run, session)


@app.command()
def export(
    ctx: typer.Context,
    run: RunName,
    kind: Annotated[str, typer.Option("--format", help="md or json.")] = "md",
    output: Annotated[Path | None, typer.Option(help="The file to write; default: standard output.")] = None,
    session: SessionName = None,
) -> None:
    """A report of a run. It holds no user ids and no histories."""
    from engine.report import formats

    text = formats.render(_open(ctx, run), _state(ctx, session, run), kind)
    if output is None:
        return typer.echo(text, nl=False)
    from engine.home import write_whole

    return write_whole(output.absolute(), text)


@app.command()
def serve(
    ctx: typer.Context,
    stdio: Annotated[bool, typer.Option("--stdio", help="Speak on standard input and output.")] = False,
) -> None:
    """The engine as a process, for the workbench and other programs."""
    if not stdio:
        raise typer.BadParameter("--stdio is the only way to serve; add it")
    from engine.serve import main as serve_stdio

    serve_stdio(home_of(ctx))


@app.command()
def doctor(ctx: typer.Context, as_json: AsJson = False) -> None:
    """What works on this machine: torch, device, terminal, key, home, versions."""
    from workbench.doctor import findings

    found = findings(home_of(ctx))
    if as_json:
        _json(found)
    else:
        from workbench.tables import show

        show("", ("what", "state", "finding"), [(f["what"], f["state"], f["finding"]) for f in found])
    if any(finding["state"] == "fails" for finding in found):
        raise typer.Exit(1)


def _open_workbench(home: Home, run: str | None, session: str | None) -> None:
    from workbench.app import run as run_app

    raise typer.Exit(run_app(home.root, run, session))


def _open(ctx: typer.Context, name: str) -> "Run":
    from engine.run import Run

    return Run.open(home_of(ctx), name)


def _state(ctx: typer.Context, session: str | None, run: str) -> "State":
    """What a session holds: the one that was named, which must exist, else the run's own."""
    from engine.session import Session, sessions

    known = sessions(home_of(ctx))
    if session is not None and session not in known:
        raise MonoscopeError(f"There is no session {session!r}; there are {', '.join(known) or 'none yet'}.")
    return Session.read(home_of(ctx), session or run, run)


def _json(facts: Any) -> None:
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=1, allow_nan=False))
