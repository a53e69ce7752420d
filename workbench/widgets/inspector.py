"""What the inspector says about one neuron. Pure: lines from a view."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.model import Neurons
from workbench.view import View
from workbench.widgets.line import (
    UNKNOWN,
    Line,
    Span,
    cut,
    decimal,
    ends,
    fit,
    percent,
    right,
    small,
    times,
    width_of,
    wrap,
)

if TYPE_CHECKING:
    from engine.session import Label

DETAIL_FROM_CELLS = 60
"""Width from which the items' genres or tags are shown."""


def inspector(view: View, width: int) -> list[Line]:
    """The rows of the inspector, each at most `width` cells."""
    if view.fault is not None:
        return [((row, "warn"),) for row in wrap(view.fault, width)]
    if view.neurons is None:
        return [(("Reading the neurons…", "dim"),)]
    if view.current is None:
        return [(("No neuron matches the filter; esc clears it.", "dim"),)]
    neurons, row = view.neurons, view.neurons.row_of[view.current]
    title: Line = ((f"{view.current} ", "strong"), (view.name(view.current), "strong"))
    label = view.labels.get(view.current)
    rows = [
        ends(title, ((f" {_label_words(view, label)}", "dim"),), width),
        *_label_notes(label, width),
        *_scores(view, width),
    ]
    items = f"{view.card.item_word}s"
    if neurons.dead[row]:
        return [
            *rows,
            *_prose(f"Dead: it fires on none of the {items}, and for no user; nothing to see or edit.", width),
        ]
    return [*rows, *_evidence(view, neurons, row, width), (), *_items(view, neurons, row, width)]


def _label_words(view: View, label: "Label | None") -> str:
    if view.current in view.asked:
        return "asked for a label…"
    state = "none" if label is None else label.state
    return {
        "human": "labelled by hand",
        "llm": "labelled by a model",
        "metadata": "label from metadata",
        "rejected": "label rejected",
        "failed": "! label failed",
    }.get(state, "no label yet")


def _label_notes(label: "Label | None", width: int) -> list[Line]:
    """Why a label failed, or what the model said for it."""
    if label is None or not label.note:
        return []
    failed = label.state == "failed"
    source = f"{label.model}: " if label.model and not failed else ""
    return [((row, "warn" if failed else "dim"),) for row in wrap(f"{source}{label.note}", width)]


def _scores(view: View, width: int) -> list[Line]:
    """How the label does on items that its labeller did not see, beside chance; nothing where it was not tested."""
    kinds = view.scores.get(view.current if view.current is not None else -1, {})
    told = []
    for kind, word in (("detection", "detection"), ("intruder", "intruder"), ("agreement", "held-out purity")):
        score = kinds.get(kind)
        if score is not None and score["state"] == "scored":
            figures = score["figures"]
            told.append(f"{word} {figures['value']:.2f} (chance {figures['chance']:.2f})")
        elif score is not None and score["state"] == "failed":
            told.append(f"{word} failed")
    return [((row, "dim"),) for row in wrap(" · ".join(told), width)] if told else []


def _evidence(view: View, neurons: Neurons, row: int, width: int) -> list[Line]:
    def figure(name: str) -> float:
        return neurons.figure(row, name)

    items = f"{view.card.item_word}s"
    concept = neurons.concept[row]
    lines: list[Line] = []
    if concept is not None:
        weak = "" if neurons.named[row] else "too weak to name it"
        lines.append(ends((("best concept  ", "dim"), (concept, "")), ((weak, "warn"),), width))
        depths = ((10, "purity @10"), (20, "@20"), (50, "@50"))
        lines += _pairs(width, *((name, decimal(figure(f"purity{depth}"))) for depth, name in depths))
        lines += _pairs(
            width,
            ("base rate", decimal(figure("base_rate"))),
            ("lift", times(figure("lift"))),
            ("q", small(figure("q"))),
        )
        if any(decimal(figure(f"purity{depth}")) == UNKNOWN for depth in (10, 20, 50)):
            lines += _prose(f"{UNKNOWN} it fires on too few {items} to say", width)
    else:
        lines += _prose(f"No concept stands out: there are none, or it fires on too few {items}.", width)
    lines += _pairs(
        width,
        ("fires on", f"{percent(figure('density_items'))} of {items}"),
        ("for", f"{percent(figure('density_users'))} of users"),
    )
    lines += _pairs(
        width,
        ("popularity percentile", decimal(figure("popularity_percentile"), 0)),
        ("coherence", decimal(figure("monosemanticity"))),
    )
    return lines


def _items(view: View, neurons: Neurons, row: int, width: int) -> list[Line]:
    top = neurons.top_items(row)
    detail = 24 if width >= DETAIL_FROM_CELLS else 0
    room = width - 4 - 5 - 6 - (detail + 2 if detail else 0)
    head = f"{'rk':>3} {fit(view.card.item_word, room)}{'act':>5} match"
    lines: list[Line] = [((head, "dim"), (f"  {fit('', detail)}" if detail else "", "dim"))]
    for item in top:
        lines.append((
            (f"{item.rank:>3} ", "dim"),
            (fit(item.title, room), ""),
            (right(decimal(item.activation), 5), ""),
            ("   ●  " if item.match else "      ", "good"),
            (f"  {fit(item.detail.replace('|', ' '), detail)}" if detail else "", "dim"),
        ))  # fmt: skip
    return lines


def _pairs(width: int, *pairs: tuple[str, str]) -> list[Line]:
    """Names with their values, as many on a row as fit whole."""
    lines: list[list[Span]] = [[]]
    for name, value in pairs:
        spans: list[Span] = [(f"{name} ", "dim"), (f"{value}  ", "")]
        if lines[-1] and width_of((*lines[-1], *spans)) - 2 > width:
            lines.append([])
        lines[-1] += spans
    return [cut(tuple(line), width) for line in lines]


def _prose(text: str, width: int) -> Sequence[Line]:
    return [((row, "warn"),) for row in wrap(text, width)]
