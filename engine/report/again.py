"""How a reader brings a session about on another machine: its commands, and a hash to check what they made."""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from engine.actions import BY_AN_ANALYST
from engine.catalogue.named import own
from engine.labels.scores import KINDS
from engine.neurons.profile import SEGMENT_MINIMUM
from engine.report.facts import accepted_from
from engine.run import Run
from engine.session import State

_NOT_IN_DOUBLE = frozenset('"$`\\!')
_BY_THE_METADATA = ("metadata", "lists", None)
"""Judges of a test that asked no language model."""
Command = tuple[str, str]
"""A word on what it brings about, and the command line; empty where there is none to give."""


def digest(edits: Sequence[Mapping[str, Any]], state: State, notes: Sequence[Any]) -> str:
    """SHA-256 of what a report may tell of a session: edits as told, labels and notes; not who wrote them, and when.

    A label that failed says nothing, so that it does not count; the amounts of a solved edit follow from its goal, and
    their last digits differ from machine to machine.
    """
    told = {
        "edits": [_plain(edit) for edit in edits],
        "labels": [
            [n, one.text, one.state, one.concept] for n, one in sorted(state.labels.items()) if one.state != "failed"
        ],
        "notes": [[note.text, note.about] for note in notes],
    }
    text = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(edit: Mapping[str, Any]) -> dict[str, Any]:
    """An edit without the ways in which the same one can be written."""
    usual = ("unit", "p99"), ("on", True), ("pooled", False)
    told = {key: value for key, value in edit.items() if value is not None and (key, value) not in usual}
    told.pop("amounts", None)
    if told.get("where") == "true":
        del told["where"]
    return told | ({"amount": float(edit["amount"])} if edit.get("amount") is not None else {})


def of_run(run: Run) -> list[Command]:
    """The commands that make the data set and the run."""
    name, dataset = shlex.quote(run.name), shlex.quote(run.manifest["dataset"])
    if (run.home.dataset(run.manifest["dataset"]) / "added.json").is_file():
        told = [("the data set, from the files it was made of", f"monoscope datasets add {dataset} …")]
    elif run.manifest["source_notice"]:
        words = "the data set; here of an archive that is not the official one: the same one gives the same figures"
        told = [(words, f"monoscope datasets fetch {dataset} --from ARCHIVE")]
    else:
        told = [("the data set", f"monoscope datasets fetch {dataset}")]
    for one in own(run.home.dataset(run.manifest["dataset"]), "concept"):
        where = f"--where {_quoted(one.where)}"
        told.append(("a concept of the analyst's", f"monoscope concepts {dataset} add {_quoted(one.name)} {where}"))
    if run.manifest["recommender"].get("source") is not None:
        words = "the run, from the vectors that were adopted"
        return [*told, (words, f"monoscope adopt {dataset} --name {name} …")]
    words = "the run; settings.toml is at the end of this report"
    return [*told, (words, f"monoscope train {dataset} --config settings.toml --name {name}")]


def of_session(
    run: Run,
    session: str,
    state: State,
    edits: Sequence[Mapping[str, Any] | None],
    notes: Sequence[Any],
    cohorts: Sequence[str | None],
) -> list[Command]:
    """The commands that make the session; `edits` as a session keeps them, None for one that may not be told.

    `cohorts` has for each edit the condition of those whom it was measured on, None where that is whom it is for.

    Edits without one keep their place among the comments, so that a reader knows what is missing.
    """
    own_session = f"--session {shlex.quote(session)}"
    told = _cohorts(run, edits)
    for number, (edit, cohort) in enumerate(zip(edits, cohorts, strict=True), 1):
        if edit is None:
            words = f"edit {number} names users, or is for fewer than {SEGMENT_MINIMUM} or for nobody knows how many"
            told.append((f"{words}: it is told with --with-users alone", ""))
            continue
        measured = f"--cohort {_quoted(cohort)} " if cohort else ""
        told.append(
            (f"edit {number}", f"monoscope steer {shlex.quote(run.name)} {_steer(edit)} {measured}{own_session}")
        )
        if not edit.get("on", True):
            told.append(("which waits", f"monoscope sessions switch {shlex.quote(session)} {number} --off"))
    return [*told, *_labels(run, state, own_session), *_notes(session, notes)]


def _cohorts(run: Run, edits: Sequence[Mapping[str, Any] | None]) -> list[Command]:
    """The analyst's cohorts that edits are for, but for small ones and those that name users."""
    dataset, used = run.manifest["dataset"], {edit.get("where") for edit in edits if edit is not None}
    return [
        (
            "a cohort of the analyst's",
            f"monoscope cohorts {dataset} add {_quoted(one.name)} --where {_quoted(one.where)}",
        )
        for one in own(run.home.dataset(dataset), "cohort")
        if one.name in used and len(one.members) >= SEGMENT_MINIMUM and "user_id" not in one.where.casefold()
    ]


def _quoted(text: str) -> str:
    """A word for a shell: in double quotes where single ones are in it and that is safe."""
    return f'"{text}"' if "'" in text and not _NOT_IN_DOUBLE & set(text) else shlex.quote(text)


def _steer(edit: Mapping[str, Any]) -> str:
    """The options of `monoscope steer` that make an edit of a session."""
    words = ["--goal", edit["goal"]] if "goal" in edit else ["--neuron", str(edit["neuron"])]
    side, where, ids = edit.get("side", "users"), edit.get("where"), edit.get("ids")
    if ids is not None and len(ids) == 1 and side == "items":
        words += ["--item", ids[0]]
    elif ids is not None:
        listed = ", ".join("'" + str(one).replace("'", "''") + "'" for one in ids)
        words += [f"--{side}", f"{side[:-1]}_id IN ({listed})"]
    else:
        words += [f"--{side}", where or "true"]
    if "goal" in edit:
        few = edit.get("neurons_at_most")
        words += [f"--neurons-at-most={few}"] * bool(few) + ["--pooled"] * bool(edit.get("pooled"))
        words += [f"-k{edit['k']}"] if "k" in edit else []
    else:
        operation, unit = edit["operation"], edit.get("unit", "p99")
        words += ["--off"] if operation == "off" else [f"--{operation}={edit['amount']}"]
        words += ["--unit", unit] * (unit != "p99" and operation not in ("off", "scale"))
    return " ".join(map(_quoted, words))


def _labels(run: Run, state: State, own: str) -> list[Command]:
    """A rejected label is set by hand first, whoever it came from: text and concept are then what was rejected."""
    name = shlex.quote(run.name)
    told = _from_metadata(name, state, own)
    accepted = [n for n, label in state.labels.items() if accepted_from(label, state.scores.get(n, {})) == "metadata"]
    if any(label.state == "llm" for label in state.labels.values()):
        words = "labels of a language model, as `monoscope labels RUN export labels.json` writes them"
        told.append((words, f"monoscope labels {name} import labels.json {own}"))
    for neuron, label in sorted(state.labels.items()):
        if neuron in accepted:
            told.append(("a label that was accepted", f"monoscope labels {name} accept {neuron} {own}"))
        elif label.state in BY_AN_ANALYST:
            words = "a label by hand" if label.state == "human" else "a label, rejected below"
            concept = f" --concept {_quoted(label.concept)}" if label.concept else ""
            text = _quoted(label.text or "")
            told.append((words, f"monoscope labels {name} set{concept} {own} {neuron} -- {text}"))
    rejected = [neuron for neuron, label in sorted(state.labels.items()) if label.state == "rejected"]
    if rejected:
        told.append(("labels that were rejected", f"monoscope labels {name} reject {_numbers(rejected)} {own}"))
    return told


def _from_metadata(name: str, state: State, own: str) -> list[Command]:
    """A command for the labels that have the same tests by the metadata."""
    by_tests: dict[tuple[str, ...], list[int]] = {}
    for neuron, label in sorted(state.labels.items()):
        scores = state.scores.get(neuron, {})
        if label.state == "metadata" or accepted_from(label, scores) == "metadata":
            made: tuple[str, ...] = tuple(
                kind for kind in KINDS if kind in scores and scores[kind].get("judge") in _BY_THE_METADATA
            )
            by_tests.setdefault(made, []).append(neuron)
    told = []
    for made, neurons in sorted(by_tests.items()):
        tests = "" if made == KINDS else f" --tests {','.join(made) or 'none'}"
        line = f"monoscope label {name} --neurons {_numbers(neurons)} --labeller metadata{tests} {own}"
        told.append(("labels from the metadata, by the usual seed", line))
    return told


def _numbers(numbers: Sequence[int]) -> str:
    """Ascending numbers as `--neurons` takes them: 1-8,11."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(one[0]) if len(one) == 1 else f"{one[0]}-{one[-1]}" for one in runs)


def _notes(session: str, notes: Sequence[Any]) -> list[Command]:
    found = []
    for note in notes:
        about = f" --about {_quoted(note.about)}" if note.about else ""
        found.append(("a note", f"monoscope sessions note {shlex.quote(session)}{about} -- {_quoted(note.text)}"))
    return found
