"""What the reading commands say, as plain data: the same facts for tables and for --json."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.actions import Label, State
from engine.errors import MonoscopeError
from engine.labels.exchange import flat_scores
from engine.run import Run

STORED_METRICS = ("rbo", "tau", "l0_items", "l0_users", "ndcg_kept")


def run_facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of `runs`."""
    if "problem" in manifest:
        return {"name": manifest["name"], "problem": manifest["problem"]}
    return {
        "name": manifest["name"],
        "dataset": manifest["dataset"],
        "recommender": manifest["recommender"]["kind"],
        "neurons": manifest["sae"]["m"],
        "created": manifest["created"],
        "fidelity": {name: manifest["fidelity"][name] for name in STORED_METRICS},
        "ndcg10": manifest["recommender"]["metrics"]["ndcg10"],
        "ndcg10_popularity": manifest["recommender"]["popularity"]["ndcg10"],
        "beats_popularity": manifest["recommender"].get("beats_popularity"),
        "notice": manifest["notice"],
    }


def neuron_facts(run: Run, number: int, state: State) -> dict[str, Any]:
    """One entry of `neurons`: the row of the table, and the label that stands in the session with its scores."""
    neuron, label, scores = run.neuron(number), state.labels.get(number), state.scores.get(number, {})
    purity = label_purity(run, number, label, scores)
    return {
        **neuron.as_dict(),
        "named_by_metadata": neuron.named_by is not None,
        "label": label.text if label else None,
        "label_state": label.state if label else "none",
        "label_note": label.note if label else None,
        "label_concept": label.concept if label else None,
        "label_is_best_concept": label is not None and label.concept is not None and label.concept == neuron.concept,
        **dict(zip(("label_purity10", "label_purity20", "label_purity50"), purity, strict=True)),
        **flat_scores(scores),
    }


def label_purity(
    run: Run, number: int, label: Label | None, scores: Mapping[str, Mapping[str, Any]]
) -> tuple[float | None, float | None, float | None]:
    """Purity@10, 20 and 50 of a label's own concept over all items; unknown for a label that names none.

    Of a joint concept it is known once the label has been tested.
    """
    if label is None or label.concept is None:
        return None, None, None
    if any(entry.concept == label.concept for entry in run.reach):
        return run.label_purity(number, label.concept)
    whole = (scores.get("held-out", {}).get("figures") or {}).get("whole")
    return (whole["purity10"], whole["purity20"], whole["purity50"]) if whole else (None, None, None)


def concept_matrix(run: Run) -> dict[str, Any]:
    """Every concept that a mean is over, with its neuron by each reading, and the purity@20 of every neuron for it.

    A concept that no neuron is half of the top 20 of, at twice its base rate, is `missing`: the paper's dash.
    """
    from engine.compared import standings_of

    found = standings_of(run)
    if not found:
        raise MonoscopeError(
            f"The data set {run.manifest['dataset']} of run {run.name} has no concept with enough items to set neurons "
            f"against; add one with `monoscope concepts {run.manifest['dataset']} add NAME --where SQL`."
        )
    reach = {entry.concept: entry for entry in run.reach}
    column = {entry.concept: number for number, entry in enumerate(run.reach)}
    hits = run.screen["hits20"]
    rows = []
    for concept in found:
        name = concept["concept"]
        counts = hits[:, column[name]].tolist() if name in column else []
        rows.append(
            {**concept, "missing": name not in reach or not reach[name].reached, "purity20": _shares(counts, 20)}
        )
    return {"run": run.name, "neurons": len(run.neurons), "concepts": rows}


def _shares(counts: Sequence[int], depth: int) -> list[float | None]:
    return [None if count < 0 else count / depth for count in counts]


def inspected(run: Run, number: int, state: State, k: int) -> dict[str, Any]:
    """`neuron_facts` with the neuron's top items and users, and everything that the inspector tells of it."""
    from engine.inspector import Inspector

    with Inspector.open(run) as inspector:
        return {**neuron_facts(run, number, state), **inspector.whole_neuron(number, k)}


def item_facts(run: Run, which: str, labels: Mapping[int, Label], k: int) -> dict[str, Any]:
    """`item`: what the item with this id or title is made of, with its `k` nearest items."""
    from engine.inspector import Inspector, item_number

    number = item_number(run, which)
    with Inspector.open(run) as inspector:
        return inspector.item(number, _texts(labels), k)


def user_facts(run: Run, user: str, labels: Mapping[int, Label], k: int) -> dict[str, Any]:
    """`user`: what the user is made of, with `k` concepts of their training items."""
    from engine.inspector import Inspector

    number = run.user_number(user)
    with Inspector.open(run) as inspector:
        return inspector.user(number, _texts(labels), k)


def _texts(labels: Mapping[int, Label]) -> dict[int, str]:
    return {number: label.name for number, label in labels.items() if label.name}


def concept_facts(run: Run, name: str, k: int) -> dict[str, Any]:
    """`concept`: the `k` neurons that are purest for a concept of the data set, one named after the training too."""
    from engine.inspector import Inspector

    with Inspector.open(run) as inspector:
        return inspector.concept(name, k)


def filtered_rows(rows: list[dict[str, Any]], where: str | None) -> list[dict[str, Any]]:
    """The rows for which one SQL condition over their columns is true; `PredicateError` says what is wrong with it."""
    if where is None:
        return rows
    from engine.catalogue.predicate import matching_rows

    flat = {name: kind for name in rows[0] if (kind := _sql_kind(name, rows))} if rows else {}
    return [rows[n] for n in matching_rows("neurons", rows, flat, where)]


def _sql_kind(name: str, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The SQL type of a column; None for one that holds no single values."""
    kinds: dict[type, str] = {bool: "BOOLEAN", int: "DOUBLE", float: "DOUBLE", str: "VARCHAR"}
    value = next((row[name] for row in rows if row[name] is not None), None)
    if value is None:
        return "VARCHAR" if "label" in name or "concept" in name else "DOUBLE"
    if isinstance(value, list):
        return "VARCHAR[]" if all(isinstance(entry, str) for row in rows for entry in row[name] or ()) else None
    return kinds.get(type(value))


def sorted_rows(rows: list[dict[str, Any]], column: str | None, reverse: bool = False) -> list[dict[str, Any]]:
    """Rows by a column: text ascending, numbers descending, or in `reverse`; unknown last in any case.

    A sentence for an unknown column.
    """
    if column is None:
        return rows
    if rows and column not in rows[0]:
        raise MonoscopeError(f"There is no column {column!r}; there are {', '.join(rows[0])}.")
    known = [row for row in rows if row[column] is not None]
    text = any(isinstance(row[column], str) for row in known)
    known.sort(key=lambda row: row[column], reverse=(not text and column != "neuron") != reverse)
    return known + [row for row in rows if row[column] is None]


def recommended(
    run: Run, users: Sequence[str], k: int, edits: Sequence[Mapping[str, Any]] = (), session: str | None = None
) -> list[dict[str, Any]]:
    """Users' lists under a session's `edits`, each beside the one before them; without any, the two are the same."""
    from engine.steering.kept import steps_of

    numbers = [run.user_number(user) for user in users]
    with run.catalogue() as catalogue:
        steering = run.steering(catalogue)
        steps = steps_of(steering, edits, run.home.amounts(session or run.name))
        ranked = [steering.rank(number, steps, k) for number in numbers]
    keep = ("rank", "item_id", "title", "affinity", "rank_before")
    figures = ("left", "rbo", "tau", "kept", "reconstruction", "shares", "codes")
    return [
        {
            "user": user,
            "k": k,
            "items": [{name: item[name] for name in keep} for item in one["after"]],
            **{name: one[name] for name in figures},
        }
        for user, one in zip(users, ranked, strict=True)
    ]
