"""A trained two-tower recommender, frozen: vectors with their ids, biases, and a scorer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.errors import RunError


class Scorer(Protocol):
    """The scoring function g of the paper's Eq. 2, without additive biases."""

    def __call__(self, e_ud: np.ndarray, e_id: np.ndarray) -> np.ndarray:
        """Affinities (users × items, float32) of every user with every item."""
        ...


def dot(e_ud: np.ndarray, e_id: np.ndarray) -> np.ndarray:
    """Inner products: `g(e_u, e_i) = e_u . e_i`."""
    return e_ud @ e_id.T


SCORERS: dict[str, Scorer] = {"dot": dot}


@dataclass(frozen=True)
class Tower:
    """One side of the recommender. Row r of `vectors` (n × d, float32) and `bias` (n) belongs to `ids[r]`."""

    ids: Sequence[str]
    vectors: np.ndarray
    bias: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.vectors) == len(self.bias):
            raise RunError(
                f"A tower has {len(self.ids)} ids, {len(self.vectors)} vectors and {len(self.bias)} biases; "
                "they must be as many."
            )


@dataclass(frozen=True)
class Recommender:
    """Users, items and the function that scores a pair. Biases stay outside the SAE but inside the ranking."""

    users: Tower
    items: Tower
    scorer: str = "dot"

    def affinities(
        self, user: np.ndarray, e_ud: np.ndarray | None = None, e_id: np.ndarray | None = None
    ) -> np.ndarray:
        """Affinities (len(user) × items) of the users numbered `user`.

        `e_ud` (len(user) × d) and `e_id` (items × d) stand in for the recommender's own vectors when they
        are given: edited or reconstructed ones. Biases are added after scoring, always the same.
        """
        e_ud = self.users.vectors[user] if e_ud is None else e_ud
        e_id = self.items.vectors if e_id is None else e_id
        score = SCORERS[self.scorer]
        return score(e_ud, e_id) + self.users.bias[user, None] + self.items.bias

    def save(self, path: Path) -> None:
        """Write vectors and biases to a safetensors file. The ids are stored by the run, once."""
        from safetensors.numpy import save_file

        save_file(
            {
                "users.vectors": self.users.vectors,
                "users.bias": self.users.bias,
                "items.vectors": self.items.vectors,
                "items.bias": self.items.bias,
            },
            path,
            metadata={"scorer": self.scorer},
        )

    @classmethod
    def load(cls, path: Path, user_ids: Sequence[str], item_ids: Sequence[str]) -> "Recommender":
        """Read what `save` wrote and put the ids beside it. Raises `RunError` when the counts differ."""
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as file:
            scorer = (file.metadata() or {}).get("scorer", "dot")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        return cls(
            Tower(user_ids, arrays["users.vectors"], arrays["users.bias"]),
            Tower(item_ids, arrays["items.vectors"], arrays["items.bias"]),
            scorer,
        )
