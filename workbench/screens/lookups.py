"""What the engine is asked so that a view is whole: a neuron's facts, a page, a cohort, a curve, other users' lists.

Each answer belongs to what it was asked for: one that comes when the view has moved on is dropped. No Textual here.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

from workbench.engine_client import EngineClient
from workbench.model import Ranking
from workbench.view import Curve, View
from workbench.widgets.bench import LIST_LENGTH

MEASURED_TABS = frozenset({"concepts", "range", "moves", "users", "near"})
"""Tabs of the inspector that need the engine."""
LOOKUPS = frozenset({"neuron", "page", "cohort", "curve", "ranks", "measure", "pairs"})
ANSWER_SECONDS = 120.0
USERS_OF_A_CURVE = 500
"""A larger cohort's dose curve is that of so many of its users, drawn at random."""


class Lookups:
    """Asks once for each thing that a view lacks, and puts answers into the view."""

    def __init__(self, engine: EngineClient) -> None:
        self._engine = engine
        self._asked: dict[str, Mapping[str, Any]] = {}

    def forget(self) -> None:
        """A new engine knows of no requests."""
        self._asked.clear()

    def look(self, view: View) -> None:
        """Ask for what `view` shows and does not have."""
        for method, params in _wanted(view).items():
            if self._asked.get(method) != params:
                self._asked[method] = params
                self._engine.ask(method, params, ANSWER_SECONDS, newest=True)

    def settled(self, method: str, params: Mapping[str, Any]) -> None:
        """A request is over; what it was for may be asked again. Not other users' lists: one may stay unknown."""
        if method != "ranks" and self._asked.get(method) == params:
            del self._asked[method]

    def answered(self, view: View, method: str, params: Mapping[str, Any], result: Mapping[str, Any]) -> View:
        """`view` with an answer in it. Raises KeyError, TypeError or ValueError if it is none."""
        if method == "measure":
            return replace(view, opening=tuple(str(sentence) for sentence in result["sentences"]))
        if method == "neuron":
            return replace(view, facts={**view.facts, int(params["neuron"]): result})
        if method == "pairs":
            told = {(int(pair["a"]), int(pair["b"])): pair for pair in result["pairs"]}
            return replace(view, pairs={**view.pairs, **told})
        if method == "ranks":
            found = {user: _ranking(one, view) for user, one in zip(params["users"], result["ranks"], strict=True)}
            known = {user: ranking for user, ranking in found.items() if ranking is not None}
            return replace(view, rankings={**view.rankings, **known}) if _same(method, params, view) else view
        if not _same(method, params, view):
            return view
        return _with(view, method, facts=result)

    def refused(self, view: View, method: str, params: Mapping[str, Any], message: str) -> View:
        """`view` with the reason why something of it cannot be told."""
        message = "It was cancelled; ask for it again." if message == "cancelled" else message
        if method == "neuron":
            return replace(view, facts={**view.facts, int(params["neuron"]): {"fault": message}})
        if method == "pairs":
            return replace(view, pairs={**view.pairs, **{pair: {} for pair in combinations(params["neurons"], 2)}})
        return _with(view, method, fault=message) if _same(method, params, view) else view


def _wanted(view: View) -> dict[str, dict[str, Any]]:
    """The requests, by method, whose answers the view lacks."""
    wanted: dict[str, dict[str, Any]] = {}
    edits = [dict(edit) for edit in view.edits]
    told = {"edits": edits, "session": view.session, "k": LIST_LENGTH}
    unmeasured = next((neuron for neuron in _looked_at(view) if neuron not in view.facts), None)
    if unmeasured is not None:
        wanted["neuron"] = {"neuron": unmeasured}
    compared = view.compared if view.tab == "compare" and view.page is None else ()
    if any(pair not in view.pairs for pair in combinations(compared, 2)):
        wanted["pairs"] = {"neurons": list(compared)}
    if view.page is not None and view.page.facts is None and view.page.fault is None:
        labels = {str(neuron): label.name for neuron, label in view.labels.items() if label.name}
        wanted["page"] = {"kind": view.page.kind, "name": view.page.name, "labels": labels}
    if view.lists is not None:
        return wanted
    if view.side == "cohort" and view.cohort is not None and view.cohort.facts is None and view.cohort.fault is None:
        wanted["cohort"] = {"where": view.cohort.where, **told}
    if view.side == "curve" and view.curve is not None and view.curve.facts is None and view.curve.fault is None:
        wanted["curve"] = {"neuron": view.curve.neuron, **_whose(view.curve, view), **told}
    others = [user for user in view.watched if user != view.user and user not in view.rankings]
    if others:
        wanted["ranks"] = {"users": others, **told}
    return wanted


def _looked_at(view: View) -> tuple[int, ...]:
    """The neurons that fire of those whose facts the inspector shows."""
    if view.page is not None or view.neurons is None:
        return ()
    current = () if view.current is None or view.tab not in MEASURED_TABS else (view.current,)
    shown = view.compared if view.tab == "compare" else current
    return tuple(neuron for neuron in shown if not view.neurons.dead[view.neurons.row_of[neuron]])


def _same(method: str, params: Mapping[str, Any], view: View) -> bool:
    """Whether an answer is about what the view shows now."""
    if "edits" in params and params["edits"] != [dict(edit) for edit in view.edits]:
        return False
    match method:
        case "page":
            page = view.page
            return page is not None and not page.fault and (page.kind, page.name) == (params["kind"], params["name"])
        case "cohort":
            return view.cohort is not None and view.cohort.where == params["where"]
        case "curve":
            curve = view.curve
            asked = {name: params[name] for name in ("user", "where", "users_at_most") if name in params}
            return curve is not None and curve.neuron == params["neuron"] and asked == _whose(curve, view)
    return True


def _whose(curve: Curve, view: View) -> dict[str, Any]:
    """Whom a dose curve is measured on, as the engine is asked."""
    user = curve.user or view.user
    if curve.where is None and user is not None:
        return {"user": user}
    return {"where": curve.where or "", "users_at_most": USERS_OF_A_CURVE}


def _with(view: View, method: str, **told: Any) -> View:
    match method:
        case "page" if view.page is not None:
            return replace(view, page=replace(view.page, **told))
        case "cohort" if view.cohort is not None:
            return replace(view, cohort=replace(view.cohort, **told))
        case "curve" if view.curve is not None:
            return replace(view, curve=replace(view.curve, **told))
    return view


def _ranking(answer: Mapping[str, Any], view: View) -> Ranking | None:
    return None if "error" in answer else Ranking.of(answer, view.card.item_word)
