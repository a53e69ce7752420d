"""What a labeller is shown of a neuron: the items that activate it most, and items that do not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EvidenceItem:
    """An item by its metadata, and how much it activates the neuron (0 in the contrast)."""

    title: str
    concepts: list[str]
    activation: float


@dataclass(frozen=True)
class Evidence:
    """A neuron's top items, strongest first, and items that do not activate it at all."""

    neuron: int
    items: list[EvidenceItem]
    contrast: list[EvidenceItem]


def evidence_for(
    neuron: int,
    activations: np.ndarray,
    titles: Sequence[str],
    concepts_of_item: Sequence[Sequence[str]],
    eligible: np.ndarray,
    rng: np.random.Generator,
    top: int = 20,
    contrast: int = 10,
) -> Evidence:
    """Evidence from one neuron's `activations` (float32, n items), all arguments in the catalogue's item order.

    Only `eligible` (bool, n) items are shown. The top items are the at most `top` most active ones, equal
    activations by item number; the contrast are at most `contrast` drawn by `rng` from those with no
    activation. Either may be shorter, or empty. Raises `ValueError` if the lengths differ.
    """
    if not len(activations) == len(titles) == len(concepts_of_item) == len(eligible):
        raise ValueError(
            f"{len(activations)} activations, {len(titles)} titles, {len(concepts_of_item)} lists of concepts "
            f"and {len(eligible)} marks cannot be of the same items"
        )
    active = np.flatnonzero(eligible & (activations > 0))
    strongest = active[np.argsort(-activations[active], kind="stable")][:top]
    silent = np.flatnonzero(eligible & (activations == 0))
    drawn = rng.choice(silent, size=min(contrast, len(silent)), replace=False)

    def item(number: int) -> EvidenceItem:
        return EvidenceItem(titles[number], list(concepts_of_item[number]), float(activations[number]))

    return Evidence(neuron, [item(number) for number in strongest], [item(number) for number in drawn])
