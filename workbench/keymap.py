"""The one list of keys: bindings, footers and the help page are all made from it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """What a key does. `call` is the screen's method, without its prefix `action_`; `keys` are Textual's names.

    `shown` is how footer and help write the keys, those of an action in the same breath included ("+ -"); the other
    one then has no `help` of its own. `word` stands in footers.
    """

    id: str
    call: str
    keys: str
    shown: str
    word: str = ""
    help: str = ""


MOVE = (
    Action("down", "travel('row', 1)", "j down", "j k", "move", "down, up; arrows too"),
    Action("up", "travel('row', -1)", "k up", "k"),
    Action("half_down", "travel('half', 1)", "J", "J K", "half page", "half a page down, up"),
    Action("half_up", "travel('half', -1)", "K", "K"),
    Action("page_down", "travel('page', 1)", "pagedown ctrl+f", "PgDn PgUp", "page", "a page down, up"),
    Action("page_up", "travel('page', -1)", "pageup", "PgUp"),
    Action("first", "travel('end', -1)", "g home", "g G", "ends", "first, last"),
    Action("last", "travel('end', 1)", "G end", "G"),
)
PANES = (
    Action("next_pane", "cycle(1)", "tab", "tab", "pane", "next pane; shift+tab goes back"),
    Action("previous_pane", "cycle(-1)", "shift+tab", "shift+tab"),
    Action("pane_1", "go('neurons')", "1", "1 2 3", "pane", "to Neurons, Inspector, Bench"),
    Action("pane_2", "go('inspector')", "2", "2"),
    Action("pane_3", "go('bench')", "3", "3"),
    Action("next_tab", "tab(1)", "right_square_bracket", "[ ]", "tab", "the inspector's next, previous tab"),
    Action("previous_tab", "tab(-1)", "left_square_bracket", "["),
    Action("zoom", "zoom", "z", "z", "zoom", "this pane alone, or all of them"),
)
FIND = (
    Action("filter", "filter", "slash", "/", "filter", "words, !word, p20>.8, state:none, marked; esc clears"),
    Action("clear_filter", "clear_filter", "escape", "esc"),
    Action("sort_right", "sort(1)", "greater_than_sign", "< >", "sort", "sort by the column to the left, right"),
    Action("sort_left", "sort(-1)", "less_than_sign", "<"),
    Action("reverse", "reverse", "s", "s", "reverse", "sort the other way round"),
    Action("open_page", "open_page", "o", "o", "open", "an item, a user or a concept by name"),
)
NEURON = (
    Action("inspect", "inspect", "enter", "enter", "inspect", "the neuron in the inspector; on a page the one at ▸"),
    Action("mark", "mark", "space", "space", "mark", "mark the neuron, or no longer; on to the next; esc clears all"),
    Action("compare", "compare", "c", "c", "compare", "the marked neurons beside each other"),
    Action("ask_label", "ask_label", "l", "l", "label", "name and test it, or all that are marked"),
    Action("write_label", "write_label", "L", "L", "write label", "write the label yourself; yours always wins"),
    Action("accept", "decide('human')", "a", "a x", "accept", "accept, reject the label"),
    Action("reject", "decide('rejected')", "x", "x"),
    Action("note", "note", "m", "m", "note", "keep a remark on what is shown"),
    Action("bookmark", "bookmark", "b", "b", "bookmark", "mark what is shown to find it again"),
)
BENCH = (
    Action("bench", "bench", "i", "i", "bench", "put it on the bench: for everyone, or for the page's item or user"),
    Action("step_up", "step(1)", "plus", "+ -", "step", "raise, lower it by half of its p99"),
    Action("step_down", "step(-1)", "minus", "-"),
    Action("off", "off", "0", "0", "off", "switch it off"),
    Action("type_value", "type_value", "equals_sign", "=", "value", "type it: 1.5 sets, +1 adds, x2 multiplies, off"),
    Action("drop", "drop", "d", "d", "drop", "take it off the bench"),
    Action("flip", "flip", "t", "t", "before/after", "show the list before or after the edits"),
    Action("pick_user", "pick_user", "p", "p", "user", "whose list to watch: an id, a cohort or SQL"),
    Action("next_user", "step_user(1)", "n", "n N", "next user", "the next, the previous user"),
    Action("previous_user", "step_user(-1)", "N", "N"),
    Action("pin", "pin", "P", "P", "beside", "keep this user's list beside the next one's"),
    Action("cohort", "cohort", "C", "C", "cohort", "what the edits do to many users: a name, SQL, or all"),
    Action("curve", "curve", "v", "v", "dose curve", "how the list answers to more and less of the neuron"),
    Action("list", "list", "w", "w", "list", "back to the list of the watched user"),
)
SESSION = (
    Action("undo", "undo", "u", "u U", "undo", "undo, redo: edits, labels and users"),
    Action("redo", "redo", "U", "U"),
    Action("copy", "copy", "y", "y", "copy", "copy the command in the row above the keys"),
    Action("command", "command", "colon", ":", "command", "any command, completed by tab; long ones are jobs"),
    Action("export", "export", "e", "e", "export", "write a report, tables or edited vectors"),
    Action("jobs", "jobs", "exclamation_mark", "!", "jobs", "what runs, and what the last one said"),
)
OPEN = (
    Action("open", "open", "enter", "enter", "open", "open the run"),
    Action("demo", "demo", "d", "d", "demo", "train on the films that come along, and open that run"),
    Action("command", "command", "colon", ":", "command", "train, fetch and all else; it runs beside the list"),
)
EVERYWHERE = (
    Action("interrupt", "interrupt", "ctrl+c", "ctrl+c", "cancel", "cancel what the engine is doing; twice quits"),
    Action("redraw", "redraw", "ctrl+l", "ctrl+l", "redraw", "draw the screen again"),
    Action("back", "back", "q", "q", "quit", "back, then quit; everything is already saved"),
    Action("help", "help", "question_mark", "?", "keys", "this page"),
)

SCREENS: dict[str, dict[str, tuple[Action, ...]]] = {
    "runs": {"Move": MOVE, "Run": OPEN, "Everywhere": EVERYWHERE},
    "run": {
        "Move": MOVE,
        "Panes": PANES,
        "Find": FIND,
        "Neuron": NEURON,
        "Bench": BENCH,
        "Session": SESSION,
        "Everywhere": EVERYWHERE,
    },
}
"""The actions of each screen, grouped as on the help page."""

FOOTERS: dict[str, tuple[str, str]] = {
    "runs": ("runs", "open demo command down back"),
    "neurons": (
        "run",
        "inspect bench filter next_tab ask_label sort_right command back mark pick_user undo open_page zoom "
        "write_label accept compare export copy next_pane",
    ),
    "edited": (
        "run",
        "step_up off flip curve cohort back drop undo type_value pick_user next_user filter command zoom copy "
        "next_pane",
    ),
    "inspector": (
        "run",
        "next_tab bench ask_label accept open_page next_pane back note bookmark undo command zoom copy",
    ),
    "page": (
        "run",
        "down step_up off type_value drop inspect back bench ask_label open_page curve pick_user note bookmark undo "
        "next_pane command zoom copy",
    ),
    "bench": (
        "run",
        "step_up off flip curve cohort back pick_user next_user pin list drop type_value undo next_pane command zoom "
        "copy",
    ),
}
"""For each pane that can have the focus: its screen, and what its footer offers, most useful first.

"edited" is the neuron table while its cursor is on a neuron that is on the bench; "page" is the inspector while it
shows an item, a user or a concept."""


def check(screens: dict[str, dict[str, tuple[Action, ...]]]) -> None:
    """Raise `ValueError`, naming both, if two actions of one screen share an id or a key."""
    for screen, groups in screens.items():
        taken: dict[str, str] = {}
        for action in (action for group in groups.values() for action in group):
            for mark in (*action.keys.split(), f"id {action.id}"):
                if mark in taken:
                    raise ValueError(f"{taken[mark]} and {action.id} both claim {mark!r} on the {screen} screen")
                taken[mark] = action.id


check(SCREENS)


def of_screen(screen: str) -> list[Action]:
    """All actions of a screen."""
    return [action for group in SCREENS[screen].values() for action in group]


def of_footer(pane: str) -> list[Action]:
    """The actions that the footer offers while `pane` has the focus, most useful first."""
    screen, ids = FOOTERS[pane]
    by_id = {action.id: action for action in of_screen(screen)}
    return [by_id[id] for id in ids.split() if id in by_id]


def help_action() -> Action:
    """What every footer ends with."""
    return next(action for action in of_screen("run") if action.id == "help")


RUN_WORDS = (
    ("neuron", "one coordinate of the sparse code that the run has learned for users and items"),
    ("concept", "a named set of items from the metadata: a genre, a decade, a genre in a decade"),
    ("purity@20", "share of the neuron's 20 strongest items that are in its best concept"),
    ("base rate", "that concept's share of the whole catalogue; purity means little if it is high"),
    ("lift", "purity@20 over the base rate"),
    ("q", "how easily random directions of the same vectors would look as pure; small is good"),
    ("density", "share of items (users) on which the neuron fires at all"),
    ("match", "the item is in the neuron's best concept"),
    ("coherence", "monosemanticity: how alike the vectors of its top items are, 1 is identical"),
    ("pop%", "popularity percentile of its top items: 0 is the most popular item, 50 is chance"),
    ("p99", "the unit of an edit: 1.0 is the neuron's 99th percentile among users where it fires"),
    ("z", "the neuron's activation for this user, before → after the edit"),
    (
        "RBO, τ",
        "how alike two lists are, weighted to the top (RBO), by order (Kendall's τ): equal 1; disjoint 0, -0.7",
    ),
    ("kept", "how many of the list's items were in it before"),
    (
        "condition",
        "SQL over users after C and p: age < 25 · share('Horror') > 0.3, of what they saw · seen('2571'), by an "
        "item's id · history() > 50, items seen; over items: has('Horror')",
    ),
    ("–", "unknown: not measured, or the neuron fires on too few items to say"),
    ("label", "h written by hand · l language model · m metadata · x rejected · ! failed · … asked · · none yet"),
)

WORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "runs": (
        ("run", "a recommender with the neurons that explain it, trained and measured: one folder"),
        ("model", "the recommender's kind and the length of its vectors"),
        ("fidelity", "how alike lists are with and without the neurons in between (RBO, 1 is equal)"),
    ),
    "run": RUN_WORDS,
}
"""Each help page's glossary."""
