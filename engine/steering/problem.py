"""What a solved edit has to do for some users: which items should stay, which should move, and what a change does.

A problem looks at a working set: the head of each user's list without the concept, the concept's best items, and a
sample of the rest. What is found there is checked on the whole ranking (`served`), and tried again on wider sets for
whom something from outside came in. Affinities after a change are the recommender's own; where it is a dot product
they are the old ones and a product, exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from engine.fidelity import rbo
from engine.recommenders.ranking import Candidates, top_k
from engine.recommenders.recommender import Recommender
from engine.steering.goals import Goal

USERS_AT_ONCE = 256
KEPT_ITEMS, PUSHED_ITEMS = 100, 60
"""Items of the head without the concept, and of the concept, of each user."""
WIDE_ITEMS = 2000
"""Both, where that is not enough."""
KEPT_DECAY = 0.9
SAMPLED_ITEMS = 150
SAMPLED_WEIGHT = 0.1
"""Weight of all the sampled items together; the head's add up to 1."""
FLAT = 1e-9
"""The ridge at least: where a scorer is flat (every ReLU of a user's is off), A is 0."""
RIDGE = 0.005
"""Of the mean diagonal of A."""
SPARE = 1e-5
"""By how much of the largest affinity a goal is overshot: lists are ranked in single precision."""

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Affinities:
    """Of each user with the items of the working set, after some change of their vectors; -inf where there are fewer
    items."""

    kept_uk: np.ndarray
    sampled_us: np.ndarray
    pushed_uc: np.ndarray

    def of(self, rows: np.ndarray) -> "Affinities":
        """Those of some of the users."""
        return Affinities(self.kept_uk[rows], self.sampled_us[rows], self.pushed_uc[rows])


@dataclass(frozen=True)
class Local:
    """The problem near one change x of each user's vector, as scores' gradients there see it.

    A further change d of the vectors costs d'Ad + 2 b'd, the change of the affinities that should stay where they were
    before any edit, apart from a shift that all share.
    """

    a_udd: np.ndarray
    b_ud: np.ndarray
    """0 where nothing is changed yet."""
    g_ud: np.ndarray
    """Gradient of the concept's mean affinity less that of the others."""


@dataclass(frozen=True)
class Problem:
    """What one edit has to do for some users, as arrays by their place in `users`."""

    recommender: Recommender
    candidates: Candidates
    member_i: np.ndarray
    users: np.ndarray
    bounds: np.ndarray
    """How many of the concept's items each list may or must hold."""
    depth: int
    up: bool
    before: Affinities
    kept_uk: np.ndarray
    """Items outside the concept at the top of each list; -1 where there are fewer."""
    sampled_s: np.ndarray
    pushed_uc: np.ndarray
    """The concept's best items; -1 where there are fewer."""

    @property
    def linear(self) -> bool:
        """Whether gradients are the same wherever a user's vector is."""
        return self.recommender.scorer.kind == "dot"

    @property
    def unchanged(self) -> np.ndarray:
        """No change of any vector (u × d)."""
        return np.zeros((len(self.users), self.recommender.users.vectors.shape[1]))

    @cached_property
    def start(self) -> Local:
        """The problem where nothing is changed yet."""
        return self.near(self.unchanged, self.before)

    def of(self, rows: np.ndarray) -> "Problem":
        """The problem of some of the users."""
        per_user = {name: getattr(self, name)[rows] for name in ("users", "bounds", "kept_uk", "pushed_uc")}
        return replace(self, before=self.before.of(rows), **per_user)

    def widened(self, rows: np.ndarray) -> "Problem":
        """The problem of some of the users on a far wider working set."""
        users = self.users[rows]
        whole, _ = _measured(self.recommender, self.candidates, users, self.recommender.users.vectors[users])
        kept_uk, pushed_uc, kept, pushed = _working_set(whole, self.member_i, max(WIDE_ITEMS, self.depth), WIDE_ITEMS)
        before = Affinities(kept, self.before.sampled_us[rows], pushed)
        return replace(self, users=users, bounds=self.bounds[rows], kept_uk=kept_uk, pushed_uc=pushed_uc, before=before)

    def affinities(self, delta_ud: np.ndarray, sampled: bool = False, head: int | None = None) -> Affinities:
        """Measured after a change of the users' vectors; of the sampled items only if asked for, and of the first
        `head` kept ones only where that is enough."""
        kept_uk, sampled_s = self.kept_uk[:, :head], self.sampled_s if sampled else _NONE
        if self.linear:
            delta = delta_ud.astype(np.float32)[..., None]
            return Affinities(
                self.before.kept_uk[:, :head] + np.matmul(self._kept_ukd[:, :head], delta)[..., 0],
                self.before.sampled_us[:, : len(sampled_s)] + delta_ud @ self.recommender.items.vectors[sampled_s].T,
                self.before.pushed_uc + np.matmul(self._pushed_ucd, delta)[..., 0],
            )
        recommender = self.recommender
        each_us = np.broadcast_to(sampled_s, (len(self.users), len(sampled_s)))
        items_un = np.concatenate([kept_uk, each_us, self.pushed_uc], axis=1)
        own = recommender.scorer.own(self._edited(delta_ud), recommender.items.vectors[items_un])
        own = own + recommender.items.bias[items_un] + recommender.users.bias[self.users, None]
        own = np.where(items_un >= 0, own, -np.inf)
        kept, last = kept_uk.shape[1], kept_uk.shape[1] + len(sampled_s)
        return Affinities(own[:, :kept], own[:, kept:last], own[:, last:])

    def expected(self, delta_ud: np.ndarray) -> Affinities:
        """What the gradients where nothing is changed yet let expect of a change."""
        if self.linear:
            return self.affinities(delta_ud, sampled=True)
        moved = np.einsum("und,ud->un", self._gradients(self.unchanged), delta_ud)
        kept, sampled, pushed = self._split(moved)
        before = self.before
        return Affinities(before.kept_uk + kept, before.sampled_us + sampled, before.pushed_uc + pushed)

    def served(self, delta_ud: np.ndarray) -> np.ndarray:
        """Which lists, made from the whole ranking with a change, keep to the goal."""
        now, _ = _measured(self.recommender, self.candidates, self.users, self._edited(delta_ud))
        lists = top_k(now, self.depth)
        counts = (self.member_i[lists] & (lists >= 0)).sum(axis=1)
        return counts >= self.bounds if self.up else counts <= self.bounds

    def gap(self, now: Affinities) -> np.ndarray:
        """How far each list is from its goal, in affinities; below 0 it is reached.

        At most b members in the top k: the member b + 1 is below the other k - b. At least b: the member b is above the
        other k - b + 1.
        """
        members, others = -np.sort(-now.pushed_uc, axis=1), -np.sort(-now.kept_uk, axis=1)
        k, b = self.depth, self.bounds
        with np.errstate(invalid="ignore"):  # -inf less -inf: what there is not neither enters nor has to leave
            if self.up:
                gap = _place(others, k - b) - _place(members, b - 1)
                gap = np.where(np.isnan(gap), np.inf, gap)
                return np.where(b <= 0, -np.inf, gap + self._spare)
            gap = _place(members, b) - _place(others, k - b - 1)
        gap = np.where(np.isnan(gap), -np.inf, gap)
        return np.where(b >= k, -np.inf, gap + self._spare)

    @cached_property
    def _spare(self) -> float:
        affinity = self.before.kept_uk
        return SPARE * float(np.abs(affinity, where=np.isfinite(affinity), out=np.zeros_like(affinity)).max(initial=1))

    def rest_kept(self, delta_ud: np.ndarray) -> np.ndarray:
        """RBO of each list without the concept's items, before against after."""
        best = top_k(self.affinities(delta_ud).kept_uk, self.depth)
        after = np.where(best >= 0, np.take_along_axis(self.kept_uk, np.maximum(best, 0), axis=1), -1)
        return rbo(self.kept_uk[:, : self.depth], after)

    def cut(self) -> np.ndarray:
        """The affinity of the other item that a member has to pass, without an edit."""
        return _place(self.before.kept_uk, np.maximum(self.depth - self.bounds - (0 if self.up else 1), 0))

    def near(self, delta_ud: np.ndarray, now: Affinities) -> Local:
        """The problem around a change of the vectors, after which the affinities are `now`."""
        kept, sampled, pushed_ucd = self._split(self._gradients(delta_ud))
        stay_und, weight_un = np.concatenate([kept, sampled], axis=1), self._weights()
        moved_un = np.concatenate(
            [_change(now.kept_uk, self.before.kept_uk), _change(now.sampled_us, self.before.sampled_us)], axis=1
        )
        total = weight_un.sum(axis=1, keepdims=True)
        mean_ud = np.einsum("un,und->ud", weight_un, stay_und) / total
        shift_u = (weight_un * moved_un).sum(axis=1, keepdims=True) / total
        a_udd = gram(stay_und, weight_un) - total[:, :, None] * mean_ud[:, :, None] * mean_ud[:, None, :]
        d = a_udd.shape[1]
        ridge_u = np.maximum(RIDGE / d * np.trace(a_udd, axis1=1, axis2=2), FLAT)
        off_un = weight_un * (moved_un - shift_u)
        b_ud = np.einsum("un,und->ud", off_un, stay_und) + ridge_u[:, None] * delta_ud
        share_uc = self._shares(now.pushed_uc - shift_u)
        return Local(
            a_udd=a_udd + ridge_u[:, None, None] * np.eye(d),
            b_ud=b_ud,
            g_ud=np.einsum("uc,ucd->ud", share_uc, pushed_ucd) - share_uc.sum(axis=1, keepdims=True) * mean_ud,
        )

    def head_gradients(self, delta_ud: np.ndarray, items: int) -> tuple[np.ndarray, np.ndarray]:
        """Of the first so many kept items, and of those pushed."""
        if self.linear:
            return self._kept_ukd[:, :items], self._pushed_ucd
        items_un = np.concatenate([self.kept_uk[:, :items], self.pushed_uc], axis=1)
        found = self.recommender.scorer.user_gradients(self._edited(delta_ud), self.recommender.items.vectors[items_un])
        return found[:, : -self.pushed_uc.shape[1]], found[:, -self.pushed_uc.shape[1] :]

    def _gradients(self, delta_ud: np.ndarray) -> np.ndarray:
        """Of the items that are kept, sampled and pushed, in this order."""
        items_un = np.concatenate([self.kept_uk, self._sampled_us, self.pushed_uc], axis=1)
        e_und = self.recommender.items.vectors[items_un]
        return self.recommender.scorer.user_gradients(self._edited(delta_ud), e_und)

    def _split(self, of_un: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        kept = self.kept_uk.shape[1]
        sampled = kept + len(self.sampled_s)
        return of_un[:, :kept], of_un[:, kept:sampled], of_un[:, sampled:]

    @property
    def _sampled_us(self) -> np.ndarray:
        return np.broadcast_to(self.sampled_s, (len(self.users), len(self.sampled_s)))

    @cached_property
    def _kept_ukd(self) -> np.ndarray:
        return self.recommender.items.vectors[self.kept_uk]

    @cached_property
    def _pushed_ucd(self) -> np.ndarray:
        return self.recommender.items.vectors[self.pushed_uc]

    def _edited(self, delta_ud: np.ndarray) -> np.ndarray:
        return (self.recommender.users.vectors[self.users] + delta_ud).astype(np.float32)

    def _weights(self) -> np.ndarray:
        """Of the items that are kept, and of those sampled."""
        weight_uk = np.where(self.kept_uk >= 0, KEPT_DECAY ** np.arange(self.kept_uk.shape[1]), 0.0)
        weight_uk /= np.maximum(weight_uk.sum(axis=1, keepdims=True), 1e-12)
        each = SAMPLED_WEIGHT / max(len(self.sampled_s), 1)
        return np.concatenate([weight_uk, np.full((len(weight_uk), len(self.sampled_s)), each)], axis=1)

    def _shares(self, pushed_uc: np.ndarray) -> np.ndarray:
        """Of the concept's best items in its mean: the higher ranked, the more.

        On a walk up, shares that grew with what was raised before would raise the same few items on and on; all that
        are above the cut count alike then.
        """
        log = pushed_uc if self.linear or not self.up else -np.logaddexp(0, self.cut()[:, None] - pushed_uc)
        most = log.max(axis=1, keepdims=True, initial=-np.inf)
        share_uc = np.exp(log - np.where(np.isfinite(most), most, 0.0))
        return np.asarray(share_uc / np.maximum(share_uc.sum(axis=1, keepdims=True), 1e-12))


def _change(now_un: np.ndarray, before_un: np.ndarray) -> np.ndarray:
    """0 where there is no item."""
    there = np.isfinite(before_un)
    return np.subtract(now_un, before_un, where=there, out=np.zeros_like(before_un, dtype=np.float64))


def _place(sorted_un: np.ndarray, place_u: np.ndarray) -> np.ndarray:
    """The value of each row at a place (0-based); -inf beyond its end, anything before its start."""
    width = sorted_un.shape[1]
    if not width:
        return np.full(len(sorted_un), -np.inf)
    found = np.take_along_axis(sorted_un, np.clip(place_u, 0, width - 1)[:, None], axis=1)[:, 0]
    return np.where(place_u >= width, -np.inf, found)


def gram(v_und: np.ndarray, weight_un: np.ndarray) -> np.ndarray:
    """Weighted sum of each user's v v' (u × d × d)."""
    weighted = v_und * weight_un[..., None].astype(v_und.dtype)
    return np.matmul(weighted.transpose(0, 2, 1), v_und).astype(np.float64)


def _measured(
    recommender: Recommender,
    candidates: Candidates,
    users: np.ndarray,
    e_ud: np.ndarray,
    sampled_s: np.ndarray = _NONE,
) -> tuple[np.ndarray, np.ndarray]:
    """Affinities (u × items) of edited users, -inf at what may not be recommended; and those with the sampled items."""
    affinity_ui = recommender.affinities(users, e_ud)
    sampled_us = affinity_ui[:, sampled_s]
    return candidates.mask(affinity_ui, users), sampled_us


def _working_set(
    whole_ui: np.ndarray, member_i: np.ndarray, kept: int, pushed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The head without the concept, the concept's best, and the affinities of both."""
    items, values = [], []
    for own, n in ((np.flatnonzero(~member_i), kept), (np.flatnonzero(member_i), pushed)):
        affinity = whole_ui[:, own]
        best = top_k(affinity, n)
        there = best >= 0
        items.append(np.where(there, own[best], -1))
        values.append(np.where(there, np.take_along_axis(affinity, np.maximum(best, 0), axis=1), -np.inf))
    return items[0], items[1], values[0], values[1]


def problems(
    recommender: Recommender,
    candidates: Candidates,
    member_i: np.ndarray,
    goal: Goal,
    users: np.ndarray,
    k: int,
    seed: int = 0,
) -> Iterator[tuple[slice, Problem]]:
    """The problems of `users`, some hundred at a time."""
    outside = np.flatnonzero(candidates.eligible & ~member_i)
    rng = np.random.default_rng(seed)
    sampled_s = rng.choice(outside, min(SAMPLED_ITEMS, len(outside)), replace=False)
    for start in range(0, len(users), USERS_AT_ONCE):
        part = slice(start, start + USERS_AT_ONCE)
        e_ud = recommender.users.vectors[users[part]]
        whole, sampled_us = _measured(recommender, candidates, users[part], e_ud, sampled_s)
        lists = top_k(whole, k)
        counts = (member_i[lists] & (lists >= 0)).sum(axis=1)
        bounds = goal.bounds(counts, (lists >= 0).sum(axis=1))
        # A list that keeps to its goal already is held to what it has, so that its bound asks for nothing.
        bounds = np.where(goal.met(counts, bounds), counts, bounds)
        kept_uk, pushed_uc, kept, pushed = _working_set(whole, member_i, max(KEPT_ITEMS, 2 * k), PUSHED_ITEMS)
        yield (
            part,
            Problem(
                recommender=recommender,
                candidates=candidates,
                member_i=member_i,
                users=users[part],
                bounds=bounds,
                depth=k,
                up=goal.up,
                before=Affinities(kept, sampled_us, pushed),
                kept_uk=kept_uk,
                sampled_s=sampled_s,
                pushed_uc=pushed_uc,
            ),
        )
