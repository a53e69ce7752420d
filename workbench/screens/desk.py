"""The desk: turns what the analyst does on a run into journal lines and engine requests, and makes the next view.

State flows one way: key -> a method here -> the session's journal -> a new view -> the panes. Nothing is shown as done
before its line is in the journal. No Textual here.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import MonoscopeError
from engine.session import Label, Session, State
from workbench.edits import Edit, new_edit, stepped, typed
from workbench.engine_client import Answered, Ended, EngineClient, Event, Progressed, Refused
from workbench.model import Neurons, Ranking
from workbench.view import View
from workbench.widgets.bench import LIST_LENGTH

START_SECONDS, ANSWER_SECONDS = 60.0, 15.0
"""Limits after which the engine counts as hanging: for loading a run, and for everything else."""
RESTARTS, RESTART_WINDOW_SECONDS = 3, 60.0


class Desk:
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

    # What is read when the run opens

    def seat(self, neurons: Neurons | None, fault: str | None, session: Session | None, refused: str | None) -> None:
        """Take what was read from disk; `refused` says why there is no session."""
        self._session = session
        self._show(neurons=neurons, fault=fault, read_only=session is None or session.read_only)
        if session is not None:
            self._adopt(session.state)
            self._say(session.notice or _restored(session.state))
        elif refused:
            self._say(refused)

    def close(self) -> None:
        """End the child and let the session go; everything is in the journal already."""
        self._engine.stop()
        if self._session is not None:
            self._session.close()
            self._session = None

    # What the analyst does

    def choose(self, neuron: int | None) -> None:
        if neuron != self.view.current:
            self._show(current=neuron)

    def put_on_bench(self) -> None:
        """An edit that changes nothing yet."""
        neuron = self._editable()
        if neuron is None:
            return
        if self.view.edit_of(neuron) is None:
            self._edit(new_edit(neuron, "add", 0.0))
        else:
            self._say(f"Neuron {neuron} is on the bench already: + - change it, d takes it off.")

    def step(self, direction: int) -> None:
        neuron = self._editable()
        if neuron is not None:
            at = self.view.edit_of(neuron)
            start = new_edit(neuron, "add", 0.0) if at is None else self.view.edits[at]
            self._edit(stepped(start, direction))

    def off(self) -> None:
        neuron = self._editable()
        if neuron is not None:
            self._edit(new_edit(neuron, "off", None))

    def value(self, text: str) -> None:
        neuron = self._editable()
        if neuron is not None and text.strip():
            try:
                self._edit(typed(neuron, text))
            except MonoscopeError as error:
                self._say(str(error))

    def drop(self) -> None:
        at = None if self.view.current is None else self.view.edit_of(self.view.current)
        if at is None:
            self._say(f"Neuron {self.view.current} is not on the bench.")
        else:
            self._append("drop", index=at)

    def flip(self) -> None:
        if self.view.edits:
            self._show(flipped=not self.view.flipped)
        else:
            self._say("Before and after are the same: nothing is changed yet.")

    def watch(self, user: str, step: int = 0) -> None:
        """Watch `user`, or the one `step` places after them; the engine knows who there is."""
        if self._ready():
            self._engine.ask("user", {"user": user.strip(), "step": step}, ANSWER_SECONDS, newest=True)

    def step_user(self, direction: int) -> None:
        if self.view.user is not None:
            self.watch(self.view.user, direction)

    def write_label(self, text: str) -> None:
        neuron, text = self.view.current, text.strip()
        if neuron is not None and text:
            self._label(neuron, {"text": text, "state": "human", "concept": None, "model": None, "note": None})

    def ask_label(self) -> None:
        neuron, neurons = self.view.current, self.view.neurons
        if neuron is None or neurons is None or neuron in self.view.asked or not self._writable():
            return
        if neurons.dead[neurons.row_of[neuron]]:
            self._say(f"Neuron {neuron} is dead: there is nothing to label.")
            return
        self._wake()
        self._engine.ask("label", {"run": self.view.card.name, "neurons": [neuron]}, None)
        self._show(asked={**self.view.asked, neuron: "asked"})
        self._say(f"Asked for a label of neuron {neuron}; ctrl+c cancels.")

    def undo(self) -> None:
        self._travel("undo")

    def redo(self) -> None:
        self._travel("redo")

    def interrupt(self) -> bool:
        """Cancel what the engine was asked last and still does; False if it does nothing.

        A label is given up by message; a list that takes long enough to be interrupted, by a new engine.
        """
        newest = next(reversed(self._engine.pending()), None)
        if newest is None or newest.method in ("hello", "load"):
            return False
        if newest.method == "label":
            self._engine.cancel(newest.id, forget=True)
            self._forget(newest.method, newest.params)
            self._say(f"Cancelled the label of neuron {newest.params['neurons'][0]}.")
        else:
            self._engine.kill("was interrupted")
        return True

    # What the engine says

    def start_engine(self) -> None:
        self._show(lists="The engine is starting…", ranking=None)
        self._engine.start()
        self._engine.ask("hello", {}, START_SECONDS)
        self._engine.ask("load", {"run": self.view.card.name}, START_SECONDS)

    def heard(self, event: Event) -> None:
        """Take one event of the engine client."""
        match event:
            case Ended(reason, unanswered):
                self._ended(reason, unanswered)
            case Progressed(asked, share, text) if asked.method == "label":
                neuron = asked.params["neurons"][0]
                self._show(asked={**self.view.asked, neuron: f"{text} {share:.0%}"})
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
            self._rank()
        elif method == "rank":
            ranking = Ranking.of(result, self.view.card.item_word)
            if params["user"] == self.view.user and params["edits"] == [dict(edit) for edit in self.view.edits]:
                self._show(ranking=ranking)
        elif method == "user":
            if self._writable():
                self._append("watch", user=str(result["user"]))
            else:
                self._show(user=str(result["user"]), ranking=None)
                self._rank()
        elif method == "label":
            self._forget(method, params)
            for told in result["actions"]:
                data = {key: value for key, value in told.items() if key not in ("action", "time")}
                if told["action"] == "label":
                    self._label(data.pop("neuron"), data)
                else:
                    self._append(told["action"], **data)

    def _refused(self, method: str, params: Mapping[str, Any], message: str) -> None:
        if method == "load":
            self._show(lists=message)
        elif method == "label":
            self._forget(method, params)
            self._fail_label(params["neurons"][0], message)
        self._say(message)

    def _ended(self, reason: str, unanswered: Sequence[Any]) -> None:
        for asked in unanswered:
            self._forget(asked.method, asked.params)
        now = time.monotonic()
        self._restarts = [moment for moment in self._restarts if now - moment < RESTART_WINDOW_SECONDS] + [now]
        if len(self._restarts) <= RESTARTS:
            self.start_engine()
            self._say(f"The engine {reason}; it was started again, nothing is lost.")
        else:
            sentence = f"The engine {reason}, {len(self._restarts)} times within a minute; see {self._engine.log}."
            self._show(lists=f"{sentence} p, + or - tries again.", ranking=None)
            self._say(sentence)

    # How a view follows from another

    def _travel(self, direction: str) -> None:
        before = self.view
        if self._append(direction) and _journalled(self.view) == _journalled(before):
            self._say(f"Nothing to {direction}.")

    def _edit(self, edit: Edit) -> None:
        at = self.view.edit_of(edit["neuron"])
        self._append("edit", edit=dict(edit), **({} if at is None else {"replaces": at}))

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

    def _adopt(self, state: State, **also: Any) -> None:
        """Show the journal's state; a list that no longer fits is asked for again."""
        user = state.watched[-1] if state.watched else self._first_user
        before = self.view
        edits = tuple(state.edits)
        changes = {"labels": state.labels, "scores": state.scores, "edits": edits, "user": user, **also}
        if user != before.user:
            changes["ranking"] = None
        if not edits:
            changes["flipped"] = False
        self._show(**changes)
        if (user, edits) != (before.user, before.edits):
            self._rank()

    def _rank(self) -> None:
        view = self.view
        if view.user is not None and view.lists is None:
            params = {"user": view.user, "k": LIST_LENGTH, "edits": [dict(edit) for edit in view.edits]}
            params["session"] = view.session
            self._engine.ask("rank", params, ANSWER_SECONDS, newest=True)

    def _show(self, **changes: Any) -> None:
        self.view = replace(self.view, **changes)
        self._changed(self.view)

    def _editable(self) -> int | None:
        """The neuron to edit, or None after saying why not."""
        neurons, neuron = self.view.neurons, self.view.current
        if neurons is None or neuron is None or not self._writable():
            return None
        if not neurons.figure(neurons.row_of[neuron], "p99_users") > 0:
            self._say(f"Neuron {neuron} never fires for a user, so changing it has no meaning.")
            return None
        self._wake()
        return neuron

    def _writable(self) -> bool:
        if self.view.read_only:
            self._say("This session is read-only here: it is open in another terminal, or cannot be written.")
        return not self.view.read_only

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
        if method == "label":
            self._show(asked={key: text for key, text in self.view.asked.items() if key not in params["neurons"]})


def _journalled(view: View) -> tuple[Mapping[int, Label], tuple[Edit, ...], str | None]:
    return view.labels, view.edits, view.user


def _restored(state: State) -> str:
    counts = (("edit", len(state.edits)), ("label", sum(label.text is not None for label in state.labels.values())))
    found = " and ".join(f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts if count)
    return f"Restored {found} of this session; u steps back." if found else ""
