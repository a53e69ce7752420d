"""Names for neurons."""

from typing import Annotated

import typer

from workbench.choices import pick_numbers
from workbench.commands.common import AsJson, RunName, SessionName, emit_json, group, open_run, session_state

labels_app = group("")


@labels_app.command()
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

    opened = open_run(ctx, run)
    chosen = pick_numbers(neurons, len(opened.neurons))
    if dry_run:
        return show_estimate(opened, chosen, as_json=as_json)
    results = label_neurons(opened, chosen, labeller, model, base_url, session or run)
    if as_json:
        emit_json(results)
    else:
        show_labels(results)
    if any(result["state"] == "failed" for result in results):
        raise typer.Exit(1)
    return None


@labels_app.command()
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
    opened = open_run(ctx, run)
    if action == "set" and number is not None and text is not None:
        from workbench.labelling import set_by_hand

        return set_by_hand(opened, number, text, session or run)
    if action != "list" or number is not None:
        raise typer.BadParameter("write `labels RUN` to list them, or `labels RUN set J TEXT` to name a neuron")
    from dataclasses import asdict

    rows = [{"neuron": j, **asdict(label)} for j, label in sorted(session_state(ctx, session, run).labels.items())]
    if as_json:
        return emit_json(rows)
    from workbench.labelling import show_labels
    from workbench.tables import say

    return show_labels(rows) if rows else say(f"No labels yet; ask for some with `monoscope label {run}`.")
