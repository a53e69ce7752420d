"""What the labels of a run are made from and tested on: its neurons, item cards, concepts, and the two halves."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from engine.errors import LabelError
from engine.inspector import Inspector
from engine.labels.cards import FIELDS, Cards, Field
from engine.labels.causal import causal_agreement
from engine.labels.evidence import Evidence, Split, evidence_for, likeness
from engine.labels.resolve import members
from engine.labels.scores import Score
from engine.neurons.table import ConceptItems
from engine.recommenders.ranking import Candidates
from engine.run import Run
from engine.steering.inputs import Ranking

SEED = 0


@dataclass(frozen=True)
class Material:
    """A run made ready for labelling; without its data set there are no concepts, and `missing` says why."""

    run: Run
    z_im: np.ndarray
    """Codes of all items; zeros for those that are not ranked."""
    eligible: np.ndarray
    cards: Cards
    split: Split
    concepts: Sequence[ConceptItems]
    candidates: Candidates | None
    missing: str | None
    _evidence: dict[int, Evidence] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, run: Run, fields: tuple[Field, ...] = FIELDS, seed: int = SEED) -> "Material":
        """Everything that is read from disk is read here."""
        labels = [detail.split("|") if detail else [] for detail in run.texts["detail"]]
        cards = Cards(run.texts["title"], labels, fields)
        with Inspector.open(run) as inspector:
            joined, candidates = inspector.joined, None
            if joined is not None:
                trained_on = run.manifest["recommender"].get("trained_on", "train")
                candidates = Ranking(joined.catalogue, run.recommender, trained_on).candidates
            return cls(
                run,
                inspector.z_im,
                inspector.eligible,
                cards,
                Split.of(inspector.eligible, seed),
                joined.concepts if joined is not None else [],
                candidates,
                inspector.missing,
            )

    def shuffled(self, seed: int) -> "Material":
        """The same neurons over items whose metadata are those of another, ranked item: every score must be chance."""
        known = np.flatnonzero(self.eligible)
        of = np.arange(len(self.eligible))
        of[known] = np.random.default_rng(seed).permutation(known)
        cards = replace(
            self.cards,
            titles=[self.cards.titles[item] for item in of.tolist()],
            concepts=[self.cards.concepts[item] for item in of.tolist()],
        )
        concepts = [replace(concept, member=concept.member[of]) for concept in self.concepts]
        return replace(self, cards=cards, concepts=concepts, _evidence={})

    @property
    def ids(self) -> Sequence[str]:
        """Ids of all items, by number."""
        return self.run.recommender.items.ids

    @cached_property
    def names(self) -> list[str]:
        """The catalogue's concepts by name; the run's own list where the catalogue is not here."""
        if self.concepts:
            return [concept.name for concept in self.concepts]
        return [entry.concept for entry in self.run.reach]

    @cached_property
    def likeness(self) -> np.ndarray:
        """How alike items are by their genres or tags and their decade; see `evidence.likeness`."""
        return likeness([[*self.cards.concepts[item], *self.cards.decade(item)] for item in range(len(self.ids))])

    def evidence(self, neuron: int) -> Evidence:
        """A neuron's evidence, the same whenever it is asked for."""
        if neuron not in self._evidence:
            beside = self.run.neuron(neuron).neighbour
            self._evidence[neuron] = evidence_for(neuron, self.z_im, self.split, self.likeness, beside)
        return self._evidence[neuron]

    def record(self, neuron: int, text: str | None, source: str) -> dict[str, Any]:
        """What was shown to a neuron's labeller, as a session keeps it."""
        shown = [[self.ids[one.item], one.source] for one in self.evidence(neuron).explain]
        figures = {"by": source, "fields": list(self.cards.fields), "seed": self.split.seed, "shown": shown}
        return {"kind": "evidence", "state": "shown", "text": text, "concept": None, "figures": figures}

    def need_concepts(self) -> None:
        """Raises `LabelError` where there are no concepts to name neurons by."""
        if not self.concepts:
            raise LabelError(self.missing or f"{self.run.manifest['dataset']} has no concepts to name neurons by.")

    def member(self, concept: str | None) -> tuple[np.ndarray | None, str | None]:
        """Which items a label's concept holds (bool), or None and why that is not known."""
        if concept is None:
            return None, "The label names no concept of the catalogue; `labels RUN resolve` says which it means."
        if self.missing is not None:
            return None, self.missing
        found = members(concept, {one.name: one.member for one in self.concepts})
        return found, None if found is not None else f"The catalogue has no concept {concept!r} (any more)."

    def moves(self, neuron: int, member: np.ndarray, concept: str) -> Score:
        """Whether raising the neuron brings the label's items into users' lists."""
        unit = self.run.neuron(neuron).p99_users
        if unit is None or self.candidates is None:
            why = "No user activates it, so that there is nothing to raise." if unit is None else self.missing
            return Score("moves", "unknown", "lists", concept=concept, why=why)
        found = causal_agreement(
            self.run.recommender, self.run.sae, self.candidates, neuron, unit, member, self.z_im, self.split.seed
        )
        if found.unknown is not None:
            return Score("moves", "unknown", "lists", concept=concept, why=found.unknown)
        return Score("moves", "scored", "lists", concept=concept, figures=found.as_dict())
