"""What one concept of the data set has to tell: the neurons that stand for it, and how near they come."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import MonoscopeError
from engine.neurons.concept import concept_neurons
from engine.neurons.profile import concept_means, most_active

if TYPE_CHECKING:
    from engine.neurons.table import ConceptItems
    from engine.run import Run


def concept_page(
    run: "Run",
    name: str,
    k: int,
    concepts: "Sequence[ConceptItems]",
    z_im: np.ndarray,
    eligible: np.ndarray,
    popularity: np.ndarray,
) -> dict[str, Any]:
    """The k neurons that are purest for a concept, one named after the training too.

    `missing` says that it names none of them, `misses` are items of the purest neuron's top 20 that do not carry it,
    `profile` is every neuron's mean activation over its items beside that over all (the paper's Figure 2), and
    `standing` its neuron chosen by the labels, on the other half of the items, and one to one. `z_im` are the items'
    codes; only `eligible` items count.
    """
    concept = named(name, concepts)
    member = concept.member
    rows = concept_neurons(z_im, eligible, member)
    misses = [n for n in most_active(z_im[:, rows[0].neuron], eligible, 20).tolist() if not member[n]] if rows else []
    return {
        "run": run.name,
        "concept": concept.name,
        "kind": concept.kind,
        "items": int((member & eligible).sum()),
        "base_rate": float(member[eligible].mean()) if eligible.any() else None,
        "missing": not any(row.named for row in rows),
        "standing": _readings(z_im, eligible, concepts, popularity, concept.name),
        "neurons": [asdict(row) for row in rows[:k]],
        "misses": [
            {"item_id": run.recommender.items.ids[n], "title": run.texts["title"][n], "activation": float(z)}
            for n, z in ((n, z_im[n, rows[0].neuron]) for n in misses)
        ],
        "profile": _profile(z_im, eligible, member),
    }


def named(name: str, concepts: "Sequence[ConceptItems]") -> "ConceptItems":
    """The concept of this name, capitals or not; a sentence with the closest where there is none."""
    from engine.catalogue.recipes import unknown

    known = {concept.name.lower(): concept for concept in concepts}
    if name.lower() not in known:
        raise MonoscopeError(unknown("concept", name, [concept.name for concept in known.values()]))
    return known[name.lower()]


def _profile(z_im: np.ndarray, eligible: np.ndarray, member: np.ndarray) -> list[dict[str, Any]]:
    if not eligible.any():
        return []
    means, overall = concept_means(z_im, eligible, member[None])
    found = bool((member & eligible).any())
    return [
        {"neuron": j, "mean": float(means[0, j]) if found else None, "catalogue": float(overall[j])}
        for j in range(z_im.shape[1])
    ]


def _readings(
    z_im: np.ndarray, eligible: np.ndarray, concepts: "Sequence[ConceptItems]", popularity: np.ndarray, name: str
) -> dict[str, dict[str, Any]]:
    """The concept's neuron and its purity as `engine.neurons.standing` reads it, among the concepts of its panel."""
    from engine.neurons.standing import panel, standing

    among = panel(concepts, eligible)
    if name not in {concept.name for concept in among}:
        among = [*among, *(concept for concept in concepts if concept.name == name)]
    row = next(row for row in standing(z_im, eligible, among, popularity, seed=0).concepts if row.concept == name)
    return {
        reading.replace("-", "_"): {"neuron": one.neuron, **{f"purity{k}": one.purity[k] for k in sorted(one.purity)}}
        for reading, one in row.readings.items()
    }
