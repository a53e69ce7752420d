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
DENSE_STEPS, STEPS_AN_EPOCH = 20, 900
SMALLEST_BATCH, LARGEST_BATCH = 64, 8192


def preset(values: Mapping[str, Any], dataset: str, users: int, items: int, interactions: int) -> dict[str, Any]:
    """`values` (nested, as given) laid over the settings of their recipe. Raises `RunError` for an unknown recipe.

    `users`, `items` and `interactions` (the training ones) decide the loss, and the size of a step where the recipe
    leaves it open.
    """
    name = values.get("recipe", "best")
    path = files("engine") / "presets" / f"{name}.toml"
    if not isinstance(name, str) or not name.isalpha() or not path.is_file():
        raise RunError(f"There is no recipe {name!r}; there are best and paper.")
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    given = values.get("recommender", {})
    if not isinstance(given, Mapping):
        raise RunError(f"The setting recommender must be a group, such as recommender.kind = {given!r}.")
    kind = given.get("kind", "mf")
    usual = "dense" if name == "best" and kind == "mf" and users * items <= DENSE_CELLS else "sampled"
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
    result = _laid_over(settings, values)
    recommender = result["recommender"]
    if loss == "sampled" and "batch" not in recommender and isinstance(recommender.get("negatives"), int):
        recommender["batch"] = _batch(interactions * (1 + recommender["negatives"]))
    if loss == "dense" and "batch" not in recommender:
        recommender["batch"] = _power_of_two(users // DENSE_STEPS, 32, 256)
        # Small steps are noisy and many: the rate falls with the root of their size.
        recommender.setdefault("learning_rate", 0.05 * (recommender["batch"] / 256) ** 0.5)
    if isinstance(d := result["recommender"].get("d"), int) and isinstance(result["sae"], dict):
        scorer = "dot" if kind == "mf" else "mlp"
        result["sae"] = {**autoencoder_for(d, scorer), **result["sae"]}
    return result


def autoencoder_for(d: int, scorer: str) -> dict[str, Any]:
    """The usual size of an autoencoder over vectors of length d: twice as many neurons as numbers, 128 at most.

    A user's code has at most d/2 active neurons: with d of them it could pass the vector through unread. Through a
    scorer that is no dot product a pair costs more, so fewer are crossed in a step.
    """
    d = max(d, 1)
    size = {"neurons": min(2 * d, 128), "k_items": min(8, max(1, 2 * d // 5)), "k_users": min(16, max(1, d // 2))}
    return size if scorer in ("dot", "cosine") else {**size, "pair_rows": 96}


def _batch(pairs: int) -> int:
    """A power of two that makes about `STEPS_AN_EPOCH` steps of all pairs; small data need small steps."""
    return _power_of_two(pairs // STEPS_AN_EPOCH, SMALLEST_BATCH, LARGEST_BATCH)


def _power_of_two(value: int, least: int, most: int) -> int:
    """The largest power of two that `value` reaches, within bounds that are powers of two."""
    return min(most, max(least, 1 << max(value, 1).bit_length() - 1))


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        lower = result.get(key)
        result[key] = _laid_over(lower, value) if isinstance(lower, dict) and isinstance(value, Mapping) else value
    return result
