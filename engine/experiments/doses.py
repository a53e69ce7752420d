"""What a neuron set to one level after another does to ranked lists, for two ways of serving the edit.

An edit of users is measured by a concept's share of their lists, an edit of one item by who has it in theirs. Both are
set beside the same edit of random other neurons, and beside what happens to everything that was not meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from engine.fidelity import rbo
from engine.neurons.standing import paired_interval
from engine.neurons.table import ConceptItems
from engine.recommenders.ranking import Candidates, Histories, masked_affinities, mean, top_k
from engine.recommenders.recommender import Tower
from engine.sae.model import Side
from engine.steering.cohort import Cohort
from engine.steering.edits import Edit, Serve, Step, changed
from engine.steering.effect import Steering

K = 30
PAPER_BEFORE = 20
"""The paper counts a promotion from below this rank to within K; ours counts from below K to within K."""
PRESENT_AT_MOST = 3000
"""Of a promoted item's present audience so many are measured, drawn by seed."""
Interval = tuple[float, float, float]
"""Mean over users with its 95 % bootstrap interval."""


@dataclass(frozen=True)
class Row:
    """One arm of one way. None: no such figure for it."""

    level: float | None
    """In p99 units of the neuron on the edited side; `raw` is the value that it is set to. None: nothing is set."""
    raw: float | None
    share: Interval | None
    """Of the concept in the top K; of a promotion, of the counted users who have the item there now."""
    control: float | None
    """The same with a random other neuron, mean of the draws."""
    rbo_rest: float | None
    """The list of everything else against what it was: 1 is untouched."""
    ndcg10: float | None
    lost: int | None = None
    """Users of the present audience who had the item in their top K and no longer have it."""
    rank_change: float | None = None
    """Mean over the present audience; positive is further down."""


@dataclass(frozen=True)
class Way:
    """A case as one way of serving has it."""

    name: Literal["ours", "paper's"]
    serve: Serve
    seen: Literal["left out", "kept"]
    users: int
    """Of a promotion, those counted: who had not met the item, and had it below the rank that the rule says."""
    original: Row
    reconstruction: Row
    levels: Sequence[Row]
    present: int | None = None
    """Training users of a promoted item that are measured; ours ranks it for them as if they had not met it."""
    present_had: int | None = None
    """Of them, who had it in their top K."""


@dataclass(frozen=True)
class Dosing:
    """A neuron, whom or what it is set in, and the neurons that it is compared with."""

    steering: Steering
    concept: ConceptItems
    neuron: int
    others: Sequence[int]
    levels: Sequence[float]
    people: np.ndarray
    """Numbers, ascending, of the users whose lists are measured."""
    item: int | None = None
    """The item that is edited; None: the users are."""
    met: np.ndarray | None = None
    """Training users of that item, ascending."""
    seed: int = 0

    @property
    def side(self) -> Side:
        """Whose codes are edited."""
        return "users" if self.item is None else "items"

    @property
    def unit(self) -> float:
        """One p99 unit of the neuron, raw."""
        return float(getattr(self.steering.neurons[self.neuron], f"p99_{self.side}"))

    def both(self, theirs: Serve) -> list[Way]:
        """Ours, and the paper's with `theirs`."""
        among = self.steering.candidates
        nothing = np.empty(0, np.int64)
        kept = Candidates(Histories.of(nothing, nothing, len(among.seen.starts) - 1), among.eligible)
        measure = self._nudged if self.item is None else self._promoted
        return [measure("change", among), measure(theirs, kept)]

    def _set(self, serve: Serve, neuron: int, level: float) -> np.ndarray:
        """Vectors of the edited rows with the neuron at that level."""
        rows = self.people if self.item is None else np.array([self.item])
        step = Step(Edit(side=self.side, neuron=neuron, operation="set", amount=level), rows)
        ask = self.steering.recommender, self.steering.sae, self.steering.neurons, [step]
        return changed(*ask, self.side, rows, serve).e_edited

    def _nudged(self, serve: Serve, among: Candidates) -> Way:
        """Edits of users: the concept's share of their lists, and what becomes of the rest."""
        recommender, people, member = self.steering.recommender, self.people, self.concept.member
        cohort = Cohort(replace(self.steering, candidates=among), people, K)
        decoded = self.steering.reconstruction.recommender
        items = decoded.items.vectors if serve == "all-decoded" else None

        def ranked(e_ud: np.ndarray | None, e_id: np.ndarray | None = items) -> tuple[np.ndarray, np.ndarray]:
            lists = np.full((len(people), cohort.k), -1, np.int32)
            rest = lists.copy()
            for rows, affinity in masked_affinities(recommender, among, people, e_ud, e_id):
                lists[rows] = top_k(affinity, cohort.k)
                affinity[:, member] = -np.inf
                rest[rows] = top_k(affinity, cohort.k)
            return lists, rest

        lists_before, rest_before = ranked(None, None)

        def row(found: tuple[np.ndarray, np.ndarray], level: float | None = None) -> Row:
            lists, rest = found
            control = None
            if level is not None:
                drawn = [ranked(self._set(serve, other, level))[0] for other in self.others]
                control = _mean(np.array([np.nanmean(cohort.share(one, member)) for one in drawn]))
            return Row(
                level,
                None if level is None else level * self.unit,
                interval(cohort.share(lists, member)),
                control,
                _mean(rbo(rest_before, rest)),
                _mean(cohort.ndcg(lists)),
            )

        users = decoded.users.vectors[people]
        return Way(
            *_named(serve),
            len(people),
            row((lists_before, rest_before)),
            row(ranked(users, decoded.items.vectors if serve == "change" else items)),
            [row(ranked(self._set(serve, self.neuron, level)), level) for level in self.levels],
        )

    def _promoted(self, serve: Serve, among: Candidates) -> Way:
        """Edits of one item: who has it now that had not, and who had it and has not."""
        assert self.item is not None
        assert self.met is not None
        item, met = self.item, self.met
        if len(met) > PRESENT_AT_MOST:
            met = np.sort(np.random.default_rng(self.seed).choice(met, PRESENT_AT_MOST, replace=False))
        decoded = self.steering.reconstruction.recommender
        own, own_decoded = self.steering.recommender.items.vectors[item], decoded.items.vectors[item]

        def stages(people: np.ndarray, whole: bool) -> tuple["_Stage", "_Stage"]:
            e = (decoded.users.vectors, decoded.items.vectors) if whole else (None, None)
            return _Stage.of(self.steering, among, people, item, *e), _Stage.of(self.steering, among, met, item, *e)

        people = np.setdiff1d(self.people, self.met)
        below = _Stage.of(self.steering, among, people, item).ranks(own) > (K if serve == "change" else PAPER_BEFORE)
        people = people[below]
        first = stages(people, False)
        had = first[1].ranks(own)

        def row(on: tuple["_Stage", "_Stage"], vector: np.ndarray, level: float | None = None) -> Row:
            ranks, now = on[0].ranks(vector), on[1].ranks(vector)
            control = None
            if level is not None:
                drawn = [on[0].ranks(self._set(serve, other, level)[0]) for other in self.others]
                control = _mean(np.array([(one <= K).mean() for one in drawn if len(one)]))
            cohort = Cohort(replace(self.steering, candidates=among), people, K)
            return Row(
                level,
                None if level is None else level * self.unit,
                interval(ranks <= K),
                control,
                _mean(rbo(first[0].top, on[0].top)),
                _mean(cohort.ndcg(on[0].lists(ranks))),
                int(((had <= K) & (now > K)).sum()),
                _mean((now - had).astype(float)),
            )

        edited = stages(people, True) if serve == "all-decoded" else first
        reconstructed = edited if serve != "change" else stages(people, True)
        return Way(
            *_named(serve),
            len(people),
            row(first, own),
            row(reconstructed, own_decoded),
            [row(edited, self._set(serve, self.neuron, level)[0], level) for level in self.levels],
            len(met),
            int((had <= K).sum()),
        )


@dataclass(frozen=True)
class _Stage:
    """Some users' affinities for all items but one, so that its rank is known for any vector it may have.

    That one is ranked whether they have met it or not.
    """

    steering: Steering
    people: np.ndarray
    item: int
    e_ud: np.ndarray | None
    others: np.ndarray
    """Affinities (people × items), -inf at the item and at what may not be recommended."""
    top: np.ndarray
    """The lists of the others (people × K)."""

    @classmethod
    def of(
        cls,
        steering: Steering,
        among: Candidates,
        people: np.ndarray,
        item: int,
        e_ud: np.ndarray | None = None,
        e_id: np.ndarray | None = None,
    ) -> "_Stage":
        """`e_ud` and `e_id` hold a row for every user and item, where they are not the model's own."""
        mine = None if e_ud is None else e_ud[people]
        others = np.empty((len(people), len(among.eligible)), np.float32)
        for rows, affinity in masked_affinities(steering.recommender, among, people, mine, e_id):
            others[rows] = affinity
        others[:, item] = -np.inf
        return cls(steering, people, item, mine, others, top_k(others, K))

    def ranks(self, vector: np.ndarray) -> np.ndarray:
        """The item's 1-based rank for each user if it had this vector; ties by item number."""
        items = self.steering.recommender.items
        alone = Tower([items.ids[self.item]], vector[None], items.bias[self.item : self.item + 1])
        affinity = replace(self.steering.recommender, items=alone).affinities(self.people, self.e_ud)
        before = (self.others > affinity).sum(axis=1) + (self.others[:, : self.item] == affinity).sum(axis=1)
        return np.asarray(before + 1)

    def lists(self, ranks: np.ndarray) -> np.ndarray:
        """The lists with the item put in at its rank."""
        place = np.arange(self.top.shape[1])
        shifted = np.take_along_axis(self.top, np.maximum(place - (place >= ranks[:, None]), 0), axis=1)
        return np.where(place == ranks[:, None] - 1, self.item, shifted)


def _named(serve: Serve) -> tuple[Literal["ours", "paper's"], Serve, Literal["left out", "kept"]]:
    return ("ours", serve, "left out") if serve == "change" else ("paper's", serve, "kept")


def interval(values: np.ndarray) -> Interval | None:
    """The mean of the known values with its 95 % bootstrap interval; None of none."""
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    return paired_interval(known, np.zeros(len(known))) if len(known) else None


def _mean(values: np.ndarray) -> float | None:
    return mean(values[~np.isnan(values)])
