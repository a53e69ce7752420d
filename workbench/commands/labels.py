"""Names for neurons: asking for them, testing them, and deciding on them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import LabelError
from workbench.choices import complete_run, home_of, pick_numbers
from workbench.commands.common import AsJson, RunName, SessionName, emit_json, group, open_run, session_state

labels_app = group("")

ACTIONS = "list|show J|set J TEXT|accept LIST|reject LIST|clear LIST|resolve J CONCEPT|score [LIST]|import F|export [F]"

Judge = Annotated[str | None, typer.Option(help="Who tests labels: llm or metadata (default: who labels).")]
Tests = Annotated[
    str | None, typer.Option(help="Of detection, intruder, held-out, moves; or none. Default: all of them.")
]
Model = Annotated[str | None, typer.Option(help="The model (else MONOSCOPE_LLM_MODEL).")]
BaseUrl = Annotated[str | None, typer.Option(help="An OpenAI-compatible server (else OPENAI_BASE_URL).")]
Price = Annotated[
    str | None,
    typer.Option(metavar="IN/OUT", help="USD per million tokens, such as 2.5/10 (else MONOSCOPE_LLM_PRICE)."),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        metavar="USD",
        help="Nothing is sent that could cost more in all, as long as the server keeps to the "
        "limit of tokens that it is sent; if it does not, nothing more is sent (else MONOSCOPE_LLM_MAX_COST). A job of "
        "the workbench needs a limit.",
    ),
]
Concurrency = Annotated[int | None, typer.Option(min=1, max=64, help="Requests at a time. Default: 4.")]
Fields = Annotated[str, typer.Option(help="What is shown of items; without title, a model has to go by the metadata.")]
Seed = Annotated[int, typer.Option(min=0, help="Splits the items into those shown and those tested on.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be sent and its price; send nothing.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ask again what has been answered before.")]


@labels_app.command()
def label(
    ctx: typer.Context,
    run: Annotated[str | None, typer.Argument(metavar="RUN", autocompletion=complete_run)] = None,
    neurons: Annotated[str | None, typer.Option(metavar="LIST", help="Such as 1,4-9; default: all of them.")] = None,
    labeller: Annotated[
        str | None, typer.Option(help="llm, or metadata (offline). Default: llm where one is configured.")
    ] = None,
    judge: Judge = None,
    tests: Tests = None,
    model: Model = None,
    base_url: BaseUrl = None,
    price: Price = None,
    max_cost: MaxCost = None,
    concurrency: Concurrency = None,
    fields: Fields = "title,year,concepts",
    seed: Seed = 0,
    fresh: Fresh = False,
    dry_run: DryRun = False,
    spend: Annotated[
        bool, typer.Option("--spend", help="What was spent so far; of all runs if none is named.")
    ] = False,
    session: SessionName = None,
    as_json: AsJson = False,
) -> None:
    """Name neurons by a language model or by their metadata, and test each name on items that were not shown.

    Item metadata is all that is sent. A failure is the state of a label, never a label. A label that you set, accepted
    or rejected is tested and not asked for again. --dry-run says with which --max-cost all could be sent.
    """
    from workbench.labelling import Asked, label_neurons, show_estimate, show_spend

    if spend:
        return show_spend(home_of(ctx), run, as_json=as_json)
    if run is None:
        raise typer.BadParameter("name the run whose neurons are to be labelled")
    opened = open_run(ctx, run)
    chosen = pick_numbers(neurons, len(opened.neurons))
    asked = Asked(
        labeller, judge, tests, model, base_url, price, max_cost, concurrency, fields, seed, fresh, quiet=as_json
    )
    if dry_run:
        return show_estimate(opened, chosen, asked, session or run, as_json=as_json)
    state, failures = label_neurons(opened, chosen, asked, session or run)
    return _show(opened, state, chosen, failures, as_json=as_json)


@labels_app.command()
def labels(
    ctx: typer.Context,
    run: RunName,
    action: Annotated[str, typer.Argument(metavar=f"[{ACTIONS}]")] = "list",
    words: Annotated[list[str] | None, typer.Argument(metavar="")] = None,
    concept: Annotated[str | None, typer.Option(help="With set: the catalogue's concept that the label means.")] = None,
    note: Annotated[str | None, typer.Option(help="With set, accept and reject: why.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="With import: a label by hand takes the place of one by hand.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With export: write over a file that is no earlier export.")
    ] = False,
    shuffled: Annotated[
        bool, typer.Option("--shuffled", help="With score: on shuffled metadata, where each score must be chance.")
    ] = False,
    judge: Judge = None,
    tests: Tests = None,
    model: Model = None,
    base_url: BaseUrl = None,
    price: Price = None,
    max_cost: MaxCost = None,
    concurrency: Concurrency = None,
    fields: Fields = "title,year,concepts",
    seed: Seed = 0,
    fresh: Fresh = False,
    session: SessionName = None,
    as_json: AsJson = False,
) -> None:
    """The labels of a run's session, their tests, and your decisions on them.

    Without an action it lists them; `show J` tells everything about one, `set J TEXT` names a neuron by hand, which
    wins over any other (`set J -- TEXT` where the text begins with "-"), `accept` and `reject` decide on labels,
    `clear` takes them away, `resolve J CONCEPT` says which concept a label means, `score` tests labels (again),
    `export` and `import` write and read .json and .csv; scores are written and not read. An export takes the place of
    an earlier one; any other file that is there is left alone without --overwrite.
    """
    from engine.text import counted
    from workbench import labels as shown
    from workbench.labelling import Asked, score_session
    from workbench.tables import say

    opened = open_run(ctx, run)
    here, count = session or run, len(opened.neurons)
    match [action, *(words or [])]:
        case ["list"]:
            state = session_state(ctx, session, run)
            if not state.labels and not as_json:
                return say(f"No labels yet; `monoscope label {run}` makes some.")
            return _show(opened, state, None, None, as_json=as_json)
        case ["show", number]:
            chosen = pick_numbers(number, count)
            rows = shown.label_rows(opened, session_state(ctx, session, run), chosen)
            if not rows:
                raise LabelError(f"Neuron {number} has no label; `monoscope label {run} --neurons {number}` makes one.")
            if as_json:
                return emit_json(rows)
            from workbench.label_page import show_labels_in_full

            return show_labels_in_full(opened, rows)
        case ["set", number, text]:
            (one,) = _one(number, count)
            changed = shown.set_by_hand(opened, one, text, here, concept, note)
            return emit_json(changed) if as_json else None
        case ["accept" | "reject" | "clear", numbers]:
            changed = shown.decide(opened, pick_numbers(numbers, count), here, action, note)
            return emit_json(changed) if as_json else say(f"{counted(len(changed), 'label')} changed.")
        case ["resolve", number, name]:
            (one,) = _one(number, count)
            changed = shown.resolve_by_hand(opened, one, name, here)
            told = f"The label of neuron {one} means {changed[0]['concept']}."
            return emit_json(changed) if as_json else say(told)
        case ["score", *numbers] if len(numbers) < 2:
            asked = Asked(
                None, judge, tests, model, base_url, price, max_cost, concurrency, fields, seed, fresh, quiet=as_json
            )
            some = pick_numbers(numbers[0], count) if numbers else None
            state, failures = score_session(opened, some, asked, here, shuffled=shuffled)
            return _show(opened, state, some, failures, as_json=as_json, shuffled=shuffled)
        case ["export", *files] if len(files) < 2:
            state, file = session_state(ctx, session, run), Path(files[0]) if files else None
            out = shown.export_labels(opened, state, file, overwrite=overwrite)
            if out is not None:
                return typer.echo(out, nl=False)
            return None if as_json else say(f"Wrote {counted(len(state.labels), 'label')} to {file}.")
        case ["import", file]:
            found = shown.import_labels(opened, Path(file), here, overwrite=replace)
            return emit_json(asdict(found)) if as_json else say(shown.imported(found))
    raise typer.BadParameter(f"write `labels RUN` with nothing or one of {ACTIONS.replace('|', ', ')} behind it")


def _one(number: str, count: int) -> list[int]:
    found = pick_numbers(number, count)
    if len(found) != 1:
        raise typer.BadParameter(f"{number} is several neurons; name one")
    return found


def _show(
    run: Any,
    state: Any,
    neurons: Sequence[int] | None,
    failures: Sequence[Mapping[str, Any]] | None,
    *,
    as_json: bool,
    shuffled: bool = False,
) -> None:
    """The labels, and what failed: in this command, which then ends with 1, or (None) in what the session holds."""
    from workbench.label_table import failures_in, show_failures, show_labels
    from workbench.labels import label_rows

    rows = label_rows(run, state, neurons, shuffled=shuffled)
    if as_json:
        emit_json(rows)
    else:
        show_labels(rows, shuffled=shuffled)
        show_failures(failures_in(rows) if failures is None else failures)
    if failures:
        raise typer.Exit(1)
