"""The command line's root: which commands there are, and the few that belong to no group.

Nothing here computes. Heavy libraries load inside the commands that need them, so that `monoscope --help` is
immediate.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.home import Home
from workbench.choices import complete_run, home_of
from workbench.commands import (
    adopt,
    concepts,
    datasets,
    experiments,
    export,
    keys,
    labels,
    neurons,
    pages,
    runs,
    sessions,
    steering,
)
from workbench.commands.common import AsJson, SessionName, emit_json, group
from workbench.terminal import NO_WISHES, Colours, Wishes

app = group(
    "See what a two-tower recommender has learned, neuron by neuron, and what happens if you change it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


@app.command()
def tui(
    ctx: typer.Context,
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", autocompletion=complete_run)] = None,
    session: SessionName = None,
    ascii: Annotated[
        bool | None,
        typer.Option(
            "--ascii/--no-ascii",
            help="Bars, arrows and rules in ASCII (else MONOSCOPE_ASCII=1 or 0 says; else where the terminal is the "
            "Linux console or does not take UTF-8).",
            show_default=False,
        ),
    ] = None,
    color: Annotated[
        Colours, typer.Option(help="How many colours the terminal has; auto asks NO_COLOR, COLORTERM and TERM.")
    ] = "auto",
    theme: Annotated[
        str | None,
        typer.Option(
            help="Theme, such as ansi-light, nord or textual-light (default: ansi-dark, in the terminal's own colours)."
        ),
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="File of keys to use in place of keys.toml in the home (`monoscope keys`).")
    ] = None,
) -> None:
    """Open the workbench: on the list of runs, or straight on one."""
    _open_workbench(home_of(ctx), run, session, Wishes(ascii, color, theme, keys))


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
        emit_json(found)
    else:
        from workbench.tables import show

        show("", ("what", "state", "finding"), [(f["what"], f["state"], f["finding"]) for f in found])
    if any(finding["state"] == "fails" for finding in found):
        raise typer.Exit(1)


def _open_workbench(home: Home, run: str | None, session: str | None, wishes: Wishes = NO_WISHES) -> None:
    from workbench.app import run_and_leave
    from workbench.cli_verbs import look
    from workbench.verbs import commands_from

    commands_from(lambda: look(app))
    run_and_leave(home.root, run, session, wishes)


app.add_typer(datasets.datasets_app, name="datasets")
app.add_typer(concepts.concepts_app)
app.add_typer(runs.making_app)
app.add_typer(experiments.experiments_app)
app.add_typer(adopt.adopt_app)
app.add_typer(runs.runs_app, name="runs")
app.add_typer(neurons.neurons_app)
app.add_typer(steering.steering_app)
app.add_typer(pages.pages_app)
app.add_typer(export.export_app)
app.add_typer(labels.labels_app)
app.add_typer(sessions.sessions_app, name="sessions")
app.add_typer(keys.keys_app)
