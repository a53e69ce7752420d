"""The commands that print what the screen shows: lists, a cohort, a dose curve, a page, a neuron, the table.

Pure: no Textual here. Edits that a command cannot say are read from the session that they are kept in.
"""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.edits import as_steer, quoted

if TYPE_CHECKING:
    from workbench.view import View

EVERYONE = "true"
"""The condition that every user meets."""
NEURON_ROWS = 50
"""Items and users of a neuron that the inspector has."""


def page_command(view: "View") -> str | None:
    """The command for the page that is open."""
    page = view.page
    if page is None:
        return None
    named = [] if page.kind == "concept" else _named(view)
    return shlex.join(["monoscope", page.kind, view.card.name, *named, *_word(page.id)])


def neuron_command(view: "View") -> str:
    """The command for what the inspector shows of a neuron, or for the table where there is none."""
    if view.current is None:
        return shlex.join(["monoscope", "neurons", view.card.name, *_named(view)])
    words = ["monoscope", "neuron", view.card.name, str(view.current), "-k", str(NEURON_ROWS)]
    return shlex.join([*words, *_named(view)])


def lists_command(view: "View") -> str | None:
    """The command for the lists of the users who are watched, under the session's edits if there are any."""
    users = view.watched if len(view.watched) > 1 else () if view.user is None else (view.user,)
    if not users:
        return None
    words = [f"--user={user}" if user.startswith("-") else f"--user {shlex.quote(user)}" for user in users]
    return " ".join(["monoscope recommend", shlex.quote(view.card.name), *words, *_under(view)])


def cohort_command(view: "View") -> str | None:
    """The command for the cohort on the bench: the one edit for its users, or what the session's edits do to them."""
    if view.cohort is None:
        return None
    run, where = shlex.quote(view.card.name), quoted(view.cohort.where or EVERYONE)
    edits = [edit for edit in view.edits if edit.get("on", True)]
    operation = as_steer(edits[0]) if len(edits) == 1 else None
    if operation is not None:
        return f"monoscope steer {run} --neuron {edits[0]['neuron']} --users {where} {operation}"
    return " ".join(["monoscope steer", run, "--users", where, *_under(view)])


def curve_command(view: "View") -> str | None:
    """The command for the dose curve, of a user or of a cohort. Beneath it lie the session's other edits."""
    curve = view.curve
    if curve is None:
        return None
    user = (curve.user or view.user) if curve.where is None else None
    condition = curve.where or EVERYONE if user is None else "user_id = '" + user.replace("'", "''") + "'"
    told = curve.facts or {}
    drawn = ["--sample", str(told["users"])] if told.get("users") and told["users"] != told.get("of") else []
    words = ["--neuron", str(curve.neuron), "--users", quoted(condition), *drawn]
    return " ".join(["monoscope dose", shlex.quote(view.card.name), *words, *_under(view)])


def _under(view: "View") -> Sequence[str]:
    """The option for the session's edits, where there are any."""
    return ("--session", shlex.quote(view.session)) if view.edits else ()


def _named(view: "View") -> Sequence[str]:
    """The option for the session's labels, where it is not the run's own; one that is empty cannot be named."""
    return ("--session", view.session) if view.log and view.session != view.card.name else ()


def _word(name: str) -> list[str]:
    """A name as words of a command: one that begins with a dash would be read as an option."""
    return ["--", name] if name.startswith("-") else [name]
