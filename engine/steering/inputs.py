"""What ranking, measuring and steering take from a catalogue, as arrays by item and user number."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from engine.neurons.table import ConceptItems
from engine.recommenders.ranking import Candidates, Histories
from engine.recommenders.recommender import Recommender

if TYPE_CHECKING:
    from engine.catalogue.catalogue import Catalogue

TRAIN, VALIDATION, TEST = 0, 1, 2
"""Folds of the interactions."""


def histories(catalogue: "Catalogue", users: int, *folds: int) -> Histories:
    """The interactions of some folds as rows of items by user number."""
    interactions = catalogue.interactions(*folds)
    return Histories.of(interactions.user, interactions.item, users)


def candidates(
    catalogue: "Catalogue", users: int, known: np.ndarray | None = None, *, held_out: bool = True
) -> Candidates:
    """What may be recommended: items that the user has not seen, that somebody has, and that have a vector.

    Where the test items are held out, seen are the training and validation items, and an item needs a training
    interaction. A model that may have been trained on everything has everything as seen. Without any interaction all
    items may be recommended. `known` (items) is False for items without a vector.
    """
    folds = (TRAIN, VALIDATION) if held_out else (TRAIN, VALIDATION, TEST)
    seen = histories(catalogue, users, *folds)
    popularity = catalogue.items().popularity
    count = popularity if held_out else np.bincount(seen.items, minlength=len(popularity))
    eligible = count > 0 if len(seen.items) else np.ones(len(popularity), bool)
    return Candidates(seen, eligible if known is None else eligible & known)


def concept_items(catalogue: "Catalogue", items: int) -> list[ConceptItems]:
    """The catalogue's concepts as item masks."""
    found = []
    for concept in catalogue.concepts():
        member = np.zeros(items, bool)
        member[concept.items] = True
        found.append(ConceptItems(concept.name, concept.kind, member))
    return found


TrainedOn = Literal["train", "all", "unknown"]
"""What an adopted model may have seen: only with "train" are the held-out items held out."""


@dataclass(frozen=True)
class Ranking:
    """A recommender beside its catalogue, with what may be ranked and what is held out."""

    catalogue: "Catalogue"
    recommender: Recommender
    trained_on: TrainedOn = "train"

    @cached_property
    def candidates(self) -> Candidates:
        """What may be recommended."""
        users, known = len(self.recommender.users.ids), self.recommender.items.known
        return candidates(self.catalogue, users, known, held_out=self.trained_on == "train")

    @cached_property
    def held_out(self) -> Histories:
        """Test items of each user; of nobody, where the model may have been trained on them."""
        if self.trained_on == "train":
            return histories(self.catalogue, len(self.recommender.users.ids), TEST)
        nothing = np.empty(0, np.int32)
        return Histories.of(nothing, nothing, len(self.recommender.users.ids))
