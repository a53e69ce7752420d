"""What the `labels` command shows of a session's labels, and the analyst's decisions on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from engine.actions import Label, LabelState, State
from engine.errors import LabelError, MonoscopeError
from engine.labels.exchange import FORMATS, read_labels, with_concept
from engine.labels.metadata import NO_CONCEPT
from engine.labels.resolve import resolve
from engine.neurons.table import names
from engine.run import Run
from engine.session import Origin, Session
from workbench.facts import label_purity
from workbench.labelling import writable
from workbench.tables import say, show

COLUMNS = ("neuron", "label", "state", "concept", "detection", "intruder", "held-out", "label@20", "best@20", "moves")
BEATEN = 0.05
"""The share of random directions, the neuron counted, that may do as much as a neuron that counts as better."""
LEGEND = (
    "detection: share of held-out items, half of which activate the neuron, that a judge puts right by the label "
    "(balanced accuracy, 95 % interval; chance .50); weaker items are mixed, so that even a pure neuron seldom passes "
    ".90. intruder: how often the one item of five that does not activate it is found (chance .20). held-out: purity "
    "of the label's concept in the top 20 of items that the labeller did not see, and its base rate. label@20 and "
    "best@20: purity of the label's concept and of the neuron's best one over all items. moves: change of the "
    "concept's share of users' top 20 when they are raised by one p99; * if it is more than 95 % of random directions "
    "of the same purity do, = if it is implied by the algebra. –: unknown; !: failed."
)


def label_rows(run: Run, state: State, neurons: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """The labels of a session with what is known of each, for programs."""
    rows = []
    for number, label in sorted(state.labels.items()):
        if neurons is not None and number not in neurons:
            continue
        row = run.neuron(number)
        scores = state.scores.get(number, {})
        purity = label_purity(run, number, label, scores)
        rows.append(
            {
                "neuron": number,
                **asdict(label),
                **dict(zip(("purity10", "purity20", "purity50"), purity, strict=True)),
                "best_concept": row.concept,
                "best_purity10": row.purity10,
                "best_purity20": row.purity20,
                "best_purity50": row.purity50,
                "scores": scores,
            }
        )
    return rows


def show_labels(rows: Sequence[Mapping[str, Any]]) -> None:
    """The labels as a table, with chance levels below."""
    show("", COLUMNS, [_line(row) for row in rows], "neuron")
    say(LEGEND)
    say(_summary(rows))


def _summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many labels name something, and how many of those hold in each test that was made."""
    named = [row for row in rows if row["text"] and row["text"] != NO_CONCEPT and row["state"] != "rejected"]
    best = sum(row["concept"] is not None and row["concept"] == row["best_concept"] for row in named)
    told = [f"{len(named)} of {len(rows)} labels name something, {best} of them the neuron's best concept."]
    holds: dict[str, tuple[str, Callable[[Mapping[str, Any]], bool]]] = {
        "detection": ("tell its items apart better than chance", lambda f: f["low"] > f["chance"]),
        "agreement": (
            "would name it on the held-out items too",
            lambda f: f["chance"] > 0 and names(f["value"], f["value"] / f["chance"]),
        ),
        "causal": (
            "gain more in users' lists than 95 % of random directions of the same purity would give them",
            lambda f: bool(f["agrees"]) and f["null_share"] is not None and f["null_share"] <= BEATEN,
        ),
    }
    for kind, (words, hold) in holds.items():
        scores = [row["scores"][kind] for row in named if kind in row["scores"]]
        made = [score["figures"] for score in scores if score["state"] == "scored"]
        if made:
            mean = "" if kind == "causal" else f" (mean {sum(f['value'] for f in made) / len(made):.2f})"
            told.append(f"{sum(map(hold, made))} of {len(made)} {words}{mean}.")
    return " ".join(told)


def _line(row: Mapping[str, Any]) -> list[Any]:
    scores = row["scores"]
    return [
        row["neuron"],
        row["text"] or (f"! {row['note']}" if row["note"] else None),
        row["state"],
        row["concept"],
        _scored(scores, "detection", _interval),
        _scored(scores, "intruder", _interval),
        _scored(scores, "agreement", lambda figures: f"{two(figures['value'])} ({two(figures['chance'])})"),
        two(row["purity20"]),
        two(row["best_purity20"]),
        _scored(scores, "causal", _moved),
    ]


def _scored(scores: Mapping[str, Any], kind: str, words: Callable[[Mapping[str, Any]], str]) -> str | None:
    score = scores.get(kind)
    if score is None:
        return None
    return {"failed": "!", "unknown": "–"}.get(score["state"]) or words(score["figures"])


def _interval(figures: Mapping[str, Any]) -> str:
    return f"{two(figures['value'])} [{two(figures['low'])}, {two(figures['high'])}]"


def _moved(figures: Mapping[str, Any]) -> str:
    null = figures["null_share"]
    marks = ("*" if null is not None and null <= BEATEN else "") + ("=" if figures["implied"] else "")
    return f"{figures['gain']:+.3f}{marks}"


def two(value: float | None) -> str:
    """.97, 1.0 or –"""
    return "–" if value is None else f"{value:.2f}".removeprefix("0") if value < 1 else "1.0"


# The analyst's decisions


def set_by_hand(run: Run, number: int, text: str, session: str, concept: str | None, note: str | None) -> None:
    """Store the analyst's own label, which wins over any other."""
    run.neuron(number)
    label = Label(text, "human", resolve(text, concept_names(run)).concept, note=note)
    if concept is not None:
        label = with_concept(label, concept, concept_names(run))
    with writable(run, session) as journal:
        _append(journal, number, label)


def decide(run: Run, numbers: Sequence[int], session: str, decision: str, note: str | None) -> int:
    """Accept, reject or clear labels that stand; how many were changed."""
    states: dict[str, LabelState] = {"accept": "human", "reject": "rejected", "clear": "none"}
    with writable(run, session) as journal:
        before = journal.state.labels
        missing = [number for number in numbers if number not in before or before[number].text is None]
        if missing:
            raise LabelError(f"Neuron {missing[0]} has no label in session {session}; `monoscope label` makes one.")
        for number in numbers:
            label = before[number]
            _append(journal, number, replace(label, state=states[decision], note=note or label.note))
        after = journal.state.labels
        return sum(after.get(number) != before[number] for number in numbers)


def resolve_by_hand(run: Run, number: int, concept: str, session: str) -> str:
    """The analyst's word on which concept a label means; the concept's name."""
    with writable(run, session) as journal:
        label = journal.state.labels.get(number)
        if label is None or label.text is None:
            raise LabelError(f"Neuron {number} has no label in session {session}; `monoscope label` makes one.")
        label = with_concept(label, concept, concept_names(run))
        _append(journal, number, label)
        return str(label.concept)


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


def export_labels(run: Run, state: State, path: Path | None) -> str | None:
    """Write labels to a file whose name says how, beside and renamed; without a file, JSON as text."""
    from engine.home import write_whole

    origin = Origin.of(run.home, run.name)
    if path is None:
        return FORMATS[".json"](state, origin)
    written = FORMATS.get(path.suffix.lower())
    if written is None:
        raise LabelError(f"{path} says not which format: end it in {' or '.join(FORMATS)}.")
    write_whole(path, written(state, origin))
    return None


def import_labels(run: Run, path: Path, session: str, *, overwrite: bool) -> tuple[int, list[int]]:
    """Take over labels from a file: how many, and neurons whose own human label was kept.

    Every row is checked before the first is stored.
    """
    found = read_labels(path, Origin.of(run.home, run.name), len(run.neurons), concept_names(run))
    with writable(run, session) as journal:
        before = journal.state.labels
        kept = [
            number
            for number, label in found.items()
            if number in before
            and before[number].state in ("human", "rejected")
            and (label.state not in ("human", "rejected") or not overwrite)
            and replace(before[number], time="") != replace(label, time="")
        ]
        for number, label in found.items():
            if number not in kept:
                _append(journal, number, label)
    return len(found) - len(kept), kept
