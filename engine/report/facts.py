"""What a report says, as plain data."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from engine.catalogue.fetch import NOT_OFFICIAL
from engine.labels.exchange import flat_scores
from engine.labels.metadata import NO_CONCEPT
from engine.neurons.profile import SEGMENT_MINIMUM
from engine.run import Run
from engine.session import Label, Note, State

SCHEMA = 2
"""Goes up with every change that a reader of the JSON has to follow."""
TOP_ITEMS = 10
LEFT_OUT = ("config", "concepts", "recommender", "sae", "fidelity")
NAMERS = {
    "none": "–",
    "human": "hand",
    "llm": "language model",
    "metadata": "metadata",
    "rejected": "rejected by hand",
    "failed": "its labeller failed",
}
"""Who named a neuron, in words, by `named_by`."""


def report_facts(run: Run, state: State, *, with_users: bool = False) -> dict[str, Any]:
    """Everything that a report shows of a run and of its session's labels and edits; ids of users if `with_users`."""
    manifest = run.manifest
    return {
        "schema": SCHEMA,
        "run": run.name,
        "notices": notices(manifest, _archive(run)),
        "provenance": {name: value for name, value in manifest.items() if name not in LEFT_OUT},
        "config": manifest["config"],
        "recommender": manifest["recommender"],
        "sae": manifest["sae"],
        "fidelity": manifest["fidelity"],
        "neurons": [_neuron(run, neuron.neuron, state) for neuron in run.neurons],
        "concepts": manifest["concepts"],
        "edits": [dict(edit) if with_users else without_users(edit) for edit in state.edits],
    }


def notices(manifest: Mapping[str, Any], archive: Mapping[str, Any] | None = None) -> list[str]:
    """Whole sentences on where the data and the run come from that a reader must not miss.

    `archive` is what the data set's own manifest tells of the archive that it was made of, where that is known.
    """
    told = [manifest["notice"]] if manifest["notice"] else []
    if manifest["source_notice"] == NOT_OFFICIAL:
        own, official = ((archive or {}).get(name) for name in ("source_md5", "official_md5"))
        hashes = f" (its MD5 is {own}, that of the official one {official})" if own and official else ""
        told.append(
            f"The archive that {manifest['dataset']} was made of is not the official one{hashes}, so that figures may "
            "differ from those of the official data"
        )
    elif manifest["source_notice"]:
        told.append(manifest["source_notice"])
    return [f"{one.rstrip('.')}." for one in (*told, *manifest["notes"])]


def _archive(run: Run) -> Mapping[str, Any] | None:
    """The manifest of the data set that the run was made of; None where that is not here, or another by now."""
    try:
        told = json.loads((run.home.dataset(run.manifest["dataset"]) / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("hash") == run.manifest["catalogue_hash"] else None


def label_counts(state: State) -> dict[str, int]:
    """How many of a session's labels name their neuron, and how they came about; the parts add up to `labels`."""
    labels = list(state.labels.values())
    naming = [one for one in labels if one.name is not None and one.text != NO_CONCEPT]
    accepted = sum(
        accepted_from(label, state.scores.get(neuron, {})) is not None
        for neuron, label in state.labels.items()
        if label.text != NO_CONCEPT
    )
    return {
        "labels": len(labels),
        "naming": len(naming),
        "by_hand": sum(one.state == "human" for one in naming) - accepted,
        "accepted": accepted,
        "by_model": sum(one.state == "llm" for one in naming),
        "by_metadata": sum(one.state == "metadata" for one in naming),
        "no_coherent_concept": sum(one.name is not None and one.text == NO_CONCEPT for one in labels),
        "rejected": sum(one.state == "rejected" for one in labels),
        "failed": sum(one.state == "failed" for one in labels),
    }


def accepted_from(label: Label | None, scores: Mapping[str, Mapping[str, Any]]) -> Literal["llm", "metadata"] | None:
    """Who offered a label that an analyst then accepted as it was; None for any other label.

    Accepting keeps the model, or the metadata's counts and the evidence that they are from.
    """
    if label is None or label.state != "human":
        return None
    if label.model is not None:
        return "llm"
    evidence = scores.get("evidence", {}).get("figures") or {}
    return "metadata" if label.note is not None and evidence.get("by") == "enrichment" else None


def named_by(row: Mapping[str, Any]) -> str:
    """Who named the neuron of a row, in words."""
    if row["label_accepted"] is not None:
        return f"{NAMERS[row['label_accepted']]}, accepted by hand"
    return NAMERS[row["named_by"]]


def told_scores(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The main figures of a label's scores, and what the gain in lists has to be read beside."""
    moves = scores.get("moves", {}).get("figures") or {}
    return {
        **flat_scores(scores),
        "moves_implied": moves.get("implied"),
        "moves_null_share": moves.get("null_share"),
        "moves_null_gain": moves.get("null_gain"),
    }


def told_notes(state: State, with_users: bool) -> list[Note]:
    """The notes of a session that may leave: those on a user only `with_users`."""
    return [note for note in state.notes if with_users or not (note.about or "").casefold().startswith("user")]


def without_users(edit: Mapping[str, Any]) -> dict[str, Any]:
    """An edit with the number of its users in the place of their ids, where they are ten or more; a predicate over ids
    is left out too."""
    told = dict(edit)
    if told.get("side", "users") == "users":
        if told.get("ids") is not None:
            few = len(told["ids"]) < SEGMENT_MINIMUM
            told["ids"] = f"fewer than {SEGMENT_MINIMUM} users" if few else f"{len(told['ids'])} users"
        if "user_id" in str(told.get("where") or "").casefold():
            told |= {"where": None, "ids": "users by id"}
    return told


def _neuron(run: Run, number: int, state: State) -> Mapping[str, Any]:
    """A row of the table; a name that was rejected is none, and the scores of its label are not the neuron's."""
    neuron, label, scores = run.neuron(number), state.labels.get(number), state.scores.get(number, {})
    items, _users = run.top(number, TOP_ITEMS)
    state_of_label = label.state if label else "none"
    rejected = state_of_label == "rejected"
    named = label is not None and label.name is not None
    fallback = None if rejected else neuron.named_by
    return {
        **neuron.as_dict(),
        "name": label.name if label is not None and named else fallback,
        "named_by": "metadata" if not named and fallback is not None else state_of_label,
        "label_state": state_of_label,
        "label_text": label.text if label else None,
        "label_concept": label.concept if label else None,
        "label_accepted": accepted_from(label, scores),
        **told_scores({} if rejected else scores),
        "items": items,
    }
