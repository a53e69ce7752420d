"""Users' lists before and after the edits, one or several beside each other. Pure: lines from rankings."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rich.cells import cell_len

from engine.text import plain
from workbench.model import Listed, Ranking
from workbench.widgets.line import UNKNOWN, Line, cut, decimal, fit, packed, percent, right

LIST_LENGTH = 30
WIDTH_MOST = 100
SCORE_FROM, OTHER_FROM, OTHER_BESIDE_FROM = 36, 27, 36
"""Cells from which a list has its scores, and the ranks in the other list, alone and beside others."""
COLUMN_AT_LEAST, COLUMN_READABLE = 24, 28
"""Cells below which lists do not stand beside each other, and those that more of a title is worth other panes."""
GAP = "  "
MARK = "▸"
PLACES_MOST = 2
"""Items whose places are told above a list."""
BESIDE_FROM = 84
"""Cells from which the lists of several users stand side by side."""
NAME_AT_LEAST = 16
"""Cells of an item's name, for which less is told of its places where there is little room."""


@dataclass(frozen=True)
class _Shape:
    """The columns of one list. Both lists of a user have the same, so that titles stay in place when they flip."""

    width: int
    score: bool
    other: bool
    """Whether there are the ranks in the other list; without them a move takes less too."""
    flipped: bool
    marked: Collection[str] = ()
    """Ids of the items that stand out: what the page shows, and what an edit is for."""

    @property
    def room(self) -> int:
        """Cells for a title."""
        return max(0, self.width - 3 - (5 + 6 if self.other else 4) - 1 - (7 if self.score else 0))

    def head(self, word: str) -> Line:
        now, was = ("was", "now") if self.flipped else ("now", "was")
        other, score = f"{was:>5}{'move':>6}" if self.other else " " * 4, f"{'score':>7}" if self.score else ""
        return cut(((f"{now:>3}{other} {fit(word, self.room)}{score}", "dim"),), self.width)

    def item(self, item: Listed) -> Line:
        """`item.other` is its rank in the list that is not shown."""
        other = UNKNOWN if item.other is None else str(item.other)
        move, role = self._move(item)
        sign, named = (MARK, "strong") if item.id in self.marked else (" ", "")
        return cut(
            (
                (f"{item.rank:>3}", ""),
                (right(other, 5) if self.other else "", "dim"),
                (right(move, 6 if self.other else 4), role),
                (sign, "key"),
                (fit(item.title, self.room), named),
                (right(decimal(item.affinity), 7) if self.score else "", "dim"),
            ),
            self.width,
        )

    def _move(self, item: Listed) -> tuple[str, str]:
        if item.other is None or item.other > LIST_LENGTH:
            return ("out", "bad") if self.flipped else ("new", "good")
        if item.other == item.rank:
            return "=", "dim"
        up = (item.other < item.rank) if self.flipped else (item.other > item.rank)
        places = abs(item.other - item.rank)
        return f"{'▲' if up else '▼'}{places:>{3 if self.other else 1}}", "good" if up else "bad"

    def lines(self, ranking: Ranking) -> list[Line]:
        """A row for each item."""
        return [self.item(item) for item in (ranking.before if self.flipped else ranking.after)]


def about_user(user: str, ranking: Ranking | None, width: int) -> Line:
    """Who a user is."""
    about = f" · {' · '.join(ranking.about)}" if ranking is not None else ""
    return cut(((f"user {plain(user)}", "strong"), (about, "")), width)


def list_of(ranking: Ranking, word: str, flipped: bool, width: int, marked: Collection[str] = ()) -> list[Line]:
    """One user's list; the items that are `marked` stand out."""
    shape = _Shape(min(width, WIDTH_MOST), width >= SCORE_FROM, width >= OTHER_FROM, flipped, marked)
    return [shape.head(word), *shape.lines(ranking)]


def place_of(ranking: Ranking, item: str, name: str, width: int) -> Line:
    """The places of an item before and after the edits among all that may be recommended to the user.

    Of an item that no edit is about they are known where it is in one of the lists.
    """
    texts = _places(ranking, item)
    long = min(NAME_AT_LEAST, cell_len(name))
    told = next((text for text in texts if width - len(text) >= long), texts[-1])
    return cut(((fit(name, min(max(0, width - len(told)), cell_len(name))), "strong"), (told, "")), width)


def _places(ranking: Ranking, item: str) -> list[str]:
    """What is told of an item's places, the longest first."""
    length = len(ranking.after)
    places = ranking.places.get(item) or _listed_places(ranking, item)
    if places is None:
        return [f": not in the first {length}", f" not in {length}"]
    before, after = (UNKNOWN if place is None else f"{place:,}" for place in places)
    if places == (None, None):
        return [": may not be recommended to this user", ": not for this user", " –"]
    short = f" {before} → {after}"
    whole = f": place{short}"
    return [f"{whole}, list ends at {length}", whole, short] if (places[1] or 0) > length else [whole, short]


def _listed_places(ranking: Ranking, item: str) -> tuple[int | None, int | None] | None:
    """The places of an item that is in one of the lists."""
    after = next((one for one in ranking.after if one.id == item), None)
    left = next((one for one in ranking.left if one.id == item), None)
    if after is not None:
        return after.other, after.rank
    return None if left is None else (left.rank, left.other)


def lists_beside(
    rankings: Mapping[str, Ranking | None],
    word: str,
    flipped: bool,
    width: int,
    named: Mapping[str, str] = MappingProxyType({}),
) -> list[Line]:
    """Several users' lists beside each other, each below its user and the places of the items that are `named`.

    These are names by id; they stand out in the lists.
    """
    cells = _column(len(rankings), width)
    shape = _Shape(cells, False, cells >= OTHER_BESIDE_FROM, flipped, named)
    columns = []
    for user, ranking in rankings.items():
        below = [cut((("Ranking…", "dim"),), cells)] if ranking is None else shape.lines(ranking)
        places = [
            cut((("", ""),), cells) if ranking is None else place_of(ranking, item, name, cells)
            for item, name in list(named.items())[:PLACES_MOST]
        ]
        columns.append([about_user(user, ranking, cells), *places, shape.head(word), *below])
    return _beside(columns, cells)


def beside_from(users: int, column: int = COLUMN_AT_LEAST) -> int:
    """Cells from which the lists of so many users stand beside each other, each in a `column` of cells at least."""
    return max(BESIDE_FROM, column * users + len(GAP) * (users - 1))


def _column(number: int, width: int) -> int:
    return (width - len(GAP) * (number - 1)) // max(number, 1)


def _beside(columns: Sequence[Sequence[Line]], width: int) -> list[Line]:
    """Columns of `width` cells as rows; one that ends early is empty below."""
    rows: list[Line] = []
    for at in range(max(len(column) for column in columns)):
        row: Line = ()
        for column in columns:
            part = column[at] if at < len(column) else ((" " * width, ""),)
            row = (*row, (GAP, ""), *part) if row else part
        rows.append(row)
    return rows


def foot(ranking: Ranking, width: int) -> list[Line]:
    """Who left, how alike the lists are, and which concepts gained or lost. Always four rows."""
    shares = packed([f"{name} {percent(b)}→{percent(a)}" for name, b, a in ranking.shares], width)[:2]
    shares = shares or ["no concept gained or lost places"]
    return _four([_left(ranking), (_alike(ranking), "strong"), *((row, "") for row in shares)], width)


def foot_of_several(rankings: Mapping[str, Ranking | None], shown: str | None, width: int) -> list[Line]:
    """The means over users; before them the figures of each below their list, or of the one who is `shown`."""
    known = [ranking for ranking in rankings.values() if ranking is not None]
    if shown is None:
        cells = _column(len(rankings), width)
        first = _beside([[_kept(ranking, cells)] for ranking in rankings.values()], cells)[0]
        one = None
    else:
        one = rankings[shown]
        first = cut(((UNKNOWN if one is None else _alike(one), "strong"),), width)
    left = _left_of(known) if one is None else _left(one)
    shares = packed(_mean_shares(known), width)[:1] or ["no concept gained or lost places"]
    return [first, *_four([(_mean(known, len(rankings)), "strong"), left, (shares[0], "")], width)[:3]]


def rebuilt(rankings: Sequence[Ranking], width: int) -> list[Line]:
    """How faithful the codes are to the unedited list, or to those of several users; nothing where that is unknown."""
    told = [(*one.rebuilt, len(one.before)) for one in rankings if one.rebuilt is not None]
    if not told:
        return []
    same, kept, of = (_mean_of(values) for values in zip(*told, strict=True))
    if len(told) == 1:
        text = f"rebuilt, unedited: RBO {decimal(same)}  kept {int(kept)} of {int(of)}"
    else:
        text = f"rebuilt, mean of {len(told)}: RBO {decimal(same)}  kept {decimal(kept, 1)}"
    return [cut(((text, "dim"),), width)]


def _four(texts: Sequence[tuple[str, str]], width: int) -> list[Line]:
    return [cut(((text, role),), width) for text, role in [*texts, ("", ""), ("", "")][:4]]


def _left(ranking: Ranking) -> tuple[str, str]:
    gone = [f"{item.title} →{item.other if item.other is not None else UNKNOWN}" for item in ranking.left]
    return (f"left the list: {', '.join(gone)}", "bad") if gone else ("nothing left the list", "dim")


def _left_of(rankings: Sequence[Ranking]) -> tuple[str, str]:
    """Who left most of the lists, with the number of lists."""
    gone = Counter(item.title for ranking in rankings for item in ranking.left)
    if not gone:
        return "nothing left the lists", "dim"
    told = (f"{title} ({lists} lists)" if lists > 1 else title for title, lists in gone.most_common())
    return f"left: {', '.join(told)}", "bad"


def _alike(ranking: Ranking) -> str:
    return f"RBO {decimal(ranking.rbo)}  τ {decimal(ranking.tau)}  kept {ranking.kept} of {len(ranking.after)}"


def _kept(ranking: Ranking | None, width: int) -> Line:
    if ranking is None:
        return cut(((f"RBO {UNKNOWN}  kept {UNKNOWN}", "dim"),), width)
    short = f"RBO {decimal(ranking.rbo)}  kept {ranking.kept}"
    whole = f"{short} of {len(ranking.after)}"
    return cut(((whole if len(whole) <= width else short, "strong"),), width)


def _mean(rankings: Sequence[Ranking], watched: int) -> str:
    number = len(rankings)
    who = f"mean of {number}" if number == watched else f"mean of {number} of {watched}"
    rbo, tau = (_mean_of([getattr(one, name) for one in rankings]) for name in ("rbo", "tau"))
    kept = _mean_of([one.kept for one in rankings])
    return f"{who}: RBO {decimal(rbo)}  τ {decimal(tau)}  kept {decimal(kept, 1)}"


def _mean_of(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _mean_shares(rankings: Sequence[Ranking]) -> list[str]:
    """Means of the users whose lists changed in a concept; how many they are where it is not all of them.

    The engine tells of no share that stayed, so that of the others is unknown.
    """
    told: dict[str, list[tuple[float, float]]] = {}
    for ranking in rankings:
        for name, before, after in ranking.shares:
            told.setdefault(name, []).append((before, after))
    ordered = sorted(told.items(), key=lambda one: -abs(sum(after - before for before, after in one[1])))
    texts = []
    for name, pairs in ordered:
        before, after = (_mean_of([pair[side] for pair in pairs]) for side in (0, 1))
        few = "" if len(pairs) == len(rankings) else f" ({len(pairs)} of {len(rankings)})"
        texts.append(f"{name} {percent(before)}→{percent(after)}{few}")
    return texts
