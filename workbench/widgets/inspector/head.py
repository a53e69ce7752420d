"""The first rows of every tab: which neuron, what it is called, and who says so. Pure."""

from typing import TYPE_CHECKING

from workbench.view import View
from workbench.widgets.inspector.parts import prose
from workbench.widgets.line import Line, ends

if TYPE_CHECKING:
    from engine.actions import Label


def title(view: View, neuron: int, width: int) -> Line:
    """The neuron and its name at the left, the state of its label at the right."""
    named: Line = ((f"{neuron} ", "strong"), (view.name(neuron), "strong"))
    return ends(named, ((f" {label_words(view, neuron)}", "dim"),), width)


def label_words(view: View, neuron: int) -> str:
    """The state of a neuron's label."""
    if neuron in view.asked:
        return "asked for a label…"
    label = view.labels.get(neuron)
    return {
        "human": "labelled by hand",
        "llm": "labelled by a model",
        "metadata": "label from metadata",
        "rejected": "label rejected",
        "failed": "! label failed",
    }.get("none" if label is None else label.state, "no label yet")


def label_notes(label: "Label | None", width: int) -> list[Line]:
    """Why a label failed, or what the model said for it."""
    if label is None or not label.note:
        return []
    failed = label.state == "failed"
    source = f"{label.model}: " if label.model and not failed else ""
    return prose(f"{source}{label.note}", width, "warn" if failed else "dim")
