"""Edited vectors for the system that serves them: tables of the rows that edits move, filters, and a manifest.

The vectors are those that monoscope ranks with, bit by bit; how to make its lists of them stands in the manifest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

import engine
from engine.dated import exported
from engine.errors import EditError, MonoscopeError
from engine.home import building
from engine.recommenders.recommender import Tower
from engine.report.earlier import check_folder
from engine.report.vector_tables import FILE_FORMATS, Rows, write_scorer
from engine.run import Run
from engine.sae.model import Side
from engine.session import Origin, Session
from engine.steering.cohort import Edited
from engine.steering.edits import Changed, SolvedEdit, Step
from engine.steering.effect import Steering
from engine.steering.kept import steps_of

KIND, FORMAT = "monoscope-vectors", 1
SHARES_KEPT = 12
"""Concepts whose share of the lists the manifest tells, the most changed, beside those that the edits are about."""
SIDES: tuple[Side, Side] = ("users", "items")

RowsWanted = Literal["changed", "all"]

_SCORES = {
    "dot": "the dot product of the two vectors",
    "cosine": "the cosine of the two vectors times `scorer.scale`",
    "mlp": "the perceptron in scorer/ on the user's vector followed by the item's",
    "program": "the program in scorer/ on a batch of users' vectors and one of items'",
}
_LISTS = (
    "Affinity: {score}, plus the biases of both rows. A list is a user's items by affinity, the highest first and "
    "equal ones in the order of the items, without what the user has seen and without items whose `ranked` is false."
)
_FILTERS = (
    "Go down a user's list and leave out, for each filter that names them and in this order, every item of "
    "`limited` (those in `items`, or all the others) after the first so many; `users` gives the number for each user."
)


@dataclass(frozen=True)
class Wanted:
    """What of the edited vectors is written, and how."""

    rows: str = "changed"
    """`changed`: the rows that have another vector now; `all`: every row that has one."""
    file_format: str = "parquet"
    with_users: bool = False
    """Ids of users may leave."""
    k: int = 30
    """Length of the lists on which the effect is measured."""


def export_session(run: Run, session: str, folder: Path, wanted: Wanted) -> dict[str, Any]:
    """Write the vectors under a session's edits to `folder`; returns its manifest. Raises as `write_vectors` does."""
    _check(wanted)
    state = Session.read(run.home, session, run.name)
    with run.catalogue() as catalogue:
        steering = run.steering(catalogue)
        try:
            steps = steps_of(steering, state.edits, run.home.amounts(session))
            return write_vectors(steering, steps, folder, wanted, {"run": _told(run), "session": session})
        except NothingMoves as error:
            raise EditError(
                f"Session {session} holds no edit that changes a list, so there is nothing to export; make one with "
                f"`monoscope steer {run.name} --session {session}`."
            ) from error


class NothingMoves(EditError):
    """No edit moves a vector, and no filter serves anybody."""


def write_vectors(
    steering: Steering, steps: Sequence[Step], folder: Path, wanted: Wanted, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the vectors under `steps` to `folder` and return the manifest, which `about` is put into.

    The folder is complete or not there. Raises `NothingMoves`, `EditError` where users' ids would be written and may
    not be, and `HomeError` for a folder that holds anything but an earlier export, and where the disk refuses.
    """
    _check(wanted)
    edited = steering.edit(steps)
    moved = len(edited.users.moved) + len(edited.items.moved) + len(edited.filtered)
    if not moved and wanted.rows == "changed":
        raise NothingMoves("No edit moves a vector, so there is nothing to export.")
    tables = _tables(steering, edited, wanted)
    _ask_for_users(len(tables["users"].ids), len(edited.filtered), wanted)
    folder = folder.expanduser().resolve()
    check_folder(folder, KIND)
    scorer = steering.recommender.scorer
    manifest: dict[str, Any] = {
        "kind": KIND,
        "format": FORMAT,
        "monoscope": engine.__version__,
        "created": exported(),
        **about,
        "edits": [_edit(step, wanted) for step in steps if step.edit.on],
        "rows": wanted.rows,
        "file_format": wanted.file_format,
        **{side: _counted(steering, edited, tables[side]) for side in SIDES},
        "scorer": {"kind": scorer.kind, **scorer.facts()},
        "lists": _LISTS.format(score=_SCORES[scorer.kind]),
        "filters": {"file": "filters.json", "users": len(edited.filtered)} if len(edited.filtered) else None,
        "effect": _effect(steering, steps, wanted.k) if moved else None,
    }
    with building(folder) as beside:
        for rows in tables.values():
            if len(rows.ids):
                FILE_FORMATS[wanted.file_format](beside, rows)
        write_scorer(beside, scorer)
        if len(edited.filtered):
            (beside / "filters.json").write_text(_json(_filters(steering, steps)), encoding="utf-8")
        files = sorted(path for path in beside.rglob("*") if path.is_file())
        manifest["files"] = {path.relative_to(beside).as_posix(): _described(path) for path in files}
        (beside / "manifest.json").write_text(_json(manifest), encoding="utf-8")
    return manifest


def _check(wanted: Wanted) -> None:
    if wanted.rows not in get_args(RowsWanted):
        raise MonoscopeError(f"{wanted.rows!r} names no rows; there are {', '.join(get_args(RowsWanted))}.")
    if wanted.file_format not in FILE_FORMATS:
        raise MonoscopeError(f"There is no file format {wanted.file_format!r}; there are {', '.join(FILE_FORMATS)}.")


def _tables(steering: Steering, edited: Edited, wanted: Wanted) -> dict[Side, Rows]:
    found: dict[Side, Rows] = {}
    for side in SIDES:
        tower: Tower = getattr(edited.recommender, side)
        change: Changed = getattr(edited, side)
        rows = change.moved if wanted.rows == "changed" else np.flatnonzero(tower.known)
        ranked = steering.candidates.eligible[rows] if side == "items" else None
        ids = [tower.ids[row] for row in rows.tolist()]
        found[side] = Rows(side, ids, tower.vectors[rows], tower.bias[rows].astype(np.float32), ranked)
    return found


def _ask_for_users(rows: int, filtered: int, wanted: Wanted) -> None:
    if wanted.with_users or not rows + filtered:
        return
    held = [f"the vectors of {rows:,} users"] * bool(rows) + [f"a filter for {filtered:,} users"] * bool(filtered)
    raise EditError(f"This export holds {' and '.join(held)} under their ids; allow that with --with-users.")


def _told(run: Run) -> dict[str, Any]:
    """The run whose vectors those are that did not change."""
    manifest = run.manifest
    return {
        "name": run.name,
        "content": Origin.of(run.home, run.name).content,
        "dataset": manifest["dataset"],
        "catalogue_hash": manifest["catalogue_hash"],
        "hashes": manifest["hashes"],
        "source": manifest["recommender"].get("source"),
    }


def _edit(step: Step, wanted: Wanted) -> dict[str, Any]:
    """An edit as a session holds it; who its users are is told where their ids may leave."""
    told = step.edit.as_dict()
    if step.edit.side == "items" or wanted.with_users:
        return told
    return {name: value for name, value in told.items() if name not in ("ids", "where")}


def _counted(steering: Steering, edited: Edited, rows: Rows) -> dict[str, int]:
    tower: Tower = getattr(steering.recommender, rows.side)
    change: Changed = getattr(edited, rows.side)
    return {
        "rows": len(rows.ids),
        "changed": len(change.moved),
        "of": int(tower.known.sum()),
        "d": int(tower.vectors.shape[1]),
    }


def _filters(steering: Steering, steps: Sequence[Step]) -> dict[str, Any]:
    """Whom a filter serves and what it leaves them, by id and in the order in which filters apply."""
    users, items, nobody = steering.recommender.users.ids, steering.recommender.items.ids, np.empty(0, np.int64)
    found = []
    for step in steps:
        if not isinstance(step.edit, SolvedEdit):
            continue
        goal = steering.goal(step.edit.goal, step.edit.k)
        for one in steering.edit([step], users=nobody).filters:
            most = one.depth - one.bounds if one.up else one.bounds
            found.append(
                {
                    "goal": step.edit.goal,
                    "concept": goal.concept if goal.item is None else None,
                    "depth": one.depth,
                    "limited": "others" if one.up else "items",
                    "items": [items[item] for item in np.flatnonzero(one.member_i).tolist()],
                    "users": dict(zip((users[user] for user in one.users.tolist()), most.tolist(), strict=True)),
                }
            )
    return {"rule": _FILTERS, "filters": found}


def _effect(steering: Steering, steps: Sequence[Step], k: int) -> dict[str, Any]:
    """What the edits were measured to do to the lists of whom they are for, without anybody's id."""
    cohort = _cohort(steering, steps)
    effect = steering.effect(cohort, steps, k)
    collateral = {name: told for name, told in effect["collateral"].items() if name not in _BY_USER}
    was, now_ = (effect[arm]["concept_shares"] for arm in ("before", "after"))
    moved = sorted((name for name in was if was[name] != now_[name]), key=lambda name: -abs(now_[name] - was[name]))
    names = dict.fromkeys([*(name for name in collateral["about"] if name in was), *moved[:SHARES_KEPT]])
    return {
        "k": k,
        "users": len(cohort),
        **{arm: _arm(effect[arm], list(names)) for arm in ("before", "after")},
        "collateral": collateral,
        "outside": effect["outside"],
    }


_BY_USER = ("most_changed_users", "lost_most_ndcg")


def _cohort(steering: Steering, steps: Sequence[Step]) -> np.ndarray:
    """Whose lists tell the effect: the edited users', or everyone's where items are edited."""
    mine = [step for step in steps if step.edit.on]
    if all(step.edit.side == "users" for step in mine):
        return np.unique(np.concatenate([step.rows for step in mine]))
    return np.flatnonzero(steering.recommender.users.known)


def _arm(arm: Mapping[str, Any], concepts: Sequence[str]) -> dict[str, Any]:
    return {
        "concept_shares": {name: arm["concept_shares"][name] for name in concepts},
        "items_shown": arm["reach"]["items_shown"],
        "edited_items": arm["reach"]["edited_items"],
        **{name: arm[name] for name in ("exposure", "novelty", "diversity", "label_entropy", "ndcg10")},
    }


def _described(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}


def _json(told: Mapping[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
