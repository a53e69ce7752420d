"""What an analyst wants of a user's list, as text that can be typed and checked: `share(Horror)<=0.02`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.errors import EditError
from engine.neurons.table import ConceptItems

_GOAL = re.compile(r"\s*share\s*\((?P<concept>.+)\)\s*(?P<sign><=|>=)\s*(?P<amount>[0-9.]+)\s*(?P<unit>x|%|)\s*", re.I)


@dataclass(frozen=True)
class Goal:
    """A concept's share of each user's top k: at most or at least `amount`.

    `relative`: `amount` is a multiple of the share that the user has without an edit, and no share of the list.
    """

    concept: str
    sign: Literal["<=", ">="]
    amount: float
    relative: bool = False

    @classmethod
    def parse(cls, text: str, concepts: Sequence[ConceptItems]) -> "Goal":
        """From `share(CONCEPT)<=0.02`, `>=30%` or `<=0.5x` (half of what each user has).

        Raises `EditError` for what is no goal, and for a concept that the catalogue does not have.
        """
        found = _GOAL.fullmatch(text)
        if found is None:
            raise EditError(
                f"{text!r} is no goal; write share(CONCEPT)<=0.02, share(CONCEPT)>=30% or share(CONCEPT)<=0.5x "
                "(half of what each user has)."
            )
        names = {concept.name.casefold(): concept.name for concept in concepts}
        asked = found["concept"].strip()
        if asked.casefold() not in names:
            raise EditError(f"There is no concept {asked!r} in this data set; `monoscope concepts` lists them.")
        try:
            amount = float(found["amount"]) / (100 if found["unit"] == "%" else 1)
        except ValueError as error:
            raise EditError(f"{found['amount']!r} in {text!r} is no number.") from error
        relative = found["unit"].casefold() == "x"
        if not relative and amount > 1:
            raise EditError(f"A share is at most 1; {text!r} asks for {amount:g}. Did you mean {found['amount']}%?")
        return cls(names[asked.casefold()], "<=" if found["sign"] == "<=" else ">=", amount, relative)

    def __str__(self) -> str:
        return f"share({self.concept}){self.sign}{self.amount:g}{'x' if self.relative else ''}"

    @property
    def up(self) -> bool:
        """Whether the concept is to gain."""
        return self.sign == ">="

    def bounds(self, counts_u: np.ndarray, lengths_u: np.ndarray) -> np.ndarray:
        """How many of the concept's items each user's list may (or must) hold.

        `counts_u` are those that it holds without an edit, `lengths_u` the lengths of the lists.
        """
        exact = self.amount * (counts_u if self.relative else lengths_u)
        # 0.1 of 30 is 3.0000000000000004 in binary.
        whole = np.ceil(exact - 1e-9) if self.up else np.floor(exact + 1e-9)
        return np.minimum(whole, lengths_u).astype(np.int64)

    def met(self, counts_u: np.ndarray, bounds_u: np.ndarray) -> np.ndarray:
        """Which lists keep to their bounds (bool)."""
        return counts_u >= bounds_u if self.up else counts_u <= bounds_u
