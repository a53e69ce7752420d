"""Many autoencoders over one frozen recommender: what each setting buys in purity, and what it costs in fidelity.

All of a group train over the same batches. Nothing is tuned on the labels: `best` is the configuration with the highest
monosemanticity on one half of the items (the paper tunes by it, on all of them), and its figures are reported on the
other half.
"""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.catalogue.catalogue import Catalogue
from engine.comparison import RANDOM, USERS_OF_A_SLOW_SCORER
from engine.device import one_thread, usable_device
from engine.errors import RunError
from engine.experiments.drawing import Picture
from engine.experiments.frontier import Tradeoff, front, pareto
from engine.fidelity import measure_fidelity
from engine.home import Home, check_name, make_folder, write_whole
from engine.neurons.evidence import metadata_vectors, monosemanticity, top_items
from engine.neurons.standing import panel, random_standing, standing
from engine.neurons.table import METADATA_KINDS
from engine.pipeline import checked
from engine.presets import fitted, sae_recipe
from engine.progress import Progress
from engine.recommenders.checkpoint import Checkpoint
from engine.run import Run
from engine.sae.baselines import baselines
from engine.sae.config import SaeConfig
from engine.sae.model import Side, SparseAutoencoder
from engine.sae.training import split_users, train_saes
from engine.steering.inputs import Ranking, concept_items

LARGEST = 200
"""Configurations of one sweep."""
RANDOM_SETS = 30
"""Sets of random directions whose mean purity stands beside a sweep."""
STREAM = ("seed", "rows_a_step", "pair_rows", "steps")


@dataclass(frozen=True)
class Trial:
    """One configuration and what came of it. None: unknown."""

    changed: Mapping[str, Any]
    """The settings that the sweep varies."""
    rbo: float | None
    tau: float | None
    ndcg_kept: float | None
    l0_items: float
    l0_users: float
    dead: int
    purity: Mapping[str, Mapping[int, float]]
    """Mean over the panel by reading and K; empty without concepts."""
    monosemanticity: tuple[float | None, float | None]
    """Mean over all neurons of the published form, on the half of the items that tunes and on the other: `by_half`."""
    monosemanticity_independent: tuple[float | None, float | None]
    """The same with metadata vectors in place of the recommender's."""
    passes_through: bool = False
    """Whether a user's code is so large that it can pass the vector on unread; such a one is no rival of others."""
    front: bool = False
    """Whether nothing beside it, baselines included, has both a higher purity@20 (split-half) and a higher RBO."""
    best: bool = False
    """Whether it has the highest monosemanticity on the tuning half."""


@dataclass(frozen=True)
class Beside:
    """What needs no training, over the same vectors. Random directions reconstruct nothing, so they keep nothing."""

    name: str
    neurons: int
    purity: Mapping[str, Mapping[int, float]]
    rbo: float | None = None
    tau: float | None = None
    l0_items: float | None = None
    l0_users: float | None = None
    passes_through: bool = False


@dataclass(frozen=True)
class Sweep:
    """A stored sweep."""

    base: str
    dataset: str
    base_hash: str
    recipe: str
    panel: Sequence[str]
    users: int
    trials: Sequence[Trial]
    baselines: Sequence[Beside]
    """Each once; ICA at every sparsity that the sweep has."""

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def grid(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values of `axes`, whose keys are settings such as sae.beta."""
    for key, values in axes.items():
        if not key.startswith("sae.") or not values:
            raise RunError(f"A sweep varies settings of the autoencoder, such as sae.beta=0,1,10, not {key!r}.")
    found = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    if len(found) > LARGEST:
        raise RunError(f"That makes {len(found)} configurations; one sweep takes {LARGEST} at most.")
    return found


def configurations(
    values: Mapping[str, Any], axes: Mapping[str, Sequence[Any]], dataset: str, base: Run
) -> list[tuple[dict[str, Any], SaeConfig]]:
    """What varies, and the whole configuration, for every point of the grid over the base's recipe."""
    d, kind = base.recommender.items.vectors.shape[1], base.recommender.scorer.kind
    usual = sae_recipe(values, dataset, d, kind)
    found = []
    for point in grid(axes):
        own = {key.removeprefix("sae."): value for key, value in point.items()}
        found.append((point, checked(SaeConfig, fitted(usual, {**values.get("sae", {}), **own}), "sae")))
    return found


def sweep(
    home: Home,
    base: Run,
    values: Mapping[str, Any],
    axes: Mapping[str, Sequence[Any]],
    name: str | None,
    progress: Progress,
    names: Sequence[str] | None = None,
) -> Sweep:
    """Train and measure every point of the grid over the recommender of `base`; store the result as `name`, if given.

    `names` are the concepts of the panel, else the usual ones. An interrupted sweep goes on where it was. Raises
    `RunError` for a setting that does not fit or a name that is taken.
    """
    if name is not None and sweep_path(home, name).exists():
        raise RunError(f"There is already a sweep {name!r}; choose another --name.")
    dataset = base.manifest["dataset"]
    wanted = configurations(values, axes, dataset, base)
    device = usable_device(values.get("device", "auto"))
    groups: dict[tuple, list[int]] = {}
    for number, (_, config) in enumerate(wanted):
        groups.setdefault(tuple(getattr(config, key) for key in STREAM), []).append(number)
    with base.catalogue() as catalogue, one_thread(True):
        measure = _Measure(catalogue, base, names)
        trials: dict[int, Trial] = {}
        beside: list[Beside] = []
        for done, numbers in enumerate(groups.values()):
            configs = [wanted[number][1] for number in numbers]
            key = hashlib.sha256(
                json.dumps([measure.hash, [c.model_dump() for c in configs], device], sort_keys=True).encode()
            )
            with closing(Checkpoint(home.runs / ".training", key.hexdigest()[:24])) as checkpoint:
                trained_on, measured_on = measure.split(configs[0])
                saes = train_saes(
                    configs,
                    measure.ranking.recommender,
                    users=trained_on,
                    items=np.flatnonzero(measure.ranking.candidates.eligible),
                    progress=lambda share, text, done=done: progress(  # type: ignore[misc]
                        (done + 0.8 * share) / len(groups), f"{len(wanted)} autoencoders: {text}"
                    ),
                    logs=[lambda _line: None] * len(configs),
                    device=device,
                    seen=measure.ranking.candidates.seen,
                    checkpoint=checkpoint,
                )
                for number, sae in zip(numbers, saes, strict=True):
                    trials[number] = measure.trial(wanted[number][0], wanted[number][1], sae, measured_on)
                    share = 0.8 + 0.2 * len(trials) / len(wanted)
                    progress((done + share) / len(groups), "measuring")
                if not beside:
                    progress((done + 1) / len(groups), "measuring baselines")
                    beside = measure.baselines([config for _, config in wanted], saes[0], trained_on, measured_on)
                checkpoint.remove()
    found = Sweep(
        base.name,
        dataset,
        base.manifest["hashes"]["recommender.safetensors"],
        str(values.get("recipe", "best")),
        [concept.name for concept in measure.panel],
        measure.users,
        judged([trials[number] for number in range(len(wanted))], beside),
        beside,
    )
    if name is not None:
        make_folder(home.root / "sweeps")
        drawn = front_picture(found)
        if drawn is not None:
            write_whole(sweep_path(home, name).with_suffix(".svg"), drawn.svg)
            write_whole(sweep_path(home, name).with_suffix(".png"), drawn.png)
        write_whole(sweep_path(home, name), json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n")
    progress(1.0, "done")
    return found


class _Measure:
    """One recommender with its catalogue, and how an autoencoder over it is measured."""

    def __init__(self, catalogue: Catalogue, base: Run, names: Sequence[str] | None) -> None:
        about = base.manifest["recommender"]
        self.ranking = Ranking(catalogue, base.recommender, about.get("trained_on", "train"))
        self.hash = [catalogue.hash, base.manifest["hashes"]["recommender.safetensors"]]
        self.concepts = concept_items(catalogue, len(base.recommender.items.ids))
        self.eligible = self.ranking.candidates.eligible
        self.panel = panel(self.concepts, self.eligible, names)
        self.popularity = catalogue.items().popularity
        self.known = np.flatnonzero(base.recommender.users.known)
        self.users = 0
        described = [concept.member for concept in self.concepts if concept.kind in METADATA_KINDS]
        items = len(base.recommender.items.ids)
        self.metadata = metadata_vectors(np.array(described, bool).reshape(len(described), items))

    def split(self, config: SaeConfig) -> tuple[np.ndarray, np.ndarray]:
        trained, held = split_users(len(self.known), config.held_out_users, config.seed)
        return self.known[trained], self.known[held if len(held) else trained]

    def trial(self, changed: dict[str, Any], config: SaeConfig, sae: SparseAutoencoder, users: np.ndarray) -> Trial:
        recommender = self.ranking.recommender
        fidelity = measure_fidelity(recommender, sae, self.ranking.candidates, self.ranking.held_out, users)
        z_im = sae.encode(recommender.items.vectors, "items")
        z_um = sae.encode(recommender.users.vectors[self.known], "users")
        silent = ~((z_im[self.eligible] > 0).any(axis=0) | (z_um > 0).any(axis=0))
        vectors = recommender.items.vectors
        self.users = fidelity.users
        return Trial(
            changed,
            fidelity.rbo if fidelity.users else None,
            fidelity.tau if fidelity.users else None,
            fidelity.ndcg_kept,
            fidelity.l0_items,
            fidelity.l0_users,
            int(silent.sum()),
            self._means(z_im, config.seed),
            by_half(z_im, vectors, self.eligible, config.seed),
            by_half(z_im, self.metadata, self.eligible, config.seed) if self.metadata.shape[1] else (None, None),
            fidelity.passes_through,
        )

    def baselines(
        self, configs: Sequence[SaeConfig], sae: SparseAutoencoder, trained_on: np.ndarray, users: np.ndarray
    ) -> list[Beside]:
        """The untrained dictionaries of the vectors as `sae` reads them, each with the most neurons of `configs`.

        ICA comes again at the sparsity of each of `configs`.
        """
        recommender, allowed = self.ranking.recommender, self.ranking.candidates
        e_nd: dict[Side, np.ndarray] = {
            "users": recommender.users.vectors[trained_on],
            "items": recommender.items.vectors[np.flatnonzero(self.eligible)],
        }
        widest = max(configs, key=lambda config: config.neurons)
        sparsities = dict.fromkeys((one.k_items, one.k_users) for one in configs if one.variant != "relu")
        found: dict[str, SparseAutoencoder] = {}
        for k_items, k_users in sparsities or [(widest.k_items, widest.k_users)]:
            config = widest.model_copy(update={"k_items": k_items, "k_users": k_users})
            made = baselines(config, sae.sides, e_nd)
            at_this_k = made.pop("ICA, top k")
            found = {**made, **found, f"ICA, top {k_items}/{k_users}": at_this_k}
        slow = recommender.scorer.kind not in ("dot", "cosine")
        sample = users[:USERS_OF_A_SLOW_SCORER] if slow else users
        rows = []
        for name, one in found.items():
            means = self._means(one.encode(recommender.items.vectors, "items"), widest.seed)
            kept = measure_fidelity(recommender, one, allowed, self.ranking.held_out, sample)
            lists = (kept.rbo, kept.tau) if kept.users else (None, None)
            figures = *lists, kept.l0_items, kept.l0_users, kept.passes_through
            rows.append(Beside(name, one.neurons, means, *figures))
        if self.panel:
            x_nd, m, seed = recommender.items.vectors, widest.neurons, widest.seed
            chance = random_standing(x_nd, self.eligible, self.panel, m, seed, RANDOM_SETS)
            middle = {reading: {k: mean for k, (mean, *_) in by_k.items()} for reading, by_k in chance.means.items()}
            rows.append(Beside(RANDOM, m, {str(reading): means for reading, means in middle.items()}))
        return rows

    def _means(self, z_im: np.ndarray, seed: int) -> dict[str, Mapping[int, float]]:
        if not self.panel:
            return {}
        found = standing(z_im, self.eligible, self.panel, self.popularity, seed)
        return {str(reading): means for reading, means in found.means.items()}


def by_half(
    z_im: np.ndarray, vectors_id: np.ndarray, eligible: np.ndarray, seed: int
) -> tuple[float | None, float | None]:
    """Mean monosemanticity over all neurons on each random half of the eligible items: to tune on, and to report.

    A neuron that fewer than two items of the half activate counts as 0: a dictionary is not tuned by letting neurons
    die. None: no neuron has a score.
    """
    known = np.flatnonzero(eligible)
    order = np.random.default_rng(seed).permutation(len(known))
    found = []
    for half in np.array_split(order, 2):
        items = known[np.sort(half)]
        top = top_items(z_im[items], np.ones(len(items), bool), 30)
        scores = monosemanticity(top, z_im[items], vectors_id[items])
        found.append(float(np.nan_to_num(scores).mean()) if np.isfinite(scores).any() else None)
    return found[0], found[1]


def judged(trials: Sequence[Trial], baselines: Sequence[Beside] = ()) -> list[Trial]:
    """`trials` with the Pareto front (split-half purity@20 against RBO) and the tuned choice marked."""
    on_front = front(_points(trials, baselines))
    scores = [-1.0 if trial.monosemanticity[0] is None else trial.monosemanticity[0] for trial in trials]
    best = max(range(len(trials)), key=lambda n: scores[n])
    return [
        replace(trial, front=n in on_front and trial.rbo is not None, best=n == best and scores[n] > -1)
        for n, trial in enumerate(trials)
    ]


def front_picture(found: Sweep) -> Picture | None:
    """Purity against fidelity of everything in a sweep; None without concepts."""
    if not found.panel:
        return None
    return pareto(_points(found.trials, found.baselines), "split-half purity@20")


def _points(trials: Sequence[Trial], baselines: Sequence[Beside]) -> list[Tradeoff]:
    points = []
    for trial in trials:
        label = ", ".join(f"{key.removeprefix('sae.')} {value}" for key, value in trial.changed.items())
        points.append(Tradeoff(label, "autoencoder", _split_half(trial), trial.rbo or 0.0, trial.passes_through))
    for one in baselines:
        if one.rbo is not None:
            points.append(Tradeoff(one.name, "needs no training", _split_half(one), one.rbo, one.passes_through))
    return points


def _split_half(one: Trial | Beside) -> float:
    return one.purity["split-half"][20] if one.purity else 0.0


def sweep_path(home: Home, name: str) -> Path:
    """Where a sweep is stored."""
    return home.root / "sweeps" / f"{check_name('sweep', name)}.json"


def stored(home: Home, name: str) -> list[Path]:
    """The files of a sweep: its figures, and its picture where it has one."""
    paths = [sweep_path(home, name).with_suffix(suffix) for suffix in (".json", ".svg", ".png")]
    return [path for path in paths if path.is_file()]
