"""What the inspector says about one neuron: a tab a file. Pure: lines from a view.

Items, Label, Compare, Notes, Jobs and Journal are read off the view alone; the other tabs show what the engine told
of the neuron.
"""

from collections.abc import Callable

from workbench.view import TABS, View
from workbench.widgets.inspector.activity import jobs, log
from workbench.widgets.inspector.compare import compare
from workbench.widgets.inspector.concepts import concepts
from workbench.widgets.inspector.head import title
from workbench.widgets.inspector.items import dead, items
from workbench.widgets.inspector.label import label
from workbench.widgets.inspector.moves import moves
from workbench.widgets.inspector.near import near
from workbench.widgets.inspector.notes import notes
from workbench.widgets.inspector.parts import Facts, prose, text_in, within
from workbench.widgets.inspector.range import activation_range
from workbench.widgets.inspector.users import users
from workbench.widgets.line import Line, Span, cut, width_of

_OF_THE_SESSION = {"compare": compare, "jobs": jobs, "log": log}
_OF_THE_VIEW: dict[str, Callable[[View, int, int], list[Line]]] = {"items": items, "label": label, "notes": notes}
_OF_THE_ENGINE: dict[str, Callable[[View, int, Facts, int], list[Line]]] = {
    "concepts": concepts,
    "range": activation_range,
    "moves": moves,
    "users": users,
    "near": near,
}


def inspector(view: View, width: int) -> list[Line]:
    """The rows of the tab that the view shows, each at most `width` cells."""
    width = max(width, 1)
    return within(_rows(view, width), width)


def _rows(view: View, width: int) -> list[Line]:
    if view.fault is not None:
        return prose(view.fault, width, "warn")
    if view.neurons is None:
        return [(("Reading the neurons…", "dim"),)]
    if view.tab in _OF_THE_SESSION:
        return _OF_THE_SESSION[view.tab](view, width)
    if view.current is None:
        return prose("No neuron matches the filter; esc clears it.", width)
    rows = [title(view, view.current, width)]
    if view.tab in _OF_THE_VIEW:
        return [*rows, *_OF_THE_VIEW[view.tab](view, view.current, width)]
    if view.neurons.dead[view.neurons.row_of[view.current]]:
        return [*rows, *dead(view, width)]
    facts = view.facts.get(view.current)
    if facts is None:
        return [*rows, (("Measuring…", "dim"),)]
    if facts.get("fault"):
        return [*rows, *prose(text_in(facts, "fault"), width, "warn")]
    return [*rows, *_OF_THE_ENGINE.get(view.tab, concepts)(view, view.current, facts, width)]


def tabs_line(view: View, width: int) -> Line:
    """All tabs with the shown one in brackets, or that one alone and its place among them where room is short."""
    for between in ("  ", " "):
        line: list[Span] = []
        for tab, name in TABS.items():
            shown = tab == view.tab
            line += [(between, ""), (f"[{name}]", "title")] if shown else [(between, ""), (name, "dim")]
        if width_of(tuple(line[1:])) <= width:
            return tuple(line[1:])
    place = list(TABS).index(view.tab) + 1 if view.tab in TABS else 1
    short: Line = (("‹ ", "dim"), (TABS.get(view.tab, TABS["items"]), "title"), (f" {place}/{len(TABS)} ›", "dim"))
    return short if width_of(short) <= width else cut(short, width)
