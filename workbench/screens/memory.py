"""Where the analyst is on the screen of a run: kept beside the session when it is quiet, and taken up again."""

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import HomeError
from engine.session import Session
from workbench.columns import BY_ID
from workbench.place import Place, PlaceError
from workbench.view import TABS, Cohort, Curve, Page, View

if TYPE_CHECKING:
    from workbench.screens.lines import LinesScreen


class Memory:
    """Of one screen. Only who may write the session keeps anything."""

    def __init__(self, screen: "LinesScreen") -> None:
        self._screen = screen
        self._session: Session | None = None
        self._kept: Place | None = None
        """What is on disk, or needs no keeping."""
        self._seen: Place | None = None
        """What was there at the last look."""

    def come_back(self, session: Session | None) -> None:
        """Take up the place that the session's file tells, as far as all of it is still there."""
        self._session = session
        if session is None or self._screen.view.neurons is None:
            return
        try:
            place = Place.read(session.place)
        except PlaceError as error:
            self._screen.say(str(error))
            place = None
        if place is not None and place.content == (session.content or ""):
            self._take_up(place)
        self._kept = self._place()

    def look(self) -> None:
        """Keep the place once it has been the same for two looks."""
        now = self._place()
        if now is not None and now == self._seen:
            self.keep()
        self._seen = now

    def keep(self) -> None:
        """Keep the place now, if it is another than that on disk."""
        place = self._place()
        if self._session is None or self._session.read_only or place is None or place == self._kept:
            return
        self._kept = place
        try:
            place.write(self._session.place)
        except HomeError as error:
            self._screen.say(str(error))

    def _place(self) -> Place | None:
        screen, view = self._screen, self._screen.view
        if self._session is None or view.neurons is None or not screen.is_attached:
            return None
        curve = view.curve
        of: tuple[str, ...] = ()
        if curve is not None and curve.where is not None:
            of = ("where", curve.where)
        elif curve is not None and curve.user is not None:
            of = ("user", curve.user)
        pane, shown, zoomed = screen.arrangement
        return Place(
            content=self._session.content or "",
            neuron=-1 if view.current is None else view.current,
            filter=screen.table.filter,
            sort=screen.table.sort,
            descending=screen.table.descending,
            marks=tuple(sorted(view.marks)),
            tab=view.tab,
            page=() if view.page is None else (view.page.kind, view.page.id),
            side=view.side,
            cohort="" if view.cohort is None else view.cohort.where,
            has_cohort=view.cohort is not None,
            curve=-1 if curve is None else curve.neuron,
            curve_of=of,
            pane=pane,
            shown=shown,
            zoomed=zoomed,
        )

    def _take_up(self, place: Place) -> None:
        screen, table = self._screen, self._screen.table
        if place.sort in BY_ID:
            table.sort, table.descending = place.sort, place.descending
        if not screen.status.asking:  # what is being typed by now may be another filter
            table.filter = place.filter
        table.reorder()
        table.choose(place.neuron)
        screen.desk.choose(table.current)
        screen.desk.take_up(lambda view: _placed(view, place))
        screen.rearrange(place.pane, place.shown, place.zoomed)


def _curve(place: Place) -> Curve:
    match place.curve_of:
        case ("where", where):
            return Curve(place.curve, where=where)
        case ("user", user):
            return Curve(place.curve, user=user)
    return Curve(place.curve)


def _placed(view: View, place: Place) -> View:
    """`view` with what it showed at a place; what does not exist any more is left out."""
    known = view.neurons.row_of if view.neurons is not None else {}
    view = replace(view, marks=frozenset(place.marks) & frozenset(known))
    if place.tab in TABS:
        view = replace(view, tab=place.tab)
    if place.has_cohort:
        view = replace(view, cohort=Cohort(place.cohort))
    if place.curve in known:
        view = replace(view, curve=_curve(place))
    there = {"list": True, "cohort": view.cohort is not None, "curve": view.curve is not None}
    if there.get(place.side):
        view = replace(view, side=place.side)
    match place.page:
        case ("item" | "user" | "concept" as kind, name):
            view = replace(view, page=Page(kind, name))
    return view
