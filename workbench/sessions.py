"""`monoscope sessions` as facts and on the screen."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from engine.actions import BookmarkKind
from engine.errors import MonoscopeError, SessionError
from engine.session import Session, State, copy_session, remove_session, sessions
from workbench.edits import amount_of, rows_of

if TYPE_CHECKING:
    from engine.home import Home

SAME = 1e-3
"""How far a replayed figure may be from the one kept: another machine's rounding may swap items that are level."""


def known(home: "Home", name: str) -> None:
    """Raises `SessionError` where there is no such session."""
    if name not in sessions(home):
        raise SessionError(f"There is no session {name!r}; there are {', '.join(sessions(home)) or 'none yet'}.")


def opened(home: "Home", name: str) -> Session:
    """The session `name`, or the yet empty one of the run of that name, to write to."""
    if name not in sessions(home) and not (home.run(name) / "manifest.json").is_file():
        known(home, name)
    origin = Session.origin(home, name)
    session = Session.open(home, name, name if origin is None else origin.run)
    if session.notice is not None and session.read_only:
        session.close()
        raise SessionError(session.notice)
    return session


def remove(home: "Home", name: str) -> None:
    """Delete a session for good."""
    remove_session(home, name)


def summary(state: State) -> str:
    """How much a session holds, in a few words."""
    counts = (
        (len(state.edits), "edit"),
        (sum(label.text is not None for label in state.labels.values()), "label"),
        (len(state.notes), "note"),
        (len(state.bookmarks), "bookmark"),
    )
    told = [_counted(count, word) for count, word in counts if count]
    return " and ".join((", ".join(told[:-1]), told[-1])) if len(told) > 1 else (told or ["nothing"])[0]


def check_thing(home: "Home", name: str, kind: str, which: str) -> None:
    """Raises where the run of session `name` has no such neuron, item, user or concept."""
    from engine.run import Run

    if kind not in get_args(BookmarkKind):
        raise SessionError(f"There are bookmarks for {', '.join(get_args(BookmarkKind))}, not for {kind!r}.")
    origin = Session.origin(home, name) if name in sessions(home) else None
    run = Run.open(home, name if origin is None else origin.run)
    if kind == "neuron":
        run.neuron(int(which) if which.isdecimal() else -1)
    elif kind == "user":
        run.user_number(which)
    elif kind == "item" and which not in run.recommender.items.place:
        raise SessionError(f"There is no item with the id {which!r} in run {run.name}.")
    elif kind == "concept" and which not in {entry.concept for entry in run.reach}:
        raise SessionError(f"There is no concept {which!r} in run {run.name}; `monoscope concepts` lists them.")


def index_of(home: "Home", name: str, number: int) -> int:
    """The place of edit `number` (from 1) in a session's stack."""
    known(home, name)
    count = len(Session.read(home, name).edits)
    if not 1 <= number <= count:
        raise SessionError(
            f"Session {name} has no edit {number}; `monoscope sessions show {name}` numbers its {count}."
        )
    return number - 1


def listed(home: "Home") -> list[dict[str, Any]]:
    """Every session with its run and how much it holds; then the examples. One that cannot be read has a problem."""
    from engine.examples import examples

    found: list[dict[str, Any]] = []
    for name in sessions(home):
        facts: dict[str, Any] = {"name": name, "example": False}
        try:
            origin, state = Session.origin(home, name), Session.read(home, name)
        except MonoscopeError as error:
            found.append({**facts, "run": None, "problem": str(error)})
            continue
        changed = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(home.session(name).stat().st_mtime))
        run = origin.run if origin else None
        found.append({**facts, "run": run, "holds": summary(state), "edits": len(state.edits), "changed": changed})
    return found + [
        {"name": one.name, "example": True, "run": one.run, "holds": one.title, "edits": one.edits}
        for one in examples()
    ]


def show_listed(found: Sequence[Mapping[str, Any]]) -> None:
    """A row for each session."""
    from workbench.tables import say, show

    own = [one for one in found if not one["example"]]
    if own:
        show(
            "",
            ("session", "run", "holds", "changed"),
            [
                (one["name"], one["run"] or "–", one.get("holds") or one["problem"], one.get("changed", ""))
                for one in own
            ],
            "",
        )
    else:
        say("No sessions yet: `steer --session NAME` keeps an edit, the workbench keeps everything.")
    shipped = [one for one in found if one["example"]]
    if shipped:
        show("Examples", ("example", "run", "what it shows"), [(o["name"], o["run"], o["holds"]) for o in shipped], "")
        say(f"Make one your own with: monoscope sessions copy {shipped[0]['name']} NEW")


def session_facts(home: "Home", name: str) -> dict[str, Any]:
    """All that a session holds."""
    from dataclasses import asdict

    from engine.steering.edits import parsed

    known(home, name)
    origin, state = Session.origin(home, name), Session.read(home, name)
    for edit in state.edits:
        parsed(edit)
    return {
        "name": name,
        "run": origin.run if origin else None,
        "edits": list(state.edits),
        "labels": [{"neuron": neuron, **asdict(label)} for neuron, label in sorted(state.labels.items())],
        "notes": [asdict(note) for note in state.notes],
        "bookmarks": [{"kind": kind, "id": of} for kind, of in state.bookmarks],
        "watched": list(state.watched),
        "measured": state.measured,
    }


def told(edit: Mapping[str, Any]) -> str:
    """An edit in a few words: "neuron 4 off", or its goal."""
    return str(edit["goal"]) if "goal" in edit else f"neuron {edit['neuron']} {amount_of(edit)}"


def show_session(facts: Mapping[str, Any]) -> None:
    """Edits in order and the rest in short."""
    from workbench.tables import say, show

    say(f"Session {facts['name']} of run {facts['run'] or '–'}")
    if facts["edits"]:
        rows = [
            (number, told(edit), rows_of(edit) or "everyone", "" if edit.get("on", True) else "off")
            for number, edit in enumerate(facts["edits"], 1)
        ]
        show("Edits, in order", ("n", "edit", "for", "switched"), rows, "n")
    labels = [(row["neuron"], row["text"] or "–", row["state"]) for row in facts["labels"]]
    if labels:
        show("Labels", ("neuron", "label", "state"), labels, "neuron")
    for note in facts["notes"]:
        say(f"Note{' on ' + note['about'] if note['about'] else ''}: {note['text']} ({note['time']})")
    if facts["bookmarks"]:
        say("Bookmarks: " + ", ".join(f"{one['kind']} {one['id']}" for one in facts["bookmarks"]))
    if facts["watched"]:
        say(f"Watched last: user {facts['watched'][-1]}")
    if facts["measured"]:
        measured = facts["measured"]
        figures = ", ".join(f"{name} {_number(value)}" for name, value in measured["figures"].items())
        whom = f" ({measured['cohort']})" if measured["cohort"] else ""
        say(f"Measured on the top {measured['k']} of {measured['users']:,} users{whom}: {figures}.")


def copied(home: "Home", name: str, new: str, run: str | None) -> str:
    """Copy a session, or an example onto a run; the run's name."""
    from engine.examples import examples, onto
    from engine.run import Run

    if name in sessions(home):
        if run is not None:
            raise SessionError("A session stays with its run; --run is for examples, which find neurons by concepts.")
        for edit in Session.read(home, name).edits:
            amounts = home.amounts(name) / f"{edit.get('amounts')}.parquet"
            if "amounts" in edit and not amounts.is_file():
                raise SessionError(
                    f"The amounts of the edit {edit['goal']} are missing ({amounts}); nothing was copied."
                )
        copy_session(home, name, new)
        origin = Session.origin(home, new)
        return origin.run if origin else "–"
    example = next((one for one in examples() if one.name == name), None)
    if example is None:
        there = ", ".join([*sessions(home), *(one.name for one in examples())])
        raise SessionError(f"There is no session and no example {name!r}; there are {there}.")
    on = Run.open(home, run or example.run)
    onto(on, example, new)
    return on.name


def replayed(home: "Home", name: str) -> dict[str, Any]:
    """The figures of a session's edits, carried out anew, beside those that it kept."""
    from engine.run import Run
    from engine.steering.kept import measured
    from workbench.steering import Asked, steered

    known(home, name)
    origin, state = Session.origin(home, name), Session.read(home, name)
    if origin is None or not state.edits:
        raise SessionError(f"Session {name} holds no edits, so there is nothing to replay.")
    kept = state.measured or {}
    asked = Asked(kept.get("cohort"), kept.get("k", 30), serve=kept.get("serve", "change"))
    run = Run.open(home, origin.run)
    Session.read(home, name, run.name)  # refuses another training of the run
    now = measured(steered(run, [], asked, state.edits, name))
    was = kept.get("figures", {})
    figures = [
        {"figure": figure, "kept": was.get(figure), "now": value, "same": _same(was[figure], value)}
        if figure in was
        else {"figure": figure, "kept": None, "now": value, "same": None}
        for figure, value in now["figures"].items()
    ]
    return {
        "session": name,
        "run": run.name,
        "edits": list(state.edits),
        **{key: now[key] for key in ("cohort", "k", "serve", "users")},
        "figures": figures,
        "same": all(one["same"] is not False for one in figures) if was else None,  # None: nothing to compare with
    }


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _same(was: float | None, now: float | None) -> bool:
    if was is None or now is None:
        return was is now
    return abs(was - now) <= SAME * max(1.0, abs(was))


def show_replayed(facts: Mapping[str, Any]) -> None:
    """What was kept beside what came out."""
    from workbench.tables import say, show

    edits = _counted(len(facts["edits"]), "edit")
    say(f"Session {facts['session']} of run {facts['run']}: {edits}, {facts['users']:,} users.")
    if facts["same"] is None:
        say(
            "Nothing was compared: the session kept no figures of these edits. `steer --session` and a cohort in the "
            "workbench (C) keep them. What they are now:"
        )
        alone = [(one["figure"], _number(one["now"])) for one in facts["figures"]]
        show(f"Figures of the top {facts['k']}, not compared", ("figure", "now"), alone, "now")
        return
    marks = {True: "same", False: "DIFFERS", None: ""}
    rows = [(one["figure"], _number(one["kept"]), _number(one["now"]), marks[one["same"]]) for one in facts["figures"]]
    show(f"Figures of the top {facts['k']}", ("figure", "kept", "now", ""), rows, "kept, now")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
