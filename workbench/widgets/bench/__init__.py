"""What the bench says: whom it watches, the edits, and what they do to lists, to a cohort, or along a dose curve.

Pure: lines from a view.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.text import plain
from workbench.edits import Scope
from workbench.model import Ranking
from workbench.view import MOST_WATCHED, View
from workbench.widgets.bench.lists import (
    COLUMN_READABLE,
    LIST_LENGTH,
    PLACES_MOST,
    about_user,
    beside_from,
    foot,
    foot_of_several,
    list_of,
    lists_beside,
    place_of,
    rebuilt,
)
from workbench.widgets.bench.stack import stack
from workbench.widgets.cohort import cohort_lines
from workbench.widgets.curve import curve_lines
from workbench.widgets.line import Line, cut, fit, width_of, wrap

__all__ = ["COLUMN_READABLE", "LIST_LENGTH", "Bench", "bench", "beside_from", "side_line", "which_list"]

SIDES = ("list", "cohort", "curve")
FOOT_FIRST = (1, 0, 3, 2, 4)
"""Rows below the lists, the most telling first: how alike they are, who left, shares, the codes alone."""
ROWS_AT_LEAST = 4
"""Rows of a list that are on the screen, for which the edits and the figures below give way."""


@dataclass(frozen=True)
class Bench:
    """The bench's lines; `edit_at` tells which rows are an edit's, by its position in the stack."""

    rows: list[Line]
    foot: list[Line]
    edit_at: Mapping[int, int] = field(default_factory=dict)


def bench(view: View, width: int, height: int | None = None) -> Bench:
    """Lines of at most `width` cells; where `height` rows are few, edits and figures give way to the list."""
    if view.lists is not None:
        return Bench([((row, "warn"),) for row in wrap(view.lists, width)], [])
    rows = _whom(view, width)
    if view.user is None and view.side == "list" and not view.edits:
        return Bench(_within(rows, width), [])
    last = _last(view)
    ranking = None if last is None else _ranking(view, last)
    edits, edit_at = stack(view, last, ranking, width)
    below, bottom = _side(view, width)
    between = [_warning(view, width)]
    if height is not None and view.side == "list" and view.edits and ranking is not None:
        listed = min(ROWS_AT_LEAST, len(ranking.after))
        room = height - len(rows) - (len(below) - len(ranking.after)) - listed
        if room < len(edits) + len(between) + len(bottom):
            edits, edit_at = stack(view, last, ranking, width, folded=True)
            between = [row for row in between if row]
            bottom = _shortened(bottom, room - len(edits) - len(between))
    edit_at = {len(rows) + row: at for row, at in edit_at.items()}
    rows = [*rows, *edits, *between, *below]
    return Bench(_within(rows, width), _within(bottom, width), edit_at)


def _shortened(bottom: Sequence[Line], rows: int) -> list[Line]:
    """So many rows of the figures, one at least: how alike the lists are before all else."""
    kept = sorted(FOOT_FIRST[: max(rows, 1)])
    return [bottom[at] for at in kept if at < len(bottom)]


def which_list(view: View) -> Line:
    """Which of the two lists is shown, for the pane's title."""
    if not view.edits or view.side != "list":
        return ()
    before, after = ("[before]", " after ") if view.flipped else (" before ", "[after]")
    return ((f"{before} {after}", "key"),)


def side_line(view: View) -> Line:
    """Which of list, cohort and curve is shown, for the pane's title."""
    return ((" ".join(f"[{side}]" if side == view.side else f" {side} " for side in SIDES), "key"),)


def _within(rows: Sequence[Line], width: int) -> list[Line]:
    """What is made for a wider pane than there can be is cut."""
    return [row if width_of(row) <= width else cut(row, width) for row in rows]


def _watched(view: View) -> tuple[str, ...]:
    """The users whose lists are shown, the one who was watched last at the end."""
    if len(view.watched) > 1:
        return view.watched[-MOST_WATCHED:]
    return () if view.user is None else (view.user,)


def _last(view: View) -> str | None:
    """The user whose list is shown where there is room for one, and whose codes the edits tell."""
    users = _watched(view)
    return view.user if view.user in users else users[-1] if users else None


def _ranking(view: View, user: str) -> Ranking | None:
    if user == view.user and view.ranking is not None:
        return view.ranking
    return view.rankings.get(user)


def _rankings(view: View) -> dict[str, Ranking | None]:
    return {user: _ranking(view, user) for user in _watched(view)}


def _whom(view: View, width: int) -> list[Line]:
    """Who is watched, and among whom n and N step."""
    return [*_users(view, width), *_among(view, width)]


def _among(view: View, width: int) -> list[Line]:
    among = view.among
    if among is None or view.user is None:
        return []
    place = f"{among.place:,} of " if among.user == view.user else ""
    return [((fit(f"{place}{among.of:,} where {plain(among.where)}", width).rstrip(), "dim"),)]


def _users(view: View, width: int) -> list[Line]:
    users, last = _watched(view), _last(view)
    if last is None:
        return [((row, "dim"),) for row in wrap("No user to watch yet: p picks one.", width)]
    if len(users) == 1:
        return [about_user(last, _ranking(view, last), width)]
    if view.side == "list" and width < beside_from(len(users)):
        others = ", ".join(plain(user) for user in users if user != last)
        return [about_user(last, _ranking(view, last), width), ((fit(f"also watched: {others}", width), "dim"),)]
    names = f"{', '.join(plain(user) for user in users[:-1])} and {plain(users[-1])}"
    whose = f" · z is that of user {plain(last)}" if view.edits else ""
    return [cut(((f"users {names}", "strong"), (whose, "dim")), width)]


def _warning(view: View, width: int) -> Line:
    """Whether an edit takes a neuron where nobody has it; else the empty row between the edits and what they do."""
    rankings = _rankings(view)
    beyond = [
        plain(user)
        for user, ranking in rankings.items()
        if ranking is not None and any(code.outside for code in ranking.codes.values())
    ]
    if not beyond:
        return ()
    whose = f": {', '.join(beyond)}" if len(rankings) > 1 else ""
    return ((fit(f"! outside the range seen for any user{whose}", width), "warn"),)


def _side(view: View, width: int) -> tuple[list[Line], list[Line]]:
    """What stands below the edits, and the rows that stay at the bottom."""
    if view.side == "cohort":
        return cohort_lines(view.cohort, width), []
    if view.side == "curve":
        return _curve(view, width), []
    rankings, last = _rankings(view), _last(view)
    if last is None:
        return [], []
    word, flipped, items = view.card.item_word, view.flipped, view.items
    if len(rankings) > 1 and width >= beside_from(len(rankings)):
        named = {item: view.title(item) for item in items}
        below, bottom = lists_beside(rankings, word, flipped, width, named), foot_of_several(rankings, None, width)
    elif (ranking := rankings[last]) is None:
        return [(("Ranking…", "dim"),)], []
    else:
        moved = [place_of(ranking, item, f"{word} {view.title(item)}", width) for item in items[:PLACES_MOST]]
        below = [*moved, *list_of(ranking, word, flipped, width, items)]
        bottom = foot(ranking, width) if len(rankings) == 1 else foot_of_several(rankings, last, width)
    faithful = rebuilt([one for one in rankings.values() if one is not None], width)
    return below, [*bottom[:2], *faithful, *bottom[2:]] if view.edits else faithful


def _curve(view: View, width: int) -> list[Line]:
    if view.curve is None:
        return curve_lines(None, "", None, width)
    user, where = view.curve.user or view.user, view.curve.where
    at = view.edit_of(view.curve.neuron)
    if at is None and where is None and user is not None:
        at = view.edit_of(view.curve.neuron, Scope("users", (user,)))
    whom = f"user {user}" if where is None and user is not None else f"cohort {where}" if where else "everyone"
    edit = None if at is None else view.edits[at]
    return curve_lines(view.curve, view.name(view.curve.neuron), edit, width, whom)
