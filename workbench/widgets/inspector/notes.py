"""The tab Notes: remarks about this neuron, all others, and what is bookmarked. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.text import plain
from workbench.view import View
from workbench.widgets.inspector.parts import heading, listed, prose
from workbench.widgets.line import Line

if TYPE_CHECKING:
    from engine.actions import Note


def notes(view: View, neuron: int, width: int) -> list[Line]:
    """This neuron's first, the newest at the top."""
    mine = [note for note in reversed(view.notes) if note.about == f"neuron {neuron}"]
    others = [note for note in reversed(view.notes) if note.about != f"neuron {neuron}"]
    lines = [*heading(f"About neuron {neuron}", width), *_notes(mine, width, about=False)]
    if others:
        lines += [*heading(f"Other notes ({len(others)})", width), *_notes(others, width, about=True)]
    marked = [_bookmark(view, kind, name) for kind, name in view.bookmarks]
    told = listed(marked, width) if marked else prose("none", width)
    return [*lines, *heading(f"Bookmarks ({len(marked)})", width), *told]


def _notes(found: "Sequence[Note]", width: int, *, about: bool) -> list[Line]:
    if not found:
        return prose("no notes", width)
    lines: list[Line] = []
    for note in found:
        when = note.time[:16].replace("T", " ")
        head = " · ".join(filter(None, [plain(note.about or "") if about else "", plain(when)]))
        lines += [*prose(head, width), *prose(note.text, width, "")]
    return lines


def _bookmark(view: View, kind: str, name: str) -> str:
    known = kind == "neuron" and view.neurons is not None and name.isdecimal() and int(name) in view.neurons.row_of
    return plain(f"{kind} {name} {view.name(int(name))}" if known else f"{kind} {name}")
