"""What each edit of a session does on its own, what all of them do together, and how it grows with the amount."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import MonoscopeError
from engine.neurons.profile import SEGMENT_MINIMUM
from engine.report.wording import edit_for
from engine.steering.bench import users_of
from engine.steering.dose import Dose, Point, grid
from engine.steering.edits import Edit, Step
from engine.steering.goals import Limit

if TYPE_CHECKING:
    from engine.steering.effect import Steering

K = 30
USERS, USERS_OF_A_SLOW_SCORER = 1000, 200
"""Users that an effect is measured on, drawn by seed where an edit is for more."""
USERS_OF_AN_ITEM = 4000
"""The same for edits of items, whose reach is a count, so that more of them are counted."""
DOSE_USERS_OF_A_SLOW_SCORER = 40
DOSES, AMOUNTS = 4, 9
SHARES, MEANT, REACHED = 6, 5, 10
SEED = 0


@dataclass(frozen=True)
class Effect:
    """One edit, or all of them, against the lists without an edit."""

    asked: int
    """Users that it is for; where items are edited, those whom the session measured it on, or everyone."""
    users: int
    """Users that are measured: all of these, or a sample."""
    facts: dict[str, Any] | None
    """As `Steering.effect` tells it, without ids of users; None for a group that is too small to be told about."""
    meant: Sequence[str] = ()
    """What the edit is about: titles of the items that it edits, and concepts."""
    condition: str | None = None
    """Whose lists are measured under an edit of items; None: everyone's, or those of the users that it is for."""
    reach: Sequence[Mapping[str, Any]] = ()
    """Of the edited items, how many of the measured users see each: `item_id`, `title`, and a count for each arm."""


@dataclass(frozen=True)
class DoseCurve:
    """One neuron's edit at growing amounts."""

    title: str
    neuron: int
    concept: str
    unit: str
    users: int
    amounts: Sequence[float]
    share: Sequence[float | None]
    """Of the lists' places that carry the concept."""
    rbo: Sequence[float]
    ndcg10: Sequence[float | None]
    at: float | None
    """The amount of the session's edit; None where there is none."""
    item: str | None = None
    """What an edit of items is about: the title of the one, or how many they are."""
    reach: Sequence[float | None] | None = None
    """Of an edit of items, the share of the users that see it (the mean of several); None where they are few."""

    @property
    def told(self) -> tuple[str, Sequence[float | None]]:
        """What the edit is for, in words, and its figure at each amount."""
        if self.reach is None:
            return f"share of {self.concept}", self.share
        return f"users who see {self.item}", self.reach


Asked = tuple[np.ndarray, str | None]
"""Numbers of users, and the condition that names them where that is to be told."""


def effects(
    steering: "Steering", steps: Sequence[Step], cohorts: Sequence[Asked], with_users: bool
) -> tuple[list[Effect | None], Effect | None]:
    """Each step alone (None: switched off) on its cohort, and the whole stack where more than one of it is on."""
    alone = [
        _effect(steering, [step], asked, with_users) if step.edit.on else None
        for step, asked in zip(steps, cohorts, strict=True)
    ]
    on = [step for step in steps if step.edit.on]
    return alone, _effect(steering, on, cohort(steering, on), with_users) if len(on) > 1 else None


def _effect(steering: "Steering", steps: Sequence[Step], whom: Asked, with_users: bool) -> Effect:
    asked, condition = whom
    if len(asked) < SEGMENT_MINIMUM and not with_users:
        return Effect(len(asked), 0, None)
    users = measured_users(steering, steps, asked)
    facts = steering.effect(users, steps, K, None if with_users else ())
    if not with_users:
        for name in ("most_changed_users", "lost_most_ndcg"):
            del facts["collateral"][name]
    place, about = steering.recommender.items.place, facts["collateral"]
    meant = [*(steering.titles[place[one]] for one in about["about_items"]), *about["about"]]
    told = {**facts, "shares": _shares(facts)}
    return Effect(len(asked), len(users), told, meant[:MEANT], condition, _reach(facts))


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
    most = (USERS_OF_AN_ITEM if items else USERS) if _dot(steering) else USERS_OF_A_SLOW_SCORER
    return _sample(asked, most)


def doses(steering: "Steering", steps: Sequence[Step], cohorts: Sequence[Asked], with_users: bool) -> list[DoseCurve]:
    """Curves of the session's edits of one neuron, each on its own; without any, of the purest concepts' neurons.

    An edit and its curve are measured on the same users, unless the scorer is slow.
    """
    found: list[DoseCurve | None] = []
    for n, (step, (asked, _)) in enumerate(zip(steps, cohorts, strict=True)):
        edit = step.edit
        if edit.on and isinstance(edit, Edit) and len(found) < DOSES and len(asked) >= SEGMENT_MINIMUM:
            if edit.operation == "off":
                edit = edit.model_copy(update={"operation": "scale", "amount": 0.0})
            users, title = measured_users(steering, [step], asked), f"Edit {n + 1} alone: neuron {edit.neuron}"
            found.append(_curve(steering, replace(step, edit=edit), users, title, with_users))
    if not found:
        named = [one for one in steering.neurons if one.named_by is not None and one.p99_users]
        purest = sorted(named, key=lambda one: (-(one.purity20 or 0), one.q if one.q is not None else 1.0, one.neuron))
        everyone = np.flatnonzero(steering.recommender.users.known)
        for one in purest[:DOSES]:
            (step,) = steering.steps([Edit(neuron=one.neuron, operation="add", amount=0)])
            users = measured_users(steering, [step], everyone)
            found.append(_curve(steering, step, users, f"Neuron {one.neuron} raised and lowered", with_users, False))
    return [one for one in found if one is not None]


def _curve(
    steering: "Steering", step: Step, users: np.ndarray, title: str, with_users: bool, mark: bool = True
) -> DoseCurve | None:
    """None for a neuron that stands for no concept, but for an edit of items: nothing would tell what it does."""
    edit, items = step.edit, steering.meant_items([step])[:REACHED]
    assert isinstance(edit, Edit)
    concept = steering.neurons[edit.neuron].concept
    if concept is None and not len(items):
        return None
    sample = users if _dot(steering) else _sample(users, DOSE_USERS_OF_A_SLOW_SCORER)
    limits = [Limit("reach", ">=", 0.0, item=item, depth=K, text=str(item)) for item in items.tolist()]
    dose = Dose(steering, step, sample, K, limits)
    amounts = _amounts(edit, mark)
    points = dose.curve(amounts)
    several = f"one of {len(items)} items"
    return DoseCurve(
        title,
        edit.neuron,
        concept or "",
        "times" if edit.operation == "scale" else f"{edit.operation}, in units of {edit.unit}",
        len(sample),
        amounts,
        [point.share for point in points],
        [point.rbo for point in points],
        [point.ndcg10 for point in points],
        edit.amount if mark else None,
        None if not limits else steering.titles[items[0]] if len(items) == 1 else several,
        [_told_share(point, limits, len(sample), with_users) for point in points] if limits else None,
    )


def _told_share(point: Point, limits: Sequence[Limit], users: int, with_users: bool) -> float | None:
    """The mean reach of the limits' items; None for one to nine users, who are not told of."""
    share = float(np.mean([point.figures[one.text] or 0.0 for one in limits]))
    return None if not with_users and 0 < share * users < SEGMENT_MINIMUM else share


def _amounts(edit: Edit, mark: bool) -> list[float]:
    """Amounts about the one of the edit, which is among them."""
    at = edit.amount or 0.0
    low, high = (0.0, max(4.0, 1.25 * at)) if edit.operation == "scale" else (min(-2.0, 1.25 * at), max(2.0, 1.25 * at))
    amounts, _ = grid(edit.operation, low, high, AMOUNTS)
    return sorted({*amounts, at} if mark else set(amounts))


def _dot(steering: "Steering") -> bool:
    return steering.recommender.scorer.kind in ("dot", "cosine")


def _sample(users: np.ndarray, most: int) -> np.ndarray:
    if len(users) <= most:
        return users
    return np.sort(np.random.default_rng(SEED).choice(users, most, replace=False))
