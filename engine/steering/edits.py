"""Edits as plain data, and what they do to the codes of the rows that they are for."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from engine.errors import EditError
from engine.neurons.table import Neuron
from engine.recommenders.recommender import Recommender, Tower
from engine.sae.model import Side, SparseAutoencoder

AMOUNT_AT_MOST = 1_000_000
"""Beyond, affinities overflow single precision; no neuron comes near it."""
Operation = Literal["off", "set", "add", "scale", "cap"]
Serve = Literal["change", "decoded", "all-decoded"]
"""How an edit reaches a vector: its change is added to it (the default); the edited rows are replaced by what their
code decodes to (the paper's way for MF); every row of both sides is (the paper's way for NCF)."""
SERVE: tuple[Serve, ...] = ("change", "decoded", "all-decoded")


class Edit(BaseModel):
    """One change of one neuron in the codes of users or of items.

    `off` sets it to 0; `set`, `add`, `scale` and `cap` (no more than) take `amount`. In unit "p99", 1.0 is the 99th
    percentile of the neuron's own positive activations on that side; `scale` has no unit. It is for the rows that the
    SQL predicate `where` names, or for `ids`, or, without either, for everyone on its side. One that is not `on` waits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: Side = "users"
    neuron: int
    operation: Operation
    amount: float | None = None
    unit: Literal["p99", "raw"] = "p99"
    where: str | None = None
    ids: tuple[str, ...] | None = None
    on: bool = True

    @model_validator(mode="after")
    def _amount_fits(self) -> "Edit":
        if (self.amount is None) != (self.operation == "off"):
            raise ValueError("'off' takes no amount; 'set', 'add', 'scale' and 'cap' need one")
        if self.amount is not None and not math.isfinite(self.amount):
            raise ValueError("the amount must be a finite number")
        if self.amount is not None and abs(self.amount) > AMOUNT_AT_MOST:
            raise ValueError(f"the amount may be {AMOUNT_AT_MOST:,} at most, on either side of 0")
        if self.where is not None and self.ids is not None:
            raise ValueError("give 'where' or 'ids', not both")
        return self

    @classmethod
    def parse(cls, data: Mapping[str, object]) -> "Edit":
        """An edit from plain data; an `EditError` in one sentence where it does not make sense."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise EditError(f"This edit cannot be used: {_first(error)}.") from error

    def as_dict(self) -> dict[str, Any]:
        """Plain data that `parse` takes back, without what is as it would be anyway."""
        return self.model_dump(mode="json", exclude_defaults=True) | {
            "side": self.side,
            "operation": self.operation,
            "amount": self.amount,
            "unit": self.unit,
        }


class SolvedEdit(BaseModel):
    """An edit of users, solved for a goal: the goal, its settings, and the hash of its amounts (in Parquet)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    goal: str
    where: str | None = None
    ids: tuple[str, ...] | None = None
    k: int = 30
    neurons_at_most: int | None = None
    pooled: bool = False
    """The same neurons in the same proportion for everybody."""
    seed: int = 0
    amounts: str
    """SHA-256 of the file of amounts: one row for each user and neuron."""
    on: bool = True

    @property
    def side(self) -> Side:
        """Solved edits are for users."""
        return "users"

    def as_dict(self) -> dict[str, Any]:
        """Plain data that `parsed` takes back."""
        return self.model_dump(mode="json", exclude_defaults=True)


def parsed(data: Mapping[str, object]) -> Edit | SolvedEdit:
    """An edit of either kind from plain data, raising as `Edit.parse` does."""
    if "goal" not in data:
        return Edit.parse(data)
    try:
        return SolvedEdit.model_validate(data)
    except ValidationError as error:
        raise EditError(f"This edit cannot be used: {_first(error)}.") from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return (where + ": " if where else "") + first["msg"].removeprefix("Value error, ")


Match = Callable[[Side, str], np.ndarray]
"""Numbers, ascending, of the rows of a side for which an SQL predicate is true."""


@dataclass(frozen=True)
class Step:
    """An edit with the numbers of the rows (ascending) that it is for; a solved one with its amounts (rows × m)."""

    edit: Edit | SolvedEdit
    rows: np.ndarray
    amounts: np.ndarray | None = None
    bounds: np.ndarray | None = None
    """Of a solved edit, by row: how many items a filter leaves whom the edit does not bring to the goal; else -1."""

    @property
    def neurons(self) -> list[int]:
        """The neurons that it changes, ascending."""
        if isinstance(self.edit, Edit):
            return [self.edit.neuron]
        return [] if self.amounts is None else np.flatnonzero((self.amounts != 0).any(axis=0)).tolist()


def step_of(edit: Edit, recommender: Recommender, match: Match | None = None) -> Step:
    """Raises `EditError` where nobody is left to edit: rows without a vector cannot be."""
    tower: Tower = getattr(recommender, edit.side)
    word = edit.side[:-1]
    if edit.ids is not None:
        place = tower.place
        unknown = next((one for one in edit.ids if one not in place), None)
        if unknown is not None:
            raise EditError(f"There is no {word} {unknown!r} to edit in this run.")
        rows = np.unique(np.array([place[one] for one in edit.ids], np.int64))
    elif edit.where is not None:
        if match is None:
            raise EditError(f"The edit is for {edit.side} where {edit.where!r}, which needs the data set beside it.")
        rows = match(edit.side, edit.where)
    else:
        rows = np.arange(len(tower.ids))
    known = rows[tower.known[rows]]
    if not len(known):
        asked = repr(edit.where) if edit.where is not None else "what was named"
        lack = f"No {word} matches {asked}" if not len(rows) else f"No {word} that matches {asked} has a vector"
        raise EditError(f"{lack}, so there is nothing to edit; widen it.")
    return Step(edit, known)


@dataclass(frozen=True)
class Changed:
    """The rows of one side that edits are for: numbers, codes and vectors before and after (rows × m, rows × d)."""

    rows: np.ndarray
    z: np.ndarray
    z_edited: np.ndarray
    e: np.ndarray
    e_edited: np.ndarray

    @property
    def recoded(self) -> np.ndarray:
        """Numbers of the rows that have another code now."""
        return np.asarray(self.rows[(self.z != self.z_edited).any(axis=1)])

    @property
    def moved(self) -> np.ndarray:
        """Numbers of the rows that have another vector now."""
        return np.asarray(self.rows[(self.e != self.e_edited).any(axis=1)])


def changed(
    recommender: Recommender,
    sae: SparseAutoencoder,
    neurons: Sequence[Neuron],
    steps: Sequence[Step],
    side: Side,
    only: np.ndarray | None = None,
    serve: Serve = "change",
) -> Changed:
    """What `steps` do to one side, in order; `only` these rows (ascending) where they are given.

    Raises `EditError` for a neuron that does not exist or that no row of the side activates.
    """
    mine = [step for step in steps if step.edit.side == side and step.edit.on]
    tower: Tower = getattr(recommender, side)
    asked = np.zeros(len(tower.ids), bool)
    for rows in [tower.known] if serve == "all-decoded" else [step.rows for step in mine]:
        asked[rows] = True
    rows = np.flatnonzero(asked) if only is None else only[asked[only]]
    e = tower.vectors[rows]
    if not len(rows) and not mine:
        nothing = np.empty((0, sae.neurons), np.float32)
        return Changed(rows, nothing, nothing, e, e)
    z = sae.encode(e, side)
    z_edited = z.copy()
    p99 = [getattr(neuron, f"p99_{side}") for neuron in neurons]
    for step in mine:
        _carry_out(step, rows, z_edited, p99)
    if serve == "change":
        return Changed(rows, z, z_edited, e, edited_vectors(sae, e, z, z_edited, side))
    return Changed(rows, z, z_edited, e, sae.decode(z_edited, side))


def _carry_out(step: Step, rows: np.ndarray, z_nm: np.ndarray, p99: Sequence[float | None]) -> None:
    if isinstance(step.edit, Edit):
        apply_to(z_nm, _within(rows, step.rows), step.edit, p99)
    elif step.amounts is not None:
        there = _within(rows, step.rows)
        z_nm[there] += step.amounts[np.searchsorted(step.rows, rows[there])]


def _within(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of `rows` are among `others`; both ascend. Few of either cost little, however many the other has."""
    if not len(others):
        return np.zeros(len(rows), bool)
    place = np.searchsorted(others, rows)
    return np.asarray((place < len(others)) & (others[np.minimum(place, len(others) - 1)] == rows))


def apply_to(z_nm: np.ndarray, rows: np.ndarray, edit: Edit, p99: Sequence[float | None]) -> None:
    """Carry out one edit on the rows (bool) of codes (n × m), in place. `p99` holds each neuron's unit."""
    j = edit.neuron
    if not 0 <= j < z_nm.shape[1]:
        raise EditError(f"There is no neuron {j}; this run has neurons 0 to {z_nm.shape[1] - 1}.")
    unit = p99[j]
    if unit is None:
        who = {"users": "a user", "items": "an item"}[edit.side]
        raise EditError(f"Neuron {j} never fires for {who}, so editing it has no meaning; choose another neuron.")
    amount = (edit.amount or 0.0) * (unit if edit.unit == "p99" and edit.operation != "scale" else 1.0)
    if edit.operation in ("off", "set"):
        z_nm[rows, j] = amount
    elif edit.operation == "add":
        z_nm[rows, j] += amount
    elif edit.operation == "cap":
        z_nm[rows, j] = np.minimum(z_nm[rows, j], amount)
    else:
        z_nm[rows, j] *= amount


def edited_codes(z_nm: np.ndarray, edits: Sequence[Edit], p99: Sequence[float | None]) -> np.ndarray:
    """Codes (n × m) after `edits` of all of their rows, in order. Raises as `apply_to` does."""
    z = z_nm.copy()
    for edit in edits:
        apply_to(z, np.ones(len(z), bool), edit, p99)
    return z


def edited_vectors(
    sae: SparseAutoencoder, e_nd: np.ndarray, z_nm: np.ndarray, edited_nm: np.ndarray, side: Side
) -> np.ndarray:
    """`e + scale * ((z' - z) W)`: the vectors with the change of their codes added (n × d).

    The reconstruction error cancels, so rows whose code did not change keep their vector bit by bit.
    """
    moved = (edited_nm != z_nm).any(axis=1)
    result = e_nd.copy()
    result[moved] += sae.shift(edited_nm[moved] - z_nm[moved], side)
    return result


def with_vectors(recommender: Recommender, users: Changed, items: Changed) -> Recommender:
    """`recommender` with edited rows in the place of its own. A side that nothing changes keeps its very array."""
    return replace(recommender, users=with_rows(recommender.users, users), items=with_rows(recommender.items, items))


def with_rows(tower: Tower, change: Changed) -> Tower:
    """`tower` with the changed rows in the place of its own; the very same where there are none."""
    if not len(change.rows):
        return tower
    vectors = tower.vectors.copy()
    vectors[change.rows] = change.e_edited
    return replace(tower, vectors=vectors)
