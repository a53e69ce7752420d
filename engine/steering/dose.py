"""Dose and response: what a growing edit does to a cohort, and the smallest amount that keeps to stated goals.

An edit of one neuron is scanned over a grid on both sides of where it changes nothing, and the first crossing is
bisected. Responses are not always monotone: whether a goal is lost again beyond is told. Where the scorer is a dot
product, affinities are linear in the amount, and the amounts at which an item enters and leaves each list are solved
exactly instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from engine.errors import EditError
from engine.fidelity import rbo
from engine.recommenders.ranking import Candidates, masked_affinities, mean
from engine.steering.cohort import Cohort, Edited, Library
from engine.steering.edits import AMOUNT_AT_MOST, Edit, Serve, Step
from engine.steering.effect import Steering
from engine.steering.goals import Limit

BISECTIONS = 24
USERS_AT_ONCE = 512
ENOUGH = 1e-6
"""By how much of itself an exact amount is overshot, for lists are ranked in single precision."""


@dataclass(frozen=True)
class Point:
    """One amount, in the edit's unit, and the figures that the limits are about, by their text."""

    amount: float
    figures: Mapping[str, float | None]
    kept: bool
    """Whether every limit holds."""
    rbo: float
    """Mean rank-biased overlap of the lists with those without this edit."""
    ndcg10: float | None
    share: float | None = None
    """Share of the lists' places that carry the concept which the edit is about."""


@dataclass(frozen=True)
class Minimum:
    """The smallest amount that keeps to the limits; `amount` is None where none was found in the range."""

    amount: float | None
    point: Point | None
    lost_again: float | None
    """The next amount of the grid, further out, at which a limit is broken again."""
    exact: bool
    """Solved, not searched."""


class Measured:
    """The figures that `limits` are about, for one cohort.

    A change of the concepts `about`, and of those items and the limits' own, is no collateral.
    """

    def __init__(
        self,
        steering: Steering,
        users: np.ndarray,
        k: int,
        limits: Sequence[Limit],
        about: Sequence[str] = (),
        items: Sequence[int] = (),
    ) -> None:
        self.steering, self.limits = steering, limits
        self.cohort = Cohort(steering, users, k)
        self._about = [*about, *(limit.concept for limit in limits if limit.concept)]
        self._items = [*items, *(limit.item for limit in limits if limit.item is not None)]

    @cached_property
    def before(self) -> Mapping[str, float | None]:
        """The figures without any edit, by the limits' texts."""
        return {limit.text: self._figure(limit, self.cohort.before, None) for limit in self.limits}

    def figures(self, lists: np.ndarray, edited: Edited) -> Mapping[str, float | None]:
        """The figures of `lists`, which are those under `edited`."""
        return {limit.text: self._figure(limit, lists, edited) for limit in self.limits}

    def held(self, figures: Mapping[str, float | None]) -> list[bool | None]:
        """Which limits those figures keep to; None: unknown."""
        return [limit.met(figures[limit.text], self.before[limit.text]) for limit in self.limits]

    def against(self, edited: Edited) -> list[dict[str, Any]]:
        """Each limit beside its figure without an edit and under `edited`."""
        figures = self.figures(self.cohort.lists(edited), edited)
        return [
            {"limit": one.text, "before": self.before[one.text], "after": figures[one.text], "holds": holds}
            for one, holds in zip(self.limits, self.held(figures), strict=True)
        ]

    def _figure(self, limit: Limit, lists: np.ndarray, edited: Edited | None) -> float | None:
        cohort = self.cohort
        match limit.figure:
            case "share":
                member = next(one.member for one in self.steering.concepts if one.name == limit.concept)
                return _known(cohort.share(lists, member))
            case "reach":
                return cohort.reach(lists, limit.item or 0, limit.depth)
            case "ndcg":
                return _known(cohort.ndcg(lists))
            case "rbo":
                return float(cohort.rbo(lists).mean())
            case "rest":
                return 1.0 if edited is None else self._rest(edited)
            case "novelty":
                return _known(cohort.novelty(lists))
            case "diversity":
                return _known(cohort.diversity(lists))
            case "coverage" | "gini" as name:
                return cohort.exposure(lists)[name]

    def _rest(self, edited: Edited) -> float:
        return float(self._rest_cohort.rbo(self._rest_cohort.lists(edited.unfiltered)).mean())

    @cached_property
    def _rest_cohort(self) -> Cohort:
        """The lists without what the edit is about."""
        steering = self.steering
        inside = steering.inside(self._about, np.array(self._items, np.int64))
        seen, eligible = steering.candidates.seen, steering.candidates.eligible & ~inside
        return Cohort(
            Library(
                steering.recommender,
                Candidates(seen, eligible),
                steering.held_out,
                steering.labels_of_items,
                steering.concepts,
            ),
            self.cohort.users,
            self.cohort.k,
        )


class Dose:
    """An edit whose amount is open, for a cohort. `below` are the steps that apply before it."""

    def __init__(
        self,
        steering: Steering,
        edit: Edit | Step,
        users: np.ndarray,
        k: int,
        limits: Sequence[Limit],
        below: Sequence[Step] = (),
        serve: Serve = "change",
        about: Sequence[str] | None = None,
    ) -> None:
        step = steering.steps([edit])[0]
        if not isinstance(step.edit, Edit) or step.edit.operation == "off":
            raise EditError("An edit that switches a neuron off has no amount to vary; use set, add, scale or cap.")
        self.steering, self.limits, self.serve = steering, limits, serve
        self.edit, self._rows, self._below = step.edit, step.rows, list(below)
        meant = steering.meant([step], about)
        self.concept = meant[0] if meant else steering.neurons[step.edit.neuron].concept
        """Whose share is told."""
        self._measured = Measured(steering, users, k, limits, meant, steering.meant_items([step]).tolist())
        self.cohort = self._measured.cohort

    @property
    def before(self) -> Mapping[str, float | None]:
        """The figures without any edit, by the limits' texts."""
        return self._measured.before

    @cached_property
    def reconstruction(self) -> Mapping[str, float | None]:
        """The figures where every vector is what its code decodes to, and nothing is edited."""
        decoded = self.steering.reconstruction
        return self._measured.figures(self.cohort.lists(decoded), decoded)

    def edited(self, amount: float) -> Edited:
        """The recommender at an amount."""
        step = Step(self.edit.model_copy(update={"amount": amount}), self._rows)
        return self.steering.edit([*self._below, step], self.serve, self.cohort.users)

    @cached_property
    def _without(self) -> np.ndarray:
        """The lists that the steps below leave (users × k)."""
        if not self._below:
            return self.cohort.before
        return self.cohort.lists(self.steering.edit(self._below, self.serve, self.cohort.users))

    @property
    def without(self) -> dict[str, float | None]:
        """The share and the NDCG@10 of the lists that the steps below leave."""
        return self._told(self._without)

    def _told(self, lists: np.ndarray) -> dict[str, float | None]:
        member = next((one.member for one in self.steering.concepts if one.name == self.concept), None)
        return {
            "share": None if member is None else _known(self.cohort.share(lists, member)),
            "ndcg10": _known(self.cohort.ndcg(lists)) if lists.shape[1] >= 10 else None,
        }

    def point(self, amount: float) -> Point:
        """What the lists are at an amount."""
        edited = self.edited(amount)
        lists = self.cohort.lists(edited)
        figures = self._measured.figures(lists, edited)
        kept = all(self._measured.held(figures))
        return Point(amount, figures, kept, float(rbo(self._without, lists).mean()), **self._told(lists))

    def curve(self, amounts: Sequence[float]) -> list[Point]:
        """The response at each amount."""
        return [self.point(amount) for amount in amounts]

    def minimum(self, points: Sequence[Point], start: float) -> Minimum:
        """The amount nearest to `start` that keeps to every limit, searched between the `points` of a curve.

        For one limit on the reach of an item under a dot product it is solved; else bisected between the first two
        amounts of the grid between which the limits begin to hold.
        """
        nearest: Minimum | None = None
        for side in ([p for p in points if p.amount >= start], [p for p in points[::-1] if p.amount <= start]):
            found = self._exact(side, start) if self.solvable else self._searched(side)
            if found.amount is None:
                continue
            if nearest is None or abs(found.amount - start) < abs((nearest.amount or 0.0) - start):
                nearest = found
        return nearest or Minimum(None, None, None, self.solvable)

    def _searched(self, side: Sequence[Point]) -> Minimum:
        first = next((n for n, point in enumerate(side) if point.kept), None)
        if first is None:
            return Minimum(None, None, None, exact=False)
        best = side[first]
        if first:
            low, high = side[first - 1].amount, best.amount
            for _ in range(BISECTIONS):
                middle = self.point((low + high) / 2)
                if middle.kept:
                    best, high = middle, middle.amount
                else:
                    low = middle.amount
        lost = next((point.amount for point in side[first:] if not point.kept), None)
        return Minimum(best.amount, best, lost, exact=False)

    @property
    def solvable(self) -> bool:
        """Whether the smallest amount can be solved for: one limit, on reach, affinities linear in the amount."""
        one = len(self.limits) == 1 and self.limits[0].figure == "reach" and self.limits[0].sign == ">="
        linear = self.steering.recommender.scorer.kind == "dot" and self.edit.operation != "cap"
        return one and linear and self.serve == "change" and not self.limits[0].relative

    def _exact(self, side: Sequence[Point], start: float) -> Minimum:
        """Sweep over the amounts at which the item enters or leaves the top of each user's list."""
        if len(side) < 2:
            return Minimum(None, None, None, exact=True)
        limit, reach = self.limits[0], side[-1].amount - start
        enters, leaves = self._intervals(start, reach)
        wanted = int(np.ceil(limit.amount * len(self.cohort.users) - 1e-9))
        if wanted <= 0:
            return Minimum(start, self.point(start), None, exact=True)
        where = np.concatenate([enters, leaves])
        change = np.concatenate([np.ones(len(enters)), -np.ones(len(leaves))])
        order = np.lexsort((change, where))
        where, count = where[order], np.cumsum(change[order])
        first = next(iter(np.flatnonzero(count >= wanted)), None)
        if first is None:
            return Minimum(None, None, None, exact=True)
        at = float(where[first])
        best = self.point(start + reach * at)
        if not best.kept:
            best = self.point(start + reach * at * (1 + ENOUGH))
        again = next((float(where[n]) for n in range(first, len(where)) if count[n] < wanted), None)
        lost = None if again is None or again >= 1 else start + reach * again
        return Minimum(best.amount, best, lost, exact=True)

    def _intervals(self, start: float, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Where, between `start` (0) and `start + reach` (1), the item enters and leaves users' lists, as fractions."""
        limit = self.limits[0]
        enters: list[np.ndarray] = []
        leaves: list[np.ndarray] = []
        ends = [self.edited(start).recommender, self.edited(start + reach).recommender]
        users, candidates = self.cohort.users, self.steering.candidates
        for at in range(0, len(users), USERS_AT_ONCE):
            part = users[at : at + USERS_AT_ONCE]
            first, last = (
                np.concatenate([each for _, each in masked_affinities(one, candidates, part)]).astype(np.float64)
                for one in ends
            )
            possible = np.isfinite(first[:, limit.item])
            e, g = _crossings(first[possible], last[possible], limit.item or 0, limit.depth)
            enters.append(e)
            leaves.append(g)
        return np.concatenate(enters), np.concatenate(leaves)


def _crossings(first_ui: np.ndarray, last_ui: np.ndarray, item: int, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Fractions t in [0, 1] at which `item` enters and leaves the `depth` best of each row, affinities linear in t."""
    with np.errstate(invalid="ignore"):
        above, below = first_ui - first_ui[:, [item]], last_ui - last_ui[:, [item]]
    above[~np.isfinite(above)], below[~np.isfinite(below)] = -1.0, -1.0
    above[:, item] = below[:, item] = -1.0
    rows = np.arange(len(first_ui))
    changes = (above > 0) != (below > 0)
    row, column = np.nonzero(changes)
    a, b = above[row, column], below[row, column]
    at = a / (a - b)
    step = np.where(a > 0, -1, 1)
    order = np.lexsort((at, row))
    row, at, step = row[order], at[order], step[order]
    start = (above > 0).sum(axis=1)
    ahead = np.cumsum(step)
    ends = np.searchsorted(row, rows)
    before_row = np.concatenate([[0], ahead])[ends]
    now = start[row] + ahead - before_row[row]
    was = now - step
    enters = np.concatenate([np.zeros(int((start < depth).sum())), at[(was >= depth) & (now < depth)]])
    return enters, at[(was < depth) & (now >= depth)]


def _known(values: np.ndarray) -> float | None:
    return mean(values[~np.isnan(values)])


def grid(
    operation: str, low: float | None, high: float | None, steps: int, through: float | None = None
) -> tuple[list[float], float]:
    """The amounts to scan, ascending, and the one at which the edit changes nothing (for `set` and `cap`, 0).

    Without limits of the range: 4 units to each side, `scale` from 0 to 8 times; further where `through`, the amount
    of the present edit, lies outside. That one is scanned too where it is in the range.
    """
    start = 1.0 if operation == "scale" else 0.0
    lowest, highest = (0.0, 8.0) if operation == "scale" else (-4.0, 4.0)
    if through is not None:
        lowest, highest = min(lowest, through), max(highest, through)
    low, high = lowest if low is None else low, highest if high is None else high
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise EditError(f"A range of amounts goes from a smaller to a larger number, not from {low:g} to {high:g}.")
    if max(abs(low), abs(high)) > AMOUNT_AT_MOST:
        raise EditError(f"Amounts go up to {AMOUNT_AT_MOST:,} on either side of 0, not from {low:g} to {high:g}.")
    start = min(max(start, low), high)
    present = () if through is None or not low <= through <= high else (through,)
    return sorted({*np.linspace(low, high, steps).tolist(), start, *present}), start
