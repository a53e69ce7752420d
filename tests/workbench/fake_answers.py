"""Made-up answers of the shapes that docs/serving.md gives, for the fake engine."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

Facts = dict[str, Any]
CONCEPTS = ("Horror", "Drama", "Comedy")
ITEMS = 50


class NoSuchName(Exception):
    """What a page is asked of is not there; the sentence."""


def neuron(params: Mapping[str, Any]) -> Facts:
    j = params["neuron"]
    step = {"quantile": 1.0, "rows": [{"item_id": "1", "title": "Film 1", "activation": 2.5}]}
    histogram = {"edges": [0.0, 1.0, 2.0], "counts": [5, 2], "zeros": 0.8}
    moved = {"item_id": "2", "title": "Film 2", "change": 0.4, "low": 0.2, "high": 0.6, "same_sign": 0.9}
    profile = {"concept": "Horror", "kind": "genre", "items": 12, "mean": 1.2, "top50": 9, "catalogue": 0.1}
    return {
        "neuron": j,
        "concept": "Horror",
        "flags": [],
        "named_by_metadata": True,
        "items": [{"rank": 1, "item_id": "1", "title": "Film 1", "activation": 2.5, "concepts": ["Horror"]}],
        "users": [{"rank": n, "user_id": str(n), "activation": 3.0 - n / 10} for n in range(1, 11)],
        "quantiles": {"items": [step], "users": [{"quantile": 1.0, "rows": [{"user_id": "1", "activation": 3.0}]}]},
        "histogram": {"items": histogram, "users": histogram},
        "profiles": {"mean": 0.3, "concepts": [profile], "top50_items": 50,
                     "decades": [{"decade": 1990, "share": 0.5, "catalogue": 0.3}]},
        "segments": {"segments": [], "skipped": {}},
        "moves": {"users": {"unit": 1.5, "exact": False, "sample": 200, "gained": [moved], "lost": [],
                            "concepts": None},
                  "items": None},
        "neighbours": [{"neuron": (j + 1) % 4, "cosine": 0.4, "jaccard": 0.2}],
        "missing": None,
    }  # fmt: skip


def pairs(params: Mapping[str, Any]) -> Facts:
    found = combinations(params["neurons"], 2)
    return {"pairs": [{"a": a, "b": b, "cosine": 0.25, "jaccard": 0.1} for a, b in found]}


def page(params: Mapping[str, Any]) -> Facts:
    kind, name, labels = params["kind"], params["name"], params.get("labels") or {}
    if not any(name in (one["name"], one.get("id")) for one in NAMES[f"{kind}s"]):
        raise NoSuchName(f"There is no {kind} {name!r} in this run.")
    made_of = [{"neuron": 1, "activation": 1.2, "units": 0.8, "name": labels.get("1"), "concept": "Horror"}]
    error = {"share": 0.1, "mean": 0.2}
    if kind == "item":
        near = [{"item_id": "2", "title": "Film 2", "cosine": 0.9}]
        id = name.removeprefix("Film ")
        return {"run": "demo", "item_id": id, "title": f"Film {id}", "concepts": ["Horror"], "ranked": True,
                "popularity": 120, "popularity_rank": 7, "ranked_items": ITEMS, "neurons": made_of, "error": error,
                "nearest_by_code": near, "nearest_by_vector": near, "nearest_shared": 1, "missing": None}  # fmt: skip
    if kind == "user":
        carried = [{"concept": "Horror", "items": 9, "share": 0.3, "catalogue": 0.1}]
        return {"run": "demo", "user": name, "neurons": made_of, "error": error, "affinity_explained": 0.9,
                "training_items": 53, "training_concepts": carried, "missing": None}  # fmt: skip
    purity = {"purity10": 1.0, "purity20": 0.95, "purity50": 0.8}
    standing = {reading: {"neuron": 1, **purity} for reading in ("label_chosen", "split_half", "one_to_one")}
    return {"run": "demo", "concept": name, "kind": "genre", "items": 12, "base_rate": 0.1, "missing": False,
            "standing": standing, "neurons": [{"neuron": 1, **purity, "lift": 9.5, "named": True}],
            "misses": [{"item_id": "3", "title": "Film 3", "activation": 1.1}],
            "profile": [{"neuron": 1, "mean": 1.2, "catalogue": 0.3}]}  # fmt: skip


NAMES: dict[str, list[Facts]] = {
    "items": [{"name": f"Film {n}", "id": str(n), "popularity": 200 - n} for n in range(1, ITEMS + 1)],
    "users": [{"name": str(n), "id": str(n)} for n in range(1, 41)] + [{"name": "anna", "id": "anna"}],
    "concepts": [{"name": name, "kind": "genre", "items": 12} for name in CONCEPTS],
    "cohorts": [{"name": "young", "where": "age < 25", "users": 12}],
    "user_columns": [{"name": "age", "type": "INTEGER", "examples": [25, 35]}],
    "user_values": [{"name": "25", "text": False, "count": 9}, {"name": "35", "text": False, "count": 4}],
    "item_columns": [{"name": "year", "type": "SMALLINT", "examples": [1995, 1996]}],
}


def find(params: Mapping[str, Any]) -> Facts:
    kind, text = params["kind"], params.get("text", "")
    if kind.endswith("_values") and params["column"] != "age":
        raise NoSuchName(f"There is no column {params['column']!r}.")
    found = [one for one in NAMES[kind] if text.casefold() in one["name"].casefold() or text == one.get("id")]
    return {"kind": kind, "text": text, "total": len(found), "found": found[: params.get("limit", 20)]}


def count(params: Mapping[str, Any]) -> Facts:
    return {"side": params["side"], "where": params["where"], "count": 12, "of": 40, "ids": ["1", "2", "3", "4", "5"]}


def cohort(params: Mapping[str, Any]) -> Facts:
    """Every edit takes two points from each concept's share."""
    if "nonsense" in params.get("where", ""):
        raise NoSuchName('Referenced column "nonsense" is not there; there are age, gender.')
    edits, k = len(params.get("edits") or []), params.get("k", 30)

    def arm(changes: int) -> Facts:
        return {
            "concept_shares": {name: 0.3 - n / 10 - changes / 50 for n, name in enumerate(CONCEPTS)},
            "reach": {"items_shown": 40 + changes, "most_shown": [{"item_id": "1", "title": "Film 1", "users": 9}]},
            "exposure": {"coverage": 0.8, "gini": 0.5, "popularity_percentile": 20.0},
            "novelty": 0.2, "diversity": 0.6, "label_entropy": 2.0, "ndcg10": 0.2 - changes / 100,
        }  # fmt: skip

    collateral = {
        "about": ["Horror"] if edits else [], "about_items": [], "users": 40, "users_changed": 40 * bool(edits),
        "users_filtered": 0, "items_changed": 0, "lists_changed": 38 * bool(edits), "rbo": 1 - edits / 10,
        "rbo_of_the_rest": 1 - edits / 20 if edits else None, "kept": k - edits,
        "drift_of_other_concepts": 0.02 * edits,
        "most_changed_users": [{"user": "7", "rbo": 0.7}], "lost_most_ndcg": [],
    }  # fmt: skip
    measured = {"cohort": params.get("where") or "true", "k": k, "serve": "change", "users": 40,
                "figures": {"rbo": 1 - edits / 10}}  # fmt: skip
    return {"run": "demo", "where": params.get("where", ""), "users": 40, "k": k, "measured": measured,
            "before": arm(0),
            "reconstruction": {**arm(1), "rbo": 0.82, "kept": 25.5}, "after": arm(edits),
            "outside": [], "collateral": collateral, "groups": None}  # fmt: skip


def curve(params: Mapping[str, Any]) -> Facts:
    amounts = [float(amount) for amount in range(-4, 5)]
    item = params.get("item")

    def figures(amount: float) -> Facts:
        return {"share": 0.2 + amount / 40, "ndcg10": 0.2 - abs(amount) / 100,
                "rank": None if item is None else 50.0 - amount, "reach": None if item is None else 0.5}  # fmt: skip

    user = params.get("user")
    return {
        "run": "demo", "neuron": params["neuron"], "operation": params.get("operation", "add"), "unit": "p99",
        "user": user, "where": params.get("where", "") if user is None else None, "users": 40 if user is None else 1,
        "of": 40 if user is None else 1, "k": params.get("k", 30),
        "item": None if item is None else {"item_id": item, "title": f"Film {item}"},
        "observed": {"most": 2.5, "p99": 1.5}, "current": None, "concept": "Horror", "start": 0.0,
        "before": figures(0.0),
        "points": [{"amount": amount, "rbo": 1 - abs(amount) / 10, **figures(amount)} for amount in amounts],
    }  # fmt: skip


MADE = {"neuron": neuron, "pairs": pairs, "page": page, "find": find, "count": count, "cohort": cohort, "curve": curve}
