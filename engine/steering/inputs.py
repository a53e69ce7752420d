"""What ranking, measuring and steering take from a catalogue, as arrays by item and user number."""

from typing import TYPE_CHECKING

import numpy as np

from engine.neurons.table import ConceptItems
from engine.recommenders.ranking import Candidates, Histories

if TYPE_CHECKING:
    from engine.catalogue.catalogue import Catalogue

TRAIN, VALIDATION, TEST = 0, 1, 2
"""Folds of the interactions."""


def histories(catalogue: "Catalogue", users: int, *folds: int) -> Histories:
    """The interactions of some folds as rows of items by user number."""
    interactions = catalogue.interactions(*folds)
    return Histories.of(interactions.user, interactions.item, users)


def candidates(catalogue: "Catalogue", users: int) -> Candidates:
    """What may be recommended: not seen in training or validation, and with at least one training interaction."""
    return Candidates(histories(catalogue, users, TRAIN, VALIDATION), catalogue.items().popularity > 0)


def concept_items(catalogue: "Catalogue", items: int) -> list[ConceptItems]:
    """The catalogue's concepts as item masks."""
    found = []
    for concept in catalogue.concepts():
        member = np.zeros(items, bool)
        member[concept.items] = True
        found.append(ConceptItems(concept.name, concept.kind, member))
    return found
