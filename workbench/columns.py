"""The columns of the neuron table: the one list that sorting, filters, the layout and the help page read. Pure.

No numpy at import: the first paint comes before it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from workbench.model import Neurons
from workbench.widgets.line import decimal, percent, small, times

if TYPE_CHECKING:
    pass

Kind = Literal["share", "percentile", "number", "text"]


@dataclass(frozen=True)
class Column:
    """A column one can sort by; `id` and `title` are what a filter calls it, `also` its other names.

    `figure` is its name in the run's files, `score` its name among the main figures of a label's tests. `better` says
    which end is good, None if neither is. A "share" lies between 0 and 1, a "percentile" between 0 and 100.
    """

    id: str
    title: str
    width: int
    kind: Kind
    help: tuple[str, str, str]
    """What it is; what chance gives; how to read it. The second may hold {example} and {range} of the base rates."""
    figure: str | None = None
    score: str | None = None
    better: Literal["high", "low"] | None = None
    write: Callable[[float], str] = decimal
    also: tuple[str, ...] = ()

    @property
    def descending(self) -> bool:
        """How it sorts at first: the good end on top; texts from a to z."""
        return self.kind != "text" and self.better != "low" and self.id != "number"

    @property
    def barred(self) -> bool:
        """Whether a bar can show it."""
        return (self.kind in ("share", "percentile") and self.better != "low") or self.id == "lift"


def signed(value: float) -> str:
    """A change, with its sign."""
    return decimal(value) if math.isnan(value) else f"{value:+.2f}"


def whole(value: float) -> str:
    return decimal(value, 0)


def _purity(depth: int) -> Column:
    return Column(
        f"p{depth}",
        f"p@{depth}",
        4,
        "share",
        (
            f"share of the neuron's {depth} strongest items that are in its best concept",
            "Random items would have the concept's base rate{example}; over this run's neurons it is {range}.",
            "High is good, but a common concept is easily pure: read lift and q beside it.",
        ),
        figure=f"purity{depth}",
        better="high",
        also=(f"purity@{depth}",),
    )


def _score(id: str, title: str, score: str, width: int, help: tuple[str, str, str], also: tuple[str, ...]) -> Column:
    kind: Kind = "number" if id == "moves" else "share"
    write = signed if id == "moves" else decimal
    return Column(id, title, width, kind, help, score=score, better="high", write=write, also=also)


_NO_CHANCE = "There is no chance level: it depends on the autoencoder's settings."

COLUMNS: tuple[Column, ...] = (
    Column("number", "#", 0, "number", ("the neuron's number, by which commands call it", "", ""), write=whole,
           also=("neuron",)),
    Column("name", "name", 0, "text", (
        "the label, else the best concept; with ? where that is too weak to be a name",
        "",
        "A name is a claim: detection and held-out purity test it.",
    )),
    Column("state", "state", 0, "text", (
        "who named it: h by hand, l language model, m metadata, x rejected, ! failed, … asked, · nobody yet",
        "",
        "",
    )),
    _purity(10),
    _purity(20),
    _purity(50),
    Column("base", "base", 4, "share", (
        "the best concept's share of all items",
        "It is itself the chance level of purity: {range} over this run's neurons.",
        "Neither end is good; purity says little where it is high.",
    ), figure="base_rate", also=("base rate",)),
    Column("lift", "lift", 5, "number", (
        "p@20 over the base rate",
        "Random items would have 1.",
        "High is good; a neuron is named by its concept from 2 on, if half of its top 20 carry it.",
    ), figure="lift", better="high", write=times),
    Column("q", "q", 5, "share", (
        "how easily random directions of the same item vectors have a best concept as surprising, corrected for the "
        "number of neurons",
        "A neuron that is no better than a random direction would have a q near 1.",
        "Low is good: below .05 it is hardly luck.",
    ), figure="q", better="low", write=small),
    Column("items", "items", 5, "share", (
        "share of the items on which the neuron fires at all",
        _NO_CHANCE,
        "Neither end is good: above 50% it tells little apart, near 0% it rests on few items.",
    ), figure="density_items", write=percent, also=("dens",)),
    Column("users", "users", 5, "share", (
        "share of the users for whom the neuron fires at all",
        _NO_CHANCE,
        "Neither end is good; where it is 0% an edit would be its first activation.",
    ), figure="density_users", write=percent),
    Column("pop", "pop%", 4, "percentile", (
        "mean popularity percentile of the neuron's 10 strongest items: 0 is the most popular item",
        "Random items would have 50.",
        "Neither end is good; from 5 down the neuron may stand for popularity and nothing else.",
    ), figure="popularity_percentile", write=whole),
    Column("coherence", "coh", 4, "number", (
        "monosemanticity: mean cosine of the recommender's vectors of its 30 strongest items, 1 is identical",
        "Random items would have the mean cosine of all items: {coherence} in this run.",
        "High is good, but circular: the neuron reads the very vectors that are compared.",
    ), figure="monosemanticity", better="high"),
    Column("p99users", "p99u", 5, "number", (
        "99th percentile of its activation among the users for whom it fires: the unit of an edit",
        _NO_CHANCE,
        "Neither end is good; where it is unknown the neuron cannot be edited.",
    ), figure="p99_users"),
    Column("p99items", "p99i", 5, "number", (
        "99th percentile of its activation among the items on which it fires",
        _NO_CHANCE,
        "Neither end is good.",
    ), figure="p99_items"),
    _score("detection", "det", "detection", 4, (
        "how well the label tells items that fire the neuron from others, among items the labeller did not see "
        "(balanced accuracy)",
        "Chance is 0.50.",
        "High is good; weakly firing items count too, so even a good label rarely reaches 0.90.",
    ), ()),
    _score("intruder", "intr", "intruder", 4, (
        "how often a judge finds the one item of five that does not fire the neuron",
        "Chance is 0.20.",
        "High is good: the items belong together, whatever the label says.",
    ), ()),
    _score("held", "held", "held_out", 4, (
        "held-out purity: share of the label's concept among the 20 strongest items the labeller did not see",
        "Chance is the concept's base rate{example}.",
        "High is good, beside that base rate.",
    ), ("held-out", "heldout purity")),
    _score("moves", "moves", "moves_gain", 5, (
        "how much the share of the label's items in users' top 20 grows when they are raised by one p99",
        "Chance is no change, 0; random directions of equal purity move something too, which the inspector shows.",
        "High is good; with a dot product and a tied decoder it follows from purity and proves little.",
    ), ()),
    Column("flags", "flags", 10, "text", (
        "what is odd about it: dead, dense, duplicate, item-only, user-only, popularity",
        "",
        "A flag is a reason to look closer.",
    ), also=("flag",)),
    Column("edit", "edit", 6, "text", ("what the bench does to it; sorted as on the bench", "", "")),
)  # fmt: skip
BY_ID = {column.id: column for column in COLUMNS}
BY_FIGURE = {column.figure or column.score: column for column in COLUMNS if column.figure or column.score}


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum()) or name.strip()


_BY_NAME = {
    _bare(name): column
    for column in COLUMNS
    for name in (column.id, column.title, *column.also, *(name for name in (column.figure, column.score) if name))
}


def find_column(name: str) -> Column | None:
    """The column of that id, title or name in the run's files; case and signs do not matter (`p20`, `P@20`)."""
    return _BY_NAME.get(_bare(name))


def no_column(name: str) -> str:
    """The sentence for a name that is none."""
    close = get_close_matches(_bare(name), _BY_NAME, 1, 0.7)
    if close:
        return f"no column {name!r} (did you mean {_BY_NAME[close[0]].id}?)"
    return f"no column {name!r}; there are {', '.join(column.id for column in COLUMNS)}"


def flags_of(neurons: Neurons) -> list[tuple[str, ...]] | None:
    """Each row's flags; None for a run whose files have none."""
    flags = getattr(neurons, "flags", None)
    return None if flags is None or len(flags) != len(neurons) else [tuple(row) for row in flags]
