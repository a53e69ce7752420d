"""A goal for a cohort, made a step of a stack of edits: solved on top of what is there, for whom it needs and can."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.recommenders.ranking import ranked_lists
from engine.steering.cohort import Edited
from engine.steering.costs import cost_of
from engine.steering.edits import SolvedEdit, Step
from engine.steering.effect import Steering
from engine.steering.goals import Goal
from engine.steering.kept import SERVED
from engine.steering.solve import Solved, solve


@dataclass(frozen=True)
class Toward:
    """A solved edit as a step, and what it was solved on: the recommender under the edits below it."""

    goal: Goal
    solved: Solved
    step: Step
    below: Steering

    @property
    def filtered(self) -> np.ndarray:
        """Numbers of the users whom no edit brings to the goal, and whom a filter serves."""
        return self.step.rows[self.step.bounds >= 0] if self.step.bounds is not None else np.empty(0, np.int64)


def toward(
    steering: Steering,
    goal: str,
    users: np.ndarray,
    k: int = 30,
    neurons_at_most: int | None = None,
    below: Sequence[Step] = (),
    where: str | None = None,
    pooled: bool = False,
    seed: int = 0,
) -> Toward:
    """Solve for `goal` in the lists (k long) of `users` (ascending), whom the predicate `where` names.

    Where an item is to reach a share of the users, those have it whose other items it costs least. Raises `EditError`
    as `Goal.parse` and `solve` do.
    """
    asked = steering.goal(goal, k)
    on = steering
    if below:
        edited = steering.edit(below, users=users)
        on = replace(steering, recommender=edited.recommender, candidates=edited.among(steering.candidates))
    member = asked.member(on.concepts, len(on.titles))
    depth = asked.depth or k
    model = (on.recommender, on.sae, on.candidates)
    solved = solve(*model, member, asked, users, depth, neurons_at_most, seed=seed, pooled=pooled)
    if asked.item is not None:
        solved = _cheapest(on, asked, solved, depth)
    edit = SolvedEdit(
        goal=str(asked), where=where, k=k, neurons_at_most=neurons_at_most, pooled=pooled, seed=seed, amounts=""
    )
    if where is None:
        edit = edit.model_copy(update={"ids": tuple(on.recommender.users.ids[user] for user in users)})
    return Toward(asked, solved, _step(steering, asked, solved, edit, below), on)


def _cheapest(steering: Steering, goal: Goal, solved: Solved, depth: int) -> Solved:
    """The change of as many users as the goal asks for, those first whose rest of the list stays closest."""
    _, after = cost_of(steering, goal, solved, depth)
    has = solved.reached & ~solved.delta_ud.any(axis=1)
    wanted = max(int(np.ceil(goal.amount * len(solved.users) - 1e-9)) - int(has.sum()), 0)
    order = np.argsort(-np.where(solved.reached & ~has, after.rbo_rest, -np.inf), kind="stable")
    chosen = has.copy()
    chosen[[row for row in order[:wanted] if solved.reached[row]]] = True
    return replace(
        solved,
        change_um=np.where(chosen[:, None], solved.change_um, 0.0),
        delta_ud=np.where(chosen[:, None], solved.delta_ud, 0.0),
        reached=chosen,
        expected=np.where(chosen, solved.expected, 0.0),
        achieved=np.where(chosen, solved.achieved, 0.0),
    )


def _step(steering: Steering, goal: Goal, solved: Solved, edit: SolvedEdit, below: Sequence[Step]) -> Step:
    """Amounts as they are stored, and a filter for whom they do not bring to the goal, as the lists themselves tell."""
    amounts = np.where(solved.reached[:, None], solved.change_um, 0.0).astype(np.float32)
    step = Step(edit, solved.users, amounts)
    if goal.item is not None:
        return step
    member = goal.member(steering.concepts, len(steering.titles))
    before, after = (steering.edit(steps, users=solved.users) for steps in (below, [*below, step]))
    counts, lengths = _held(steering, before, member, solved.users, edit.k)
    now, _ = _held(steering, after, member, solved.users, edit.k)
    bounds = goal.bounds(counts, lengths)
    wanting = ~goal.met(now, bounds) & ~goal.met(counts, bounds)
    amounts[wanting] = 0.0
    return replace(step, bounds=np.where(wanting, bounds, SERVED).astype(np.int64))


def _held(
    steering: Steering, edited: Edited, member: np.ndarray, users: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """How many of the concept's items each list holds, and how many items."""
    lists = ranked_lists(edited.recommender, edited.among(steering.candidates), users, k)
    there = lists >= 0
    return (member[lists] & there).sum(axis=1), there.sum(axis=1)
