"""The desk: turns what the analyst does on a run into journal lines and engine requests, and makes the next view.

State flows one way: key -> a method here -> the session's journal -> a new view -> the panes. Nothing is shown as done
before its line is in the journal. No Textual here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import MonoscopeError
from engine.session import Label, LabelState
from workbench.edits import Edit, Scope, new_edit, stepped, typed
from workbench.screens.browsing import Browsing
from workbench.screens.lookups import LOOKUPS
from workbench.screens.seat import ANSWER_SECONDS, pinned
from workbench.view import MOST_WATCHED, Cohort, Curve, Job, Target, View


class Desk(Browsing):
    """What the analyst does on one run."""

    def pin(self) -> None:
        """Keep the user's list beside that of whoever is watched next, or no longer."""
        user = self.view.user
        if user is None:
            return
        stays = ("user", user) not in self.view.bookmarks
        if stays and len(pinned(self.view.bookmarks)) >= MOST_WATCHED - 1:
            self._say(f"At most {MOST_WATCHED - 1} users stay beside the one that is watched; P on one lets it go.")
        elif self._append("bookmark", kind="user", id=user, on=stays) and stays:
            self._say(f"User {user} stays; p or n watches another beside.")

    def show_list(self) -> None:
        self._show(side="list")

    def show_cohort(self, where: str) -> None:
        """What the edits do to a cohort (a name or an SQL condition; "" is everyone)."""
        if self._ready():
            self._show(side="cohort", cohort=Cohort(where.strip()))

    def show_curve(self) -> None:
        """The dose curve of the neuron: for the page's user, else for the cohort that is shown, or the watched user.

        Where it is shown already, what was shown before.
        """
        view, neuron = self.view, self.view.neuron
        shown = view.curve if view.side == "curve" else None
        page = view.page
        user = page.id if page is not None and page.kind == "user" else None
        cohort = view.cohort if view.side == "cohort" else shown
        where = None if cohort is None or user is not None else cohort.where
        if shown is not None and (shown.neuron, shown.user, shown.where) == (neuron, user, where):
            self._show(side="list" if where is None else "cohort")
        elif page is not None and page.kind == "item":
            self._say("A dose curve is of a neuron in users; enter opens the neuron, and v draws its curve there.")
        elif neuron is not None and self._fires(neuron) and self._ready():
            self._show(side="curve", curve=Curve(neuron, where=where, user=user))

    def take_edit(self, handed: Mapping[str, Any], job: Job) -> str:
        """Put the edit that a job made on the bench; what to say of it.

        The figures that came along are kept where the session has the edits that they were measured on.
        """
        edits, below = [dict(edit) for edit in self.view.edits], [dict(edit) for edit in handed["below"]]
        at = handed.get("replaces")
        data: dict[str, Any] = {"edit": handed["edit"]}
        if at is not None and edits[at : at + 1] == below[at : at + 1]:
            data["replaces"] = at
        if edits == below:
            data["measured"] = handed["measured"]
        if not self._append("edit", **data):
            return f"The edit of job {job.id} could not be kept: session {self.view.session} cannot be changed here."
        self._show(side="list" if self.view.side == "curve" else self.view.side)
        changed = "" if edits == below else " It was made for the edits that there were when it began."
        return f"The edit of job {job.id} is on the bench: u takes it back, ! shows what it said.{changed}"

    def show_jobs(self, jobs: Sequence[Job]) -> None:
        self._show(jobs=tuple(jobs))

    def decide(self, state: LabelState) -> None:
        """Accept ("human") or reject ("rejected") the labels of the marked neurons, else of this one."""
        chosen = [j for j in self._chosen() if (label := self.view.labels.get(j)) is not None and label.text]
        if not chosen:
            self._say("There is no label to decide on: l asks for one, L writes one.")
        for neuron in chosen:
            label = self.view.labels[neuron]
            self._label(neuron, {**_told(label), "state": state})

    def _chosen(self) -> list[int]:
        """On a page the neuron under its cursor; else the marked ones, else the one under the table's cursor."""
        marked = sorted(self.view.marks) if self.view.page is None else []
        return marked or ([] if self.view.neuron is None else [self.view.neuron])

    def put_on_bench(self) -> None:
        """An edit that changes nothing yet."""
        found = self.editable()
        if found is None:
            return
        neuron, target = found
        if target.at is None:
            self._edit(target, new_edit(neuron, "add", 0.0, target.scope))
        else:
            whom = self._whom(target.scope)
            self._say(f"Neuron {neuron}{whom} is on the bench already: + - change it, d takes it off.")

    def step(self, direction: int) -> None:
        found = self.editable()
        if found is not None:
            neuron, target = found
            start = new_edit(neuron, "add", 0.0, target.scope)
            self._edit(target, stepped(start if target.at is None else self.view.edits[target.at], direction))

    def off(self) -> None:
        found = self.editable()
        if found is not None:
            neuron, target = found
            self._edit(target, new_edit(neuron, "off", None, target.scope))

    def value(self, text: str) -> None:
        found = self.editable()
        if found is not None and text.strip():
            neuron, target = found
            try:
                self._edit(target, typed(neuron, text, target.scope))
            except MonoscopeError as error:
                self._say(str(error))

    def drop(self) -> None:
        """Take the edit off the bench; where one was picked there, the next one is."""
        target = self.view.target
        if target is None:
            self._say(self._nothing_chosen())
        elif target.at is None:
            whom = self._whom(target.scope)
            self._say(f"Neuron {target.neuron} is not {f'changed{whom}' if whom else 'on the bench'}.")
        elif self._append("drop", index=target.at) and self.view.picked is not None:
            self._show(picked=min(target.at, len(self.view.edits) - 1) if self.view.edits else None)

    def flip(self) -> None:
        if self.view.side != "list":
            self._say(f"The list is before or after the edits, the {self.view.side} shows both: here is the list.")
            self._show(side="list")
        elif self.view.edits:
            self._show(flipped=not self.view.flipped)
        else:
            self._say("Before and after are the same: nothing is changed yet.")

    def watch(self, user: str, step: int = 0) -> None:
        """Watch `user`, or the one `step` places after them among those who are stepped through.

        Without a step the text may also be a cohort's name or a condition: its first user then, and steps go among
        its users; "" is everyone again. The engine knows who there is.
        """
        if not user.strip():
            self.watch_everyone()
        elif self._ready():
            among = self.view.among if step else None
            where = {} if among is None else {"where": among.where}
            self._engine.ask("user", {"user": user.strip(), "step": step, **where}, ANSWER_SECONDS, newest=True)

    def watch_everyone(self) -> bool:
        """Steps go through all users again; False where they do already."""
        among = self.view.among
        if among is not None:
            self._show(among=None)
            self._say("n and N step through all users again.")
        return among is not None

    def step_user(self, direction: int) -> None:
        """The next or previous user; steps that are still under way add up."""
        if self.view.user is None:
            return
        under_way = [asked.params for asked in self._engine.pending() if asked.method == "user"]
        before = next((one for one in under_way if one["step"]), None)
        if before is None:
            self.watch(self.view.user, direction)
        else:
            self.watch(str(before["user"]), int(before["step"]) + direction)

    def write_label(self, text: str) -> None:
        neuron, text = self.view.neuron, text.strip()
        if neuron is not None and text:
            self._label(neuron, {"text": text, "state": "human", "concept": None, "model": None, "note": None})

    def ask_label(self) -> None:
        """Ask for labels of the marked neurons, else of this one; each is tested when it comes.

        What that takes is found out first: a language model is asked after a yes alone.
        """
        neurons = self.view.neurons
        chosen = [neuron for neuron in self._chosen() if neuron not in self.view.asked]
        if not chosen or neurons is None or not self._writable():
            return
        alive = [neuron for neuron in chosen if not neurons.dead[neurons.row_of[neuron]]]
        if not alive:
            self._say(f"Neuron {chosen[0]} is dead: there is nothing to label.")
            return
        self._wake()
        standing = {str(neuron): _told(label) for neuron, label in self.view.labels.items() if neuron in alive}
        self._engine.ask("label_plan", {"run": self.view.card.name, "neurons": alive, "labels": standing}, None)
        self._show(asked={**self.view.asked, **dict.fromkeys(alive, "asked")})
        self._say(f"Asking for a label of {_neurons(alive)}; ctrl+c cancels.")

    def undo(self) -> None:
        self._travel("undo")

    def redo(self) -> None:
        self._travel("redo")

    def interrupt(self) -> bool:
        """Cancel what the engine was asked last and still does; False if it does nothing.

        A label is given up by message; a list that takes long enough to be interrupted, by a new engine.
        """
        unasked = ("hello", "load", "find", "measure")
        newest = next((asked for asked in reversed(self._engine.pending()) if asked.method not in unasked), None)
        if newest is None:
            return False
        if newest.method in ("label", "label_plan"):
            self._engine.cancel(newest.id, forget=True)
            self._forget(newest.method, newest.params)
            self._say(f"Cancelled the label of {_neurons(newest.params['neurons'])}.")
        elif newest.method in LOOKUPS:
            self._engine.cancel(newest.id)
        else:
            self._engine.kill("was interrupted")
        return True

    def _travel(self, direction: str) -> None:
        before = self.view
        if self._append(direction) and _journalled(self.view) == _journalled(before):
            self._say(f"Nothing to {direction}.")

    def _edit(self, target: Target, edit: Edit) -> None:
        """Make an edit, and bring up what shows it: for some users alone one of their lists."""
        place = {} if target.at is None else {"replaces": target.at}
        ids = target.scope.ids if target.scope.side == "users" else ()
        if ids and not {self.view.user, *self.view.watched} & set(ids) and self._append("watch", user=ids[0]):
            self._say(f"User {ids[0]} is watched now: the change is for them{'' if len(ids) == 1 else ' and others'}.")
        if self._append("edit", edit=dict(edit), **place):
            self._show(side=self.view.side_for(target))

    def editable(self) -> tuple[int, Target] | None:
        """The neuron to change, and for whom; None after saying why not."""
        target = self.view.target
        if target is None:
            self._say(self._nothing_chosen())
            return None
        if target.neuron is None:
            self._say("An edit that is solved for a goal has no step: d takes it off.")
            return None
        if not self._writable() or not self._fires(target.neuron, target.scope.side):
            return None
        self._wake()
        return target.neuron, target

    def _nothing_chosen(self) -> str:
        """Why there is nothing that a change would act on."""
        page = self.view.page
        if page is None:
            return "No neuron is chosen."
        if page.facts is None:
            return page.fault or f"The {page.kind} is still being looked up."
        if page.scope is None:
            return f"This {page.kind} is not ranked, so it cannot be changed; q goes back to the neurons."
        return f"No neuron is listed for this {page.kind}; q goes back to the neurons."

    def _whom(self, scope: Scope) -> str:
        told = self.view.whom(scope.as_dict())
        return f" for {told}" if told else ""

    def _fires(self, neuron: int, side: str = "users") -> bool:
        """Whether changing it means anything; says so if not."""
        neurons = self.view.neurons
        fires = neurons is not None and neurons.figure(neurons.row_of[neuron], f"p99_{side}") > 0
        if not fires:
            who = "a user" if side == "users" else "an item"
            self._say(f"Neuron {neuron} never fires for {who}, so changing it has no meaning.")
        return fires


def _told(label: Label) -> dict[str, Any]:
    return {name: getattr(label, name) for name in ("text", "state", "concept", "model", "note")}


def _neurons(numbers: Sequence[int]) -> str:
    return f"neuron {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} neurons"


def _journalled(view: View) -> tuple[object, ...]:
    return view.labels, view.edits, view.user, view.notes, view.bookmarks
