"""Columns and arrays of foreign files as ids (text) and as numbers, or one sentence about the first that is neither."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import RunError
from engine.recommenders.vector_files import is_number, listed

WHOLE_FLOAT32 = 2**24
"""Larger whole numbers are no longer exact in float32."""


def ids_of_lines(path: Path) -> list[str]:
    """Ids, one a line; empty lines at the end are dropped, others refused."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").rstrip().split("\n")]
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is not text in UTF-8 ({error}); save it as UTF-8.") from error
    return _refuse_empty(lines, str(path))


def ids_of_column(column: Any, where: str) -> list[str]:
    """Ids of a pyarrow array of text or whole numbers (also where an empty cell once turned them into 1.0, 2.0)."""
    import pyarrow as pa

    if column.null_count:
        row = next(n for n, valid in enumerate(column.is_valid().to_pylist()) if not valid)
        raise RunError(f"{where}, row {row + 1}: the id is empty; give every row an id.")
    kind = column.type
    if pa.types.is_integer(kind):
        return [str(value) for value in column.to_pylist()]
    if pa.types.is_floating(kind):
        values = column.to_numpy(zero_copy_only=False)
        if (values == np.floor(values)).all() and np.isfinite(values).all() and (np.abs(values) < 2**53).all():
            return [str(int(value)) for value in values]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        ids = [value.strip() for value in column.to_pylist()]
        fraction = next((value for value in ids if "." in value and is_number(value)), None)
        if fraction is None or not all(is_number(value) for value in ids):
            return _refuse_empty(ids, where)
        raise RunError(f"{where}: {fraction} does not look like an id; give text or whole numbers, or a file of ids.")
    raise RunError(f"{where}: {kind} is no type for ids; give text or whole numbers, or a file of ids.")


def ids_of_array(values: np.ndarray, where: str) -> list[str]:
    """Ids of an array of whole numbers or strings, one axis (or n × 1)."""
    if values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
    if values.ndim != 1 or values.dtype.kind not in "iuUS":
        raise RunError(
            f"{where} has the shape {values.shape} of {values.dtype}; ids are one row of integers or strings."
        )
    if values.dtype.kind == "S":
        try:
            return _refuse_empty([value.decode("utf-8") for value in values], where)
        except UnicodeDecodeError as error:
            raise RunError(f"{where}: ids must be UTF-8 ({error}).") from error
    return _refuse_empty([str(value) for value in values.tolist()], where)


def ids_of_json(value: Any, where: str) -> list[str]:
    """Ids of a JSON list, or of an object {id: row} whose rows are 0 to n - 1."""
    if isinstance(value, dict):
        if any(type(row) is not int for row in value.values()) or sorted(value.values()) != list(range(len(value))):
            raise RunError(f"{where} must be a list of ids, or map each id to its row (0 to n - 1, each once).")
        return _refuse_empty(sorted(value, key=lambda name: value[name]), where)
    if not isinstance(value, list):
        raise RunError(f"{where} must be a list of ids.")
    wrong = next((n for n, name in enumerate(value) if type(name) not in (int, str)), None)
    if wrong is not None:
        raise RunError(f"{where}, entry {wrong + 1}: {str(value[wrong])[:40]} is neither text nor a whole number.")
    return _refuse_empty([str(name).strip() for name in value], where)


def _refuse_empty(ids: list[str], where: str) -> list[str]:
    if "" in ids:
        raise RunError(f"{where}, row {ids.index('') + 1}: the id is empty; give every row an id.")
    return ids


def check_ids(ids: Sequence[str], where: Path) -> None:
    """`RunError` if there are none, or if one comes twice."""
    if not ids:
        raise RunError(f"{where} holds no ids; export it again.")
    if len(set(ids)) < len(ids):
        twice = [name for name, count in Counter(ids).items() if count > 1]
        rows = [n + 1 for n, name in enumerate(ids) if name == twice[0]][:2]
        raise RunError(
            f"{where} repeats {len(twice)} of its ids, first {twice[0]} in rows {rows[0]} and {rows[1]}; "
            "keep one vector an id."
        )


def numbers(column: Any, where: str) -> np.ndarray:
    """A pyarrow array as numbers; null as NaN (which the checks name by row and id)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        try:
            column = pc.utf8_trim_whitespace(column).cast(pa.float64())
        except pa.ArrowInvalid as error:
            row = next(n for n, cell in enumerate(column.to_pylist()) if cell is not None and not is_number(cell))
            told = f"{where}, row {row + 1}: {column[row].as_py()[:40]!r} is not a number; leave such columns out."
            raise RunError(told) from error
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise RunError(f"{where} holds {kind}, not numbers; leave such columns out.")
    return column.to_numpy(zero_copy_only=False)


def is_list(column: Any) -> bool:
    """Whether a column holds one list of numbers a row, as a list type or as text like "[0.1, 0.2]"."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        first = next((cell for cell in column.to_pylist()[:1] if cell), "")
        return len(listed(first) or []) > 1
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def lists(column: Any, where: str) -> np.ndarray:
    """A column of lists as n × d; `RunError` names the first row of another length."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        rows = [listed(cell or "") for cell in column.to_pylist()]
        wrong = next((n for n, row in enumerate(rows) if row is None), None)
        if wrong is not None:
            raise RunError(f"{where}, row {wrong + 1}: {column[wrong].as_py()[:40]!r} is not a list of numbers.")
        column = pa.array(rows, pa.list_(pa.float64()))
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    odd = np.flatnonzero(lengths != lengths[0]) if len(lengths) else lengths
    if len(odd):
        raise RunError(
            f"{where}, row {odd[0] + 1}: {lengths[odd[0]]} numbers, but row 1 has {lengths[0]}; "
            "every vector needs the same length."
        )
    return numbers(column.flatten(), where).reshape(len(column), -1 if len(column) else 0)


def as_float32(values: np.ndarray, ids: Sequence[str], where: Path) -> np.ndarray:
    """`values` (n × d or n) as finite float32 in C order; `RunError` names the row and id of the first that is not."""
    if values.dtype.kind not in "fiu" or values.dtype.names:
        raise RunError(f"{where} holds {values.dtype}, not numbers; save float32.")
    if values.size == 0:
        raise RunError(f"{where} has the shape {values.shape}, so no vectors; export it again.")
    bad = np.argwhere(~np.isfinite(values)) if values.dtype.kind == "f" else np.empty((0, 1), int)
    if len(bad):
        rows = len(np.unique(bad[:, 0]))
        what = "infinite" if np.isinf(values[tuple(bad[0])]) else "empty or NaN"
        number = f"number {bad[0][1] + 1}" if values.ndim == 2 else "the bias"
        raise RunError(
            f"{where}, row {bad[0][0] + 1} (id {ids[bad[0][0]]}): {number} is {what}, in {rows} of {len(values)} rows; "
            "leave those ids out, or train again if there are many."
        )
    if max(float(values.max()), -float(values.min())) > WHOLE_FLOAT32:
        large = np.argwhere((values > WHOLE_FLOAT32) | (values < -WHOLE_FLOAT32))
        value, column = values[tuple(large[0])], values[:, large[0][1]] if values.ndim == 2 else values
        if abs(float(value)) > float(np.finfo(np.float32).max):
            raise RunError(f"{where}, row {large[0][0] + 1} (id {ids[large[0][0]]}): {value} is too large for float32.")
        if (column == np.floor(column)).all():
            raise RunError(
                f"{where}, column {large[0][-1] + 1}: whole numbers like {int(value)} look like ids, and float32 "
                "cannot hold them; leave that column out."
            )
    return np.ascontiguousarray(values, np.float32)
