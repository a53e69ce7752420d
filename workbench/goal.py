"""`steer --goal`: a goal solved for a cohort, as facts and on the screen."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import EditError

if TYPE_CHECKING:
    from engine.neurons.table import Neuron
    from engine.run import Run
    from engine.steering.solve import Solved

COMPARED_USERS = 300
"""Users of a cohort, drawn by a seed, on whom the other ways to the goal are tried."""


def goal_facts(run: "Run", goal: str, users: str, k: int, neurons_at_most: int | None) -> dict[str, Any]:
    """The solved edit of the cohort that the predicate `users` names, beside the other ways to the same goal."""
    from engine.steering.costs import compare_ways, cost_of
    from engine.steering.goals import Goal
    from engine.steering.solve import solve

    with run.catalogue() as catalogue:
        steering = run.steering(catalogue)
        asked = Goal.parse(goal, steering.concepts)
        matching = catalogue.match_users(users)
    cohort = matching[run.recommender.users.known[matching]]
    if not len(cohort):
        raise EditError(f"No user matches {users!r}, so there is nobody to steer; widen the predicate.")
    member = next(concept.member for concept in steering.concepts if concept.name == asked.concept)
    solved = solve(
        run.recommender, run.sae, steering.candidates, member, asked, cohort, k, neurons_at_most=neurons_at_most
    )
    before, after = cost_of(steering, asked, solved, k)
    sample = cohort
    if len(cohort) > COMPARED_USERS:
        sample = np.sort(np.random.default_rng(0).choice(cohort, COMPARED_USERS, replace=False))
    ways = compare_ways(steering, asked, sample, k, neurons_at_most)
    wanting = solved.users[~solved.reached]
    return {
        "run": run.name,
        "goal": str(asked),
        "cohort": users,
        "k": k,
        "users": len(cohort),
        "active_set": float(solved.active_set.mean()),
        "before": before.as_dict(before),
        "after": after.as_dict(after),
        "not_reached": [run.recommender.users.ids[user] for user in wanting],
        "neurons": _amounts(solved, run.neurons),
        "compared_users": len(sample),
        "ways": [way.as_dict(ways[0]) for way in ways],
    }


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

    before, after = facts["before"], facts["after"]
    concept, k = facts["goal"].split("(", 1)[1].rsplit(")", 1)[0], facts["k"]
    say(
        f"{facts['goal']} for {facts['users']:,} users: reached for {percent(after['reached'])} of them. "
        f"{concept} goes from {percent(before['share'])} to {percent(after['share'])} of the top {k}; "
        f"the rest of their lists keeps RBO {_figure(after['rbo_of_the_rest'])} (1 = unchanged)."
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
        say(f"and {len(facts['neurons']) - NEURONS_SHOWN} neurons that move less; --neurons-at-most 8 keeps to a few.")
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
    ways = {way["way"]: way for way in facts["ways"]}
    solved, filtered = ways["solved"], ways["filter"]
    left = f"{len(facts['not_reached'])} users cannot reach the goal by an edit; a filter can serve them. "
    left = left if facts["not_reached"] else ""
    better = filtered["reached"] >= solved["reached"] and (filtered["ndcg10"] or 0) >= (solved["ndcg10"] or 0)
    if better:
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
