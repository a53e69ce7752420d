"""How an edit's effect grows with its amount: curves of one neuron each, and why an edit has none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from engine.report.disclosure import few
from engine.report.effects import Asked, K, measured_users, ranks_fast, reasons
from engine.steering.cohort import drawn
from engine.steering.dose import Dose, Point, grid
from engine.steering.edits import Edit, SolvedEdit, Step
from engine.steering.goals import Limit

if TYPE_CHECKING:
    from engine.steering.effect import Steering

USERS_OF_A_SLOW_SCORER = 40
DOSES, AMOUNTS = 4, 9
REACHED = 10
"""Edited items whose reach is told, at most."""


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


@dataclass(frozen=True)
class Doses:
    """The curves of a session, and for each of its edits without one a sentence that says why."""

    curves: Sequence[DoseCurve]
    undrawn: Sequence[str] = ()


def doses(steering: "Steering", steps: Sequence[Step], cohorts: Sequence[Asked], with_users: bool) -> Doses:
    """Curves of the session's edits of one neuron, each on its own; without any, of the purest concepts' neurons.

    An edit and its curve are measured on the same users, unless the scorer is slow.
    """
    found: list[DoseCurve] = []
    undrawn: list[str] = []
    hidden = reasons(steering, steps, cohorts, with_users)
    for n, (step, (asked, _)) in enumerate(zip(steps, cohorts, strict=True), 1):
        why = _why_not(steering, step, hidden[n - 1], len(found))
        if why is not None:
            undrawn.append(f"Edit {n} has no curve: {why}.")
            continue
        edit = step.edit
        if isinstance(edit, Edit) and edit.operation == "off":
            edit = edit.model_copy(update={"operation": "scale", "amount": 0.0})
        users, title = measured_users(steering, [step], asked), f"Edit {n} alone: neuron {step.neurons[0]}"
        found.append(_curve(steering, replace(step, edit=edit), users, title, with_users))
    return Doses(found or list(_of_purest(steering, with_users)), undrawn)


def _why_not(steering: "Steering", step: Step, hidden: str | None, drawn: int) -> str | None:
    """Why an edit has no curve; None where it has one."""
    if not step.edit.on:
        return "it is switched off"
    if isinstance(step.edit, SolvedEdit):
        return "it was solved for a goal, so that each user has amounts of their own"
    if hidden is not None:
        return hidden
    if steering.neurons[step.edit.neuron].concept is None and not len(steering.meant_items([step])):
        return "its neuron stands for no concept, so that nothing would tell what it is for"
    return f"the first {DOSES} alone are drawn" if drawn == DOSES else None


def _of_purest(steering: "Steering", with_users: bool) -> Iterator[DoseCurve]:
    """What a session without an edit to draw shows instead."""
    named = [one for one in steering.neurons if one.named_by is not None and one.concept and one.p99_users]
    purest = sorted(named, key=lambda one: (-(one.purity20 or 0), one.q if one.q is not None else 1.0, one.neuron))
    everyone = np.flatnonzero(steering.recommender.users.known)
    for one in purest[:DOSES]:
        (step,) = steering.steps([Edit(neuron=one.neuron, operation="add", amount=0)])
        users = measured_users(steering, [step], everyone)
        yield _curve(steering, step, users, f"Neuron {one.neuron} raised and lowered", with_users, False)


def _curve(
    steering: "Steering", step: Step, users: np.ndarray, title: str, with_users: bool, mark: bool = True
) -> DoseCurve:
    edit, items = step.edit, steering.meant_items([step])[:REACHED]
    assert isinstance(edit, Edit)
    concept = steering.neurons[edit.neuron].concept
    some = users if ranks_fast(steering) else drawn(users, USERS_OF_A_SLOW_SCORER)
    limits = [Limit("reach", ">=", 0.0, item=item, depth=K, text=str(item)) for item in items.tolist()]
    dose = Dose(steering, step, some, K, limits)
    amounts = _amounts(edit, mark)
    points = dose.curve(amounts)
    several = f"one of {len(items)} items"
    return DoseCurve(
        title,
        edit.neuron,
        concept or "",
        "times" if edit.operation == "scale" else f"{edit.operation}, in units of {edit.unit}",
        len(some),
        amounts,
        [point.share for point in points],
        [point.rbo for point in points],
        [point.ndcg10 for point in points],
        edit.amount if mark else None,
        None if not limits else steering.titles[items[0]] if len(items) == 1 else several,
        [_told_share(point, limits, len(some), with_users) for point in points] if limits else None,
    )


def _told_share(point: Point, limits: Sequence[Limit], users: int, with_users: bool) -> float | None:
    """The mean reach of the limits' items; None where it would tell of one to nine users."""
    share = float(np.mean([point.figures[one.text] or 0.0 for one in limits]))
    return None if not with_users and few(share * users, users) else share


def _amounts(edit: Edit, mark: bool) -> list[float]:
    """Amounts about the one of the edit, which is among them."""
    at = edit.amount or 0.0
    low, high = (0.0, max(4.0, 1.25 * at)) if edit.operation == "scale" else (min(-2.0, 1.25 * at), max(2.0, 1.25 * at))
    amounts, _ = grid(edit.operation, low, high, AMOUNTS)
    return sorted({*amounts, at} if mark else set(amounts))
