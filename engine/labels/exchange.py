"""Labels as a file: JSON that holds everything, CSV for spreadsheets; and labels from a file, all of it or nothing.

A file says which training of which run its labels are for: a neuron's number means nothing in another.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from engine.actions import Label, LabelState, State, now
from engine.errors import LabelError
from engine.labels.resolve import resolve
from engine.session import Origin
from engine.text import plain

FORMAT = "monoscope labels 1"
STATES: tuple[LabelState, ...] = ("human", "llm", "metadata", "rejected")
"""States that a label may come in with; the others name nothing."""
_LABEL = ("neuron", "label", "state", "concept", "model", "note", "time")
_SCORES = ("detection", "detection_low", "detection_high", "intruder", "held_out", "held_out_chance", "moves_gain")
COLUMNS = ("run", "content", *_LABEL, *_SCORES)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUOTED = (*_FORMULA, "'")
"""What a ' goes before: what a spreadsheet would run, and a ' that would be taken for one of ours."""
_TOP = 4096
LARGEST = 64 << 20
LONGEST = 200
"""Characters of a label, at most."""


def check_file(path: Path, *, overwrite: bool) -> None:
    """Raise a `LabelError` where `path` is a file, not empty, that is no export of labels; never if `overwrite`."""
    if overwrite or not path.is_file():
        return
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            start = file.read(_TOP)
    except OSError as error:
        raise LabelError(f"Cannot read {path}: {error.strerror}.") from error
    exported = json.dumps(FORMAT) in start or start.startswith(",".join(COLUMNS[:4]))
    if start.strip() and not exported:
        raise LabelError(
            f"{path} exists and is no export of labels; name another file, or write over it with --overwrite."
        )


def as_json(state: State, origin: Origin) -> str:
    """Every label with its scores, and the verdicts behind them."""
    rows = [
        {
            "neuron": neuron,
            "label": label.text,
            **{name: value for name, value in asdict(label).items() if name != "text"},
            "scores": state.scores.get(neuron, {}),
        }
        for neuron, label in sorted(state.labels.items())
    ]
    whole = {"format": FORMAT, "run": origin.run, "content": origin.content, "labels": rows}
    return json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def as_csv(state: State, origin: Origin) -> str:
    """One row a label, with the main figure of each score. A cell that a spreadsheet would run is quoted by a '."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for neuron, label in sorted(state.labels.items()):
        told = {**asdict(label), "run": origin.run, "content": origin.content, "neuron": neuron, "label": label.text}
        told |= flat_scores(state.scores.get(neuron, {}))
        writer.writerow([_cell(told.get(name)) for name in COLUMNS])
    return out.getvalue()


def flat_scores(kinds: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """The main figures of a label's scores, None where a test was not made or has no outcome."""

    def figure(kind: str, name: str) -> float | None:
        figures = kinds.get(kind, {}).get("figures") or {}
        return figures.get(name)

    return {
        "detection": figure("detection", "value"),
        "detection_low": figure("detection", "low"),
        "detection_high": figure("detection", "high"),
        "intruder": figure("intruder", "value"),
        "held_out": figure("held-out", "value"),
        "held_out_chance": figure("held-out", "chance"),
        "moves_gain": figure("moves", "gain"),
    }


def read_labels(path: Path, origin: Origin, neurons: int, concepts: Sequence[str]) -> dict[int, Label]:
    """The labels of a JSON or CSV file, by neuron. Raises `LabelError` that says which row and field does not fit.

    A row needs `neuron` and `label`; its state is "human" if it says none. Its concept must be one of `concepts`;
    without one it is what the text resolves to. Scores are not taken over: test labels where they are to be believed.
    """
    found: dict[int, Label] = {}
    for where, row in _rows(path, origin):
        field = _Fields(path, where, row)
        if row.get("state") in ("failed", "none"):
            continue  # an export tells of them too
        neuron = field.neuron(neurons)
        if neuron in found:
            raise field.wrong("neuron", f"neuron {neuron} is there twice; keep one of the rows")
        found[neuron] = _label(field, concepts)
    if not found:
        raise LabelError(f"{path} holds no labels.")
    return found


def _label(field: "_Fields", concepts: Sequence[str]) -> Label:
    state = field.text("state") or "human"
    if state not in STATES:
        raise field.wrong("state", f"{state!r} is none of {', '.join(STATES)}; leave the row out, or write human")
    text = field.text("label") or field.text("text")
    if text is None:
        raise field.wrong("label", "a label needs a text")
    concept = field.text("concept")
    if concept is not None and resolve(concept, concepts).concept is None:
        raise field.wrong("concept", f"the catalogue has no concept {concept!r}; leave it empty, or name one it has")
    resolved = resolve(concept or text, concepts).concept
    return Label(text, state, resolved, field.text("model"), field.text("note"), field.text("time") or now())


class _Fields:
    """One row of a file, whose faults are told with their place."""

    def __init__(self, path: Path, where: str, row: Mapping[str, Any]) -> None:
        self._path, self._where, self._row = path, where, row

    def wrong(self, name: str, why: str) -> LabelError:
        return LabelError(f"{self._path}, {self._where}, {name}: {why}.")

    def text(self, name: str) -> str | None:
        value = self._row.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.wrong(name, f"{str(value)[:40]!r} is no text")
        value = " ".join(plain(value).split())
        if len(value) > LONGEST and name != "note":
            raise self.wrong(name, f"{len(value)} characters are too many; {LONGEST} are the most")
        return value or None

    def neuron(self, count: int) -> int:
        value = self._row.get("neuron")
        text = "" if value is None or isinstance(value, bool) else str(value).strip()
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < count):
            raise self.wrong("neuron", f"{str(value)[:40]!r} is no neuron of this run, which has 0 to {count - 1}")
        return int(text)


def _rows(path: Path, origin: Origin) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text = _read(path)
    if path.suffix.lower() == ".csv":
        yield from _csv_rows(path, text, origin)
        return
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LabelError(f"{path} is no JSON ({error}); give a file of `labels export`, or .csv.") from error
    if isinstance(whole, dict):
        _same(path, whole.get("run"), whole.get("content"), origin)
        whole = whole.get("labels")
    if not isinstance(whole, list):
        raise LabelError(f"{path} has no list of labels; give a file of `labels export`.")
    for number, row in enumerate(whole, 1):
        if not isinstance(row, dict):
            raise LabelError(f"{path}, label {number}: this is no object with neuron and label.")
        yield f"label {number}", row


def _csv_rows(path: Path, text: str, origin: Origin) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        missing = [name for name in ("neuron", "label") if name not in (reader.fieldnames or [])]
        if missing:
            raise LabelError(f"{path} has no column {missing[0]!r} in its first row; it needs neuron and label.")
        for row in reader:
            told = {name: _uncelled(value) for name, value in row.items() if isinstance(name, str)}
            _same(path, told.get("run"), told.get("content"), origin)
            yield f"row {reader.line_num}", told
    except csv.Error as error:
        raise LabelError(f"{path}, row {reader.line_num}: {error}; is it a CSV file with commas?") from error


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise LabelError(f"{path} is larger than {LARGEST >> 20} MB, which no file of labels is.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise LabelError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise LabelError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from error


def _same(path: Path, run: Any, content: Any, origin: Origin) -> None:
    """Refuse labels of another training; a file that does not say which it is for is the analyst's word."""
    if isinstance(content, str) and content and origin.content is not None and content != origin.content:
        raise LabelError(
            f"{path} holds labels of another training (of run {run}), whose neurons are not those of {origin.run}."
        )


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_QUOTED) and isinstance(value, str) else text


def _uncelled(value: Any) -> Any:
    return value[1:] if isinstance(value, str) and value.startswith("'") and value[1:].startswith(_QUOTED) else value


FORMATS: Mapping[str, Callable[[State, Origin], str]] = {".json": as_json, ".csv": as_csv}
"""By the end of the file's name."""


def with_concept(label: Label, concept: str, concepts: Sequence[str]) -> Label:
    """`label` about another concept of the catalogue; `LabelError` where there is none of that name."""
    resolved = resolve(concept, concepts)
    if resolved.concept is None:
        raise LabelError(f"The catalogue has no concept {concept!r}; `monoscope concepts DATASET` lists them.")
    return replace(label, concept=resolved.concept)
