"""From a catalogue to a run: recommender, SAE, neuron table, fidelity, folder."""

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

import engine
from engine.catalogue.catalogue import Catalogue
from engine.errors import RunError
from engine.fidelity import measure_fidelity
from engine.home import Home
from engine.neurons.evidence import top_items
from engine.neurons.table import TOP_STORED, ConceptItems, Neuron, neuron_table
from engine.progress import Progress
from engine.recommenders.mf import MFConfig, train_mf
from engine.recommenders.ranking import evaluate, popularity_recommender
from engine.run import Run, Screen, free_name, save_run
from engine.sae.training import SaeConfig, describe, split_users, train_sae
from engine.steering.inputs import TEST, TRAIN, candidates, concept_items, histories

SHARED_CELLS = 4_000_000
"""Cells of a training step from which on more than one thread pays."""


class TrainConfig(BaseModel):
    """Everything that decides a run, so that the same values on the same catalogue give the same run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recommender: Literal["mf"] = "mf"
    mf: MFConfig = MFConfig()
    sae: SaeConfig = SaeConfig()
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """A configuration from nested plain values; a `RunError` in one sentence for one that does not fit."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise RunError(
                f"The setting {where or 'given'} does not fit: {first['msg'].removeprefix('Value error, ')}."
            ) from error


def train(home: Home, dataset: str, config: TrainConfig, name: str | None, progress: Progress) -> Run:
    """Train on the data set `dataset` and store the run `name` (default: data set and recommender).

    `progress` covers the whole. Raises `RunError` when the name is taken.
    """
    name = name or free_name(home, f"{dataset}-{config.recommender}")
    if home.run(name).exists():
        raise RunError(
            f"There is already a run {name!r}; choose another --name, or remove it with `monoscope runs remove {name}`."
        )
    device = _device(config.device)
    training: list[dict[str, Any]] = []
    with Catalogue.open(home, dataset) as catalogue, _threads(config.mf.users_a_step * catalogue.meta["n_items"]):
        items, users = catalogue.items(), catalogue.users()
        allowed = candidates(catalogue, len(users.user_id))
        held_out = histories(catalogue, len(users.user_id), TEST)
        concepts = concept_items(catalogue, len(items.item_id))
        recommender = train_mf(
            config.mf,
            histories(catalogue, len(users.user_id), TRAIN),
            list(users.user_id),
            list(items.item_id),
            progress=lambda share, text: progress(0.7 * share, f"recommender: {text}"),
            log=lambda line: training.append({"part": "recommender", **line}),
            device=device,
        )
        metrics = evaluate(recommender, allowed, held_out)
        popular = evaluate(popularity_recommender(recommender, items.popularity), allowed, held_out)
        trained_on, measured_on = split_users(len(users.user_id), config.sae.held_out_users, config.sae.seed)
        sae = train_sae(
            config.sae,
            recommender,
            users=trained_on,
            items=np.flatnonzero(allowed.eligible),
            progress=lambda share, text: progress(0.7 + 0.2 * share, f"autoencoder: {text}"),
            log=lambda line: training.append({"part": "sae", **line}),
            device=device,
        )
        progress(0.9, "measuring neurons")
        z_im = sae.encode(recommender.items.vectors, "items")
        table = neuron_table(
            z_im,
            sae.encode(recommender.users.vectors, "users"),
            recommender.items.vectors,
            items.popularity,
            allowed.eligible,
            concepts,
            config.sae.seed,
        )
        progress(0.95, "measuring fidelity")
        fidelity = measure_fidelity(
            recommender, sae, allowed, held_out, measured_on if len(measured_on) else trained_on
        )
        manifest = {
            "dataset": dataset,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "simulated": bool(catalogue.meta["simulated"]),
            "notice": catalogue.meta["notice"],
            "source_notice": catalogue.meta["source_notice"],
            "licence": catalogue.meta["licence"],
            "citation": catalogue.meta["citation"],
            "item_word": catalogue.meta["item_word"],
            "users": len(users.user_id),
            "items": len(items.item_id),
            "ranked_items": int(allowed.eligible.sum()),
            "catalogue_hash": catalogue.hash,
            "config": config.model_dump(),
            "recommender": {
                "kind": config.recommender,
                "d": config.mf.d,
                "bias": config.mf.bias,
                "metrics": metrics.as_dict(),
                "popularity": popular.as_dict(),
            },
            "sae": {
                "variant": "batchtopk",
                "m": config.sae.neurons,
                **config.sae.model_dump(exclude={"neurons"}),
            },
            "fidelity": fidelity.as_dict(),
            "notes": [*_notes(metrics.ndcg10, popular.ndcg10), *describe(config.sae, config.mf.d)],
            "versions": _versions(device),
        }
        run = save_run(
            home,
            name,
            manifest,
            recommender,
            sae,
            table,
            _screen(catalogue, z_im, allowed.eligible, table.neurons, concepts),
            training,
        )
    progress(1.0, "done")
    return run


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


def _notes(ndcg10: float | None, popularity_ndcg10: float | None) -> list[str]:
    if ndcg10 is None or popularity_ndcg10 is None:
        return ["No user has held-out items, so the recommender's quality is unknown."]
    if ndcg10 > popularity_ndcg10:
        return []
    return ["The recommender does not beat popularity on held-out items: what its neurons say is about a poor model."]


@contextmanager
def _threads(cells_a_step: int) -> Iterator[None]:
    """Keep torch to one thread where a step is too small to share out.

    Handing a millisecond's work to several threads costs more than it saves, and far more (five times and
    up) on a machine that is busy with something else.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1 if cells_a_step < SHARED_CELLS else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _device(wanted: str) -> str:
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise RunError("No CUDA device is usable here; use --device cpu, or see `monoscope doctor`.")
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def _versions(device: str) -> dict[str, str]:
    return {
        "monoscope": engine.__version__,
        "python": platform.python_version(),
        "device": device,
        **{package: version(package) for package in ("torch", "numpy", "duckdb", "scikit-learn")},
    }
