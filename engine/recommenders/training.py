"""Training a recommender on implicit feedback: batches, losses, validation, early stopping, exact resume.

Two losses, both binary cross-entropy (BCE):

dense    every user-item cell is a pair: 1 where the user has the item in training, 0 elsewhere.
sampled  every training interaction is a positive; as many negatives (`negatives` each) are drawn anew each epoch
         among the items that the user does not have, in proportion to popularity to the power `negatives_power`.

Under negatives drawn from q, the best logit is log p(i|u) - log q(i): the model learns to rank popular items low. So
with `correction` the loss sees `s - log q(i)`, on positives and negatives alike, and `s` is what is served. The paper
(Arviv et al., AAAI 2026) draws negatives in proportion to popularity without it; its released code draws uniformly in
effect.

Every epoch draws from its own generator, seeded by (seed, epoch), so that a resumed training is the same as one
that was never interrupted.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from engine.progress import Progress
from engine.recommenders.checkpoint import Checkpoint
from engine.recommenders.ranking import Candidates, Histories

if TYPE_CHECKING:
    import torch

    from engine.recommenders.recommender import Recommender

POSITIVES_A_BLOCK = 1_000_000
"""Positives for which negatives are drawn at once."""
VALIDATION_CELLS = 4_000_000
"""Affinities that a validation holds at once."""

Log = Callable[[dict[str, float]], None]


class FitConfig(BaseModel):
    """Settings that every recommender trained here has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    d: int = Field(default=20, ge=1)
    """Length of the vectors."""
    epochs: int = Field(default=60, ge=1)
    """At most; early stopping may end sooner."""
    batch: int = Field(default=256, ge=1)
    """Users a step (dense) or pairs a step, positives and negatives together (sampled)."""
    optimiser: Literal["adam", "sgd"] = "adam"
    """sgd takes the batch's summed gradient, as the authors' released code does; adam its mean."""
    learning_rate: float = Field(default=0.05, gt=0)
    """The rate at the first step."""
    schedule: Literal["linear", "constant"] = "linear"
    """linear: the rate falls to 0 over all epochs."""
    l2: float = Field(default=5e-4, ge=0)
    l2_on: Literal["tables", "pairs"] = "tables"
    """tables: the mean squared length of all vectors at each step, so that items hardly ever seen shrink to nothing.
    pairs: the squared length of the vectors and biases of each pair in the batch."""
    negatives: int = Field(default=1, ge=1)
    """Sampled loss: negatives for each positive."""
    negatives_power: float = Field(default=1.0, ge=0)
    """Sampled loss: 1 in proportion to popularity, 0 uniform."""
    correction: bool = True
    """Sampled loss: train on s - log q(i)."""
    patience: int = Field(default=10, ge=0)
    """Stop after so many epochs without a better MPR on the validation items; 0: train all epochs, keep the last."""
    validation_users: int = Field(default=6000, ge=1)
    """At most so many users (a seeded sample) are ranked at each validation."""
    init_scale: float = Field(default=0.1, gt=0)
    """Standard deviation of the first vectors."""
    seed: int = 0


class Model(Protocol):
    """What the loop trains: a torch module of one kind of recommender."""

    def parameters(self) -> Iterator["torch.nn.Parameter"]: ...
    def state_dict(self) -> dict[str, "torch.Tensor"]: ...
    def load_state_dict(self, state: Mapping[str, "torch.Tensor"]) -> object: ...

    def to(self, device: str) -> object: ...

    def logits(self, users: "torch.Tensor", items: "torch.Tensor") -> "torch.Tensor":
        """Logits of n pairs of user and item numbers (n)."""
        ...

    def all_items(self, users: "torch.Tensor") -> "torch.Tensor":
        """Logits of some users with every item (users × items)."""
        ...

    def lengths(self, users: "torch.Tensor | None" = None, items: "torch.Tensor | None" = None) -> "torch.Tensor":
        """L2 penalty: of the tables, or of the pairs of `users` and `items`."""
        ...

    def export(self, user_ids: list[str], item_ids: list[str]) -> "Recommender":
        """The frozen recommender."""
        ...


@dataclass(frozen=True)
class Task:
    """What is learned from: training histories, what may be ranked, and the items held out for validation."""

    history: Histories
    candidates: Candidates
    validation: Histories
    popularity: np.ndarray
    """Training interactions of each item."""


def fit(
    model: Model,
    config: FitConfig,
    loss: Literal["dense", "sampled"],
    task: Task,
    *,
    progress: Progress,
    log: Log,
    device: str,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train `model` in place; it ends with the weights of the epoch with the best validation MPR.

    `log` gets the named losses and `mpr` once an epoch (again, after a resume, for the epochs done before).
    """
    import torch

    epoch_of = _dense_epoch if loss == "dense" else _sampled_epoch
    validation = _Validation(config, task)
    adam = config.optimiser == "adam"
    optimiser: torch.optim.Optimizer
    if adam:
        optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    else:
        optimiser = torch.optim.SGD(model.parameters(), lr=config.learning_rate)
    state = _State.resumed(checkpoint, model, optimiser, device) or _State(0, None, 0, [], _copy(model))
    for line in state.lines:
        log(line)
    for epoch in range(state.epoch, config.epochs):
        sums: dict[str, torch.Tensor] = {}
        weight = 0.0
        for done, terms, size in epoch_of(model, config, task, epoch, device):
            whole = terms["cross_entropy"] + config.l2 * terms["l2"]
            optimiser.zero_grad(set_to_none=True)
            (whole if adam else whole * size).backward()
            rate = 1 - (epoch + done) / config.epochs if config.schedule == "linear" else 1.0
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * rate
            optimiser.step()
            weight += size
            for name, value in terms.items():
                sums[name] = value.detach() * size + sums.get(name, 0.0)
            progress((epoch + done) / config.epochs, state.said(epoch, config))
        line = {"epoch": epoch + 1, **{name: float(value) / weight for name, value in sums.items()}}
        state = state.after(line, validation.mpr(model, device), model, config)
        log(state.lines[-1])
        progress((epoch + 1) / config.epochs, state.said(epoch, config))
        if checkpoint is not None:
            checkpoint.save(partial(state.arrays, model, optimiser), state.facts())
        if config.patience and epoch + 1 - state.best_epoch >= config.patience:
            break
    model.load_state_dict(state.best)


def _dense_epoch(
    model: Model, config: FitConfig, task: Task, epoch: int, device: str
) -> Iterator[tuple[float, dict[str, "torch.Tensor"], int]]:
    """Share of the epoch after the step, named losses, users in the step."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    users, items = len(task.history.starts) - 1, len(task.popularity)
    order = np.random.default_rng((config.seed, epoch)).permutation(users)
    for start in range(0, users, config.batch):
        part = order[start : start + config.batch]
        rows, columns = task.history.cells(part)
        target = torch.zeros(len(part), items, device=device)
        target[torch.from_numpy(rows).to(device), torch.from_numpy(columns).long().to(device)] = 1
        numbers = torch.from_numpy(part).to(device)
        cross_entropy = binary_cross_entropy_with_logits(model.all_items(numbers), target)
        penalty = model.lengths() if config.l2_on == "tables" else model.lengths(users=numbers)
        yield (start + len(part)) / users, {"cross_entropy": cross_entropy, "l2": penalty}, len(part)


def _sampled_epoch(
    model: Model, config: FitConfig, task: Task, epoch: int, device: str
) -> Iterator[tuple[float, dict[str, "torch.Tensor"], int]]:
    """Share of the epoch after the step, named losses, pairs in the step."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    random = np.random.default_rng((config.seed, epoch))
    weights = negative_weights(task.popularity, config.negatives_power)
    owners = np.repeat(np.arange(len(task.history.starts) - 1), task.history.lengths())
    order = random.permutation(len(owners))
    shift = torch.from_numpy(np.log(weights * len(weights)).astype(np.float32)).to(device)
    # Negatives are drawn for a block of positives at a time: all of an epoch's pairs would not fit for 10^8 of them.
    # A block is in order, since looking up a user's own items is then twice as fast; its pairs are mixed afterwards.
    before = 0
    for block in map(np.sort, np.array_split(order, -(-len(order) // POSITIVES_A_BLOCK))):
        users, items = owners[block], task.history.items[block].astype(np.int64)
        drawn_for, drawn = draw_negatives(random, np.repeat(users, config.negatives), weights, task.history)
        mixed = random.permutation(len(users) + len(drawn))
        u, i = (
            torch.from_numpy(np.concatenate(pair)[mixed]).to(device) for pair in ((users, drawn_for), (items, drawn))
        )
        y = torch.from_numpy((mixed < len(users)).astype(np.float32)).to(device)
        for start in range(0, len(mixed), config.batch):
            part = slice(start, start + config.batch)
            logit = model.logits(u[part], i[part])
            if config.correction:
                logit = logit - shift[i[part]]
            cross_entropy = binary_cross_entropy_with_logits(logit, y[part])
            penalty = model.lengths() if config.l2_on == "tables" else model.lengths(u[part], i[part])
            done = (before + len(block) * min(1.0, part.stop / len(mixed))) / len(order)
            yield done, {"cross_entropy": cross_entropy, "l2": penalty}, len(logit)
        before += len(block)


def negative_weights(popularity: np.ndarray, power: float) -> np.ndarray:
    """q: each item's probability of being drawn as a negative, in proportion to popularity**power (sums to 1).

    An item without interactions counts as one with a single one, so that its log is finite.
    """
    weights = np.maximum(popularity, 1).astype(np.float64) ** power
    return weights / weights.sum()


def draw_negatives(
    random: np.random.Generator, users: np.ndarray, weights: np.ndarray, history: Histories, rounds: int = 20
) -> tuple[np.ndarray, np.ndarray]:
    """One item from `weights` for each entry of `users` that is not in the user's history: (users, items).

    An entry for which `rounds` draws found none (a user who has almost everything) is left out.
    """
    items = len(weights)
    owned = history.keys(items)
    cumulative = np.cumsum(weights)
    drawn = np.empty(len(users), np.int64)
    open_ = np.arange(len(users))
    for _ in range(rounds):
        drawn[open_] = np.minimum(np.searchsorted(cumulative, random.random(len(open_))), items - 1)
        keys = users[open_] * items + drawn[open_]
        place = np.minimum(np.searchsorted(owned, keys), len(owned) - 1)
        open_ = open_[owned[place] == keys]
        if not len(open_):
            break
    kept = np.ones(len(users), bool)
    kept[open_] = False
    return users[kept], drawn[kept]


class _Validation:
    """Mean percentile rank of the validation items among what may be recommended, ties counted half."""

    def __init__(self, config: FitConfig, task: Task) -> None:
        held = np.flatnonzero(task.validation.lengths() > 0)
        if len(held) > config.validation_users:
            held = np.sort(np.random.default_rng(config.seed).choice(held, config.validation_users, replace=False))
        self._task = task
        step = max(1, VALIDATION_CELLS // len(task.popularity))
        self._parts = [held[start : start + step] for start in range(0, len(held), step)]

    def mpr(self, model: Model, device: str) -> float | None:
        import torch

        eligible = self._task.candidates.eligible
        barred = torch.from_numpy(np.flatnonzero(~eligible)).to(device)
        ranks = []
        with torch.no_grad():
            for users in self._parts:
                logit = model.all_items(torch.from_numpy(users).to(device))
                rows, items = self._task.validation.cells(users)
                own = logit[rows, items.astype(np.int64)][:, None]
                seen_rows, seen_items = self._task.history.cells(users)
                logit[torch.from_numpy(seen_rows), torch.from_numpy(seen_items).long()] = -torch.inf
                logit.index_fill_(1, barred, -torch.inf)
                others = logit if len(rows) == len(users) else logit[rows]
                # 1 for what ranks higher and 1/2 for a tie, the item's own with itself taken off again.
                above = ((others - own).sign_().sum(1) + others.shape[1]).cpu().numpy() / 2 - 0.5
                seen = np.bincount(seen_rows, weights=eligible[seen_items], minlength=len(users))
                candidates = np.maximum(eligible.sum() - seen[rows] - 1, 1)
                ranks.append(np.where(eligible[items], above / candidates, 1.0))
        return float(np.concatenate(ranks).mean()) if ranks else None


@dataclass(frozen=True)
class _State:
    """Where a training stands after an epoch."""

    epoch: int
    best_mpr: float | None
    best_epoch: int
    lines: list[dict[str, float]]
    best: dict[str, "torch.Tensor"]

    def after(self, line: dict[str, float], mpr: float | None, model: Model, config: FitConfig) -> "_State":
        epoch = self.epoch + 1
        lines = [*self.lines, line if mpr is None else {**line, "mpr": mpr}]
        better = mpr is None or self.best_mpr is None or mpr < self.best_mpr
        if better or not config.patience:
            return _State(epoch, mpr, epoch, lines, _copy(model))
        return _State(epoch, self.best_mpr, self.best_epoch, lines, self.best)

    def said(self, epoch: int, config: FitConfig) -> str:
        text = f"epoch {epoch + 1} of {config.epochs}"
        return text if self.best_mpr is None else f"{text}, best MPR {self.best_mpr:.4f}"

    def arrays(self, model: Model, optimiser: "torch.optim.Optimizer") -> dict[str, np.ndarray]:
        named = {f"model.{name}": value for name, value in model.state_dict().items()}
        named |= {f"best.{name}": value for name, value in self.best.items()}
        for number, slots in optimiser.state_dict()["state"].items():
            named |= {f"optimiser.{number}.{name}": value for name, value in slots.items()}
        return {name: np.array(value.detach().cpu().numpy()) for name, value in named.items()}

    def facts(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "best_mpr": self.best_mpr, "best_epoch": self.best_epoch, "lines": self.lines}

    @classmethod
    def resumed(
        cls, checkpoint: Checkpoint | None, model: Model, optimiser: "torch.optim.Optimizer", device: str
    ) -> "_State | None":
        """The state that `checkpoint` holds, with model and optimiser brought to it; None if it holds none."""
        import torch

        found = checkpoint.load() if checkpoint is not None else None
        if found is None:
            return None
        arrays, facts = found
        named = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
        model.load_state_dict(_under("model.", named))
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in _under("optimiser.", named).items():
            number, _, slot = name.partition(".")
            slots.setdefault(int(number), {})[slot] = value.cpu() if slot == "step" and device == "cpu" else value
        optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})
        return cls(facts["epoch"], facts["best_mpr"], facts["best_epoch"], facts["lines"], _under("best.", named))


def _under(prefix: str, named: Mapping[str, "torch.Tensor"]) -> dict[str, "torch.Tensor"]:
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}


def _copy(model: Model) -> dict[str, "torch.Tensor"]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
