"""Why an item is at its rank for a user: the affinity as a sum over neurons, in the recommender's own units.

Each side's vector is `e = c + sum_j n_j + r`: the constant `c = mean + scale * b_d R'`, the neurons
`n_j = scale * z_j * w_j R'`, and `r`, what the code leaves out. A dot product of two such sums is a sum of dot
products, so the parts are exact. Any other scorer is attributed by integrated gradients (Sundararajan, Taly & Yan 2017)
along the straight line on which all codes of both sides grow from 0 to what they are. All sums are in float64.
"""

from dataclasses import dataclass

import numpy as np

from engine.errors import EditError, RunError
from engine.recommenders.ranking import Candidates
from engine.recommenders.recommender import Recommender
from engine.sae.model import Side, SparseAutoencoder
from engine.steering.lists import full_rank

STEPS = 1024
"""Midpoints of the path that gradients are averaged over; where a ReLU bends it, the error falls as 1 / steps."""
LIST = 30
"""Depth of the list whose last place is told beside the item's."""
ITEMS_A_BLOCK = 20_000
"""Candidates that are encoded at once for their mean."""


@dataclass(frozen=True)
class Place:
    """Where the item stands among what may be recommended to the user: unseen items that are ranked at all.

    `rank` counts from 1; None for an item that is `seen` or not `eligible`, and `would_be` is then the rank that it
    would have among them. `cut` is the item at rank `k` and None where there are fewer candidates.
    """

    affinity: float
    rank: int | None
    would_be: int
    seen: bool
    eligible: bool
    candidates: int
    mean_affinity: float | None
    """Over the user's candidates; None without any."""
    k: int
    cut: int | None
    cut_affinity: float | None


@dataclass(frozen=True)
class Parts:
    """Numbers that add up to an affinity, or to a difference of two. m is the number of neurons."""

    pairs: np.ndarray
    """Neuron j of the user with neuron k of the item (m × m)."""
    users: np.ndarray
    """Neurons of the user with the item's constant (m)."""
    items: np.ndarray
    """Neurons of the item with the user's constant (m)."""
    constant: float
    """Both constants with each other."""
    remainder: float
    """Whatever either code leaves out."""
    user_bias: float
    item_bias: float

    def groups(self) -> dict[str, float]:
        """The sum of each kind."""
        return {
            "pairs": float(self.pairs.sum()),
            "user_neurons": float(self.users.sum()),
            "item_neurons": float(self.items.sum()),
            "constant": self.constant,
            "remainder": self.remainder,
            "user_bias": self.user_bias,
            "item_bias": self.item_bias,
        }

    def minus(self, other: "Parts") -> "Parts":
        """Part by part: what one item has and the other has not."""
        return Parts(
            self.pairs - other.pairs,
            self.users - other.users,
            self.items - other.items,
            self.constant - other.constant,
            self.remainder - other.remainder,
            self.user_bias - other.user_bias,
            self.item_bias - other.item_bias,
        )


@dataclass(frozen=True)
class Path:
    """Integrated gradients from both vectors without any neuron to the actual ones."""

    baseline: float
    """Affinity of the vectors without any neuron, biases apart."""
    user_bias: float
    item_bias: float
    error: float
    """What the sum of contributions misses of the change of affinity along the path, absolute."""
    error_share: float | None
    """The same as a share of that change; None where there is none."""
    steps: int


@dataclass(frozen=True)
class Why:
    """A pair's affinity, taken apart. `users` and `items` are each neuron's own part of it (m each).

    For a dot product that is all that the neuron takes part in (with the other side's whole vector), which is exactly
    what is lost when it is switched off alone; a pair counts once for its user's neuron and once for its item's.
    Else it is the neuron's integrated gradient, and both sides' parts add up with `path.baseline`; `off_users` and
    `off_items`, what is lost when a neuron is switched off alone, then differ from it.
    """

    place: Place
    z_users: np.ndarray
    z_items: np.ndarray
    users: np.ndarray
    items: np.ndarray
    off_users: np.ndarray
    off_items: np.ndarray
    total: float
    """What the parts add up to; `place.affinity` but for rounding and, along a path, for its error."""
    parts: Parts | None = None
    """Of a dot product."""
    above: Parts | None = None
    """Of a dot product: `parts` less their mean over the user's candidates. They add up to the item's affinity less
    that of the average candidate; what is the same for every item is 0."""
    users_above: np.ndarray | None = None
    items_above: np.ndarray | None = None
    path: Path | None = None


@dataclass(frozen=True)
class _Taken:
    """One vector taken apart: constant (d), neurons (m × d) and what is left (d)."""

    constant: np.ndarray
    neurons: np.ndarray
    left: np.ndarray
    bias: float

    @property
    def vector(self) -> np.ndarray:
        return self.constant + self.neurons.sum(axis=0) + self.left


def why(
    recommender: Recommender,
    sae: SparseAutoencoder,
    candidates: Candidates,
    user: int,
    item: int,
    k: int = LIST,
    steps: int = STEPS,
) -> Why:
    """Take apart the affinity of the user and the item of these numbers.

    Raises `RunError` for a side without a vector and `EditError` for a scorer that lets no gradient through.
    """
    for what, tower, number in (("User", recommender.users, user), ("Item", recommender.items, item)):
        if not tower.known[number]:
            raise RunError(f"{what} {tower.ids[number]!r} has no vector in this model, so there is nothing to explain.")
    e_u, e_i = recommender.users.vectors[user], recommender.items.vectors[item]
    z_u, z_i = sae.encode(e_u[None], "users")[0], sae.encode(e_i[None], "items")[0]
    of_user = _taken(sae, "users", e_u, z_u, float(recommender.users.bias[user]))
    of_item = _taken(sae, "items", e_i, z_i, float(recommender.items.bias[item]))
    place = _place(recommender, candidates, user, item, k)
    if recommender.scorer.kind != "dot":
        return _along_the_path(recommender, place, (z_u, z_i), (of_user, of_item), steps)
    parts = _parts(of_user, of_item)
    users, items = of_user.neurons @ of_item.vector, of_item.neurons @ of_user.vector
    total = sum(parts.groups().values())
    if not place.candidates:
        return Why(place, z_u, z_i, users, items, users, items, total, parts)
    able = np.isfinite(candidates.mask(recommender.affinities(np.array([user])), np.array([user]))[0])
    average = _average(recommender, sae, np.flatnonzero(able))
    return Why(
        place,
        z_u,
        z_i,
        users,
        items,
        users,
        items,
        total,
        parts,
        parts.minus(_parts(of_user, average)),
        users - of_user.neurons @ average.vector,
        items - average.neurons @ of_user.vector,
    )


def _place(recommender: Recommender, candidates: Candidates, user: int, item: int, k: int) -> Place:
    served = recommender.affinities(np.array([user]))
    affinity = served[0, item]
    among = candidates.mask(served, np.array([user]))[0]
    able = np.isfinite(among)
    mean = float(among[able].mean(dtype=np.float64)) if able.any() else None
    cut = int(np.argsort(-among, kind="stable")[k - 1]) if k <= able.sum() else None
    cut_affinity = None if cut is None else float(among[cut])
    ranked = bool(able[item])
    among[item] = affinity
    would_be = full_rank(among, item)
    return Place(
        affinity=float(affinity),
        rank=would_be if ranked else None,
        would_be=would_be,
        seen=bool(np.isin(item, candidates.seen[user])),
        eligible=bool(candidates.eligible[item]),
        candidates=int(able.sum()),
        mean_affinity=mean,
        k=k,
        cut=cut,
        cut_affinity=cut_affinity,
    )


def _taken(sae: SparseAutoencoder, side: Side, e_d: np.ndarray, z_m: np.ndarray, bias: float) -> _Taken:
    to, e = sae.sides[side], e_d.astype(np.float64)
    neurons = to.outward(z_m.astype(np.float64)[:, None] * sae.w_md.astype(np.float64))
    constant = to.outward(sae.b_d.astype(np.float64)) + to.mean
    return _Taken(constant, neurons, e - constant - neurons.sum(axis=0), bias)


def _average(recommender: Recommender, sae: SparseAutoencoder, items: np.ndarray) -> _Taken:
    """The mean of each part over `items`: they are linear in code and vector, so that those of the means will do."""
    tower, z_m = recommender.items, np.zeros(sae.neurons)
    for start in range(0, len(items), ITEMS_A_BLOCK):
        vectors = tower.vectors[items[start : start + ITEMS_A_BLOCK]]
        z_m += sae.encode(vectors, "items").sum(axis=0, dtype=np.float64)
    mean = tower.vectors[items].mean(axis=0, dtype=np.float64)
    return _taken(sae, "items", mean, z_m / len(items), float(tower.bias[items].mean(dtype=np.float64)))


def _parts(u: _Taken, i: _Taken) -> Parts:
    return Parts(
        pairs=u.neurons @ i.neurons.T,
        users=u.neurons @ i.constant,
        items=i.neurons @ u.constant,
        constant=float(u.constant @ i.constant),
        remainder=float(u.left @ i.vector + (u.vector - u.left) @ i.left),
        user_bias=u.bias,
        item_bias=i.bias,
    )


def _along_the_path(
    recommender: Recommender, place: Place, z: tuple[np.ndarray, np.ndarray], taken: tuple[_Taken, _Taken], steps: int
) -> Why:
    from engine.sae.losses import lets_gradients_through

    if not lets_gradients_through(recommender):
        raise EditError(
            "No gradient comes through the scorer, so an affinity cannot be shared out among neurons; bring a scorer "
            "that is made of differentiable torch operations."
        )
    of_user, of_item = taken
    slope_u, slope_i, start, end = _mean_gradients(recommender, of_user, of_item, steps)
    users, items = of_user.neurons @ slope_u, of_item.neurons @ slope_i
    missed = abs(end - start - users.sum() - items.sum())
    path = Path(
        baseline=start,
        user_bias=of_user.bias,
        item_bias=of_item.bias,
        error=float(missed),
        error_share=float(missed / abs(end - start)) if end != start else None,
        steps=steps,
    )
    off_users, off_items = _switched_off(recommender, of_user, of_item)
    total = float(start + users.sum() + items.sum() + of_user.bias + of_item.bias)
    return Why(place, *z, users, items, off_users, off_items, total, path=path)


def _mean_gradients(
    recommender: Recommender, u: _Taken, i: _Taken, steps: int
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Gradients in both vectors (d each), mean over the path's midpoints, and the affinities at its two ends."""
    import torch

    score = recommender.scorer.pairs("cpu")
    share_n = np.append((np.arange(steps) + 0.5) / steps, [0.0, 1.0])  # the ends are scored but not averaged

    def along(side: _Taken) -> torch.Tensor:
        way = side.constant + side.left + share_n[:, None] * side.neurons.sum(axis=0)
        return torch.from_numpy(way.astype(np.float32)).requires_grad_()

    users, items = along(u), along(i)
    with torch.enable_grad():
        scores = score(users, items)
        found = torch.autograd.grad(scores.sum(), (users, items), allow_unused=True)
    slopes = [
        np.zeros(x.shape[1]) if gradient is None else gradient.numpy()[:steps].mean(axis=0, dtype=np.float64)
        for gradient, x in zip(found, (users, items), strict=True)
    ]
    start, end = scores.detach().numpy()[steps:].astype(np.float64).tolist()
    return slopes[0], slopes[1], start, end


def _switched_off(recommender: Recommender, u: _Taken, i: _Taken) -> tuple[np.ndarray, np.ndarray]:
    """What each neuron's absence alone takes from the affinity: of the user's (m), and of the item's (m)."""
    score = recommender.scorer
    u_1d, i_1d = u.vector[None].astype(np.float32), i.vector[None].astype(np.float32)
    whole = score(u_1d, i_1d).astype(np.float64)[0, 0]
    without_user = score((u.vector - u.neurons).astype(np.float32), i_1d).astype(np.float64)[:, 0]
    without_item = score(u_1d, (i.vector - i.neurons).astype(np.float32)).astype(np.float64)[0]
    return whole - without_user, whole - without_item
