"""Neural collaborative filtering (He et al. 2017, the paper's second model): an MLP on [e_u, e_i].

The paper's tower is 64-32-16 with ReLU and one output; there are no biases outside the MLP.
"""

from itertools import pairwise
from typing import Literal

import numpy as np
from pydantic import Field

from engine.recommenders.recommender import Recommender, Tower
from engine.recommenders.scorers import Mlp
from engine.recommenders.training import FitConfig, Model

CELLS = 1_000_000
"""Pairs whose hidden layers are held at once when users meet every item."""


class NCFConfig(FitConfig):
    """Settings of neural collaborative filtering."""

    kind: Literal["ncf"] = "ncf"
    loss: Literal["sampled"] = "sampled"
    layers: tuple[int, ...] = Field(default=(64, 32, 16), min_length=1)
    """Widths of the hidden layers."""


def ncf_model(config: NCFConfig, users: int, items: int) -> Model:
    """A new torch module; its first weights depend on the seed alone."""
    import torch
    from torch.nn.functional import embedding, relu

    class NCF(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            random = torch.Generator().manual_seed(config.seed)
            self.user = torch.nn.Parameter(torch.randn(users, config.d, generator=random) * config.init_scale)
            self.item = torch.nn.Parameter(torch.randn(items, config.d, generator=random) * config.init_scale)
            widths = (2 * config.d, *config.layers, 1)
            self.weights, self.biases = torch.nn.ParameterList(), torch.nn.ParameterList()
            for fan_in, fan_out in pairwise(widths):
                # torch.nn.Linear's own start, with our generator.
                bound = fan_in**-0.5
                weight = (torch.rand(fan_out, fan_in, generator=random) * 2 - 1) * bound
                self.weights.append(torch.nn.Parameter(weight))
                self.biases.append(torch.nn.Parameter((torch.rand(fan_out, generator=random) * 2 - 1) * bound))

        def _rest(self, h: torch.Tensor) -> torch.Tensor:
            for weight, bias in zip(list(self.weights)[1:], list(self.biases)[1:], strict=True):
                h = torch.nn.functional.linear(relu(h), weight, bias)
            return h.squeeze(-1)

        def logits(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
            pairs = torch.cat([embedding(users, self.user), embedding(items, self.item)], 1)
            return self._rest(torch.nn.functional.linear(pairs, self.weights[0], self.biases[0]))

        def all_items(self, users: torch.Tensor) -> torch.Tensor:
            h_u = embedding(users, self.user) @ self.weights[0][:, : config.d].T
            h_i = self.item @ self.weights[0][:, config.d :].T + self.biases[0]
            step = max(1, CELLS // len(h_i))
            return torch.cat([self._rest(part[:, None, :] + h_i) for part in h_u.split(step)])

        def lengths(self, users: torch.Tensor | None = None, items: torch.Tensor | None = None) -> torch.Tensor:
            u = self.user if users is None else embedding(users, self.user)
            i = self.item if items is None else embedding(items, self.item)
            return u.square().sum(1).mean() + i.square().sum(1).mean()

        def export(self, user_ids: list[str], item_ids: list[str]) -> Recommender:
            def array(tensor: torch.Tensor) -> np.ndarray:
                return np.ascontiguousarray(tensor.detach().cpu().numpy(), np.float32)

            towers = [
                Tower(ids, array(table), np.zeros(len(ids), np.float32))
                for ids, table in ((user_ids, self.user), (item_ids, self.item))
            ]
            mlp = Mlp(tuple(map(array, self.weights)), tuple(map(array, self.biases)), config.d)
            return Recommender(towers[0], towers[1], mlp)

    return NCF()
