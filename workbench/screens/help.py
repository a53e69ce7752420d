"""The help page: every key of the screen below it, and the words that the screen uses."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from workbench.keymap import SCREENS, WORDS
from workbench.view import View
from workbench.widgets.line import Line, fit, wrap
from workbench.widgets.pane import Pane

JOBS = [
    "Jobs: what was started from : and takes long, beside the browsing.",
    "The newest stands first; in the tab j k scroll.",
    "ctrl+c ends the newest that still runs, once the engine does nothing; q asks before it ends those that run.",
]
"""What begins the help while the tab of jobs is looked at."""
BENCH = [
    "Bench: the edits, and below them what they do to a list, to a cohort, or the dose curve of a neuron.",
    "j k go from edit to edit (▸); + - = 0 change the one at ▸, d takes it off, u undoes.",
    "t shows the list before or after the edits, C what they do to many users, v the dose curve, w the list again; "
    "p n N choose the user, P keeps one beside the next.",
    "now, was, move: an item's place after and before the edits. z: the neuron's activation for this user, before → "
    "after; ! where no user has such a one.",
    "RBO: how alike the lists before and after are, weighted to the top, 1 is equal. τ: the same by order. kept: how "
    "many items were in it before. rebuilt, unedited: what the neurons make of the list without any edit, so what "
    "they lose by themselves.",
]
"""What begins the help of the bench."""
INSPECTOR = "[ ] go to other tabs; J K PgDn PgUp scroll; i + - change the neuron; l L a x label it; m b keep a remark."
TAB_HELP = {
    "items": "Items: the neuron's strongest items. act: activation; ●: in its best concept. Purity is the share of "
    "them in that concept, to be read beside its base rate; q is small where random directions rarely look as pure.",
    "concepts": "Concepts: mean is the mean activation over a concept's items, base its share of all items, lift its "
    "share of the neuron's top over that.",
    "range": "Range: how often it fires and how strongly, and items at quantiles of its activations above 0.",
    "moves": "Moves: how affinities change when the neuron is raised by one p99, the unit of an edit. more: beyond the "
    "mean of all items; same: share of users that move the same way.",
    "users": "Users: who activates it most, and which groups differ; d is the difference in standard deviations.",
    "near": "Near: neurons with similar directions (cosine), and how many of their top items are shared.",
    "label": "Label: the label, its tests beside chance on items that the labeller did not see, and what it rests on.",
    "compare": "Compare: the marked neurons beside each other; space marks, c compares, esc clears the marks.",
    "notes": "Notes: remarks (m) and bookmarks (b) of this session.",
    "log": "Journal: every action of this session, the newest last; u U step back and forth.",
}
"""What begins the help of the inspector, by its tab."""
KEY_CELLS, WORD_CELLS, READABLE_CELLS = 11, 11, 100


def help_lines(screen: str, width: int, first: Sequence[str] = ()) -> list[Line]:
    """The help page of a screen, wrapped to `width` cells; the sentences of `first` come before it."""
    lines: list[Line] = [((row, "strong" if at == 0 else ""),) for at, text in enumerate(first)
                         for row in wrap(text, width)]  # fmt: skip
    for group, actions in SCREENS[screen].items():
        lines += [*([()] if lines else []), ((group, "strong"),)]
        for action in actions:
            if action.help:
                lines += _entry(action.shown, action.help, KEY_CELLS, width)
    lines += [(), (("Words", "strong"),)]
    for word, meaning in WORDS[screen]:
        lines += _entry(word, meaning, WORD_CELLS, width)
    return lines


def inspected_help(view: View) -> list[str]:
    """What the page that is open is and what its keys do, else that of the tab."""
    page, word = view.page, view.card.item_word
    if page is None:
        return JOBS if view.tab == "jobs" else [TAB_HELP[view.tab], INSPECTOR]
    keys = "j k choose one of its neurons (▸), g G the first and the last; J K PgDn PgUp scroll."
    if page.kind == "concept":
        about = "The page of a concept: the neurons whose strongest items are of it, and how far to trust them."
        acts = "i + - 0 = d change the neuron at ▸ for every user, as in the list of neurons."
    elif page.kind == "item":
        about = f"The page of one {word}: the neurons that it is made of, and what is near to it."
        acts = (
            f"i + - 0 = d change the neuron at ▸ for this {word} alone: users with much of that neuron get to see it "
            f"more or less. It is marked ▸ in the lists; what a user has seen is never in theirs."
        )
    else:
        about = "The page of one user: the neurons that they are made of, and what they saw."
        acts = "i + - 0 = d change the neuron at ▸ for this user alone; p and enter watch them."
    listed = f"The last row is the neuron under the cursor of the list, where it is at 0 for this {page.kind}."
    rest = "enter opens the neuron at ▸; l L a x label it; m b keep a remark or a mark on the page; q goes back."
    curve = {"item": " v needs a user: it works on the neuron itself.", "user": " v draws the dose curve of this user."}
    return [about, keys, *([listed] if page.kind != "concept" else []), acts, rest + curve.get(page.kind, "")]


def _entry(name: str, text: str, cells: int, width: int) -> list[Line]:
    rows = wrap(text, width - cells - 2)
    return [((f"  {fit(name if at == 0 else '', cells)}", "key"), (row, "")) for at, row in enumerate(rows)]


class HelpScreen(ModalScreen[None], inherit_bindings=False):
    """Scrolls with the keys of a list; ?, q and esc close it."""

    BINDINGS: ClassVar = [
        Binding("question_mark,q,escape,enter,ctrl+c", "close"),
        Binding("j,down", "scroll(1)"),
        Binding("k,up", "scroll(-1)"),
        Binding("J,pagedown,space,ctrl+f", "page(1)"),
        Binding("K,pageup,ctrl+b", "page(-1)"),
        Binding("g,home", "end(-1)"),
        Binding("G,end", "end(1)"),
    ]

    def __init__(self, about: str, first: Sequence[str] = ()) -> None:
        """`first` are sentences on what is looked at; they begin the page."""
        super().__init__()
        self._about = about
        self._first = first
        self._lines: list[Line] = []

    def compose(self) -> ComposeResult:
        yield Pane(id="help")

    def on_resize(self, event: events.Resize) -> None:
        pane = self.query_one("#help", Pane)
        self._lines = help_lines(self._about, min(event.size.width - 2, READABLE_CELLS), self._first)
        rows = [((" ", ""), *line) for line in self._lines]
        pane.show([((" Keys ", "title"), ("  q closes · j k PgDn PgUp scroll", "dim"))], rows)
        pane.focus()

    def action_close(self) -> None:
        self.dismiss()

    def action_scroll(self, rows: int) -> None:
        self.query_one("#help", Pane).travel(rows)

    def action_page(self, direction: int) -> None:
        pane = self.query_one("#help", Pane)
        pane.travel(direction * max(1, pane.rows_height - 1))

    def action_end(self, direction: int) -> None:
        self.query_one("#help", Pane).travel(direction * len(self._lines))
