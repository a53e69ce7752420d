"""A run that is open for many questions, with what a second question need not find again."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.catalogue import named
from engine.errors import CatalogueError, EditError, MonoscopeError
from engine.find import VALUES, Index
from engine.home import Home
from engine.sae.model import Side

if TYPE_CHECKING:
    from engine.catalogue.catalogue import Table
    from engine.inspector import Inspector
    from engine.run import Run
    from engine.steering.bench import Bench
    from engine.steering.edits import Step
    from engine.steering.effect import Steering

STACKS_KEPT, CONDITIONS_KEPT = 8, 32
EXAMPLES, VALUES_SEARCHED = 5, 20_000


@dataclass(frozen=True)
class Opened:
    """A run beside its catalogue. `lists` is None where the catalogue is not here, and `missing` says why.

    What depends on the concepts and cohorts that the analyst names is found again after those changed.
    """

    run: "Run"
    lists: "Steering | None"
    missing: str | None
    attributes: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, home: Home, name: str) -> "Opened":
        """Raises `RunError` for a run that does not open; one without its data set does."""
        from engine.run import Run

        run = Run.open(home, name)
        try:
            with run.catalogue() as catalogue:
                return cls(run, run.steering(catalogue), None, catalogue.users().attributes)
        except CatalogueError as error:
            missing = f"Neurons open, lists cannot be made: {error}"
        run.recommender  # noqa: B018  # read here, not at the first list
        return cls(run, None, missing)

    @property
    def steering(self) -> "Steering":
        """Raises where lists cannot be made."""
        if self.lists is None:
            raise MonoscopeError(self.missing or "This run has no lists here.")
        return self.lists

    def rank(self, user: str, steps: "Sequence[Step]", k: int) -> dict[str, Any]:
        """One user's list before and after `steps`, as `Steering.rank` tells it, with who the user is."""
        number, steering = self.run.user_number(user), self.steering
        return {
            "user": {
                "user_id": steering.recommender.users.ids[number],
                "attributes": {name: column[number] for name, column in self.attributes.items()},
                "history": len(steering.candidates.seen[number]),
            },
            **steering.rank(number, steps, k),
        }

    def steps(self, edits: Sequence[Mapping[str, Any]], session: str) -> "list[Step]":
        """The steps of edits; those of the last stacks are kept, for finding their rows may take a query each."""
        _ = self.steering
        return self._steps(json.dumps(edits, sort_keys=True), session, self._stamp())

    @cached_property
    def _steps(self) -> "Callable[[str, str, str], list[Step]]":
        from engine.steering.kept import steps_of

        @lru_cache(STACKS_KEPT)
        def found(edits: str, session: str, _stamp: str) -> "list[Step]":
            return steps_of(self.steering, json.loads(edits), self.run.home.amounts(session or self.run.name))

        return found

    def _stamp(self) -> str:
        """Changes whenever the analyst names a concept or a cohort, or forgets one."""
        try:
            told = (self.run.home.dataset(self.run.manifest["dataset"]) / named.FILE).stat()
        except OSError:
            return ""
        return f"{told.st_mtime_ns}.{told.st_size}"

    def matching(self, side: Side, where: str) -> np.ndarray:
        """Numbers, ascending, of the rows that a condition or a cohort's name matches; "": all of them."""
        if not where.strip():
            return np.arange(len((self.run.recommender.users if side == "users" else self.run.recommender.items).ids))
        return self._matching(side, where, self._stamp())

    @cached_property
    def _matching(self) -> Callable[[Side, str, str], np.ndarray]:
        @lru_cache(CONDITIONS_KEPT)
        def found(side: Side, where: str, _stamp: str) -> np.ndarray:
            match = self.steering.match
            assert match is not None
            return match(side, where)

        return found

    def users(self, where: str) -> np.ndarray:
        """The users of a cohort who have a vector; raises as `users_of` does."""
        from engine.steering.bench import users_of

        try:
            return users_of(self.steering, where, self.matching)
        except EditError as error:
            with self.run.catalogue() as catalogue:
                told = catalogue.values_told("users", where)
            raise EditError(f"{str(error).removesuffix('.')}{told}.") from error

    def stepped(self, user: str | None, step: int, where: str) -> tuple[int, int, int]:
        """A user `step` places after `user` among those whom `where` matches: number, place from 1 on, how many.

        Without `user` from the first; where `where` does not match `user`, from their neighbour on that side. Wraps
        around. Raises as `users_of` does.
        """
        users = self.users(where) if where else np.flatnonzero(self.run.recommender.users.known)
        if user is None:
            place = step
        else:
            number = self.run.user_number(user)
            place = int(np.searchsorted(users, number)) + step
            if step > 0 and number not in users:
                place -= 1
        place %= len(users)
        return int(users[place]), place + 1, len(users)

    def only(self, user: str) -> np.ndarray:
        """That user alone."""
        return np.array([self.run.user_number(user)], np.int64)

    def sample(self, users: np.ndarray, most: int | None) -> np.ndarray:
        """`users`, or `most` of them drawn at random, the same ones every time."""
        from engine.steering.cohort import drawn

        return drawn(users, most)

    def item(self, number: int) -> dict[str, str]:
        """An item's id and title."""
        return {"item_id": self.run.recommender.items.ids[number], "title": self.run.texts["title"][number]}

    def bench(self) -> "Bench":
        """The same one until the analyst's names change. For one thread."""
        _ = self.steering
        return self._bench

    @cached_property
    def _bench(self) -> "Bench":
        from engine.steering.bench import Bench

        return Bench(self.steering)

    def inspector(self) -> "Inspector":
        """The run opened for looking at; anew after the analyst's names changed. For one thread."""
        return self._inspectors(self._stamp())

    @cached_property
    def _inspectors(self) -> "Callable[[str], Inspector]":
        from engine.inspector import Inspector

        @lru_cache(1)
        def opened(_stamp: str) -> "Inspector":
            return Inspector.open(self.run)

        return opened

    def found(self, kind: str, text: str, limit: int, column: str = "") -> tuple[list[dict[str, Any]], int]:
        """Names of a kind that match `text`, the best first, and how many do in all; values are those of `column`."""
        stamp = self._stamp() if kind in ("concepts", "cohorts") else column if kind in VALUES else ""
        index, rows, place = self._index(kind, stamp)
        numbers, total = index.search(text, limit, place.get(text.strip()))
        return [rows(number) for number in numbers], total

    @cached_property
    def _index(self) -> "Callable[[str, str], _Searched]":
        return lru_cache(16)(self._searched)

    def _searched(self, kind: str, stamp: str) -> "_Searched":
        """The names of a kind, what is told of each by its number, and the numbers of ids that are no names.

        `stamp` is the column where they are values.
        """
        if kind == "items":
            return self._items()
        if kind == "users":
            tower = self.run.recommender.users
            ids = [tower.ids[number] for number in np.flatnonzero(tower.known).tolist()]
            return Index.of(ids), lambda n: {"name": ids[n], "id": ids[n]}, {}
        _ = self.steering
        if kind in VALUES:
            return self._values(VALUES[kind], stamp)
        rows = {"concepts": self._concepts, "cohorts": self._cohorts}.get(kind)
        told = rows() if rows else self._columns("users" if kind == "user_columns" else "items")
        return Index.of([one["name"] for one in told]), told.__getitem__, {}

    def _items(self) -> "_Searched":
        items, titles = self.run.recommender.items, self.run.texts["title"]
        popularity = None
        if self.lists is not None:
            with self.run.catalogue() as catalogue:
                popularity = catalogue.items().popularity.astype(np.int64)

        def told(n: int) -> dict[str, Any]:
            count = None if popularity is None else int(popularity[n])
            return {"name": titles[n], "id": items.ids[n], "popularity": count}

        return Index.of(titles, popularity), told, items.place

    def _concepts(self) -> list[dict[str, Any]]:
        with self.run.catalogue() as catalogue:
            return [{"name": one.name, "kind": one.kind, "items": len(one.items)} for one in catalogue.concepts()]

    def _cohorts(self) -> list[dict[str, Any]]:
        with self.run.catalogue() as catalogue:
            return [{"name": one.name, "where": one.where, "users": len(one.users)} for one in catalogue.cohorts()]

    def _values(self, table: "Table", column: str) -> "_Searched":
        with self.run.catalogue() as catalogue:
            found = catalogue.values(table, column, VALUES_SEARCHED)
        names = [str(value) for value, _ in found]

        def told(n: int) -> dict[str, Any]:
            value, count = found[n]
            return {"name": names[n], "text": isinstance(value, str), "count": count}

        return Index.of(names), told, {}

    def _columns(self, table: "Table") -> list[dict[str, Any]]:
        with self.run.catalogue() as catalogue:
            return [
                {"name": name, "type": kind, "examples": catalogue.examples(table, name, EXAMPLES)}
                for name, kind in catalogue.columns(table).items()
                if name != {"users": "user", "items": "item"}[table]  # a row's position, which changes with the data
            ]


_Searched = tuple[Index, Callable[[int], dict[str, Any]], Mapping[str, int]]
