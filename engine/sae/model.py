"""The trained sparse autoencoder as it is served: numpy alone, one row at a time or many alike."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

Side = Literal["users", "items"]
SIDES: tuple[Side, Side] = ("users", "items")


@dataclass(frozen=True)
class SideMap:
    """How one side's vectors enter the SAE: `x = (e - mean) / scale`, and when a neuron counts as active.

    `mean` (d) and the scalar `scale` are fitted once on that side's training vectors and used in training
    and serving alike. `threshold` is the smallest pre-activation that fires, so that a code never depends
    on the rows beside it.
    """

    mean: np.ndarray
    scale: float
    threshold: float


@dataclass(frozen=True)
class SparseAutoencoder:
    """Tied linear encoder and decoder around m non-negative neurons, shared by users and items (Eq. 3, 4).

    `z = a * [a > threshold]` with `a = relu((x - b_d) W' + b_m)`, and `x' = z W + b_d`; W is m × d.
    """

    w_md: np.ndarray
    b_m: np.ndarray
    b_d: np.ndarray
    sides: dict[Side, SideMap]

    @property
    def neurons(self) -> int:
        """m, the number of neurons."""
        return len(self.w_md)

    def pre_activations(self, e_nd: np.ndarray, side: Side) -> np.ndarray:
        """Linear responses (n × m) before the threshold."""
        to = self.sides[side]
        return ((e_nd - to.mean) / to.scale - self.b_d) @ self.w_md.T + self.b_m

    def encode(self, e_nd: np.ndarray, side: Side) -> np.ndarray:
        """Codes z (n × m, float32, never negative) of vectors of one side (n × d)."""
        a_nm = self.pre_activations(e_nd, side)
        return np.where(a_nm > max(self.sides[side].threshold, 0.0), a_nm, 0.0).astype(np.float32)

    def decode(self, z_nm: np.ndarray, side: Side) -> np.ndarray:
        """Reconstructed vectors (n × d) in the recommender's own units."""
        to = self.sides[side]
        return ((z_nm @ self.w_md + self.b_d) * to.scale + to.mean).astype(np.float32)

    def shift(self, change_nm: np.ndarray, side: Side) -> np.ndarray:
        """What a change of codes adds to the vectors: `scale * (change W)`, n × d."""
        return (self.sides[side].scale * (change_nm @ self.w_md)).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write weights, normalisation and thresholds to a safetensors file."""
        from safetensors.numpy import save_file

        arrays = {"w_md": self.w_md, "b_m": self.b_m, "b_d": self.b_d}
        for side, to in self.sides.items():
            arrays[f"{side}.mean"] = to.mean
            arrays[f"{side}.scale"] = np.array([to.scale], np.float32)
            arrays[f"{side}.threshold"] = np.array([to.threshold], np.float32)
        save_file({name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}, path)

    @classmethod
    def load(cls, path: Path) -> "SparseAutoencoder":
        """Read what `save` wrote."""
        from safetensors.numpy import load_file

        arrays = load_file(path)
        sides = {
            side: SideMap(
                arrays[f"{side}.mean"],
                float(arrays[f"{side}.scale"][0]),
                float(arrays[f"{side}.threshold"][0]),
            )
            for side in SIDES
        }
        return cls(arrays["w_md"], arrays["b_m"], arrays["b_d"], sides)
