"""What an analyst's actions on a run add up to: a state that each of them changes, and undo and redo. No disk here.

Actions and their data:

    label       neuron, text, state, concept, model, note   a label arrives, or an analyst decides on one
    score       neuron, kind, text, concept, state, ...     a test of a label, or of a neuron, was made
    edit        edit, replaces, measured                    an edit joins the stack at its end, or takes the place of
                                                            the edit that `replaces` counts from 0
    switch      index, on                                   the edit at this place waits, or applies again
    drop        index                                       it leaves the stack
    clear                                                   every edit leaves
    watch       user                                        a user becomes the one watched last
    note        text, about                                 a remark is kept
    bookmark    kind, id, on                                a neuron, item, user or concept is marked, or no longer
    measured    measured                                    what the stack does was measured
    undo, redo                                              of all of these but scores and what was measured

The tests "held-out" and "moves" were once called otherwise; journals of that time are read with the names of today.
A score is a measurement: it stands beside a label as long as it is about its text and its concept, and comes back when
the label does. An analyst's label ("human", "rejected") is replaced by an analyst's alone ("none" takes it away), and a
failure replaces no label that names a neuron. `measured` are the figures of the whole stack with that edit, or of the
stack as it stands, and so of every later stack that is the same.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from operator import index
from typing import Any, Literal, get_args

from engine.text import plain

LabelState = Literal["none", "metadata", "llm", "human", "rejected", "failed"]
BookmarkKind = Literal["neuron", "item", "user", "concept"]

_STATES = get_args(LabelState)
_KINDS = get_args(BookmarkKind)
BY_AN_ANALYST = frozenset({"human", "rejected"})
"""States of a label that a labeller does not replace."""
_ENVELOPE = frozenset({"action", "neuron"})
_NAMING = frozenset({"metadata", "llm", "human"})

_FORMER_KINDS = {"agreement": "held-out", "causal": "moves"}

_Key = tuple[Any, ...]
_Cell = tuple[int, Any]
_Change = tuple[_Key, _Cell | None, _Cell | None]


def now() -> str:
    """The time as journals and labels hold it: UTC, ISO 8601, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@dataclass(frozen=True)
class Label:
    """What a neuron is called, and who says so. The state "none" takes a label away; "failed" has no text."""

    text: str | None
    state: LabelState
    concept: str | None = None
    """The catalogue's concept that the text names exactly, if it does."""
    model: str | None = None
    note: str | None = None
    """Why a labeller failed, or what a model said for its label."""
    time: str = ""

    @property
    def name(self) -> str | None:
        """What the neuron is called by it; None for a label that was rejected, or that failed."""
        return self.text if self.state in _NAMING else None


@dataclass(frozen=True)
class Note:
    """An analyst's remark; `about` says on what, in their own words."""

    text: str
    about: str | None = None
    time: str = ""


@dataclass(frozen=True)
class State:
    """What a journal adds up to: edits in the order in which they apply, the user watched last at the end."""

    labels: dict[int, Label] = field(default_factory=dict)
    edits: tuple[dict[str, Any], ...] = ()
    watched: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    bookmarks: tuple[tuple[str, str], ...] = ()
    """Kind and id of what is marked, in the order of marking."""
    scores: dict[int, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By neuron and kind of test, those that are about the label that stands, or about no label."""
    measured: dict[str, Any] | None = None
    """What the edits were measured to do, as they stand; None where nobody has measured them."""
    cohorts: tuple[str | None, ...] = ()
    """For each edit the condition of the users whose lists were first measured under it; None: unknown, or everyone."""


class Replay:
    """The state as cells that actions set, so that an undo costs what its action did, however long the journal is.

    A cell holds its place in the order and its value; None is an empty one.
    """

    def __init__(self) -> None:
        self._cells: dict[_Key, _Cell] = {}
        self._count = 0
        self._done: list[list[_Change]] = []
        self._undone: list[list[_Change]] = []
        self._measured: dict[str, dict[str, Any]] = {}
        self._cohorts: dict[_Key, str] = {}

    def changes(self, record: Mapping[str, Any]) -> list[_Change]:
        """What `record` would change; raises a `ValueError` if it makes no sense here."""
        match record:
            case {"action": "label", "neuron": int(neuron)} if neuron >= 0:
                return self._labelled(neuron, _label(record))
            case {"action": "score", "neuron": int(neuron), "kind": str(kind)} if neuron >= 0:
                return self._scored(neuron, kind, record)
            case {"action": "edit", "edit": dict(edit)}:
                return self._edited(record, dict(edit))
            case {"action": "switch", "index": int(place), "on": bool(on)}:
                key, edit = self._edit_at(place)
                switched = {name: value for name, value in edit.items() if name != "on"} | ({} if on else {"on": False})
                return self._set(key, switched)
            case {"action": "drop", "index": int(place)}:
                key, _ = self._edit_at(place)
                return [(key, self._cells[key], None)]
            case {"action": "clear"}:
                return [(key, cell, None) for key, cell in self._ordered("edit")]
            case {"action": "watch", "user": str(user)}:
                return self._watching(user)
            case {"action": "note", "text": str(text)} if text.strip():
                about, when = record.get("about"), str(record.get("time") or "")
                note = Note(plain(text).strip(), plain(str(about)).strip() if about else None, when)
                return [(("note", self._count), None, (self._count, note))]
            case {"action": "bookmark", "kind": str(kind), "id": str(name), "on": bool(on)} if kind in _KINDS:
                return self._set(("bookmark", kind, name), True if on else None)
            case {"action": "measured", "measured": dict(measured)}:
                key = ("measured", self._stack())
                known = measured == self._measured.get(key[1])
                return [] if known else [(key, self._cells.get(key), (self._count, measured))]
            case {"action": "undo"}:
                return [(key, after, before) for key, before, after in self._done[-1]] if self._done else []
            case {"action": "redo"}:
                return self._undone[-1] if self._undone else []
            case {"action": str(action)}:
                raise ValueError(f"{action!r} is no action of this version, or its data do not fit")
        raise ValueError("this is no action")

    def take(self, record: Mapping[str, Any], changes: list[_Change]) -> None:
        """Carry out `changes`, which `changes` gave for this `record`."""
        action = record["action"]
        if not changes:
            return
        self._count += 1
        for key, _before, after in changes:
            if after is None:
                self._cells.pop(key, None)
            else:
                self._cells[key] = after
        if action == "undo":
            self._undone.append(self._done.pop())
        elif action == "redo":
            self._done.append(self._undone.pop())
        elif action not in ("score", "measured"):
            self._done.append(changes)
            self._undone.clear()
        if action in ("edit", "measured") and record.get("measured") is not None:
            self._measured[self._stack()] = dict(record["measured"])
            edits = [one for one, _cell in self._ordered("edit")]
            its = changes[0][0] if action == "edit" else edits[-1] if edits else None
            if its is not None and (action == "edit" or its not in self._cohorts):
                self._cohorts[its] = str(record["measured"].get("cohort") or "")

    def state(self) -> State:
        """What the actions so far add up to."""
        measured = self._measured.get(self._stack())
        return State(
            labels={key[1]: label for key, (_order, label) in self._ordered("label")},
            edits=tuple(dict(edit) for _key, (_order, edit) in self._ordered("edit")),
            watched=tuple(key[1] for key, _cell in self._ordered("watch")),
            notes=tuple(note for _key, (_order, note) in self._ordered("note")),
            bookmarks=tuple((key[1], key[2]) for key, _cell in self._ordered("bookmark")),
            scores=self._standing_scores(),
            measured=None if measured is None else dict(measured),
            cohorts=tuple(self._cohorts.get(key) or None for key, _cell in self._ordered("edit")),
        )

    def _ordered(self, kind: str) -> list[tuple[_Key, _Cell]]:
        found = [(key, cell) for key, cell in self._cells.items() if key[0] == kind]
        return sorted(found, key=lambda entry: entry[1][0])

    def _set(self, key: _Key, value: Any) -> list[_Change]:
        """A cell takes a value (None: becomes empty) and keeps its place."""
        before = self._cells.get(key)
        if value == (before[1] if before else None):
            return []
        return [(key, before, None if value is None else (before[0] if before else self._count, value))]

    def _edit_at(self, place: int) -> tuple[_Key, dict[str, Any]]:
        edits = self._ordered("edit")
        if not 0 <= place < len(edits):
            raise ValueError(f"there is no edit {place}, but {len(edits)} of them, counted from 0")
        key, (_order, edit) = edits[place]
        return key, edit

    def _edited(self, record: Mapping[str, Any], edit: dict[str, Any]) -> list[_Change]:
        measured, place = record.get("measured"), record.get("replaces")
        if not (isinstance(edit.get("goal"), str) and isinstance(edit.get("amounts"), str)) and not isinstance(
            edit.get("neuron"), int
        ):
            raise ValueError("an edit has a neuron, or a goal and its amounts")
        if measured is not None and not isinstance(measured, Mapping):
            raise ValueError("what was measured must be an object")
        return self._set(("edit", self._count) if place is None else self._edit_at(place)[0], edit)

    def _stack(self) -> str:
        """The edits as they stand, as a text that tells them from any others."""
        return json.dumps([edit for _key, (_order, edit) in self._ordered("edit")], sort_keys=True)

    def _labelled(self, neuron: int, label: Label) -> list[_Change]:
        key = ("label", neuron)
        before = self._cells.get(key)
        standing = before[1] if before else Label(None, "none")
        by_analyst = label.state in BY_AN_ANALYST or label.state == "none"
        loses = (standing.state in BY_AN_ANALYST and not by_analyst) or (
            standing.state in _NAMING and label.state == "failed"
        )
        if loses or replace(label, time=standing.time) == standing or (before is None and label.state == "none"):
            return []
        return [(key, before, None if label.state == "none" else (self._count, label))]

    def _scored(self, neuron: int, kind: str, record: Mapping[str, Any]) -> list[_Change]:
        kind = kind_of(kind)
        text, concept, told = record.get("text"), record.get("concept"), {**record, "kind": kind}
        if not isinstance(text, str | None) or not isinstance(concept, str | None):
            raise ValueError("a score's text and concept must be texts")
        key = ("score", neuron, kind, text, concept)
        return [(key, self._cells.get(key), (self._count, told))]

    def _standing_scores(self) -> dict[int, dict[str, dict[str, Any]]]:
        found: dict[int, dict[str, dict[str, Any]]] = {}
        for (_, neuron, kind, text, concept), (_order, told) in self._ordered("score"):
            cell = self._cells.get(("label", neuron))
            label = cell[1] if cell else Label(None, "none")
            if text in (None, label.text) and concept in (None, label.concept):
                found.setdefault(neuron, {})[kind] = {key: told[key] for key in told if key not in _ENVELOPE}
        return found

    def _watching(self, user: str) -> list[_Change]:
        key, last = ("watch", user), ("watched last",)
        before = self._cells.get(last)
        if before is not None and before[1] == user:
            return []
        return [(key, self._cells.get(key), (self._count, True)), (last, before, (self._count, user))]


def kind_of(written: str) -> str:
    """The kind of a score by its name of today."""
    return _FORMER_KINDS.get(written, written)


def record(action: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """An action as it is written: a label's texts cleaned, its neuron a plain integer."""
    told = {**data, "time": data.get("time") or now(), "action": action}
    if action == "label":
        told = {"neuron": index(data["neuron"]), **asdict(_label(told)), "action": action}
    return {"time": told.pop("time"), "action": told.pop("action"), **told}


def _label(told: Mapping[str, Any]) -> Label:
    texts: dict[str, Any] = {}
    for name in (entry.name for entry in fields(Label)):
        value = told.get(name)
        if not isinstance(value, str | None):
            raise ValueError(f"a label's {name} must be a text")
        texts[name] = plain(value).strip() or None if value is not None else None
    if texts["state"] not in _STATES:
        raise ValueError(f"a label's state is one of {', '.join(_STATES)}, not {texts['state']!r}")
    if texts["text"] is None and texts["state"] in _NAMING:
        raise ValueError(f"a label with the state {texts['state']!r} needs a text")
    return Label(**{**texts, "time": texts["time"] or ""})
