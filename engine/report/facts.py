"""What a report says, as plain data."""

from collections.abc import Mapping
from typing import Any

from engine.labels.exchange import flat_scores
from engine.neurons.profile import SEGMENT_MINIMUM
from engine.run import Run
from engine.session import State

TOP_ITEMS = 10
LEFT_OUT = ("config", "concepts", "recommender", "sae", "fidelity")


def report_facts(run: Run, state: State, *, with_users: bool = False) -> dict[str, Any]:
    """Everything that a report shows of a run and of its session's labels and edits; ids of users if `with_users`."""
    manifest = run.manifest
    return {
        "schema": 1,
        "run": run.name,
        "provenance": {name: value for name, value in manifest.items() if name not in LEFT_OUT},
        "config": manifest["config"],
        "recommender": manifest["recommender"],
        "sae": manifest["sae"],
        "fidelity": manifest["fidelity"],
        "neurons": [_neuron(run, neuron.neuron, state) for neuron in run.neurons],
        "concepts": manifest["concepts"],
        "edits": [dict(edit) if with_users else _without_users(edit) for edit in state.edits],
    }


def _without_users(edit: Mapping[str, Any]) -> dict[str, Any]:
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
    neuron, label = run.neuron(number), state.labels.get(number)
    items, _users = run.top(number, TOP_ITEMS)
    state_of_label = label.state if label else "none"
    return {
        **neuron.as_dict(),
        "name": label.name if label and label.name else neuron.named_by,
        "named_by": state_of_label if (label and label.name) or neuron.named_by is None else "metadata",
        "label_state": state_of_label,
        "label_concept": label.concept if label else None,
        **flat_scores(state.scores.get(number, {})),
        "items": items,
    }
