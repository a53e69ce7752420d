"""The autoencoder beside what it must beat: plain dictionaries, random directions, and itself with another beta."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.fidelity import Fidelity, measure_fidelity
from engine.neurons.standing import READINGS, RandomStanding, Standing, paired_interval, random_standing, standing
from engine.neurons.table import ConceptItems
from engine.sae.baselines import baselines
from engine.sae.config import SaeConfig
from engine.sae.model import Side, SparseAutoencoder
from engine.steering.inputs import Ranking

OWN, RANDOM = "SAE", "random directions"
USERS_OF_A_SLOW_SCORER = 300
"""Users that a comparison is measured on where a scorer is no dot product: every row, the SAE's too."""


@dataclass(frozen=True)
class Compared:
    """One set of neurons: its purities over the panel and how much of the recommender it keeps."""

    name: str
    standing: Standing
    fidelity: Fidelity


@dataclass(frozen=True)
class Comparison:
    """The SAE first, then its baselines; and random directions, which reconstruct nothing."""

    rows: Sequence[Compared]
    random: RandomStanding

    def as_dict(self) -> dict[str, Any]:
        """As plain values for the manifest: every row with its means, and how far the SAE is ahead, concept by concept.

        The interval is a 95 % bootstrap over the panel's concepts of one base: a paired difference of purity@20.
        """
        own = self.rows[0].standing
        return {
            "panel": [concept.concept for concept in own.concepts],
            "concepts": [vars(concept) | {"readings": _plain(concept.readings)} for concept in own.concepts],
            "rows": [
                {
                    "name": row.name,
                    "candidates": row.standing.candidates,
                    "purity": row.standing.means,
                    "popularity": row.standing.popularity,
                    "popularity_neuron": row.standing.popularity_neuron,
                    "fidelity": row.fidelity.as_dict(),
                    "ahead": _ahead(own, row.standing) if row.name != OWN else None,
                }
                for row in self.rows
            ],
            "random": self.random.as_dict(),
        }


def other_beta(config: SaeConfig) -> float:
    """The weight of the prediction loss that is tried beside: none, or 1 where there is none."""
    return 0.0 if config.beta else 1.0


def compare(
    ranking: Ranking,
    sae: SparseAutoencoder,
    others: Mapping[float, SparseAutoencoder],
    config: SaeConfig,
    concepts: Sequence[ConceptItems],
    trained_on: np.ndarray,
    measured_on: np.ndarray,
    fidelity: Fidelity,
) -> Comparison:
    """Measure `sae` and its baselines on the panel `concepts` and on the users numbered `measured_on`.

    `others` are the same SAE trained with other betas, by beta. `fidelity` is the SAE's own on `measured_on`; where the
    scorer is slow, every row is measured on the first of them, the SAE's too.
    """
    recommender, allowed = ranking.recommender, ranking.candidates
    popularity = ranking.catalogue.items().popularity
    eligible = np.flatnonzero(allowed.eligible)
    e_nd: dict[Side, np.ndarray] = {
        "users": recommender.users.vectors[trained_on],
        "items": recommender.items.vectors[eligible],
    }
    again = {f"SAE, beta {beta:g}": one for beta, one in others.items()}
    found = {OWN: sae} | again | baselines(config, sae.sides, e_nd)
    slow = recommender.scorer.kind not in ("dot", "cosine")
    sample = measured_on[:USERS_OF_A_SLOW_SCORER] if slow else measured_on
    rows = []
    for name, one in found.items():
        z_im = one.encode(recommender.items.vectors, "items")
        own = standing(z_im, allowed.eligible, concepts, popularity, config.seed)
        known = name == OWN and len(sample) == len(measured_on)
        kept = fidelity if known else measure_fidelity(recommender, one, allowed, ranking.held_out, sample)
        rows.append(Compared(name, own, kept))
    chance = random_standing(recommender.items.vectors, allowed.eligible, concepts, config.neurons, config.seed)
    return Comparison(rows, chance)


def _ahead(own: Standing, other: Standing) -> dict[str, Sequence[float]]:
    return {
        reading: paired_interval(own.purity(reading, 20), other.purity(reading, 20))
        for reading in READINGS
        if own.concepts
    }


def _plain(readings: Mapping[Any, Any]) -> dict[str, Any]:
    return {reading: vars(purest) for reading, purest in readings.items()}
