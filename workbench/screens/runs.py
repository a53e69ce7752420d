"""The first screen: the runs of this home, or how to make one."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType

from engine.errors import MonoscopeError
from engine.home import Home
from workbench.jobs import JobRunner
from workbench.model import RunCard, read_cards
from workbench.screens.base import TWICE_SECONDS, BaseScreen, JobMoved, bindings_of
from workbench.view import Job
from workbench.widgets import frame
from workbench.widgets.jobs import jobs_lines
from workbench.widgets.line import UNKNOWN, Line, decimal, fit, right, wrap
from workbench.widgets.pane import Pane
from workbench.widgets.status import StatusRow
from workbench.widgets.table import VirtualTable

DEMO = ("demo", "--no-tui")
JOBS_SHOWN = 3


COLUMNS: Mapping[str, Callable[[RunCard], str]] = {
    "run": lambda card: card.name,
    "data set": lambda card: card.dataset,
    "model": lambda card: card.recommender,
    "neurons": lambda card: str(card.neurons),
    "fidelity": lambda card: decimal(card.fidelity.get("rbo", math.nan)),
    "made": lambda card: card.created[:10],
}
FIGURES = ("neurons", "fidelity")
GIVEN_UP = ("made", "model", "data set", "neurons")
"""Columns that make way for a name that would be cut, the first of them first; the foot tells all of them."""
LEAST_NAME = 10


class RunTable(VirtualTable):
    """Runs by position in `cards`."""

    def __init__(self) -> None:
        super().__init__(id="runs")
        self._cards: list[RunCard] = []
        self._cells: dict[str, int] = {}
        """The columns that are shown, and their cells."""

    def show_cards(self, cards: list[RunCard]) -> None:
        self._cards = cards
        self._fit_columns()
        self.set_order(range(len(cards)))

    def set_width(self, cells: int) -> None:
        super().set_width(cells)
        self._fit_columns()
        titles = "".join(self._told(title, title) for title in self._cells)
        self.set_top([((f" {titles}", "dim"),)])

    def row_of(self, key: int) -> Line:
        card = self._cards[key]
        name = (self._told("run", card.name), "strong")
        if card.fault is not None:
            return (name, (f" {card.fault}", "warn"))
        cells = [(self._told(title, COLUMNS[title](card)), "dim" if title == "made" else "") for title in self._cells]
        return (name, *cells[1:], (f"  {card.notice}" if card.notice else "", "warn"))

    def _told(self, title: str, text: str) -> str:
        """A cell of a column, with the blank before it."""
        cells = self._cells[title]
        return " " + (right(text, cells) if title in FIGURES else fit(text, cells))

    def _fit_columns(self) -> None:
        """Whole names if there is any room for them."""
        fine = [card for card in self._cards if card.fault is None]
        widest = {
            title: max([cell_len(title), *(cell_len(written(card)) for card in fine)])
            for title, written in COLUMNS.items()
        }
        longest = max([cell_len("run"), *(cell_len(card.name) for card in self._cards)])
        notice = max((cell_len(card.notice) + 2 for card in fine if card.notice), default=0)
        self._cells = dict(widest)

        def room() -> int:
            others = sum(cells + 1 for title, cells in self._cells.items() if title != "run")
            return self.text_width - 2 - others - notice

        for title in GIVEN_UP:
            if room() < longest:
                del self._cells[title]
        self._cells["run"] = max(LEAST_NAME, min(longest, room()))


class RunsScreen(BaseScreen, inherit_bindings=False):
    """Opens a run with `open_run`."""

    NAME = "runs"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("runs")]

    def __init__(self, home: Home, open_run: Callable[[RunCard], None]) -> None:
        super().__init__()
        self._home = home
        self._open_run = open_run
        self._cards: list[RunCard] = []
        self._interrupted_at = -TWICE_SECONDS
        self.runner = JobRunner(home.root, self._worked)
        self._demo: int | None = None
        """The job that makes the demo."""

    def _worked(self, job: Job) -> None:
        """On a job's thread: pass it on, do nothing."""
        self.post_message(JobMoved(job))

    def compose(self) -> ComposeResult:
        yield from super().compose()
        title, footer = Pane(id="title"), Pane(id="footer")
        title.can_focus = footer.can_focus = False
        yield title
        yield RunTable()
        yield StatusRow()
        yield footer

    @property
    def table(self) -> RunTable:
        return self.query_one(RunTable)

    @property
    def status(self) -> StatusRow:
        return self.query_one(StatusRow)

    def on_mount(self) -> None:
        self.table.focus()

    def on_unmount(self) -> None:
        self.runner.stop()

    def on_screen_resume(self) -> None:
        self._read()
        self.lay_out()

    def _read(self) -> None:
        """Read what runs there are; the cursor stays on its run."""
        key = self.table.current
        name = None if key is None else self._cards[key].name
        self._cards = read_cards(self._home)
        self.table.set_top([])
        self.table.show_cards(self._cards)
        at = next((at for at, card in enumerate(self._cards) if card.name == name), None)
        if at is not None:
            self.table.choose(at)

    def on_job_moved(self, message: JobMoved) -> None:
        job = message.job
        if job.state != "running":
            self._ended(job)
        if self.is_current:
            self.lay_out()

    def _ended(self, job: Job) -> None:
        self._read()
        self.status.say(f"{job.command.removeprefix('monoscope ')}: {job.text}" if job.text else "")
        if job.id == self._demo and job.state == "done" and self.is_current:
            self._open_named(DEMO[0])

    def _open_named(self, name: str) -> None:
        card = next((card for card in self._cards if card.name == name and card.fault is None), None)
        if card is not None:
            self.status.say("")
            self._open_run(card)

    def lay_out(self) -> None:
        for pane in (self.query_one("#title", Pane), self.table, self.status, self.query_one("#footer", Pane)):
            pane.set_width(self.app.size.width)
        self.refill()

    def refill(self) -> None:
        """Fill the rows for the width there is."""
        title, footer = self.query_one("#title", Pane), self.query_one("#footer", Pane)
        title.set_top([frame.runs_title(self._cards, title.text_width)])
        footer.set_top([frame.ASKED if self.status.asking else frame.footer("runs", footer.text_width)])
        width = self.table.text_width
        if not self._cards:
            self.table.set_top(welcome(self._home, width))
        key = self.table.current
        jobs = jobs_lines(self.runner.jobs[: -JOBS_SHOWN - 1 : -1], width)
        self.table.set_foot([*jobs, *(details(self._cards[key], width) if key is not None else [])])
        command = "monoscope demo" if key is None else f"monoscope tui {self._cards[key].name}"
        self.status.show_command(command, str(self._home.runs))

    def on_key(self) -> None:
        if not self.status.asking:
            self.status.say("")

    def on_pane_clicked(self, message: Pane.Clicked) -> None:
        if message.pane is self.table:
            self.table.move_cursor(message.row)
            self.refill()

    def action_travel(self, unit: str, direction: int) -> None:
        height = self.table.rows_height
        rows = {"row": 1, "half": max(1, height // 2), "page": max(1, height - 1), "end": 1 << 30}[unit]
        self.table.travel(direction * rows)
        self.refill()

    def action_open(self) -> None:
        key = self.table.current
        if key is None:
            return
        card = self._cards[key]
        if card.fault is not None:
            self.status.say(card.fault)
        else:
            self._open_run(card)

    def action_demo(self) -> None:
        """Make the demo's run, with progress at the foot of the list, and open it; one that is there is opened."""
        if any(card.name == DEMO[0] and card.fault is None for card in self._cards):
            self._open_named(DEMO[0])
        elif not any(job.id == self._demo and job.state == "running" for job in self.runner.jobs):
            self._demo = self._start(DEMO)

    def _start(self, words: Sequence[str]) -> int:
        job = self.runner.start(words)
        self.status.say(f"Started {job.command}; ctrl+c ends it.")
        self.lay_out()
        return job.id

    def action_command(self) -> None:
        from workbench.completion import Folders, complete
        from workbench.history import earlier, remember
        from workbench.verbs import preload

        preload()
        folders = Folders(self._home)
        before, _ = earlier(self._home)

        def finished(line: str | None) -> None:
            self.table.focus()
            self.refill()
            if line is not None and line.strip():
                self.status.say(remember(self._home, line))
                self._run_line(line)

        self.status.say("")
        self.status.ask(
            ":", "", finished, complete=lambda line, cursor: complete(line, cursor, folders), earlier=before
        )
        self.refill()

    def _run_line(self, line: str) -> None:
        """Carry out a command; what is wrong with it is one sentence."""
        from workbench.commandline import Inner, parse

        try:
            meant = parse(line, None, None)
        except MonoscopeError as error:
            self.status.say(str(error))
            return
        if not isinstance(meant, Inner):
            self._start(meant.words)
        elif meant.verb == "quit":
            self.app.exit()
        elif meant.verb == "help":
            self.action_help()
        else:
            self.status.say(f"{meant.verb} is for a run that is open: enter opens the one under the cursor.")

    def action_interrupt(self) -> None:
        running = [job for job in self.runner.jobs if job.state == "running"]
        if running:
            self.runner.cancel(running[-1].id)
            self.status.say(f"Ending {running[-1].command}.")
            return
        now = time.monotonic()
        if now - self._interrupted_at < TWICE_SECONDS:
            self.app.exit()
        self._interrupted_at = now
        self.status.say("Nothing is running; ctrl+c again quits.")

    def action_back(self) -> None:
        if self.ends_jobs(self.runner.jobs, self.status.say):
            self.app.exit()


def details(card: RunCard, width: int) -> list[Line]:
    """What the run under the cursor is, in rows at the foot of the list."""
    if card.fault is not None:
        return []
    items = f"{card.item_word}s"

    def figure(measured: Mapping[str, float], name: str, form: str = "{:.3f}") -> str:
        return form.format(measured[name]) if name in measured else UNKNOWN

    accuracy = (
        f"NDCG@10 {figure(card.accuracy, 'ndcg10')} on held-out {items}; what is popular would have "
        f"{figure(card.popularity, 'ndcg10')}"
        if "ndcg10" in card.accuracy
        else f"its quality is unknown, no {items} are held out from it"
    )
    rows = (
        ("data", f"{card.dataset}: {card.users:,} users, {card.items:,} {items}"),
        ("recommender", f"{card.recommender}: {accuracy}"),
        ("neurons", f"{card.sae}: lists made through them are {figure(card.fidelity, 'rbo', '{:.2f}')} alike (RBO) "
                    f"and keep {figure(card.fidelity, 'ndcg_kept', '{:.0%}')} of NDCG"),
        ("made", card.created.replace("T", " ")[:16]),
    )  # fmt: skip
    lines: list[Line] = [((f" {card.name}", "strong"), (f"  {card.notice}" if card.notice else "", "warn"))]
    for name, text in rows:
        lines += [((f"   {fit(name if not at else '', 13)}", "dim"), (row, "")) for at, row in
                  enumerate(wrap(text, width - 17))]  # fmt: skip
    return lines


def welcome(home: Home, width: int) -> list[Line]:
    """What to do where there is no run yet."""
    commands = (
        ("monoscope demo", "trains on the films that come along"),
        ("monoscope datasets", "lists what else there is to train on, MovieLens among it"),
        ("monoscope train NAME", "trains a recommender and its neurons on a data set"),
    )
    lines: list[Line] = [(), (("  There are no runs here yet.", "strong"),), ()]
    told = (
        "A run is a recommender with its neurons, measured and ready to explain. d makes the demo's here and opens it, "
        "in about a minute. Others are made by these commands, after : here or in a shell:"
    )
    lines += [((f"  {row}", ""),) for row in wrap(told, width - 4)]
    lines.append(())
    for command, what in commands:
        lines.append(((f"    $ {command}", "key"),))
        lines += [((f"      {row}", "dim"),) for row in wrap(what, width - 8)]
    lines += [(), *(((f"  {row}", "dim"),) for row in wrap(f"Runs are looked for in {home.runs}", width - 4))]
    return lines
