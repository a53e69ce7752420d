"""Completion: the names that begin with a text or contain it, the best first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

KINDS = ("items", "users", "concepts", "cohorts", "user_columns", "item_columns")
_START, _WORD, _INSIDE = 0, 1, 2


def _spaced(text: str) -> str:
    """Every run of letters and digits between single spaces, so that a word's start is a space before it."""
    return " " + "".join(letter if letter.isalnum() else " " for letter in text)


@dataclass(frozen=True)
class Index:
    """Names ready to be searched; `weight` (n) puts the heavier first among those that match alike."""

    folded: Sequence[str]
    spaced: Sequence[str]
    weight: np.ndarray

    @classmethod
    def of(cls, names: Sequence[str], weight: np.ndarray | None = None) -> "Index":
        """Without weights the names keep their order."""
        folded = [name.casefold() for name in names]
        return cls(folded, [_spaced(name) for name in folded], np.zeros(len(names)) if weight is None else weight)

    def search(self, text: str, limit: int, first: int | None = None) -> tuple[list[int], int]:
        """Numbers of the `limit` best names, and how many match in all.

        A name that begins with the text comes before one with a word that does, and that before one with the text
        inside. `first` is a number that comes before all, whether its name matches or not.
        """
        wanted = text.casefold().strip()
        found = [n for n, name in enumerate(self.folded) if wanted in name]
        if first is not None and wanted not in self.folded[first]:
            found.append(first)
        if not found:
            return [], 0
        numbers, word = np.array(found), _spaced(wanted)
        places = [
            _START if self.folded[n].startswith(wanted) else _WORD if word in self.spaced[n] else _INSIDE for n in found
        ]
        later = numbers != (-1 if first is None else first)
        order = np.lexsort((numbers, -self.weight[numbers], np.array(places), later))
        best: list[int] = numbers[order[:limit]].tolist()
        return best, len(found)
