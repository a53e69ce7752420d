"""An item, a user or a concept, looked at in place of a neuron. Pure: lines from the engine's facts."""

import math
from collections.abc import Callable

from engine.text import plain
from workbench.view import Page
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
from workbench.widgets.line import Line, decimal, ends, percent, times

BAR_CELLS = 10
MOST_ACTIVE = 10


def page(told: Page, width: int) -> list[Line]:
    """The rows of a page, each at most `width` cells."""
    width = max(width, 1)
    if told.fault is not None:
        return prose(told.fault, width, "warn")
    if told.facts is None:
        return within([*prose(f"{told.kind} {plain(told.name)}", width, "strong"), (("Looking it up…", "dim"),)], width)
    kinds: dict[str, Callable[[Facts, int], list[Line]]] = {"item": _item, "user": _user, "concept": _concept}
    return within(kinds[told.kind](told.facts, width), width)


def _item(facts: Facts, width: int) -> list[Line]:
    concepts = [text_in({"concept": name}, "concept") for name in facts.get("concepts") or ()]
    title = ends(((text_in(facts, "title"), "strong"),), ((f" item {text_in(facts, 'item_id')}", "dim"),), width)
    lines = [title, *(listed(concepts, width) if concepts else prose("no concepts", width))]
    if not facts.get("ranked"):
        told = "It has no training interactions or no vector, so it is neither ranked nor measured."
        return [*lines, *prose(told, width, "warn")]
    place = number(facts, "popularity_rank")
    by = "" if math.isnan(place) else f", number {whole(place)} of {whole(number(facts, 'ranked_items'))}"
    popularity = f"{whole(number(facts, 'popularity'))} training interactions{by}."
    return [
        *lines,
        *prose(popularity, width),
        *_missing(facts, "Popularity is", width),
        *_made_of(facts, width),
        *_left_out(facts, "item", width),
        *_nearest(facts, width),
    ]


def _user(facts: Facts, width: int) -> list[Line]:
    seen = number(facts, "training_items")
    told = "" if math.isnan(seen) else f" {whole(seen)} items in training"
    lines = [
        ends(((f"user {text_in(facts, 'user')}", "strong"),), ((told, "dim"),), width),
        *_missing(facts, "What they saw is", width),
        *_made_of(facts, width),
        *_left_out(facts, "user", width),
    ]
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
    return lines


def _made_of(facts: Facts, width: int) -> list[Line]:
    rows = parts(facts, "neurons")
    if not rows:
        return [*heading("Made of", width), *prose("No neuron is active.", width, "warn")]
    units = [number(row, "units") for row in rows]
    return [
        *heading("Made of", width),
        *table(
            width,
            Column("neuron", [text_in(row, "neuron") for row in rows]),
            Column("name", [_name(row) for row in rows], names=True),
            Column("act", [decimal(number(row, "activation")) for row in rows]),
            Column("of p99", [decimal(value) for value in units]),
            Column("", bars(units, BAR_CELLS), role="bar", spare=1),
        ),
    ]


def _name(row: Facts) -> str:
    if row.get("name"):
        return text_in(row, "name")
    return "" if row.get("concept") is None else f"{text_in(row, 'concept')}?"


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


def _concept(facts: Facts, width: int) -> list[Line]:
    items, base = whole(number(facts, "items")), percent(number(facts, "base_rate"))
    lines = [
        ends(((text_in(facts, "concept"), "strong"),), ((f" {text_in(facts, 'kind')}", "dim"),), width),
        *prose(f"{items} of the ranked items ({base}).", width),
    ]
    if not facts.get("items"):
        return [*lines, *prose("None of its items is ranked, so no neuron can be measured on it.", width, "warn")]
    if facts.get("missing"):
        lines += prose("It is missing: no neuron stands for it. The nearest are below.", width, "warn")
    return [*lines, *_purest(facts, width), *_standing(facts, width), *_misses(facts, width), *_profile(facts, width)]


def _purest(facts: Facts, width: int) -> list[Line]:
    rows = parts(facts, "neurons")
    if not rows:
        return prose("No neuron can be measured on it.", width, "warn")
    return [
        *heading("Its purest neurons", width),
        *table(
            width,
            Column("neuron", [text_in(row, "neuron") for row in rows]),
            *(Column(f"@{k}", [decimal(number(row, f"purity{k}")) for row in rows]) for k in (10, 20, 50)),
            Column("lift", [times(number(row, "lift")) for row in rows]),
            Column("named", ["yes" if row.get("named") else "no" for row in rows]),
        ),
        *prose("@K: purity, the share of its top K that is of the concept.", width),
    ]


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


def _profile(facts: Facts, width: int) -> list[Line]:
    """Neurons by their mean activation over the concept's items."""
    rows = sorted(parts(facts, "profile"), key=lambda row: -(number(row, "mean") if row.get("mean") else 0.0))
    if not rows:
        return []
    shown = rows[:MOST_ACTIVE]
    means = [number(row, "mean") for row in shown]
    return [
        *heading("Neurons that are most active for its items", width),
        *table(
            width,
            Column("neuron", [text_in(row, "neuron") for row in shown]),
            Column("mean", [decimal(value) for value in means]),
            Column("of all", [decimal(number(row, "catalogue")) for row in shown]),
            Column("", bars(means, BAR_CELLS), role="bar", spare=1),
        ),
        *prose(f"mean activation over its items, and over all items; {len(shown)} of {len(rows)} neurons.", width),
    ]
