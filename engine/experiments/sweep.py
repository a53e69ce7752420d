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
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.catalogue.catalogue import Catalogue
from engine.device import one_thread, usable_device
from engine.errors import RunError
from engine.fidelity import measure_fidelity
from engine.home import Home, check_name, make_folder, write_whole
from engine.neurons.evidence import metadata_vectors, monosemanticity, top_items
from engine.neurons.standing import Standing, panel, standing
from engine.neurons.table import METADATA_KINDS
from engine.pipeline import checked
from engine.presets import fitted, sae_recipe
from engine.progress import Progress
from engine.recommenders.checkpoint import Checkpoint
from engine.run import Run
from engine.sae.config import SaeConfig
from engine.sae.model import SparseAutoencoder
from engine.sae.training import split_users, train_saes
from engine.steering.inputs import Ranking, concept_items

LARGEST = 200
"""Configurations of one sweep."""
STREAM = ("seed", "rows_a_step", "pair_rows", "steps")


@dataclass(frozen=True)
class Trial:
    """One configuration and what came of it. None: unknown."""

    changed: Mapping[str, Any]
    """The settings that the sweep varies."""
    rbo: float
    tau: float
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
    front: bool = False
    """Whether no other configuration has both a higher purity@20 (split-half) and a higher RBO."""
    best: bool = False
    """Whether it has the highest monosemanticity on the tuning half."""


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
                checkpoint.remove()
    found = Sweep(
        base.name,
        dataset,
        base.manifest["hashes"]["recommender.safetensors"],
        str(values.get("recipe", "best")),
        [concept.name for concept in measure.panel],
        len(measured_on),
        judged([trials[number] for number in range(len(wanted))]),
    )
    if name is not None:
        make_folder(home.root / "sweeps")
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
        found: Standing | None = None
        if self.panel:
            found = standing(z_im, self.eligible, self.panel, self.popularity, config.seed)
        silent = ~((z_im[self.eligible] > 0).any(axis=0) | (z_um > 0).any(axis=0))
        vectors = recommender.items.vectors
        return Trial(
            changed,
            fidelity.rbo,
            fidelity.tau,
            fidelity.ndcg_kept,
            fidelity.l0_items,
            fidelity.l0_users,
            int(silent.sum()),
            {} if found is None else {str(reading): means for reading, means in found.means.items()},
            by_half(z_im, vectors, self.eligible, config.seed),
            by_half(z_im, self.metadata, self.eligible, config.seed) if self.metadata.shape[1] else (None, None),
        )


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


def judged(trials: Sequence[Trial]) -> list[Trial]:
    """`trials` with the Pareto front (split-half purity@20 against RBO) and the tuned choice marked."""
    points = [(trial.purity["split-half"][20] if trial.purity else 0.0, trial.rbo) for trial in trials]
    scores = [-1.0 if trial.monosemanticity[0] is None else trial.monosemanticity[0] for trial in trials]
    best = max(range(len(trials)), key=lambda n: scores[n])
    found = []
    for n, trial in enumerate(trials):
        beaten = any(other[0] >= points[n][0] and other[1] >= points[n][1] and other != points[n] for other in points)
        found.append(Trial(**{**vars(trial), "front": not beaten, "best": n == best and scores[n] > -1}))
    return found


def sweep_path(home: Home, name: str) -> Any:
    """Where a sweep is stored."""
    return home.root / "sweeps" / f"{check_name('sweep', name)}.json"
