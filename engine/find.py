"""Completion: the names that begin with a text or contain it, the best first."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from engine.catalogue.catalogue import Table

VALUES: "dict[str, Table]" = {"user_values": "users", "item_values": "items"}
"""Kinds that are the values of one column, and the column's table."""
KINDS = ("items", "users", "concepts", "cohorts", "user_columns", "item_columns", *VALUES)


def _spaced(text: str) -> str:
    """Letters and digits, everything else a space, and one before all: a word's start has a space before it."""
    return " " + "".join(letter if letter.isalnum() else " " for letter in text)


@dataclass(frozen=True)
class Index:
    """Names ready to be searched, the heaviest first; `numbers` are their places among the names that were given."""

    numbers: Sequence[int]
    folded: Sequence[str]
    spaced: Sequence[str]

    @classmethod
    def of(cls, names: Sequence[str], weight: np.ndarray | None = None) -> "Index":
        """The heavier come first among those that match alike; without weights the names keep their order."""
        order = np.arange(len(names)) if weight is None else np.argsort(-weight, kind="stable")
        numbers: list[int] = order.tolist()
        folded = [names[number].casefold() for number in numbers]
        return cls(numbers, folded, [_spaced(name) for name in folded])

    def search(self, text: str, limit: int, first: int | None = None) -> tuple[list[int], int]:
        """Numbers of the `limit` best names, and how many match in all.

        A name that begins with the text comes before one with a word that does, and that before one with the text
        inside. `first` is a number that comes before all, whether its name matches or not.
        """
        wanted = text.casefold().strip()
        word, folded, spaced = _spaced(wanted), self.folded, self.spaced
        found = [at for at, name in enumerate(folded) if wanted in name]
        tiers = (
            (at for at in found if folded[at].startswith(wanted)),
            (at for at in found if word in spaced[at] and not folded[at].startswith(wanted)),
            (at for at in found if word not in spaced[at] and not folded[at].startswith(wanted)),
        )
        best = [] if first is None else [first]
        for tier in tiers:
            numbers = (self.numbers[at] for at in tier)
            best += islice((number for number in numbers if number != first), max(0, limit - len(best)))
        extra = first is not None and wanted not in folded[self.numbers.index(first)]
        return best, len(found) + extra
