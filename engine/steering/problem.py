"""What a solved edit has to do for some users: which items should stay, which should move, and what a change does.

Affinities after a change of the users' vectors are measured by the recommender's own scorer over the whole catalogue.
Where it is a dot product they are the old ones and a product, exactly; elsewhere every change is scored anew.
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
KEPT_ITEMS = 200
"""Items at the top of a user's list, without the concept's, that should stay; the first counts most."""
KEPT_DECAY = 0.9
SAMPLED_ITEMS = 300
SAMPLED_WEIGHT = 0.1
"""Weight of all the sampled items together; the top's add up to 1."""
PUSHED_ITEMS = 60
"""The concept's items that an edit looks at: the best of each user."""
RIDGE = 0.005
"""Of the mean diagonal of A."""
SPARE = 1e-5
"""By how much of the largest affinity a goal is overshot: lists are ranked in single precision."""


@dataclass(frozen=True)
class Affinities:
    """Of each user with every item, after some change of their vectors."""

    ranked_ui: np.ndarray
    """-inf at what may not be recommended."""
    sampled_us: np.ndarray
    """With the sampled items, of which a user may have seen some."""

    def of(self, rows: np.ndarray) -> "Affinities":
        """Those of some of the users."""
        return Affinities(self.ranked_ui[rows], self.sampled_us[rows])


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
    pushed_ucd: np.ndarray
    """Gradients of the concept's best items, less the mean of the others."""
    pushed_uc: np.ndarray
    """Their affinities, less the shift that all share so far; -inf where there are fewer."""


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

    def affinities(self, delta_ud: np.ndarray) -> Affinities:
        """Measured after a change of the users' vectors."""
        if self.linear:
            moved = delta_ud @ self.recommender.items.vectors.T
            return Affinities(self.before.ranked_ui + moved, self.before.sampled_us + moved[:, self.sampled_s])
        edited = (self.recommender.users.vectors[self.users] + delta_ud).astype(np.float32)
        return measured(self.recommender, self.candidates, self.users, edited, self.sampled_s)

    def expected(self, delta_ud: np.ndarray) -> Affinities:
        """What the gradients where nothing is changed yet let expect of a change."""
        if self.linear:
            return self.affinities(delta_ud)
        v_id, ranked_ui = self.recommender.items.vectors, self.before.ranked_ui.copy()
        e_ud = self.recommender.users.vectors[self.users]
        for row in np.flatnonzero(delta_ud.any(axis=1)):
            alone = slice(row, row + 1)
            ranked_ui[row] += self.recommender.scorer.user_gradients(e_ud[alone], v_id[None])[0] @ delta_ud[row]
        return Affinities(ranked_ui, self.before.sampled_us)

    def served(self, delta_ud: np.ndarray) -> tuple[Affinities, np.ndarray]:
        """The affinities that lists with a change are made of, and which of these lists keep to the goal."""
        edited = (self.recommender.users.vectors[self.users] + delta_ud).astype(np.float32)
        now = measured(self.recommender, self.candidates, self.users, edited, self.sampled_s)
        lists = top_k(now.ranked_ui, self.depth)
        counts = (self.member_i[lists] & (lists >= 0)).sum(axis=1)
        return now, counts >= self.bounds if self.up else counts <= self.bounds

    def gap(self, now: Affinities) -> np.ndarray:
        """How far each list is from its goal, in affinities; below 0 it is reached."""
        members, others = now.ranked_ui[:, self._columns[0]], now.ranked_ui[:, self._columns[1]]
        gap = np.empty(len(members))
        for bound in np.unique(self.bounds):
            rows = self.bounds == bound
            gap[rows] = self._gap(members[rows], others[rows], int(bound))
        return gap + self._spare

    def _gap(self, members: np.ndarray, others: np.ndarray, bound: int) -> np.ndarray:
        """At most b members in the top k: the member b + 1 is below the other k - b. At least b: the member b is
        above the other k - b + 1."""
        if self.up:
            if bound == 0:
                return np.full(len(members), -np.inf)
            return _nth(others, self.depth - bound + 1) - _nth(members, bound)
        if bound >= self.depth:
            return np.full(len(members), -np.inf)
        return _nth(members, bound + 1) - _nth(others, self.depth - bound)

    @cached_property
    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the items with the concept, and of those without."""
        return np.flatnonzero(self.member_i), np.flatnonzero(~self.member_i)

    @cached_property
    def _spare(self) -> float:
        affinity = self.before.ranked_ui
        return SPARE * float(np.abs(affinity, where=np.isfinite(affinity), out=np.zeros_like(affinity)).max(initial=1))

    def rest_kept(self, delta_ud: np.ndarray) -> np.ndarray:
        """RBO of each list without the concept's items, before against after."""
        after = np.where(self.member_i, -np.inf, self.affinities(delta_ud).ranked_ui)
        return rbo(self.kept_uk[:, : self.depth], top_k(after, self.depth))

    def cut(self) -> np.ndarray:
        """The affinity of the other item that a member has to stay below, without an edit."""
        others, cut = self.before.ranked_ui[:, self._columns[1]], np.empty(len(self.users))
        for bound in np.unique(self.bounds):
            rows = self.bounds == bound
            cut[rows] = _nth(others[rows], max(self.depth - int(bound), 1))
        return cut

    def near(self, delta_ud: np.ndarray, now: Affinities) -> Local:
        """The problem around a change of the vectors, after which the affinities are `now`."""
        gradient_und = self._gradients(delta_ud)
        split = self.kept_uk.shape[1] + len(self.sampled_s)
        stay_und, pushed_ucd = gradient_und[:, :split], gradient_und[:, split:]
        weight_un = self._weights()
        moved_un = np.concatenate(
            [
                _there(self.kept_uk, now.ranked_ui) - _there(self.kept_uk, self.before.ranked_ui),
                now.sampled_us - self.before.sampled_us,
            ],
            axis=1,
        )
        total = weight_un.sum(axis=1, keepdims=True)
        mean_ud = np.einsum("un,und->ud", weight_un, stay_und) / total
        shift_u = (weight_un * moved_un).sum(axis=1, keepdims=True) / total
        stay_und, pushed_ucd = stay_und - mean_ud[:, None], pushed_ucd - mean_ud[:, None]
        a_udd = gram(stay_und, weight_un)
        d = a_udd.shape[1]
        ridge_u = RIDGE / d * np.trace(a_udd, axis1=1, axis2=2)
        b_ud = np.einsum("un,und->ud", weight_un * (moved_un - shift_u), stay_und) + ridge_u[:, None] * delta_ud
        pushed_uc = np.where(self.pushed_uc >= 0, _there(self.pushed_uc, now.ranked_ui) - shift_u, -np.inf)
        return Local(
            a_udd=a_udd + ridge_u[:, None, None] * np.eye(d),
            b_ud=b_ud,
            g_ud=np.einsum("uc,ucd->ud", self._shares(pushed_uc), pushed_ucd),
            pushed_ucd=pushed_ucd,
            pushed_uc=pushed_uc,
        )

    def _gradients(self, delta_ud: np.ndarray) -> np.ndarray:
        """Of the items that are kept, sampled and pushed, in this order."""
        v_id, users = self.recommender.items.vectors, len(self.users)
        sampled = np.broadcast_to(self.sampled_s, (users, len(self.sampled_s)))
        e_ud = (self.recommender.users.vectors[self.users] + delta_ud).astype(np.float32)
        items_un = np.concatenate([self.kept_uk, sampled, self.pushed_uc], axis=1)
        return self.recommender.scorer.user_gradients(e_ud, v_id[items_un])

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


def _there(items_un: np.ndarray, affinity_ui: np.ndarray) -> np.ndarray:
    """The affinities of each user's items; 0 where there is none."""
    found = np.take_along_axis(affinity_ui, np.maximum(items_un, 0), axis=1)
    return np.where(items_un >= 0, found, 0.0)


def _nth(values_ui: np.ndarray, n: int) -> np.ndarray:
    """The n-th largest of each row; -inf where there are fewer."""
    width = values_ui.shape[1]
    if n > width:
        return np.full(len(values_ui), -np.inf)
    return np.partition(values_ui, width - n, axis=1)[:, width - n]


def gram(x_und: np.ndarray, weight_un: np.ndarray) -> np.ndarray:
    """Each user's X'WX (u × d × d)."""
    return np.matmul((x_und * weight_un[..., None]).transpose(0, 2, 1), x_und)


def measured(
    recommender: Recommender, candidates: Candidates, users: np.ndarray, e_ud: np.ndarray, sampled_s: np.ndarray
) -> Affinities:
    """The affinities of `users` with the vectors `e_ud`."""
    affinity_ui = recommender.affinities(users, e_ud)
    sampled_us = affinity_ui[:, sampled_s]
    return Affinities(candidates.mask(affinity_ui, users), sampled_us)


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
        before = measured(recommender, candidates, users[part], recommender.users.vectors[users[part]], sampled_s)
        lists = top_k(before.ranked_ui, k)
        counts = (member_i[lists] & (lists >= 0)).sum(axis=1)
        bounds = goal.bounds(counts, (lists >= 0).sum(axis=1))
        yield (
            part,
            Problem(
                recommender=recommender,
                candidates=candidates,
                member_i=member_i,
                users=users[part],
                # A list that keeps to its goal already is held to what it has, so that its bound asks for nothing.
                bounds=np.where(goal.met(counts, bounds), counts, bounds),
                depth=k,
                up=goal.up,
                before=before,
                kept_uk=top_k(np.where(member_i, -np.inf, before.ranked_ui), max(KEPT_ITEMS, k)),
                sampled_s=sampled_s,
                pushed_uc=top_k(np.where(member_i, before.ranked_ui, -np.inf), PUSHED_ITEMS),
            ),
        )
