"""Runs beside each other: fidelity against purity, which neuron is which, what came and what went, and what was set.

What a run keeps is comparable between any two; purity only between runs of one catalogue, whose panel is the same; and
neurons only where the runs know the same items.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from engine.errors import RunError
from engine.experiments.frontier import Tradeoff, dominators, front
from engine.experiments.tables import NAMES, RECIPES
from engine.neurons.matching import match_runs
from engine.neurons.standing import READINGS, Reading, paired_interval, panel, standing
from engine.run import Run

KEPT = ("rbo", "tau", "ndcg_kept", "affinity_r2", "l0_items", "l0_users", "passes_through", "users")
CHOSEN: Reading = "split-half"
"""The reading that the front is drawn over: no neuron is scored on the items that chose it."""
DEPTH = "20"
CLOSE = 0.15
"""A concept with a neuron in one run alone is close where the other's best is less pure by so much at most."""


def compared(runs: Sequence[Run]) -> dict[str, Any]:
    """Everything that `runs compare` says of two runs or more, as plain values."""
    rows = [_row(run) for run in runs]
    same = len({run.manifest["catalogue_hash"] for run in runs}) == 1
    points = [point(row) for row in rows]
    if same and all(points):
        drawn = [one for one in points if one is not None]
        best = front(drawn)
        for at, row in enumerate(rows):
            row |= {"front": at in best, "beaten_by": [rows[other]["name"] for other in dominators(drawn, at)]}
    pairs = list(combinations(runs, 2))
    matchings = [matched_or_not(a, b) for a, b in pairs]
    return {
        "runs": rows,
        "comparable": _comparable(runs, rows, same),
        "same_catalogue": same,
        "differences": [difference(a, b) for a, b in combinations(zip(runs, rows, strict=True), 2)] if same else [],
        "settings": settings([run.manifest for run in runs]),
        "matchings": matchings,
        "concepts": [_concepts(a, b, found) for (a, b), found in zip(pairs, matchings, strict=True)],
    }


def point(row: Mapping[str, Any]) -> Tradeoff | None:
    """A run in the plane of purity and RBO; None where one of the two is unknown."""
    purity, rbo = row["purity20"][CHOSEN], row["fidelity"]["rbo"]
    if purity is None or rbo is None:
        return None
    intervals = row["purity20_interval"], row["fidelity"]["rbo_interval"]
    kind, recipe = row["recommender"], row["recipe"]
    group = ", ".join(dict.fromkeys((NAMES.get(kind, kind), RECIPES.get(recipe, recipe))))  # adopted is both
    return Tradeoff(row["name"], group, purity, rbo, row["fidelity"]["passes_through"], *intervals)


def _row(run: Run) -> dict[str, Any]:
    about, kept = run.manifest, run.manifest["fidelity"]
    standings = standings_of(run)
    purity = {reading: [one["readings"][reading]["purity"][DEPTH] or 0.0 for one in standings] for reading in READINGS}
    by_user = [row["rbo"] for row in run.fidelity_by_user if row["rbo"] is not None]
    return {
        "name": run.name,
        "dataset": about["dataset"],
        "recommender": about["recommender"]["kind"],
        "recipe": about["config"].get("recipe", "adopted"),
        "seeds": {"recommender": about["config"].get("recommender", {}).get("seed"), "sae": about["sae"]["seed"]},
        "provenance": {name: about[name] for name in ("created", "versions", "catalogue_hash", "hashes", "licence")},
        "neurons": about["sae"]["m"],
        "dead": sum(neuron.dead for neuron in run.neurons),
        "named": sum(neuron.named_by is not None for neuron in run.neurons),
        "ndcg10": about["recommender"]["metrics"]["ndcg10"],
        "ndcg10_popularity": about["recommender"]["popularity"]["ndcg10"],
        "notice": about["notice"] or about["source_notice"],
        "fidelity": {**{name: kept[name] for name in KEPT}, "rbo_interval": _interval(by_user)},
        "panel": [one["concept"] for one in standings],
        "purity20_by_concept": purity[CHOSEN],
        "purity20": {reading: float(np.mean(own)) if own else None for reading, own in purity.items()},
        "purity20_interval": _interval(purity[CHOSEN]),
        "front": None,
        "beaten_by": [],
    }


def _interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % bootstrap interval of a mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    _, low, high = paired_interval(np.array(values), np.zeros(len(values)))
    return low, high


def difference(first: tuple[Run, Mapping[str, Any]], second: tuple[Run, Mapping[str, Any]]) -> dict[str, Any]:
    """By how much the first of two runs of one catalogue is ahead in purity and RBO: mean, and a 95 % interval.

    Purity is paired over concepts, RBO over users where both were measured on the same ones.
    """
    (run_a, a), (run_b, b) = first, second
    by_concept = [dict(zip(one["panel"], one["purity20_by_concept"], strict=True)) for one in (a, b)]
    both = [name for name in by_concept[0] if name in by_concept[1]]
    purity = _ahead(*([own[name] for name in both] for own in by_concept))
    by_user = [
        {row["user_id"]: row["rbo"] for row in run.fidelity_by_user if row["rbo"] is not None} for run in (run_a, run_b)
    ]
    paired = by_user[0].keys() == by_user[1].keys()
    values = [[own[user] for user in (by_user[0] if paired else own)] for own in by_user]
    rbo = _ahead(*values) if paired else _apart(*values)
    return {
        "a": run_a.name,
        "b": run_b.name,
        "purity20": purity and {**purity, "concepts": len(both)},
        "rbo": rbo and {**rbo, "users": [len(own) for own in values], "paired": paired},
    }


def _ahead(a: Sequence[float], b: Sequence[float]) -> dict[str, float] | None:
    """The mean of a - b, and its interval over the pairs; None for fewer than two."""
    if len(a) < 2:
        return None
    return dict(zip(("mean", "low", "high"), paired_interval(np.array(a), np.array(b)), strict=True))


def _apart(a: Sequence[float], b: Sequence[float]) -> dict[str, float] | None:
    """The same for groups of different members; the interval is the normal one."""
    if min(len(a), len(b)) < 2:
        return None
    mean = float(np.mean(a) - np.mean(b))
    half = 1.96 * float(np.hypot(*(np.std(own, ddof=1) / len(own) ** 0.5 for own in (a, b))))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def standings_of(run: Run) -> list[dict[str, Any]]:
    """Each concept of the run's panel with its neurons by reading; computed for a run that was trained without
    baselines, which does not keep them. Empty without concepts.
    """
    kept = (run.manifest.get("comparison") or {}).get("concepts")
    if kept or not run.reach:
        return list(kept or [])
    z_im = run.sae.encode(run.recommender.items.vectors, "items")
    with run.catalogue() as catalogue:
        steering, popularity = run.steering(catalogue), catalogue.items().popularity
    eligible = steering.candidates.eligible
    chosen = panel(steering.concepts, eligible)
    found = standing(z_im, eligible, chosen, popularity, run.manifest["sae"]["seed"]).as_dict()["concepts"]
    plain: list[dict[str, Any]] = json.loads(
        json.dumps(found)
    )  # depths become text, as they are where a run keeps them
    return plain


def _comparable(runs: Sequence[Run], rows: Sequence[Mapping[str, Any]], same: bool) -> str:
    """What the runs can be compared by, in a sentence."""
    names = list(dict.fromkeys(str(run.manifest["dataset"]) for run in runs))
    if not same:
        of = f"data sets ({', '.join(names)})" if len(names) > 1 else f"versions of {names[0]}"
        return (
            f"These runs are of different {of}: what reconstruction keeps can be compared, with care; purity cannot, "
            "since its concepts differ, and neurons are matched only where the runs share items."
        )
    if not rows[0]["panel"]:
        return f"{names[0]} has no concepts, so runs are compared by what they keep and by their neurons' items alone."
    bases = {run.manifest["hashes"]["recommender.safetensors"] for run in runs}
    if len(bases) == 1:
        return "These runs have one frozen recommender: what differs is the autoencoder."
    return f"These runs have {len(bases)} recommenders: a difference can be of the recommender or of the autoencoder."


def settings(manifests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The settings that are not the same in all runs, with each run's value; None where a run has no such setting."""
    flat = [_flat(one["config"]) | {"data set": one["dataset"], "version": _version(one)} for one in manifests]
    rows = {name: [one.get(name) for one in flat] for name in dict.fromkeys(name for one in flat for name in one)}
    return [{"setting": name, "values": own} for name, own in rows.items() if any(one != own[0] for one in own)]


def _version(manifest: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())


def _flat(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


def matched(a: Run, b: Run) -> dict[str, Any]:
    """The neurons of two runs, paired one to one by what items activate them; see `engine.neurons.matching`."""
    found = asdict(match_runs(a, b))
    for pair in found["pairs"]:
        pair |= {"concept_a": a.neurons[pair["a"]].named_by, "concept_b": b.neurons[pair["b"]].named_by}
    return {"a": a.name, "b": b.name, "unknown": None, **found}


def matched_or_not(a: Run, b: Run) -> dict[str, Any]:
    """The same; where the runs share too few items, `unknown` says so and there is nothing else."""
    try:
        return matched(a, b)
    except RunError as error:
        return {"a": a.name, "b": b.name, "unknown": str(error)}


def _concepts(a: Run, b: Run, matching: Mapping[str, Any]) -> dict[str, Any]:
    """Concepts with a neuron in one run and none in the other; between two data sets a name is no concept shared.

    A concept can go while its neuron stays: `found_again` is then the neuron of the other run that it is matched with.
    """
    reach_a, reach_b = ({one.concept: one for one in run.reach} for run in (a, b))
    together = a.manifest["dataset"] == b.manifest["dataset"]
    shared = [name for name in reach_a if together and name in reach_b]
    vanished = [name for name in shared if reach_a[name].reached and not reach_b[name].reached]
    appeared = [name for name in shared if reach_b[name].reached and not reach_a[name].reached]
    same = [one for one in matching.get("pairs", ()) if one["correlation"] >= matching["level"]]
    again_a = {one["a"]: _again(one, "b") for one in same}
    again_b = {one["b"]: _again(one, "a") for one in same}
    return {
        "a": a.name,
        "b": b.name,
        "shared": len(shared),
        "both": sum(reach_a[name].reached and reach_b[name].reached for name in shared),
        "vanished": _far_first(_reached(name, reach_a[name], reach_b[name], again_a) for name in vanished),
        "appeared": _far_first(_reached(name, reach_b[name], reach_a[name], again_b) for name in appeared),
    }


def _far_first(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: bool(row["close"]))


def _again(pair: Mapping[str, Any], side: str) -> dict[str, Any]:
    """A matched neuron of run `side`, which is a or b."""
    return {"neuron": pair[side], "concept": pair[f"concept_{side}"], "correlation": pair["correlation"]}


def _reached(name: str, here: Any, there: Any, again: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    return {
        "concept": name,
        "kind": here.kind,
        "items": here.items,
        "neuron": here.neuron,
        "purity20": here.purity20,
        "purity20_elsewhere": there.purity20,
        "close": there.purity20 is not None and here.purity20 - there.purity20 <= CLOSE + 1e-9,
        "found_again": again.get(here.neuron),
    }
