"""An item, a user or a concept, looked at in place of a neuron. Pure: lines from the engine's facts.

Its list of neurons has a cursor: a change acts on the neuron there, for the page's item or user.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rich.cells import cell_len

from workbench.edits import EVERY_USER, amount_of
from workbench.view import Page, View
from workbench.widgets.answers import number, part, parts, whole
from workbench.widgets.charts import bars
from workbench.widgets.inspector.parts import (
    Column,
    Facts,
    beside,
    half_of,
    heading,
    listed,
    prose,
    table,
    text_in,
    within,
)
from workbench.widgets.line import Line, Span, cut, decimal, ends, fit, percent, times

BAR_CELLS = 10
MOST_ACTIVE = 10
TAG_ROWS = 2
CURSOR = "▸"


@dataclass(frozen=True)
class PageLines:
    """A page's lines; `neuron_at` tells which rows its cursor can be put on."""

    rows: list[Line]
    neuron_at: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Shown:
    """What a page is drawn from: the view, the engine's facts in it, cells."""

    view: View
    page: Page
    facts: Facts
    width: int

    def name(self, row: Facts) -> str:
        """What the neuron of a row is called: as everywhere, else as the engine told."""
        neuron, view = row.get("neuron"), self.view
        if isinstance(neuron, int) and view.neurons is not None and neuron in view.neurons.row_of:
            return view.name(neuron)
        if row.get("name"):
            return text_in(row, "name")
        return "" if row.get("concept") is None else f"{text_in(row, 'concept')}?"

    def mark(self, neuron: object) -> str:
        return CURSOR if self.view.page_neuron == neuron else " "

    def edit(self, neuron: object) -> str:
        """The page's own edit of a neuron; those for everyone stand in the list of neurons."""
        scope = self.page.scope
        if scope in (None, EVERY_USER) or not isinstance(neuron, int) or scope is None:
            return ""
        at = self.view.edit_of(neuron, scope)
        return "" if at is None else amount_of(self.view.edits[at])


_Parts = tuple[list[Line], PageLines, list[Line]]
"""What stands above the list of neurons, the list, and what stands below."""


def page(view: View, width: int) -> PageLines:
    """The open page's lines, each at most `width` cells; none where no page is open."""
    told, width = view.page, max(width, 1)
    if told is None:
        return PageLines([])
    if told.fault is not None:
        return PageLines(prose(told.fault, width, "warn"))
    if told.facts is None:
        waits: list[Line] = [*prose(f"{told.kind} {told.name}", width, "strong"), (("Looking it up…", "dim"),)]
        return PageLines(within(waits, width))
    kinds: dict[str, Callable[[_Shown], _Parts]] = {"item": _item, "user": _user, "concept": _concept}
    above, neurons, below = kinds[told.kind](_Shown(view, told, told.facts, width))
    neuron_at = {len(above) + row: neuron for row, neuron in neurons.neuron_at.items()}
    return PageLines(within([*above, *neurons.rows, *below], width), neuron_at)


def _item(shown: _Shown) -> _Parts:
    facts, width = shown.facts, shown.width
    concepts = [text_in({"concept": name}, "concept") for name in facts.get("concepts") or ()]
    title = ends(((text_in(facts, "title"), "strong"),), ((f" item {text_in(facts, 'item_id')}", "dim"),), width)
    lines = [title, *(_tags(concepts, width) if concepts else prose("no concepts", width))]
    if not facts.get("ranked"):
        told = "It has no training interactions or no vector, so it is neither ranked nor measured."
        return [*lines, *prose(told, width, "warn")], PageLines([]), []
    place = number(facts, "popularity_rank")
    by = "" if math.isnan(place) else f", number {whole(place)} of {whole(number(facts, 'ranked_items'))}"
    popularity = f"{whole(number(facts, 'popularity'))} training interactions{by}."
    above = [*lines, *prose(popularity, width), *_missing(facts, "Popularity is", width)]
    return above, _made_of(shown), [*_left_out(facts, "item", width), *_nearest(facts, width)]


def _tags(concepts: list[str], width: int) -> list[Line]:
    """As many concepts as two rows hold, and how many more there are: the neurons below are what a page is for."""
    rows = listed(concepts, width)
    shown = len(concepts)
    while len(rows) > TAG_ROWS and shown > 1:
        shown -= 1
        rows = listed([*concepts[:shown], f"and {len(concepts) - shown} more"], width)
    return rows


def _user(shown: _Shown) -> _Parts:
    facts, width = shown.facts, shown.width
    seen = number(facts, "training_items")
    told = "" if math.isnan(seen) else f" {whole(seen)} items in training"
    above = [
        ends(((f"user {text_in(facts, 'user')}", "strong"),), ((told, "dim"),), width),
        *([] if shown.view.user == shown.page.id else prose("p and enter watch this user.", width)),
        *_missing(facts, "What they saw is", width),
    ]
    lines = _left_out(facts, "user", width)
    explained = number(facts, "affinity_explained")
    if not math.isnan(explained):
        lines += prose(f"It explains {percent(explained)} of the variance of this user's affinities.", width)
    rows = parts(facts, "training_concepts")
    if rows:
        shares = [number(row, "share") for row in rows]
        lines += [
            *heading("Concepts of their training items", width),
            *table(
                width,
                Column("concept", [text_in(row, "concept") for row in rows], names=True),
                Column("items", [whole(number(row, "items")) for row in rows], spare=2),
                Column("theirs", [percent(share) for share in shares]),
                Column("all", [percent(number(row, "catalogue")) for row in rows]),
                Column("", bars(shares, BAR_CELLS), role="bar", spare=1),
            ),
            *prose("theirs, all: share of their items, and of all items.", width),
        ]
    return above, _made_of(shown), lines


def _made_of(shown: _Shown) -> PageLines:
    """The neurons that it activates; the one under the table's cursor comes last where it is none of them."""
    rows, width = parts(shown.facts, "neurons"), shown.width
    units = [number(row, "units") for row in rows]
    found = _listing(
        shown,
        heading("Made of", width) if rows else [*heading("Made of", width), *prose("No neuron is active.", width)],
        rows,
        Column("act", [decimal(number(row, "activation")) for row in rows]),
        Column("of p99", [decimal(value) for value in units]),
        Column("edit", [shown.edit(row.get("neuron")) for row in rows], role="strong"),
        Column("", bars(units, BAR_CELLS), role="bar", spare=1),
    )
    other = shown.view.choices[-1] if shown.view.choices else None
    if other is None or other in shown.page.neurons:
        return found
    return PageLines([*found.rows, _other(shown, other)], {**found.neuron_at, len(found.rows): other})


def _other(shown: _Shown, neuron: int) -> Line:
    """The row of a neuron that is at 0 here."""
    edit = shown.edit(neuron)
    name, amount = f"{neuron} {shown.view.name(neuron)}", f"  {edit}" if edit else ""
    for told in (": 0 here, the neuron under the list's cursor", ": 0 here (list's cursor)", ": 0 here"):
        room = max(0, shown.width - 2 - len(told) - len(amount))
        if cell_len(name) <= room:
            break
    spans: list[Span] = [(f"{shown.mark(neuron)} ", "key"), (fit(name, min(room, cell_len(name))), ""), (told, "dim")]
    return cut((*spans, (amount, "strong")), shown.width)


def _listing(shown: _Shown, head: list[Line], rows: list[Facts], *figures: Column) -> PageLines:
    """A table of neurons, with the cursor before their numbers."""
    lines = table(
        shown.width,
        Column("", [shown.mark(row.get("neuron")) for row in rows], role="key"),
        Column("neuron", [text_in(row, "neuron") for row in rows]),
        Column("name", [shown.name(row) for row in rows], names=True),
        *figures,
    )
    first = len(head) + len(lines) - len(rows)
    numbers = {first + n: row["neuron"] for n, row in enumerate(rows) if isinstance(row.get("neuron"), int) and lines}
    return PageLines([*head, *lines], numbers)


def _left_out(facts: Facts, what: str, width: int) -> list[Line]:
    error = part(facts, "error")
    share = number(error, "share")
    if math.isnan(share):
        return []
    mean = percent(number(error, "mean"))
    return prose(f"The code leaves out {percent(share)} of the {what}'s variance (mean {what}: {mean}).", width)


def _nearest(facts: Facts, width: int) -> list[Line]:
    """Neighbours in both spaces; ● is in both lists."""
    sides = {"nearest_by_code": "Nearest by code", "nearest_by_vector": "Nearest by the recommender's vectors"}
    found = {side: parts(facts, side) for side in sides}
    if not any(found.values()):
        return []
    ids = [{row.get("item_id") for row in rows} for rows in found.values()]
    half, shared = half_of(width), ids[0] & ids[1]
    blocks = [
        [
            *heading(title, half),
            *table(
                half,
                Column("item", [text_in(row, "title") for row in found[side]], names=True),
                Column("cosine", [decimal(number(row, "cosine")) for row in found[side]]),
                Column("both", [f" {'●' if row.get('item_id') in shared else ' '}  " for row in found[side]],
                       role="good"),
            ),
        ]
        for side, title in sides.items()
    ]  # fmt: skip
    count = number(facts, "nearest_shared")
    return [*beside(blocks[0], blocks[1], width), *prose(f"● in both lists ({whole(count)}).", width)]


def _missing(facts: Facts, what: str, width: int) -> list[Line]:
    if facts.get("missing") is None or isinstance(facts.get("missing"), bool):
        return []
    return prose(f"{what} missing here: {text_in(facts, 'missing')}", width, "warn")


def _concept(shown: _Shown) -> _Parts:
    facts, width = shown.facts, shown.width
    items, base = whole(number(facts, "items")), percent(number(facts, "base_rate"))
    lines = [
        ends(((text_in(facts, "concept"), "strong"),), ((f" {text_in(facts, 'kind')}", "dim"),), width),
        *prose(f"{items} of the ranked items ({base}).", width),
    ]
    if not facts.get("items"):
        told = "None of its items is ranked, so no neuron can be measured on it."
        return [*lines, *prose(told, width, "warn")], PageLines([]), []
    if facts.get("missing"):
        lines += prose("It is missing: no neuron stands for it. The nearest are below.", width, "warn")
    below = [*_standing(facts, width), *_misses(facts, width), *_profile(shown)]
    purest = _purest(shown)
    if purest.neuron_at:
        below = [*prose("@K: purity, the share of its top K that is of the concept.", width), *below]
    return lines, purest, below


def _purest(shown: _Shown) -> PageLines:
    rows, width = parts(shown.facts, "neurons"), shown.width
    if not rows:
        return PageLines(prose("No neuron can be measured on it.", width, "warn"))
    return _listing(
        shown,
        heading("Its purest neurons", width),
        rows,
        *(
            Column(f"@{k}", [decimal(number(row, f"purity{k}")) for row in rows], spare=spare)
            for k, spare in ((10, 2), (20, 0), (50, 3))
        ),
        Column("lift", [times(number(row, "lift")) for row in rows]),
        Column("named", ["yes" if row.get("named") else "no" for row in rows], spare=1),
    )


def _standing(facts: Facts, width: int) -> list[Line]:
    split, single = (part(facts, "standing", reading) for reading in ("split_half", "one_to_one"))
    alone = f"neuron {text_in(single, 'neuron')} is its own, at {decimal(number(single, 'purity20'))}"
    own = "none is left for it" if single.get("neuron") is None else alone
    return prose(
        f"Chosen on one half of the items and scored on the other, purity@20 is {decimal(number(split, 'purity20'))}. "
        f"Where a neuron may stand for one concept alone, {own}.",
        width,
    )


def _misses(facts: Facts, width: int) -> list[Line]:
    rows, best = parts(facts, "misses"), next(iter(parts(facts, "neurons")), None)
    if not rows or best is None:
        return []
    return [
        *heading(f"In the top 20 of neuron {text_in(best, 'neuron')} without it ({len(rows)})", width),
        *table(
            width,
            Column("item", [text_in(row, "title") for row in rows], names=True),
            Column("act", [decimal(number(row, "activation")) for row in rows]),
        ),
    ]


def _profile(shown: _Shown) -> list[Line]:
    """Neurons by their mean activation over the concept's items."""
    facts, width = shown.facts, shown.width
    rows = sorted(parts(facts, "profile"), key=lambda row: -(number(row, "mean") if row.get("mean") else 0.0))
    if not rows:
        return []
    most = rows[:MOST_ACTIVE]
    means = [number(row, "mean") for row in most]
    return [
        *heading("Neurons that are most active for its items", width),
        *table(
            width,
            Column("neuron", [text_in(row, "neuron") for row in most]),
            Column("name", [shown.name(row) for row in most], names=True),
            Column("mean", [decimal(value) for value in means]),
            Column("of all", [decimal(number(row, "catalogue")) for row in most]),
            Column("", bars(means, BAR_CELLS), role="bar", spare=1),
        ),
        *prose(f"mean activation over its items, and over all items; {len(most)} of {len(rows)} neurons.", width),
    ]
