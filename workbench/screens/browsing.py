"""What the analyst looks at on a run: neurons, tabs, pages, names, and remarks on them. No Textual here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from workbench.naming import meaning, with_kind
from workbench.screens.seat import ANSWER_SECONDS, Seat
from workbench.view import TABS, Page, PageKind

MOST_FOUND = 20
"""Names that the engine is asked for at a time."""
FOUND_AS: dict[PageKind, str] = {"item": "items", "user": "users", "concept": "concepts"}
"""What the engine calls many of a kind."""


class Browsing(Seat):
    """Chooses what is shown; changes nothing but remarks and bookmarks."""

    def choose(self, neuron: int | None) -> None:
        if neuron != self.view.current:
            if self.view.current is not None:
                self.begin()
            self._show(current=neuron, page=None, picked=None, facts=self._told())

    def pick(self, at: int | None) -> None:
        """Put the bench's cursor on the edit at this position; None: changes act on the page or the table again."""
        if at != self.view.picked:
            self._show(picked=at)

    def choose_on_page(self, neuron: int) -> None:
        """Put the page's cursor on a neuron of its list."""
        if self.view.page is not None and neuron in self.view.choices:
            self._show(page=replace(self.view.page, chosen=neuron), picked=None)

    def begin(self) -> None:
        """The analyst has read how the run is, and goes on."""
        self._begun = True
        if self.view.opening:
            self._show(opening=())

    def _told(self) -> dict[int, Mapping[str, Any]]:
        """The facts of neurons, without those that could not be had: they are asked for again."""
        return {neuron: facts for neuron, facts in self.view.facts.items() if "fault" not in facts}

    def mark(self) -> None:
        """Mark the neuron, or no longer."""
        neuron = self.view.neuron
        if neuron is None:
            return
        self._show(marks=self.view.marks ^ {neuron})
        count = len(self.view.marks)
        if neuron in self.view.marks:
            more = f", as {count} are: c compares them, l labels them" if count > 1 else ""
            self._say(f"Neuron {neuron} is marked{more}; esc clears.")
        else:
            self._say(f"Neuron {neuron} is not marked any more.")

    def unmark(self) -> None:
        if self.view.marks:
            self._show(marks=frozenset())

    def compare(self) -> None:
        """The marked neurons beside each other."""
        if len(self.view.marks) < 2:
            self._say("Mark two to four neurons with space, then c compares them.")
        else:
            self.show_tab("compare")

    def show_tab(self, tab: str) -> None:
        self._wake()
        self.begin()
        self._show(tab=tab, page=None, facts=self._told())

    def next_tab(self, step: int) -> None:
        names = list(TABS)
        self.show_tab(names[(names.index(self.view.tab) + step) % len(names)])

    def open_page(self, kind: PageKind, name: str) -> None:
        if name.strip():
            self._wake()
            self.begin()
            self._show(page=Page(kind, name.strip()), picked=None)

    def open_any(self, name: str) -> None:
        """The page of what has that name, a kind before it or not; where more than one thing may be meant it says so.

        A page is open at once, so that the next key finds it there; `_heard_names` makes it the right one once the
        engine has told what there is of that name.
        """
        self._wake()
        kind = with_kind(name)
        if kind is not None:
            self.open_page(*kind)
            return
        self._named = name = name.strip()
        for many in FOUND_AS.values():
            self.found(many, name)
        self.open_page("item", name)
        self._heard_names()

    def _heard_names(self) -> None:
        name, page = self._named, self.view.page
        told = {kind: self._found.get((many, name), ()) for kind, many in FOUND_AS.items()}
        if not name or () in told.values():  # an answer is a list, if an empty one
            return
        self._named = ""
        if page is None or (page.kind, page.name) != ("item", name):
            return
        meant = meaning(name, told, self.view.card.item_word, MOST_FOUND)
        if isinstance(meant, str):
            self._show(page=replace(page, fault=meant))
        elif meant != ("item", name):
            self._show(page=Page(*meant))

    def found(self, kind: str, text: str, column: str = "") -> Sequence[tuple[str, str]]:
        """Names of a kind as the engine has found them, each with a few words; asked for if they are not there.

        Values are those of `column`; where all of them came, none are asked for again.
        """
        wanted: dict[str, Any] = {"kind": kind, "text": text, "limit": MOST_FOUND}
        name = kind
        if column:
            wanted["column"], name = column, f"{kind} {column}"
            everything = self.found(kind, "", column) if text else ()
            if 0 < len(everything) < MOST_FOUND:
                return everything
        if (name, text) not in self._found:
            if self._engine.pid is None:
                return ()
            self._found[name, text] = ()
            self._engine.ask("find", wanted, ANSWER_SECONDS)
        return self._found[name, text]

    def forget_found(self) -> None:
        """Names may have come or gone: they are asked for again."""
        self._found.clear()

    def close_page(self) -> bool:
        """Back to the neuron; False where no page is open."""
        shown = self.view.page is not None
        if shown:
            self._show(page=None, picked=None)
        return shown

    def bookmark(self) -> None:
        kind, name = self._subject()
        if kind is None:
            return
        stays = (kind, name) not in self.view.bookmarks
        if self._append("bookmark", kind=kind, id=name, on=stays):
            told = "is bookmarked; the tab Notes lists it" if stays else "is no bookmark any more"
            self._say(f"{kind.capitalize()} {name} {told}.")

    def note(self, text: str) -> None:
        kind, name = self._subject()
        about = None if kind is None else f"{kind} {name}"
        if text.strip() and self._append("note", text=text.strip(), about=about):
            self._say(f"Kept{f' on {about}' if about else ''}; the tab Notes shows it.")

    def _subject(self) -> tuple[str | None, str]:
        """What is looked at: the page, else the neuron."""
        if self.view.page is not None:
            return self.view.page.kind, self.view.page.id
        return (None, "") if self.view.current is None else ("neuron", str(self.view.current))
