"""What a trained autoencoder must beat: dictionaries that need no training, with the same interface.

Each takes both signs of its directions, as neurons are never negative, and at most as many as the autoencoder has
neurons, so that purities are compared at equal numbers of candidates. With both signs of all d directions a
dictionary is lossless and has d active neurons a row: that is the vector itself, written otherwise.
"""

from collections.abc import Callable

import numpy as np

from engine.sae.config import SaeConfig
from engine.sae.model import SIDES, Side, SideMap, SparseAutoencoder, with_thresholds
from engine.sae.start import components

Dictionary = tuple[np.ndarray, np.ndarray]
"""Encoder and decoder (2d × d each), the directions to keep first first."""


def raw_dimensions(x_nd: np.ndarray, seed: int) -> Dictionary:  # noqa: ARG001 (all dictionaries are asked alike)
    """The vectors' own dimensions, the widest first."""
    order = np.argsort(-x_nd.var(axis=0), kind="stable")
    return _both_signs(np.eye(x_nd.shape[1])[order])


def principal_components(x_nd: np.ndarray, seed: int) -> Dictionary:  # noqa: ARG001
    """Directions of largest variance, the largest first."""
    _, _, directions = np.linalg.svd(x_nd - x_nd.mean(axis=0), full_matrices=False)
    rest = x_nd.shape[1] - len(directions)
    return _both_signs(np.concatenate([directions, np.zeros((rest, x_nd.shape[1]))]))


def independent_components(x_nd: np.ndarray, seed: int) -> Dictionary:
    """Independent components, the most skewed sign first, scaled so that a neuron's atom has length 1."""
    found = components(x_nd, seed)
    length = np.linalg.norm(found.atoms_kd, axis=1, keepdims=True)
    encoder = np.concatenate([found.unmixing_kd * length, -found.unmixing_kd * length])
    decoder = np.concatenate([found.atoms_kd / length, -found.atoms_kd / length])
    order = np.argsort(-np.concatenate([found.skewness_k, -found.skewness_k]), kind="stable")
    return encoder[order], decoder[order]


def _both_signs(directions_kd: np.ndarray) -> Dictionary:
    signed = np.stack([directions_kd, -directions_kd], axis=1).reshape(-1, directions_kd.shape[1])
    return signed, signed


DICTIONARIES: dict[str, Callable[[np.ndarray, int], Dictionary]] = {
    "raw dimensions": raw_dimensions,
    "PCA": principal_components,
    "ICA": independent_components,
}


def baselines(
    config: SaeConfig, sides: dict[Side, SideMap], e_nd: dict[Side, np.ndarray]
) -> dict[str, SparseAutoencoder]:
    """The untrained dictionaries for the same normalised vectors as an autoencoder of `config`, by name.

    `e_nd` are the training vectors of both sides. "ICA, top k" has the autoencoder's own sparsity.
    """
    x_nd = sides["items"].inward(e_nd["items"])
    plain: dict[Side, SideMap] = {
        side: SideMap(sides[side].mean, sides[side].scale, 0.0, None, sides[side].rotation) for side in SIDES
    }
    d = x_nd.shape[1]
    found = {}
    for name, make in DICTIONARIES.items():
        encoder, decoder = (part[: config.neurons].astype(np.float32) for part in make(x_nd, config.seed))
        found[name] = SparseAutoencoder(
            decoder, np.zeros(len(decoder), np.float32), np.zeros(d, np.float32), plain, encoder
        )
    k: dict[Side, int] = {"users": config.k_users, "items": config.k_items}
    return {**found, "ICA, top k": with_thresholds(found["ICA"], e_nd, k)}
