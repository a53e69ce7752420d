"""Reading figures off an engine's answer, and setting them in columns. Pure: what is not there is unknown."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.widgets.line import UNKNOWN, Line, Span, decimal, fit, right, width_of

LABEL_AT_LEAST = 8


def number(facts: Any, *path: str) -> float:
    """The number at the end of `path`; nan where there is none."""
    for key in path:
        facts = facts.get(key) if isinstance(facts, Mapping) else None
    return float(facts) if isinstance(facts, int | float) and math.isfinite(facts) else math.nan


def part(facts: Any, *path: str) -> Mapping[str, Any]:
    """The mapping at the end of `path`; an empty one where there is none."""
    for key in path:
        facts = facts.get(key) if isinstance(facts, Mapping) else None
    return facts if isinstance(facts, Mapping) else {}


def parts(facts: Any, *path: str) -> list[Mapping[str, Any]]:
    """The mappings in the list at the end of `path`."""
    found = part(facts, *path[:-1]).get(path[-1])
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list | tuple) else []


def whole(value: float) -> str:
    """A count."""
    return UNKNOWN if math.isnan(value) else f"{round(value):,}"


def share(value: float) -> str:
    """A share of 1 as per cent with one decimal, so that a column of them aligns."""
    return UNKNOWN if math.isnan(value) else f"{value:.1%}"


def signed(value: float, places: int) -> str:
    """A change, with its sign; one that rounds to nothing has none."""
    if math.isnan(value):
        return UNKNOWN
    return f"{value:+,.{places}f}" if round(value, places) else decimal(0.0, places)


def columns(label: Span, figures: Sequence[Span], cells: int, width: int) -> Line:
    """A label and figures at the right, each in `cells`; the last go where the label would vanish, of two the first."""
    kept = list(figures)
    while len(kept) > 1 and width - cells * len(kept) < LABEL_AT_LEAST:
        kept.pop(-1 if len(kept) > 2 else 0)
    set_right = tuple((right(text, cells), role) for text, role in kept)
    return ((fit(label[0], max(0, width - width_of(set_right))), label[1]), *set_right)


def pair(name: str, text: str, width: int) -> Line:
    """A name at the left and what is told of it at the right."""
    return ((fit(name, max(0, width - len(text) - 1)), ""), (f" {text}", ""))
