"""The trained sparse autoencoder as it is served: numpy alone, one row at a time or many alike."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

Side = Literal["users", "items"]
SIDES: tuple[Side, Side] = ("users", "items")


@dataclass(frozen=True)
class SideMap:
    """How one side's vectors enter the SAE, `x = ((e - mean) / scale) @ rotation`, and when a neuron counts as active.

    `mean` (d) and the scalar `scale` are fitted once on that side's training vectors and used in training
    and serving alike. `threshold` is the smallest pre-activation that fires, and `k` the most neurons of a row that
    may (None: any number), so that a code never depends on the rows beside it. `rotation` (d × d, orthogonal; None:
    none) brings one side into the other's space, and is inverted exactly on the way back.
    """

    mean: np.ndarray
    scale: float
    threshold: float
    k: int | None = None
    rotation: np.ndarray | None = None

    def inward(self, e_nd: np.ndarray) -> np.ndarray:
        """Vectors (n × d) as the SAE reads them."""
        x_nd = (e_nd - self.mean) / self.scale
        return x_nd if self.rotation is None else x_nd @ self.rotation

    def outward(self, change_nd: np.ndarray) -> np.ndarray:
        """A difference of the SAE's vectors (n × d) in the recommender's own units."""
        back = change_nd if self.rotation is None else change_nd @ self.rotation.T
        return self.scale * back


@dataclass(frozen=True)
class SparseAutoencoder:
    """A linear encoder and decoder around m non-negative neurons, shared by users and items (Eq. 3, 4).

    `z = a * [a is active]` with `a = relu((x - b_d) E' + b_m)`, and `x' = z W + b_d`; W and E are m × d. E is W where
    the two are tied. Active is what exceeds the side's threshold, and where it has a `k`, the k largest of a row.
    `levels` are the sizes of the nested dictionaries of a Matryoshka SAE, cumulative: 10, 20, 40.
    """

    w_md: np.ndarray
    b_m: np.ndarray
    b_d: np.ndarray
    sides: dict[Side, SideMap]
    encoder_md: np.ndarray | None = None
    levels: tuple[int, ...] = ()

    @property
    def neurons(self) -> int:
        """m, the number of neurons."""
        return len(self.w_md)

    def pre_activations(self, e_nd: np.ndarray, side: Side) -> np.ndarray:
        """Linear responses (n × m) before the threshold."""
        encoder = self.w_md if self.encoder_md is None else self.encoder_md
        return (self.sides[side].inward(e_nd) - self.b_d) @ encoder.T + self.b_m

    def encode(self, e_nd: np.ndarray, side: Side) -> np.ndarray:
        """Codes z (n × m, float32, never negative) of vectors of one side (n × d)."""
        a_nm, to = self.pre_activations(e_nd, side), self.sides[side]
        z_nm = np.where(a_nm > max(to.threshold, 0.0), a_nm, 0.0).astype(np.float32)
        if to.k is not None and to.k < self.neurons:
            rest = np.argsort(-z_nm, axis=1, kind="stable")[:, to.k :]
            np.put_along_axis(z_nm, rest, 0.0, axis=1)
        return z_nm

    def decode(self, z_nm: np.ndarray, side: Side) -> np.ndarray:
        """Reconstructed vectors (n × d) in the recommender's own units."""
        to = self.sides[side]
        return (to.outward(z_nm @ self.w_md + self.b_d) + to.mean).astype(np.float32)

    def shift(self, change_nm: np.ndarray, side: Side) -> np.ndarray:
        """What a change of codes adds to the vectors: `scale * (change W) R'`, n × d."""
        return self.sides[side].outward(change_nm @ self.w_md).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write weights, normalisation and thresholds to a safetensors file."""
        from safetensors.numpy import save_file

        arrays = {"w_md": self.w_md, "b_m": self.b_m, "b_d": self.b_d, "levels": np.array(self.levels, np.float32)}
        if self.encoder_md is not None:
            arrays["encoder_md"] = self.encoder_md
        for side, to in self.sides.items():
            arrays[f"{side}.mean"] = to.mean
            arrays[f"{side}.scale"] = np.array([to.scale], np.float32)
            arrays[f"{side}.threshold"] = np.array([to.threshold], np.float32)
            if to.k is not None:
                arrays[f"{side}.k"] = np.array([to.k], np.float32)
            if to.rotation is not None:
                arrays[f"{side}.rotation"] = to.rotation
        save_file({name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}, path)

    @classmethod
    def load(cls, path: Path) -> "SparseAutoencoder":
        """Read what `save` wrote."""
        from safetensors.numpy import load_file

        arrays = load_file(path)
        sides: dict[Side, SideMap] = {}
        for side in SIDES:
            k = arrays.get(f"{side}.k")
            sides[side] = SideMap(
                arrays[f"{side}.mean"],
                float(arrays[f"{side}.scale"][0]),
                float(arrays[f"{side}.threshold"][0]),
                None if k is None else int(k[0]),
                arrays.get(f"{side}.rotation"),
            )
        levels = tuple(int(size) for size in arrays.get("levels", ()))
        return cls(arrays["w_md"], arrays["b_m"], arrays["b_d"], sides, arrays.get("encoder_md"), levels)


def with_thresholds(sae: SparseAutoencoder, e_nd: dict[Side, np.ndarray], k: dict[Side, int]) -> SparseAutoencoder:
    """`sae` with the thresholds that leave k active neurons a row, on average over the vectors `e_nd` of each side."""
    sides: dict[Side, SideMap] = {}
    for side in SIDES:
        a = np.sort(np.maximum(sae.pre_activations(e_nd[side], side), 0), axis=None)
        keep = k[side] * len(e_nd[side])
        threshold = float(a[len(a) - keep - 1]) if keep < len(a) else 0.0
        to = sae.sides[side]
        sides[side] = SideMap(to.mean, to.scale, threshold, to.k, to.rotation)
    return SparseAutoencoder(sae.w_md, sae.b_m, sae.b_d, sides, sae.encoder_md, sae.levels)


def with_k(sae: SparseAutoencoder, k: dict[Side, int]) -> SparseAutoencoder:
    """`sae` of which at most the k largest neurons of a row are active."""
    sides = {side: SideMap(to.mean, to.scale, to.threshold, k[side], to.rotation) for side, to in sae.sides.items()}
    return SparseAutoencoder(sae.w_md, sae.b_m, sae.b_d, sides, sae.encoder_md, sae.levels)
