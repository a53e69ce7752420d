"""From a frozen recommender to a run: autoencoder, neuron table, fidelity, folder. Trained or adopted models alike."""

import math
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, get_args

import numpy as np
from pydantic import BaseModel, ValidationError

import engine
from engine.catalogue.catalogue import Catalogue
from engine.comparison import compare, other_beta
from engine.errors import RunError
from engine.fidelity import Fidelity, audit
from engine.home import Home
from engine.neurons.evidence import top_items
from engine.neurons.standing import panel
from engine.neurons.table import TOP_STORED, ConceptItems, Neuron, neuron_table
from engine.progress import Progress
from engine.recommenders.checkpoint import Checkpoint
from engine.recommenders.ranking import Metrics, evaluate, popularity_recommender
from engine.run import Run, Screen, free_name, save_run
from engine.sae.align import Alignment
from engine.sae.config import SaeConfig, describe
from engine.sae.losses import lets_gradients_through
from engine.sae.training import side_maps, split_users, train_saes
from engine.steering.inputs import Ranking, concept_items


def make_run(
    home: Home,
    name: str,
    ranking: Ranking,
    about: Mapping[str, Any],
    config: Mapping[str, Any],
    sae_config: SaeConfig,
    device: str,
    training: list[dict[str, Any]],
    notes: Sequence[str],
    progress: Progress,
    checkpoint: Checkpoint | None = None,
    baselines: bool = True,
) -> Run:
    """Train an autoencoder through `ranking.recommender`, measure everything, store the run.

    `about` describes the recommender in the manifest, `config` reproduces it, `training` holds its log lines. With
    `baselines` the run says how the autoencoder stands beside plain dictionaries and beside itself with another beta.
    Raises `RunError` for a recommender that one autoencoder cannot serve.
    """
    catalogue, recommender = ranking.catalogue, ranking.recommender
    d_users, d_items = (side.vectors.shape[1] for side in (recommender.users, recommender.items))
    if d_users != d_items:
        raise RunError(
            f"Users have vectors of {d_users} numbers and items of {d_items}; one autoencoder needs them alike."
        )
    allowed, held_out, items = ranking.candidates, ranking.held_out, catalogue.items()
    metrics, popular = quality(ranking)
    known_users = np.flatnonzero(recommender.users.known)
    trained_on, measured_on = (
        known_users[part] for part in split_users(len(known_users), sae_config.held_out_users, sae_config.seed)
    )
    eligible = np.flatnonzero(allowed.eligible)
    configs = [sae_config]
    if baselines and (sae_config.beta or lets_gradients_through(recommender)):
        configs.append(sae_config.model_copy(update={"beta": other_beta(sae_config)}))
    unlogged: list[dict[str, float]] = []
    sae, *others = train_saes(
        configs,
        recommender,
        users=trained_on,
        items=eligible,
        progress=lambda share, text: progress(0.7 * share, f"autoencoder: {text}"),
        logs=[lambda line: training.append({"part": "sae", **line}), unlogged.append][: len(configs)],
        device=device,
        seen=allowed.seen,
        checkpoint=checkpoint,
    )
    _, alignment = side_maps(sae_config, recommender, trained_on, eligible, allowed.seen)
    progress(0.7, "measuring neurons")
    z_im = sae.encode(recommender.items.vectors, "items")
    concepts = concept_items(catalogue, len(items.item_id))
    table = neuron_table(
        z_im,
        sae.encode(recommender.users.vectors[known_users], "users"),
        recommender.items.vectors,
        items.popularity,
        allowed.eligible,
        concepts,
        sae_config.seed,
        sae.w_md,
        sae.levels,
    )
    progress(0.85, "measuring fidelity")
    measured_on = measured_on if len(measured_on) else trained_on
    audited = audit(recommender, sae, allowed, held_out, measured_on)
    fidelity = audited.fidelity
    comparison = None
    if baselines:
        progress(0.9, "measuring baselines")
        chosen = panel(concepts, allowed.eligible)
        again = dict.fromkeys([other_beta(sae_config)], others[0]) if others else {}
        comparison = compare(ranking, sae, again, sae_config, chosen, trained_on, measured_on, fidelity)
    meta = catalogue.meta
    manifest = {
        "dataset": catalogue.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "simulated": bool(meta["simulated"]),
        **{name: meta[name] for name in ("notice", "source_notice", "licence", "citation", "item_word")},
        "users": len(recommender.users.ids),
        "items": len(recommender.items.ids),
        "ranked_items": int(allowed.eligible.sum()),
        "catalogue_hash": catalogue.hash,
        "config": dict(config),
        "recommender": {
            **about,
            "d": d_users,
            "scorer": {"kind": recommender.scorer.kind, **recommender.scorer.facts()},
            "trained_on": ranking.trained_on,
            "metrics": metrics.as_dict(),
            "popularity": popular.as_dict(),
            "beats_popularity": beats(metrics, popular),
        },
        "sae": {"variant": sae_config.variant, "m": sae_config.neurons, **sae_config.model_dump(exclude={"neurons"})},
        "alignment": None if alignment is None else alignment.facts(),
        "fidelity": fidelity.as_dict(),
        "chance": table.chance,
        "comparison": None if comparison is None else comparison.as_dict(),
        "notes": [
            *notes,
            *_quality_notes(ranking, metrics, popular),
            *describe(sae_config, d_users),
            *_spaces(ranking, alignment),
            *_went_wrong(fidelity, table.neurons),
        ],
        "versions": _versions(device),
    }
    screen = _screen(catalogue, z_im, allowed.eligible, table.neurons, concepts)
    run = save_run(home, name, manifest, recommender, sae, table, screen, training, audited)
    progress(1.0, "done")
    return run


def quality(ranking: Ranking) -> tuple[Metrics, Metrics]:
    """Metrics of the recommender and of popularity alone on the held-out items."""
    allowed, held_out = ranking.candidates, ranking.held_out
    popular = popularity_recommender(ranking.recommender, ranking.catalogue.items().popularity)
    users = np.flatnonzero(ranking.recommender.users.known)
    return evaluate(ranking.recommender, allowed, held_out, users), evaluate(popular, allowed, held_out, users)


def beats(metrics: Metrics, popular: Metrics) -> bool | None:
    """Whether the recommender ranks held-out items better than popularity alone (NDCG@10); None if unknown."""
    if metrics.ndcg10 is None or popular.ndcg10 is None:
        return None
    return metrics.ndcg10 > popular.ndcg10


def _quality_notes(ranking: Ranking, metrics: Metrics, popular: Metrics) -> list[str]:
    better = beats(metrics, popular)
    if better:
        return []
    if better is False:
        return [
            f"Not trained: on held-out items the recommender (NDCG@10 {metrics.ndcg10:.3f}) does not beat popularity "
            f"({popular.ndcg10:.3f}). What its neurons say is about a poor model."
        ]
    if not ranking.catalogue.meta["n_interactions"]:
        return ["There are no interactions, so the recommender's quality is unknown and nothing counts as seen."]
    if ranking.trained_on != "train":
        return [
            "The model may have been trained on the held-out items, so its quality on them is unknown; every "
            "interaction counts as seen."
        ]
    return ["No user has held-out items, so the recommender's quality is unknown."]


def _spaces(ranking: Ranking, alignment: Alignment | None) -> list[str]:
    if alignment is not None:
        return [
            "Users are rotated onto their items before they are encoded: mean cosine of a user with the mean of their "
            f"items {alignment.cosine_before:.2f} before, {alignment.cosine_after:.2f} after."
        ]
    if ranking.recommender.scorer.kind in ("dot", "cosine"):
        return []
    return [
        "The scorer takes users and items apart, so their vectors may live in unrelated spaces: what a neuron stands "
        "for among items need not hold for users. Check an edit's effect before you believe its name."
    ]


def _went_wrong(fidelity: Fidelity, neurons: Sequence[Neuron]) -> list[str]:
    """Sentences about an autoencoder that did not learn: worse than a constant, or silent."""
    explained = fidelity.explained_items
    if explained is not None and all(neuron.dead for neuron in neurons):
        told = "every neuron is dead, so codes say nothing"
    elif explained is not None and explained < -0.1:
        told = f"the reconstruction is worse than the mean vector (explained variance of items {explained:.2g})"
    else:
        return []
    return [f"WARNING: {told}; lower sae.learning_rate, or the weights of the penalties (sae.l1, sae.kl)."]


def checked(model: type[BaseModel], values: Mapping[str, Any], where: str = "") -> Any:
    """`values` as a `model`; a `RunError` in one sentence for a setting that does not fit."""
    _check_kinds(model, values, where)
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        parts = [str(part) for part in first["loc"] if str(part) not in ("mf", "ncf")]
        place = ".".join([where, *parts] if where else parts)
        raise RunError(
            f"The setting {place or 'given'} does not fit: {first['msg'].removeprefix('Value error, ')}."
        ) from error
    _check_finite(settings, where)
    return settings


def _check_kinds(model: type[BaseModel], values: Mapping[str, Any], where: str) -> None:
    """Refuse true and false where pydantic would take them for 1 and 0."""
    for name, field in model.model_fields.items():
        given, place = values.get(name), f"{where}.{name}" if where else name
        if isinstance(given, bool) and field.annotation is not bool:
            raise RunError(f"The setting {place} does not fit: it cannot be {str(given).lower()}.")
        if isinstance(given, Mapping):
            # Of a union the model that is meant is not known yet; names that several have are of one kind.
            for one in get_args(field.annotation) or (field.annotation,):
                if isinstance(one, type) and issubclass(one, BaseModel):
                    _check_kinds(one, given, place)


def _check_finite(settings: BaseModel, where: str) -> None:
    for name in type(settings).model_fields:
        value, place = getattr(settings, name), f"{where}.{name}" if where else name
        if isinstance(value, BaseModel):
            _check_finite(value, place)
        elif isinstance(value, float) and not math.isfinite(value):
            raise RunError(f"The setting {place} does not fit: it must be a finite number, not {value}.")


def check_new_name(home: Home, name: str | None, default: str) -> str:
    """`name`, which no run may have yet, or `default` with a number behind it if need be."""
    if name is not None and home.run(name).exists():
        raise RunError(
            f"There is already a run {name!r}; choose another --name, or remove it with `monoscope runs remove {name}`."
        )
    return name or free_name(home, default)


def _screen(
    catalogue: Catalogue,
    z_im: np.ndarray,
    eligible: np.ndarray,
    neurons: list[Neuron],
    concepts: list[ConceptItems],
) -> Screen:
    top = top_items(z_im, eligible, TOP_STORED)
    members = {concept.name: concept.member for concept in concepts}
    match = np.array([members[n.concept][row] if n.concept else row < -1 for n, row in zip(neurons, top, strict=True)])
    items = catalogue.items()
    return Screen(
        item=top,
        activation=np.take_along_axis(z_im.T, np.maximum(top, 0).astype(np.int64), axis=1) * (top >= 0),
        match=match & (top >= 0),
        ranked=eligible,
        titles=[
            f"{title} ({year})" if year > 0 else title for title, year in zip(items.title, items.year, strict=True)
        ],
        details=_details(catalogue, len(items.item_id)),
    )


def _details(catalogue: Catalogue, items: int) -> list[str]:
    """Each item's genres or tags, joined by '|'."""
    named: list[list[str]] = [[] for _ in range(items)]
    for concept in catalogue.concepts():
        if concept.kind in ("genre", "tag"):
            for item in concept.items:
                named[item].append(concept.name)
    return ["|".join(names) for names in named]


def _versions(device: str) -> dict[str, str]:
    return {
        "monoscope": engine.__version__,
        "python": platform.python_version(),
        "device": device,
        **{package: version(package) for package in ("torch", "numpy", "duckdb", "scikit-learn")},
    }
