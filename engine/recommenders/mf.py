"""Matrix factorisation trained on every user-item cell.

Score: `e_u . e_i + b_u + b_i`. Loss: binary cross-entropy of every cell of the user-item matrix (1 where the
user has the item in training, 0 elsewhere), with L2 on both tables. No negatives are sampled: sampling in
proportion to popularity, as the paper does, divides the popularity out of the scores unless it is corrected,
and the whole matrix is cheaper than sampling up to about 10^9 cells.

The paper (Arviv et al., AAAI 2026) uses the same factors (d = 20 on MovieLens 1M) and inner product; the
biases are those of its released code.
"""

from collections.abc import Callable

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from engine.progress import Progress
from engine.recommenders.ranking import Histories
from engine.recommenders.recommender import Recommender, Tower


class MFConfig(BaseModel):
    """Settings of one training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    d: int = Field(default=20, ge=1)
    """Factors."""
    bias: bool = True
    """Learn an additive bias for each user and item."""
    learning_rate: float = Field(default=0.05, gt=0)
    """Adam's rate at the first step; it falls linearly to 0."""
    l2: float = Field(default=5e-4, ge=0)
    """Weight of the mean squared length of the vectors."""
    users_a_step: int = Field(default=256, ge=1)
    epochs: int = Field(default=60, ge=1)
    init_scale: float = Field(default=0.1, gt=0)
    """Standard deviation of the first vectors."""
    seed: int = 0


Log = Callable[[dict[str, float]], None]


def train_mf(
    config: MFConfig,
    history: Histories,
    user_ids: list[str],
    item_ids: list[str],
    *,
    progress: Progress,
    log: Log,
    device: str = "cpu",
) -> Recommender:
    """Fit the factors to `history` (training interactions). `log` gets the named losses once an epoch."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    users, items = len(user_ids), len(item_ids)
    random = torch.Generator().manual_seed(config.seed)

    def table(rows: int) -> torch.Tensor:
        values = torch.randn(rows, config.d, generator=random) * config.init_scale
        return values.to(device).requires_grad_()

    e_ud, e_id = table(users), table(items)
    b_u = torch.zeros(users, device=device, requires_grad=config.bias)
    b_i = torch.zeros(items, device=device, requires_grad=config.bias)
    parameters = [e_ud, e_id, *([b_u, b_i] if config.bias else [])]
    adam = torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
    steps = config.epochs * -(-users // config.users_a_step)
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: max(0.0, 1 - step / steps))
    for epoch in range(config.epochs):
        sums = {"cross_entropy": 0.0, "l2": 0.0}
        for part in torch.randperm(users, generator=random).split(config.users_a_step):
            rows, columns = history.cells(part.numpy())
            target = torch.zeros(len(part), items)
            target[torch.from_numpy(rows), torch.from_numpy(columns).long()] = 1
            part = part.to(device)
            logit = e_ud[part] @ e_id.T + b_u[part, None] + b_i
            cross_entropy = binary_cross_entropy_with_logits(logit, target.to(device))
            l2 = e_ud[part].square().sum(1).mean() + e_id.square().sum(1).mean()
            adam.zero_grad(set_to_none=True)
            (cross_entropy + config.l2 * l2).backward()
            adam.step()
            schedule.step()
            sums["cross_entropy"] += cross_entropy.item() * len(part) / users
            sums["l2"] += l2.item() * len(part) / users
        log({"epoch": epoch + 1, **sums})
        progress((epoch + 1) / config.epochs, f"epoch {epoch + 1} of {config.epochs}")

    def array(tensor: torch.Tensor) -> np.ndarray:
        return tensor.detach().cpu().numpy().astype(np.float32)

    return Recommender(
        Tower(user_ids, array(e_ud), array(b_u)),
        Tower(item_ids, array(e_id), array(b_i)),
    )
