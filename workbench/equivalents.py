"""The commands that print what the screen shows: lists, a cohort, a dose curve, a page, a neuron's tab, the table.

Pure: no Textual here. Edits that a command cannot say are read from the session that they are kept in.
"""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.columns import BY_ID
from workbench.edits import as_steer, quoted
from workbench.filters import Query, parse

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.view import View

EVERYONE = "true"
"""The condition that every user meets."""
NEURON_ROWS = 50
"""Items and users of a neuron that the inspector has."""
WHOLE_TABS = frozenset({"concepts", "range", "moves", "users"})
"""Tabs that show more of a neuron than its command prints without --all."""
NAMED_AT_MOST = 100
"""Neurons that a command names one by one."""


def page_command(view: "View") -> str | None:
    """The command for the page that is open."""
    page = view.page
    if page is None:
        return None
    named = [] if page.kind == "concept" else _named(view)
    return shlex.join(["monoscope", page.kind, view.card.name, *named, *_word(page.id)])


def neuron_command(view: "View") -> str:
    """The command for the inspector's tab, or for the table where there is no neuron; "" where none prints the tab."""
    run = view.card.name
    if view.tab == "jobs" or view.tab == "log":
        return ""
    if view.tab == "notes":
        return shlex.join(["monoscope", "sessions", "show", view.session]) if view.log else ""
    if view.tab == "compare" and len(view.compared) > 1:
        return _table(view, _one_of(view.compared))
    if view.current is None:
        return _table(view)
    if view.tab == "label":
        return shlex.join(["monoscope", "labels", run, "show", str(view.current), *_named(view)])
    whole = ["--all"] if view.tab in WHOLE_TABS else []
    return shlex.join(["monoscope", "neuron", run, str(view.current), "-k", str(NEURON_ROWS), *whole, *_named(view)])


def table_command(
    view: "View", filtered: str, order: Sequence[int], sort: str, descending: bool, usual: str
) -> str | None:
    """The command for the list of neurons as it is filtered and sorted; None where it is neither, or none can say it.

    `order` are the neurons that the filter leaves; `sort` is the column's id, `usual` the one at first.
    """
    query, column = parse(filtered), BY_ID[sort]
    if query == Query() and (sort, descending) == (usual, BY_ID[usual].descending):
        return None
    where = _condition(query)
    if where is None:
        if not 0 < len(order) <= NAMED_AT_MOST:
            return None
        where = _one_of(sorted(order))
    name = "neuron" if sort == "number" else column.figure or column.score
    if name is None:
        return _table(view, where) if where else None
    upwards = sort == "number"
    return _table(view, where, ("--sort", name, *(() if descending != upwards else ("--reverse",))))


def _condition(query: Query) -> str | None:
    """A filter of figures as a condition on the columns of `neurons`; None for one that a condition cannot say."""
    said = []
    for term in query.terms:
        column = term.column
        name = None if column is None else "neuron" if column.id == "number" else column.figure or column.score
        if name is None:
            return None
        operator = {"≥": ">=", "≤": "<="}.get(term.operator, term.operator)
        compared = f"{name} {operator} {term.value:g}"
        said.append(f"NOT coalesce({compared}, false)" if term.excluded else compared)
    return " AND ".join(said)


def _one_of(neurons: Sequence[int]) -> str:
    return f"neuron IN ({', '.join(map(str, neurons))})"


def _table(view: "View", where: str = "", order: Sequence[str] = ()) -> str:
    """The command for the list of neurons, all of them or those for which a condition holds."""
    condition = f' --where "{where}"' if where else ""
    return f"monoscope neurons {shlex.quote(view.card.name)}{condition}{_joined(order)}{_joined(_named(view))}"


def _joined(words: Sequence[str]) -> str:
    return f" {shlex.join(words)}" if words else ""


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


def with_home(command: str, home: "Path") -> str:
    """The command with the home in it, where a new shell would look in another one: what is copied runs anywhere.

    MONOSCOPE_HOME does not count: whether a new shell has it is not known.
    """
    from platformdirs import user_data_path

    if home == user_data_path("monoscope", appauthor=False):
        return command
    return command.replace("monoscope ", f"monoscope --home {shlex.quote(str(home))} ", 1)


def _under(view: "View") -> Sequence[str]:
    """The option for the session's edits, where there are any."""
    return ("--session", shlex.quote(view.session)) if view.edits else ()


def _named(view: "View") -> Sequence[str]:
    """The option for the session's labels, where it is not the run's own; one that is empty cannot be named."""
    return ("--session", view.session) if view.log and view.session != view.card.name else ()


def _word(name: str) -> list[str]:
    """A name as words of a command: one that begins with a dash would be read as an option."""
    return ["--", name] if name.startswith("-") else [name]
