"""The commands that print what a page, a cohort or a dose curve on the screen shows. Pure: no Textual here."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.edits import Edit, as_steer, is_plain, quoted

if TYPE_CHECKING:
    from workbench.view import View

EVERYONE = "true"
"""The condition that every user meets."""


def page_command(view: "View") -> str | None:
    """The command for the page that is open."""
    page = view.page
    return None if page is None else shlex.join(["monoscope", page.kind, view.card.name, *_named(page.id)])


def cohort_command(view: "View") -> str | None:
    """The command for the cohort on the bench: the one edit for its users, or a report where there are several.

    Without an edit it is a step of nothing, which leaves the lists as they are.
    """
    if view.cohort is None:
        return None
    run, where = shlex.quote(view.card.name), quoted(view.cohort.where or EVERYONE)
    edits = _on(view.edits)
    operation = as_steer(edits[0]) if len(edits) == 1 else None
    if operation is not None:
        return f"monoscope steer {run} --neuron {edits[0]['neuron']} --users {where} {operation}"
    if edits:
        return f"monoscope export {run} --session {shlex.quote(view.session)} --format md"
    return None if view.current is None else f"monoscope steer {run} --neuron {view.current} --users {where} --add 0"


def curve_command(view: "View") -> str | None:
    """The command for the dose curve; None where the session has an edit of its neuron and others.

    The curve takes the place of that edit among the others; beneath `dose` the whole session lies.
    """
    curve = view.curve
    if curve is None:
        return None
    edits = _on(view.edits)
    others = [edit for edit in edits if not (is_plain(edit) and edit["neuron"] == curve.neuron)]
    if others and len(others) < len(edits):
        return None
    user = curve.user or view.user
    one = EVERYONE if user is None else "user_id = '" + user.replace("'", "''") + "'"
    condition = one if curve.where is None else curve.where or EVERYONE
    command = f"monoscope dose {shlex.quote(view.card.name)} --neuron {curve.neuron} --users {quoted(condition)}"
    return f"{command} --session {shlex.quote(view.session)}" if others else command


def _on(edits: Sequence[Edit]) -> list[Edit]:
    return [edit for edit in edits if edit.get("on", True)]


def _named(name: str) -> list[str]:
    """A name as words of a command: one that begins with a dash would be read as an option."""
    return ["--", name] if name.startswith("-") else [name]
