"""What an autoencoder is trained for: penalties on codes, and the prediction-level loss through the frozen scorer."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import RunError
from engine.recommenders.ranking import Candidates, Histories, masked_affinities, top_k
from engine.recommenders.recommender import Recommender
from engine.sae.config import SaeConfig
from engine.sae.model import SIDES, Side, SideMap

if TYPE_CHECKING:
    import torch

LIST_TOP, LIST_RANDOM = 60, 60
"""Items of a user's list that the listwise loss looks at, and random ones beside them."""

TRIED_ROWS = 16
"""Users, and items, whose pairs are tried to see whether gradients come through a scorer."""


def published_kl(z_nm: "torch.Tensor", rho: float) -> "torch.Tensor":
    """Sum over neurons of KL(rho || mean activation), the mean clamped to (0, 1) as the authors' code has it.

    The clamp leaves neither a neuron whose mean is 1 or more nor a dead one a gradient.
    """
    return _kl(z_nm.mean(0).clamp(1e-6, 1 - 1e-6), rho)


def rate_kl(a_nm: "torch.Tensor", rho: float, temperature: float) -> "torch.Tensor":
    """Sum over neurons of KL(rho || firing rate), the rate a mean sigmoid of pre-activations over a temperature.

    Every neuron has a gradient from it, a dead one and a dense one too.
    """
    return _kl((a_nm / temperature).sigmoid().mean(0).clamp(1e-6, 1 - 1e-6), rho)


def _kl(p_m: "torch.Tensor", rho: float) -> "torch.Tensor":
    return (rho * (rho / p_m).log() + (1 - rho) * ((1 - rho) / (1 - p_m)).log()).sum()


@dataclass
class Batch:
    """Row numbers of the users and items of a step; `pairs` are rows of users (n) with rows of items (n × L)."""

    rows: dict[Side, "torch.Tensor"]
    pairs: dict[str, tuple["torch.Tensor", "torch.Tensor"]]
    before: dict[tuple, "torch.Tensor"] = field(default_factory=dict)
    """Affinities of the original vectors, computed once a step for all that train on it."""


class Stream:
    """The batches of a training: the same for every configuration with the same seed and sizes.

    Rows count the trained users and items, from 0. Rows and each kind of pairs have a generator of their
    own, so that none depends on which losses are looked at.
    """

    def __init__(self, config: SaeConfig, recommender: Recommender, rows: "Rows", kinds: set[str]) -> None:
        import torch

        self._config, self._rows, self._kinds = config, rows, kinds
        self._random = {
            name: torch.Generator().manual_seed(config.seed + n)
            for n, name in enumerate(("rows", "observed", "listwise"))
        }
        self._lists: np.ndarray | None = None
        if "listwise" in kinds:
            self._lists = rows.top_lists(recommender, LIST_TOP)
        if "observed" in kinds:
            if rows.seen is None or not len(rows.seen.items):
                raise RunError("prediction = observed needs interactions, and there are none; take random or listwise.")
            self._owners = np.flatnonzero(rows.own.lengths() > 0)
            if not len(self._owners):
                raise RunError("No user that the autoencoder trains on has an interaction with a ranked item.")

    def next(self) -> Batch:
        """The next step's rows and pairs."""
        import torch

        config, random = self._config, self._random
        sizes = {"users": len(self._rows.users), "items": len(self._rows.items)}
        drawn: dict[Side, torch.Tensor] = {
            side: torch.randint(sizes[side], (config.rows_a_step,), generator=random["rows"]) for side in SIDES
        }
        pairs = {}
        if "observed" in self._kinds:
            chosen = torch.randint(len(self._owners), (config.pair_rows,), generator=random["observed"]).numpy()
            users = self._owners[chosen]
            own = self._rows.own
            place = torch.rand(len(users), generator=random["observed"], dtype=torch.float64).numpy()
            items = own.items[own.starts[users] + (place * own.lengths()[users]).astype(np.int64)]
            pairs["observed"] = torch.from_numpy(users), torch.from_numpy(items.astype(np.int64))[:, None]
        if self._lists is not None:
            users_n = drawn["users"][: max(2, config.pair_rows // 4)]
            top = torch.from_numpy(self._lists[users_n.numpy()])
            others = torch.randint(sizes["items"], (len(users_n), LIST_RANDOM), generator=random["listwise"])
            pairs["listwise"] = users_n, torch.cat([top, others], 1)
        return Batch(drawn, pairs)

    def state(self) -> dict[str, np.ndarray]:
        """The generators' states, for `resume`."""
        return {f"stream.{name}": one.get_state().numpy() for name, one in self._random.items()}

    def resume(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on where `state` was taken."""
        import torch

        for name, one in self._random.items():
            one.set_state(torch.from_numpy(arrays[f"stream.{name}"]))


class Rows:
    """The users and items that are trained on, by number, and what those users have seen."""

    def __init__(self, users: np.ndarray, items: np.ndarray, n_items: int, seen: Histories | None) -> None:
        self.users, self.items, self.seen = users, items, seen
        self._n_items = n_items
        place = np.full(n_items, -1)
        place[items] = np.arange(len(items))
        self._place = place
        owner, item = seen.cells(users) if seen is not None else (np.empty(0, np.int64), np.empty(0, np.int64))
        kept = place[item] >= 0
        self.own = Histories.of(owner[kept], place[item[kept]], len(users))
        """The interactions as rows of items by row of users."""

    def top_lists(self, recommender: Recommender, k: int) -> np.ndarray:
        """Rows of the k best unseen items of each trained user; a short list is filled up with its own items again."""
        eligible = np.zeros(self._n_items, bool)
        eligible[self.items] = True
        nothing = Histories.of(np.empty(0, np.int32), np.empty(0, np.int32), len(recommender.users.ids))
        candidates = Candidates(self.seen if self.seen is not None else nothing, eligible)
        k = min(k, len(self.items))
        lists = np.empty((len(self.users), k), np.int64)
        for part, affinity in masked_affinities(recommender, candidates, self.users):
            lists[part] = top_k(affinity, k)
        lists = np.where(lists >= 0, lists, lists[:, :1])
        return np.where(lists >= 0, self._place[np.maximum(lists, 0)], 0)


class FrozenRecommender:
    """The recommender as constants on a device. Nothing of it is a parameter, and no gradient reaches it."""

    def __init__(self, recommender: Recommender, rows: Rows, sides: dict[Side, SideMap], device: str) -> None:
        import torch

        numbers: dict[Side, np.ndarray] = {"users": rows.users, "items": rows.items}
        towers = {"users": recommender.users, "items": recommender.items}
        self.e, self.x, self._bias, self._mean, self._rotation = {}, {}, {}, {}, {}
        for side in SIDES:
            own, to = towers[side].vectors[numbers[side]], sides[side]
            self.e[side] = torch.from_numpy(own).to(device)
            self.x[side] = torch.from_numpy(to.inward(own).astype(np.float32)).to(device)
            self._bias[side] = torch.from_numpy(towers[side].bias[numbers[side]]).to(device)
            self._mean[side] = torch.from_numpy(to.mean).to(device)
            self._rotation[side] = None if to.rotation is None else torch.from_numpy(to.rotation).to(device)
        self._scale = {side: sides[side].scale for side in SIDES}
        self._cross, self._pairs = recommender.scorer.torch(device), recommender.scorer.pairs(device)

    def outward(self, x_nd: "torch.Tensor", side: Side) -> "torch.Tensor":
        """Reconstructions in the recommender's own units."""
        rotation = self._rotation[side]
        return (x_nd if rotation is None else x_nd @ rotation.T) * self._scale[side] + self._mean[side]

    def crossed(self, batch: Batch, n: int, on: str, back: dict[Side, "torch.Tensor"]) -> "torch.Tensor":
        """Eq. 7 over every pair of the first n users and items of the batch, over the affinities' variance."""
        import torch

        users, items = batch.rows["users"][:n], batch.rows["items"][:n]
        bias = self._bias["users"][users][:, None] + self._bias["items"][items]
        key = ("random", on, n)
        if key not in batch.before:
            with torch.no_grad():
                scores = self._cross(self.e["users"][users], self.e["items"][items])
                batch.before[key] = _compared(scores, bias, on)
        after = _compared(
            self._cross(self.outward(back["users"][:n], "users"), self.outward(back["items"][:n], "items")), bias, on
        )
        return _share(after, batch.before[key])

    def paired(
        self, batch: Batch, kind: str, on: str, back_u: "torch.Tensor", back_i: "torch.Tensor"
    ) -> "torch.Tensor":
        """The same over observed pairs, or over the differences within lists: `back_u` n × d, `back_i` n × L × d.

        A shift that is common to all items of a user changes no ranking and is left out of a list's loss.
        """
        import torch

        users, items = batch.pairs[kind]
        n, length = items.shape
        bias = self._bias["users"][users][:, None] + self._bias["items"][items]

        def scores(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            flat = self._pairs(u.repeat_interleave(length, 0), v.reshape(n * length, -1))
            return _compared(flat.reshape(n, length), bias, on)

        key = (kind, on)
        if key not in batch.before:
            with torch.no_grad():
                batch.before[key] = scores(self.e["users"][users], self.e["items"][items])
        before, after = batch.before[key], scores(self.outward(back_u, "users"), self.outward(back_i, "items"))
        if kind == "observed":
            return _share(after, before)
        before, after = before - before.mean(1, keepdim=True), after - after.mean(1, keepdim=True)
        return (after - before).square().mean() / before.square().mean().clamp_min(1e-12)


def _compared(scores: "torch.Tensor", bias: "torch.Tensor", on: str) -> "torch.Tensor":
    return (scores + bias).sigmoid() if on == "probabilities" else scores + bias


def _share(after: "torch.Tensor", before: "torch.Tensor") -> "torch.Tensor":
    return (after - before).square().mean() / before.var().clamp_min(1e-12)


def lets_gradients_through(recommender: Recommender) -> bool:
    """Whether the scorer can be trained through: gradients of real pairs are finite, and not zero everywhere.

    A scorer with steps in it (floor, sign, argmax) has gradients, and all of them are 0.
    """
    import torch

    u, v = (
        torch.from_numpy(tower.vectors[_spread(len(tower.vectors))]).requires_grad_(True)
        for tower in (recommender.users, recommender.items)
    )
    try:
        scores = recommender.scorer.torch("cpu")(u, v)
        # Weights of one's own for every pair, so that no two gradients cancel.
        weights = torch.rand(scores.shape, generator=torch.Generator().manual_seed(0)) + 0.5
        (scores * weights).sum().backward()
    except RuntimeError:  # torch's own: there is nothing to differentiate
        return False
    found = [x.grad.flatten() for x in (u, v) if x.grad is not None]
    gradient = torch.cat(found) if found else torch.zeros(1)
    return bool(torch.isfinite(gradient).all()) and bool((gradient != 0).any())


def _spread(rows: int) -> np.ndarray:
    """Numbers of up to `TRIED_ROWS` rows, evenly spread."""
    return np.unique(np.linspace(0, rows - 1, min(rows, TRIED_ROWS)).astype(np.int64))
