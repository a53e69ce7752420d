"""What it costs to reach one goal in different ways: solved edits beside directions, one neuron, and a filter.

Every way gets, for each user, the smallest strength that reaches the goal; then they are compared on what they did to
the rest of the list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.fidelity import rbo
from engine.neurons.concept import concept_neurons
from engine.neurons.standing import paired_interval
from engine.recommenders.ranking import Candidates, Histories, masked_affinities, mean, ndcg, ranked_lists, top_k
from engine.sae.model import SparseAutoencoder
from engine.steering.edits import Step
from engine.steering.effect import Steering
from engine.steering.goals import Goal
from engine.steering.solve import Solved, directions, reach_along, solve

SOLVED = "solved"
FILTER = "filter"
NEURONS = (8, 4, 2)
"""Sizes of the short solved edits that are compared."""


@dataclass(frozen=True)
class Cost:
    """What one way of reaching a goal did to a cohort. Arrays go by the cohort's users."""

    name: str
    reached: np.ndarray
    rbo_rest: np.ndarray
    """Of the lists without the concept's items, before against after (extrapolated)."""
    share: float
    """The concept's share of all list places afterwards."""
    ndcg10: float | None
    """On held-out items, over the users that have some."""
    recall_rest: np.ndarray
    """Recall@20 of held-out items outside the concept, in lists without the concept's items; nan without such items."""
    drift: np.ndarray
    """Mean change of the other concepts' shares of the lists without the concept's items."""

    def as_dict(self, best: "Cost") -> dict[str, Any]:
        """Plain values; `ahead` is how much more of the rest `best` keeps, over users whom both reach."""
        both = self.reached & best.reached
        ahead = None
        if self is not best and both.any():
            ahead = paired_interval(best.rbo_rest[both], self.rbo_rest[both])
        return {
            "way": self.name,
            "reached": float(self.reached.mean()),
            "rbo_of_the_rest": mean(self.rbo_rest[self.reached]),
            "solved_ahead": ahead,
            "share": self.share,
            "ndcg10": self.ndcg10,
            "recall20_of_the_rest": mean(self.recall_rest[~np.isnan(self.recall_rest)]),
            "drift_of_other_concepts": float(self.drift.mean()),
        }


def cost_of(steering: Steering, goal: Goal, solved: Solved, k: int = 30) -> tuple[Cost, Cost]:
    """The lists of a solved edit's users as they were, and what the edit did to them."""
    scale = _Scale(steering, goal.concept, _member(steering, goal), solved.users, k)
    before = scale.cost("before", None, np.ones(len(solved.users), bool))
    return before, scale.cost(SOLVED, solved.delta_ud, solved.reached)


def unedited(steering: Steering, goal: Goal, users: np.ndarray, k: int = 30) -> Cost:
    """The lists of `users` as they are."""
    scale = _Scale(steering, goal.concept, _member(steering, goal), users, k)
    return scale.cost("before", None, np.ones(len(users), bool))


def _member(steering: Steering, goal: Goal) -> np.ndarray:
    return goal.member(steering.concepts, len(steering.titles))


def beside_a_filter(
    steering: Steering,
    goal: Goal,
    users: np.ndarray,
    amounts_um: np.ndarray,
    reached: np.ndarray,
    k: int = 30,
    below: Sequence[Step] = (),
) -> tuple[Cost, Cost]:
    """A solved edit's amounts on top of the edits `below`, and a filter that reaches the same goal without them.

    `reached` says whom the amounts bring to the goal; all arrays go by the `users` (ascending).
    """
    edited = steering.edit(below, users=users)
    on = replace(steering, recommender=edited.recommender, candidates=edited.among(steering.candidates))
    scale = _Scale(on, goal.concept, _member(on, goal), users, k)
    return scale.cost(SOLVED, on.sae.shift(amounts_um, "users"), reached), scale.filtered(goal)


def filter_suffices(solved: Mapping[str, Any], filtered: Mapping[str, Any]) -> bool:
    """Whether a filter reaches the goal for as many and keeps as much held-out NDCG, of two costs as plain values."""
    return filtered["reached"] >= solved["reached"] and (filtered["ndcg10"] or 0) >= (solved["ndcg10"] or 0)


def compare_ways(
    steering: Steering,
    goal: Goal,
    users: np.ndarray,
    k: int = 30,
    neurons_at_most: int | None = None,
    seed: int = 0,
    pooled: bool = False,
) -> list[Cost]:
    """Reach `goal` for `users` in every way that there is, the edit that `solve` finds as asked first.

    Raises `EditError` as `solve` does.
    """
    member = _member(steering, goal)
    asked = (steering.recommender, steering.sae, steering.candidates, member, goal, users, k)
    solved = solve(*asked, neurons_at_most=neurons_at_most, seed=seed, pooled=pooled)
    scale = _Scale(steering, goal.concept, member, users, k)
    ways = [scale.cost(SOLVED, solved.delta_ud, solved.reached)]
    for n in (None, *NEURONS):
        if (n != neurons_at_most or pooled) and (n is None or n < steering.sae.neurons):
            other = solve(*asked, neurons_at_most=n, seed=seed)
            ways.append(scale.cost(f"solved, {n or 'all'} neurons", other.delta_ud, other.reached))
    if not pooled or neurons_at_most is not None:
        together = solve(*asked, seed=seed, pooled=True)
        ways.append(scale.cost("pooled", together.delta_ud, together.reached))
    for name, direction in _directions(steering, goal, member, seed).items():
        delta, reached = reach_along(steering.recommender, steering.candidates, member, goal, users, k, direction, seed)
        ways.append(scale.cost(name, delta, reached))
    ways.append(scale.filtered(goal))
    return ways


def _directions(steering: Steering, goal: Goal, member: np.ndarray, seed: int) -> Mapping[str, np.ndarray]:
    """Rival directions for users' vectors, one for everybody, pointing where the goal wants to go.

    Those of items need a space that users share: as it is under a dot product or a cosine, else by the rotation that
    the SAE was trained with ("rotated"); without one there are none. Those of users tell who has more of the concept in
    their history than the mean user.
    """
    sae, users, eligible = steering.sae, steering.recommender.users, steering.candidates.eligible
    found: dict[str, np.ndarray] = {}
    if sae.sides["users"].rotation is not None or steering.recommender.scorer.kind in ("dot", "cosine"):
        suffix = "" if sae.sides["users"].rotation is None else ", rotated"
        of_items = _telling(steering.recommender.items.vectors[eligible], member[eligible])
        found |= {f"{name} of items{suffix}": _for_users(sae, one) for name, one in of_items.items()}
    rows, items = steering.candidates.seen.cells(np.arange(len(users.ids)))
    lengths = np.bincount(rows, minlength=len(users.ids))
    share = np.bincount(rows, member[items], len(users.ids)) / np.maximum(lengths, 1)
    told = users.known & (lengths > 0)
    of_users = _telling(users.vectors[told], share[told] > share[told].mean()) if told.any() else {}
    found |= {f"{name} of users": one for name, one in of_users.items()}
    rows_md = directions(sae)
    z_im = sae.encode(steering.recommender.items.vectors, "items")
    own = concept_neurons(z_im, eligible, member)[0].neuron
    found["one neuron"] = rows_md[own]
    rest = [n.neuron for n in steering.neurons if n.neuron != own and not n.dead]
    if rest:
        found["random neuron"] = rows_md[int(np.random.default_rng(seed).choice(rest))]
    sign = 1 if goal.up else -1
    return {name: sign * direction / max(float(np.linalg.norm(direction)), 1e-12) for name, direction in found.items()}


def _telling(e_nd: np.ndarray, member_n: np.ndarray) -> dict[str, np.ndarray]:
    """Directions (d) that tell the members' vectors from the others'; none where all are alike."""
    from sklearn.linear_model import LogisticRegression

    if member_n.all() or not member_n.any():
        return {}
    e_nd = e_nd.astype(np.float64)
    spread = e_nd.std(axis=0) + 1e-12
    probe = LogisticRegression(C=0.1, max_iter=1000).fit(e_nd / spread, member_n)
    return {
        "difference of means": e_nd[member_n].mean(0) - e_nd[~member_n].mean(0),
        "logistic probe": probe.coef_[0] / spread,
    }


def _for_users(sae: SparseAutoencoder, direction: np.ndarray) -> np.ndarray:
    """A direction among items as one among users, by way of the SAE's space where it rotates one of the two."""
    if sae.sides["users"].rotation is None:
        return direction
    items = sae.sides["items"]
    return np.asarray(sae.sides["users"].outward((items.inward(items.mean + direction))[None])[0])


class _Scale:
    """Measures ways on one cohort: what does not depend on the way is computed once."""

    def __init__(self, steering: Steering, concept: str, member: np.ndarray, users: np.ndarray, k: int) -> None:
        self._steering, self._member, self._users, self._k = steering, member, users, k
        candidates = steering.candidates
        self._rest = Candidates(candidates.seen, candidates.eligible & ~member)
        self._others = [one.member for one in steering.concepts if one.name != concept]
        self._first = ranked_lists(steering.recommender, candidates, users, k)
        self._rest_first = ranked_lists(steering.recommender, self._rest, users, k)
        rows, items = steering.held_out.cells(np.arange(len(steering.recommender.users.ids)))
        kept = ~member[items]
        self._held_out_rest = Histories.of(rows[kept], items[kept], len(steering.recommender.users.ids))

    def cost(self, name: str, delta_ud: np.ndarray | None, reached: np.ndarray) -> Cost:
        """The cost of a change of vectors (None: of no change)."""
        if delta_ud is None:
            return self._cost(name, self._first, self._rest_first, reached)
        steering = self._steering
        edited = (steering.recommender.users.vectors[self._users] + delta_ud).astype(np.float32)
        lists = ranked_lists(steering.recommender, steering.candidates, self._users, self._k, edited)
        rest = ranked_lists(steering.recommender, self._rest, self._users, self._k, edited)
        return self._cost(name, lists, rest, reached)

    def filtered(self, goal: Goal) -> Cost:
        """A quota on the list itself: surplus items of the concept go, or its best are put in for the last others."""
        steering, k = self._steering, self._k
        lists = np.full_like(self._first, -1)
        for part, affinity in masked_affinities(steering.recommender, steering.candidates, self._users):
            members = np.where(self._member, affinity, -np.inf)
            others = np.where(self._member, -np.inf, affinity)
            first = self._first[part]
            counts = (self._member[first] & (first >= 0)).sum(axis=1)
            bounds = goal.bounds(counts, (first >= 0).sum(axis=1))
            best_members, best_others = top_k(members, k), top_k(others, k)
            for row, bound in enumerate(np.where(goal.met(counts, bounds), counts, bounds)):
                chosen = np.concatenate([best_members[row][:bound], best_others[row][: k - bound]])
                chosen = chosen[chosen >= 0]
                order = np.argsort(-affinity[row, chosen], kind="stable")
                lists[part.start + row, : len(chosen)] = chosen[order]
        counts = (self._member[lists] & (lists >= 0)).sum(axis=1)
        before = (self._member[self._first] & (self._first >= 0)).sum(axis=1)
        bounds = goal.bounds(before, (self._first >= 0).sum(axis=1))
        return self._cost(FILTER, lists, self._rest_first, goal.met(counts, bounds))

    def _cost(self, name: str, lists: np.ndarray, rest: np.ndarray, reached: np.ndarray) -> Cost:
        held_out, users = self._steering.held_out, self._users
        tested = held_out.lengths()[users] > 0
        drift = np.abs(self._shares(rest) - self._shares(self._rest_first))
        places = lists[lists >= 0]
        return Cost(
            name=name,
            reached=reached,
            rbo_rest=rbo(self._rest_first, rest),
            share=float(self._member[places].mean()) if len(places) else 0.0,
            ndcg10=mean(ndcg(lists[tested], held_out, users[tested])),
            recall_rest=_recall(rest[:, :20], self._held_out_rest, users),
            drift=drift.mean(axis=0) if len(drift) else np.zeros(len(users)),
        )

    def _shares(self, lists: np.ndarray) -> np.ndarray:
        """Share of each user's list places that carry each other concept (concepts × users)."""
        there = lists >= 0
        lengths = np.maximum(there.sum(axis=1), 1)
        return np.array([(member[lists] & there).sum(axis=1) / lengths for member in self._others])


def _recall(lists: np.ndarray, held_out: Histories, users: np.ndarray) -> np.ndarray:
    rows, items = held_out.cells(users)
    found = (lists[rows] == items[:, None]).any(axis=1)
    lengths = held_out.lengths()[users]
    hits = np.bincount(rows, found, len(users))
    return np.divide(hits, lengths, out=np.full(len(users), np.nan), where=lengths > 0)
