"""Matrix factorisation: `g(e_u, e_i) = e_u . e_i`, with additive biases `b_u + b_i` or without.

The paper (Arviv et al., AAAI 2026) uses the same factors (d = 20 on MovieLens 1M) and inner product; the biases are
those of its released code. The dense loss beats the sampled one wherever all cells can be visited (up to about 10^9).
"""

from typing import Literal

import numpy as np

from engine.recommenders.recommender import Recommender, Tower
from engine.recommenders.scorers import Dot
from engine.recommenders.training import FitConfig, Model


class MFConfig(FitConfig):
    """Settings of matrix factorisation."""

    kind: Literal["mf"] = "mf"
    loss: Literal["dense", "sampled"] = "dense"
    bias: bool = True
    """Learn an additive bias for each user and item."""


def mf_model(config: MFConfig, users: int, items: int) -> Model:
    """A new torch module; its first weights depend on the seed alone."""
    import torch
    from torch.nn.functional import embedding

    class MF(torch.nn.Module):
        # A bias is one more column of its table: one gather a side and not two.
        def __init__(self) -> None:
            super().__init__()
            random = torch.Generator().manual_seed(config.seed)

            def table(rows: int) -> torch.nn.Parameter:
                vectors = torch.randn(rows, config.d, generator=random) * config.init_scale
                return torch.nn.Parameter(torch.cat([vectors, torch.zeros(rows, 1 if config.bias else 0)], 1))

            self.user, self.item = table(users), table(items)

        def logits(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
            u, i = embedding(users, self.user), embedding(items, self.item)
            score = (u[:, : config.d] * i[:, : config.d]).sum(1)
            return score + u[:, config.d] + i[:, config.d] if config.bias else score

        def all_items(self, users: torch.Tensor) -> torch.Tensor:
            u = embedding(users, self.user)
            score = u[:, : config.d] @ self.item[:, : config.d].T
            return score + u[:, config.d :] + self.item[:, config.d] if config.bias else score

        def lengths(self, users: torch.Tensor | None = None, items: torch.Tensor | None = None) -> torch.Tensor:
            if users is None:
                u, i = (table[:, : config.d].square().sum(1).mean() for table in (self.user, self.item))
                return u + i
            of_users = embedding(users, self.user).square().sum(1).mean()
            return of_users if items is None else of_users + embedding(items, self.item).square().sum(1).mean()

        def export(self, user_ids: list[str], item_ids: list[str]) -> Recommender:
            towers = []
            for ids, table in ((user_ids, self.user), (item_ids, self.item)):
                array = table.detach().cpu().numpy().astype(np.float32)
                bias = array[:, config.d].copy() if config.bias else np.zeros(len(array), np.float32)
                towers.append(Tower(ids, np.ascontiguousarray(array[:, : config.d]), bias))
            return Recommender(towers[0], towers[1], Dot())

    return MF()
