"""What of a foreign file is vectors, what ids and what bias: by name where there are names, by shape where not."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engine.errors import RunError
from engine.recommenders import vector_files
from engine.recommenders.vector_columns import (
    as_float32,
    check_ids,
    ids_of_array,
    ids_of_column,
    is_list,
    lists,
    numbers,
)
from engine.recommenders.vector_files import BIAS_NAMES, ID_NAMES, Table, kind_of, split_key

Side = Literal["users", "items"]


@dataclass(frozen=True)
class Found:
    """What one file holds, before orientation and ids are settled."""

    array: np.ndarray
    ids: list[str] | None
    bias: np.ndarray | None
    notes: list[str]


def find(path: Path, side: Side, key: str | None, id_column: str | None, told: list[str] | None) -> Found:
    """The vectors of a file, with the ids and the bias that it has beside them; `told` are ids from another file."""
    kind = kind_of(path)
    if kind == "text":
        return _in_table(vector_files.read_text(path, id_column), path, side, key, id_column, told)
    if kind == "parquet":
        found = _in_table(vector_files.read_parquet(path), path, side, key, id_column, told)
        if path.is_dir() and found.ids is None:
            raise RunError(f"{path} has parts without an id column, and parts have no order; write ids beside vectors.")
        _note_type(found.array, path, found.notes)
        return found
    if kind in {"json", "jsonl"}:
        raise RunError(f"{path} is JSON; give vectors as {vector_files.FORMATS}.")
    arrays = vector_files.read_arrays(path, kind)
    if {"user_factors", "item_factors", "factors"} <= set(arrays):
        raise RunError(f"{path} is a model of implicit, which hides biases in its factors; give it with --model.")
    notes: list[str] = []
    array = pick(arrays, 2, path, side, key, notes)
    _note_type(array, path, notes)
    rest = {name.lower(): values for name, values in arrays.items() if values.ndim == 1 and values is not array}
    own = next((name for name in (f"{side[:-1]}_ids", f"{side[:-1]}_id", "ids", "id") if name in rest), None)
    bias = next((name for name in (f"{side[:-1]}_bias", f"{side[:-1]}_biases", "bias", "biases") if name in rest), None)
    ids = None if own is None else ids_of_array(rest[own], str(path))
    if bias is not None and ids is not None and len(rest[bias]) != len(ids):
        raise RunError(f"{path}: {bias} has {len(rest[bias])} numbers for {len(ids)} ids.")
    if bias is not None:
        count = len(ids) if ids is not None else len(told or [])
        bias = bias if len(rest[bias]) == count else None  # a tower's layer has a bias too, of another length
    if bias is not None:
        notes.append(f"{path.name}: the array {bias} is taken as the bias")
    return Found(array, ids, None if bias is None else rest[bias], notes)


def _note_type(array: np.ndarray, path: Path, notes: list[str]) -> None:
    if array.dtype != np.float32:
        notes.append(f"{path.name}: {array.dtype} converted to float32")


def pick(
    arrays: dict[str, np.ndarray], ndim: int, path: Path, side: Side, key: str | None, notes: list[str] | None = None
) -> np.ndarray:
    """The array called `key`; else the only one with `ndim` axes; else the only one with this side's name."""
    if ndim == 1:
        arrays = {name: a.reshape(-1) if a.ndim == 2 and 1 in a.shape else a for name, a in arrays.items()}
    if key is not None:
        if key not in arrays:
            raise RunError(f"{path} has no array {key}; it has {', '.join(arrays)}.")
        fitting = [key]
    else:
        fitting = [name for name, values in arrays.items() if values.ndim == ndim]
        of_side = [name for name in fitting if side[:-1] in name.lower()]
        if len(fitting) > 1 and len(of_side) == 1:
            fitting = of_side
            if notes is not None:
                notes.append(f"{path.name}: the array {of_side[0]} is taken, of {len(arrays)}")
    if not fitting:
        shapes = ", ".join(f"{name} {values.shape}".strip() for name, values in arrays.items())
        raise RunError(f"{path} has no array with {ndim} axes (it has {shapes}); save ids × dimensions with np.save.")
    if len(fitting) > 1:
        raise RunError(f"{path} has {', '.join(fitting)}; say which one with {path.name}#{fitting[0]}.")
    values = arrays[fitting[0]]
    if values.ndim != ndim:
        raise RunError(f"{path}: {fitting[0]} has the shape {values.shape}, but {ndim} axes are needed.")
    return values


def _in_table(
    table: Table, path: Path, side: Side, key: str | None, id_column: str | None, told: list[str] | None
) -> Found:
    notes: list[str] = []
    number = id_column_of(table, path, side, id_column)
    if number is None and told is None and len(table.columns) > 1:
        number = next((n for n, column in enumerate(table.columns) if not is_list(column)), None)
    if number is None and told is not None and len(table.columns) > 1 and _same_ids(table.columns[0], told):
        number = 0  # the ids file only repeats the first column
        notes.append(f"{path.name}: its first column repeats the ids and is no part of the vectors")
    ids = None if number is None else ids_of_column(table.columns[number], f"{path}, {table.names[number]}")
    bias_number = table.find(f"{side[:-1]}_bias", "bias", "biases")
    rest = [n for n in range(len(table.columns)) if n not in {number, bias_number}]
    at = [n for n in rest if is_list(table.columns[n])]
    if key is not None:
        if key not in table.names:
            raise RunError(f"{path} has no column {key}; it has {', '.join(table.names)}.")
        at = [table.names.index(key)]
        if not is_list(table.columns[at[0]]):
            raise RunError(f"{path}: {key} is {table.columns[at[0]].type}, not a list of numbers a row.")
    if len(at) > 1:
        names = [table.names[n] for n in at]
        raise RunError(f"{path} has the lists {', '.join(names)}; say which one with {path.name}#{names[0]}.")
    if at:
        array = lists(table.columns[at[0]], f"{path}, {table.names[at[0]]}")
        left = [table.names[n] for n in rest if n not in at]
        if left:
            notes.append(f"{path.name}: the vectors are in {table.names[at[0]]}; {', '.join(left)} not read")
    else:
        if not rest:
            raise RunError(f"{path} has no column of vectors beside the ids; write ids and numbers.")
        array = np.column_stack([numbers(table.columns[n], f"{path}, {table.names[n]}") for n in rest])
    if bias_number is None:
        return Found(array, ids, None, notes)
    notes.append(f"{path.name}: the column {table.names[bias_number]} is taken as the bias")
    return Found(array, ids, numbers(table.columns[bias_number], f"{path}, {table.names[bias_number]}"), notes)


def id_column_of(table: Table, path: Path, side: Side, wanted: str | None) -> int | None:
    """The column of ids by its name; this side's own names come first."""
    if wanted is not None:
        if wanted not in table.names:
            raise RunError(f"{path} has no column {wanted}; it has {', '.join(table.names)}.")
        return table.names.index(wanted)
    own = f"{side[:-1]}_id", side[:-1], f"{side[:-1]}id", f"{side[:-1]}_ids"
    return table.find(*own, *ID_NAMES) if table.header else None


def _same_ids(column: Any, told: list[str]) -> bool:
    try:
        return ids_of_column(column, "") == told
    except RunError:
        return False  # a column of coordinates: no ids


def read_bias(path: Path, side: Side, ids: list[str], id_column: str | None, notes: list[str]) -> np.ndarray:
    """n biases: joined by id where the file has ids, else in the order of `ids`."""
    path, key = split_key(path)
    kind = kind_of(path)
    own: list[str] | None = None
    if kind in {"text", "parquet"}:
        table = vector_files.read_text(path, id_column) if kind == "text" else vector_files.read_parquet(path)
        known = id_column if id_column in table.names else None
        number = id_column_of(table, path, side, known)
        if number is None and len(table.columns) > 1:
            number = 0
        own = None if number is None else ids_of_column(table.columns[number], f"{path}, {table.names[number]}")
        rest = [n for n in range(len(table.columns)) if n != number]
        named = table.find(*([key.lower()] if key else []), f"{side[:-1]}_bias", *BIAS_NAMES)
        at = named if len(rest) > 1 else next(iter(rest), None)
        if at is None:
            raise RunError(f"{path} has the columns {', '.join(table.names)}; name the one with biases bias.")
        values = numbers(table.columns[at], f"{path}, {table.names[at]}")
    elif kind in {"json", "jsonl"}:
        told = vector_files.read_json(path)
        entries = list(told.values()) if isinstance(told, dict) else told
        if not isinstance(entries, list) or any(type(value) not in (int, float) for value in entries):
            raise RunError(f"{path} must be a list of numbers, or map each id to its bias.")
        own = list(told) if isinstance(told, dict) else None
        values = np.array(entries, np.float64)
    else:
        values = pick(vector_files.read_arrays(path, kind), 1, path, side, key)
    if own is None:
        if len(values) != len(ids):
            raise RunError(f"{path} has {len(values)} biases, but there are {len(ids)} {side}.")
        return as_float32(values, ids, path)
    return _joined(as_float32(values, own, path), own, ids, path, notes)


def _joined(values: np.ndarray, own: list[str], ids: list[str], path: Path, notes: list[str]) -> np.ndarray:
    check_ids(own, path)
    row = {name: n for n, name in enumerate(own)}
    missing = [name for name in ids if name not in row]
    if missing:
        raise RunError(f"{path} lacks the bias of {len(missing)} ids, first {missing[0]}; give one for every id.")
    if len(own) > len(ids):
        notes.append(f"{path.name}: {len(own) - len(ids)} biases of ids without vectors not used")
    return values[[row[name] for name in ids]]
