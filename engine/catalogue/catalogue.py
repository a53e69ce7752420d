"""A built data set, opened read-only with the locked configuration: typed queries, arrays with their ids."""

import json
import re
from collections.abc import Container
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np

from engine.catalogue import named
from engine.catalogue.predicate import LOCKED, matching, values_told
from engine.errors import CatalogueError, PredicateError
from engine.home import Home

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from engine.catalogue.recipes import Recipe

FORMAT = 2
"""Version of the tables; a catalogue of another one must be fetched again."""

Table = Literal["items", "users"]
Attributes = dict[str, list[str | int | None]]


@dataclass(frozen=True)
class Items:
    """The n items; position is the catalogue's `item` number."""

    item_id: list[str]
    title: list[str]
    year: np.ndarray
    """int16 (n,); -1 where it is not known"""
    popularity: np.ndarray
    """uint32 (n,): training interactions alone"""
    attributes: Attributes


@dataclass(frozen=True)
class Users:
    """The users; position is the catalogue's `user` number."""

    user_id: list[str]
    attributes: Attributes


@dataclass(frozen=True)
class Interactions:
    """Aligned arrays, sorted by user, then item; numbers are positions in `Users` and `Items`."""

    user: np.ndarray
    """int32"""
    item: np.ndarray
    """int32"""
    weight: np.ndarray
    """float32: rating or count, as the data set has it"""


@dataclass(frozen=True)
class Concept:
    """A named set of items that the metadata gives."""

    name: str
    kind: str
    """genre, tag, decade, era, genre-decade, popularity..., or own: named by the analyst"""
    items: np.ndarray
    """int32, ascending item numbers"""
    support: np.ndarray | None = None
    """int32 beside `items`: how many users or plays stand behind each; None where it is no count"""


@dataclass(frozen=True)
class Cohort:
    """A named set of users, with the SQL condition that describes it."""

    name: str
    where: str
    users: np.ndarray
    """int32, ascending user numbers"""


@dataclass(frozen=True)
class DatasetInfo:
    """One line of the list of data sets; counts are None until it is fetched."""

    name: str
    title: str
    state: Literal["here", "not fetched", "damaged"]
    users: int | None
    items: int | None
    interactions: int | None
    licence: str
    bytes: int | None
    """Size on disk if it is here, of the official archive if not."""
    simulated: bool
    source_notice: str | None


class Catalogue:
    """An open data set. Every query has a cursor of its own, so that threads may share one."""

    def __init__(self, name: str, path: Path, connection: "DuckDBPyConnection", meta: dict[str, Any]) -> None:
        self.name = name
        self.meta = meta
        self._path = path
        self._connection = connection
        self._kept: dict[str, Any] = {}

    @classmethod
    def open(cls, home: Home, name: str) -> "Catalogue":
        """The catalogue of the data set `name`; `CatalogueError` if it is unknown, not here or damaged."""
        import duckdb

        path = home.dataset(name) / "catalogue.duckdb"
        own = (path.parent / "dataset.toml").is_file()
        if not path.is_file() and not own:
            raise CatalogueError(_not_here(home, name))
        anew = f"`monoscope datasets {f'add {name} --replace' if own else f'fetch {name}'}` builds it anew"
        try:
            connection = duckdb.connect(str(path), read_only=True, config=LOCKED)
            rows = connection.execute("FROM meta").fetchall()
        except duckdb.Error as error:
            raise CatalogueError(f"{path} cannot be read ({str(error).splitlines()[0]}); {anew}.") from error
        meta = {key: json.loads(value) for key, value in rows}
        if meta["format"] != FORMAT:
            connection.close()
            raise CatalogueError(f"{path} was built by another version of monoscope; {anew}.")
        return cls(name, path, connection, meta)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def folder(self) -> Path:
        """The data set's folder, which holds the analyst's own concepts beside the catalogue."""
        return self._path.parent

    def forget(self) -> None:
        """Read concepts anew when they are asked for."""
        self._kept.pop("concepts", None)

    @property
    def hash(self) -> str:
        """Content hash over ids, interactions with folds, and concepts."""
        return self.meta["hash"]

    def columns(self, table: Table) -> dict[str, str]:
        """The columns of `table` and their SQL types, in order."""
        with self._connection.cursor() as cursor:
            return {name: kind for name, kind, *_ in cursor.execute(f"DESCRIBE {table}").fetchall()}

    def examples(self, table: Table, column: str, most: int) -> list[str | int | float | bool]:
        """Values of a column, the commonest first."""
        return [value for value, _ in self.values(table, column, most)]

    def values(self, table: Table, column: str, most: int) -> list[tuple[str | int | float | bool, int]]:
        """Values of a column and how many rows have each, the commonest first; what JSON has no form for as text.

        Raises `CatalogueError` for a column that is none.
        """
        columns = list(self.columns(table))
        if column not in columns:
            close = get_close_matches(column.lower(), columns, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(columns)}."
            raise CatalogueError(f"There is no column {column!r} of {table}; {hint}")
        quoted = column.replace('"', '""')
        with self._connection.cursor() as cursor:
            rows = cursor.execute(
                f'SELECT "{quoted}" AS value, count(*) FROM {table} WHERE value IS NOT NULL'
                f" GROUP BY value ORDER BY count(*) DESC, value LIMIT {int(most)}"
            ).fetchall()
        return [(value if isinstance(value, str | int | float | bool) else str(value), count) for value, count in rows]

    def items(self) -> Items:
        """All items."""
        if "items" not in self._kept:
            columns = self._arrays("SELECT * FROM items ORDER BY item")
            columns.pop("item")
            year = columns.pop("year")
            self._kept["items"] = Items(
                item_id=columns.pop("item_id").tolist(),
                title=columns.pop("title").tolist(),
                year=np.ma.filled(year, -1).astype(np.int16),
                popularity=columns.pop("popularity").astype(np.uint32),
                attributes={name: column.tolist() for name, column in columns.items()},
            )
        return self._kept["items"]

    def users(self) -> Users:
        """All users."""
        if "users" not in self._kept:
            columns = self._arrays('SELECT * FROM users ORDER BY "user"')
            columns.pop("user")
            self._kept["users"] = Users(
                user_id=columns.pop("user_id").tolist(),
                attributes={name: column.tolist() for name, column in columns.items()},
            )
        return self._kept["users"]

    def interactions(self, *folds: int) -> Interactions:
        """The interactions of `folds` (0 training, 1 validation, 2 test); of all when none is named."""
        chosen = ", ".join(str(int(fold)) for fold in folds or (0, 1, 2))
        columns = self._arrays(
            f'SELECT "user", item, weight FROM interactions WHERE fold IN ({chosen}) ORDER BY "user", item'
        )
        return Interactions(
            user=columns["user"].astype(np.int32),
            item=columns["item"].astype(np.int32),
            weight=columns["weight"].astype(np.float32),
        )

    def concepts(self) -> list[Concept]:
        """The concepts that the recipe defines, by name, then the analyst's own."""
        if "concepts" not in self._kept:
            with self._connection.cursor() as cursor:
                rows = cursor.execute(
                    "SELECT concept, kind, list(item ORDER BY item), list(support ORDER BY item) FROM concepts"
                    " GROUP BY concept, kind ORDER BY concept"
                ).fetchall()
            self._kept["concepts"] = [
                Concept(name, kind, np.array(items, np.int32), None if None in counts else np.array(counts, np.int32))
                for name, kind, items, counts in rows
            ]
            self._kept["concepts"] += [
                Concept(entry.name, "own", np.array(entry.members, np.int32)) for entry in self._current("concept")
            ]
        return self._kept["concepts"]

    def match_items(self, where: str) -> np.ndarray:
        """int32 numbers, ascending, of the items for which the SQL expression `where` is true.

        Raises `PredicateError`: it does not parse, does not fit the table, or asks for too much.
        """
        return self.match("items", where)

    def match_users(self, where: str) -> np.ndarray:
        """int32 numbers, ascending, of the users of the cohort `where`, or for which that SQL expression is true."""
        for cohort in self.cohorts():
            if cohort.name.lower() == where.strip().lower():
                return cohort.users
        try:
            return self.match("users", where)
        except PredicateError as error:
            if not re.fullmatch(r"[^\W\d][\w' -]*", where.strip()):
                raise
            name = where.strip()
            raise PredicateError(f"There is no cohort {name!r} in {self.name}, and as a condition: {error}") from error

    def match(self, table: Table, where: str) -> np.ndarray:
        """int32 numbers, ascending, of the rows of `table` for which the SQL expression `where` is true."""
        return matching(self._path, table, where)

    def values_told(self, table: Table, where: str) -> str:
        """What the columns that a condition names hold, " (age is text: ...)"; "" for a cohort's name, which has none.

        For the sentence on a condition that matches nothing.
        """
        try:
            told = values_told(self._path, table, where)
        except PredicateError:
            return ""  # a name, or nothing that could be read: what was said of it stands alone
        return f" ({told})" if told else ""

    def cohorts(self) -> list[Cohort]:
        """The analyst's own cohorts, in the order of adding."""
        return [Cohort(entry.name, entry.where, np.array(entry.members, np.int32)) for entry in self._current("cohort")]

    def evaluated(self, entry: named.Named) -> named.Named:
        """`entry` with the members that its condition has in this very catalogue."""
        numbers = self.match("items" if entry.kind == "concept" else "users", entry.where)
        return replace(entry, hash=self.hash, members=tuple(numbers.tolist()))

    def _current(self, kind: named.Kind) -> list[named.Named]:
        """What the analyst named; evaluated anew, and kept so, where it was named on other content."""
        entries = named.own(self.folder, kind)
        if all(entry.hash == self.hash for entry in entries):
            return entries
        renewed = []
        for entry in entries:
            try:
                renewed.append(entry if entry.hash == self.hash else self.evaluated(entry))
            except PredicateError as error:
                raise CatalogueError(
                    f"The {kind} {entry.name!r} of your own no longer fits {self.name}: {error} Remove it with "
                    f"`monoscope {kind}s {self.name} remove {entry.name!r}`, and name it anew."
                ) from error
        named.write(self.folder, [*renewed, *named.own(self.folder, "cohort" if kind == "concept" else "concept")])
        return renewed

    def _arrays(self, query: str) -> dict[str, np.ndarray]:
        with self._connection.cursor() as cursor:
            return cast(dict[str, np.ndarray], cursor.execute(query).fetchnumpy())


def datasets(home: Home) -> list[DatasetInfo]:
    """Every data set that is known, with what of it is here; opens no catalogue."""
    from engine.catalogue.recipes import recipes

    shipped = recipes()
    return [
        *(_info(home, known) for known in shipped.values()),
        *(_own_info(home, name) for name in _own(home, shipped)),
    ]


def _own(home: Home, shipped: Container[str]) -> list[str]:
    """The names of the data sets that were added."""
    return sorted(p.parent.name for p in home.datasets.glob("[!.]*/dataset.toml") if p.parent.name not in shipped)


def _not_here(home: Home, name: str) -> str:
    from engine.catalogue.recipes import recipes, unknown

    known = recipes()
    if name in known:
        return f"{known[name].title} is not here yet; fetch it with `monoscope datasets fetch {name}`."
    return unknown("data set", name, [*known, *_own(home, known)])


def _own_info(home: Home, name: str) -> DatasetInfo:
    from engine.catalogue.recipes import Recipe

    try:
        return _info(home, Recipe.read(home.dataset(name)))
    except CatalogueError:  # its owner may have changed dataset.toml; building it again says what is wrong
        size = _size(home.dataset(name))
        return DatasetInfo(name, name, "damaged", None, None, None, "your own data", size, False, None)


def _info(home: Home, known: "Recipe") -> DatasetInfo:
    folder = home.dataset(known.name)
    facts: dict[str, Any] = {}
    state: Literal["here", "not fetched", "damaged"] = "not fetched"
    if folder.is_dir():
        try:
            facts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            state = "here" if (folder / "catalogue.duckdb").is_file() else "damaged"
        except (OSError, ValueError):
            state = "damaged"
    return DatasetInfo(
        name=known.name,
        title=known.title,
        state=state,
        users=facts.get("n_users"),
        items=facts.get("n_items"),
        interactions=facts.get("n_interactions"),
        licence=known.licence,
        bytes=known.bytes if state == "not fetched" else _size(folder),
        simulated=known.simulated,
        source_notice=facts.get("source_notice"),
    )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
