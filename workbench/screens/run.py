"""The main screen: its keys become calls of the desk, and the desk's views go to the panes."""

import time
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from textual import events
from textual.binding import BindingType
from textual.message import Message

from engine.errors import MonoscopeError
from engine.home import Home
from engine.session import Session
from workbench.engine_client import EngineClient, Event
from workbench.equivalents import with_home
from workbench.handed import HandedOver
from workbench.jobs import JobRunner
from workbench.model import Neurons, RunCard, read_neurons
from workbench.screens.base import TWICE_SECONDS, JobMoved, bindings_of
from workbench.screens.desk import Desk
from workbench.screens.lines import LinesScreen
from workbench.screens.memory import Memory
from workbench.terminal import Terminal, copy
from workbench.view import Job, View
from workbench.widgets.pane import Pane

MESSAGE_SECONDS = 1.0


class RunRead(Message):
    """The run's files were read, after the first paint."""

    def __init__(
        self, neurons: Neurons | None, fault: str | None, session: Session | None, refused: str | None
    ) -> None:
        super().__init__()
        self.neurons, self.fault, self.session, self.refused = neurons, fault, session, refused


class EngineSpoke(Message):
    """The engine answered, reported progress, or ended."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


def job_words(job: Job) -> str:
    """What became of a job, in a sentence; of one that failed also why."""
    why = job.text.splitlines()[-1].rstrip(".") if job.state == "failed" and job.text else ""
    return f"Job {job.id} {job.state}: {job.command}{f' ({why})' if why else ''}. ! shows what it said."


class RunScreen(LinesScreen, inherit_bindings=False):
    """One run, one session, one engine."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("run")]

    def __init__(self, home: Home, card: RunCard, session: str, command: Sequence[str], terminal: Terminal) -> None:
        super().__init__()
        self._home = home
        self._terminal = terminal
        self.engine = EngineClient(command, home.root / "log" / "engine.log", self._deliver)
        self.desk = Desk(View(card, session), self.engine, self._changed, self.say)
        self.desk.found_more = lambda: self.status.learnt() if self.is_attached else None
        self.desk.confirm = self.confirm
        self.runner = JobRunner(home.root, self._worked)
        self.handed = HandedOver()
        self.memory = Memory(self)
        self._said_at = 0.0
        self._interrupted_at = -TWICE_SECONDS

    @property
    def view(self) -> View:
        return self.desk.view

    def on_mount(self) -> None:
        self.lay_out()
        self.call_after_refresh(self._open)
        self.set_interval(1.0, self._look)

    def _look(self) -> None:
        """What is due once a second: the engine's answers, another terminal's edits, the place to come back to."""
        self.engine.check()
        self.desk.follow()
        self.memory.look()

    def on_unmount(self) -> None:
        self.runner.stop()
        self.handed.close()
        self.desk.close()

    def _open(self) -> None:
        """After the first paint: the engine starts while the run's files are read."""
        self.desk.start_engine()
        self.run_worker(self._read, thread=True)

    def _read(self) -> None:
        """On a thread: numpy and the run's files."""
        neurons, fault, session, refused = None, self.view.card.fault, None, None
        try:
            neurons = None if fault else read_neurons(self._home, self.view.card.name)
        except MonoscopeError as error:
            fault = str(error)
        try:
            session = Session.open(self._home, self.view.session, self.view.card.name)
        except MonoscopeError as error:
            refused = str(error)
        self.post_message(RunRead(neurons, fault, session, refused))

    def on_run_read(self, message: RunRead) -> None:
        self.desk.seat(message.neurons, message.fault, message.session, message.refused)
        self.desk.choose(self.table.current)
        self.memory.come_back(message.session)

    def _deliver(self, event: Event) -> None:
        """On the engine client's thread: pass it on, do nothing."""
        self.post_message(EngineSpoke(event))

    def _worked(self, job: Job) -> None:
        """On a job's thread: pass it on, do nothing."""
        self.post_message(JobMoved(job))

    def on_job_moved(self, message: JobMoved) -> None:
        self.desk.show_jobs(self.runner.jobs)
        if message.job.state != "running":
            self.desk.forget_found()
        handed = self.handed.of(message.job)
        if handed is not None:
            self.say(self.desk.take_edit(handed, message.job))
            self.show_tab("bench")
        elif message.job.state != "running":
            self.say(job_words(message.job))

    def on_engine_spoke(self, message: EngineSpoke) -> None:
        self.desk.heard(message.event)

    def _changed(self, view: View) -> None:
        if self.is_attached:
            self.show_soon(view)

    def say(self, message: str) -> None:
        if message:
            self._said_at = time.monotonic()
            self.status.say(message)

    def on_key(self) -> None:
        """A message has been seen when the next key comes, unless that came at once."""
        self.desk.touched()
        if self.status.message and time.monotonic() - self._said_at > MESSAGE_SECONDS:
            self.status.say("")

    def on_pane_clicked(self, message: Pane.Clicked) -> None:
        self.settle()
        if message.pane is self.table:
            self.table.move_cursor(message.row)
            self.desk.choose(self.table.current)
        elif message.pane.id == "bench" and message.row in self._bench.edit_at:
            self._pick(self._bench.edit_at[message.row])
        elif message.pane.id == "inspector" and message.row in self._page.neuron_at:
            self.desk.choose_on_page(self._page.neuron_at[message.row])

    def on_descendant_focus(self, _event: events.DescendantFocus) -> None:
        """An edit is picked on the bench alone."""
        if self.focused is not None and self.focused.id in ("neurons", "inspector"):
            self.desk.pick(None)

    # Moving

    def action_travel(self, unit: str, direction: int) -> None:
        if self.focused_pane == "bench" and unit == "row":
            at = self.next_edit(direction)
            if at is not None:
                self._pick(at)
                return
        if self.focused_pane == "inspector" and unit in ("row", "end"):
            neuron = self.next_neuron(direction, last=unit == "end")
            if neuron is not None:
                self.desk.choose_on_page(neuron)
                return
        self.travel(unit, direction)
        if self.focused_pane == "neurons":
            self.desk.begin()
            self.desk.choose(self.table.current)

    def _pick(self, at: int) -> None:
        """Put the bench's cursor on an edit; the list of neurons follows, but for an open page."""
        neuron = self.view.edits[at].get("neuron")
        if neuron is not None and self.view.page is None:
            self.table.choose(neuron)
            self.desk.choose(neuron)
        self.desk.pick(at)

    def action_inspect(self) -> None:
        """The neuron in the inspector; on a page that of its list, in place of the page."""
        neuron = self.view.page_neuron
        if self.focused_pane != "inspector" or neuron is None:
            self.action_go("inspector")
            return
        if neuron not in self.table.order:
            self.filter("")
        self.desk.close_page()
        self.table.choose(neuron)
        self.desk.choose(neuron)
        self.go("inspector")

    def action_cycle(self, step: int) -> None:
        self.go(self.neighbour(step))

    def action_go(self, name: str) -> None:
        self.desk.begin()
        self.go(name)

    def action_tab(self, step: int) -> None:
        self.desk.next_tab(step)
        self.show_tab("inspector")

    def action_zoom(self) -> None:
        self.zoom()

    # Finding

    def action_sort(self, step: int) -> None:
        self.table.sort_by(step)
        self.desk.choose(self.table.current)

    def action_reverse(self) -> None:
        self.table.reverse()
        self.desk.choose(self.table.current)

    # Neuron

    def action_ask_label(self) -> None:
        self.desk.ask_label()

    def action_decide(self, state: Literal["human", "rejected"]) -> None:
        self.desk.decide(state)

    def action_mark(self) -> None:
        """Mark the neuron, and go on to the next."""
        self.desk.mark()
        self.travel("row", 1)
        self.desk.choose(self.table.current)

    def action_compare(self) -> None:
        self.desk.compare()
        self.show_tab("inspector")

    def action_bookmark(self) -> None:
        self.desk.bookmark()

    # Bench

    def action_bench(self) -> None:
        self._on_bench(self.desk.put_on_bench)

    def action_step(self, direction: int) -> None:
        self._on_bench(lambda: self.desk.step(direction))

    def action_off(self) -> None:
        self._on_bench(self.desk.off)

    def action_type_value(self) -> None:
        found = self.desk.editable()
        if found is None:
            return
        neuron, target = found
        whom = self.view.whom(target.scope.as_dict())
        question = f"neuron {neuron}{f' for {whom}' if whom else ''} (1.5 +1 x2 off):"
        self.ask(question, "", lambda text: self._on_bench(lambda: self.desk.value(text)))

    def _on_bench(self, change: Callable[[], None]) -> None:
        """Make a change, and bring the bench up to show what it does."""
        change()
        if self.view.edits:
            self.show_tab("bench")

    def action_drop(self) -> None:
        self._on_bench(self.desk.drop)

    def action_flip(self) -> None:
        self.desk.flip()

    def action_step_user(self, direction: int) -> None:
        self.desk.step_user(direction)

    def action_pin(self) -> None:
        self.desk.pin()

    def action_curve(self) -> None:
        self.desk.show_curve()
        self.show_tab("bench")

    def action_list(self) -> None:
        self.desk.show_list()
        self.show_tab("bench")

    # Everywhere

    def action_undo(self) -> None:
        self.travel_back(self.desk.undo)

    def action_redo(self) -> None:
        self.travel_back(self.desk.redo)

    def action_copy(self) -> None:
        if not self.command:
            self.say("No command prints what is shown here; :write FILE writes it as text.")
            return
        command = with_home(self.command, self._home.root)
        self.say(copy(command, self.app.copy_to_clipboard, self._terminal))

    def action_interrupt(self) -> None:
        if self.desk.interrupt():
            return
        running = [job for job in self.runner.jobs if job.state == "running"]
        if running:
            self.runner.cancel(running[-1].id)
            self.say(f"Ending job {running[-1].id}: {running[-1].command}.")
            return
        now = time.monotonic()
        if now - self._interrupted_at < TWICE_SECONDS:
            self.app.exit()
        self._interrupted_at = now
        self.say("Nothing is running; ctrl+c again quits.")

    def action_clear_filter(self) -> None:
        if not self._back_to_page():
            super().action_clear_filter()

    def _back_to_page(self) -> bool:
        """Where the bench hides the page that is open, the page again before anything else."""
        hidden = self.view.page is not None and not self.pane("inspector").display
        if hidden:
            self.go("inspector")
        return hidden

    def action_back(self) -> None:
        seen = not self.too_small
        if seen and (self._back_to_page() or self.desk.close_page()):
            return
        if seen and self._zoomed:
            self.zoom()
        elif not self.ends_jobs(self.runner.jobs, self.say):
            return
        elif len(self.app.screen_stack) > 1:
            self.memory.keep()
            self.dismiss()
        else:
            self.app.exit()
