"""What the bench asks of a stack of edits: its effect on a cohort, and the response to one neuron's amount.

Both may take minutes where the scorer is no dot product: `tell` is called before each step with the share done and a
few words, and whatever it raises ends the work, as `tick` does within one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from engine.errors import EditError
from engine.fidelity import rbo
from engine.progress import Progress
from engine.recommenders.ranking import mean, top_k
from engine.steering.cohort import Cohort, Edited, places_in
from engine.steering.dose import Dose, grid
from engine.steering.edits import Edit, Match, Step
from engine.steering.effect import Steering
from engine.steering.goals import concept_named

CONCEPTS_SHOWN = 12
"""Concepts that are told although their share is what it was, the largest first."""
USERS_AT_LEAST = 10
"""In a smaller cohort no user is named."""
BY_USER = ("most_changed_users", "lost_most_ndcg")
COHORTS_KEPT = 2
"""Cohorts whose unedited lists are kept: an analyst tries many edits on few."""

Tick = Callable[[], None]


@dataclass(frozen=True)
class Asked:
    """One neuron's open edit, and what is measured of its response."""

    step: Step
    low: float | None = None
    high: float | None = None
    steps: int = 17
    concept: str | None = None
    """None: the neuron's own."""
    item: int | None = None
    through: float | None = None
    """The amount of the edit that the open one takes the place of, which is measured too."""


class Bench:
    """A run and its catalogue, with the unedited lists of the cohorts that were asked for last."""

    def __init__(self, steering: Steering) -> None:
        self.steering = steering
        self._kept = lru_cache(COHORTS_KEPT)(self._cohort)
        self._before = lru_cache(COHORTS_KEPT)(lambda cohort: steering.arm(cohort, cohort.before))
        self._rebuilt = lru_cache(COHORTS_KEPT)(steering.rebuilt)

    def cohort(self, users: np.ndarray, k: int, tick: Tick) -> Cohort:
        """The lists of `users` (numbers, ascending); `tick` is called between chunks of them."""
        found = self._kept(np.asarray(users, np.int64).tobytes(), k)
        found.watch(tick)
        return found

    def _cohort(self, users: bytes, k: int) -> Cohort:
        return Cohort(self.steering, np.frombuffer(users, np.int64), k)

    def effect(
        self, users: np.ndarray, steps: Sequence[Step], k: int, by: str | None, tell: Progress, tick: Tick
    ) -> dict[str, Any]:
        """The three arms, `outside`, `collateral` and `groups` of a cohort, as `Steering.effect` has them.

        There are no lists; of the concepts those are told whose share the edits changed, those that they are about,
        and the largest. The reconstruction is measured once for a cohort, as the unedited lists are.
        """
        steering = self.steering
        if by is not None:
            steering.values(users[:0], by)
        cohort = self.cohort(users, k, tick)
        tell(0.0, "the lists without an edit")
        self._before(cohort)
        tell(0.3, "the lists from the codes alone")
        rebuilt, rebuilt_lists = self._rebuilt(cohort)
        tell(0.6, "the lists under the edits")
        edited = steering.edit(steps, "change", cohort.users)
        ranked = steering.reranked(cohort, edited, steps)
        tell(0.8, "what else changed")
        found = steering.change(cohort, edited, ranked, steps, by)
        tell(0.9, "the figures")
        items = steering.items_of(edited, steps)
        arms = {
            name: {**arm, "reach": {**arm["reach"], "edited_items": steering.edited_items(cohort, lists, under, items)}}
            for name, arm, lists, under in (
                ("before", self._before(cohort), cohort.before, None),
                ("reconstruction", rebuilt, rebuilt_lists, steering.reconstruction),
                ("after", steering.arm(cohort, ranked.lists), ranked.lists, edited),
            )
        }
        if len(users) < USERS_AT_LEAST:
            found["collateral"] |= dict.fromkeys(BY_USER)
        was, now = (arms[name]["concept_shares"] for name in ("before", "after"))
        told = _told(was, now, found["collateral"]["about"])
        for arm in arms.values():
            arm["concept_shares"] = {name: arm["concept_shares"][name] for name in told}
        return {**arms, **found}

    def curve(
        self, users: np.ndarray, below: Sequence[Step], k: int, asked: Asked, tell: Progress, tick: Tick
    ) -> dict[str, Any]:
        """The response of a cohort to amounts of one neuron's edit, which lies on top of the steps `below`.

        RBO is with the lists that `below` alone leave; `rank` is the item's mean over the users whom it may be
        recommended to, and `reach` the share of all of them who have it in their list.
        """
        steering = self.steering
        cohort = self.cohort(users, k, tick)
        dose = Dose(steering, asked.step, users, k, (), below)
        amounts, start = grid(dose.edit.operation, asked.low, asked.high, asked.steps, asked.through)
        concept = asked.concept or steering.neurons[dose.edit.neuron].concept
        concept = None if concept is None else concept_named(concept, steering.concepts)
        member = next((one.member for one in steering.concepts if one.name == concept), None)
        tell(0.0, "the lists without this edit")
        base = steering.edit(below, "change", users)
        first, rank = self._lists(cohort, base, asked.item)

        def figures(lists: np.ndarray, rank: float | None) -> dict[str, float | None]:
            return {
                "share": None if member is None else _known(cohort.share(lists, member)),
                "ndcg10": _known(cohort.ndcg(lists)) if lists.shape[1] >= 10 else None,
                "rank": rank,
                "reach": None if asked.item is None else cohort.reach(lists, asked.item, k),
            }

        points = []
        for number, amount in enumerate(amounts, 1):
            tell(number / (len(amounts) + 1), f"amount {number} of {len(amounts)}")
            lists, rank_now = self._lists(cohort, dose.edited(amount), asked.item)
            same = float(rbo(first, lists).mean())
            points.append({"amount": float(amount), "rbo": same, **figures(lists, rank_now)})
        return {"concept": concept, "start": start, "before": figures(first, rank), "points": points}

    def _lists(self, cohort: Cohort, edited: Edited, item: int | None) -> tuple[np.ndarray, float | None]:
        """The lists under `edited`, and the item's mean rank; None where it may be recommended to nobody."""
        if item is None:
            return cohort.lists(edited), None
        users, among = cohort.users, edited.among(self.steering.candidates)
        lists = np.empty((len(users), cohort.k), np.int32)
        ranks = np.empty(len(users))
        for part, affinity in cohort.affinities(edited.recommender, among, users):
            lists[part] = top_k(affinity, cohort.k)
            ranks[part] = places_in(affinity, item)
        return lists, _known(ranks)


def users_of(steering: Steering, where: str, match: Match) -> np.ndarray:
    """Numbers, ascending, of the users that a predicate or a cohort's name matches and who have a vector; "": everyone.

    Raises `PredicateError`, and `EditError` where there is nobody.
    """
    known = steering.recommender.users.known
    if not where.strip():
        return np.flatnonzero(known)
    matching = match("users", where)
    found = np.asarray(matching[known[matching]], np.int64)
    if not len(found):
        raise EditError(f"No user matches {where!r}; widen it.")
    return found


def others(steps: Sequence[Step], own: Step) -> tuple[list[Step], float | None]:
    """The steps but for the one whose place the open edit takes, and its amount where it is of that kind.

    The amount is in the unit of the open edit; None where there is no such edit.
    """
    at = taken(steps, own)
    return [step for place, step in enumerate(steps) if place != at], amount_at(steps, at, own)


def amount_at(steps: Sequence[Step], at: int | None, own: Step) -> float | None:
    """The amount of the step whose place the open edit takes, in its unit; None where it is of another kind."""
    edit, wanted = None if at is None else steps[at].edit, own.edit
    if not isinstance(edit, Edit) or not isinstance(wanted, Edit) or not edit.on:
        return None
    return edit.amount if (edit.operation, edit.unit) == (wanted.operation, wanted.unit) else None


def taken(steps: Sequence[Step], own: Step, *, whole: bool = True) -> int | None:
    """Position of the step whose place the open edit takes; None where it lies on all of them.

    It is the last one of that neuron for just the same rows or, where `whole`, for every user.
    """
    for at in reversed(range(len(steps))):
        edit = steps[at].edit
        if not isinstance(edit, Edit) or (edit.side, edit.neuron) != (own.edit.side, *own.neurons):
            continue
        everyone = edit.side == "users" and edit.where is None and edit.ids is None
        if (whole and everyone) or np.array_equal(steps[at].rows, own.rows):
            return at
    return None


def _told(before: dict[str, float], after: dict[str, float], about: Sequence[str]) -> list[str]:
    """Names of the concepts that are told: those whose share changed most first, then by share."""
    change = {name: abs(after[name] - share) for name, share in before.items()}
    largest = sorted(before, key=lambda name: -max(before[name], after[name]))[:CONCEPTS_SHOWN]
    named = {name for name in before if change[name] > 0} | {*largest, *(name for name in about if name in before)}
    return sorted(named, key=lambda name: (-change[name], -before[name], name))


def _known(values: np.ndarray) -> float | None:
    return mean(values[~np.isnan(values)])
