"""Training the sparse autoencoder through the frozen recommender.

Loss (Eq. 5 and 8): `alpha * L_emb + beta * L_pred + l1 * L_1 + kl * KL(rho || p_j)`. Two variants:

batchtopk  (ours; Bussmann et al. 2024) in training the k * n largest activations of a batch of n rows stay; for
           serving, one stored threshold a side keeps k neurons a row on average, so that a code does not depend on
           the rows beside it. At equal sparsity it kept more of the recommender in our trials.
relu       (the paper's) every positive activation stays; the L1 and KL penalties make codes sparse. The KL is the
           published one: of the batch mean of the activations, clamped below 1, so that a neuron whose mean is 1 or
           more, and a dead one, has no gradient from it.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.progress import Progress
from engine.recommenders.recommender import Recommender
from engine.sae.model import SIDES, Side, SideMap, SparseAutoencoder
from engine.sae.start import ica_start, random_start

Log = Callable[[dict[str, float]], None]


class SaeConfig(BaseModel):
    """Settings of one training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Literal["batchtopk", "relu"] = "batchtopk"
    neurons: int = Field(default=40, ge=1)
    """m, neurons shared by users and items."""
    start: Literal["ica", "random"] = "ica"
    """The dictionary that training starts from."""
    k_items: int = Field(default=8, ge=1)
    """Active neurons of an item, on average."""
    k_users: int = Field(default=10, ge=1)
    """Active neurons of a user, on average; at d or more a user's vector would pass through unread."""
    alpha: float = Field(default=1.0, ge=0)
    """Weight of the embedding-level loss (Eq. 6), as a share of each side's variance."""
    beta: float = Field(default=1.0, ge=0)
    """Weight of the prediction-level loss (Eq. 7), as a share of the affinities' variance."""
    l1: float = Field(default=0.0, ge=0)
    """Variant relu: weight of the mean activation."""
    kl: float = Field(default=0.0, ge=0)
    """Variant relu: weight of the sum over neurons of KL(rho || mean activation)."""
    rho: float = Field(default=0.05, gt=0, lt=1)
    """Variant relu: the mean activation that the KL asks for."""
    learning_rate: float = Field(default=1e-2, gt=0)
    """Adam's rate at the first step; it falls to 0 along a cosine."""
    steps: int = Field(default=500, ge=1)
    rows_a_step: int = Field(default=1024, ge=2)
    """Users and items drawn for each step."""
    pair_rows: int = Field(default=512, ge=2)
    """Of these, users and items that are crossed for the prediction loss (pair_rows squared pairs)."""
    held_out_users: float = Field(default=0.2, ge=0, lt=1)
    """Share of users that training never sees, on whom fidelity is measured."""
    seed: int = 0

    @model_validator(mode="after")
    def _k_fits(self) -> "SaeConfig":
        if self.variant == "batchtopk" and max(self.k_items, self.k_users) > self.neurons:
            raise ValueError(f"k_items and k_users cannot exceed neurons ({self.neurons})")
        return self


def fit_side(e_nd: np.ndarray) -> SideMap:
    """Mean and scale that bring a side's vectors to mean 0 and mean squared entry 1. No threshold yet."""
    mean = e_nd.mean(axis=0).astype(np.float32)
    scale = float(np.sqrt(np.mean((e_nd - mean) ** 2)))
    return SideMap(mean, max(scale, 1e-12), 0.0)


def train_sae(
    config: SaeConfig,
    recommender: Recommender,
    *,
    users: np.ndarray,
    items: np.ndarray,
    progress: Progress,
    log: Log,
    device: str = "cpu",
) -> SparseAutoencoder:
    """Fit an SAE to the vectors of the users and items numbered `users` and `items`.

    The recommender is frozen: its vectors enter as constants and nothing of it is a parameter here. `log`
    gets the named losses every 25 steps.
    """
    import torch

    e_nd = {"users": recommender.users.vectors[users], "items": recommender.items.vectors[items]}
    sides = {side: fit_side(e_nd[side]) for side in SIDES}
    x_nd = {side: (e_nd[side] - sides[side].mean) / sides[side].scale for side in SIDES}
    k: dict[Side, int] = {"users": config.k_users, "items": config.k_items}
    random = torch.Generator().manual_seed(config.seed)
    start = ica_start if config.start == "ica" else random_start
    w_md = torch.tensor(start(x_nd["items"], config.neurons, config.seed), device=device, requires_grad=True)
    b_m = torch.zeros(config.neurons, device=device, requires_grad=True)
    b_d = torch.zeros(x_nd["items"].shape[1], device=device, requires_grad=True)
    adam = torch.optim.Adam([w_md, b_m, b_d], lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, config.steps)
    x = {side: torch.from_numpy(x_nd[side]).to(device) for side in SIDES}
    affinity = _FrozenAffinity(recommender, users, items, sides, device)

    for step in range(1, config.steps + 1):
        drawn, rebuilt = {}, {}
        losses: dict[str, torch.Tensor] = {}
        for side in SIDES:
            rows = torch.randint(len(x[side]), (config.rows_a_step,), generator=random).to(device)
            drawn[side] = rows
            a_nm = torch.relu((x[side][rows] - b_d) @ w_md.T + b_m)
            z_nm = _batch_top_k(a_nm, k[side]) if config.variant == "batchtopk" else a_nm
            rebuilt[side] = z_nm @ w_md + b_d
            losses[f"embedding_{side}"] = (rebuilt[side] - x[side][rows]).square().mean()
            if config.variant == "relu":
                penalties = {"l1": config.l1 * z_nm.mean(), "kl": config.kl * _published_kl(z_nm, config.rho)}
                losses |= {f"{name}_{side}": value for name, value in penalties.items()}
        loss = config.alpha * (losses["embedding_users"] + losses["embedding_items"])
        loss = loss + sum(value for name, value in losses.items() if name.startswith(("l1", "kl")))
        if config.beta:
            losses["prediction"] = affinity.loss(drawn, rebuilt, config.pair_rows)
            loss = loss + config.beta * losses["prediction"]
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        schedule.step()
        if step % 25 == 0 or step == config.steps:
            log({"step": step, **{name: value.item() for name, value in losses.items()}})
            progress(step / config.steps, f"step {step} of {config.steps}")

    w, neuron_bias, vector_bias = (part.detach().cpu().numpy() for part in (w_md, b_m, b_d))
    trained = SparseAutoencoder(w, neuron_bias, vector_bias, sides)
    return _with_thresholds(trained, e_nd, k) if config.variant == "batchtopk" else trained


class _FrozenAffinity:
    """The prediction-level loss (Eq. 7): squared change of affinity over all pairs of some users and items.

    It goes through the recommender's own scorer, whatever it is. Affinities are logits; the additive biases are the
    same before and after, and cancel.
    """

    def __init__(
        self,
        recommender: Recommender,
        users: np.ndarray,
        items: np.ndarray,
        sides: dict[Side, SideMap],
        device: str,
    ) -> None:
        import torch

        self._score = recommender.scorer.torch(device)
        self._e = {
            "users": torch.from_numpy(recommender.users.vectors[users]).to(device),
            "items": torch.from_numpy(recommender.items.vectors[items]).to(device),
        }
        self._mean = {side: torch.from_numpy(sides[side].mean).to(device) for side in SIDES}
        self._scale = {side: sides[side].scale for side in SIDES}

    def loss(self, drawn: dict, rebuilt: dict, pair_rows: int):  # type: ignore[no-untyped-def]  # torch is imported lazily
        """Mean squared error of the pairs' affinities over their variance."""
        e, back = {}, {}
        for side in SIDES:
            e[side] = self._e[side][drawn[side][:pair_rows]]
            back[side] = rebuilt[side][:pair_rows] * self._scale[side] + self._mean[side]
        import torch

        with torch.no_grad():
            before = self._score(e["users"], e["items"])
        after = self._score(back["users"], back["items"])
        return (after - before).square().mean() / before.var()


def _published_kl(z_nm, rho: float):  # type: ignore[no-untyped-def]  # torch is imported lazily
    """Sum over neurons of KL(rho || mean activation), the mean clamped to (0, 1) as the authors' code has it."""
    mean = z_nm.mean(0).clamp(1e-6, 1 - 1e-6)
    return (rho * (rho / mean).log() + (1 - rho) * ((1 - rho) / (1 - mean)).log()).sum()


def _batch_top_k(a_nm, k: int):  # type: ignore[no-untyped-def]  # torch is imported lazily
    """The k * n largest activations of the batch; the rest become 0."""
    count = k * len(a_nm)
    if count >= a_nm.numel():
        return a_nm
    cut = a_nm.detach().flatten().kthvalue(a_nm.numel() - count).values
    return a_nm * (a_nm > cut)


def _with_thresholds(sae: SparseAutoencoder, e_nd: dict, k: dict[Side, int]) -> SparseAutoencoder:
    """`sae` with the thresholds that leave k active neurons a row, on average over the training vectors."""
    sides: dict[Side, SideMap] = {}
    for side in SIDES:
        a = np.sort(np.maximum(sae.pre_activations(e_nd[side], side), 0), axis=None)
        keep = k[side] * len(e_nd[side])
        threshold = float(a[len(a) - keep - 1]) if keep < len(a) else 0.0
        sides[side] = SideMap(sae.sides[side].mean, sae.sides[side].scale, threshold)
    return SparseAutoencoder(sae.w_md, sae.b_m, sae.b_d, sides)


def split_users(users: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """User numbers that the SAE trains on, and those held out for measuring fidelity, both ascending."""
    order = np.random.default_rng(seed).permutation(users)
    cut = round(users * share)
    return np.sort(order[cut:]), np.sort(order[:cut])


def describe(config: SaeConfig, d: int) -> Sequence[str]:
    """Sentences that warn about settings under which a figure would flatter."""
    notes = []
    if config.variant == "batchtopk" and config.k_users >= d:
        notes.append(
            f"A user code of {config.k_users} active neurons is as large as the vector ({d}): "
            "users pass through unread."
        )
    return notes
