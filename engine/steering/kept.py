"""Edits as a session keeps them: plain data, and beside the journal the amounts of solved ones in Parquet.

A row is a user: `user_id`, the neurons that are moved and by how much, and `bound`, how many of the concept's items
the list of a user may (must) hold whom no edit brings to the goal and a filter serves instead; null for the others.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import EditError
from engine.home import write_whole
from engine.steering.edits import Edit, SolvedEdit, Step, parsed
from engine.steering.effect import Steering

SHARES_KEPT = 3
"""Concepts whose share a session remembers, the most changed."""
MEASURED = {
    "rbo": ("collateral", "rbo"),
    "rbo_of_the_rest": ("collateral", "rbo_of_the_rest"),
    "lists_changed": ("collateral", "lists_changed"),
    "drift_of_other_concepts": ("collateral", "drift_of_other_concepts"),
    "ndcg10_before": ("before", "ndcg10"),
    "ndcg10_after": ("after", "ndcg10"),
    "novelty_after": ("after", "novelty"),
    "diversity_after": ("after", "diversity"),
}
"""Figures of an effect that a session keeps with its edits, and where they stand in it."""
SERVED = -1
"""In `Step.bounds`: this user needs no filter."""


def measured(effect: Mapping[str, Any]) -> dict[str, Any]:
    """What a session remembers of the effect of all of its edits, so that a replay elsewhere can be compared."""
    shares = {arm: effect[arm]["concept_shares"] for arm in ("before", "after")}
    moved = sorted(shares["before"], key=lambda name: -abs(shares["after"][name] - shares["before"][name]))
    figures = {name: effect[part][figure] for name, (part, figure) in MEASURED.items()}
    figures |= {f"share({name})": shares["after"][name] for name in moved[:SHARES_KEPT]}
    asked = {name: effect[name] for name in ("cohort", "k", "serve")}
    return {**asked, "users": effect["collateral"]["users"], "figures": figures}


def written(steering: Steering, step: Step, folder: Path) -> Step:
    """`step` with its amounts written to `folder` and its edit naming them by their hash."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert step.amounts is not None
    bounds = np.full(len(step.rows), SERVED) if step.bounds is None else step.bounds
    neurons = [np.flatnonzero(row).tolist() for row in step.amounts]
    table = pa.table(
        {
            "user_id": pa.array([steering.recommender.users.ids[row] for row in step.rows], pa.string()),
            "neuron": pa.array(neurons, pa.list_(pa.uint16())),
            "amount": pa.array(
                [row[used].tolist() for row, used in zip(step.amounts, neurons, strict=True)], pa.list_(pa.float32())
            ),
            "bound": pa.array([None if bound == SERVED else int(bound) for bound in bounds], pa.uint16()),
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    sha256 = hashlib.sha256(file.getvalue()).hexdigest()
    write_whole(folder / f"{sha256}.parquet", file.getvalue())
    return replace(step, edit=step.edit.model_copy(update={"amounts": sha256}))


def steps_of(steering: Steering, edits: Sequence[Mapping[str, Any]], folder: Path) -> list[Step]:
    """The steps of a session's edits; `folder` holds the amounts of solved ones.

    Raises `EditError` for an edit that makes no sense in this run, and for amounts that are missing or altered.
    """
    found: list[Step] = []
    for data in edits:
        edit = parsed(data)
        if isinstance(edit, Edit):
            if not 0 <= edit.neuron < steering.sae.neurons:
                raise EditError(
                    f"An edit changes neuron {edit.neuron}, and this run has neurons 0 to {steering.sae.neurons - 1}; "
                    "it was made on another run."
                )
            found += steering.steps([edit])
        elif not edit.on:  # it may wait without its amounts
            found.append(Step(edit, np.empty(0, np.int64), np.zeros((0, steering.sae.neurons), np.float32)))
        else:
            found.append(_read(steering, edit, folder / f"{edit.amounts}.parquet"))
    return found


def _read(steering: Steering, edit: SolvedEdit, path: Path) -> Step:
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = f"{path.parent.name}/{path.name}"  # a report may say it: neither a path of this machine nor a user's id
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EditError(
            f"The amounts of the edit {edit.goal} are missing ({name}: {error.strerror}); copy the session's folder of "
            "amounts along with it, or solve for the goal again."
        ) from error
    if hashlib.sha256(content).hexdigest() != edit.amounts:
        raise EditError(f"{name} is not what the session kept (its hash differs); solve for {edit.goal} again.")
    table = pq.ParquetFile(pa.BufferReader(content)).read()
    place = steering.recommender.users.place
    ids = table["user_id"].to_pylist()
    unknown = sum(one not in place for one in ids)
    if unknown:
        raise EditError(f"The edit {edit.goal} is for {len(ids):,} users, {unknown:,} of whom are not in this run.")
    rows = np.array([place[one] for one in ids], np.int64)
    amounts = np.zeros((len(rows), steering.sae.neurons), np.float32)
    for row, (neurons, values) in enumerate(zip(table["neuron"].to_pylist(), table["amount"].to_pylist(), strict=True)):
        amounts[row, neurons] = values
    bounds = np.array([SERVED if bound is None else bound for bound in table["bound"].to_pylist()], np.int64)
    order = np.argsort(rows)
    return Step(edit, rows[order], amounts[order], bounds[order])
