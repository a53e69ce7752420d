"""Vectors as files that other systems read, and that `monoscope adopt` takes back (docs/adopt.md)."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.recommenders.scorers import Mlp, Program, Scorer
from engine.sae.model import Side


@dataclass(frozen=True)
class Rows:
    """Rows of one side: n ids, their vectors (n × d, float32) and biases (n, float32)."""

    side: Side
    ids: Sequence[str]
    vectors: np.ndarray
    bias: np.ndarray
    ranked: np.ndarray | None = None
    """Of items (n, bool): False for one that is in nobody's list, such as one that nobody had in training."""


def _parquet(folder: Path, rows: Rows) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = pa.array(np.ascontiguousarray(rows.vectors).reshape(-1), pa.float32())
    columns = {
        f"{rows.side[:-1]}_id": pa.array(rows.ids, pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(flat, rows.vectors.shape[1]),
        "bias": pa.array(rows.bias, pa.float32()),
    }
    if rows.ranked is not None:
        columns["ranked"] = pa.array(rows.ranked, pa.bool_())
    pq.write_table(pa.table(columns), folder / f"{rows.side}.parquet")


def _npy(folder: Path, rows: Rows) -> None:
    _write_ids(folder, rows)
    for name, array in _arrays(rows).items():
        np.save(folder / (f"{rows.side}.npy" if name == "vectors" else f"{rows.side}.{name}.npy"), array)


def _safetensors(folder: Path, rows: Rows) -> None:
    from safetensors.numpy import save

    _write_ids(folder, rows)
    (folder / f"{rows.side}.safetensors").write_bytes(save(_arrays(rows)))


def _arrays(rows: Rows) -> dict[str, np.ndarray]:
    found = {"vectors": np.ascontiguousarray(rows.vectors), "bias": np.ascontiguousarray(rows.bias)}
    return found if rows.ranked is None else {**found, "ranked": np.ascontiguousarray(rows.ranked)}


def _write_ids(folder: Path, rows: Rows) -> None:
    text = json.dumps(list(rows.ids), ensure_ascii=False, indent=0)
    (folder / f"{rows.side}.ids.json").write_text(text + "\n", encoding="utf-8")


FILE_FORMATS: Mapping[str, Callable[[Path, Rows], None]] = {
    "parquet": _parquet,
    "npy": _npy,
    "safetensors": _safetensors,
}
"""Writes rows into a folder. Parquet holds ids and biases as columns; the others have the ids as a JSON list beside."""


def write_scorer(folder: Path, scorer: Scorer) -> None:
    """What `adopt --scorer` (an MLP) or `--trust-code` (a program) takes, in `folder/scorer`; others need no file."""
    from safetensors.numpy import save

    if isinstance(scorer, Mlp):
        (folder / "scorer").mkdir()
        names = [str(layer) for layer in range(len(scorer.weights))]
        arrays = {f"{name}.weight": weight for name, weight in zip(names, scorer.weights, strict=True)}
        arrays |= {f"{name}.bias": bias for name, bias in zip(names, scorer.biases, strict=True)}
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        (folder / "scorer" / "scorer.safetensors").write_bytes(save(contiguous))
        told = {"kind": "mlp", "layers": names, "activation": scorer.activation, "input": "concat"}
        (folder / "scorer" / "scorer.json").write_text(json.dumps(told) + "\n")
    elif isinstance(scorer, Program):
        (folder / "scorer").mkdir()
        (folder / "scorer" / "scorer.pt2").write_bytes(scorer.blob)
