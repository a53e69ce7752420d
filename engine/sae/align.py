"""How each side's vectors are brought to where one dictionary can read both."""

from dataclasses import dataclass

import numpy as np

from engine.recommenders.ranking import Histories
from engine.sae.model import SideMap


def fit_side(e_nd: np.ndarray) -> SideMap:
    """Mean and scale that bring a side's vectors to mean 0 and mean squared entry 1. No threshold yet."""
    mean = e_nd.mean(axis=0).astype(np.float32)
    scale = float(np.sqrt(np.mean((e_nd - mean) ** 2)))
    return SideMap(mean, max(scale, 1e-12), 0.0)


@dataclass(frozen=True)
class Alignment:
    """The rotation of users onto items, and what it did: mean cosine of a user with the mean of their items."""

    rotation: np.ndarray
    cosine_before: float
    cosine_after: float
    users: int
    """Users with a history, on whom it was fitted."""

    def facts(self) -> dict[str, float]:
        """The measured part, as plain values."""
        return {"cosine_before": self.cosine_before, "cosine_after": self.cosine_after, "users": self.users}


def procrustes(x_ud: np.ndarray, x_id: np.ndarray, history: Histories, users: np.ndarray) -> Alignment | None:
    """The orthogonal R that brings user vectors closest to the mean of their items: R = P Q' of U'M = P S Q'.

    `x_ud` are the vectors (normalised) of the users numbered `users`, `x_id` those of all items, and `history` holds
    the items of every user. A scorer that takes users and items apart leaves their spaces unrelated, so that a neuron
    named by its items would say nothing of users (Schönemann 1966 for the solution). None where nobody has a history.
    """
    rows, items = history.cells(users)
    length = np.bincount(rows, minlength=len(users))
    known = length > 0
    if not known.any():
        return None
    mean_ud = np.zeros_like(x_ud, dtype=np.float64)
    np.add.at(mean_ud, rows, x_id[items])
    mean_ud = mean_ud[known] / length[known, None]
    own_ud = x_ud[known].astype(np.float64)
    mean_ud -= mean_ud.mean(axis=0)
    own_ud -= own_ud.mean(axis=0)
    left, _, right = np.linalg.svd(own_ud.T @ mean_ud)
    rotation = left @ right
    return Alignment(
        rotation.astype(np.float32),
        _mean_cosine(own_ud, mean_ud),
        _mean_cosine(own_ud @ rotation, mean_ud),
        int(known.sum()),
    )


def _mean_cosine(a_nd: np.ndarray, b_nd: np.ndarray) -> float:
    lengths = np.linalg.norm(a_nd, axis=1) * np.linalg.norm(b_nd, axis=1)
    return float(((a_nd * b_nd).sum(axis=1) / np.maximum(lengths, 1e-12)).mean())
