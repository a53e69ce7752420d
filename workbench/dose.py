"""`dose`: what a growing edit does to a cohort, as facts and on the screen."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.steering.edits import Edit
from workbench.steering import Asked, cohort_of, limits_of, number, opened

if TYPE_CHECKING:
    from engine.run import Run

USERS_AT_LEAST, GROUPS_AT_MOST = 10, 12
"""Groups of fewer users are left out, and so are those beyond the largest."""


def dosed(
    run: "Run",
    edit: Mapping[str, Any],
    asked: Asked,
    amounts: tuple[float | None, float | None, int],
    stack: Sequence[Mapping[str, Any]] = (),
    session: str | None = None,
    sample: int | None = None,
) -> dict[str, Any]:
    """The response of a cohort to growing amounts of an edit, and the smallest that keeps to every limit.

    The open edit takes the place of one of its neuron for the same users or items that the `stack` of a `session` has,
    and of one for every user where those whom it is for are the ones who are measured. With `asked.by`, the smallest
    amount of each group of the cohort is told too; `sample` measures so many of the cohort.
    """
    from engine.steering.bench import amount_at, taken
    from engine.steering.cohort import drawn
    from engine.steering.dose import Dose, grid
    from engine.steering.kept import steps_of

    open_edit = Edit.parse(edit)
    run.neuron(open_edit.neuron)
    with opened(run) as steering:
        own = steering.steps([open_edit])[0]
        whole_cohort = cohort_of(run, steering, asked, [own])
        cohort = drawn(whole_cohort, sample)
        limits = limits_of(run, steering, asked)
        steps = steps_of(steering, stack, run.home.amounts(session or run.name))
        taken_at = taken(steps, own, whole=asked.cohort is None)
        scanned, start = grid(open_edit.operation, *amounts, amount_at(steps, taken_at, own))
        below = [step for at, step in enumerate(steps) if at != taken_at]

        def dose_for(users: np.ndarray) -> Dose:
            return Dose(steering, own, users, asked.k, limits, below, asked.way, asked.about)

        whole = dose_for(cohort)
        points = whole.curve(scanned)
        found = whole.minimum(points, start) if limits else None
        groups = None
        if asked.by is not None:
            values = steering.values(cohort, asked.by)
            parts = [(value, dose_for(cohort[values == value])) for value in _largest(values)]
            groups = [_group(value, part, scanned, start) for value, part in parts]
    told = open_edit.as_dict()
    del told["amount"]
    return {
        "run": run.name,
        "edit": told,
        "observed": observed(run, open_edit),
        "cohort": asked.cohort,
        "users": len(cohort),
        "of": len(whole_cohort),
        "k": asked.k,
        "goals": list(asked.limits),
        "replaces": None if taken_at is None else taken_at + 1,
        "concept": whole.concept,
        "before": dict(whole.before),
        "without": whole.without,
        "reconstruction": dict(whole.reconstruction),
        "points": [asdict(point) for point in points],
        "minimum": None if found is None else asdict(found),
        "by": asked.by,
        "groups": groups,
    }


def _largest(values: np.ndarray) -> list[str]:
    names, counts = np.unique(values, return_counts=True)
    kept = [n for n in np.argsort(-counts, kind="stable")[:GROUPS_AT_MOST] if counts[n] >= USERS_AT_LEAST]
    return sorted(str(names[n]) for n in kept)


def _group(value: str, dose: Any, scanned: Sequence[float], start: float) -> dict[str, Any]:
    points = dose.curve(scanned)
    found = dose.minimum(points, start) if dose.limits else None
    return {
        "value": value,
        "users": len(dose.cohort.users),
        "before": dict(dose.before),
        "points": [asdict(point) for point in points],
        "minimum": None if found is None else asdict(found),
    }


def observed(run: "Run", edit: Edit) -> dict[str, float | None]:
    """The neuron's own range on the edited side, raw, and its unit."""
    neuron = run.neuron(edit.neuron)
    return {"most": getattr(neuron, f"max_{edit.side}"), "p99": getattr(neuron, f"p99_{edit.side}")}


def show_dose(facts: Mapping[str, Any]) -> None:
    """The response at each amount, and the minimum dose."""
    from workbench.tables import percent, say, show

    edit, goals = facts["edit"], facts["goals"]
    unit = "times" if edit["operation"] == "scale" else edit["unit"]
    drawn = "" if facts["users"] == facts["of"] else f" drawn from {facts['of']:,}"
    about = [] if facts["concept"] is None else [f"share of {facts['concept']}"]
    say(
        f"Neuron {edit['neuron']}, {edit['operation']} on {edit['side']}; the top {facts['k']} of {facts['users']:,} "
        f"users{drawn}. 1 p99 is {number(facts['observed']['p99'])} raw, the most seen "
        f"{number(facts['observed']['most'])}."
    )
    show(
        "",
        (unit, *goals, *about, "RBO", "NDCG@10", "goals"),
        [
            (
                f"{point['amount']:.3g}",
                *(point["figures"][goal] for goal in goals),
                *(percent(point["share"]) for _ in about),
                point["rbo"],
                point["ndcg10"],
                ("kept" if point["kept"] else "") if goals else "",
            )
            for point in facts["points"]
        ],
        ", ".join([unit, *goals, *about, "RBO", "NDCG@10"]),
    )
    without = facts["without"]
    told = "" if facts["concept"] is None else f"{facts['concept']} {percent(without['share'])} of the places, "
    say(f"Without this edit: {told}NDCG@10 {number(without['ndcg10'])}.")
    if goals:
        say(f"Without any edit: {_told(facts['before'])}. Reconstruction only: {_told(facts['reconstruction'])}.")
        say(_minimum(facts["minimum"], unit))
    if facts["groups"]:
        show(
            f"Minimum dose by {facts['by']}" if goals else f"By {facts['by']}",
            (facts["by"], "users", *(f"{goal}, without" for goal in goals), f"dose ({unit})", "RBO there"),
            [
                (
                    group["value"],
                    group["users"],
                    *(group["before"][goal] for goal in goals),
                    *_dose_of(group["minimum"]),
                )
                for group in facts["groups"]
            ],
            "users, RBO there",
        )


def _dose_of(found: Mapping[str, Any] | None) -> tuple[str, float | None]:
    if found is None or found["amount"] is None:
        return "none in range", None
    return f"{found['amount']:.3g}", found["point"]["rbo"]


def _told(figures: Mapping[str, float | None]) -> str:
    return ", ".join(f"{goal.split('<')[0].split('>')[0]} {number(value)}" for goal, value in figures.items())


def _minimum(found: Mapping[str, Any], unit: str) -> str:
    if found["amount"] is None:
        return "No amount in this range keeps to every goal; widen it with --from and --to, or choose another neuron."
    how = "solved exactly" if found["exact"] else "bisected between two amounts of the grid"
    lost = f" It is lost again at {found['lost_again']:.3g}." if found["lost_again"] is not None else ""
    return f"Minimum dose: {found['amount']:.4g} {unit} ({how}).{lost}"
