"""What the keys of the bench act on, in words. Pure: a line from a view."""

from rich.cells import cell_len

from workbench.edits import EVERY_USER
from workbench.view import Target, View
from workbench.widgets.line import Line, fit, width_of


def target_line(view: View, width: int, on_page: bool = False) -> Line | None:
    """Which neuron + and - change, and for whom; `on_page` calls the page's item or user "this".

    None where nothing is said: in the list of neurons a change is for everyone, of the neuron under the cursor.
    """
    target = view.target
    if target is None or (view.page is None and view.picked is None):
        return None
    if target.neuron is None:
        return ((fit("what is solved for a goal: d takes it off", width), "dim"),)
    whom = f" for {_whom(view, target, on_page)}"
    keys: Line = (("+ -", "key"), (" change ", "dim"))
    name = f"{target.neuron} {view.name(target.neuron)}".rstrip()
    room = width - width_of(keys)
    left = room - cell_len(whom)
    if cell_len(f"neuron {name}") <= left:
        name = f"neuron {name}"
    if left < len(str(target.neuron)):
        return (*keys, (fit(name + whom, room), ""))
    return (*keys, (fit(name, min(left, cell_len(name))), "strong"), (whom, ""))


def _whom(view: View, target: Target, on_page: bool) -> str:
    if target.scope == EVERY_USER:
        return "every user"
    page = view.page
    if on_page and page is not None and page.scope == target.scope:
        return f"this {view.card.item_word if page.kind == 'item' else page.kind}"
    return view.whom(target.scope.as_dict())
