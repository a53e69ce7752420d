"""Edits as plain data, and the vectors that they lead to."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from engine.errors import EditError
from engine.sae.model import Side, SparseAutoencoder

Operation = Literal["off", "set", "add", "scale"]


class Edit(BaseModel):
    """One change of one neuron in the codes of users.

    `off` sets it to 0; `set`, `add` and `scale` take `amount`. In unit "p99", 1.0 is the 99th percentile of
    the neuron's own positive activations over users; `scale` has no unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: Literal["users"] = "users"
    neuron: int
    operation: Operation
    amount: float | None = None
    unit: Literal["p99", "raw"] = "p99"

    @model_validator(mode="after")
    def _amount_fits(self) -> "Edit":
        if (self.amount is None) != (self.operation == "off"):
            raise ValueError("'off' takes no amount; 'set', 'add' and 'scale' need one")
        if self.amount is not None and not math.isfinite(self.amount):
            raise ValueError("the amount must be a finite number")
        return self

    @classmethod
    def parse(cls, data: Mapping[str, object]) -> "Edit":
        """An edit from plain data; an `EditError` in one sentence where it does not make sense."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            reason = first["msg"].removeprefix("Value error, ")
            raise EditError(f"This edit cannot be used: {where + ': ' if where else ''}{reason}.") from error


def edited_codes(z_nm: np.ndarray, edits: Sequence[Edit], p99: Sequence[float | None]) -> np.ndarray:
    """Codes of users (n × m) after the edits, applied in order. `p99` holds each neuron's unit.

    Raises `EditError` for a neuron that does not exist or that no user activates.
    """
    z = z_nm.copy()
    for edit in edits:
        j = edit.neuron
        if not 0 <= j < z.shape[1]:
            raise EditError(f"There is no neuron {j}; this run has neurons 0 to {z.shape[1] - 1}.")
        unit = p99[j]
        if unit is None:
            raise EditError(f"Neuron {j} never fires for a user, so editing it has no meaning; choose another neuron.")
        amount = (edit.amount or 0.0) * (unit if edit.unit == "p99" and edit.operation != "scale" else 1.0)
        if edit.operation in ("off", "set"):
            z[:, j] = amount
        elif edit.operation == "add":
            z[:, j] += amount
        else:
            z[:, j] *= amount
    return z


def edited_vectors(
    sae: SparseAutoencoder, e_nd: np.ndarray, z_nm: np.ndarray, edited_nm: np.ndarray, side: Side
) -> np.ndarray:
    """`e + scale * ((z' - z) W)`: the vectors with the change of their codes added (n × d).

    The reconstruction error cancels, so rows whose code did not change keep their vector bit by bit.
    """
    changed = (edited_nm != z_nm).any(axis=1)
    result = e_nd.copy()
    result[changed] += sae.shift(edited_nm[changed] - z_nm[changed], side)
    return result
