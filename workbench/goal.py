"""`steer --goal`: a goal solved for a cohort, as facts and on the screen."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import EditError

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.neurons.table import Neuron
    from engine.run import Run
    from engine.steering.edits import Step
    from engine.steering.solve import Solved
    from workbench.steering import Asked

COMPARED_USERS = 300
"""Users of a cohort, drawn by a seed, on whom the other ways to the goal are tried."""


def goal_facts(
    run: "Run",
    goal: str,
    asked: "Asked",
    users: str,
    neurons_at_most: int | None,
    stack: "Sequence[Mapping[str, Any]]" = (),
    session: str | None = None,
    *,
    pooled: bool = False,
) -> tuple[dict[str, Any], "Callable[[str], Step]"]:
    """The solved edit of the users whom a predicate names, its effect, and the other ways to the same goal.

    It is solved on top of the `stack` of a `session`. The function that comes along keeps its amounts in a session's
    folder and gives the step that names them.
    """
    from engine.steering.costs import compare_ways, cost_of
    from engine.steering.kept import steps_of, written
    from engine.steering.toward import toward
    from workbench.steering import effect_of, opened

    with opened(run) as steering:
        below = steps_of(steering, stack, run.home.amounts(session or run.name))
        assert steering.match is not None
        matching = steering.match("users", users)
        cohort = matching[run.recommender.users.known[matching]]
        if not len(cohort):
            raise EditError(f"No user matches {users!r}, so there is nobody to steer; widen the predicate.")
        found = toward(steering, _by_id(run, goal), cohort, asked.k, neurons_at_most, below, users, pooled)
        effect = effect_of(run, steering, replace(asked, cohort=asked.cohort or users), [*below, found.step])
        sample = cohort
        if len(cohort) > COMPARED_USERS:
            sample = np.sort(np.random.default_rng(0).choice(cohort, COMPARED_USERS, replace=False))
        depth = found.goal.depth or asked.k
        ways = compare_ways(found.below, found.goal, sample, depth, neurons_at_most, pooled=pooled)
        before, after = cost_of(found.below, found.goal, found.solved, depth)
    solved = found.solved
    moved = solved.delta_ud.any(axis=1)
    ids = run.recommender.users.ids
    facts = {
        "goal": str(found.goal),
        "about": found.goal.concept if found.goal.item is None else run.texts["title"][found.goal.item],
        "users": len(cohort),
        "neurons_at_most": neurons_at_most,
        "pooled": pooled,
        "active_set": float(solved.active_set.mean()),
        "predicted": float(solved.expected[moved].mean()) if moved.any() else None,
        "achieved": float(solved.achieved[moved].mean()) if moved.any() else None,
        "cost_before": before.as_dict(before),
        "cost": after.as_dict(after),
        "not_reached": [ids[user] for user in solved.users[~solved.reached]],
        "filtered": [ids[user] for user in found.filtered],
        "neurons": _amounts(solved, run.neurons),
        "compared_users": len(sample),
        "ways": [way.as_dict(ways[0]) for way in ways],
        **effect,
    }
    return facts, lambda name: written(steering, found.step, run.home.amounts(name))


def _by_id(run: "Run", goal: str) -> str:
    """`reach(TITLE,30)>=0.5` with the item's id in the place of its title; any other goal as it is."""
    from engine.inspector import item_number

    found = re.fullmatch(r"(\s*reach\s*\()(.+?)((?:,\s*[0-9]+)?\s*\)\s*>=.*)", goal, re.I)
    if found is None:
        return goal
    return found[1] + run.recommender.items.ids[item_number(run, found[2].strip())] + found[3]


def _amounts(solved: "Solved", neurons: Sequence["Neuron"]) -> list[dict[str, Any]]:
    """How the edit uses each neuron, the most moved first."""
    found = []
    for neuron in neurons:
        change = solved.change_um[:, neuron.neuron]
        used = change != 0
        if used.any():
            mean = float(change[used].mean())
            found.append(
                {
                    "neuron": neuron.neuron,
                    "concept": neuron.concept,
                    "users": int(used.sum()),
                    "mean": mean,
                    "mean_p99": mean / neuron.p99_users if neuron.p99_users else None,
                    "size": float(np.abs(change).mean()),
                }
            )
    return sorted(found, key=lambda row: -row["size"])


NEURONS_SHOWN = 10


def show_goal(facts: Mapping[str, Any]) -> None:
    """What was asked, what was reached, with which neurons, and what the other ways would have cost."""
    from workbench.tables import percent, say, show

    before, after = facts["cost_before"], facts["cost"]
    about, k = facts["about"], facts["k"]
    rest = f"the rest of their lists keeps RBO {_figure(after['rbo_of_the_rest'])} (1 = unchanged)"
    if facts["goal"].startswith("reach"):
        seen = (facts[arm]["reach"]["edited_items"][0]["users"] for arm in ("before", "after"))
        moved = "{:,} to {:,} users have it in".format(*seen)
    else:
        moved = f"it goes from {percent(before['share'])} to {percent(after['share'])} of"
    say(
        f"{facts['goal']} for {facts['users']:,} users: reached for {percent(after['reached'])} of them. "
        f"{about}: {moved} the top {k}; {rest}."
    )
    if facts["predicted"] is not None:
        say(
            f"Distance to the goal, mean over the users moved: {facts['predicted']:.2f} of affinity predicted by the "
            f"gradients, {facts['achieved']:.2f} achieved."
        )
    show(
        "The edit, mean over the users whom it moves",
        ("neuron", "concept", "users", "mean change", "in p99"),
        [
            (row["neuron"], row["concept"] or "?", row["users"], f"{row['mean']:+.2f}", _signed(row["mean_p99"]))
            for row in facts["neurons"][:NEURONS_SHOWN]
        ],
        "neuron, users, mean change, in p99",
    )
    if len(facts["neurons"]) > NEURONS_SHOWN:
        each = facts["neurons_at_most"]
        few = f"at most {each} for a user" if each else "--neurons-at-most 8 keeps to a few for each user"
        say(f"and {len(facts['neurons']) - NEURONS_SHOWN} neurons that move less; {few}.")
    show(
        f"Ways to the goal, on {facts['compared_users']} of the users",
        ("way", "reached", "RBO of rest", "solved ahead", "NDCG@10", "R@20 rest", "drift"),
        [
            (
                way["way"],
                percent(way["reached"]),
                _figure(way["rbo_of_the_rest"]),
                _interval(way["solved_ahead"]),
                way["ndcg10"],
                way["recall20_of_the_rest"],
                f"{way['drift_of_other_concepts']:.3f}",
            )
            for way in facts["ways"]
        ],
        "reached, RBO of rest, solved ahead, NDCG@10, R@20 rest, drift",
    )
    say(
        f"Without an edit: NDCG@10 {_figure(before['ndcg10'])}, recall@20 of the rest "
        f"{_figure(before['recall20_of_the_rest'])}. Every way gets the smallest strength that reaches each user's "
        "goal; solved ahead: RBO of the rest, paired over users whom both reach, 95 % interval."
    )
    say(_advice(facts))


def _advice(facts: Mapping[str, Any]) -> str:
    from engine.steering.costs import filter_suffices

    ways = {way["way"]: way for way in facts["ways"]}
    solved, filtered = ways["solved"], ways["filter"]
    n = len(facts["filtered"])
    left = f"{n} user{'s' if n > 1 else ''} cannot reach the goal by an edit: a filter serves them. " if n else ""
    if filter_suffices(solved, filtered):
        return left + (
            "A filter on the lists reaches this goal, moves nothing else and keeps as much held-out NDCG: unless the "
            "vectors themselves must change, filter."
        )
    return left + "A filter reaches this goal too and moves nothing else, but keeps less held-out NDCG than the edit."


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.2f}"


def _interval(value: Sequence[float] | None) -> str:
    return "" if value is None else f"{value[0]:+.2f} [{value[1]:+.2f}, {value[2]:+.2f}]"
