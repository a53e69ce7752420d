"""Which neurons stand for one concept, one that was named after the training too."""

from dataclasses import dataclass

import numpy as np

from engine.neurons.evidence import DEPTHS, hits_at, top_items
from engine.neurons.table import CHOICE_DEPTH, names


@dataclass(frozen=True)
class ConceptNeuron:
    """One neuron's purity for one concept. None: fewer than K items activate it."""

    neuron: int
    purity10: float | None
    purity20: float | None
    purity50: float | None
    lift: float | None
    """purity20 over the base rate"""
    named: bool
    """Whether the concept would name the neuron (`Neuron.named_by`)."""


def concept_neurons(z_im: np.ndarray, eligible: np.ndarray, member: np.ndarray) -> list[ConceptNeuron]:
    """Every neuron measured on the concept `member` (bool, items), the purest at 20 first, then at 10 and 50.

    `z_im` are the items' codes; only `eligible` items count, as in the neuron table.
    """
    known = np.flatnonzero(eligible)
    top = top_items(z_im[known], np.ones(len(known), bool), max(DEPTHS))
    base = float(member[known].mean()) if len(known) else 0.0
    hits = {depth: hits_at(top, member[known][None], depth)[:, 0] for depth in DEPTHS}
    found = []
    for j in range(z_im.shape[1]):
        purity = {depth: None if hits[depth][j] < 0 else float(hits[depth][j]) / depth for depth in DEPTHS}
        chosen = purity[CHOICE_DEPTH]
        lift = chosen / base if chosen is not None and base else None
        named = chosen is not None and lift is not None and names(chosen, lift)
        found.append(ConceptNeuron(j, purity[10], purity[20], purity[50], lift, named))
    return sorted(found, key=lambda one: [-(value or 0) for value in (one.purity20, one.purity10, one.purity50)])
