"""A run folder as the engine writes it, made up: what the workbench's first screen reads, and nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np

TOP = 50
GENRES = ("Comedy", "Horror", "Children", "Sci-Fi", "Western", "Drama")
AWKWARD = (
    "[REC] (2007)",
    "[/x] closing nothing",
    "[@click=app.quit]click me",
    "浜崎あゆみ 天国 全角文字の長い題名です",
    "bell\x07 and\x1b[31m escape\r\nnewline",
    "שלום עולם (1990)",
)
DEAD, RARE, UNEDITABLE, UNNAMED = 5, 6, 7, 8
"""Neurons with something special: no activation at all; fires on too few items; on no user; concept too weak."""


def manifest(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "format": 2,
        "dataset": "demo",
        "created": "2026-01-02T03:04:05",
        "version": "0.1.0",
        "simulated": True,
        "notice": "simulated audience",
        "item_word": "film",
        "users": 40,
        "items": 400,
        "recommender": {"kind": "mf", "d": 20, "bias": True, "metrics": {"ndcg10": 0.19}},
        "sae": {"variant": "batchtopk", "m": 12, "k_items": 8, "k_users": 10},
        "fidelity": {"rbo": 0.83, "tau": 0.7, "l0_items": 8.0, "l0_users": 10.0, "ndcg_kept": 0.98},
        **changes,
    }


def make_run(home: Path, name: str = "demo-mf", neurons: int = 12, items: int = 400, **changes: Any) -> Path:
    """Write a run folder under `home` and return it. Neuron j has purity@20 falling with j; see the constants."""
    folder = home / "runs" / name
    folder.mkdir(parents=True)
    sae = {"variant": "batchtopk", "m": neurons}
    (folder / "manifest.json").write_text(json.dumps(manifest(name, **{"sae": sae, **changes})))
    titles = [*AWKWARD, *(f"Film {i} ({1950 + i % 60})" for i in range(len(AWKWARD), items))]
    details = [f"{GENRES[i % 6]}|{GENRES[(i + 1) % 6]}" for i in range(items)]
    j = np.arange(neurons)
    figures = {
        "purity10": np.maximum(1.0 - 0.02 * j, 0.1),
        "purity20": np.maximum(1.0 - 0.03 * j, 0.1),
        "purity50": np.maximum(1.0 - 0.05 * j, 0.1),
        "base_rate": np.full(neurons, 0.1),
        "lift": np.maximum(1.0 - 0.03 * j, 0.1) / 0.1,
        "q": np.minimum(0.0005 * 2.0 ** np.minimum(j, 20), 1.0),
        "density_items": 0.1 + 0.01 * ((j * 5) % neurons),
        "density_users": 0.3 + 0.01 * ((j * 7) % neurons),
        "popularity_percentile": 5.0 + 90.0 * ((j * 3) % neurons) / neurons,
        "monosemanticity": np.full(neurons, 0.8),
        "p99_items": np.full(neurons, 4.0),
        "p99_users": np.full(neurons, 2.0),
    }
    dead = np.zeros(neurons, bool)
    top = (np.arange(TOP)[None, :] * 6 + j[:, None]) % items
    concept: list[str | None] = [GENRES[k % 6] for k in range(neurons)]
    named = [True] * neurons
    if neurons > UNNAMED:
        dead[DEAD] = True
        figures["p99_users"][[DEAD, UNEDITABLE]] = np.nan
        for figure in ("purity10", "purity20", "purity50", "lift", "q", "popularity_percentile"):
            figures[figure][DEAD] = np.nan
        figures["purity50"][RARE] = np.nan
        top[DEAD], top[RARE, 30:] = -1, -1
        concept[DEAD], named[UNNAMED] = None, False
    np.savez(
        folder / "screen.npz",
        neuron=j.astype(np.int32),
        dead=dead,
        top_item=top.astype(np.int32),
        top_activation=np.where(top >= 0, 5.0 - 0.05 * np.arange(TOP), 0.0).astype(np.float32),
        top_match=np.broadcast_to(np.arange(TOP) % 5 != 4, top.shape),
        **{key: value.astype(np.float32) for key, value in figures.items()},
    )
    texts = {
        "item_id": [str(i) for i in range(items)],
        "title": titles,
        "detail": details,
        "concept": concept,
        "concept_kind": [None if c is None else "genre" for c in concept],
        "named": named,
    }
    (folder / "titles.json").write_text(json.dumps(texts))
    return folder
