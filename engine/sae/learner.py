"""One autoencoder while it is trained: its parameters, its step, its optimiser, what brings silent neurons back."""

import math
from typing import TYPE_CHECKING

from engine.sae.config import SaeConfig
from engine.sae.losses import Batch, FrozenRecommender, published_kl, rate_kl
from engine.sae.model import SIDES, Side, SideMap, SparseAutoencoder, with_k, with_thresholds
from engine.sae.start import STARTS

if TYPE_CHECKING:
    import torch

REVIVED_UNTIL = 0.8
"""Share of the steps after which no neuron is revived any more: a new one needs time to settle."""


class Learner:
    """One autoencoder in training, with its optimiser."""

    def __init__(self, config: SaeConfig, frozen: FrozenRecommender, sides: dict[Side, SideMap], device: str) -> None:
        import torch

        self.config, self.frozen, self.sides, self.device = config, frozen, sides, device
        x_id = frozen.x["items"].cpu().numpy()
        start = torch.tensor(STARTS[config.start](x_id, config.neurons, config.seed), device=device)
        self.w_md = start.clone().requires_grad_(True)
        self.b_m = torch.zeros(config.neurons, device=device, requires_grad=True)
        self.b_d = torch.zeros(x_id.shape[1], device=device, requires_grad=True)
        self.encoder_md = self.w_md if config.tied else start.clone().requires_grad_(True)
        self.parameters = {"w_md": self.w_md, "b_m": self.b_m, "b_d": self.b_d}
        if not config.tied:
            self.parameters["encoder_md"] = self.encoder_md
        self.adam = torch.optim.Adam(self.parameters.values(), lr=config.learning_rate)
        self.silent_m = torch.zeros(config.neurons, dtype=torch.int64, device=device)
        self.random = torch.Generator().manual_seed(config.seed + 100)
        self.k: dict[Side, int] = {"users": config.k_users, "items": config.k_items}
        self.ends = config.level_ends or (config.neurons,)

    def step(self, batch: Batch, step: int) -> "dict[str, torch.Tensor]":
        """One update; the named losses, unweighted but for the penalties."""
        import torch

        config = self.config
        rate = config.learning_rate * (1 + math.cos(math.pi * step / config.steps)) / 2
        for group in self.adam.param_groups:
            group["lr"] = rate
        losses: dict[str, torch.Tensor] = {}
        back: dict[Side, torch.Tensor] = {}
        cut: dict[Side, torch.Tensor | None] = {}
        error: dict[Side, torch.Tensor] = {}
        fired = self.silent_m < 0
        for side in SIDES:
            x_nd = self.frozen.x[side][batch.rows[side]]
            pre_nm = self._pre(x_nd)
            z_nm, cut[side] = self._active(pre_nm.relu(), side, None)
            fired = fired | (z_nm > 0).any(0)
            parts = [z_nm[:, :end] @ self.w_md[:end] + self.b_d for end in self.ends]
            back[side] = parts[-1]
            error[side] = parts[-1].detach() - x_nd
            losses[f"embedding_{side}"] = torch.stack([(part - x_nd).square().mean() for part in parts]).mean()
            if config.l1:
                losses[f"l1_{side}"] = config.l1 * z_nm.mean()
            if config.kl:
                published = config.kl_form == "published"
                kl = published_kl(z_nm, config.rho) if published else rate_kl(pre_nm, config.rho, config.temperature)
                losses[f"kl_{side}"] = config.kl * kl
        loss = config.alpha * (losses["embedding_users"] + losses["embedding_items"])
        loss = loss + sum(value for name, value in losses.items() if name.startswith(("l1", "kl")))
        if config.beta:
            losses["prediction"] = self._prediction(batch, back, cut)
            loss = loss + config.beta * losses["prediction"]
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()
        self.silent_m = (self.silent_m + 1) * ~fired
        if config.revive:
            losses["revived"] = self._revive(step + 1, error)
        return {name: value.detach() for name, value in losses.items()}

    def _pre(self, x_nd: "torch.Tensor") -> "torch.Tensor":
        return (x_nd - self.b_d) @ self.encoder_md.T + self.b_m

    def _active(
        self, a_nm: "torch.Tensor", side: Side, cut: "torch.Tensor | None"
    ) -> "tuple[torch.Tensor, torch.Tensor | None]":
        """What of the activations stays, and where batchtopk cut; a given `cut` is that of another batch."""
        k = self.k[side]
        if self.config.variant == "topk":
            kept, places = a_nm.topk(k, dim=1)
            return a_nm.new_zeros(a_nm.shape).scatter(1, places, kept), None
        if self.config.variant == "relu" or (cut is None and k * len(a_nm) >= a_nm.numel()):
            return a_nm, None
        if cut is None:
            cut = a_nm.detach().flatten().kthvalue(a_nm.numel() - k * len(a_nm)).values
        return a_nm * (a_nm > cut), cut

    def _prediction(
        self,
        batch: Batch,
        back: "dict[Side, torch.Tensor]",
        cut: "dict[Side, torch.Tensor | None]",
    ) -> "torch.Tensor":
        kind, on = self.config.prediction, self.config.prediction_on
        if kind == "random":
            return self.frozen.crossed(batch, self.config.pair_rows, on, back)
        users, items = batch.pairs[kind]
        back_u = back["users"][: len(users)] if kind == "listwise" else self._rebuilt(users, "users", cut["users"])
        different, place = items.unique(return_inverse=True)
        return self.frozen.paired(batch, kind, on, back_u, self._rebuilt(different, "items", cut["items"])[place])

    def _rebuilt(self, rows: "torch.Tensor", side: Side, cut: "torch.Tensor | None") -> "torch.Tensor":
        z_nm, _ = self._active(self._pre(self.frozen.x[side][rows]).relu(), side, cut)
        return z_nm @ self.w_md + self.b_d

    def _revive(self, step: int, error: "dict[Side, torch.Tensor]") -> "torch.Tensor":
        """Start neurons that were silent for `revive` steps anew, along what is left of badly reconstructed items."""
        import torch

        config = self.config
        dead = (self.silent_m >= config.revive).nonzero()[:, 0]
        if not len(dead) or step > REVIVED_UNTIL * config.steps:
            return torch.zeros(())
        residual = torch.cat([error["items"], error["users"]])
        weight = residual.square().sum(1).cpu()
        if not weight.sum() > 0:
            return torch.zeros(())
        chosen = torch.multinomial(weight, len(dead), len(dead) > int((weight > 0).sum()), generator=self.random)
        # The error is reconstruction minus vector, so a neuron that mends it points the other way.
        fresh = torch.nn.functional.normalize(-residual[chosen.to(residual.device)], dim=1)
        with torch.no_grad():
            self.w_md[dead] = fresh
            self.encoder_md[dead] = fresh
            self.b_m[dead] = 0
            for parameter in (self.w_md, self.encoder_md, self.b_m):
                for name in ("exp_avg", "exp_avg_sq"):
                    self.adam.state[parameter][name][dead] = 0
        self.silent_m[dead] = 0
        return torch.tensor(float(len(dead)))

    def served(self) -> SparseAutoencoder:
        """The autoencoder as it is served, with what decides which neurons are active."""
        parts = {name: value.detach().cpu().numpy() for name, value in self.parameters.items()}
        sae = SparseAutoencoder(
            parts["w_md"],
            parts["b_m"],
            parts["b_d"],
            self.sides,
            parts.get("encoder_md"),
            self.config.level_ends,
        )
        if self.config.variant == "relu":
            return sae
        if self.config.variant == "topk":
            return with_k(sae, self.k)
        return with_thresholds(sae, {side: self.frozen.e[side].cpu().numpy() for side in SIDES}, self.k)

    def arrays(self) -> "dict[str, torch.Tensor]":
        """Everything that another process needs to go on."""
        named = {**self.parameters, "silent": self.silent_m, "random": self.random.get_state()}
        for name, parameter in self.parameters.items():
            named |= {f"adam.{name}.{slot}": value for slot, value in self.adam.state[parameter].items()}
        return named

    def resume(self, named: "dict[str, torch.Tensor]") -> None:
        """Take over what `arrays` gave."""
        import torch

        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(named[name])
                under = f"adam.{name}."
                # Adam counts its steps on the CPU, wherever its parameters are.
                self.adam.state[parameter] = {
                    slot.removeprefix(under): value if slot.endswith(".step") else value.to(self.device)
                    for slot, value in named.items()
                    if slot.startswith(under)
                }
        self.silent_m = named["silent"].to(self.device)
        self.random.set_state(named["random"])
