"""What a report shows of single neurons: one card each, without anybody's id unless it may hold them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.neurons import moves as moving
from engine.neurons import profile
from engine.neurons.evidence import chance_similarity, monosemanticity, surprise, top_items
from engine.neurons.table import CHOICE_DEPTH
from engine.report.disclosure import few
from engine.run import Run
from engine.session import State

if TYPE_CHECKING:
    from engine.inspector import Inspector

CARDS_AT_MOST = 100
"""Neurons with a card: all of most runs; of larger dictionaries those that a reader asks for first."""
TOP, CONCEPTS, MOVED, SEGMENTS, NEAR = 10, 6, 5, 4, 3
ALIKE = 30
"""Items that the likeness is over."""
OF_AN_ITEM = 5
"""Concepts told of an item: a song's listeners give it forty tags."""
SEGMENT_Q = 0.05
SEED = 0
"""Draws random directions and samples of users, so that a report reads the same twice."""


def chosen(run: Run, state: State) -> list[int]:
    """Neurons with a card, ascending: edited, marked and labelled ones first, then the purest with a name."""
    edited = {edit["neuron"] for edit in state.edits if "neuron" in edit}
    marked = {int(name) for kind, name in state.bookmarks if kind == "neuron" and name.isdigit()}
    first = edited | marked | {n for n, label in state.labels.items() if label.state in ("human", "rejected")}
    order = sorted(
        range(len(run.neurons)),
        key=lambda n: (
            n not in first,
            run.neurons[n].dead,
            run.neurons[n].named_by is None,
            -(run.neurons[n].purity20 or 0.0),
            run.neurons[n].q if run.neurons[n].q is not None else 1.0,
            n,
        ),
    )
    return sorted(order[:CARDS_AT_MOST])


class Cards:
    """Cards of one run; what many neurons share is computed once."""

    def __init__(self, inspector: "Inspector", with_users: bool, cohorts: Collection[str] = ()) -> None:
        """`cohorts` are those of the analyst's that are told of."""
        self._inspector, self._run, self._with_users = inspector, inspector.run, with_users
        self._groups = self._groups_of(cohorts)
        self._dot = self._run.recommender.scorer.kind == "dot"
        joined = inspector.joined
        self._by_chance = profile.cosine_by_chance(self._run.sae.w_md)
        # For a dot product the null grows with the length of the step, so that one drawing serves every neuron.
        self._null = (
            moving.null_of_moves(self._run.recommender, 1.0, inspector.eligible, joined.concepts, SEED)
            if joined is not None and self._dot
            else np.empty(0)
        )

    def all(self, numbers: Sequence[int], told: Callable[[int, int], None]) -> dict[int, dict[str, Any]]:
        """The cards of `numbers`; `told` hears how many are done, and of how many."""
        found, likeness = {}, self._likeness(numbers)
        for done, number in enumerate(numbers, 1):
            found[number] = self.card(number) | likeness[number]
            told(done, len(numbers))
        return found

    def card(self, number: int) -> dict[str, Any]:
        """Concepts, histogram, what it moves, for whom, and its neighbours; None where unknown."""
        run, inspector = self._run, self._inspector
        z_i, z_u = inspector.z_im[:, number], inspector.z_um[:, number]
        items, users = run.top_of(z_i, z_u, TOP)
        concepts = _concepts(run, number)
        own = [run.neurons[number].concept, *(one["concept"] for one in concepts)]
        return {
            "items": [item | _few_concepts(item["concepts"], own) for item in items],
            "users": users if self._with_users else None,
            "concepts": concepts,
            "histogram": asdict(profile.histogram(z_i, inspector.eligible)),
            "segments": self._segments(z_u),
            "moves": self._moves(number),
            "neighbours": self._neighbours(number),
            "named_by_concept": run.neurons[number].named_by is not None,
        }

    def _likeness(self, numbers: Sequence[int]) -> dict[int, dict[str, float | None]]:
        """How alike the top items of each neuron are, beside any two items, without what all vectors share.

        Short vectors, of items that the recommender knows little of, point along their common mean: with it in, any
        two items are more alike than the top items of most neurons (.42 to .31 on Last.FM).
        """
        inspector = self._inspector
        x = self._run.recommender.items.vectors[inspector.eligible]
        x = x - x.mean(axis=0)
        z = inspector.z_im[inspector.eligible][:, list(numbers)]
        scores = monosemanticity(top_items(z, np.ones(len(z), bool), ALIKE), z, x)
        chance = _finite(chance_similarity(x))
        return {
            number: {"likeness": _finite(score), "likeness_chance": chance}
            for number, score in zip(numbers, scores, strict=True)
        }

    def _neighbours(self, number: int) -> list[dict[str, Any]]:
        """The nearest neurons, of those that are nearer than the nearest of as many random directions would be."""
        run, inspector = self._run, self._inspector
        near = profile.near_neurons(run.sae.w_md, inspector.z_im, inspector.eligible, number, NEAR)
        return [asdict(one) for one in near if one.cosine > self._by_chance]

    def _segments(self, z_u: np.ndarray) -> list[dict[str, Any]] | None:
        """Groups of ten users and more that differ from everyone else, who are ten and more too.

        The analyst's cohorts are left out unless an edit is for them: a report is of its session, in any home.
        """
        joined = self._inspector.joined
        if joined is None or not (joined.columns or joined.cohorts):
            return None
        known = self._run.recommender.users.known
        found = profile.segments_of(z_u, known, self._groups)
        everyone = int(known.sum())
        return [
            self._segment(one)
            for one in found
            if one.q < SEGMENT_Q and one.difference is not None and (self._with_users or not few(one.users, everyone))
        ][:SEGMENTS]

    def _groups_of(self, cohorts: Collection[str]) -> profile.Groups:
        joined = self._inspector.joined
        if joined is None:
            return []
        told = {name: users for name, users in joined.cohorts.items() if name in cohorts}
        return profile.groups_of(self._run.recommender.users.known, joined.columns, told)[0]

    def _segment(self, one: profile.Segment) -> dict[str, Any]:
        kept_back = not self._with_users and few(round(one.active * one.users), one.users)
        return asdict(one) | {"active": None if kept_back else one.active}

    def _moves(self, number: int) -> dict[str, Any] | None:
        """Items and concepts that gain and lose when users are raised by one unit; None where no user is active."""
        run, inspector, unit = self._run, self._inspector, self._run.neurons[number].p99_users
        if unit is None:
            return None
        found = moving.moves(run.recommender, run.sae, number, "users", unit, SEED)
        order = np.flatnonzero(inspector.eligible)
        order = order[np.argsort(-found.mean[order], kind="stable")].tolist()
        told: dict[str, Any] = {
            "unit": found.unit,
            "exact": found.exact,
            "sample": found.sample,
            "gained": [self._moved(found, n) for n in order[:MOVED] if found.mean[n] > 0],
            "lost": [self._moved(found, n) for n in order[::-1][:MOVED] if found.mean[n] < 0],
            "concepts_gained": [],
            "concepts_lost": [],
            "null_share": None,
        }
        if inspector.joined is not None:
            moved = moving.concept_moves(found.mean, inspector.eligible, inspector.joined.concepts)
            told["concepts_gained"] = [asdict(one) for one in moved[:MOVED] if one.excess > 0]
            told["concepts_lost"] = [asdict(one) for one in moved[::-1][:MOVED] if one.excess < 0]
            if moved and len(self._null):
                code = np.zeros((1, run.sae.neurons), np.float32)
                code[0, number] = unit
                length = float(np.linalg.norm(run.sae.shift(code, "users")))
                told["null_share"] = moving.share_at_or_above(moved[0].excess, self._null * length)
        return told

    def _moved(self, found: moving.Moves, item: int) -> dict[str, Any]:
        return {
            "item_id": self._run.recommender.items.ids[item],
            "title": self._run.texts["title"][item],
            **{name: float(getattr(found, where)[item]) for name, where in _CHANGE.items()},
        }


_CHANGE = {"change": "mean", "low": "low", "high": "high"}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _few_concepts(carried: Sequence[str], first: Sequence[str | None]) -> dict[str, Any]:
    """`OF_AN_ITEM` of an item's concepts, those of `first` before the others, and how many more it has."""
    order = [*dict.fromkeys(one for one in first if one in carried), *(one for one in carried if one not in first)]
    return {"few": order[:OF_AN_ITEM], "more": len(order[OF_AN_ITEM:])}


def _concepts(run: Run, number: int) -> list[dict[str, Any]]:
    """The concepts that a neuron's top 20 carry most beyond their base rate, by surprise; none with fewer items."""
    if f"hits{CHOICE_DEPTH}" not in run.screen or not run.reach:
        return []
    hits = run.screen[f"hits{CHOICE_DEPTH}"][number].astype(np.int64)
    base = np.array([one.base_rate for one in run.reach])
    score = surprise(hits, CHOICE_DEPTH, base)
    order = [int(c) for c in np.argsort(-score, kind="stable")[:CONCEPTS] if hits[c] > 0 and score[c] > 0]
    return [
        {
            "concept": run.reach[c].concept,
            "purity": float(hits[c] / CHOICE_DEPTH),
            "base_rate": run.reach[c].base_rate,
            "lift": float(hits[c] / CHOICE_DEPTH / run.reach[c].base_rate),
        }
        for c in order
    ]
