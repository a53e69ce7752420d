"""Where an edit that was computed goes: into a session, to the workbench that has it open, or nowhere."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from engine.errors import MonoscopeError
from workbench.choices import home_of
from workbench.commands.common import session_state

if TYPE_CHECKING:
    from engine.session import Session


@dataclass(frozen=True)
class Place:
    """The session that an edit lies on, and what becomes of the edit.

    `replaces` is the edit there whose place it takes (from 1). Where it `keeps` the edit it does so in the session, or,
    with `hand_over`, writes it to that file for the workbench that has the session open.
    """

    session: str | None
    replaces: int | None = None
    keeps: bool = True
    hand_over: Path | None = None


@dataclass(frozen=True)
class Laid:
    """The edits that an edit lies on, and the journal that it is to be kept in, if it is."""

    place: Place
    edits: tuple[Mapping[str, Any], ...]
    journal: "Session | None" = None

    @property
    def at(self) -> int | None:
        """Position of the edit whose place it takes, from 0."""
        return None if self.place.replaces is None else self.place.replaces - 1

    def keep(
        self, effect: Mapping[str, Any], edit_of: Callable[[], dict[str, Any]], at: int | None = None
    ) -> str | MonoscopeError:
        """Keep the edit with the figures of the whole stack, unless a guard is crossed; what to say.

        `at` is the position of the edit whose place it takes, where that is not the place's own.
        """
        from engine.steering.kept import measured

        session, at = self.place.session, self.at if at is None else at
        crossed = [
            f"{guard['limit']} {'is unknown' if guard['holds'] is None else 'does not hold'}"
            for guard in effect["guards"]
            if guard["refuses"] and not guard["holds"]
        ]
        if crossed:
            kept = f" Session {session} was left as it was." if session is not None else ""
            return MonoscopeError(f"{' and '.join(crossed)} after this edit.{kept}")
        if session is None:
            return ""
        if not self.place.keeps:
            return f"Nothing was kept: session {session} is as it was."
        data = {"edit": edit_of(), "measured": measured(effect), **({} if at is None else {"replaces": at})}
        if self.place.hand_over is not None:
            return self._handed_over(self.place.hand_over, data)
        assert self.journal is not None
        count = len(self.journal.append("edit", **data).edits)
        return f"Kept in session {session}, which has {count} edit{'s' if count > 1 else ''} now."

    def _handed_over(self, file: Path, data: Mapping[str, Any]) -> str:
        from engine.home import write_whole

        write_whole(file, json.dumps({**data, "below": self.edits}, allow_nan=False).encode())
        return f"The edit goes to session {self.place.session}; u takes it back."


@contextmanager
def laid(ctx: typer.Context, run: str, place: Place) -> Iterator[Laid]:
    """What the edit lies on; a session that it is kept in is locked until then, so that no other process changes it."""
    from engine.session import Session

    if place.session is None:
        if place.replaces is not None:
            raise typer.BadParameter("--replace names an edit of a --session")
        yield Laid(place, ())
    elif place.hand_over is not None:  # a session that nothing was written to has no journal yet
        yield _checked(Laid(place, tuple(Session.read(home_of(ctx), place.session, run).edits)))
    elif not place.keeps:
        yield _checked(Laid(place, tuple(session_state(ctx, place.session, run).edits)))
    else:
        with Session.open(home_of(ctx), place.session, run) as journal:
            if journal.read_only:
                raise MonoscopeError(journal.notice or f"Session {place.session} can be read, not changed.")
            yield _checked(Laid(place, tuple(journal.state.edits), journal))


def _checked(found: Laid) -> Laid:
    session, replaces = found.place.session, found.place.replaces
    if replaces is not None and not 1 <= replaces <= len(found.edits):
        raise MonoscopeError(f"Session {session} has no edit {replaces}; `sessions show {session}` numbers them.")
    return found
