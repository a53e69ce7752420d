"""What the edits do to a cohort, as the bench tells it. Pure: lines from the engine's answer to `cohort`."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.text import plain
from workbench.view import Cohort
from workbench.widgets.answers import LABEL_AT_LEAST, columns, number, pair, part, parts, share, signed, whole
from workbench.widgets.line import UNKNOWN, Line, decimal, ends, fit, right, wrap

CONCEPTS_SHOWN = 8
"""Concepts beside those that the edits are about, the most changed first."""
ITEMS_SHOWN = 5
WIDTH_MOST = 100
ROOMY_FROM, ARMS_FROM = 50, 60
"""Cells from which figures stand further apart, and those of the unedited reconstruction between the two others."""

ARMS = ("before", "reconstruction", "after")

Format = Callable[[float], str]


@dataclass(frozen=True)
class _Figure:
    """A figure of an arm: what it is called, where it is, how it is written, and how many decimals its change has."""

    name: str
    path: tuple[str, ...]
    format: Format
    places: int
    times: float = 1.0


def _three(value: float) -> str:
    return decimal(value, 3)


def _one(value: float) -> str:
    return decimal(value, 1)


FIGURES = (
    _Figure("NDCG@10", ("ndcg10",), _three, 3),
    _Figure("novelty", ("novelty",), _three, 3),
    _Figure("diversity", ("diversity",), _three, 3),
    _Figure("coverage", ("exposure", "coverage"), _three, 3),
    _Figure("Gini of places", ("exposure", "gini"), _three, 3),
    _Figure("popularity percentile", ("exposure", "popularity_percentile"), _one, 1),
    _Figure("items shown", ("reach", "items_shown"), whole, 0),
)


@dataclass(frozen=True)
class _Sheet:
    """An answer, and the columns that its figures stand in: the same for every block, so that they align."""

    facts: Mapping[str, Any]
    width: int

    @property
    def cells(self) -> int:
        """Cells of a figure with the space before it; counts of very many users need more."""
        return max(6, len(whole(number(self.facts, "users")))) + (1 if self.width < ROOMY_FROM else 3)

    @property
    def arms(self) -> list[str]:
        """The arms that there is room for."""
        wide = self.width >= ARMS_FROM and part(self.facts, "reconstruction", "concept_shares")
        return ["before", "reconstruction", "after"] if wide else ["before", "after"]

    def head(self, title: str, change: str = "change") -> Line:
        texts = [{"reconstruction": "rebuilt"}.get(arm, arm) for arm in self.arms]
        return columns((title, "dim"), [(text, "dim") for text in (*texts, change)], self.cells, self.width)

    def row(self, figure: _Figure, role: str = "") -> Line:
        values = {arm: number(self.facts, arm, *figure.path) for arm in ARMS}
        return self.figures(figure, values, role)

    def figures(self, figure: _Figure, values: Mapping[str, float], role: str = "") -> Line:
        """A figure whose values are by arm."""
        change = signed(figure.times * (values["after"] - values["before"]), figure.places)
        texts = [*(figure.format(values[arm]) for arm in self.arms), change]
        return columns((figure.name, role), [(text, role) for text in texts], self.cells, self.width)

    def pair(self, name: str, text: str) -> Line:
        return pair(name, text, self.width)

    def of_users(self, *path: str) -> str:
        return f"{whole(number(self.facts, *path))} of {whole(number(self.facts, 'users'))}"


def cohort_lines(cohort: Cohort | None, width: int) -> list[Line]:
    """Lines of `width` cells or less."""
    width = min(width, WIDTH_MOST)
    if cohort is None:
        return [((row, "dim"),) for row in wrap("No cohort is measured yet.", width)]
    sheet = _Sheet(cohort.facts or {}, width)
    rows: list[Line] = [_title(cohort, sheet)]
    if cohort.fault is not None:
        rows += [((row, "warn"),) for row in wrap(plain(cohort.fault), width)]
    if cohort.facts is None:
        return rows if cohort.fault is not None else [*rows, (("Measuring…", "dim"),)]
    rows += [*_outside(sheet), *_rebuilt(sheet)]
    for block in (_items, _concepts, _figures, _collateral, _lost, _shown, _groups):
        found = block(sheet)
        rows += [(), *found] if found else []
    return rows


def _title(cohort: Cohort, sheet: _Sheet) -> Line:
    users = number(sheet.facts, "users")
    many = "" if math.isnan(users) else f"  {whole(users)} user{'' if users == 1 else 's'}"
    return ends(((f"cohort {plain(cohort.where) or 'everyone'}", "strong"),), ((many, "strong"),), sheet.width)


def _outside(sheet: _Sheet) -> list[Line]:
    rows: list[Line] = []
    for one in parts(sheet.facts, "outside"):
        who = f"{whole(number(one, 'rows'))} of {whole(number(one, 'of'))} {plain(str(one.get('side', 'users')))}"
        told = f"! neuron {whole(number(one, 'neuron'))} is outside the range seen for {who}"
        rows += [((row, "warn"),) for row in wrap(told, sheet.width)]
    return rows


def _rebuilt(sheet: _Sheet) -> list[Line]:
    """How faithful the codes alone are to the unedited lists."""
    told, k = part(sheet.facts, "reconstruction"), number(sheet.facts, "k")
    texts = [
        ("RBO ", _three(number(told, "rbo"))),
        ("kept ", f"{_one(number(told, 'kept'))}{'' if math.isnan(k) else f' of {whole(k)}'}"),
        ("NDCG@10 ", UNKNOWN if len(sheet.arms) > 2 else _three(number(told, "ndcg10"))),
    ]
    known = [f"{name}{text}" for name, text in texts if not text.startswith(UNKNOWN)]
    rows = wrap(f"rebuilt, unedited: {'  '.join(known)}", sheet.width) if known else []
    return [((row, "dim"),) for row in rows]


def _items(sheet: _Sheet) -> list[Line]:
    """Of each edited item, how many users have it in their list, and its median place in the whole rankings."""
    found = {arm: {one.get("item_id"): one for one in parts(sheet.facts, arm, "reach", "edited_items")} for arm in ARMS}
    if not found["after"]:
        return []
    users = number(sheet.facts, "users")
    rows = [sheet.head("users who see" if math.isnan(users) else f"users who see, of {whole(users)}")]
    for item, one in found["after"].items():
        reach = _Figure(plain(str(one.get("title"))), (), whole, 0)
        place = _Figure("  its median place", (), _place, 0)
        rows += [
            sheet.figures(reach, {arm: number(found[arm].get(item), "users") for arm in ARMS}, "strong"),
            sheet.figures(place, {arm: number(found[arm].get(item), "median_place") for arm in ARMS}),
        ]
    placed = number(next(iter(found["after"].values())), "placed")
    if placed < users:
        told = f"median place: of {whole(placed)} users drawn"
        rows += [((row, "dim"),) for row in wrap(told, sheet.width)]
    return rows


def _place(value: float) -> str:
    """A median of places, which may lie between two."""
    return decimal(value, 1) if value % 1 else whole(value)


def _concepts(sheet: _Sheet) -> list[Line]:
    """First the concepts that the edits are about, then those whose share changed most."""
    before, after = (part(sheet.facts, arm, "concept_shares") for arm in ("before", "after"))
    about = [name for name in part(sheet.facts, "collateral").get("about") or [] if name in before or name in after]
    change = {name: abs(number(after, name) - number(before, name)) for name in {**before, **after}}
    others = [name for name in change if name not in about]
    others.sort(key=lambda name: (-_known(change[name]), -_known(number(before, name)), name))

    def row(name: str, role: str) -> Line:
        return sheet.row(_Figure(plain(name), ("concept_shares", name), share, 1, 100.0), role)

    rows: list[Line] = []
    if about:
        rows += [sheet.head("share of the edited", "points"), *(row(name, "strong") for name in about)]
    if others:
        title = "share of others" if about else "share of the lists"
        rows += [sheet.head(title, "points"), *(row(name, "") for name in others[:CONCEPTS_SHOWN])]
    return rows


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _figures(sheet: _Sheet) -> list[Line]:
    if not part(sheet.facts, "before") and not part(sheet.facts, "after"):
        return []
    return [sheet.head("figure"), *(sheet.row(one) for one in FIGURES)]


def _collateral(sheet: _Sheet) -> list[Line]:
    told, k = part(sheet.facts, "collateral"), number(sheet.facts, "k")
    if not told:
        return []
    of_k = "" if math.isnan(k) else f" of {whole(k)}"
    drift = 100 * number(told, "drift_of_other_concepts")
    texts = [
        ("RBO of the lists, 1 = unchanged", _three(number(told, "rbo"))),
        ("RBO of the rest", _three(number(told, "rbo_of_the_rest"))),
        ("items that stay, mean", f"{_one(number(told, 'kept'))}{of_k}"),
        ("lists changed", sheet.of_users("collateral", "lists_changed")),
        ("users changed", sheet.of_users("collateral", "users_changed")),
        ("drift of other concepts, mean", UNKNOWN if math.isnan(drift) else f"{drift:.1f} points"),
    ]
    if number(told, "items_changed") > 0:
        texts.append(("items changed", whole(number(told, "items_changed"))))
    if number(told, "users_filtered") > 0:
        texts.append(("users served by a filter", sheet.of_users("collateral", "users_filtered")))
    head: Line = (("collateral", "dim"),)
    return [head, *(sheet.pair(name, text) for name, text in texts)]


def _lost(sheet: _Sheet) -> list[Line]:
    told = part(sheet.facts, "collateral")
    if "lost_most_ndcg" in told and not told["lost_most_ndcg"]:
        few = told["lost_most_ndcg"] is None
        text = "too few users to name who lost NDCG@10" if few else "nobody lost NDCG@10"
        return [((fit(text, sheet.width), "dim"),)]
    rows = []
    for one in parts(sheet.facts, "collateral", "lost_most_ndcg"):
        before, after = number(one, "before"), number(one, "after")
        figures = [(_three(before), ""), (_three(after), ""), (signed(after - before, 3), "")]
        rows.append(columns((f"user {plain(str(one.get('user')))}", ""), figures, sheet.cells, sheet.width))
    titles = [(text, "dim") for text in ("before", "after", "change")]
    return [columns(("lost most NDCG@10", "dim"), titles, sheet.cells, sheet.width), *rows] if rows else []


def _shown(sheet: _Sheet) -> list[Line]:
    """Items that most of the users see now; how many saw them before where that is told."""
    before = {one.get("item_id"): number(one, "users") for one in parts(sheet.facts, "before", "reach", "most_shown")}
    rows = []
    for one in parts(sheet.facts, "after", "reach", "most_shown")[:ITEMS_SHOWN]:
        was, now = before.get(one.get("item_id"), math.nan), whole(number(one, "users"))
        rows.append(sheet.pair(plain(str(one.get("title"))), now if math.isnan(was) else f"{whole(was)}→{now}"))
    return [ends((("shown most now", "dim"),), ((" users", "dim"),), sheet.width), *rows] if rows else []


def _groups(sheet: _Sheet) -> list[Line]:
    """Each group's share of what is edited, RBO and NDCG@10."""
    found, width = parts(sheet.facts, "groups", "rows"), sheet.width
    if not found:
        return []
    count, shares, ndcg = max(7, sheet.cells), 10, 13
    shown = [count, shares, 6, ndcg]
    while len(shown) > 1 and width - sum(shown) < LABEL_AT_LEAST:
        shown.pop()

    def line(name: str, texts: tuple[str, ...], role: str) -> Line:
        figures = tuple((right(text, cells), role) for text, cells in zip(texts, shown, strict=False))
        return ((fit(name, max(0, width - sum(shown))), role), *figures)

    by = f"by {plain(str(part(sheet.facts, 'groups').get('column')))}"
    return [line(by, ("users", "share", "RBO", "NDCG@10"), "dim"), *(line(*_group(one), "") for one in found)]


def _group(one: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    shares = [number(one, f"share_{at}") for at in ("before", "after")]
    ndcg = [_three(number(one, f"ndcg10_{at}")) for at in ("before", "after")]
    return plain(str(one.get("value"))), (
        whole(number(one, "users")),
        "→".join(UNKNOWN if math.isnan(value) else f"{value:.0%}" for value in shares),
        decimal(number(one, "rbo")),
        "→".join(ndcg),
    )
