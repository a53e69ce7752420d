"""The tab Label: the label, its tests beside chance, what it rests on, and what one may do about it. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.text import plain
from workbench.label_words import TEST_WORDS
from workbench.view import View
from workbench.widgets.answers import number, part, parts, signed, whole
from workbench.widgets.charts import bars
from workbench.widgets.inspector.head import label_notes
from workbench.widgets.inspector.parts import (
    Column,
    Facts,
    heading,
    listed,
    numbers_of,
    prose,
    table,
    text_in,
)
from workbench.widgets.line import UNKNOWN, Line, decimal, percent

if TYPE_CHECKING:
    from engine.actions import Label

SOURCES = {"top": True, "lower": True, "near by metadata": False, "near by neuron": False, "random": False}
"""Where tested items come from, and whether they activate the neuron, so that the label should fit."""
KEYS = ("a accept", "x reject", "L write", "l ask")
MOST_TITLES = 8
BAR_CELLS = 10
FULL_NAMES_CELLS = 60
"""Width from which a test's whole name stands beside its interval."""


def label(view: View, neuron: int, width: int) -> list[Line]:
    """Everything that the session holds about a neuron's label."""
    told, scores = view.labels.get(neuron), view.scores.get(neuron, {})
    titles = _titles(view, neuron)
    return [
        *(prose(view.asked[neuron], width) if view.asked.get(neuron) else []),
        *_label(told, width),
        *_tests(scores, width),
        *_verdicts(part(scores, "detection", "figures"), titles, width),
        *_moves(part(scores, "moves"), width),
        *_shown(part(scores, "evidence", "figures"), titles, width),
        (),
        *_keys(view, width),
    ]


def _label(told: "Label | None", width: int) -> list[Line]:
    if told is None:
        return prose("No label: it goes by its best concept.", width)
    if told.text is None:
        return label_notes(told, width)
    rows = prose(f"“{told.text}”" + (" was rejected" if told.state == "rejected" else ""), width, "strong")
    rows += prose(f"concept: {told.concept or 'none of the catalogue that it names'}", width, "")
    if told.model:
        rows += prose(f"model: {told.model}", width, "")
    return rows + (prose(f"note: {told.note}", width) if told.note else [])


def _tests(scores: Facts, width: int) -> list[Line]:
    """A row for each test with its figure, 95 % interval and chance level; why there is none below."""
    made = {kind: score for kind in TEST_WORDS if (score := part(scores, kind))}
    if not made:
        return [*heading("Tests", width), *prose("It was not tested yet.", width)]
    cells = [_test(score) if kind != "moves" else _moved(score) for kind, score in made.items()]
    names = {**TEST_WORDS, **({"held-out": "held-out"} if width < FULL_NAMES_CELLS else {})}
    lines = [
        *heading("Tests beside chance, on unseen items", width),
        *table(
            width,
            Column("test", [names[kind] for kind in made], names=True),
            Column("figure", [row[0] for row in cells]),
            Column("95 % from", [row[1] for row in cells], spare=1),
            Column("to", [row[2] for row in cells], spare=1),
            Column("chance", [row[3] for row in cells]),
        ),
    ]
    for kind, score in made.items():
        if score.get("state") in ("failed", "unknown"):
            failed = score.get("state") == "failed"
            words = f"{'! ' if failed else ''}{TEST_WORDS[kind]} {text_in(score, 'state')}: {text_in(score, 'why')}"
            lines += prose(words, width, "warn" if failed else "dim")
    return lines + prose(_judges(made), width)


def _test(score: Facts) -> tuple[str, str, str, str]:
    """The figure, the ends of its interval, and chance."""
    if score.get("state") == "failed":
        return "!", "", "", ""
    figure, low, high, chance = (
        decimal(number(part(score, "figures"), name)) for name in ("value", "low", "high", "chance")
    )
    return figure, low, high, chance


def _moved(score: Facts) -> tuple[str, str, str, str]:
    """The gain, the ends of its interval, and what random directions gain."""
    if score.get("state") == "failed":
        return "!", "", "", ""
    gain, low, high, null = (
        signed(number(part(score, "figures"), name), 2) for name in ("gain", "low", "high", "null_gain")
    )
    return gain, low, high, null


def _judges(made: Mapping[str, Facts]) -> str:
    """Who judged, on how much, and what the figure is."""
    words: dict[str, Callable[[Facts, Facts], str]] = {
        "detection": lambda score, told: (
            f"detection: balanced accuracy by {text_in(score, 'judge')} on {whole(number(told, 'items'))} items."
        ),
        "intruder": lambda score, told: (
            f"intruder: odd ones found by {text_in(score, 'judge')} in {whole(number(told, 'rounds'))} rounds."
        ),
        "held-out": lambda score, told: (
            f"held-out purity: @20, of {text_in(score, 'concept')}, {whole(number(told, 'held_out_members'))} of "
            f"{whole(number(told, 'held_out_items'))} items."
        ),
    }
    scored = {kind: score for kind, score in made.items() if kind in words and score.get("state") == "scored"}
    told = [words[kind](score, part(score, "figures")) for kind, score in scored.items()]
    if part(made, "moves").get("state") == "scored":
        k, concept = whole(number(part(made, "moves", "figures"), "k")), text_in(part(made, "moves"), "concept")
        told.append(f"moves: gain of {concept} in users' top {k}; chance: random directions as pure, on average.")
    return " ".join(told)


def _verdicts(figures: Facts, titles: Mapping[str, str], width: int) -> list[Line]:
    """Of each kind of held-out items, how many the label was said to fit."""
    groups = part(figures, "said_to_fit")
    counts = {source: numbers_of(groups, source) for source in SOURCES}
    told = [(source, pair[0], pair[1]) for source, pair in counts.items() if len(pair) == 2]
    if not told:
        return []
    fits = [f"{whole(said)} of {whole(of)}" for _, said, of in told]
    share = [said / of if of else 0.0 for _, said, of in told]
    lines = [
        *heading("Detection: the label was said to fit", width),
        *table(
            width,
            Column("held-out items", [source for source, _, _ in told], names=True),
            Column("fits", fits),
            Column("", bars([*share, 1.0], BAR_CELLS)[:-1], role="bar", spare=1),
            Column("should", ["yes" if SOURCES[source] else "no" for source, _, _ in told], spare=2),
        ),
    ]
    if any(source.startswith("near") for source, _, _ in told):
        lines += prose("near: look alike but do not activate it; not in the figure.", width)
    return lines + _wrong(figures, titles, width)


def _wrong(figures: Facts, titles: Mapping[str, str], width: int) -> list[Line]:
    """Items of the figure that were judged wrongly, by title where it is known here."""
    verdicts = [row for row in figures.get("verdicts") or () if isinstance(row, Sequence) and len(row) == 3]
    wrong = [row[0] for row in verdicts if bool(row[2]) != SOURCES.get(row[1], False)]
    return _named(f"judged wrongly ({len(wrong)})", wrong, titles, width) if wrong else []


def _moves(score: Facts, width: int) -> list[Line]:
    """Whether users' lists gain the concept when the neuron is raised, beside random directions."""
    told = part(score, "figures")
    if score.get("state") != "scored" or not told:
        return []
    concept, k = text_in(score, "concept"), whole(number(told, "k"))
    said = [
        f"Raised by one p99, {whole(number(told, 'users'))} users' top {k} go from {percent(number(told, 'before'))} "
        f"to {percent(number(told, 'after'))} {concept} (room for {signed(number(told, 'room'), 2)})."
    ]
    if told.get("null_share") is None:
        why = told.get("null_unknown")
        said.append(f"Random directions of the same purity: unknown. {'' if why is None else plain(str(why))}")
    else:
        low, high = signed(number(told, "null_low"), 2), signed(number(told, "null_high"), 2)
        said.append(
            f"{whole(number(told, 'null_directions'))} random directions of the same purity: "
            f"{signed(number(told, 'null_gain'), 2)} [{low}, {high}]; {percent(number(told, 'null_share'))} move as "
            "much or more, the neuron counted. Random concepts of the same size: "
            f"{percent(number(told, 'random_share'))}."
        )
    if told.get("implied"):
        said.append("That it moves is implied by the algebra; how far, is not.")
    return [*heading("Moves: does raising it raise its concept?", width), *prose(" ".join(said), width)]


def _shown(figures: Facts, titles: Mapping[str, str], width: int) -> list[Line]:
    """What the labeller saw."""
    if not figures:
        return []
    fields = ", ".join(plain(str(field)) for field in figures.get("fields") or ())
    lines = heading(f"Shown to who named it: {text_in(figures, 'by')} ({fields or UNKNOWN})", width)
    by_source: dict[str, list[Any]] = {}
    for row in figures.get("shown") or ():
        if isinstance(row, Sequence) and len(row) == 2:
            by_source.setdefault(str(row[1]), []).append(row[0])
    for source, items in by_source.items():
        lines += _named(f"{plain(source)} ({len(items)})", items, titles, width)
    return lines


def _named(what: str, items: Sequence[Any], titles: Mapping[str, str], width: int) -> list[Line]:
    known = [titles[str(item)] for item in items if str(item) in titles][:MOST_TITLES]
    if not known:
        return prose(what, width, "")
    more = len(items) - len(known)
    return [*prose(f"{what}:", width, ""), *listed([*known, *([f"… {more} more"] if more else [])], width, "dim", 2)]


def _titles(view: View, neuron: int) -> dict[str, str]:
    """Titles by id, of the items that the engine named for this neuron."""
    facts = view.facts.get(neuron, {})
    steps = [row for step in parts(part(facts, "quantiles"), "items") for row in parts(step, "rows")]
    moved = [row for side in ("gained", "lost") for row in parts(part(facts, "moves", "users"), side)]
    rows = [*parts(facts, "items"), *steps, *moved]
    told = {str(row["item_id"]): text_in(row, "title") for row in rows if row.get("item_id") is not None}
    neurons = view.neurons
    return told if neurons is None else {**dict(zip(neurons.ids, neurons.titles, strict=False)), **told}


def _keys(view: View, width: int) -> list[Line]:
    if view.read_only:
        return prose(f"Labels cannot be changed here. {view.refusal}".rstrip(), width, "warn")
    return listed(KEYS, width, "key", between="  ")
