"""All of a report as plain data for programs: what `report.schema.json` describes, and tables are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

from engine.neurons.profile import SEGMENT_MINIMUM
from engine.progress import Progress, silent
from engine.report.disclosure import few
from engine.report.document import About, document
from engine.report.effects import Effect
from engine.report.facts import label_counts, told_scores
from engine.report.pictures import Figure
from engine.run import Run
from engine.session import Origin, State

_SHOWN = ("schema", "run", "provenance", "config", "recommender", "sae", "fidelity", "concepts", "notices")
_OF_CARD = ("likeness", "likeness_chance", "histogram", "segments", "moves", "neighbours")
_USERS = frozenset({"users", "users_changed", "users_filtered", "lists_changed", "asked", "reached"})
"""Numbers of users, which are told from ten on."""
_OF_A_GROUP = frozenset({"lists_changed", "reached", "together"})
"""Beside one of these, `users` is the size of the group that everything there is counted in."""
_BY_USER = frozenset({"lists", "most_changed_users", "lost_most_ndcg"})


def complete(
    run: Run, state: State, about: About, progress: Progress = silent, *, short: bool = False
) -> dict[str, Any]:
    """Everything that the page shows, as JSON takes it, and no id of a user. A `short` one has no cards, no figures."""
    page = document(run, state, about, progress, short=short)
    cards = {card["neuron"]: card for card in page["cards"]}
    told = {
        **{name: page[name] for name in _SHOWN},
        "exported": page["exported"],
        "session": {
            "name": page["session"],
            "sha256": page["session_sha256"],
            "run_content": Origin.of(run.home, run.name).content,
            **label_counts(state),
            "neurons_named_by_a_concept": page["named"],
        },
        "summary": [*page["sentences"], *page["edit_sentences"]],
        "neurons": [_neuron(row, cards.get(row["neuron"])) for row in page["neurons"]],
        "matrix": page["matrix"],
        "labels": [_label(neuron, state) for neuron in sorted(state.labels)],
        "edits": [_edit(n, one, page["told_edits"][n]) for n, one in enumerate(page["edits"])],
        "together": without_few(page["together"]),
        "together_withheld": None if page["together"] is None else page["together"].withheld,
        "edits_problem": page["edits_problem"],
        "data_problem": page["missing"],
        "notes": [asdict(note) for note in page["notes"]],
        "figures": [_figure(one) for one in page["figures"]],
        "limits": page["limits"],
        "commands": [{"about": words, "command": command or None} for words, command in page["commands"]],
        "settings_toml": page["settings"],
    }
    plain: dict[str, Any] = _plain(told)
    return plain


def _neuron(row: Mapping[str, Any], card: Mapping[str, Any] | None) -> dict[str, Any]:
    more = {name: None if card is None else card[name] for name in _OF_CARD}
    return {**row, "top_concepts": None if card is None else card["concepts"], **more}


def _label(neuron: int, state: State) -> dict[str, Any]:
    """A label with the outcomes of its tests, which are about its text, also where it was rejected since."""
    scores = state.scores.get(neuron, {})
    tests = {kind: score.get("figures") for kind, score in scores.items()}
    return {"neuron": neuron, **asdict(state.labels[neuron]), **told_scores(scores), "tests": tests}


def _edit(number: int, shown: Mapping[str, Any], edit: Mapping[str, Any] | None) -> dict[str, Any]:
    """An edit in words, as a session keeps it where that may be told, and what it does alone."""
    small = shown["small"]
    return {
        "number": number + 1,
        "title": shown["title"],
        "what": shown["what"],
        "how": shown["amount"],
        "whom": shown["whom"],
        "on": shown["on"],
        "rows": None if small else shown["rows"],
        "edit": edit,
        "effect": without_few(shown["effect"]),
        "withheld": shown["withheld"],
    }


def without_few(effect: Effect | None) -> dict[str, Any] | None:
    """An effect without users' ids and sizes of small groups; None where it was not measured, or is of such a group."""
    if effect is None or effect.facts is None:
        return None
    told: dict[str, Any] = _without_few(_plain({**asdict(effect), **effect.facts}), effect.users)
    for name in ("facts", "withheld"):
        told.pop(name)
    outside = [one for one in told["outside"] if one["side"] != "users" or one["rows"] >= SEGMENT_MINIMUM]
    return {**told, "outside": outside}


def _without_few(value: Any, whole: int, name: str = "") -> Any:
    """Without lists of users, and with None for the size of a group of one to nine, or of all but so few."""
    if isinstance(value, dict):
        own = value.get("users") if _OF_A_GROUP & value.keys() else None
        whole = own if isinstance(own, int) else whole
        return {key: _without_few(one, whole, key) for key, one in value.items() if key not in _BY_USER}
    if isinstance(value, list):
        return [_without_few(one, whole, name) for one in value]
    return None if name in _USERS and isinstance(value, int) and few(value, whole) else value


def _figure(figure: Figure) -> dict[str, Any]:
    picture = figure.picture
    return {
        "id": figure.id,
        "title": figure.title,
        "meaning": figure.meaning,
        "reason": figure.reason,
        "alt": None if picture is None else picture.alt,
        "columns": [] if picture is None else picture.columns,
        "rows": [] if picture is None else picture.rows,
    }


def _plain(value: Any) -> Any:
    """As JSON has it: no dataclass, no tuple, no number of NumPy's."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value
