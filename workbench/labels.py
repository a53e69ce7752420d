"""What the `labels` command shows of a session's labels, and the analyst's decisions on them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from engine.actions import BY_AN_ANALYST, Label, LabelState, State
from engine.errors import LabelError, MonoscopeError
from engine.labels.exchange import FORMATS, LONGEST, check_file, read_labels, with_concept
from engine.labels.metadata import NO_CONCEPT
from engine.labels.purest import is_purest
from engine.labels.resolve import resolve
from engine.run import Run
from engine.session import Origin, Session
from engine.text import counted, plain
from workbench.facts import label_purity
from workbench.label_table import holds
from workbench.labelling import writable


def label_rows(
    run: Run, state: State, neurons: Sequence[int] | None = None, *, shuffled: bool = False
) -> list[dict[str, Any]]:
    """The labels of a session with what is known of each, for programs; `shuffled`: the scores tell of no item here."""
    rows = []
    for number, label in sorted(state.labels.items()):
        if neurons is not None and number not in neurons:
            continue
        row = run.neuron(number)
        scores = state.scores.get(number, {})
        purity = label_purity(run, number, label, {} if shuffled else scores)
        rows.append(
            {
                "neuron": number,
                **asdict(label),
                **dict(zip(("purity10", "purity20", "purity50"), purity, strict=True)),
                "best_concept": row.concept,
                "best_purity10": row.purity10,
                "best_purity20": row.purity20,
                "best_purity50": row.purity50,
                "is_purest": is_purest(run, number, label.concept, purity[1]),
                "holds": None if shuffled else holds(scores),
                **({"shuffled": True} if shuffled else {}),
                "scores": scores,
            }
        )
    return rows


# The analyst's decisions


def set_by_hand(
    run: Run, number: int, text: str, session: str, concept: str | None, note: str | None
) -> list[dict[str, Any]]:
    """Store the analyst's own label, which wins over any other; the neuron's row."""
    run.neuron(number)
    text = " ".join(plain(text).split())
    if len(text) > LONGEST:
        raise LabelError(f"A label of {len(text)} characters is too long; {LONGEST} are the most.")
    label = Label(text, "human", resolve(text, concept_names(run)).concept, note=note)
    if concept is not None:
        label = with_concept(label, concept, concept_names(run))
    with writable(run, session) as journal:
        _append(journal, number, label)
        return label_rows(run, journal.state, [number])


def decide(run: Run, numbers: Sequence[int], session: str, decision: str, note: str | None) -> list[dict[str, Any]]:
    """Accept, reject or clear labels that stand; the rows of those that were changed."""
    states: dict[str, LabelState] = {"accept": "human", "reject": "rejected", "clear": "none"}
    with writable(run, session) as journal:
        before = journal.state.labels
        missing = [number for number in numbers if number not in before or before[number].text is None]
        if missing:
            raise LabelError(f"Neuron {missing[0]} has no label in session {session}; `monoscope label` makes one.")
        for number in numbers:
            label = before[number]
            _append(journal, number, replace(label, state=states[decision], note=note or label.note))
        after = journal.state
        changed = [number for number in numbers if after.labels.get(number) != before[number]]
        labels = {number: after.labels.get(number, Label(None, "none")) for number in changed}
        return label_rows(run, replace(after, labels=labels))


def resolve_by_hand(run: Run, number: int, concept: str, session: str) -> list[dict[str, Any]]:
    """The analyst's word on which concept a label means; the neuron's row."""
    with writable(run, session) as journal:
        label = journal.state.labels.get(number)
        if label is None or label.text is None:
            raise LabelError(f"Neuron {number} has no label in session {session}; `monoscope label` makes one.")
        if label.text == NO_CONCEPT:
            raise LabelError(
                f"The label of neuron {number} says that there is {NO_CONCEPT}: set one that names something first, "
                f"by `monoscope labels {run.name} set {number} TEXT`."
            )
        label = with_concept(label, concept, concept_names(run))
        _append(journal, number, label)
        return label_rows(run, journal.state, [number])


def concept_names(run: Run) -> list[str]:
    """The concepts that a label may name: the catalogue's, or the run's own list where the catalogue is not here."""
    try:
        with run.catalogue() as catalogue:
            return [concept.name for concept in catalogue.concepts()]
    except MonoscopeError:
        return [entry.concept for entry in run.reach]


def _append(journal: Session, number: int, label: Label) -> None:
    told = {name: value for name, value in asdict(label).items() if name != "time"}
    journal.append("label", neuron=number, **told)


def export_labels(run: Run, state: State, path: Path | None, *, overwrite: bool = False) -> str | None:
    """Write labels to a file whose name says how, beside and renamed; without a file, JSON as text.

    An earlier export gives way; any other file does only with `overwrite`.
    """
    from engine.home import write_whole

    origin = Origin.of(run.home, run.name)
    if path is None:
        return FORMATS[".json"](state, origin)
    written = FORMATS.get(path.suffix.lower())
    if written is None:
        raise LabelError(f"{path} says not which format: end it in {' or '.join(FORMATS)}.")
    check_file(path, overwrite=overwrite)
    write_whole(path, written(state, origin))
    return None


@dataclass(frozen=True)
class Imported:
    """How many labels came in, and the neurons that kept the one by hand that they have."""

    taken: int
    kept: list[int]
    """The file's is by hand too, so that `--replace` takes it."""
    never: list[int]
    """The file's is a model's or the metadata's, which never replaces one by hand."""


def import_labels(run: Run, path: Path, session: str, *, overwrite: bool) -> Imported:
    """Take over labels from a file, without their scores. Every row is checked before the first is stored."""
    found = read_labels(path, Origin.of(run.home, run.name), len(run.neurons), concept_names(run))
    with writable(run, session) as journal:
        before = journal.state.labels
        differing = [
            number
            for number, label in found.items()
            if number in before
            and before[number].state in BY_AN_ANALYST
            and replace(before[number], time="") != replace(label, time="")
        ]
        never = [number for number in differing if found[number].state not in BY_AN_ANALYST]
        kept = [number for number in differing if number not in never and not overwrite]
        taken = [number for number in found if number not in (*kept, *never)]
        for number in taken:
            _append(journal, number, found[number])
    return Imported(len(taken), sorted(kept), sorted(never))


def imported(found: Imported) -> str:
    """What an import did, in sentences."""
    told = [f"{counted(found.taken, 'label')} taken over, without scores (`labels RUN score` tests them)."]
    if found.kept:
        told.append(f"By hand on both sides, yours kept (--replace takes the file's): {_listed(found.kept)}.")
    if found.never:
        told.append(
            "By hand here and kept, for a label of a model or of the metadata never replaces one by hand: "
            f"{_listed(found.never)}."
        )
    return " ".join(told)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
