"""What each edit of a session does on its own, what all of them do together, and what stacking leaves of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import MonoscopeError
from engine.labels.causal import interval
from engine.neurons.profile import SEGMENT_MINIMUM
from engine.report.disclosure import Group, withheld
from engine.report.wording import edit_for
from engine.steering.bench import users_of
from engine.steering.cohort import drawn
from engine.steering.costs import beside_a_filter, filter_suffices
from engine.steering.edits import SolvedEdit, Step
from engine.steering.kept import SERVED

if TYPE_CHECKING:
    from engine.steering.cohort import Cohort
    from engine.steering.effect import Steering

K = 30
USERS, USERS_OF_A_SLOW_SCORER = 1000, 200
"""Users that an effect is measured on, drawn by seed where an edit is for more."""
USERS_OF_AN_ITEM = 4000
"""The same for edits of items, whose reach is a count, so that more of them are counted."""
COMPARED_USERS = 300
"""Users that a solved edit is set beside a filter on."""
SHARES, MEANT, REACHED = 6, 5, 10
KIN = 0.5
"""A concept is kin of what is meant where more than so many of the items of either carry both."""


@dataclass(frozen=True)
class Toward:
    """What a solved edit does for its goal, as it was solved: on top of the edits before it."""

    goal: str
    users: int
    reached: int | None
    """Users whom the edit itself brings to the goal, or who were there; None for a goal about an item: see its reach.
    A filter serves the others."""
    ndcg10: float | None
    """On the users that are set beside a filter."""
    ndcg10_filtered: float | None
    filter_suffices: bool | None
    """Whether a filter alone does as well for the goal and for held-out items; None where it was not compared."""


@dataclass(frozen=True)
class Effect:
    """One edit, or all of them, against the lists without an edit."""

    asked: int
    """Users that it is for; where items are edited, those whom the session measured it on, or everyone."""
    users: int
    """Users that are measured: all of these, or a sample."""
    facts: dict[str, Any] | None
    """As `Steering.effect` tells it, without ids of users; None for a group that may not be told of: `withheld`."""
    meant: Sequence[str] = ()
    """What the edit is about: titles of the items that it edits, and concepts."""
    condition: str | None = None
    """Whose lists are measured under an edit of items; None: everyone's, or those of the users that it is for."""
    reach: Sequence[Mapping[str, Any]] = ()
    """Of the edited items, how many of the measured users see each: `item_id`, `title`, and a count for each arm."""
    kin: Sequence[str] = ()
    """Other concepts that share most of their items with what is meant, or that most of the edited items carry."""
    drift_beyond_kin: float | None = None
    """Mean change of the shares of concepts that are neither meant nor kin; None without any."""
    ndcg10_change: Sequence[float] | None = None
    """Mean over users with held-out items, and its 95 % interval, paired by user; None for fewer than two."""
    toward: Toward | None = None
    """Of one solved edit."""
    withheld: str | None = None
    """Why there are no facts, as the end of a sentence."""
    left_out: Sequence[int] = ()
    """Of all edits together, those that are on and withheld: without them it is measured."""
    stacked: Sequence[Mapping[str, Any]] = ()
    """Of all edits together, what each is about on its own users: `edit`, `users` measured, `subject`, and its figure
    `before`, `alone` and `together`: a `share` of the lists' places, or how many `users` see an item."""


@dataclass(frozen=True)
class _Alone:
    """The lists of one edit's users, and what the edit makes of them."""

    effect: Effect
    step: Step
    cohort: "Cohort"
    lists: np.ndarray


Asked = tuple[np.ndarray, str | None]
"""Numbers of users, and the condition that names them where that is to be told."""


def effects(
    steering: "Steering", steps: Sequence[Step], cohorts: Sequence[Asked], with_users: bool
) -> tuple[list[Effect | None], Effect | None]:
    """Each step alone (None: switched off) on its cohort, and the whole stack where more than one of it is on."""
    hidden = reasons(steering, steps, cohorts, with_users)
    alone: list[Effect | None] = []
    told: dict[int, _Alone] = {}
    for n, (step, asked) in enumerate(zip(steps, cohorts, strict=True)):
        if not step.edit.on:
            alone.append(None)
            continue
        if hidden[n] is not None:
            alone.append(Effect(len(asked[0]), 0, None, withheld=hidden[n]))
            continue
        effect, cohort_of, lists = _effect(steering, [step], asked, with_users)
        effect = replace(effect, toward=_toward(steering, step, steps[:n]))
        told[n + 1] = _Alone(effect, step, cohort_of, lists)
        alone.append(effect)
    return alone, _together(steering, steps, cohorts, told, with_users)


def reasons(
    steering: "Steering", steps: Sequence[Step], cohorts: Sequence[Asked], with_users: bool
) -> list[str | None]:
    """Why each step's users may not be told of; None where they may, and for a step that is switched off."""
    if with_users:
        return [None] * len(steps)
    return withheld(_groups(steering, steps, cohorts), np.flatnonzero(steering.recommender.users.known))


def _groups(steering: "Steering", steps: Sequence[Step], cohorts: Sequence[Asked]) -> "list[Group | None]":
    return [
        (asked, measured_users(steering, [step], asked)) if step.edit.on else None
        for step, (asked, _) in zip(steps, cohorts, strict=True)
    ]


def _together(
    steering: "Steering",
    steps: Sequence[Step],
    cohorts: Sequence[Asked],
    told: Mapping[int, _Alone],
    with_users: bool,
) -> Effect | None:
    """The edits that may be told of, as a whole; None for fewer than two of all."""
    numbers = [n for n, step in enumerate(steps, 1) if step.edit.on]
    on = [steps[n - 1] for n in numbers if n in told]
    if len(numbers) < 2:
        return None
    left_out = [n for n in numbers if n not in told]
    if len(on) < 2:
        return Effect(0, 0, None, withheld="fewer than two edits may be told of", left_out=left_out)
    asked = cohort(steering, on)
    everyone = np.flatnonzero(steering.recommender.users.known)
    groups = _groups(steering, [steps[n - 1] for n in told], [cohorts[n - 1] for n in told])
    whole = (asked[0], measured_users(steering, on, asked[0]))
    why = None if with_users else withheld([*groups, whole], everyone)[-1]
    if why is not None:
        return Effect(0, 0, None, withheld=why, left_out=left_out)
    effect, _, _ = _effect(steering, on, asked, with_users)
    rows = [row for n, one in told.items() for row in _stacked(steering, n, one, on)]
    return replace(effect, stacked=rows, left_out=left_out)


def _effect(
    steering: "Steering", steps: Sequence[Step], whom: Asked, with_users: bool
) -> "tuple[Effect, Cohort, np.ndarray]":
    """With the users' lists as they were, and under the steps."""
    asked, condition = whom
    users = measured_users(steering, steps, asked)
    facts, cohort_of, lists = steering.effect_and_lists(users, steps, K, None if with_users else ())
    if not with_users:
        for name in ("most_changed_users", "lost_most_ndcg"):
            del facts["collateral"][name]
    place, about = steering.recommender.items.place, facts["collateral"]
    items = [place[one] for one in about["about_items"]]
    kin = _kin(steering, about["about"], items)
    effect = Effect(
        len(asked),
        len(users),
        {**facts, "shares": _shares(facts)},
        [*(steering.titles[item] for item in items), *about["about"]][:MEANT],
        condition,
        _reach(facts),
        kin,
        _drift(facts, {*about["about"], *kin}),
        _ndcg10_change(cohort_of, lists),
    )
    return effect, cohort_of, lists


def _kin(steering: "Steering", about: Sequence[str], items: Sequence[int]) -> list[str]:
    """The concepts that move along with what is meant because they have most of their items in common with it."""
    member = {concept.name: concept.member for concept in steering.concepts}
    meant = [member[name] for name in about if name in member]
    return [
        name
        for name, own in member.items()
        if name not in about
        and (
            (bool(items) and own[items].mean() > KIN)
            or any((own & other).sum() > KIN * min(own.sum(), other.sum()) for other in meant if other.any())
        )
    ]


def _drift(facts: Mapping[str, Any], left_out: set[str]) -> float | None:
    was, now = (facts[arm]["concept_shares"] for arm in ("before", "after"))
    moved = [abs(now[name] - was[name]) for name in was if name not in left_out]
    return float(np.mean(moved)) if moved else None


def _ndcg10_change(cohort_of: "Cohort", lists: np.ndarray) -> tuple[float, float, float] | None:
    change = cohort_of.ndcg(lists) - cohort_of.ndcg(cohort_of.before)
    change = change[~np.isnan(change)]
    if len(change) < 2 or lists.shape[1] < 10:
        return None
    return float(change.mean()), *interval(change)


def _toward(steering: "Steering", step: Step, below: Sequence[Step]) -> Toward | None:
    """Of a solved edit, on top of the edits `below`, beside a filter for the users that `steer` compares ways on."""
    if not isinstance(step.edit, SolvedEdit) or step.amounts is None:
        return None
    goal = steering.goal(step.edit.goal, step.edit.k)
    if step.bounds is None or goal.item is not None:
        return Toward(step.edit.goal, len(step.rows), None, None, None, None)
    served = step.bounds != SERVED
    some = drawn(step.rows, COMPARED_USERS)
    at = np.searchsorted(step.rows, some)
    solved, filtered = beside_a_filter(steering, goal, some, step.amounts[at], ~served[at], step.edit.k, below)
    return Toward(
        step.edit.goal,
        len(step.rows),
        int((~served).sum()),
        solved.ndcg10,
        filtered.ndcg10,
        filter_suffices(solved.as_dict(solved), filtered.as_dict(solved)),
    )


def _stacked(steering: "Steering", number: int, one: _Alone, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """What one edit is about, in the lists of its own users: without edits, under it alone, and under all of them."""
    edited = steering.edit(steps, users=one.cohort.users)
    arms = {"before": one.cohort.before, "alone": one.lists, "together": one.cohort.lists(edited)}
    told: dict[str, Any] = {"edit": number, "users": one.effect.users}
    rows = []
    for row in one.effect.reach:
        item = steering.recommender.items.place[row["item_id"]]
        seen = {arm: {"users": int((lists == item).any(axis=1).sum())} for arm, lists in arms.items()}
        rows.append({**told, "subject": row["title"], "what": "users", **seen})
    about = one.effect.facts["collateral"]["about"] if one.effect.facts is not None else ()
    for concept in steering.concepts:
        if concept.name in about:
            shares = {arm: {"share": float(concept.member[lists[lists >= 0]].mean())} for arm, lists in arms.items()}
            rows.append({**told, "subject": concept.name, "what": "share", **shares})
    return rows


ARMS = ("before", "reconstruction", "after")


def _reach(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Who sees the edited items, the most changed first."""
    about = facts["collateral"]["about_items"]
    arms = zip(*(facts[arm]["reach"]["edited_items"] for arm in ARMS), strict=True)
    rows = [
        {"item_id": one[0]["item_id"], "title": one[0]["title"]}
        | {arm: {"users": row["users"]} for arm, row in zip(ARMS, one, strict=True)}
        for one in arms
        if one[0]["item_id"] in about
    ]
    return sorted(rows, key=lambda row: -abs(row["after"]["users"] - row["before"]["users"]))[:REACHED]


def _shares(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Concepts' shares of the lists in three arms: those that the edit is about, and the most changed."""
    was, now = (facts[arm]["concept_shares"] for arm in ("before", "after"))
    moved = sorted((name for name in was if was[name] != now[name]), key=lambda name: -abs(now[name] - was[name]))
    names = dict.fromkeys([*(name for name in facts["collateral"]["about"] if name in was), *moved[:SHARES]])
    return [{"concept": name, **{arm: facts[arm]["concept_shares"][name] for arm in ARMS}} for name in names]


def cohort(
    steering: "Steering", steps: Sequence[Step], condition: str | None = None, with_users: bool = False
) -> Asked:
    """Whose lists tell the effect: the edited users'; where items are edited those that `condition` names, else all.

    The condition is None where it does not count: it holds for all, or for nobody any more, or it may not be told.
    """
    if steps and all(step.edit.side == "users" for step in steps):
        return np.unique(np.concatenate([step.rows for step in steps])), None
    known = np.flatnonzero(steering.recommender.users.known)
    named = condition is not None and "user_id" in condition.casefold() and not with_users
    if condition is None or named or steering.match is None or edit_for({"where": condition}) == "all users":
        return known, None
    try:
        found = users_of(steering, condition, steering.match)
    except MonoscopeError:  # a cohort that has been dropped since: everyone is told of
        return known, None
    few = len(found) < SEGMENT_MINIMUM and not with_users
    return (known, None) if few or len(found) == len(known) else (found, condition)


def measured_users(steering: "Steering", steps: Sequence[Step], asked: np.ndarray) -> np.ndarray:
    """All of those that are asked for, or a sample; an edit and its curve have the same."""
    items = all(step.edit.side == "items" for step in steps)
    most = (USERS_OF_AN_ITEM if items else USERS) if ranks_fast(steering) else USERS_OF_A_SLOW_SCORER
    return drawn(asked, most)


def ranks_fast(steering: "Steering") -> bool:
    """Whether lists cost a dot product alone."""
    return steering.recommender.scorer.kind in ("dot", "cosine")
