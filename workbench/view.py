"""Everything that the panes of a run show at one moment. Pure: data, and what is read off it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from engine.text import plain
from workbench.edits import EVERY_USER, Edit, Scope, rows_of
from workbench.model import Neurons, Ranking, RunCard

if TYPE_CHECKING:
    from engine.actions import Label, Note

TABS = {
    "items": "Items",
    "concepts": "Concepts",
    "range": "Range",
    "moves": "Moves",
    "users": "Users",
    "near": "Near",
    "label": "Label",
    "compare": "Compare",
    "notes": "Notes",
    "jobs": "Jobs",
    "log": "Journal",
}
"""The inspector's tabs and what they are called, in order."""
MOST_WATCHED = 4
MOST_COMPARED = 4

LETTERS = {"human": "h", "llm": "l", "metadata": "m", "rejected": "x", "failed": "!"}

PageKind = Literal["item", "user", "concept"]


@dataclass(frozen=True)
class Page:
    """An item, a user or a concept; `facts` are the engine's answer to `page`, None until it comes or `fault` says why.

    `name` is what was asked for: an id, a title, a concept's name.
    """

    kind: PageKind
    name: str
    facts: Mapping[str, Any] | None = None
    fault: str | None = None
    chosen: int | None = None
    """The neuron that its cursor was put on."""

    @property
    def id(self) -> str:
        """What it is called for good, as the engine told: titles can be shared."""
        known = (self.facts or {}).get({"item": "item_id"}.get(self.kind, self.kind))
        return self.name if known is None else str(known)

    @property
    def neurons(self) -> tuple[int, ...]:
        """Those that it lists: what an item or a user activates, or a concept's purest."""
        told = (self.facts or {}).get("neurons")
        rows = told if isinstance(told, list | tuple) else ()
        found = [row.get("neuron") for row in rows if isinstance(row, Mapping)]
        return tuple(dict.fromkeys(one for one in found if isinstance(one, int)))

    @property
    def scope(self) -> Scope | None:
        """Whom an edit made here is for; None where there is nobody to edit."""
        if self.kind == "concept":
            return EVERY_USER
        if self.facts is None or (self.kind == "item" and not self.facts.get("ranked")):
            return None
        return Scope("items" if self.kind == "item" else "users", (self.id,))


@dataclass(frozen=True)
class Target:
    """What a change acts on: a neuron (None: an edit that is solved for), for whom, and its edit on the bench."""

    neuron: int | None
    scope: Scope
    at: int | None


@dataclass(frozen=True)
class Cohort:
    """A cohort on the bench: its name or SQL condition, and the engine's answer to `cohort` for the present edits."""

    where: str
    facts: Mapping[str, Any] | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Among:
    """Whom the analyst steps through: a cohort's name or an SQL condition, how many match, and where `user` stands."""

    where: str
    user: str
    place: int
    of: int


@dataclass(frozen=True)
class Curve:
    """A dose curve of one neuron: the engine's answer to `curve`.

    For the cohort `where` ("" is everyone) or for `user`; without either, for the user who is watched.
    """

    neuron: int
    facts: Mapping[str, Any] | None = None
    fault: str | None = None
    where: str | None = None
    user: str | None = None


@dataclass(frozen=True)
class Job:
    """Long work beside the browsing. `share` is what is done of it (0 to 1), `left` the seconds it may still take."""

    id: int
    command: str
    state: Literal["running", "done", "failed", "cancelled"]
    share: float = 0.0
    text: str = ""
    left: float | None = None
    output: str = ""


@dataclass(frozen=True)
class View:
    """Everything that the panes of a run show at one moment. Panes read it; only the desk makes a new one.

    `lists` says in a sentence why there is no ranked list, None if there is or soon will be one; `asked` holds
    neurons whose label the language model was asked for, with what is known of its progress.
    """

    card: RunCard
    session: str
    neurons: Neurons | None = None
    fault: str | None = None
    current: int | None = None
    labels: Mapping[int, "Label"] = field(default_factory=dict)
    scores: Mapping[int, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    picked: int | None = None
    """Position of the edit that the bench's cursor was put on."""
    read_only: bool = False
    refusal: str = ""
    """Why it is read-only, in a sentence."""
    saved: str = ""
    user: str | None = None
    ranking: Ranking | None = None
    lists: str | None = "The engine is starting…"
    asked: Mapping[int, str] = field(default_factory=dict)
    flipped: bool = False
    marks: frozenset[int] = frozenset()
    """Neurons that the analyst marked, to compare or label together."""
    facts: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """What the engine told of a neuron, by its number: the answer to `neuron`."""
    pairs: Mapping[tuple[int, int], Mapping[str, Any]] = field(default_factory=dict)
    """Two neurons beside each other, the smaller number first: the engine's answer to `pairs`."""
    tab: str = "items"
    """Which of `TABS` the inspector shows."""
    page: Page | None = None
    """An item, a user or a concept that is looked at in place of a neuron."""
    rankings: Mapping[str, Ranking] = field(default_factory=dict)
    """The lists of the watched users, by user; `ranking` is that of `user`."""
    watched: tuple[str, ...] = ()
    """Up to `MOST_WATCHED` users, the one watched last at the end."""
    among: Among | None = None
    """The users that are stepped through; None: all of them."""
    side: str = "list"
    """What the bench shows below the edits: "list", "cohort" or "curve"."""
    cohort: Cohort | None = None
    curve: Curve | None = None
    notes: "tuple[Note, ...]" = ()
    bookmarks: tuple[tuple[str, str], ...] = ()
    jobs: tuple[Job, ...] = ()
    opening: tuple[str, ...] = ()
    """What the run is, in a few sentences, until the analyst moves."""
    log: tuple[str, ...] = ()
    """The journal's actions in words, the newest last."""

    def name(self, neuron: int) -> str:
        """The neuron's label, else its best concept."""
        label = self.labels.get(neuron)
        if label is not None and label.name:
            return plain(label.name)
        return "" if self.neurons is None else self.neurons.concept_name(self.neurons.row_of[neuron])

    def letter(self, neuron: int) -> str:
        """One cell for the label's state; the help page says what each stands for."""
        if neuron in self.asked:
            return "…"
        label = self.labels.get(neuron)
        return "·" if label is None else LETTERS.get(label.state, "·")

    @property
    def compared(self) -> tuple[int, ...]:
        """The marked neurons that stand side by side, by number."""
        known = {} if self.neurons is None else self.neurons.row_of
        return tuple(sorted(neuron for neuron in self.marks if neuron in known)[:MOST_COMPARED])

    def edit_of(self, neuron: int, scope: Scope = EVERY_USER) -> int | None:
        """Position of the newest edit of `neuron` on the bench that is for the same rows."""
        places = reversed(range(len(self.edits)))
        return next((at for at in places if self.edits[at].get("neuron") == neuron
                     and Scope.of(self.edits[at]) == scope), None)  # fmt: skip

    @property
    def choices(self) -> tuple[int, ...]:
        """The neurons of the open page, in the order of its rows; the table's comes last where it is not among them."""
        page = self.page
        if page is None or page.scope is None:
            return ()
        other = page.kind != "concept" and self.current is not None and self.current not in page.neurons
        return (*page.neurons, self.current) if other and self.current is not None else page.neurons

    @property
    def page_neuron(self) -> int | None:
        """The one under the cursor of the open page."""
        choices = self.choices
        chosen = None if self.page is None else self.page.chosen
        return chosen if chosen in choices else next(iter(choices), None)

    @property
    def target(self) -> Target | None:
        """What a change acts on: the edit picked on the bench, else the page's neuron, else the table's."""
        if self.picked is not None and self.picked < len(self.edits):
            edit = self.edits[self.picked]
            return Target(edit.get("neuron"), Scope.of(edit), self.picked)
        neuron, scope = self.current, EVERY_USER
        if self.page is not None:
            neuron, scope = self.page_neuron, self.page.scope or EVERY_USER
        return None if neuron is None else Target(neuron, scope, self.edit_of(neuron, scope))

    def side_for(self, target: Target) -> str:
        """The side of the bench that shows an edit: the one that is up where it does."""
        curve, alone = self.curve, bool(target.scope.ids)
        if self.side != "curve" or curve is None:
            return "cohort" if self.side == "cohort" and not (alone and target.scope.side == "users") else "list"
        if curve.neuron == target.neuron and target.scope in (EVERY_USER, Scope("users", (curve.user or "",))):
            return "curve"
        return "list" if curve.where is None or alone else "cohort"

    @property
    def neuron(self) -> int | None:
        """The neuron that a change, a label or a mark is about."""
        target = self.target
        return None if target is None else target.neuron

    @property
    def items(self) -> tuple[str, ...]:
        """Ids of the items that stand out in lists: the open page's, and those that edits name."""
        page = self.page
        shown = [page.id] if page is not None and page.kind == "item" and page.facts is not None else []
        named = [item for edit in self.edits if edit.get("side") == "items" for item in edit.get("ids") or ()]
        return tuple(dict.fromkeys([*shown, *named]))

    def whom(self, edit: Edit) -> str:
        """For whom an edit is, in a few words, items by their titles; nothing where it is for every user."""
        scope = Scope.of(edit)
        if scope.side == "items" and len(scope.ids) == 1:
            return f"{self.card.item_word} {self.title(scope.ids[0])}"
        return plain(rows_of(edit))

    def title(self, item: str) -> str:
        """The title of an item, by its id; the id where it is not known."""
        neurons = self.neurons
        known = neurons is not None and item in neurons.ids
        return neurons.titles[neurons.ids.index(item)] if neurons is not None and known else plain(item)
