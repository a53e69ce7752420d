"""Training sparse autoencoders through the frozen recommender.

Loss (Eq. 5 and 8): `alpha * L_emb + beta * L_pred + l1 * L_1 + kl * KL(rho || p_j)`. Variants:

batchtopk  (ours; Bussmann et al. 2024) in training the k * n largest activations of a batch of n rows stay; for
           serving, one stored threshold a side keeps k neurons a row on average, so that a code does not depend on
           the rows beside it. At equal sparsity it kept more of the recommender in our trials.
topk       (Gao et al. 2024) the k largest activations of each row stay, in training and serving alike.
relu       (the paper's) every positive activation stays; the L1 and KL penalties make codes sparse.

Matryoshka levels (Bussmann et al. 2025): each of the nested dictionaries must reconstruct alone; L_emb is their mean.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from engine.device import one_thread
from engine.errors import RunError
from engine.progress import Progress
from engine.recommenders.checkpoint import Checkpoint
from engine.recommenders.ranking import Histories
from engine.recommenders.recommender import Recommender
from engine.sae.align import Alignment, fit_side, procrustes
from engine.sae.config import SaeConfig
from engine.sae.learner import Learner
from engine.sae.losses import FrozenRecommender, Rows, Stream, lets_gradients_through
from engine.sae.model import Side, SideMap, SparseAutoencoder

Log = Callable[[dict[str, float]], None]

LOG_EVERY = 25


def train_sae(
    config: SaeConfig,
    recommender: Recommender,
    *,
    users: np.ndarray,
    items: np.ndarray,
    progress: Progress,
    log: Log,
    device: str = "cpu",
    seen: Histories | None = None,
    checkpoint: Checkpoint | None = None,
) -> SparseAutoencoder:
    """Fit an SAE to the vectors of the users and items numbered `users` and `items`.

    The recommender is frozen: its vectors enter as constants and nothing of it is a parameter here. `log`
    gets the named losses every 25 steps. `seen`, the items of every user, is needed for alignment and for losses that
    look at interactions. With a `checkpoint` an interrupted training goes on where it was, to the same result.
    """
    return train_saes(
        [config],
        recommender,
        users=users,
        items=items,
        progress=progress,
        logs=[log],
        device=device,
        seen=seen,
        checkpoint=checkpoint,
    )[0]


def train_saes(
    configs: Sequence[SaeConfig],
    recommender: Recommender,
    *,
    users: np.ndarray,
    items: np.ndarray,
    progress: Progress,
    logs: Sequence[Log],
    device: str = "cpu",
    seen: Histories | None = None,
    checkpoint: Checkpoint | None = None,
) -> list[SparseAutoencoder]:
    """Fit one SAE for each of `configs` over one stream of batches; each comes out as if it were trained alone.

    They must agree in `seed`, `rows_a_step`, `pair_rows` and `steps`; a `ValueError` otherwise.
    """
    if len({(one.seed, one.rows_a_step, one.pair_rows, one.steps) for one in configs}) > 1:
        raise ValueError("autoencoders of one stream need the same seed, rows_a_step, pair_rows and steps")
    with one_thread(True):  # a step takes a millisecond or two
        return _train(
            configs,
            recommender,
            Rows(users, items, len(recommender.items.ids), seen),
            progress,
            logs,
            device,
            checkpoint,
        )


def _train(
    configs: Sequence[SaeConfig],
    recommender: Recommender,
    rows: Rows,
    progress: Progress,
    logs: Sequence[Log],
    device: str,
    checkpoint: Checkpoint | None,
) -> list[SparseAutoencoder]:
    seen = rows.seen
    frozen: dict[bool, FrozenRecommender] = {}
    maps: dict[bool, dict[Side, SideMap]] = {}
    for config in configs:
        turned = rotates(config, recommender, seen)
        if turned not in frozen:
            maps[turned], _ = side_maps(config, recommender, rows.users, rows.items, seen)
            frozen[turned] = FrozenRecommender(recommender, rows, maps[turned], device)
    if any(config.beta for config in configs) and not lets_gradients_through(recommender):
        raise RunError(
            "No gradient comes through the scorer, so the prediction loss cannot be trained; use --beta 0 (--set "
            "sae.beta=0), or bring a scorer written with differentiable torch operations."
        )
    kinds: set[str] = {config.prediction for config in configs if config.beta}
    stream, steps = Stream(configs[0], recommender, rows, kinds), configs[0].steps
    flags = [rotates(config, recommender, seen) for config in configs]
    learners = [
        Learner(config, frozen[turned], maps[turned], device) for config, turned in zip(configs, flags, strict=True)
    ]
    lines: list[list[dict[str, float]]] = [[] for _ in configs]
    first = _resumed(checkpoint, stream, learners, lines, logs)
    for step in range(first, steps):
        batch = stream.next()
        for learner, own_lines, log in zip(learners, lines, logs, strict=True):
            losses = learner.step(batch, step)
            if (step + 1) % LOG_EVERY == 0 or step + 1 == steps:
                own_lines.append({"step": step + 1, **{name: float(value) for name, value in losses.items()}})
                _check_finite(learner, own_lines[-1], checkpoint)
                log(own_lines[-1])
        if (step + 1) % LOG_EVERY == 0 or step + 1 == steps:
            progress((step + 1) / steps, f"step {step + 1} of {steps}")
            if checkpoint is not None:
                checkpoint.save(partial(_arrays, stream, learners), {"step": step + 1, "lines": lines})
    return [learner.served() for learner in learners]


USUAL_RATE, USUAL_WEIGHT = 0.1, 100.0
"""What a learning rate, and a loss's weight, hardly ever exceeds in a training that settles."""


def _check_finite(learner: Learner, line: Mapping[str, float], checkpoint: Checkpoint | None) -> None:
    """A `RunError` that names what ran away, and the settings to lower."""
    amiss = [name for name, value in line.items() if not np.isfinite(value)]
    if not amiss and all(bool(value.isfinite().all()) for value in learner.parameters.values()):
        return
    if checkpoint is not None:
        checkpoint.remove()  # there is nothing to go on with
    config = learner.config
    weights = {name: getattr(config, name) for name in ("alpha", "beta", "l1", "kl")}
    high = [f"sae.{name} ({value:g})" for name, value in weights.items() if value > USUAL_WEIGHT]
    if config.learning_rate > USUAL_RATE or not high:
        high.insert(0, f"sae.learning_rate ({config.learning_rate:g})")
    what = f"the loss {amiss[0]}" if amiss else "its weights"
    raise RunError(
        f"The autoencoder diverged: at step {int(line['step'])} {what} left the finite numbers; lower "
        f"{' and '.join(high)}."
    )


def rotates(config: SaeConfig, recommender: Recommender, seen: Histories | None) -> bool:
    """Whether users are rotated onto their items: as told, or where the scorer is no dot product and they have any."""
    known = seen is not None and len(seen.items) > 0
    if config.align == "auto":
        return known and recommender.scorer.kind not in ("dot", "cosine")
    return known and config.align == "on"


def side_maps(
    config: SaeConfig, recommender: Recommender, users: np.ndarray, items: np.ndarray, seen: Histories | None
) -> tuple[dict[Side, SideMap], Alignment | None]:
    """The stored normalisation of both sides, fitted on the trained users and items, and the rotation if any."""
    e_ud, e_id = recommender.users.vectors, recommender.items.vectors
    to_users, to_items = fit_side(e_ud[users]), fit_side(e_id[items])
    alignment = None
    if seen is not None and rotates(config, recommender, seen):
        alignment = procrustes(to_users.inward(e_ud[users]), to_items.inward(e_id), seen, users)
    if alignment is not None:
        to_users = SideMap(to_users.mean, to_users.scale, to_users.threshold, None, alignment.rotation)
    return {"users": to_users, "items": to_items}, alignment


def _arrays(stream: Stream, learners: Sequence[Learner]) -> dict[str, np.ndarray]:
    arrays = stream.state()
    for number, learner in enumerate(learners):
        for name, value in learner.arrays().items():
            arrays[f"{number}.{name}"] = np.array(value.detach().cpu().numpy())
    return arrays


def _resumed(
    checkpoint: Checkpoint | None,
    stream: Stream,
    learners: Sequence[Learner],
    lines: list[list[dict[str, float]]],
    logs: Sequence[Log],
) -> int:
    """The step to go on with; 0 if there is nothing to resume."""
    import torch

    found = checkpoint.load() if checkpoint is not None else None
    if found is None:
        return 0
    arrays, facts = found
    stream.resume(arrays)
    for number, learner in enumerate(learners):
        own = {
            name.removeprefix(f"{number}."): torch.from_numpy(array)
            for name, array in arrays.items()
            if name.startswith(f"{number}.")
        }
        learner.resume(own)
        lines[number].extend(facts["lines"][number])
        for line in lines[number]:
            logs[number](line)
    return int(facts["step"])


def split_users(users: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """User numbers that the SAE trains on, and those held out for measuring fidelity, both ascending."""
    order = np.random.default_rng(seed).permutation(users)
    cut = round(users * share)
    return np.sort(order[cut:]), np.sort(order[:cut])
