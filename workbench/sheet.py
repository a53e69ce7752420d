"""The neuron table as arrays, one row a neuron: what it sorts and filters by. Pure.

100,000 rows must sort and filter within a key press, so what a new view leaves as it was is not made again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.text import plain
from workbench.columns import BY_FIGURE, Column, flags_of
from workbench.edits import is_plain
from workbench.model import Neurons
from workbench.view import View

if TYPE_CHECKING:
    import numpy as np

TOP_SEARCHED = 20
"""How many of a neuron's top items a word is looked for in."""
WORDS_KEPT = 16
STATES = ("human", "llm", "metadata", "rejected", "failed", "none")


@dataclass(frozen=True)
class Texts:
    """A text for each row, the different ones once: `folded[codes[row]]`. An empty text is unknown."""

    folded: list[str]
    codes: "np.ndarray"

    @classmethod
    def of(cls, texts: Iterable[str], rows: int) -> "Texts":
        import numpy as np

        index: dict[str, int] = {}
        folded = (text.casefold() for text in texts)
        codes = np.fromiter((index.setdefault(text, len(index)) for text in folded), np.int64, rows)
        return cls(list(index), codes)

    def having(self, word: str) -> "np.ndarray":
        """Rows whose text has `word`, which is casefolded already."""
        import numpy as np

        return np.fromiter((word in text for text in self.folded), bool, len(self.folded))[self.codes]

    def ranks(self) -> "np.ndarray":
        """Each row's place in the order of the texts; nan where there is none."""
        import numpy as np

        order = sorted(range(len(self.folded)), key=self.folded.__getitem__)
        places = np.empty(len(order))
        places[order] = [at if self.folded[text] else np.nan for at, text in enumerate(order)]
        return places[self.codes]


class Sheet:
    """Arrays over the neurons of a view, made when they are first asked for."""

    def __init__(self, view: View | None = None) -> None:
        self._view = view
        self._kept: dict[str, tuple[tuple[object, ...], Any]] = {}

    def show(self, view: View) -> None:
        self._view = view

    @property
    def view(self) -> View:
        if self._view is None:
            raise ValueError("a sheet without a view has no rows")
        return self._view

    @property
    def neurons(self) -> Neurons:
        if self.view.neurons is None:
            raise ValueError("a view without neurons has no rows")
        return self.view.neurons

    def values(self, column: Column) -> "np.ndarray":
        """The column's figures, or for texts their places in order; nan is unknown."""
        figure = self.neurons.figures.get(column.figure or "")
        if figure is not None:
            return figure
        view, neurons = self.view, self.neurons
        match column.id:
            case "number":
                return neurons.number
            case "name":
                return self._keep("name", (neurons, view.labels), lambda: self.names.ranks())
            case "state":
                return self._keep("state", (neurons, view.labels), self._state_values)
            case "flags":
                return self._keep("flags", (neurons,), lambda: self._flag_texts().ranks())
            case "edit":
                return self._keep("edit", (neurons, view.edits), self._edit_values)
        return self._scores()[column.score] if column.score and view.scores else self._unknown()

    def known(self, column: Column) -> bool:
        """Whether any row has a value."""
        import numpy as np

        values = self.values(column)
        key = f"known {column.id}"
        return bool(self._keep(key, (values,), lambda: len(values) and not np.isnan(values).all()))

    def rows(self, column: Column, descending: bool) -> "np.ndarray":
        """All rows in the column's order: the unknown last either way, equals by lift, then by number."""
        import numpy as np

        values, number = self.values(column), self.neurons.number
        lift = self.neurons.figures.get("lift")

        def order() -> np.ndarray:
            by_lift = np.zeros(len(number)) if lift is None else -lift
            return np.lexsort((number, by_lift, -values if descending else values))

        return self._keep("order", (values, lift, descending), order)

    @property
    def names(self) -> Texts:
        """What the rows show as names; those in brackets, which say that there is none, are empty."""
        return self._keep("names", (self.neurons, self.view.labels), self._names)

    @property
    def concepts(self) -> Texts:
        """The best concepts."""
        concept = self.neurons.concept
        return self._keep("concepts", (self.neurons,), lambda: Texts.of((c or "" for c in concept), len(concept)))

    def states(self) -> "np.ndarray":
        """Each row's label state as its place in `STATES`."""
        return self._keep("states", (self.neurons, self.view.labels), self._states)

    def with_word(self, word: str) -> "np.ndarray":
        """Rows with `word`, casefolded, in the name, the best concept or the title of a top item.

        Of a filter only the word that is being typed is new at a key.
        """
        found = self._keep("words", (self.neurons, self.view.labels), dict)
        if word not in found:
            mask = self.names.having(word) | self.concepts.having(word) | self.with_item(word)
            while len(found) >= WORDS_KEPT:
                del found[next(iter(found))]
            found[word] = mask
        return found[word]

    def with_item(self, word: str) -> "np.ndarray":
        """Rows with `word`, casefolded, in the title of one of their top items."""
        import numpy as np

        titles, top = self._titles(), self._top()
        hit = np.zeros(len(titles) + 1, bool)  # -1 stands for no item: the last one, which is never hit
        hit[:-1] = np.fromiter((word in title for title in titles), bool, len(titles))
        found = np.zeros(len(self.neurons), bool)
        if hit.any():
            for items in top:
                found |= hit[items]
        return found

    def warm(self) -> None:
        """Make now what the first word of a filter would wait for."""
        if self._view is not None and self._view.neurons is not None:
            self.with_word("")

    def flags(self) -> list[tuple[str, ...]] | None:
        return self._keep("flag lists", (self.neurons,), lambda: flags_of(self.neurons))

    def row_mask(self, neurons: Iterable[int]) -> "np.ndarray":
        """The rows of these neurons."""
        import numpy as np

        mask = np.zeros(len(self.neurons), bool)
        mask[[self.neurons.row_of[neuron] for neuron in neurons if neuron in self.neurons.row_of]] = True
        return mask

    def _keep(self, key: str, sources: tuple[object, ...], make: Callable[[], Any]) -> Any:
        """What was made from the same sources, else made anew."""
        kept = self._kept.get(key)
        if kept is None or not all(_same(old, new) for old, new in zip(kept[0], sources, strict=True)):
            kept = (sources, make())
            self._kept[key] = kept
        return kept[1]

    def _titles(self) -> list[str]:
        neurons = self.neurons
        return self._keep("titles", (neurons,), lambda: [title.casefold() for title in neurons.titles])

    def _top(self) -> "np.ndarray":
        """The top items, a row each rank: looking a whole rank up at once is what makes words fast."""
        import numpy as np

        neurons = self.neurons
        return self._keep("top", (neurons,), lambda: np.ascontiguousarray(neurons.top_item[:, :TOP_SEARCHED].T))

    def _unknown(self) -> "np.ndarray":
        import numpy as np

        count = len(self.neurons)
        return self._keep("unknown", (count,), lambda: np.full(count, np.nan))

    def _names(self) -> Texts:
        neurons = self.neurons
        told = zip(neurons.concept, neurons.named, neurons.dead.tolist(), strict=True)
        names = ["" if dead or not best else best if named else f"{best}?" for best, named, dead in told]
        for neuron, label in self.view.labels.items():
            if label.name and neuron in neurons.row_of:
                names[neurons.row_of[neuron]] = plain(label.name)
        return Texts.of(names, len(names))

    def _states(self) -> "np.ndarray":
        import numpy as np

        codes = np.full(len(self.neurons), STATES.index("none"), np.int8)
        for neuron, label in self.view.labels.items():
            if neuron in self.neurons.row_of and label.state in STATES:
                codes[self.neurons.row_of[neuron]] = STATES.index(label.state)
        return codes

    def _state_values(self) -> "np.ndarray":
        import numpy as np

        codes = self.states().astype(np.float64)
        codes[codes == STATES.index("none")] = np.nan
        return codes

    def _flag_texts(self) -> Texts:
        flags, count = self.flags(), len(self.neurons)
        return Texts.of([""] * count if flags is None else (" ".join(row) for row in flags), count)

    def _edit_values(self) -> "np.ndarray":
        import numpy as np

        places = np.full(len(self.neurons), np.nan)
        for at, edit in enumerate(self.view.edits):
            if is_plain(edit) and edit["neuron"] in self.neurons.row_of:
                places[self.neurons.row_of[edit["neuron"]]] = at
        return places

    def _scores(self) -> dict[str, "np.ndarray"]:
        return self._keep("scores", (self.neurons, self.view.scores), self._score_values)

    def _score_values(self) -> dict[str, "np.ndarray"]:
        import numpy as np

        from engine.labels.exchange import flat_scores

        names = [name for name, column in BY_FIGURE.items() if name and column.score]
        found = {name: np.full(len(self.neurons), np.nan) for name in names}
        for neuron, kinds in self.view.scores.items():
            row = self.neurons.row_of.get(neuron)
            flat = {} if row is None else flat_scores(kinds)
            for name in names:
                if row is not None and flat.get(name) is not None:
                    found[name][row] = flat[name]
        return found


def _same(old: object, new: object) -> bool:
    """Identical, or equal where comparing is cheap; arrays and tables are never compared by content."""
    return old is new or (isinstance(old, dict | tuple | bool | int) and old == new)
