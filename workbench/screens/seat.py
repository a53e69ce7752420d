"""The desk's seat: its session and its engine, and how a view follows from what they say. No Textual here."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import MonoscopeError
from engine.session import Session, State
from engine.text import plain
from workbench import consent
from workbench.engine_client import Answered, Ended, EngineClient, Event, Progressed, Refused
from workbench.journal import Journal
from workbench.model import Neurons, Ranking
from workbench.screens.lookups import LOOKUPS, Lookups
from workbench.view import MOST_WATCHED, Among, Cohort, Curve, View
from workbench.widgets.bench import LIST_LENGTH

START_SECONDS, ANSWER_SECONDS = 60.0, 15.0
"""Limits after which the engine counts as hanging: for loading a run, and for everything else."""
MEASURING = ("Measuring what this run is …",)
"""What stands where the opening's sentences will."""
RESTARTS, RESTART_WINDOW_SECONDS = 3, 60.0


class Seat:
    """Owns the session and the engine of one run. `changed` gets every new view, `say` every message."""

    def __init__(
        self, view: View, engine: EngineClient, changed: Callable[[View], None], say: Callable[[str], None]
    ) -> None:
        self.view = view
        self._engine = engine
        self._changed = changed
        self._say = say
        self._session: Session | None = None
        self._first_user: str | None = None
        self._restarts: list[float] = []
        self._lookups = Lookups(engine)
        self._journal = Journal()
        self._found: dict[tuple[str, str], Sequence[tuple[str, str]]] = {}
        self._begun = False
        """Whether the analyst went on from the opening's sentences."""
        self.found_more: Callable[[], None] = lambda: None
        """Called when the engine has found names that were asked for."""
        self.confirm: Callable[[str, str, Callable[[str], None]], bool] = lambda _question, _keys, _done: False
        """Asks the analyst for one of some keys ("": none of them); False where something else is being asked."""
        self._named = ""
        """A name whose page is to be opened once the engine has said what there is of it."""
        self._vacancy_told = False
        self._agreed = False
        """Whether language models may be asked in this sitting without a question first."""

    # What is read when the run opens

    def seat(self, neurons: Neurons | None, fault: str | None, session: Session | None, refused: str | None) -> None:
        """Take what was read from disk; `refused` says why there is no session."""
        self._session = session
        refusal = refused if session is None else session.refusal
        read_only = session is None or session.read_only
        self._show(neurons=neurons, fault=fault, read_only=read_only, refusal=refusal or "")
        if session is not None:
            self._adopt(session.state)
            self._say(session.notice or _restored(session.state))
        elif refused:
            self._say(refused)
        if neurons is not None and not (self._begun or self.view.edits or self.view.opening):
            self._show(opening=MEASURING)

    def touched(self) -> None:
        """A key was pressed: what is read from now on is not replaced."""
        if self.view.opening == MEASURING:
            self._begun = True
            self._show(opening=())

    def take_up(self, change: Callable[[View], View]) -> None:
        """Go on where the analyst was, which is past the opening's sentences."""
        self._begun = True
        self._put(replace(change(self.view), opening=()))

    def follow(self) -> None:
        """Where another terminal writes this session, show what it has written since; say once when it has gone."""
        session = self._session
        if session is None or not session.read_only:
            return
        watched = session.state.watched
        try:
            grown = session.follow()
        except MonoscopeError as error:
            self._say(str(error))
            return
        if grown:
            self._vacancy_told = False
            # Who is watched here alone stays, unless the other terminal goes to another user.
            self._adopt(session.state, user=self.view.user if session.state.watched == watched else None)
        elif not self._vacancy_told and session.vacant:
            self._vacancy_told = True
            self._say("The other terminal has let this session go: the next change here takes it over.")

    def close(self) -> None:
        """End the child and let the session go; everything is in the journal already."""
        self._engine.stop()
        if self._session is not None:
            self._session.close()
            self._session = None

    # What the engine says

    def start_engine(self) -> None:
        self._show(lists="The engine is starting…", ranking=None)
        self._engine.start()
        self._engine.ask("hello", {}, START_SECONDS)
        self._engine.ask("load", {"run": self.view.card.name}, START_SECONDS)
        self._lookups.forget()

    def heard(self, event: Event) -> None:
        """Take one event of the engine client."""
        match event:
            case Ended(reason, unanswered):
                self._ended(reason, unanswered)
            case Progressed(asked, share, text) if asked.method == "label":
                # Words of progress may have been under way when the analyst cancelled: they must not bring it back.
                waiting = [neuron for neuron in asked.params["neurons"] if neuron in self.view.asked]
                self._show(asked={**self.view.asked, **dict.fromkeys(waiting, f"{text} {share:.0%}")})
            case Refused(asked, message):
                self._refused(asked.method, asked.params, message)
            case Answered(asked, result):
                try:
                    self._answered(asked.method, asked.params, result)
                except (KeyError, TypeError, ValueError) as error:
                    self._engine.kill(f"answered {asked.method} with nonsense ({error!r})")

    def _answered(self, method: str, params: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        if method == "load":
            self._first_user = result["first_user"]
            self._show(
                lists=None if result["lists"] else str(result["missing"]), user=self.view.user or self._first_user
            )
            if self.view.opening in ((), MEASURING) and not self.view.edits and not self._begun:
                self._engine.ask("measure", {}, ANSWER_SECONDS)
            self._rank()
        elif method == "find":
            self._found[_kind_of(params), params["text"]] = [_candidate(one) for one in result["found"]]
            self.found_more()
            self._heard_names()
        elif method in LOOKUPS:
            self._lookups.settled(method, params)
            if method != "measure" or not self._begun:
                self._put(self._lookups.answered(self.view, method, params, result))
            if method == "cohort":
                self._keep_measured(params, result)
        elif method == "rank":
            ranking = Ranking.of(result, self.view.card.item_word)
            if params["user"] == self.view.user and params["edits"] == [dict(edit) for edit in self.view.edits]:
                self._show(ranking=ranking, rankings={**self.view.rankings, params["user"]: ranking})
        elif method == "user":
            where, user = str(result.get("where", "")), str(result["user"])
            self._show(among=Among(where, user, int(result["place"]), int(result["of"])) if where else None)
            if self._writable():
                self._append("watch", user=str(result["user"]))
            else:
                self._watch(str(result["user"]))
        elif method == "label_plan":
            self._planned(params, result)
        elif method == "label":
            self._forget(method, params)
            self._say(_named(result["actions"]))
            for told in result["actions"]:
                data = {key: value for key, value in told.items() if key not in ("action", "time")}
                if told["action"] == "label":
                    self._label(data.pop("neuron"), data)
                else:
                    self._append(told["action"], **data)

    def _refused(self, method: str, params: Mapping[str, Any], message: str) -> None:
        if method in ("load", "measure") and self.view.opening == MEASURING:
            self._show(opening=())
        if method == "load":
            self._show(lists=message)
        elif method == "label_plan":
            self._forget(method, params)
            if message == "cancelled":
                return
        elif method == "label":
            self._forget(method, params)
            for neuron in params["neurons"]:
                self._fail_label(neuron, message)
        elif method == "rank":
            self._show(ranking=None)
        elif method in LOOKUPS:
            self._lookups.settled(method, params)
            self._put(self._lookups.refused(self.view, method, params, message))
            return
        elif method == "user" and not params.get("where") and not params["step"] and message.startswith("There is no"):
            wanted = {"where": params["user"], "step": 0, "unknown": message}
            self._engine.ask("user", wanted, ANSWER_SECONDS, newest=True)
            return
        elif method == "user" and "unknown" in params and re.fullmatch(r"[\w.-]+", str(params["where"])):
            message = f"{str(params['unknown']).removesuffix('.')}, and no cohort of that name."
        elif method == "find":
            self._named = ""
            return  # a name that cannot be completed can still be typed
        self._say(message)

    def _ended(self, reason: str, unanswered: Sequence[Any]) -> None:
        for asked in unanswered:
            self._forget(asked.method, asked.params)
        self._found = {wanted: found for wanted, found in self._found.items() if found}
        self._named = ""
        now = time.monotonic()
        self._restarts = [moment for moment in self._restarts if now - moment < RESTART_WINDOW_SECONDS] + [now]
        if len(self._restarts) <= RESTARTS:
            self.start_engine()
            self._say(f"The engine {reason}; it was started again, nothing is lost.")
        else:
            sentence = f"The engine {reason}, {len(self._restarts)} times within a minute; see {self._engine.log}."
            page = self.view.page
            if page is not None and page.facts is None:
                page = replace(page, fault=sentence)
            self.touched()
            self._show(lists=f"{sentence} p, + or - tries again.", ranking=None, page=page)
            self._say(sentence)

    def _heard_names(self) -> None:
        """The engine has said what there is of a name."""
        raise NotImplementedError

    # Labels

    def _planned(self, params: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """What labelling takes is known: ask for the labels, after a yes where a language model is to be asked."""

        def answered(key: str) -> None:
            self._agreed = self._agreed or key == consent.SITTING
            if key in (consent.YES, consent.SITTING):
                self._ask_labels(params, "llm", plan["max_cost"])
            else:
                self._forget("label_plan", params)
                self._say("Nothing was sent.")

        if not plan["asks"]:
            by = "metadata" if plan.get("model") is None else "llm"  # a model whose answers are all there already
            self._ask_labels(params, by, plan.get("max_cost"))
            self._say(f"{plan['why']} So the metadata name it." if plan.get("why") else "")
        elif self._agreed:
            answered(consent.YES)
            self._say(consent.summary(plan))
        elif not self.confirm(consent.question(plan), consent.YES + consent.NO + consent.SITTING, answered):
            self._forget("label_plan", params)
            self._say("Something else is asked here; l asks for the label again.")

    def _ask_labels(self, params: Mapping[str, Any], labeller: str, max_cost: float | None) -> None:
        self._engine.ask("label", {**params, "labeller": labeller, "max_cost": max_cost}, None)

    def _keep_measured(self, params: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Keep what the edits were measured to do, if nobody has: `sessions replay` compares with it."""
        session, edits = self._session, [dict(edit) for edit in self.view.edits]
        if session is None or session.read_only or not edits or params["edits"] != edits:
            return
        if session.state.measured is None and result.get("measured") is not None:
            self._append("measured", measured=result["measured"])

    # How a view follows from another

    def _label(self, neuron: int, label: Mapping[str, Any]) -> None:
        self._append("label", neuron=neuron, **label)
        if label["state"] == "failed" and label["note"]:
            self._say(f"No label for neuron {neuron}: {label['note']}")

    def _fail_label(self, neuron: int, message: str) -> None:
        """A label that could not be had is a state of the neuron; the session keeps a label that it has already."""
        if message != "cancelled":
            failure = {"text": None, "state": "failed", "concept": None, "model": None, "note": message}
            self._label(neuron, failure)

    def _append(self, action: str, **data: Any) -> bool:
        if not self._writable() or self._session is None:
            return False
        try:
            state = self._session.append(action, **data)
        except MonoscopeError as error:
            self._say(str(error))
            return False
        self._adopt(state, saved=time.strftime("%H:%M:%S"))
        return True

    def _adopt(self, state: State, *, user: str | None = None, **also: Any) -> None:
        """Show the journal's state; a list that no longer fits is asked for again. `user` is watched in any case."""
        user = user or (state.watched[-1] if state.watched else self._first_user)
        before = self.view
        edits = tuple(state.edits)
        changes = {"labels": state.labels, "scores": state.scores, "edits": edits, "user": user, **also}
        changes |= {"notes": state.notes, "bookmarks": state.bookmarks}
        changes["log"] = self._journal.lines(self._session.records) if self._session is not None else ()
        others = [one for one in pinned(state.bookmarks) if one != user]
        changes["watched"] = (*others, user) if user is not None else tuple(others)
        if user != before.user:
            changes["ranking"] = None
        if edits != before.edits:
            changes["rankings"] = {}
        if (user, edits) != (before.user, before.edits):
            changes["curve"] = _unmeasured(before.curve)
        if edits != before.edits and before.cohort is not None:
            changes["cohort"] = Cohort(before.cohort.where)
        if not edits:
            changes["flipped"] = False
        self._show(**changes)
        if (user, edits) != (before.user, before.edits):
            self._rank()

    def _watch(self, user: str) -> None:
        """Watch a user without a word in the journal, where it cannot be written."""
        others = [one for one in pinned(self.view.bookmarks) if one != user]
        self._show(user=user, ranking=None, watched=(*others, user), curve=_unmeasured(self.view.curve))
        self._rank()

    def _rank(self) -> None:
        view = self.view
        if view.user is not None and view.lists is None:
            params = {"user": view.user, "k": LIST_LENGTH, "edits": [dict(edit) for edit in view.edits]}
            params["session"] = view.session
            self._engine.ask("rank", params, ANSWER_SECONDS, newest=True)

    def _show(self, **changes: Any) -> None:
        self._put(replace(self.view, **changes))

    def _put(self, view: View) -> None:
        self.view = view
        if self._engine.pid is not None:
            self._lookups.look(view)
        self._changed(view)

    def _writable(self) -> bool:
        if self.view.read_only and not self._takes_over():
            self._say(f"This session is read-only here. {self.view.refusal}".rstrip())
        return not self.view.read_only

    def _takes_over(self) -> bool:
        """Write the session from here on, if whoever wrote it has gone."""
        try:
            taken = self._session is not None and self._session.take_over()
        except MonoscopeError as error:
            self._say(str(error))
            return False
        if taken and self._session is not None:
            self._show(read_only=False, refusal="")
            self._adopt(self._session.state)
            self._say("The other terminal has gone: this one writes the session now.")
        return taken

    def _ready(self) -> bool:
        self._wake()
        if self.view.lists is not None:
            self._say(self.view.lists)
        return self.view.lists is None

    def _wake(self) -> None:
        """Try an engine that had stopped for good once more."""
        if self._engine.pid is None and self._session is not None:
            self.start_engine()

    def _forget(self, method: str, params: Mapping[str, Any]) -> None:
        if method in ("label", "label_plan"):
            self._show(asked={key: text for key, text in self.view.asked.items() if key not in params["neurons"]})


def _unmeasured(curve: Curve | None) -> Curve | None:
    """The same curve, to be measured anew."""
    return None if curve is None else replace(curve, facts=None, fault=None)


def _kind_of(params: Mapping[str, Any]) -> str:
    """What a request looks for; values are told apart by their column."""
    return " ".join(filter(None, (params["kind"], params.get("column"))))


def _candidate(found: Mapping[str, Any]) -> tuple[str, str]:
    """A name, and what tells it from others; a text as it is written in a condition."""
    if "count" in found:
        name = plain(str(found["name"]))
        return "'" + name.replace("'", "''") + "'" if found["text"] else name, f"{int(found['count']):,}"
    if found.get("examples"):
        return plain(str(found["name"])), plain(f"{found['type']}: {', '.join(map(str, found['examples']))}")
    for key in ("id", "kind", "where", "type"):
        if found.get(key) not in (None, found["name"]):
            return plain(str(found["name"])), plain(str(found[key]))
    return plain(str(found["name"])), ""


def _named(actions: Sequence[Mapping[str, Any]]) -> str:
    """What came of a question for labels, in a sentence."""
    labels = [told for told in actions if told["action"] == "label" and told["state"] != "failed"]
    if len(labels) == 1:
        return f"Neuron {labels[0]['neuron']}: {plain(str(labels[0]['text']))}. Its tests are in the tab Label."
    return f"{len(labels)} labels came; their tests are in the tab Label." if labels else ""


def pinned(bookmarks: Sequence[tuple[str, str]]) -> list[str]:
    """The users whose lists stay beside the one that is watched."""
    return [name for kind, name in bookmarks if kind == "user"][1 - MOST_WATCHED :]


def _restored(state: State) -> str:
    counts = (("edit", len(state.edits)), ("label", sum(label.text is not None for label in state.labels.values())))
    found = " and ".join(f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts if count)
    return f"Restored {found} of this session; u steps back." if found else ""
