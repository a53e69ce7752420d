"""The journal in words: one line an action. Pure."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from engine.actions import Replay, kind_of
from engine.text import plain
from workbench.edits import amount_of, rows_of
from workbench.label_words import TEST_WORDS

LINES_KEPT = 200


def journal_lines(records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The newest `LINES_KEPT` actions, the newest last."""
    return Journal().lines(records)


class Journal:
    """A journal that grows, in words; an undo or redo is told with what it took back or did again."""

    def __init__(self) -> None:
        self._begin(())

    def _begin(self, records: Sequence[Mapping[str, Any]]) -> None:
        self._records, self._count = records, 0
        self._replay = Replay()
        self._done: list[Mapping[str, Any]] = []
        self._undone: list[Mapping[str, Any]] = []
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)

    def lines(self, records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """The newest `LINES_KEPT` actions, the newest last; of records that were told before only what is new costs."""
        if records is not self._records or len(records) < self._count:
            self._begin(records)
        for record in records[self._count :]:
            about = self._about(record)
            words = _words(record) if about is record else f"{record['action']}: {_words(about)}"
            self._lines.append(plain(f"{str(record.get('time') or '')[11:16] or '–'} {words}"))
        self._count = len(records)
        return tuple(self._lines)

    def _about(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """The action that `record` takes back or does again, or itself."""
        changes = self._replay.changes(record)
        self._replay.take(record, changes)
        action = record["action"]
        if action in ("undo", "redo"):
            left, right = (self._done, self._undone) if action == "undo" else (self._undone, self._done)
            if left:
                right.append(left.pop())
                return right[-1]
        elif changes and action not in ("score", "measured"):
            self._done.append(record)
            self._undone.clear()
        return record


def _words(record: Mapping[str, Any]) -> str:
    match record:
        case {"action": "label", "neuron": neuron, "state": state}:
            text = record.get("text") or record.get("note") or ""
            return f"label {neuron} {text} ({state})" if state != "none" else f"label {neuron} taken away"
        case {"action": "score", "neuron": neuron, "kind": str(kind)}:
            return f"{_test(kind_of(kind), neuron)} {_outcome(record)}"
        case {"action": "edit", "edit": Mapping() as edit}:
            return f"{'change' if record.get('replaces') is not None else 'edit'} {_edit(edit)}"
        case {"action": "switch", "index": place, "on": on}:
            return f"edit {place} {'on' if on else 'waits'}"
        case {"action": "drop", "index": place}:
            return f"drop edit {place}"
        case {"action": "measured", "measured": Mapping() as measured}:
            return f"measured {len(measured.get('figures') or ())} figures of {measured.get('users')} users"
        case {"action": "watch", "user": user}:
            return f"watch user {user}"
        case {"action": "note", "text": text}:
            about = record.get("about")
            return f"note{f' on {about}' if about else ''}: {text}"
        case {"action": "bookmark", "kind": kind, "id": name, "on": on}:
            return f"{'mark' if on else 'unmark'} {kind} {name}"
    return str(record.get("action"))


def _test(kind: str, neuron: object) -> str:
    return f"what the labeller of {neuron} saw:" if kind == "evidence" else f"{TEST_WORDS.get(kind, kind)} of {neuron}:"


def _outcome(record: Mapping[str, Any]) -> str:
    """A test's figure beside that of chance; without one why there is none, or how many items there are."""
    figures = record.get("figures") or {}
    if "gain" in figures:
        null = figures.get("null_gain")
        return f"{figures['gain']:+.2f} ({'null unknown' if null is None else f'random directions {null:+.2f}'})"
    if isinstance(figures.get("value"), float):
        chance = figures.get("chance")
        return f"{figures['value']:.2f}" + ("" if chance is None else f" (chance {chance:.2f})")
    if "shown" in figures:
        return f"{len(figures['shown'])} items"
    return " ".join(filter(None, [str(record.get("state")), str(record.get("why") or "")]))


def _edit(edit: Mapping[str, Any]) -> str:
    what = edit.get("goal") if "goal" in edit else f"neuron {edit.get('neuron')} {amount_of(edit)}"
    return f"{what}{f' for {rows_of(edit)}' if rows_of(edit) else ''}"
