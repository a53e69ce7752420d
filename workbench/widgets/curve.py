"""A dose curve as the bench tells it: what a growing amount of one neuron does. Pure: lines from the answer to `curve`.

Charts of block characters share one axis of amounts. A column stands for one measured amount and reaches half way to
its neighbours: nothing is drawn between them that was not measured. The table below has the same figures.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.text import plain
from workbench.edits import Edit
from workbench.view import Curve
from workbench.widgets.answers import LABEL_AT_LEAST, columns, number, part, parts, share, whole
from workbench.widgets.line import UNKNOWN, Line, cut, decimal, fit, packed, percent, right, wrap

WIDTH_MOST = 100
HEIGHT = 3
"""Rows of one chart."""
GUTTER = 6
"""Cells of the labels at the left of a chart, with the axis."""
CHART_AT_LEAST = 12
GAPS_FROM = 3
"""Cells of a column from which one is left empty between it and the next."""
CELLS = 9
NOW, NEUTRAL, BEYOND = "▲", "┼", "·"
_BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class _Series:
    """One figure over the amounts."""

    name: str
    title: str
    values: Sequence[float]
    top: float
    format: Callable[[float], str]
    at_top: str
    """What the full height stands for, as the axis says it."""


@dataclass(frozen=True)
class _Dose:
    """A curve's answer, read."""

    amounts: Sequence[float]
    series: Sequence[_Series]
    neutral: float
    now: float
    most: float
    operation: str

    def at(self, amount: float, cells: int) -> int | None:
        """The cell of the axis where an amount stands; None where it is not on the axis."""
        low, high = self.amounts[0], self.amounts[-1]
        if math.isnan(amount) or not low <= amount <= high:
            return None
        return round((amount - low) / (high - low) * (cells - 1)) if high > low else 0

    def amount(self, cell: int, cells: int) -> float:
        low, high = self.amounts[0], self.amounts[-1]
        return low + (high - low) * cell / max(cells - 1, 1)

    def told(self, amount: float) -> str:
        """An amount as edits write it."""
        if math.isnan(amount):
            return UNKNOWN
        digits = f"{amount:.1f}" if abs(round(amount, 1) - amount) < 1e-9 else f"{amount:.2f}"
        if self.operation == "add":
            return f"+{digits}" if amount > 0 else digits
        return f"{ {'set': '=', 'cap': '≤'}.get(self.operation, '×') }{digits}"


def curve_lines(curve: Curve | None, name: str, edit: Edit | None, width: int, whom: str = "") -> list[Line]:
    """Lines of `width` cells or less. `name` is the neuron's, `edit` the one of it that is on the bench.

    `whom` says whose lists are measured.
    """
    width = min(width, WIDTH_MOST)
    if curve is None:
        return [((row, "dim"),) for row in wrap("No dose curve is measured yet.", width)]
    rows = [cut(((f"dose of neuron {curve.neuron} {name}", "strong"),), width)]
    rows += [((row, "strong"),) for row in wrap(f"for {plain(whom)}", width)] if whom else []
    if curve.fault is not None:
        rows += [((row, "warn"),) for row in wrap(plain(curve.fault), width)]
    if curve.facts is None:
        return rows if curve.fault is not None else [*rows, (("Measuring…", "dim"),)]
    dose = _read(curve.facts, edit)
    rows += [((row, "dim"),) for row in wrap(_about(curve.facts, dose), width)]
    if not dose.amounts:
        return [*rows, ((fit("No amount was measured.", width), "dim"),)]
    cells = width - GUTTER
    charts = _charts(dose, cells) if cells >= CHART_AT_LEAST and len(dose.amounts) > 1 else []
    return [*rows, *charts, *(((row, "dim"),) for row in _legend(dose, width)), (), *_table(dose, width)]


def _read(facts: Mapping[str, Any], edit: Edit | None) -> _Dose:
    points = [point for point in parts(facts, "points") if not math.isnan(number(point, "amount"))]
    points.sort(key=lambda point: number(point, "amount"))
    operation = str(facts.get("operation") or part(facts, "edit").get("operation") or "add")
    neutral = number(facts, "start")
    if math.isnan(neutral) and operation in ("add", "scale"):
        neutral = 1.0 if operation == "scale" else 0.0
    return _Dose(
        amounts=[number(point, "amount") for point in points],
        series=_series(facts, points),
        neutral=neutral,
        now=_now(edit, operation),
        most=number(facts, "observed", "most") / (number(facts, "observed", "p99") or math.nan),
        operation=operation,
    )


def _series(facts: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> list[_Series]:
    """The concept's share and, of an item, where it stands; then what the rest of the lists lose."""

    def values(key: str) -> list[float]:
        return [number(point, key) for point in points]

    shares, ndcgs = values("share"), values("ndcg10")
    concept, item = facts.get("concept"), part(facts, "item")
    found = []
    if concept or not item:
        title = f"share of {plain(str(concept))}" if concept else "share"
        found.append(_Series("share", title, shares, _top(shares), share, percent(_top(shares))))
    if item:
        reach, ranks, title = values("reach"), values("rank"), plain(str(item.get("title")))
        found.append(_Series("reach", f"users who see {title}", reach, _top(reach), share, percent(_top(reach))))
        found.append(_Series("rank", f"mean rank of {title}", ranks, _top(ranks), _rank, _rank(_top(ranks))))
    found.append(_Series("RBO", "RBO", values("rbo"), 1.0, _three, "1"))
    found.append(_Series("NDCG@10", "NDCG@10", ndcgs, _top(ndcgs), _three, _three(_top(ndcgs))))
    return found


def _rank(value: float) -> str:
    return decimal(value, 1) if value < 1000 else whole(value)


def _three(value: float) -> str:
    return decimal(value, 3)


def _now(edit: Edit | None, operation: str) -> float:
    """The amount that is on the bench, on this axis; switched off is the same as set to 0."""
    if edit is None or edit.get("unit") == "raw" or not edit.get("on", True):
        return math.nan
    if edit.get("operation") == "off":
        return 0.0 if operation in ("set", "scale", "cap") else math.nan
    return number(edit, "amount") if edit.get("operation") == operation else math.nan


def _top(values: Sequence[float]) -> float:
    return max((value for value in values if value > 0), default=1.0)


def _about(facts: Mapping[str, Any], dose: _Dose) -> str:
    users, of, k = (number(facts, key) for key in ("users", "of", "k"))
    told = [plain(dose.operation) + ("" if dose.operation == "scale" else ", in p99")]
    if facts.get("user") is not None:
        told.append(f"user {plain(str(facts['user']))}")
    elif not math.isnan(users):
        part_of = f" drawn from {whole(of)}" if of > users else ""
        told.append(f"{whole(users)} user{'' if users == 1 else 's'}{part_of}")
    told += [plain(str(facts["where"]))] if facts.get("where") else []
    told += [] if math.isnan(k) else [f"top {whole(k)}"]
    return " · ".join(told)


def _charts(dose: _Dose, cells: int) -> list[Line]:
    """The axis stands below the first chart, which few rows show, and below the last."""
    rows: list[Line] = []
    axis, last = _axis(dose, cells), len(dose.series) - 1
    for at, series in enumerate(dose.series):
        rows += [*_chart(dose, series, cells), *(axis if at in (0, last) else ())]
    return rows


def _chart(dose: _Dose, series: _Series, cells: int) -> list[Line]:
    """A title, and `HEIGHT` rows. What is measured has an eighth at least, so that it differs from what is unknown."""
    values = [math.nan if at is None else series.values[at] for at in _points_of(dose, cells)]
    scale = HEIGHT * 8 - 1
    levels = [0 if math.isnan(value) else 1 + round(min(max(value / series.top, 0.0), 1.0) * scale) for value in values]
    rows: list[Line] = [((" " * GUTTER + fit(series.title, cells), "dim"),)]
    for row in reversed(range(HEIGHT)):
        label = series.at_top if row == HEIGHT - 1 else "" if row else "0"
        blocks = "".join(_BLOCKS[min(max(level - 8 * row, 0), 8)] for level in levels)
        rows.append(((f"{right(label, GUTTER - 1)}{'┤' if label else '│'}", "dim"), (blocks, "bar")))
    return rows


def _points_of(dose: _Dose, cells: int) -> list[int | None]:
    """The point that each cell belongs to: the nearest. None between two columns, where there is room to part them."""
    at = [dose.at(amount, cells) or 0 for amount in dose.amounts]
    owner = [min(range(len(at)), key=lambda point: abs(at[point] - cell)) for cell in range(cells)]
    parted = cells >= GAPS_FROM * len(at)
    ends = [parted and owner[cell] != owner[min(cell + 1, cells - 1)] for cell in range(cells)]
    return [None if end and cell not in at else owner[cell] for cell, end in enumerate(ends)]


def _axis(dose: _Dose, cells: int) -> list[Line]:
    """The line of amounts, dotted where all users leave the range seen; then the present dose, and labels."""
    line = [BEYOND if _is_beyond(dose, dose.amount(cell, cells)) else "─" for cell in range(cells)]
    marks = [" "] * cells
    neutral, now = dose.at(dose.neutral, cells), dose.at(dose.now, cells)
    if neutral is not None:
        line[neutral] = NEUTRAL
    if now is not None:
        marks[now] = NOW
    rows: list[Line] = [((" " * (GUTTER - 1) + "└" + "".join(line), "dim"),)]
    if now is not None:
        rows.append(((" " * GUTTER + "".join(marks), "strong"),))
    low, high = dose.told(dose.amounts[0]), dose.told(dose.amounts[-1])
    labels = [(0, low), (cells - len(high), high)]
    if neutral is not None:
        text = dose.told(dose.neutral)
        start = neutral - len(text) // 2
        if start > len(low) and start + len(text) < cells - len(high):
            labels.insert(1, (start, text))
    text = ""
    for start, label in labels:
        text = fit(text, max(start, 0)) + label
    return [*rows, ((" " * GUTTER + fit(text, cells), "dim"),)]


def _is_beyond(dose: _Dose, amount: float) -> bool:
    """Whether an amount takes every user out of the range that was seen for any: below 0 or above the most."""
    if dose.operation == "add":
        return abs(amount) > dose.most
    return amount < 0 or (dose.operation == "set" and amount > dose.most)


def _legend(dose: _Dose, width: int) -> list[str]:
    pieces = []
    if not math.isnan(dose.now):
        low, high = dose.amounts[0], dose.amounts[-1]
        shown = low <= dose.now <= high
        pieces.append(f"{NOW} now {dose.told(dose.now)}" if shown else f"now {dose.told(dose.now)}, off this chart")
    if not math.isnan(dose.neutral):
        means = "changes nothing" if dose.operation in ("add", "scale") else "switches it off"
        pieces.append(f"{NEUTRAL} {dose.told(dose.neutral)} {means}")
    if any(_is_beyond(dose, amount) for amount in dose.amounts):
        pieces.append(f"{BEYOND} every user beyond the range seen")
    if dose.operation != "scale" and not math.isnan(dose.most):
        pieces.append(f"most seen for any user {decimal(dose.most)} p99")
    return packed(pieces, width, "  ")


def _table(dose: _Dose, width: int) -> list[Line]:
    titles = [(series.name, "dim") for series in dose.series]
    cells = CELLS if width >= LABEL_AT_LEAST + CELLS * len(titles) else CELLS - 1
    rows = [columns(("amount", "dim"), titles, cells, width)]
    widest = max(len(dose.told(amount)) for amount in dose.amounts)
    for at, amount in enumerate(dose.amounts):
        now = math.isclose(amount, dose.now, abs_tol=1e-9)
        marks = [
            NOW if now else "",
            NEUTRAL if math.isclose(amount, dose.neutral, abs_tol=1e-9) else "",
            BEYOND if _is_beyond(dose, amount) else "",
        ]
        label = f"{dose.told(amount):>{widest}} {' '.join(mark for mark in marks if mark)}"
        role = "strong" if now else ""
        figures = [(series.format(series.values[at]), role) for series in dose.series]
        rows.append(columns((label, role), figures, cells, width))
    return rows
