"""Edits as plain data, and how they are written on the screen and in a command. Pure: no Textual here."""

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import EditError

Edit = Mapping[str, Any]
"""{"side", "neuron", "operation": "off"|"set"|"add"|"scale"|"cap", "amount": float|None, "unit": "p99"|"raw"},
with "where" or "ids" where it is not for everyone; a solved one has "goal" and "amounts" instead."""

AMOUNT_AT_MOST = 1_000_000
"""The engine takes no more."""
STEP = 0.5
"""What one key press adds: half of the neuron's p99 among users."""


@dataclass(frozen=True)
class Scope:
    """The rows that an edit is for: those of `ids` or `where`; without either, its whole side."""

    side: str = "users"
    ids: tuple[str, ...] = ()
    where: str | None = None

    @classmethod
    def of(cls, edit: Edit) -> "Scope":
        return cls(edit.get("side", "users"), tuple(edit.get("ids") or ()), edit.get("where") or None)

    def as_dict(self) -> dict[str, Any]:
        """What an edit's data say of it."""
        rows = {"ids": list(self.ids)} if self.ids else {"where": self.where} if self.where else {}
        return {"side": self.side, **rows}


EVERY_USER = Scope()


def new_edit(neuron: int, operation: str, amount: float | None, scope: Scope = EVERY_USER) -> Edit:
    return {"neuron": neuron, "operation": operation, "amount": amount, "unit": "p99", **scope.as_dict()}


def stepped(edit: Edit, direction: int) -> Edit:
    """`edit` one step stronger (+1) or weaker (-1); switched off, it starts again as a set value."""
    if edit["operation"] == "off":
        return {**edit, "operation": "set", "amount": direction * STEP}
    return {**edit, "amount": round(float(edit["amount"]) + direction * STEP, 6)}


def typed(neuron: int, text: str, scope: Scope = EVERY_USER) -> Edit:
    """The edit that a typed value stands for: `1.5` sets, `+1` adds, `x2` multiplies, `off`; else an `EditError`."""
    words = text.strip().lower()
    if words == "off":
        return new_edit(neuron, "off", None, scope)
    operation = "add" if words[:1] in "+-" and words else "scale" if words[:1] in ("x", "×") else "set"
    try:
        amount = float(words.lstrip("x×") if operation == "scale" else words)
    except ValueError:
        amount = math.nan
    if math.isfinite(amount) and abs(amount) > AMOUNT_AT_MOST:
        raise EditError(f"The amount may be {AMOUNT_AT_MOST:,} at most, on either side of 0.")
    if not math.isfinite(amount):
        raise EditError(f"{text!r} is not a value: type 1.5 to set, +1 or -1 to add, x2 to multiply, or off.")
    return new_edit(neuron, operation, amount, scope)


def is_plain(edit: Edit) -> bool:
    """Whether the screen can change it: an edit of one neuron for every user."""
    return "neuron" in edit and Scope.of(edit) == EVERY_USER


def rows_of(edit: Edit) -> str:
    """For whom an edit is, in a few words; nothing where it is for every user."""
    side = edit.get("side", "users")
    if edit.get("ids"):
        ids = list(edit["ids"])
        if len(ids) == 1:
            return f"{side[:-1]} {ids[0]}"
        return f"{side} {', '.join(ids[:3])}{f' and {len(ids) - 3:,} more' if len(ids) > 3 else ''}"
    if edit.get("where"):
        return f"{side} where {edit['where']}"
    return "" if side == "users" else "all items"


def amount_of(edit: Edit) -> str:
    """An edit's operation in a few cells: `+1.0`, `= 1.5`, `×2.0`, `≤1.0`, `off`; raw amounts end in `r`."""
    if "goal" in edit:
        return "solved"
    if edit["operation"] == "off":
        return "off"
    amount = float(edit["amount"])
    unit = "r" if edit.get("unit") == "raw" and edit["operation"] != "scale" else ""
    digits = f"{amount:.1f}" if round(amount, 1) == amount else f"{amount:.4g}"
    if edit["operation"] == "add":
        return f"{'+' if amount >= 0 else ''}{digits}{unit}"
    return f"{ {'set': '=', 'cap': '≤'}.get(edit['operation'], '×') }{digits}{unit}"


def as_steer(edit: Edit) -> str | None:
    """What `steer` takes for an edit, such as "--add 1"; None where it is not of one neuron or for some users only."""
    if not is_plain(edit):
        return None
    if edit["operation"] == "off":
        return "--off"
    raw = edit.get("unit") == "raw" and edit["operation"] != "scale"
    return f"--{edit['operation']} {float(edit['amount']):g}{' --unit raw' if raw else ''}"


def quoted(text: str) -> str:
    """`text` as one word of a shell, in double quotes where nothing in it is special there."""
    return shlex.quote(text) if re.search(r'["$`\\!]', text) else f'"{text}"'
