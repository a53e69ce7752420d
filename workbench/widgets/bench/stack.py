"""The stack of edits: what each does, to whom, and what it makes of the watched user. Pure: lines from a view."""

from engine.text import plain
from workbench.edits import Edit, amount_of
from workbench.model import Code, Ranking
from workbench.view import View
from workbench.widgets.line import UNKNOWN, Line, decimal, fit, right, width_of, wrap

WIDTH_MOST = 72
"""Further apart, a name and its figures are hard to read together."""
Z_CELLS, AMOUNT_CELLS, AMOUNT_MOST = 15, 6, 10
NAME_AT_LEAST = 12
"""Cells without which the activation gets a row of its own."""


def stack(
    view: View, user: str | None, ranking: Ranking | None, width: int, *, folded: bool = False
) -> tuple[list[Line], dict[int, int]]:
    """One or two rows for each edit, and which rows belong to which of them. `user` is the one whose codes are told.

    Where it is `folded` there is one edit alone: the one that keys change, else the last.
    """
    if not view.edits:
        neuron = "a neuron" if view.neuron is None else f"neuron {view.neuron}"
        told = f"Nothing is changed yet: i puts {neuron} here, + - change it."
        return [((row, "dim"),) for row in wrap(told, width)], {}
    width = min(width, WIDTH_MOST)
    rows: list[Line] = []
    edit_at: dict[int, int] = {}
    count = len(view.edits)
    places = range(count)
    if folded:
        at = None if view.target is None else view.target.at
        places = places[-1:] if at is None else places[at : at + 1]
    for at in places:
        z = _z(view.edits[at], user, ranking)
        number = f"{at + 1} of {count}" if folded and count > 1 else f"{at + 1:>{len(str(count))}}"
        for row in _edit(view, at, number, z, width):
            edit_at[len(rows)] = at
            rows.append(row)
    return rows, edit_at


def _edit(view: View, at: int, number: str, z_role: tuple[str, str], width: int) -> list[Line]:
    edit = view.edits[at]
    on = edit.get("on", True)
    amounts = max(AMOUNT_CELLS, *(len(amount_of(one)) for one in view.edits))
    amount = right(amount_of(edit), min(amounts, AMOUNT_MOST))
    z, role = z_role
    current = view.target is not None and view.target.at == at
    head: Line = ((number, "dim"), ("▸ " if current else "  ", "key"))
    room = width - width_of(head) - 1 - len(amount)
    name = plain(edit["goal"]) if "goal" in edit else f"{edit['neuron']} {view.name(edit['neuron'])}"
    whom = view.whom(edit) or ("every user" if "goal" in edit else "")
    second = [f"for {whom}"] if whom else []
    middle: Line = ()
    if z and room - 2 - Z_CELLS >= NAME_AT_LEAST:
        middle = (("  ", ""), (fit(z, Z_CELLS), role))
    elif z:
        second.insert(0, z)
    named = (fit(name, max(0, room - width_of(middle))), "strong" if on else "dim")
    first: Line = (*head, named, *middle, (" ", ""), (amount, "strong" if on else "dim"))
    indent = len(number) + 2
    return [first, *(((" " * indent + row, "dim"),) for row in wrap(" · ".join(second), width - indent))]


def _z(edit: Edit, user: str | None, ranking: Ranking | None) -> tuple[str, str]:
    """The activation of the watched user before and after; of an edit of items or with a goal, nothing."""
    if not edit.get("on", True):
        return "waits", "dim"
    if "neuron" not in edit or edit.get("side", "users") != "users":
        return "", ""
    if edit.get("ids") and user is not None and user not in edit["ids"]:
        return "not this user", "dim"
    code = None if ranking is None else ranking.codes.get(edit["neuron"])
    return code_text(code), "warn" if code is not None and code.outside else ""


def code_text(code: Code | None) -> str:
    """An activation before and after, with a sign where no user has such a one."""
    if code is None:
        return f"z {UNKNOWN}"
    return f"z {decimal(code.before)}→{decimal(code.after)}{' !' if code.outside else ''}"
