"""What the bench says: a user, the edits on their code, and their list before and after. Pure: lines from a view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.text import plain
from workbench.edits import amount_of, is_plain, rows_of
from workbench.model import Code, Listed, Ranking
from workbench.view import View
from workbench.widgets.line import UNKNOWN, Line, cut, decimal, fit, packed, percent, right, wrap

LIST_LENGTH = 30


@dataclass(frozen=True)
class Bench:
    """The bench's lines; `neuron_at` tells which rows are edits, and of which neuron."""

    rows: list[Line]
    foot: list[Line]
    neuron_at: Mapping[int, int] = field(default_factory=dict)


def bench(view: View, width: int) -> Bench:
    """Lines of at most `width` cells."""
    if view.lists is not None:
        return Bench([((row, "warn"),) for row in wrap(view.lists, width)], [])
    if view.user is None:
        return Bench([(("No user to watch yet: p picks one.", "dim"),)], [])
    ranking = view.ranking
    about = f" · {' · '.join(ranking.about)}" if ranking is not None else ""
    rows: list[Line] = [cut(((f"user {view.user}", "strong"), (about, "")), width)]
    neuron_at = {}
    for at, edit in enumerate(view.edits):
        if "neuron" in edit:
            neuron_at[len(rows)] = edit["neuron"]
        rows.append(_edit(view, at, width))
    if not view.edits:
        neuron = "" if view.current is None else f" neuron {view.current}"
        rows += [((row, "dim"),) for row in wrap(f"Nothing is changed yet: i puts{neuron} here, + - change it.", width)]
    rows.append(())
    if ranking is None:
        return Bench([*rows, (("Ranking…", "dim"),)], [], neuron_at)
    if any(code.outside for code in ranking.codes.values()):
        rows[-1] = ((fit("! outside the range seen for any user", width), "warn"),)
    if view.flipped:
        rows += _list(view, ranking.before, ("was", "now"), width)
    else:
        rows += _list(view, ranking.after, ("now", "was"), width)
    return Bench(rows, _foot(ranking, width) if view.edits else [], neuron_at)


def which_list(view: View) -> Line:
    """Which of the two lists is shown, for the pane's title."""
    if not view.edits:
        return ()
    before, after = ("[before]", " after ") if view.flipped else (" before ", "[after]")
    return ((f"{before} {after}", "key"),)


def _edit(view: View, at: int, width: int) -> Line:
    edit = view.edits[at]
    waits = "" if edit.get("on", True) else "waits"
    if "goal" in edit:
        told = plain(f"{edit['goal']} for {rows_of(edit) or 'every user'}")
        return (("  ", ""), (fit(told, max(0, width - 2 - 7)), "dim" if waits else "strong"),
                (right(waits or "solved", 7), "dim" if waits else "strong"))  # fmt: skip
    neuron = edit["neuron"]
    if not is_plain(edit) or waits:
        told = plain(f"{neuron} {view.name(neuron)}{f' · {rows_of(edit)}' if rows_of(edit) else ''}")
        amount = f"{waits} {amount_of(edit)}".strip()
        return (("  ", ""), (fit(told, max(0, width - 3 - len(amount))), "dim" if waits else "strong"),
                (f" {amount}", "dim" if waits else "strong"))  # fmt: skip
    code = None if view.ranking is None else view.ranking.codes.get(neuron)
    amount = right(amount_of(edit), 6)
    mark = "▸" if neuron == view.current and view.edit_of(neuron) == at else " "
    z = fit(_code(code), 15)
    name = fit(f"{neuron} {view.name(neuron)}", max(0, width - 2 - 2 - 15 - 1 - 6))
    outside = code is not None and code.outside
    return ((f"{mark} ", "key"), (name, "strong"), ("  ", ""), (z, "warn" if outside else ""), (" ", ""),
            (amount, "strong"))  # fmt: skip


def _code(code: Code | None) -> str:
    if code is None:
        return f"z {UNKNOWN}"
    return f"z {decimal(code.before)}→{decimal(code.after)}{' !' if code.outside else ''}"


def _list(view: View, items: Sequence[Listed], titles: tuple[str, str], width: int) -> list[Line]:
    """One of the two lists; both have the same columns, so that titles stay in place when they are flipped."""
    room = width - 3 - 5 - 6 - 1 - 7
    head = f"{titles[0]:>3}{titles[1]:>5}{'move':>6} {fit(view.card.item_word, room)}{'score':>7}"
    return [((head, "dim"),), *(_item(item, room, view.flipped) for item in items)]


def _item(item: Listed, room: int, flipped: bool) -> Line:
    """`item.other` is its rank in the list that is not shown."""
    other = UNKNOWN if item.other is None else str(item.other)
    if item.other is None or item.other > LIST_LENGTH:
        move, role = ("out", "bad") if flipped else ("new", "good")
    elif item.other == item.rank:
        move, role = "=", "dim"
    else:
        up = (item.other < item.rank) if flipped else (item.other > item.rank)
        move, role = f"{'▲' if up else '▼'}{abs(item.other - item.rank):>3}", "good" if up else "bad"
    return ((f"{item.rank:>3}", ""), (right(other, 5), "dim"), (right(move, 6), role), (" ", ""),
            (fit(item.title, room), ""), (right(decimal(item.affinity), 7), "dim"))  # fmt: skip


def _foot(ranking: Ranking, width: int) -> list[Line]:
    """Who left, how alike the lists are, and which concepts gained or lost. Always four rows."""
    gone = [f"{item.title} →{item.other if item.other is not None else UNKNOWN}" for item in ranking.left]
    left = f"left the list: {', '.join(gone)}" if gone else "nothing left the list"
    alike = (f"RBO {decimal(ranking.rbo)}  τ {decimal(ranking.tau)}  "
             f"kept {ranking.kept} of {len(ranking.after)}")  # fmt: skip
    shares = packed([f"{name} {percent(b)}→{percent(a)}" for name, b, a in ranking.shares], width)[:2]
    shares = shares or ["no concept gained or lost places"]
    texts = [(left, "bad" if gone else "dim"), (alike, "strong"), *((row, "") for row in shares), ("", "")][:4]
    return [cut(((text, role),), width) for text, role in texts]
