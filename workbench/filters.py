"""The filter of the neuron table, which is parsed at every key: words, `!`, `p20>.8`, `state:human`. Pure.

    horror "new york"      in the name, the best concept or a top item's title; every term must hold
    !horror                not
    p20>.8  items<20%      a column's figure, by `columns.find_column`; what is unknown holds for none
    concept:horror  name:night  item:"toy story"  state:none  flag:popularity
    marked  edited  dead   "dead" in quotes is the word

What makes no sense never raises: it is told as a remark, and the other terms hold.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt
from typing import TYPE_CHECKING

from workbench.columns import Column, find_column, no_column
from workbench.sheet import STATES, Sheet

if TYPE_CHECKING:
    import numpy as np

KEYS = ("name", "concept", "item", "state", "flag")
SETS = ("marked", "edited", "dead")
FLAGS = ("dead", "dense", "duplicate", "item-only", "user-only", "popularity")
_OPERATORS: dict[str, Callable] = {">": gt, "<": lt, "=": eq, ">=": ge, "<=": le, "≥": ge, "≤": le}
_TERM = re.compile(
    r"""(?P<nots>!*)(?:
        "(?P<quoted>[^"]*)"?
      | (?P<key>name|concept|item|state|flag)s?:(?:"(?P<said>[^"]*)"?|(?P<says>[^\s"]*))
      | (?P<figure>[^\s"<>=≥≤!:]+)\s*(?P<operator>>=|<=|[<>=≥≤])(?P<amount>(?:\s+(?=[+\-.0-9]))?[^\s"]*)
      | (?P<word>[^\s"!][^\s"]*)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_AMOUNT = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,3})?)(%?)", re.IGNORECASE)


@dataclass(frozen=True)
class Term:
    """One condition: `kind` is "word", one of `KEYS` or `SETS`, or "figure"; `text` is casefolded."""

    kind: str
    text: str = ""
    excluded: bool = False
    column: Column | None = None
    operator: str = "="
    value: float = 0.0


@dataclass(frozen=True)
class Query:
    """Terms that all must hold, and remarks on what was typed and does not."""

    terms: tuple[Term, ...] = ()
    remarks: tuple[str, ...] = ()


class _Senseless(Exception):
    """A term that says nothing; its text is the remark, empty where the term is only not typed to its end."""


def parse(text: str) -> Query:
    """The terms of a filter; never raises."""
    terms: list[Term] = []
    remarks: list[str] = []
    for found in _TERM.finditer(text):
        try:
            term, remark = _term(found)
            terms.append(term)
        except _Senseless as senseless:
            remark = str(senseless)
        if remark and remark not in remarks:
            remarks.append(remark)
    return Query(tuple(terms), tuple(remarks))


def matching(query: Query, sheet: Sheet) -> "tuple[np.ndarray, tuple[str, ...]]":
    """Which rows of the sheet the query holds for, and the query's remarks with those that this run adds."""
    import numpy as np

    shown = np.ones(len(sheet.neurons), bool)
    remarks = list(query.remarks)
    for term in query.terms:
        mask, remark = _holds(term, sheet)
        if remark and remark not in remarks:
            remarks.append(remark)
        if mask is not None:
            shown &= ~mask if term.excluded else mask
    return shown, tuple(remarks)


def _term(found: re.Match[str]) -> tuple[Term, str]:
    """The term, and what there is to remark on it though it holds."""
    excluded = len(found["nots"]) % 2 == 1
    if found["quoted"] is not None:
        return _texts("word", found["quoted"], excluded), ""
    if found["key"] is not None:
        key = found["key"].casefold()
        return _texts(key, found["said"] if found["said"] is not None else found["says"], excluded), ""
    if found["figure"] is not None:
        return _figure(found["figure"], found["operator"], found["amount"].strip(), excluded)
    word = found["word"]
    if word.casefold() in SETS:
        return Term(word.casefold(), excluded=excluded), ""
    if word[0] in _OPERATORS:
        raise _Senseless(f"{word!r} needs a column before it, as in p20>.8")
    return _texts("word", word, excluded), ""


def _texts(kind: str, text: str, excluded: bool) -> Term:
    text = text.casefold().strip() if kind in ("state", "flag") else text.casefold()
    if not text.strip():
        raise _Senseless("" if kind == "word" else f"{kind}: needs a text after it")
    if kind == "state":
        _one_of(text, (*STATES, "asked"), "state")
    if kind == "flag":
        _one_of(text, FLAGS, "flag")
    return Term(kind, text, excluded)


def _one_of(text: str, known: Iterable[str], what: str) -> None:
    if not any(name.startswith(text) for name in known):
        raise _Senseless(f"no {what} {text!r}; there are {', '.join(known)}")


def _figure(name: str, operator: str, amount: str, excluded: bool) -> tuple[Term, str]:
    column = find_column(name)
    if column is None:
        raise _Senseless(no_column(name))
    if column.kind == "text":
        other = {"state": "state:human", "flags": "flag:dense", "edit": "edited"}.get(column.id, "name:horror")
        raise _Senseless(f"{column.id} is no figure; write {other}")
    parsed = _AMOUNT.fullmatch(amount)
    if parsed is None:
        begun = not amount.strip("+-.")
        raise _Senseless(f"{name}{operator} …" if begun else f"{name}{operator} needs a number, not {amount!r}")
    value = float(parsed[1])
    if parsed[2] and column.kind == "number":
        raise _Senseless(f"{column.id} is no share; write the number without %")
    if parsed[2] and column.kind == "share":
        value /= 100
    remark = ""
    if column.kind == "share" and abs(value) > 1:
        remark = f"{column.id} is a share of 1; write {amount}% for per cent"
    return Term("figure", "", excluded, column, operator, value), remark


def _holds(term: Term, sheet: Sheet) -> "tuple[np.ndarray | None, str]":
    """Rows for which the term holds, before `!`; None where this run cannot say, with the reason."""
    match term.kind:
        case "word":
            return _word(term.text, sheet)
        case "name":
            return sheet.names.having(term.text), ""
        case "concept":
            return sheet.concepts.having(term.text), ""
        case "item":
            return sheet.with_item(term.text), ""
        case "state":
            return _state(term.text, sheet), ""
        case "flag":
            return _flag(term.text, sheet)
        case "marked":
            return sheet.row_mask(sheet.view.marks), "" if sheet.view.marks else "no neuron is marked"
        case "edited":
            return sheet.row_mask(edit["neuron"] for edit in sheet.view.edits if "neuron" in edit), ""
        case "dead":
            dead = sheet.neurons.dead.astype(bool)
            return dead, "" if dead.any() else 'no neuron is dead; write "dead" in quotes for the word'
    if term.column is None:
        return None, ""
    if not sheet.known(term.column):
        return _compared(term, sheet), f"{term.column.id} is unknown for every neuron here"
    return _compared(term, sheet), ""


def _compared(term: Term, sheet: Sheet) -> "np.ndarray":
    """Compared in the figures' own precision, so that 0.8 of a file of float32 is not more than .8."""
    import numpy as np

    assert term.column is not None
    with np.errstate(over="ignore"):
        mask: np.ndarray = _OPERATORS[term.operator](sheet.values(term.column), term.value)
    return mask


def _word(text: str, sheet: Sheet) -> "tuple[np.ndarray, str]":
    mask = sheet.with_word(text)
    key = text.partition(":")[0]
    if ":" in text and key.isalpha() and not mask.any():
        return mask, f"{text!r} is in no name or title; terms with a colon are {', '.join(f'{key}:' for key in KEYS)}"
    return mask, ""


def _state(text: str, sheet: Sheet) -> "np.ndarray":
    import numpy as np

    mask = np.isin(sheet.states(), [at for at, state in enumerate(STATES) if state.startswith(text)])
    return mask | sheet.row_mask(sheet.view.asked) if "asked".startswith(text) else mask


def _flag(text: str, sheet: Sheet) -> "tuple[np.ndarray | None, str]":
    import numpy as np

    flags = sheet.flags()
    if flags is None:
        return None, "this run's files tell no flags; newer ones do"
    holds = (any(flag.startswith(text) for flag in row) for row in flags)
    return np.fromiter(holds, bool, len(flags)), ""
