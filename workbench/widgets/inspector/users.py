"""The tab Users: which groups of users the neuron is active for, and who activates it most. Pure."""

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
from workbench.widgets.line import UNKNOWN, Line, decimal, percent, small

BAR_CELLS = 8


def users(view: View, neuron: int, facts: Facts, width: int) -> list[Line]:
    """Groups with how far they are from all others, then single users."""
    half = half_of(width)
    everyone = "" if view.neurons is None else (
        f"{percent(view.neurons.figure(view.neurons.row_of[neuron], 'density_users'))} of users activate it."
    )  # fmt: skip
    return [
        *prose(everyone, width),
        *beside(
            [*heading("Groups of users, the most different first", half), *_groups(facts, half)],
            [*heading("Users who activate it most", half), *_most(parts(facts, "users"), half)],
            width,
        ),
    ]


def _groups(facts: Facts, width: int) -> list[Line]:
    if facts.get("segments") is None:
        missing = "" if facts.get("missing") is None else text_in(facts, "missing")
        return prose(f"They are unknown here. {missing}", width, "warn")
    told = part(facts, "segments")
    rows = parts(told, "segments")
    skipped = part(told, "skipped")
    lines = [] if rows else prose("There is no group to compare.", width)
    if rows:
        words = f"d: mean less that of all other users, in standard deviations; q: corrected for {len(rows)} groups."
        lines += [*prose(words, width), *_table(rows, width), *prose("Groups under 10 users are never shown.", width)]
    if skipped:
        named = ", ".join(f"{name} ({text_in(skipped, name)})" for name in skipped)
        lines += prose(f"Not compared: {named}.", width, "warn")
    elif not rows:
        lines += prose("The data set has no columns of users and no cohorts.", width)
    return lines


def _table(rows: Sequence[Facts], width: int) -> list[Line]:
    return table(
        width,
        Column("group", [f"{text_in(row, 'value')} ({text_in(row, 'column')})" for row in rows], names=True, least=18),
        Column("users", [whole(number(row, "users")) for row in rows], spare=1),
        Column("mean", [decimal(number(row, "mean")) for row in rows], spare=3),
        Column("active", [percent(number(row, "active")) for row in rows], spare=2),
        Column("d", [signed(number(row, "difference"), 2) for row in rows]),
        Column("q", [small(number(row, "q")) for row in rows]),
    )


def _most(rows: Sequence[Facts], width: int) -> list[Line]:
    if not rows:
        return prose(UNKNOWN, width)
    activation = [number(row, "activation") for row in rows]
    return table(
        width,
        Column("rk", [text_in(row, "rank") for row in rows], role="dim"),
        Column("user", [text_in(row, "user_id") for row in rows], names=True),
        Column("act", [decimal(value) for value in activation]),
        Column("", bars(activation, BAR_CELLS), role="bar", spare=1),
    )
