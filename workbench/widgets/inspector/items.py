"""The tab Items: the label and its scores, how pure the neuron is, its strongest items. Pure; needs files alone."""

from workbench.label_words import TEST_WORDS
from workbench.model import Neurons
from workbench.view import View
from workbench.widgets.answers import number, part
from workbench.widgets.inspector.head import label_notes
from workbench.widgets.inspector.parts import pairs, prose
from workbench.widgets.line import UNKNOWN, Line, cut, decimal, ends, fit, percent, right, small, times, width_of

DETAIL_FROM_CELLS = 60
"""Width from which the items' genres or tags are shown."""


def items(view: View, neuron: int, width: int) -> list[Line]:
    """What the run's files and the session say of a neuron."""
    neurons = view.neurons
    if neurons is None:
        return []
    row = neurons.row_of[neuron]
    lines = [*label_notes(view.labels.get(neuron), width), *_scores(view, neuron, width)]
    if neurons.dead[row]:
        return [*lines, *dead(view, width)]
    return [*lines, *_evidence(view, neurons, row, width), (), *_items(view, neurons, row, width)]


def dead(view: View, width: int) -> list[Line]:
    """What there is to say about a neuron that never fires."""
    text = f"Dead: it fires on none of the {view.card.item_word}s, and for no user; nothing to see or edit."
    return prose(text, width, "warn")


def _scores(view: View, neuron: int, width: int) -> list[Line]:
    """How the label does on items that its labeller did not see, beside chance; nothing where it was not tested."""
    kinds = view.scores.get(neuron, {})
    told = []
    for kind in ("detection", "intruder", "held-out"):
        word, score = TEST_WORDS[kind], part(kinds, kind)
        if score.get("state") == "scored":
            value, chance = (decimal(number(part(score, "figures"), name)) for name in ("value", "chance"))
            told.append(f"{word} {value} (chance {chance})")
        elif score.get("state") == "failed":
            told.append(f"{word} failed")
    return prose(" · ".join(told), width)


def _evidence(view: View, neurons: Neurons, row: int, width: int) -> list[Line]:
    def figure(name: str) -> float:
        return neurons.figure(row, name)

    items = f"{view.card.item_word}s"
    concept = neurons.concept[row]
    lines: list[Line] = []
    if concept is not None:
        weak = "" if neurons.named[row] else " too weak to name it"
        best: Line = (("best concept  ", "dim"), (concept, ""))
        if width_of(best) + len(weak) <= width:
            lines.append(ends(best, ((weak, "warn"),), width))
        else:
            lines += [cut(best, width), *prose(weak, width, "warn")]
        depths = ((10, "purity @10"), (20, "@20"), (50, "@50"))
        lines += pairs(width, *((name, decimal(figure(f"purity{depth}"))) for depth, name in depths))
        lines += pairs(
            width,
            ("base rate", percent(figure("base_rate"))),
            ("lift", times(figure("lift"))),
            ("q", small(figure("q"))),
        )
        if any(decimal(figure(f"purity{depth}")) == UNKNOWN for depth in (10, 20, 50)):
            lines += prose(f"{UNKNOWN} it fires on too few {items} to say", width, "warn")
    else:
        lines += prose(f"No concept stands out: there are none, or it fires on too few {items}.", width, "warn")
    lines += pairs(
        width,
        ("fires on", f"{percent(figure('density_items'))} of {items}"),
        ("for", f"{percent(figure('density_users'))} of users"),
    )
    lines += pairs(
        width,
        ("popularity (0: most)", decimal(figure("popularity_percentile"), 0)),
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
