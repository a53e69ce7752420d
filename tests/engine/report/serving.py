"""A serving system as a stranger would write it: it reads an export's files and knows nothing of monoscope."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from safetensors.numpy import load_file


@dataclass
class Table:
    """What a serving system holds of one side."""

    ids: list[str]
    vectors: np.ndarray
    bias: np.ndarray
    ranked: np.ndarray

    def merged(self, changed: "Table | None") -> "Table":
        """Rows of the same ids replaced."""
        if changed is None:
            return self
        place = {one: row for row, one in enumerate(self.ids)}
        vectors, bias = self.vectors.copy(), self.bias.copy()
        rows = [place[one] for one in changed.ids]
        vectors[rows], bias[rows] = changed.vectors, changed.bias
        return Table(self.ids, vectors, bias, self.ranked)


def read_table(folder: Path, side: str) -> Table | None:
    """The rows of one side in whatever format they are; None where there is no file of it."""
    if (folder / f"{side}.parquet").exists():
        columns = pq.ParquetFile(folder / f"{side}.parquet").read()
        ids = columns[f"{side[:-1]}_id"].to_pylist()
        vectors = np.array(columns["vector"].to_pylist(), np.float32)
        ranked = np.array(columns["ranked"].to_pylist()) if side == "items" else np.ones(len(ids), bool)
        return Table(ids, vectors, columns["bias"].to_numpy(), ranked)
    if not (folder / f"{side}.ids.json").exists():
        return None
    ids = json.loads((folder / f"{side}.ids.json").read_text())
    if (folder / f"{side}.safetensors").exists():
        arrays = load_file(folder / f"{side}.safetensors")
    else:
        arrays = {"vectors": np.load(folder / f"{side}.npy")}
        arrays |= {path.name.split(".")[1]: np.load(path) for path in folder.glob(f"{side}.*.npy")}
    return Table(ids, arrays["vectors"], arrays["bias"], arrays.get("ranked", np.ones(len(ids), bool)))


def read_filters(folder: Path) -> list[Mapping[str, Any]]:
    path = folder / "filters.json"
    return json.loads(path.read_text())["filters"] if path.exists() else []


Order = Callable[[Table, Table], np.ndarray]
"""Every user's items, the best first (users × items, row numbers)."""


def by_numpy(users: Table, items: Table) -> np.ndarray:
    affinity = users.vectors @ items.vectors.T + users.bias[:, None] + items.bias
    return np.argsort(-affinity, axis=1, kind="stable")


def by_faiss(users: Table, items: Table) -> np.ndarray:
    """An index of inner products: the item's bias is one more dimension, for which every user has 1."""
    import faiss

    index = faiss.IndexFlatIP(items.vectors.shape[1] + 1)
    index.add(np.ascontiguousarray(np.column_stack([items.vectors, items.bias])))
    ones = np.ones((len(users.ids), 1), np.float32)
    return index.search(np.ascontiguousarray(np.column_stack([users.vectors, ones])), len(items.ids))[1]


def lists(
    users: Table,
    items: Table,
    order: np.ndarray,
    seen: Mapping[str, set[str]],
    filters: Sequence[Mapping[str, Any]],
    k: int,
) -> dict[str, list[str]]:
    """Each user's k best: without what they have seen, what is not ranked, and what filters leave out."""
    inside = [set(one["items"]) for one in filters]
    found = {}
    for user, row in zip(users.ids, order, strict=True):
        mine = [(n, one) for n, one in enumerate(filters) if user in one["users"]]
        left = [one["users"][user] for _, one in mine]
        served: list[str] = []
        for item in row:
            name = items.ids[item]
            if len(served) == k:
                break
            if items.ranked[item] and name not in seen.get(user, ()) and _passes(name, mine, inside, left):
                served.append(name)
        found[user] = served
    return found


def _passes(
    name: str, mine: Sequence[tuple[int, Mapping[str, Any]]], inside: Sequence[set[str]], left: list[int]
) -> bool:
    for at, (n, one) in enumerate(mine):
        if (name in inside[n]) == (one["limited"] == "items"):
            if left[at] == 0:
                return False
            left[at] -= 1
    return True
