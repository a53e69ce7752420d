"""Training a recommender on a data set, and making a run of it."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import closing
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.catalogue.catalogue import Catalogue
from engine.device import one_thread, usable_device
from engine.errors import RunError
from engine.home import Home
from engine.pipeline import check_new_name, checked, make_run
from engine.presets import fit_notes, preset, sae_preset, sae_recipe
from engine.progress import Progress
from engine.recommenders.checkpoint import Checkpoint
from engine.recommenders.mf import MFConfig, mf_model
from engine.recommenders.ncf import NCFConfig, ncf_model
from engine.recommenders.recommender import Recommender
from engine.recommenders.training import Task, fit
from engine.run import Run
from engine.sae.config import SaeConfig
from engine.steering.inputs import TRAIN, VALIDATION, Ranking, candidates, histories

SHARED_CELLS = 4_000_000
"""Cells of a training step from which on more than one thread pays."""

Recipe = Literal["best", "paper"]
RecommenderConfig = Annotated[MFConfig | NCFConfig, Field(discriminator="kind")]


class TrainConfig(BaseModel):
    """Everything that decides a run, so that the same values on the same catalogue give the same run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe = "best"
    """Where the settings that nobody gave came from."""
    recommender: RecommenderConfig = Field(default_factory=MFConfig)
    sae: SaeConfig = Field(default_factory=SaeConfig)
    baselines: bool = True
    """Whether the run holds the autoencoder's standing beside plain dictionaries and itself with another beta."""
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @classmethod
    def of(cls, values: Mapping[str, Any], dataset: str, users: int, items: int, interactions: int) -> "TrainConfig":
        """The recipe's settings for a data set with nested `values` in their place; see `preset` for its size.

        Raises `RunError` in one sentence for a value that does not fit.
        """
        config: TrainConfig = checked(cls, preset(values, dataset, users, items, interactions))
        return config


class OverConfig(BaseModel):
    """What decides another autoencoder over the recommender of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe = "best"
    sae: SaeConfig = Field(default_factory=SaeConfig)
    baselines: bool = True
    """Whether the run holds the autoencoder's standing beside plain dictionaries and itself with another beta."""
    device: Literal["auto", "cpu", "cuda"] = "auto"


def train(
    home: Home,
    dataset: str,
    values: Mapping[str, Any],
    name: str | None,
    progress: Progress,
    base: str | None = None,
) -> Run:
    """Train on the data set `dataset` and store the run `name` (default: data set and recommender).

    `values` are the settings that were given; see `TrainConfig.of`. `progress` covers the whole. The same call goes
    on where an interrupted one ended. With `base`, a run, its frozen recommender is taken and only another autoencoder
    is trained. Raises `RunError` when the name is taken or a setting does not fit.
    """
    if base is not None:
        return _train_over(home, dataset, Run.open(home, base), values, name, progress)
    with Catalogue.open(home, dataset) as catalogue:
        users, items = catalogue.users(), catalogue.items()
        size = len(users.user_id), len(items.item_id), int(items.popularity.sum())
        config = TrainConfig.of(values, dataset, *size)
        name = check_new_name(home, name, f"{dataset}-{config.recommender.kind}")
        device = usable_device(config.device)
        settings, scorer = config.recommender, "dot" if config.recommender.kind == "mf" else "mlp"
        small = settings.batch * (len(items.item_id) if settings.loss == "dense" else 64)
        training: list[dict[str, Any]] = []
        folder = home.runs / ".training"
        with (
            one_thread(small < SHARED_CELLS),
            closing(Checkpoint(folder, _key(catalogue.hash, config.recommender.model_dump(), device))) as checkpoint,
            closing(Checkpoint(folder, _key(catalogue.hash, config.model_dump(), device))) as sae_checkpoint,
        ):
            recommender = _trained(catalogue, config, checkpoint, training, progress, device)
            run = make_run(
                home,
                name,
                Ranking(catalogue, recommender),
                {"kind": config.recommender.kind, "bias": getattr(config.recommender, "bias", False)},
                config.model_dump(),
                config.sae,
                device,
                training,
                fit_notes(sae_recipe(values, dataset, settings.d, scorer), values.get("sae", {})),
                lambda share, text: progress(0.7 + 0.3 * share, text),
                sae_checkpoint,
                config.baselines,
            )
            sae_checkpoint.remove()
            checkpoint.remove()
    return run


def _train_over(
    home: Home, dataset: str, base: Run, values: Mapping[str, Any], name: str | None, progress: Progress
) -> Run:
    """Another autoencoder over the frozen recommender of the run `base`."""
    if dataset != base.manifest["dataset"]:
        raise RunError(f"Run {base.name} is of the data set {base.manifest['dataset']}, not of {dataset}.")
    if values.get("recommender"):
        raise RunError(f"The recommender comes from run {base.name} and stays as it is; give settings of sae alone.")
    about = dict(base.manifest["recommender"])
    recommender = base.recommender
    about_vectors = recommender.items.vectors.shape[1], recommender.scorer.kind
    settings = checked(OverConfig, {**values, "sae": sae_preset(values, dataset, *about_vectors)})
    usual = sae_recipe(values, dataset, *about_vectors)
    name = check_new_name(home, name, f"{base.name}-sae")
    device = usable_device(settings.device)
    config = {
        **settings.model_dump(),
        "base": base.name,
        "base_hash": base.manifest["hashes"]["recommender.safetensors"],
        "recommender": base.manifest["config"]["recommender"],
    }
    with (
        base.catalogue() as catalogue,
        one_thread(True),
        closing(Checkpoint(home.runs / ".training", _key(catalogue.hash, config, device))) as checkpoint,
    ):
        run = make_run(
            home,
            name,
            Ranking(catalogue, recommender, about.get("trained_on", "train")),
            {key: about[key] for key in ("kind", "bias", "source", "behaviour_mpr") if key in about},
            config,
            settings.sae,
            device,
            [line for line in base.training if line["part"] == "recommender"],
            [*_recipe_notes(settings.recipe, base), *fit_notes(usual, values.get("sae", {}))],
            progress,
            checkpoint,
            settings.baselines,
        )
        checkpoint.remove()
    return run


def _recipe_notes(recipe: Recipe, base: Run) -> list[str]:
    theirs = base.manifest["config"].get("recipe")
    if recipe == (theirs or "best"):
        return []
    made = f"of the recipe {theirs}" if theirs else "adopted"
    return [
        f"The recipe {recipe} applies to the autoencoder alone: the recommender is that of run {base.name} ({made}), "
        "as it was."
    ]


def _trained(
    catalogue: Catalogue,
    config: TrainConfig,
    checkpoint: Checkpoint,
    training: list[dict[str, Any]],
    progress: Progress,
    device: str,
) -> Recommender:
    users, items = catalogue.users(), catalogue.items()
    settings, n_users = config.recommender, len(users.user_id)
    task = Task(
        histories(catalogue, n_users, TRAIN),
        candidates(catalogue, n_users),
        histories(catalogue, n_users, VALIDATION),
        items.popularity,
    )
    if not len(task.history.items):
        raise RunError(f"{catalogue.name} has no training interactions; adopt a trained model with `monoscope adopt`.")
    if isinstance(settings, MFConfig):
        model = mf_model(settings, n_users, len(items.item_id))
    else:
        model = ncf_model(settings, n_users, len(items.item_id))
    model.to(device)
    fit(
        model,
        settings,
        settings.loss,
        task,
        progress=lambda share, text: progress(0.7 * share, f"recommender: {text}"),
        log=lambda line: training.append({"part": "recommender", **line}),
        device=device,
        checkpoint=checkpoint,
    )
    return model.export(list(users.user_id), list(items.item_id))


def _key(catalogue_hash: str, config: Mapping[str, Any], device: str) -> str:
    """Names a training: whatever decides its outcome."""
    decides = [catalogue_hash, config, device]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:24]
