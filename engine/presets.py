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
    tables = _tables(name)
    given = values.get("recommender", {})
    if not isinstance(given, Mapping):
        raise RunError(f"The setting recommender must be a group, such as recommender.kind = {given!r}.")
    kind = given.get("kind", "mf")
    usual = "dense" if name == "best" and kind == "mf" and users * items <= DENSE_CELLS else "sampled"
    loss = given.get("loss", usual)
    own = tables.get("datasets", {}).get(dataset, {})
    usual_settings = {**tables.get(kind, {}).get(loss, {}), **own.get(kind, {}).get(loss, {})}
    recommender = _laid_over({**usual_settings, "kind": kind, "loss": loss}, given)
    if loss == "sampled" and "batch" not in recommender and isinstance(recommender.get("negatives"), int):
        recommender["batch"] = _batch(interactions * (1 + recommender["negatives"]))
    if loss == "dense" and "batch" not in recommender:
        recommender["batch"] = _power_of_two(users // DENSE_STEPS, 32, 256)
        # Small steps are noisy and many: the rate falls with the root of their size.
        recommender.setdefault("learning_rate", 0.05 * (recommender["batch"] / 256) ** 0.5)
    d = recommender.get("d")
    sae = sae_preset(values, dataset, d if isinstance(d, int) else 1, "dot" if kind == "mf" else "mlp")
    return {**values, "recommender": recommender, "sae": sae}


def sae_preset(values: Mapping[str, Any], dataset: str, d: int, scorer: str) -> dict[str, Any]:
    """The autoencoder's part of `values` laid over its recipe, for vectors of length d and a scorer of that kind."""
    return fitted(sae_recipe(values, dataset, d, scorer), values.get("sae", {}))


def sae_recipe(values: Mapping[str, Any], dataset: str, d: int, scorer: str) -> dict[str, Any]:
    """The autoencoder's settings of a recipe alone. Raises `RunError` where `values` hold no group of that name."""
    tables = _tables(values.get("recipe", "best"))
    kind = "mf" if scorer in ("dot", "cosine") else "ncf"
    own = tables.get("datasets", {}).get(dataset, {}).get("sae", {}).get(kind, {})
    given = values.get("sae", {})
    if not isinstance(given, Mapping):
        raise RunError(f"The setting sae must be a group, such as sae.neurons = {given!r}.")
    return {**autoencoder_for(d, scorer), **tables["sae"].get(kind, {}), **own}


def fitted(usual: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` laid over the `usual` settings of an autoencoder; a usual k that is too large for few neurons is lowered.

    A k of all neurons or more would leave none silent: it becomes half of them. A k that was given stays.
    """
    return {**usual, **_lowered(usual, given), **given}


def fit_notes(usual: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """A sentence on what `fitted` lowered, if anything."""
    lowered, settings = _lowered(usual, given), {**usual, **given}
    if not lowered or settings.get("variant") == "relu":
        return []
    return [
        f"Too few neurons ({settings['neurons']}) for the usual "
        f"{' and '.join(f'sae.{name} ({usual[name]})' for name in lowered)}: lowered to {min(lowered.values())}."
    ]


def _lowered(usual: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, int]:
    neurons = given.get("neurons", usual.get("neurons"))
    if not isinstance(neurons, int):
        return {}
    names = [name for name in ("k_items", "k_users") if name not in given and usual.get(name, 0) >= neurons]
    return dict.fromkeys(names, max(1, neurons // 2))


def _tables(name: object) -> dict[str, Any]:
    path = files("engine") / "presets" / f"{name}.toml"
    if not isinstance(name, str) or not name.isalpha() or not path.is_file():
        raise RunError(f"There is no recipe {name!r}; there are best and paper.")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def autoencoder_for(d: int, scorer: str) -> dict[str, Any]:
    """The usual settings of an autoencoder over vectors of length d: twice as many neurons as numbers, 128 at most.

    A user's code has at most d/2 active neurons: with d of them it could pass the vector through unread. beta is 0: at
    equal sparsity the prediction loss kept less of the lists of held-out users, on every base that we tried, from 8
    active neurons an item on. Longer vectors take more steps, by the same measure; docs/evidence.md has the figures.
    Through a scorer that is no dot product a pair costs more, so fewer are crossed in a step.
    """
    d = max(d, 1)
    size = {
        "neurons": min(2 * d, 128),
        "k_items": min(16, max(1, 2 * d // 5)),
        "k_users": min(32, max(1, d // 2)),
        "beta": 0.0,
        "steps": 500 if d <= 32 else 2000,
    }
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
