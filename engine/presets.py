"""Recipes: the settings of a training that nobody gave. `presets/NAME.toml` holds each as tables.

A table is taken if its path fits: [mf.dense] for that recommender and loss, [sae.mf] for the autoencoder over it,
[datasets.NAME.mf.dense] and [datasets.NAME.sae.mf] for one data set alone, which win.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from engine.errors import RunError

DENSE_CELLS = 1_000_000_000
"""Users × items up to which every cell is visited in each epoch; beyond, negatives are sampled."""


def preset(values: Mapping[str, Any], dataset: str, cells: int) -> dict[str, Any]:
    """`values` (nested, as given) laid over the settings of their recipe. Raises `RunError` for an unknown recipe."""
    name = values.get("recipe", "best")
    path = files("engine") / "presets" / f"{name}.toml"
    if not isinstance(name, str) or not name.isalpha() or not path.is_file():
        raise RunError(f"There is no recipe {name!r}; there are best and paper.")
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    given = values.get("recommender", {})
    if not isinstance(given, Mapping):
        raise RunError(f"The setting recommender must be a group, such as recommender.kind = {given!r}.")
    kind = given.get("kind", "mf")
    usual = "dense" if name == "best" and kind == "mf" and cells <= DENSE_CELLS else "sampled"
    loss = given.get("loss", usual)
    own = tables.get("datasets", {}).get(dataset, {})
    settings = {
        "recommender": {
            **tables.get(kind, {}).get(loss, {}),
            **own.get(kind, {}).get(loss, {}),
            "kind": kind,
            "loss": loss,
        },
        "sae": {**tables["sae"].get(kind, {}), **own.get("sae", {}).get(kind, {})},
    }
    return _laid_over(settings, values)


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        lower = result.get(key)
        result[key] = _laid_over(lower, value) if isinstance(lower, dict) and isinstance(value, Mapping) else value
    return result
