"""Joining a run with its catalogue, by id."""

from typing import TYPE_CHECKING

import numpy as np

from engine.errors import RunError
from engine.neurons.table import ConceptItems
from engine.recommenders.ranking import Candidates, Histories
from engine.steering.effect import Steering

if TYPE_CHECKING:
    from engine.catalogue.catalogue import Catalogue
    from engine.run import Run

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


def steering(run: "Run", catalogue: "Catalogue") -> Steering:
    """Everything that ranking under edits needs. Raises `RunError` when the ids differ."""
    items, users = catalogue.items(), catalogue.users()
    recommender = run.recommender
    if list(recommender.items.ids) != list(items.item_id) or list(recommender.users.ids) != list(users.user_id):
        raise RunError(
            f"The ids of run {run.name} are not those of the data set {catalogue.name}; train a new run on it."
        )
    return Steering(
        recommender=recommender,
        sae=run.sae,
        neurons=run.neurons,
        candidates=candidates(catalogue, len(users.user_id)),
        held_out=histories(catalogue, len(users.user_id), TEST),
        titles=run.texts["title"],
        concepts=concept_items(catalogue, len(items.item_id)),
        labels_of_items=[detail.split("|") if detail else [] for detail in run.texts["detail"]],
    )
