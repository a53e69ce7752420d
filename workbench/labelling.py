"""The `label` commands: labels go into the session one by one, as they come."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from engine.errors import MonoscopeError, SessionError
from engine.labels.metadata import metadata_label
from engine.labels.of_run import evidence_of, label_run
from engine.progress import Progress
from engine.run import Run
from engine.session import Label, Session
from workbench.tables import progress_bar, say, show


def label_neurons(
    run: Run, neurons: Sequence[int], labeller: str, model: str | None, base_url: str | None, session: str
) -> list[dict[str, Any]]:
    """Label neurons, append each label to the session at once, and print them."""
    labellers = {"llm": _by_llm, "metadata": _by_metadata}
    if labeller not in labellers:
        raise MonoscopeError(f"There is no labeller {labeller!r}; there are {', '.join(labellers)}.")
    results = []
    with _writable(run, session) as journal, progress_bar("Labelling") as progress:
        for neuron, label in labellers[labeller](run, neurons, model, base_url, progress):
            journal.append("label", neuron=neuron, **asdict(label))
            results.append({"neuron": neuron, **asdict(label)})
    return results


def _writable(run: Run, session: str) -> Session:
    """The run's session, open for writing; refused before any label is asked for, and paid, in vain."""
    journal = Session.open(run.home, session, run.name)
    if journal.read_only:
        journal.close()
        raise SessionError(journal.notice or f"Session {session} cannot be written.")
    return journal


def show_labels(results: Sequence[dict[str, Any]]) -> None:
    columns = ("neuron", "state", "text", "concept", "model", "note")
    show("", columns, [[result[column] for column in columns] for result in results], "neuron")


def _by_llm(
    run: Run, neurons: Sequence[int], model: str | None, base_url: str | None, progress: Progress
) -> Iterator[tuple[int, Label]]:
    yield from label_run(run, neurons, model, base_url, progress, lambda: False)


def _by_metadata(
    run: Run, neurons: Sequence[int], _model: str | None, _base_url: str | None, progress: Progress
) -> Iterator[tuple[int, Label]]:
    for done, number in enumerate(neurons, 1):
        yield number, metadata_label(run.neuron(number).named_by)
        progress(done / len(neurons), f"neuron {number}")


def show_estimate(run: Run, neurons: Sequence[int], *, as_json: bool) -> None:
    """What a labelling would send: requests and roughly how many tokens."""
    from engine.labels.llm import estimate

    facts = {
        "neurons": list(neurons),
        "requests": len(neurons),
        "tokens": estimate(evidence_of(run, neurons)),
    }
    if as_json:
        print(json.dumps(facts))  # noqa: T201 (the command's output)
    else:
        say(f"{facts['requests']} requests of about {facts['tokens']} tokens in all would be sent; nothing was.")


def set_by_hand(run: Run, number: int, text: str, session: str) -> None:
    """Store the analyst's own label."""
    run.neuron(number)
    concept = next((entry.concept for entry in run.reach if entry.concept.lower() == text.lower()), None)
    with _writable(run, session) as journal:
        journal.append("label", neuron=number, text=text, state="human", concept=concept, model=None, note=None)
