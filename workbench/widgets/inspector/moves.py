"""The tab Moves: what gains and loses when the neuron is raised by one p99. Pure."""

from collections.abc import Sequence

from workbench.view import View
from workbench.widgets.answers import number, part, parts, signed, whole
from workbench.widgets.charts import bars
from workbench.widgets.inspector.parts import (
    Column,
    Facts,
    beside,
    half_of,
    heading,
    prose,
    table,
    text_in,
)
from workbench.widgets.line import UNKNOWN, Line, decimal, percent

MOST_USERS = 5
BAR_CELLS = 8


def moves(view: View, _neuron: int, facts: Facts, width: int) -> list[Line]:
    """Concepts beside chance and items when users are raised, users when items are."""
    word = view.card.item_word
    half = half_of(width)
    raised, items = part(facts, "moves", "users"), part(facts, "moves", "items")
    if not raised and not items:
        return prose("No user and no item activates it, so there is nothing to raise.", width, "warn")
    lines = _how(raised, "users", width)
    if raised:
        lines += _concepts(raised, facts, width, half)
    lines += _sides(raised, f"{word.capitalize()}s", "title", word, width, half)
    people = {**items, **{side: parts(items, side)[:MOST_USERS] for side in ("gained", "lost")}}
    return [*lines, (), *_how(items, f"{word}s", width), *_sides(people, "Users", "user_id", "user", width, half)]


def _how(told: Facts, raised: str, width: int) -> list[Line]:
    """What was done, and over whom it is a mean."""
    if not told:
        return prose(f"None of the {raised} activates it, so none can be raised.", width, "warn")
    p99 = decimal(number(told, "unit"))
    unit = f"Change of affinity when {raised} are raised by one p99, their 99th percentile ({p99})"
    if told.get("exact"):
        return prose(f"{unit}: the same for all of them.", width)
    spread = "low, high: its quartiles; same: share of them that move the same way."
    return prose(f"{unit}: mean over {whole(number(told, 'sample'))} drawn at random. {spread}", width)


def _sides(told: Facts, title: str, field: str, word: str, width: int, half: int) -> list[Line]:
    if not told:
        return []
    gained, lost = (
        [
            *heading(f"{title} that {verb}" if field == "title" else f"{title} who {verb}", half),
            *_changes(parts(told, side), field, word, bool(told.get("exact")), half),
        ]
        for side, verb in (("gained", "gain"), ("lost", "lose"))
    )
    return beside(gained, lost, width)


def _changes(rows: Sequence[Facts], field: str, word: str, exact: bool, width: int) -> list[Line]:
    if not rows:
        return prose("none", width)
    change = [number(row, "change") for row in rows]
    spread = () if exact else (
        Column("low", [signed(number(row, "low"), 2) for row in rows], spare=2),
        Column("high", [signed(number(row, "high"), 2) for row in rows], spare=2),
        Column("same", [percent(number(row, "same_sign")) for row in rows], spare=1),
    )  # fmt: skip
    return table(
        width,
        Column(word, [text_in(row, field) for row in rows], names=True),
        Column("change", [signed(value, 2) for value in change]),
        *spread,
        Column("", bars(change, BAR_CELLS), role="bar", spare=3),
    )


def _concepts(raised: Facts, facts: Facts, width: int, half: int) -> list[Line]:
    told = part(raised, "concepts")
    if not told:
        missing = "" if facts.get("missing") is None else text_in(facts, "missing")
        return [(), *prose(f"What concepts gain is unknown here. {missing}", width, "warn")]
    gained, lost = (
        [*heading(f"Concepts that {verb}", half), *_excess(parts(told, side), half)]
        for side, verb in (("gained", "gain"), ("lost", "lose"))
    )
    return [*prose(_null(told, text_in(facts, "concept")), width), *beside(gained, lost, width)]


def _excess(rows: Sequence[Facts], width: int) -> list[Line]:
    if not rows:
        return prose("none", width)
    excess = [number(row, "excess") for row in rows]
    return table(
        width,
        Column("concept", [text_in(row, "concept") for row in rows], names=True),
        Column("more", [signed(value, 2) for value in excess]),
        Column("items", [whole(number(row, "items")) for row in rows], spare=1),
        Column("", bars(excess, BAR_CELLS), role="bar", spare=2),
    )


def _null(told: Facts, concept: str) -> str:
    """What the figures are, and how far chance and algebra alone would go."""
    measured, directions = whole(number(told, "measured")), whole(number(told, "null_directions"))
    said = [f"more: mean change of its items, less that of all; {measured} concepts were measured."]
    first = next(iter(parts(told, "gained")), None)
    if first is not None and number(part(told, "own"), "place") != 1 and told.get("null_share") is not None:
        said.append(
            f"{percent(number(told, 'null_share'))} of {directions} random directions of equal length raise some "
            f"concept as much as this raises {text_in(first, 'concept')}."
        )
    if told.get("own") is None:
        return " ".join(said)
    own = part(told, "own")
    excess = number(own, "excess")
    said.append(f"Its best concept, {concept}, is number {whole(number(own, 'place'))} ({signed(excess, 2)})")
    share = percent(number(told, "null_own_share"))
    said[-1] += (
        "."
        if share == UNKNOWN
        else f"; {share} of {directions} random directions of equal length raise some concept as much."
    )
    if excess <= 0:
        said.append(f"So its name holds for items alone: raising it on users does not raise {concept}.")
    elif told.get("implied"):
        said.append(
            "That is implied by the algebra, no evidence for its name: a linear neuron raises the items that it is "
            "active for."
        )
    return " ".join(said)
