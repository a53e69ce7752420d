"""Causal agreement of a neuron's label: raise the neuron in users' codes, and see whether the items that the label
names gain places in those users' lists.

With a tied decoder and a dot product, what fires the neuron is by algebra what gains from it: agreement is `implied`
there, and says little that purity does not. So it stands beside random directions of equal purity, along which the
same users are moved as far.
"""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import isqrt
from typing import Any

import numpy as np

from engine.labels.equal_purity import DEPTH, equally_pure, members_in_top
from engine.neurons.evidence import hits_at, top_items
from engine.neurons.moves import implied, share_at_or_above
from engine.recommenders.ranking import Candidates, masked_affinities, ranked_lists, top_k
from engine.recommenders.recommender import Recommender
from engine.sae.model import SparseAutoencoder
from engine.steering.edits import edited_vectors

USERS, DIRECTIONS = 200, 100
USERS_MINIMUM = 20
"""Users with room in their lists, below which an interval over users means nothing."""
DIRECTIONS_MINIMUM = 19
"""With fewer no neuron could be among the best twentieth, itself counted."""
RANDOM_CONCEPTS = 999
DOT_PAIRS, PAIRS = 100_000_000, 8_000_000
"""Pairs that are ranked for one neuron: most of a second's work with a dot product, and two to three seconds' for a
small MLP, which scores every pair anew. Users and directions become fewer for large catalogues."""


@dataclass(frozen=True)
class CausalAgreement:
    """What the items that a label names gain when users are raised by one strength unit. None is unknown.

    `before` and `after` are the mean share of a list's first `k` places that they hold, `gain` is the difference, and
    `room` the most that it could be. `low` and `high` bound the mean gain of users like these (95 %, Student's t: the
    mean of so many bounded gains is near to normal; for samples of MovieLens 1M it covers in 94 to 95 cases of 100 with
    65 to 200 users, and in 92 to 95 with 20). `agrees`: `low` is above 0.
    """

    users: int
    """Users measured: known ones, drawn by the seed, with more than `k` items to rank."""
    k: int
    implied: bool
    """Follows from the algebra: a dot product, a tied decoder, and no rotation between users and items."""
    unknown: str | None = None
    """Why there is no gain, in one sentence."""
    before: float | None = None
    after: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    room: float | None = None
    agrees: bool | None = None
    random_share: float | None = None
    """Share of random concepts, of as many ranked items, that gain as much or more, itself counted. `agrees` asks
    whether it would hold for other users, not for other items: on MovieLens 1M a fifth of random concepts agree."""
    purity: float | None = None
    """Share of the neuron's most active `DEPTH` ranked items that the label names."""
    null_unknown: str | None = None
    """Why there is no null, in one sentence."""
    null_directions: int = 0
    null_unreached: int = 0
    """Random directions that mixing with the concept's did not make as pure; others' walks stand in for them."""
    null_purity: float | None = None
    null_gain: float | None = None
    null_low: float | None = None
    """With `null_high` the middle 95 % of the directions' mean gains."""
    null_high: float | None = None
    null_share: float | None = None
    """Share of the directions that gain as much as the neuron or more, itself counted."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def causal_agreement(
    recommender: Recommender,
    sae: SparseAutoencoder,
    candidates: Candidates,
    neuron: int,
    unit: float | None,
    member: np.ndarray,
    z_im: np.ndarray,
    seed: int,
    *,
    k: int = 20,
    users: int = USERS,
    directions: int = DIRECTIONS,
    pairs: int | None = None,
) -> CausalAgreement:
    """Raise `neuron` by `unit` (its p99 over users; None: no user fires it) and count the label's items in top-k lists.

    `member` (bool, items) are the items that the label names, `z_im` the items' codes. `seed` draws the users and the
    directions, alike for every neuron. `users` and `directions` are at most so many, and fewer where more than `pairs`
    would be ranked. Raises `ValueError` if `member` or `z_im` is not of the recommender's items, or `k` is below 1.
    """
    items = len(recommender.items.ids)
    if k < 1 or not len(member) == len(z_im) == len(candidates.eligible) == items:
        raise ValueError(f"{len(member)} marks and {len(z_im)} codes of {items} items with lists of {k} cannot be used")
    found = CausalAgreement(0, k, implied(recommender, sae))
    reason = _no_question(candidates, neuron, unit, member, k)
    if unit is None or reason is not None:
        return replace(found, unknown=reason, null_unknown=reason)
    if pairs is None:
        pairs = DOT_PAIRS if recommender.scorer.kind == "dot" else PAIRS
    users, directions = _sizes(pairs, int(candidates.eligible.sum()), users, directions)
    cohort = _Cohort(recommender, candidates, drawn_users(recommender, users, seed), k, member)
    found = replace(found, users=len(cohort.kept), purity=_purity(z_im, candidates.eligible, neuron, member))
    return _measured(found, cohort, sae, neuron, unit, directions, seed)


def _measured(
    found: CausalAgreement,
    cohort: "_Cohort",
    sae: SparseAutoencoder,
    neuron: int,
    unit: float,
    directions: int,
    seed: int,
) -> CausalAgreement:
    """`found` with what the lists of the cohort tell, or why they do not."""
    k = found.k
    if not len(cohort.kept):
        reason = f"No known user has more than {k} items to rank, so no list can change what it holds."
        return replace(found, unknown=reason, null_unknown=reason)
    found = replace(found, before=cohort.share(cohort.before), room=cohort.share(cohort.room))
    if (with_room := int((cohort.room > 0).sum())) < USERS_MINIMUM:
        reason = (
            f"{with_room} of the {found.users} users measured have room for more of the label's items in their first "
            f"{k}; {USERS_MINIMUM} are needed."
        )
        return replace(found, unknown=reason, null_unknown=reason)
    lists = cohort.raised(sae, neuron, unit)
    raised = cohort.members(lists)
    low, high = interval((raised - cohort.before) / k)
    after = cohort.share(raised)
    gain = after - cohort.share(cohort.before)
    random_share = share_at_or_above(gain, cohort.random_concepts(lists, seed))
    found = replace(found, after=after, gain=gain, low=low, high=high, agrees=low > 0, random_share=random_share)
    length = unit * float(np.linalg.norm(sae.w_md[neuron]))
    return _with_null(found, cohort, sae, gain, length, directions, seed)


def drawn_users(recommender: Recommender, users: int, seed: int) -> np.ndarray:
    """Numbers, ascending, of at most `users` users with a vector."""
    known = np.flatnonzero(recommender.users.known)
    return np.sort(np.random.default_rng(seed).choice(known, min(users, len(known)), replace=False))


def interval(gain_u: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of independent users' gains, by Student's t; two or more users."""
    from scipy.stats import t

    half = float(t.ppf(0.975, len(gain_u) - 1) * gain_u.std(ddof=1) / np.sqrt(len(gain_u)))
    return float(gain_u.mean()) - half, float(gain_u.mean()) + half


def _no_question(candidates: Candidates, neuron: int, unit: float | None, member: np.ndarray, k: int) -> str | None:
    """Why nothing can be asked of any user, in one sentence."""
    ranked, carried = int(candidates.eligible.sum()), int((candidates.eligible & member).sum())
    if unit is None or not unit > 0:
        return f"No user fires neuron {neuron}, so that it has no strength unit to be raised by."
    if not carried:
        return "No ranked item is one of those that the label names."
    if carried == ranked:
        return "The label names every ranked item, so that every list is full of them."
    if k >= ranked:
        return f"Only {ranked} items are ranked, so that a list of {k} holds them all."
    return None


def _sizes(pairs: int, items: int, users: int, directions: int) -> tuple[int, int]:
    """Users and directions (0: too few for a null) whose pairs with so many items are within `pairs`.

    Twice as many users as directions; the lists before and after are counted as two directions.
    """
    rows = pairs // max(items, 1)
    directions = min(directions, max(DIRECTIONS_MINIMUM, isqrt(rows // 2) - 1))
    fitting = rows // (directions + 2)
    if min(users, fitting) < min(users, USERS_MINIMUM):
        directions, fitting = 0, max(USERS_MINIMUM, rows // 2)
    return min(users, fitting), directions if directions >= DIRECTIONS_MINIMUM else 0


def _purity(z_im: np.ndarray, eligible: np.ndarray, neuron: int, member: np.ndarray) -> float | None:
    """Purity@`DEPTH` of the neuron for the label's items; None with fewer active ranked items."""
    hits = hits_at(top_items(z_im[:, [neuron]], eligible, DEPTH), member[None], DEPTH)[0, 0]
    return None if hits < 0 else float(hits) / DEPTH


class _Cohort:
    """The lists of `users`, of whom those with more than k candidates are `kept`, and the label's items in them."""

    def __init__(
        self, recommender: Recommender, candidates: Candidates, users: np.ndarray, k: int, member: np.ndarray
    ) -> None:
        self.recommender, self.candidates, self.k, self._member = recommender, candidates, k, member
        self.places = np.flatnonzero(candidates.eligible)
        """Numbers of the ranked items; the arrays below are over these."""
        self.member = member[self.places]
        lists, affinity = [np.empty((0, k), np.int32)], [np.empty((0, len(self.places)), np.float32)]
        for _, masked in masked_affinities(recommender, candidates, users):
            lists.append(top_k(masked, k))
            affinity.append(masked[:, self.places])
        affinity_ui = np.concatenate(affinity)
        kept = (~np.isneginf(affinity_ui)).sum(axis=1) > k
        self.kept, self.lists, self.affinity_ui = users[kept], np.concatenate(lists)[kept], affinity_ui[kept]
        self.before = self.members(self.lists)

    @cached_property
    def room(self) -> np.ndarray:
        """How many more of the label's items each list could hold."""
        unseen = (~np.isneginf(self.affinity_ui[:, self.member])).sum(axis=1)
        return np.minimum(unseen, self.k) - self.before

    def members(self, lists: np.ndarray) -> np.ndarray:
        """How many of the label's items each list holds."""
        return self._member[lists].sum(axis=1)

    def share(self, hits_u: np.ndarray) -> float:
        """Of all places of the lists."""
        return float(hits_u.sum() / (len(self.kept) * self.k))

    def raised(self, sae: SparseAutoencoder, neuron: int, unit: float) -> np.ndarray:
        """The lists when the neuron is raised by `unit`: the very path of an edit."""
        e = self.recommender.users.vectors[self.kept]
        z = sae.encode(e, "users")
        raised = z.copy()
        raised[:, neuron] += unit
        e_raised = edited_vectors(sae, e, z, raised, "users")
        return ranked_lists(self.recommender, self.candidates, self.kept, self.k, e_raised)

    def random_concepts(self, lists: np.ndarray, seed: int) -> np.ndarray:
        """What `RANDOM_CONCEPTS` random concepts of the label's size gain where the lists become `lists`."""
        items = len(self.recommender.items.ids)
        change = np.bincount(lists.ravel(), minlength=items) - np.bincount(self.lists.ravel(), minlength=items)
        change = change[change != 0]
        # Of a concept only the items matter whose count has changed: how many, then which.
        random, size = np.random.default_rng(seed), int(self.member.sum())
        inside = (
            random.hypergeometric(size, len(self.places) - size, len(change), RANDOM_CONCEPTS) if len(change) else 0
        )
        place = random.random((RANDOM_CONCEPTS, len(change))).argsort(axis=1)
        totals = ((place < np.reshape(inside, (-1, 1))) * change).sum(axis=1)
        return totals / (len(self.kept) * self.k)

    def moved(self, shift_nd: np.ndarray) -> np.ndarray:
        """The share of places that the label's items hold when all users are moved by each of the shifts (n)."""
        vectors, scorer = self.recommender.items.vectors[self.places], self.recommender.scorer
        shares = np.empty(len(shift_nd))
        if scorer.kind == "dot":  # all users' affinities change alike, and nothing is scored anew
            for n, change_i in enumerate(shift_nd @ vectors.T):
                shares[n] = self.share(members_in_top(self.affinity_ui + change_i, self.member, self.k))
            return shares
        users, blocked, scored = self.recommender.users, np.isneginf(self.affinity_ui), scorer.over(vectors)
        for n, shift in enumerate(shift_nd):
            affinity = scored(users.vectors[self.kept] + shift) + self.recommender.items.bias[self.places]
            affinity[blocked] = -np.inf
            shares[n] = self.share(members_in_top(affinity, self.member, self.k))
        return shares


def _with_null(
    found: CausalAgreement,
    cohort: _Cohort,
    sae: SparseAutoencoder,
    gain: float,
    length: float,
    directions: int,
    seed: int,
) -> CausalAgreement:
    """`found` beside random directions of its purity, along which the users are moved by `length` of the SAE's space"""
    if found.purity is None:
        return replace(found, null_unknown=f"Fewer than {DEPTH} ranked items fire the neuron: its purity is unknown.")
    if not directions:
        return replace(
            found, null_unknown=f"Fewer than {DIRECTIONS_MINIMUM} directions are asked for, or fit the pairs."
        )
    x = sae.sides["items"].inward(cohort.recommender.items.vectors[cohort.places])
    x = (x - x.mean(axis=0)).astype(np.float32)
    equal = equally_pure(x, cohort.member, round(found.purity * DEPTH), directions, seed)
    found = replace(found, null_unreached=equal.unreached)
    if not len(equal.direction_nd):
        reason = (
            f"{equal.unreached} of {directions} random directions do not come to the neuron's purity of "
            f"{found.purity:.2f} on the way to the mean of the label's items."
        )
        return replace(found, null_unknown=reason)
    shift_nd = sae.sides["users"].outward(length * equal.direction_nd).astype(np.float32)
    gains = cohort.moved(shift_nd) - cohort.share(cohort.before)
    low, high = np.percentile(gains, [2.5, 97.5])
    return replace(
        found,
        null_directions=len(gains),
        null_purity=float(equal.hits.mean()) / DEPTH,
        null_gain=float(gains.mean()),
        null_low=float(low),
        null_high=float(high),
        null_share=share_at_or_above(gain, gains),
    )
