"""Vectors that users bring: from files of other programs to float32 arrays with their ids. Nothing is executed.

Every decision taken on the way (a matrix turned round, a column read as bias) is said in `Vectors.notes`.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import RunError
from engine.recommenders import vector_files
from engine.recommenders.vector_columns import (
    as_float32,
    check_ids,
    ids_of_array,
    ids_of_column,
    ids_of_json,
    ids_of_lines,
    numbers,
)
from engine.recommenders.vector_contents import Side, find, id_column_of, pick, read_bias
from engine.recommenders.vector_files import Table, kind_of, split_key

_IMPLICIT_FAMILIES = {0: "ALS", 1: "BPR", 2: "LMF"}


@dataclass(frozen=True)
class Vectors:
    """One side of a two-tower model as read from files."""

    ids: list[str]
    """n ids, none repeated."""
    vectors: np.ndarray
    """n × d, float32, C order, finite."""
    bias: np.ndarray | None
    """n additive biases (float32), or None."""
    notes: list[str]
    """What was decided while reading, one sentence each."""


def read_side(
    side: Side,
    vectors: Path,
    ids: Path | None,
    bias: Path | None,
    *,
    key: str | None = None,
    id_column: str | None = None,
    allow_zero: bool = False,
) -> Vectors:
    """One side's vectors with ids, from files of any kind that docs/adopt.md lists.

    `key` (or `file#key`) names an array of an .npz or .safetensors file or the list column of a table; `id_column` the
    column of ids. `RunError` says in one sentence what is wrong, in which file and row, and what to do.
    """
    told = read_ids(ids, side, id_column) if ids else None
    path, named = split_key(vectors)
    found = find(path, side, key or named, id_column, told)
    if told is not None and found.ids is not None and told != found.ids:
        raise RunError(f"{ids} and {path} both hold ids, and they differ; leave one out.")
    names = told if told is not None else found.ids
    if names is None:
        raise RunError(f"{path} holds no ids; give them in the order of its rows with --{side[:-1]}-ids.")
    notes = list(found.notes)
    matrix = _oriented(found.array, names, path, notes)
    check_ids(names, ids or path)
    e_nd = as_float32(matrix, names, path)
    _check_zero_rows(e_nd, names, path, allow_zero, notes)
    _note_odd_columns(e_nd, side, notes)
    b_n = None if found.bias is None else as_float32(found.bias, names, path)
    if bias is not None:
        b_n = read_bias(bias, side, names, id_column, notes)
    return Vectors(names, e_nd, b_n, notes)


def read_ids(path: Path, side: Side, id_column: str | None = None) -> list[str]:
    """Ids in the order of the file's rows: lines of text, a table's column, a JSON list or {id: row}, or an array."""
    path, named = split_key(path)
    kind = kind_of(path)
    column = id_column or named
    if path.is_dir():
        raise RunError(f"{path} is a folder, and its parts have no order; give ids as one file.")
    if kind == "text" and path.suffix.lower() not in {".csv", ".tsv"}:
        return ids_of_lines(path)
    if kind in {"text", "parquet"}:
        table = vector_files.read_text(path, column) if kind == "text" else vector_files.read_parquet(path)
        number = id_column_of(table, path, side, column)
        if number is None:
            if len(table.columns) > 1:
                raise RunError(
                    f"{path} has the columns {', '.join(table.names)}; name the one with ids {side[:-1]}_id."
                )
            number = 0
        return ids_of_column(table.columns[number], f"{path}, {table.names[number]}")
    if kind in {"json", "jsonl"}:
        return ids_of_json(vector_files.read_json(path), str(path))
    arrays = vector_files.read_arrays(path, kind)
    return ids_of_array(pick(arrays, 1, path, side, named), str(path))


def read_implicit(path: Path, user_ids: Path, item_ids: Path, *, allow_zero: bool = False) -> tuple[Vectors, Vectors]:
    """Users and items of `model.save()` of the implicit library, its hidden bias columns split off.

    ALS stores n × d. BPR appends one column: 1 for users, the bias for items. LMF appends two: users 1 and their bias,
    items their bias and 1 (implicit 0.7.3). The family follows from the shapes less `factors`.
    """
    if not is_implicit(path):
        raise RunError(f"{path} is not an .npz that implicit's model.save() writes.")
    stored = vector_files.read_arrays(path, "npz")
    users, items = stored["user_factors"], stored["item_factors"]
    factors = int(stored["factors"])
    extra = users.shape[1] - factors
    family = _IMPLICIT_FAMILIES.get(extra)
    ones = extra == 0 or bool((users[:, factors] == 1).all() and (extra == 1 or (items[:, -1] == 1).all()))
    if family is None or items.shape[1] != users.shape[1] or not ones:
        raise RunError(
            f"{path}: user_factors {users.shape} and item_factors {items.shape} with {factors} factors are not the "
            "layout of ALS, BPR or LMF; save users and items apart with np.save."
        )
    sides: list[Vectors] = []
    for side, names_file, factor in (("users", user_ids, users), ("items", item_ids, items)):
        names = read_ids(names_file, side)  # type: ignore[arg-type]
        if len(names) != len(factor):
            raise RunError(f"{names_file} has {len(names)} ids, but {path} has {len(factor)} {side}.")
        check_ids(names, names_file)
        notes = [f"{side}: implicit {family}, {factors} factors"]
        e_nd = as_float32(factor[:, :factors], names, path)
        _check_zero_rows(e_nd, names, path, allow_zero, notes)
        column = {("items", 1): factors, ("items", 2): factors, ("users", 2): factors + 1}.get((side, extra))
        b_n = None if column is None else as_float32(factor[:, column], names, path)
        if b_n is not None:
            notes.append(f"{side}: column {column + 1} of {factor.shape[1]} is their bias")  # type: ignore[operator]
        sides.append(Vectors(names, e_nd, b_n, notes))
    return sides[0], sides[1]


def is_implicit(path: Path) -> bool:
    """Whether `path` is an .npz with user_factors, item_factors and factors, as implicit saves a model."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {"user_factors.npy", "item_factors.npy", "factors.npy"} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def read_pairs(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """User ids, item ids and their scores (float64) by the original model, from CSV, TSV, Parquet or lines of JSON.

    Columns by name (user_id, item_id, score), else the first three.
    """
    kind = kind_of(path)
    table = _pairs_table(path, kind)
    user = table.find("user_id", "user", "userid", "uid")
    item = table.find("item_id", "item", "itemid", "iid", "movie_id", "movieid")
    score = table.find("score", "affinity", "prediction", "logit", "rating")
    at = [user, item, score]
    if None in at:
        if len(table.columns) < 3 or any(number is not None for number in at):
            raise RunError(f"{path} must have the columns user_id, item_id and score; it has {', '.join(table.names)}.")
        at = [0, 1, 2]
    columns = [table.columns[number] for number in at if number is not None]
    users = ids_of_column(columns[0], f"{path}, {table.names[at[0] or 0]}")
    items = ids_of_column(columns[1], f"{path}, {table.names[at[1] or 0]}")
    scores = numbers(columns[2], f"{path}, {table.names[at[2] or 0]}").astype(np.float64)
    if not users:
        raise RunError(f"{path} holds no pairs.")
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise RunError(f"{path}, row {row + 1}: the score of user {users[row]} and item {items[row]} is not a number.")
    return users, items, scores


def _pairs_table(path: Path, kind: str) -> Table:
    if kind == "text":
        return vector_files.read_text(path, leading=2)
    if kind == "parquet":
        return vector_files.read_parquet(path)
    if kind != "jsonl":
        raise RunError(f"{path} holds no pairs; give CSV, TSV, Parquet or one JSON object a line.")
    import pyarrow as pa
    from pyarrow import json as arrow_json

    try:
        table = arrow_json.read_json(path)
    except pa.ArrowException as error:
        raise RunError(f"{path} is not one JSON object a line ({str(error).splitlines()[0]}).") from error
    return Table(table.column_names, [column.combine_chunks() for column in table.columns], header=True)


def _oriented(array: np.ndarray, ids: list[str], path: Path, notes: list[str]) -> np.ndarray:
    """`array` as ids × dimensions: turned round if only its second axis has as many entries as there are ids."""
    if array.ndim != 2:
        raise RunError(f"{path} has the shape {array.shape}; vectors are ids × dimensions.")
    rows, columns = array.shape
    if rows == len(ids):
        return array
    if columns == len(ids):
        notes.append(f"{path.name}: {rows} × {columns} turned round, since there are {len(ids)} ids")
        return array.T
    hint = "give one id a row, in the order of the rows"
    if rows == len(ids) + 1:
        hint = "if row 0 is padding, as in RecBole, save vectors[1:]"
    elif rows == len(ids) - 1:
        hint = "if the first line of the ids is a header, take it out"
    raise RunError(f"{path} has {rows} rows ({rows} × {columns}), but there are {len(ids)} ids; {hint}.")


def _check_zero_rows(e_nd: np.ndarray, ids: list[str], path: Path, allow: bool, notes: list[str]) -> None:
    zero = np.flatnonzero(~e_nd.any(axis=1))
    if not len(zero):
        return
    first = ", ".join(ids[n] for n in zero[:3])
    if not allow:
        raise RunError(
            f"{path}: {len(zero)} of {len(ids)} vectors are all zeros (first: {first}), as for ids never trained on; "
            "leave those ids out, or go on with --allow-zero."
        )
    notes.append(f"{path.name}: {len(zero)} of {len(ids)} vectors are all zeros (first: {first})")


def _note_odd_columns(e_nd: np.ndarray, side: Side, notes: list[str]) -> None:
    """Say which columns look like a hidden bias or a row number: they would become neurons of their own."""
    if len(e_nd) < 3:
        return
    for column in np.flatnonzero(np.ptp(e_nd, axis=0) == 0):
        notes.append(
            f"{side}: column {column + 1} is {e_nd[0, column]:g} in every row; if it carries the other side's bias, "
            "split both columns off and give that bias as a file"
        )
    for column in np.flatnonzero((np.diff(e_nd, axis=0) == 1).all(axis=0)):
        notes.append(f"{side}: column {column + 1} counts the rows; if it is an index, leave it out")
