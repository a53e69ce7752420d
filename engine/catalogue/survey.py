"""The user's files before they are loaded: the interactions, what goes with what, and the plan that comes of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.catalogue.guess import COUNTS, Columns, choose, squeezed
from engine.catalogue.own_recipe import Plan, Rows, Things
from engine.catalogue.survey_things import ThingSurvey
from engine.catalogue.user_files import Column, Table, read, sample, stage
from engine.errors import CatalogueError
from engine.text import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_EPOCHS = (
    (1e11, 1e6, "seconds"),
    (1e14, 1e3, "milliseconds"),
    (1e17, 1.0, "microseconds"),
    (1e20, 1e-3, "nanoseconds"),
)
"""Largest number, microseconds in one unit, and its name."""


class Survey(ThingSurvey):
    """Reads the files once and notes what it decides; `plan` says what is to be loaded."""

    def __init__(
        self, connection: "DuckDBPyConnection", columns: Columns, *, allow_missing: bool, min_rating: float | None
    ) -> None:
        super().__init__(connection, columns)
        self._allow_missing, self._min_rating = allow_missing, min_rating
        self.rows_read = 0
        self.below_min_rating = 0
        self.below_samples: list[list[str]] = []

    def plan(self, interactions: Path | None, items: Path | None, users: Path | None) -> Plan:
        """What is to be loaded from where; `CatalogueError` for what does not fit."""
        tables = {}
        for role, path in (("interactions", interactions), ("items", items), ("users", users)):
            if path is not None:
                tables[role] = read(self.connection, path)
                self.notes += tables[role].notes
                if role != "interactions":
                    tables[role] = stage(self.connection, tables[role], role, tables[role].columns)
        pair: tuple[Column, Column] | None = None
        rows = None
        if "interactions" in tables:
            rows, pair = self._rows(tables["interactions"])
        elif self._min_rating is not None:
            raise CatalogueError("--min-rating needs a file of --interactions with a column of ratings.")
        item_things = self.items(tables["items"], pair) if "items" in tables else None
        user_things = self.users(tables["users"], pair) if "users" in tables else None
        if rows is not None:
            if item_things is None:
                self.notes.append("there is no file of items, so their ids serve as titles and there are no tags")
            self._check_match("item", rows, item_things)
            self._check_match("user", rows, user_things)
        else:
            self.notes.append("there are no interactions: nothing can be trained on it, but vectors can be adopted")
            if user_things is None:
                self.notes.append(
                    "there are no users either: give --users, a file of their ids, before adopting vectors"
                )
        return Plan(rows, item_things, user_things, self._allow_missing)

    def _rows(self, table: Table) -> tuple[Rows, tuple[Column, Column]]:
        user = choose(table, "user", self.columns, required=True)
        item = choose(table, "item", self.columns, required=True)
        assert user is not None
        assert item is not None
        if user == item:
            raise CatalogueError(f"{table.path.name}: {user.name} cannot be both the user and the item.")
        weight = choose(table, "weight", self.columns, required=False)
        moment = choose(table, "time", self.columns, required=False)
        self.record("interactions", {"user": user, "item": item, "weight": weight, "time": moment}, table)
        chosen = {user.name: user, item.name: item, **{c.name: c for c in (weight, moment) if c is not None}}
        table = stage(self.connection, table, "interactions", list(chosen.values()))
        user_id, item_id = self.id_of(table, user), self.id_of(table, item)
        for column, key in ((user, user_id), (item, item_id)):
            self.refuse(table, f"{key} IS NULL", f"{column.name} is empty")
        for column, key in ((user, user_id), (item, item_id)):
            (one, least) = self.one(f"SELECT min({key}) = max({key}), min({key}) FROM {table.here}")
            if one and table.rows > 1:
                role = "user" if column is user else "item"
                raise CatalogueError(
                    f"{table.path.name}: all {table.rows:,} rows have the same {role} ({column.name} is {least!r}); "
                    f"if that is the wrong column, name the right one with --{role}-column."
                )
        number = self._weight(table, weight)
        self.rows_read = table.rows
        rows = Rows(table, user_id, item_id, number, self._time(table, moment), self._min_rating)
        self._below(rows, weight)
        return rows, (user, item)

    def _weight(self, table: Table, column: Column | None) -> str:
        if column is None:
            if self._min_rating is not None:
                raise CatalogueError(
                    f"{table.path.name}: --min-rating needs a column of ratings; name it with --weight-column."
                )
            self.notes.append("there is no column of weights, so every interaction weighs 1")
            return "1"
        number = f"TRY_CAST({column.sql} AS DOUBLE)"
        out = "mend the row, or leave the column out with --weight-column none"
        self.refuse(
            table,
            f"{number} IS NULL OR NOT isfinite({number}) OR abs({number}) > 3e38",
            f"{column.name} is {{0}}, which is no number; {out}",
            column.sql,
        )
        return number

    def _below(self, rows: Rows, column: Column | None) -> None:
        least, most, distinct, halves = self.one(
            f"SELECT min({rows.weight}), max({rows.weight}), count(DISTINCT {rows.weight}),"
            f" bool_and({rows.weight} * 2 = floor({rows.weight} * 2)) FROM {rows.table.here}"
        )
        if self._min_rating is None:
            scale = distinct > 1 and distinct <= 21 and least >= 0 and most <= 10 and halves
            if column is not None and scale and squeezed(column.name) not in COUNTS:
                self.notes.append(
                    f"{column.name} looks like ratings from {least:g} to {most:g}: every rating counts as a positive, "
                    f"{least:g} too; --min-rating {round(0.8 * most * 2) / 2:g} keeps the likes"
                )
            return
        where = f"{rows.weight} < {self._min_rating!r}"
        (self.below_min_rating,) = self.one(f"SELECT count(*) FROM {rows.table.here} WHERE {where}")
        if self.below_min_rating == rows.table.rows:
            assert column is not None
            raise CatalogueError(
                f"{rows.table.path.name}: no interaction has {column.name} >= {self._min_rating:g}; they go from "
                f"{least:g} to {most:g}."
            )
        found = self.all(f"SELECT {rows.user}, {rows.item}, {rows.weight} FROM {rows.table.here} WHERE {where} LIMIT 5")
        self.below_samples = [[str(value) for value in row] for row in found]
        self.notes.append(
            f"{counted(self.below_min_rating, 'row')} of {rows.table.rows:,} below {self._min_rating:g} left out"
        )

    def _time(self, table: Table, column: Column | None) -> str:
        none = "NULL::TIMESTAMP"
        if column is None:
            return none
        if column.kind.startswith(("TIMESTAMP WITH", "TIMESTAMPTZ")):
            return f"make_timestamp(epoch_us({column.sql}))"
        if column.kind.startswith(("TIMESTAMP", "DATE")):
            return f"{column.sql}::TIMESTAMP"
        text = column.text
        number = f"TRY_CAST({text} AS DOUBLE)"
        filled, numbers, largest = self.one(
            f"SELECT count({text}), count({number}), max(abs({number})) FROM {table.here}"
        )
        if not filled:
            return none
        if numbers == filled:
            unit = next(((scale, name) for limit, scale, name in _EPOCHS if largest < limit), None)
            if unit is not None:
                self.notes.append(f"{column.name} is read as {unit[1]} since 1970")
                return f"make_timestamp(CAST({number} * {unit[0]!r} AS BIGINT))"
        # A cast to TIMESTAMP passes over an offset; one to TIMESTAMPTZ takes this machine's zone where none is given.
        zoned = rf"regexp_matches({text}, ':\d\d.*[+-]\d\d(:?\d\d)?$')"
        iso = (
            f"CASE WHEN {zoned} THEN make_timestamp(epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)))"
            f" ELSE TRY_CAST({text} AS TIMESTAMP) END"
        )
        self.refuse(
            table,
            f"{text} IS NOT NULL AND ({iso}) IS NULL",
            f"{column.name} is {{0}}, which is no time; write seconds since 1970 or 2003-02-28 17:00:00, or leave the "
            "column out with --time-column none",
            column.sql,
        )
        return iso

    def _check_match(self, role: Literal["item", "user"], rows: Rows, things: Things | None) -> None:
        if things is None:
            return
        kept = f"WHERE {rows.weight} >= {self._min_rating!r}" if self._min_rating is not None else ""
        key = getattr(rows, role)
        query = (
            f"FROM (SELECT {key} AS key, count(*) AS n FROM {rows.table.here} {kept} GROUP BY ALL)"
            f" ANTI JOIN (SELECT {things.key} AS key FROM {things.table.here}) USING (key)"
        )
        missing, concerned = self.one(f"SELECT count(*), coalesce(sum(n), 0) {query}")
        if not missing:
            return
        names = [name for (name,) in self.all(f"SELECT key {query} ORDER BY n DESC, key LIMIT 4")]
        (all_of_them,) = self.one(f"SELECT count(DISTINCT {key}) FROM {rows.table.here} {kept}")
        ours, theirs = rows.table.path.name, things.table.path.name
        if missing == all_of_them:
            there = [name for (name,) in self.all(f"SELECT {things.key} FROM {things.table.here} LIMIT 4")]
            raise CatalogueError(
                f"No {role} of {ours} is in {theirs}: here ids are like {sample(names)}, there like {sample(there)}; "
                f"if the column is the wrong one, name the right one with --{role}-column."
            )
        verb = "is" if missing == 1 else "are"
        rows_said = counted(int(concerned), "interaction")
        said = f"{counted(missing, role)} of {ours} ({sample(names)}; {rows_said}) {verb} not in {theirs}"
        if not self._allow_missing:
            raise CatalogueError(f"{said}; mend the files, or add --allow-missing to go on with the ids alone.")
        self.notes.append(f"{said}" + ("; their ids serve as titles" if role == "item" else ""))

    def repeated_samples(self, rows: Rows) -> list[list[str]]:
        """A few pairs of user and item that stand in the file more than once, with how often."""
        kept = f"WHERE {rows.weight} >= {self._min_rating!r}" if self._min_rating is not None else ""
        found = self.all(
            f"SELECT {rows.user} AS u, {rows.item} AS i, count(*) AS n FROM {rows.table.here} {kept}"
            " GROUP BY u, i HAVING n > 1 ORDER BY n DESC, u, i LIMIT 5"
        )
        return [[str(value) for value in row] for row in found]
