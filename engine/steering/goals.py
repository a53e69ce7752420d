"""What an analyst wants of a user's list, as text that can be typed and checked: `share(Horror)<=0.02`."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from engine.errors import EditError
from engine.neurons.table import ConceptItems

_SHARE = re.compile(r"\s*share\s*\((?P<of>.+)\)\s*(?P<sign><=|>=)\s*(?P<amount>[0-9.]+)\s*(?P<unit>x|%|)\s*", re.I)
_REACH = re.compile(
    r"\s*reach\s*\((?P<of>.+?)(?:,\s*(?P<depth>[0-9]+))?\s*\)\s*>=\s*(?P<amount>[0-9.]+)\s*(?P<unit>%|)\s*", re.I
)
_GOALS = (
    "share(CONCEPT)<=0.02, share(CONCEPT)>=30%, share(CONCEPT)<=0.5x (half of what each user has) or "
    "reach(ITEM,30)>=0.5 (in the top 30 of half of the users)"
)


@dataclass(frozen=True)
class Goal:
    """What a solved edit is to reach in each user's list.

    Of a concept: its share of the list, at most or at least `amount`; `relative`: `amount` is a multiple of the share
    that the user has without an edit. Of an `item`: a place in the list, for `amount` of the users.
    """

    concept: str
    """The catalogue's name of it; of an item, its id."""
    sign: Literal["<=", ">="]
    amount: float
    relative: bool = False
    item: int | None = None
    depth: int | None = None
    """How deep to look for an item; None for a concept, which is looked for in the whole list."""

    @classmethod
    def parse(
        cls, text: str, concepts: Sequence[ConceptItems], ids: Mapping[str, int] | None = None, k: int = 30
    ) -> "Goal":
        """From `share(CONCEPT)<=0.02`, `>=30%`, `<=0.5x` (half of what each user has) or `reach(ID,30)>=0.5`.

        `ids` are the numbers of the items by id, and `k` is how long the lists are. Raises `EditError` for what is no
        goal, for a concept that the catalogue does not have, and for an item that there is not.
        """
        found = _SHARE.fullmatch(text) or _REACH.fullmatch(text)
        if found is None:
            raise EditError(f"{text!r} is no goal that can be solved for; write {_GOALS}.")
        try:
            amount = float(found["amount"]) / (100 if found["unit"] == "%" else 1)
        except ValueError as error:
            raise EditError(f"{found['amount']!r} in {text!r} is no number.") from error
        relative = found["unit"].casefold() == "x"
        if not relative and amount > 1:
            meant = "" if found["unit"] == "%" else f" Did you mean {found['amount']}%?"
            raise EditError(f"A share is at most 1; {text!r} asks for {amount:g}.{meant}")
        if "depth" not in found.groupdict():
            concept = concept_named(found["of"], concepts)
            return cls(concept, "<=" if found["sign"] == "<=" else ">=", amount, relative)
        depth = int(found["depth"] or k)
        if not 1 <= depth <= k:
            raise EditError(f"{text!r} looks {depth} places deep, and the lists have {k}; say so with -k.")
        name = found["of"].strip()
        if ids is None or name not in ids:
            raise EditError(f"There is no item with the id {name!r} in this run.")
        return cls(name, ">=", amount, item=ids[name], depth=depth)

    def __str__(self) -> str:
        if self.item is not None:
            return f"reach({self.concept},{self.depth})>={self.amount:g}"
        return f"share({self.concept}){self.sign}{self.amount:g}{'x' if self.relative else ''}"

    @property
    def up(self) -> bool:
        """Whether the concept is to gain."""
        return self.sign == ">="

    def member(self, concepts: Sequence[ConceptItems], items: int) -> np.ndarray:
        """The items that it is about (items, bool)."""
        if self.item is not None:
            return np.arange(items) == self.item
        return next(concept.member for concept in concepts if concept.name == self.concept)

    def bounds(self, counts_u: np.ndarray, lengths_u: np.ndarray) -> np.ndarray:
        """How many of the concept's items each user's list may (or must) hold.

        `counts_u` are those that it holds without an edit, `lengths_u` the lengths of the lists.
        """
        if self.item is not None:
            return np.minimum(1, lengths_u).astype(np.int64)
        exact = self.amount * (counts_u if self.relative else lengths_u)
        # 0.1 of 30 is 3.0000000000000004 in binary.
        whole = np.ceil(exact - 1e-9) if self.up else np.floor(exact + 1e-9)
        return np.minimum(whole, lengths_u).astype(np.int64)

    def met(self, counts_u: np.ndarray, bounds_u: np.ndarray) -> np.ndarray:
        """Which lists keep to their bounds (bool)."""
        return counts_u >= bounds_u if self.up else counts_u <= bounds_u


Sign = Literal["<=", ">="]
Figure = Literal["share", "reach", "ndcg", "rbo", "rest", "novelty", "diversity", "coverage", "gini"]

_LIMIT = re.compile(
    r"\s*(?P<figure>[a-z]+)\s*(?:\((?P<of>.+)\))?\s*(?P<sign><=|>=)\s*(?P<amount>[0-9.]+)\s*(?P<unit>x|%|)\s*", re.I
)
_LIMITS = (
    "share(CONCEPT), reach(ITEM,30), ndcg, rbo, rest, novelty, diversity, coverage and gini, "
    "each with <= or >= and a number, such as reach(1032,30)>=0.5 or ndcg>=99%"
)


@dataclass(frozen=True)
class Limit:
    """What a whole cohort's lists shall keep to, as text that can be typed: `reach(Speed,30)>=0.5`, `ndcg>=0.99`.

    `ndcg` is that of no edit times `amount`; with `relative`, so is any other figure.
    """

    figure: Figure
    sign: Sign
    amount: float
    relative: bool = False
    concept: str | None = None
    item: int | None = None
    depth: int = 30
    text: str = ""

    @classmethod
    def parse(cls, text: str, concepts: Sequence[ConceptItems], item_number: Callable[[str], int], k: int) -> "Limit":
        """Raises `EditError` for what is no such limit; `item_number` finds an item by id or title."""
        found = _LIMIT.fullmatch(text)
        figure = found["figure"].casefold() if found else ""
        if found is None or figure not in get_args(Figure):
            raise EditError(f"{text!r} is no goal; there are {_LIMITS}.")
        try:
            amount = float(found["amount"]) / (100 if found["unit"] == "%" else 1)
        except ValueError as error:
            raise EditError(f"{found['amount']!r} in {text!r} is no number.") from error
        relative = found["unit"].casefold() == "x" or figure == "ndcg"
        if (found["of"] is None) == (figure in ("share", "reach")):
            raise EditError(f"{text!r} is no goal; there are {_LIMITS}.")
        if not relative and amount > 1:
            raise EditError(f"{figure} is at most 1; {text!r} asks for {amount:g}. Did you mean {found['amount']}%?")
        sign: Sign = "<=" if found["sign"] == "<=" else ">="
        made = cls(figure, sign, amount, relative, text=text.strip())  # type: ignore[arg-type]  # checked above
        if figure == "share":
            return replace(made, concept=concept_named(found["of"], concepts))
        if figure == "reach":
            which, _, depth = found["of"].rpartition(",")
            if not which or not depth.strip().isdigit():
                which, depth = found["of"], str(k)
            if not 1 <= int(depth) <= k:
                raise EditError(f"{text!r} looks {depth.strip()} places deep, and the lists have {k}; say so with -k.")
            return replace(made, item=item_number(which.strip()), depth=int(depth))
        return made

    def met(self, value: float | None, before: float | None) -> bool | None:
        """Whether `value` keeps to it, where `before` is the figure without an edit; None where either is unknown."""
        if value is None or (self.relative and before is None):
            return None
        bound = self.amount * (before or 0.0) if self.relative else self.amount
        return value <= bound + 1e-12 if self.sign == "<=" else value >= bound - 1e-12


def concept_named(name: str, concepts: Sequence[ConceptItems]) -> str:
    """The catalogue's spelling of a concept; `EditError` where it has none of that name."""
    names = {concept.name.casefold(): concept.name for concept in concepts}
    if name.strip().casefold() not in names:
        raise EditError(f"There is no concept {name.strip()!r} in this data set; `monoscope concepts` lists them.")
    return names[name.strip().casefold()]
