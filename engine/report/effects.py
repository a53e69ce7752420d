"""What each edit of a session does on its own, what all of them do together, and how it grows with the amount."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.neurons.profile import SEGMENT_MINIMUM
from engine.steering.dose import Dose, grid
from engine.steering.edits import Edit, Step
from engine.steering.goals import Limit

if TYPE_CHECKING:
    from engine.steering.effect import Steering

K = 30
USERS, USERS_OF_A_SLOW_SCORER = 1000, 200
"""Users that an effect is measured on, drawn by seed where an edit is for more."""
DOSE_USERS, DOSE_USERS_OF_A_SLOW_SCORER = 400, 40
DOSES, AMOUNTS = 4, 9
SHARES, MEANT = 6, 5
SEED = 0


@dataclass(frozen=True)
class Effect:
    """One edit, or all of them, against the lists without an edit."""

    asked: int
    """Users that it is for, or everyone where items are edited."""
    users: int
    """Users that are measured: all of these, or a sample."""
    facts: dict[str, Any] | None
    """As `Steering.effect` tells it, without ids of users; None for a group that is too small to be told about."""
    meant: Sequence[str] = ()
    """What the edit is about: titles of the items that it edits, or concepts."""


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
    rbo: Sequence[float]
    ndcg10: Sequence[float | None]
    at: float | None
    """The amount of the session's edit; None where there is none."""


def effects(steering: "Steering", steps: Sequence[Step], with_users: bool) -> tuple[list[Effect | None], Effect | None]:
    """Each step alone (None: switched off), and the whole stack where more than one of it is on."""
    alone = [_effect(steering, [step], with_users) if step.edit.on else None for step in steps]
    on = [step for step in steps if step.edit.on]
    return alone, _effect(steering, on, with_users) if len(on) > 1 else None


def _effect(steering: "Steering", steps: Sequence[Step], with_users: bool) -> Effect:
    asked = cohort(steering, steps)
    if len(asked) < SEGMENT_MINIMUM and not with_users:
        return Effect(len(asked), 0, None)
    users = _sample(asked, USERS if _dot(steering) else USERS_OF_A_SLOW_SCORER)
    facts = steering.effect(users, steps, K, None if with_users else ())
    if not with_users:
        for name in ("most_changed_users", "lost_most_ndcg"):
            del facts["collateral"][name]
    place, about = steering.recommender.items.place, facts["collateral"]
    meant = [steering.titles[place[one]] for one in about["about_items"]] or about["about"]
    return Effect(len(asked), len(users), {**facts, "shares": _shares(facts)}, meant[:MEANT])


def _shares(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Concepts' shares of the lists in three arms: those that the edit is about, and the most changed."""
    was, now = (facts[arm]["concept_shares"] for arm in ("before", "after"))
    moved = sorted((name for name in was if was[name] != now[name]), key=lambda name: -abs(now[name] - was[name]))
    names = dict.fromkeys([*(name for name in facts["collateral"]["about"] if name in was), *moved[:SHARES]])
    arms = ("before", "reconstruction", "after")
    return [{"concept": name, **{arm: facts[arm]["concept_shares"][name] for arm in arms}} for name in names]


def cohort(steering: "Steering", steps: Sequence[Step]) -> np.ndarray:
    """Whose lists tell the effect: the edited users', or everyone's where items are edited."""
    if steps and all(step.edit.side == "users" for step in steps):
        return np.unique(np.concatenate([step.rows for step in steps]))
    return np.flatnonzero(steering.recommender.users.known)


def doses(steering: "Steering", steps: Sequence[Step]) -> list[DoseCurve]:
    """Curves of the session's edits of one neuron; without any, of the neurons with the purest concepts."""
    plain = [(n, step) for n, step in enumerate(steps) if step.edit.on and isinstance(step.edit, Edit)]
    mine = [(n, step) for n, step in plain if not 0 < len(cohort(steering, [step])) < SEGMENT_MINIMUM]
    if mine:
        found = [_of_step(steering, steps[:n], step, n + 1) for n, step in mine[:DOSES]]
    else:
        named = [one for one in steering.neurons if one.named_by is not None and one.p99_users]
        purest = sorted(named, key=lambda one: (-(one.purity20 or 0), one.q if one.q is not None else 1.0, one.neuron))
        edits = [Edit(neuron=one.neuron, operation="add", amount=0) for one in purest[:DOSES]]
        everyone = np.flatnonzero(steering.recommender.users.known)
        found = [_curve(steering, edit, everyone, (), f"Neuron {edit.neuron} raised and lowered") for edit in edits]
    return [one for one in found if one is not None]


def _of_step(steering: "Steering", below: Sequence[Step], step: Step, number: int) -> DoseCurve | None:
    edit = step.edit
    assert isinstance(edit, Edit)
    varied = edit.model_copy(update={"operation": "scale", "amount": 0.0}) if edit.operation == "off" else edit
    applied = [one for one in below if one.edit.on]
    return _curve(steering, varied, cohort(steering, [step]), applied, f"Edit {number}: neuron {edit.neuron}", True)


def _curve(
    steering: "Steering", edit: Edit, users: np.ndarray, below: Sequence[Step], title: str, mark: bool = False
) -> DoseCurve | None:
    """None for a neuron that stands for no concept: nothing would tell what its amount does."""
    concept = steering.neurons[edit.neuron].concept
    if concept is None:
        return None
    limit = Limit("share", ">=", 0.0, concept=concept, text="share")
    sample = _sample(users, DOSE_USERS if _dot(steering) else DOSE_USERS_OF_A_SLOW_SCORER)
    dose = Dose(steering, edit, sample, K, [limit], below)
    amounts, _ = _range(edit, mark)
    points = dose.curve(amounts)
    return DoseCurve(
        title,
        edit.neuron,
        concept,
        "times" if edit.operation == "scale" else f"{edit.operation}, in units of {edit.unit}",
        len(sample),
        amounts,
        [point.figures["share"] for point in points],
        [point.rbo for point in points],
        [point.ndcg10 for point in points],
        edit.amount if mark else None,
    )


def _range(edit: Edit, mark: bool) -> tuple[list[float], float]:
    """Amounts about the one of the edit, which is among them."""
    at = edit.amount or 0.0
    low, high = (0.0, max(4.0, 1.25 * at)) if edit.operation == "scale" else (min(-2.0, 1.25 * at), max(2.0, 1.25 * at))
    amounts, start = grid(edit.operation, low, high, AMOUNTS)
    return sorted({*amounts, at} if mark else set(amounts)), start


def _dot(steering: "Steering") -> bool:
    return steering.recommender.scorer.kind in ("dot", "cosine")


def _sample(users: np.ndarray, most: int) -> np.ndarray:
    if len(users) <= most:
        return users
    return np.sort(np.random.default_rng(SEED).choice(users, most, replace=False))
