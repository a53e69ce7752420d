"""The first screen: the runs of this home, or how to make one."""

import math
import time
from collections.abc import Callable, Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from engine.home import Home
from workbench.model import RunCard, read_cards
from workbench.screens.base import BaseScreen, bindings_of
from workbench.widgets import frame
from workbench.widgets.line import UNKNOWN, Line, decimal, fit, right, wrap
from workbench.widgets.pane import Pane
from workbench.widgets.status import StatusRow
from workbench.widgets.table import VirtualTable

TWICE_SECONDS = 2.0


class RunTable(VirtualTable):
    """Runs by position in `cards`."""

    def __init__(self) -> None:
        super().__init__(id="runs")
        self._cards: list[RunCard] = []

    def show_cards(self, cards: list[RunCard]) -> None:
        self._cards = cards
        self.set_order(range(len(cards)))

    def set_width(self, cells: int) -> None:
        super().set_width(cells)
        name = self._name_cells()
        head = f"  {fit('run', name)} {fit('data set', 9)} {fit('model', 8)}{'neurons':>7} {'fidelity':>9} made"
        self.set_top([((head, "dim"),)])

    def row_of(self, key: int) -> Line:
        card = self._cards[key]
        name = (f" {fit(card.name, self._name_cells())} ", "strong")
        if card.fault is not None:
            return (name, (card.fault, "warn"))
        return (
            name,
            (f"{fit(card.dataset, 9)} {fit(card.recommender, 8)}{card.neurons:>7} ", ""),
            (right(decimal(card.fidelity.get("rbo", math.nan)), 9), ""),
            (f" {card.created[:10]}", "dim"),
            (f"  {card.notice}" if card.notice else "", "warn"),
        )

    def _name_cells(self) -> int:
        return max(10, min(32, self.text_width - 69))


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

    def on_screen_resume(self) -> None:
        self._cards = read_cards(self._home)
        self.table.show_cards(self._cards)
        self.lay_out()

    def lay_out(self) -> None:
        for pane in (self.query_one("#title", Pane), self.table, self.status, self.query_one("#footer", Pane)):
            pane.set_width(self.app.size.width)
        self.refill()

    def refill(self) -> None:
        """Fill the rows for the width there is."""
        title, footer = self.query_one("#title", Pane), self.query_one("#footer", Pane)
        title.set_top([frame.runs_title(self._cards, title.text_width)])
        footer.set_top([frame.footer("runs", footer.text_width)])
        if not self._cards:
            self.table.set_top(welcome(self._home, self.table.text_width))
        key = self.table.current
        self.table.set_foot(details(self._cards[key], self.table.text_width) if key is not None else [])
        command = "monoscope demo" if key is None else f"monoscope tui {self._cards[key].name}"
        self.status.show_command(command, str(self._home.runs))

    def on_key(self) -> None:
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

    def action_interrupt(self) -> None:
        now = time.monotonic()
        if now - self._interrupted_at < TWICE_SECONDS:
            self.app.exit()
        self._interrupted_at = now
        self.status.say("Nothing is running; ctrl+c again quits.")

    def action_back(self) -> None:
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
        ("monoscope demo", "trains on the films that come along and opens here, in about a minute"),
        ("monoscope datasets", "lists what else there is to train on, MovieLens among it"),
        ("monoscope train NAME", "trains a recommender and its neurons on a data set"),
    )
    lines: list[Line] = [(), (("  There are no runs here yet.", "strong"),), ()]
    lines += [((f"  {row}", ""),) for row in wrap("A run is a recommender with its neurons, measured and ready to "
              "explain. Leave with q and make one:", width - 4)]  # fmt: skip
    lines.append(())
    for command, what in commands:
        lines.append(((f"    $ {command}", "key"),))
        lines += [((f"      {row}", "dim"),) for row in wrap(what, width - 8)]
    lines += [(), *(((f"  {row}", "dim"),) for row in wrap(f"Runs are looked for in {home.runs}", width - 4))]
    return lines
