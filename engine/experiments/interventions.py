"""The paper's interventions, with what they cost: dose by dose, beside a random neuron and both ways of serving.

The paper shows how far an edit moves what it is meant to move, for 20 to 40 users, in lists that keep seen items, and
in decoded vectors. Here each case is measured for all users that qualify, our way (`change`: the change of the code is
added to the vector; seen items are left out) and the paper's (decoded vectors; seen items kept), in three arms:
original, reconstruction only, edited. Beside the goal stand the rest of the lists, held-out quality, and for a
promotion the item's present audience.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from engine.experiments.doses import Dosing, Way
from engine.experiments.published import Domain, Dose, published
from engine.experiments.trained import Model, Wanted, trained
from engine.home import Home
from engine.neurons.profile import SEGMENT_MINIMUM
from engine.neurons.standing import standing
from engine.neurons.table import ConceptItems, names
from engine.progress import Progress, part, silent
from engine.recommenders.ranking import Histories
from engine.run import Run
from engine.steering.effect import Steering
from engine.steering.inputs import TRAIN, histories

LOVERS, LOVERS_ITEMS = 300, 20
"""Lovers of a concept: so many users with its largest share in training, among those with so many items."""
DRAWS = 5
"""Random other neurons of the control."""
UPWARD, DOWNWARD = (0, 0.5, 1, 1.5, 2, 3), (1, 0.5, 0, -0.5, -1, -1.5)
"""Levels in p99 units of the neuron on the edited side."""
YOUNG = ("age", "under 18")
Goal = Literal["promote", "nudge", "suppress"]


@dataclass(frozen=True)
class Case:
    """One intervention. Concepts are given by every name that a catalogue may have for them."""

    key: str
    picture: str
    goal: Goal
    concept: tuple[str, ...]
    """Whose neuron is set: of the users, or of the promoted item."""
    lovers: tuple[str, ...] | None = None
    """The concept whose lovers are measured; None: users under 18."""
    item: str | None = None
    """Of a promotion: the item's id among films, its title in music."""

    @property
    def levels(self) -> tuple[float, ...]:
        """The doses, as drawn from left to right."""
        return DOWNWARD if self.goal == "suppress" else UPWARD


def _promotions(name: str, item: str, audiences: Sequence[str]) -> list[Case]:
    keys = {audience: audience.lower().replace("'", "") for audience in audiences}
    return [Case(f"{name}-{keys[one]}", name, "promote", (one,), (one,), item) for one in audiences]


_HIPHOP = ("hip-hop", "hip hop", "hip_hop")
INTERVENTIONS: dict[Domain, list[Case]] = {
    "films": [
        Case("under18-childrens", "under18", "nudge", ("Children's", "Children")),
        Case("horror-less", "horror", "suppress", ("Horror",), ("Horror",)),
        Case("action-less", "action", "suppress", ("Action",), ("Action",)),
        *_promotions("speed", "377", ("Drama", "Romance", "Children's")),
        *_promotions("alice", "1032", ("Romance", "Drama", "Horror")),
    ],
    "music": [
        Case("metal-country", "country", "nudge", ("country",), ("metal",)),
        Case("folk-rock", "rock", "nudge", ("rock",), ("folk",)),
        Case("hiphop-less", "hiphop", "suppress", _HIPHOP, _HIPHOP),
        Case("electronic-less", "electronic", "suppress", ("electronic",), ("electronic",)),
    ],
}
FIGURE5 = _promotions("dylan", "Bob Dylan", ("metal", "pop", "electronic"))


@dataclass(frozen=True)
class Outcome:
    """What came of a case; `unknown` says in a sentence why nothing did."""

    case: Case
    model: Model
    title: str
    unknown: str | None = None
    concept: str | None = None
    """As the catalogue calls it."""
    neuron: int | None = None
    purity20: float | None = None
    named: bool = False
    """Whether that is pure enough to name a neuron, as the table of neurons counts it."""
    unit: float | None = None
    carries: bool | None = None
    """Whether a promoted item carries the concept itself, so that its audience is not so foreign."""
    users: int = 0
    ways: Sequence[Way] = ()
    paper: Dose | None = None

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(replace(self, paper=None)), "paper": self.paper and self.paper.model_dump()}


def tellable(one: Outcome) -> Outcome:
    """The outcome, unless it counts a group of users that is too small to be told of: then that it does."""
    groups = [one.users, *(count for way in one.ways for count in (way.users, way.present, way.present_had) if count)]
    if one.unknown is not None or min(groups) >= SEGMENT_MINIMUM:
        return one
    few = f"it counts a group of fewer than {SEGMENT_MINIMUM} users, told with --with-users alone"
    return replace(one, unknown=few, users=0, ways=())


def outcomes(
    home: Home, dataset: str, model: Model, cases: Sequence[Case], seed: int, progress: Progress = silent
) -> tuple[Run, list[Outcome]]:
    """Measure `cases` on the best recipe's run of one model, trained where it is missing."""
    run = trained(home, dataset, Wanted(model, "best", seed), part(progress, 0, 0.5, model))
    with run.catalogue() as catalogue:
        bench = Bench(
            run.steering(catalogue),
            histories(catalogue, len(run.recommender.users.ids), TRAIN),
            catalogue.items().popularity,
            published().domain(dataset),
            model,
            seed,
        )
        found = []
        for number, case in enumerate(cases):
            progress(0.5 + 0.5 * number / len(cases), case.key)
            found.append(bench.outcome(case))
    return run, found


class _UnknownError(Exception):
    """Why a case cannot be measured here."""


@dataclass(frozen=True)
class Bench:
    """A run beside its catalogue: whom a case is for, which neuron it sets, and what that does."""

    steering: Steering
    train: Histories
    popularity: np.ndarray
    domain: Domain
    model: Model
    seed: int

    def outcome(self, case: Case) -> Outcome:
        """Measure one case both ways."""
        told = Outcome(case, self.model, self._title(case), paper=published().dose(case.key, self.model))
        try:
            item = self._item(case)
            concept = self._concept(case.concept)
            people = self.people(case)
            neuron, purity20, named = self._purest(concept)
            dosing = self._dosing(case, concept, neuron, people, item)
        except _UnknownError as why:
            return replace(told, unknown=str(why))
        return replace(
            told,
            concept=concept.name,
            neuron=neuron,
            purity20=purity20,
            named=named,
            unit=dosing.unit,
            carries=None if item is None else bool(concept.member[item]),
            users=len(people),
            ways=dosing.both("all-decoded" if self.model == "ncf" and self.domain == "films" else "decoded"),
        )

    def _title(self, case: Case) -> str:
        who = "users under 18"
        if case.lovers is not None:
            who = f"lovers of {case.lovers[0]}"
        if case.goal == "promote":
            titles = dict(zip(self.steering.recommender.items.ids, self.steering.titles, strict=True))
            return f"{titles.get(case.item or '', case.item) if self.domain == 'films' else case.item} for {who}"
        return f"{case.concept[0]} suppressed for {who}" if case.goal == "suppress" else f"{case.concept[0]} for {who}"

    def _item(self, case: Case) -> int | None:
        if case.item is None:
            return None
        names = self.steering.recommender.items.ids if self.domain == "films" else self.steering.titles
        found = next((number for number, name in enumerate(names) if name == case.item), None)
        if found is None:
            raise _UnknownError(f"the data set has no item {case.item}")
        if not self.steering.candidates.eligible[found]:
            raise _UnknownError(f"item {case.item} has no training interactions")
        return found

    def _concept(self, names: tuple[str, ...]) -> ConceptItems:
        concepts = {concept.name: concept for concept in self.steering.concepts}
        found = next((concepts[name] for name in names if name in concepts), None)
        if found is None:
            raise _UnknownError(f"the data set has no concept {names[0]}")
        return found

    def people(self, case: Case) -> np.ndarray:
        """Numbers, ascending, of the users that a case is for."""
        known = self.steering.recommender.users.known
        if case.lovers is None:
            column, value = YOUNG
            if column not in self.steering.attributes:
                raise _UnknownError(f"the users have no column {column}, so who is {value} is not known")
            people = np.flatnonzero((np.array(self.steering.attributes[column], object) == value) & known)
            if not len(people):
                raise _UnknownError(f"no user's {column} is {value!r}")
            return people
        member, lengths = self._concept(case.lovers).member, self.train.lengths()
        user = np.repeat(np.arange(len(lengths)), lengths)
        share = np.bincount(user, member[self.train.items], len(lengths)) / np.maximum(lengths, 1)
        among = np.flatnonzero((lengths >= LOVERS_ITEMS) & (share > 0) & known)
        if not len(among):
            raise _UnknownError(f"no user has {LOVERS_ITEMS} items and {case.lovers[0]} among them")
        return np.sort(among[np.argsort(-share[among], kind="stable")[:LOVERS]])

    def _purest(self, concept: ConceptItems) -> tuple[int, float, bool]:
        """The concept's neuron as Table 1 chooses it, by the labels."""
        steering, eligible = self.steering, self.steering.candidates.eligible
        z_im = steering.sae.encode(steering.recommender.items.vectors, "items")
        found = standing(z_im, eligible, [concept], self.popularity, self.seed)
        purest = found.concepts[0].readings["label-chosen"]
        if purest.neuron is None:
            raise _UnknownError(f"no neuron is active on enough items to stand for {concept.name}")
        purity = purest.purity[20] or 0.0
        return purest.neuron, purity, names(purity, purity / max(found.concepts[0].base_rate, 1e-9))

    def _dosing(self, case: Case, concept: ConceptItems, neuron: int, people: np.ndarray, item: int | None) -> Dosing:
        side = "users" if item is None else "items"
        alive = [one.neuron for one in self.steering.neurons if getattr(one, f"p99_{side}") is not None]
        if neuron not in alive:
            raise _UnknownError(f"neuron {neuron}, the purest for {concept.name}, never fires for {side}")
        others = [one for one in alive if one != neuron]
        drawn = np.random.default_rng(self.seed).permutation(others)[:DRAWS].tolist()
        user = np.repeat(np.arange(len(self.train.starts) - 1), self.train.lengths())
        met = None if item is None else np.unique(user[self.train.items == item])
        return Dosing(self.steering, concept, neuron, drawn, case.levels, people, item, met, self.seed)
