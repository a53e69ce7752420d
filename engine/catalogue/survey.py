"""Looking at a user's files before they are loaded: which column is what, and every row that does not fit."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.catalogue.guess import COUNTS, NONE, Columns, choose, choose_key, squeezed
from engine.catalogue.own_recipe import TRAILING_YEAR, Plan, Rows, Things
from engine.catalogue.user_files import Column, Table, counted, read, sample, stage
from engine.errors import CatalogueError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FLOATS = ("FLOAT", "DOUBLE", "DECIMAL")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_AS_TEXT = ("VARCHAR", "ENUM", "UUID", "DATE", "TIME", "UBIGINT", "HUGEINT", "UHUGEINT")
_TAKEN = {"item", "item_id", "title", "year", "popularity", "user", "user_id", "fold", "weight"}
_EPOCHS = (
    (1e11, 1e6, "seconds"),
    (1e14, 1e3, "milliseconds"),
    (1e17, 1.0, "microseconds"),
    (1e20, 1e-3, "nanoseconds"),
)
"""Largest number, microseconds in one unit, and its name."""


class Survey:
    """Reads the files once and notes what it decides; `plan` says what is to be loaded."""

    def __init__(
        self, connection: "DuckDBPyConnection", columns: Columns, *, allow_missing: bool, min_rating: float | None
    ) -> None:
        self._connection, self._columns = connection, columns
        self._allow_missing, self._min_rating = allow_missing, min_rating
        self.notes: list[str] = []
        self.guessed: dict[str, dict[str, str]] = {}
        self.item_column: Column | None = None
        self.rows_read = 0
        self.below_min_rating = 0
        self.below_samples: list[list[str]] = []

    def plan(self, interactions: Path | None, items: Path | None, users: Path | None) -> Plan:
        """What is to be loaded from where; `CatalogueError` for what does not fit."""
        tables = {}
        for role, path in (("interactions", interactions), ("items", items), ("users", users)):
            if path is not None:
                tables[role] = read(self._connection, path)
                self.notes += tables[role].notes
                if role != "interactions":
                    tables[role] = stage(self._connection, tables[role], role, tables[role].columns)
        pair: tuple[Column, Column] | None = None
        rows = None
        if "interactions" in tables:
            rows, pair = self._rows(tables["interactions"])
        elif self._min_rating is not None:
            raise CatalogueError("--min-rating needs a file of --interactions with a column of ratings.")
        item_things = self._items(tables["items"], pair) if "items" in tables else None
        user_things = self._users(tables["users"], pair) if "users" in tables else None
        if rows is not None:
            if item_things is None:
                self.notes.append("there is no file of items, so their ids serve as titles and there are no tags")
            self._check_match("item", rows, item_things)
            self._check_match("user", rows, user_things)
        else:
            self.notes.append("there are no interactions: nothing can be trained on it, but vectors can be adopted")
        return Plan(rows, item_things, user_things, self._allow_missing)

    # -- interactions

    def _rows(self, table: Table) -> tuple[Rows, tuple[Column, Column]]:
        user = choose(table, "user", self._columns, required=True)
        item = choose(table, "item", self._columns, required=True)
        assert user is not None
        assert item is not None
        if user == item:
            raise CatalogueError(f"{table.path.name}: {user.name} cannot be both the user and the item.")
        self.item_column = item
        weight = choose(table, "weight", self._columns, required=False)
        moment = choose(table, "time", self._columns, required=False)
        self._guessed("interactions", {"user": user, "item": item, "weight": weight, "time": moment}, table)
        chosen = {user.name: user, item.name: item, **{c.name: c for c in (weight, moment) if c is not None}}
        table = stage(self._connection, table, "interactions", list(chosen.values()))
        user_id, item_id = self._id(table, user), self._id(table, item)
        for column, key in ((user, user_id), (item, item_id)):
            self._refuse(table, f"{key} IS NULL", f"{column.name} is empty")
        for column, key in ((user, user_id), (item, item_id)):
            (one, least) = self._one(f"SELECT min({key}) = max({key}), min({key}) FROM {table.here}")
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
        self._refuse(
            table,
            f"{number} IS NULL OR NOT isfinite({number}) OR abs({number}) > 3e38",
            f"{column.name} is {{0}}, which is no number; {out}",
            column.sql,
        )
        return number

    def _below(self, rows: Rows, column: Column | None) -> None:
        least, most, distinct, halves = self._one(
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
        (self.below_min_rating,) = self._one(f"SELECT count(*) FROM {rows.table.here} WHERE {where}")
        if self.below_min_rating == rows.table.rows:
            assert column is not None
            raise CatalogueError(
                f"{rows.table.path.name}: no interaction has {column.name} >= {self._min_rating:g}; they go from "
                f"{least:g} to {most:g}."
            )
        found = self._all(
            f"SELECT {rows.user}, {rows.item}, {rows.weight} FROM {rows.table.here} WHERE {where} LIMIT 5"
        )
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
        filled, numbers, largest = self._one(
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
        self._refuse(
            table,
            f"{text} IS NOT NULL AND ({iso}) IS NULL",
            f"{column.name} is {{0}}, which is no time; write seconds since 1970 or 2003-02-28 17:00:00, or leave the "
            "column out with --time-column none",
            column.sql,
        )
        return iso

    # -- items and users

    def _items(self, table: Table, pair: tuple[Column, Column] | None) -> Things:
        key = choose_key(table, "item", self._columns, pair[1] if pair else None)
        self.item_column = self.item_column or key
        title = choose(table, "title", self._columns, required=False)
        year = choose(table, "year", self._columns, required=False)
        tags = choose(table, "tags", self._columns, required=False)
        self._guessed("items", {"item": key, "title": title, "year": year, "tags": tags}, table, all_used=True)
        item_id = self._key(table, key, "item")
        title_sql = "NULL"
        if title is None:
            have = ", ".join(column.name for column in table.columns)
            self.notes.append(f"no column of {table.path.name} ({have}) is a title, so ids serve; see --title-column")
        else:
            title_sql = self._text(table, title)
            (untitled,) = self._one(f"SELECT count(*) FROM {table.here} WHERE {title_sql} IS NULL")
            if untitled:
                self.notes.append(f"{counted(untitled, 'item')} without a title: ids serve")
        year_sql, title_sql = self._year(table, year, title_sql)
        attributes = self._attributes(table, {key, title, year, tags})
        name = None
        if tags is not None:
            name = _safe(tags.name, {*_TAKEN, *attributes}, self._reserved())
            attributes = {name: self._tags(table, tags), **attributes}
        return Things(table, item_id, title_sql, year_sql, name, attributes)

    def _users(self, table: Table, pair: tuple[Column, Column] | None) -> Things:
        key = choose_key(table, "user", self._columns, pair[0] if pair else None)
        self._guessed("users", {"user": key}, table, all_used=True)
        return Things(table, self._key(table, key, "user"), attributes=self._attributes(table, {key}))

    def _key(self, table: Table, column: Column, role: str) -> str:
        key = self._id(table, column)
        self._refuse(table, f"{key} IS NULL", f"{column.name} is empty")
        again = self._all(
            f"SELECT key, n FROM (SELECT {key} AS key, row_number() OVER () AS n FROM {table.here})"
            " QUALIFY row_number() OVER (PARTITION BY key ORDER BY n) = 2 ORDER BY n LIMIT 1"
        )
        if again:
            raise CatalogueError(
                f"{table.path.name}, row {again[0][1]}: {role} {again[0][0]!r} stands there for the second time; "
                f"keep one row for each {role}."
            )
        return key

    def _year(self, table: Table, column: Column | None, title: str) -> tuple[str, str]:
        """SQL of the year and of the title, which loses a year at its end if the year is read from there."""
        if column is not None:
            text = column.text
            year = rf"nullif(TRY_CAST(regexp_extract({text}, '^(\d{{4}})(\D|$)', 1) AS SMALLINT), 0)"
            (unread,) = self._one(f"SELECT count(*) FROM {table.here} WHERE {text} IS NOT NULL AND {year} IS NULL")
            if unread:
                self.notes.append(f"{counted(unread, 'value')} of {column.name} are no year of four digits: unknown")
            return year, title
        if title == "NULL" or self._columns.year == NONE:
            return "NULL", title
        year = f"TRY_CAST(regexp_extract({title}, '{TRAILING_YEAR}', 1) AS SMALLINT)"
        (dated,) = self._one(f"SELECT count(*) FROM {table.here} WHERE {year} IS NOT NULL")
        if not dated:
            return "NULL", title
        self.notes.append(f"{dated:,} of {table.rows:,} titles end with a year in brackets, which is read as the year")
        return year, f"regexp_replace({title}, '{TRAILING_YEAR}', '')"

    def _tags(self, table: Table, column: Column) -> str:
        """SQL of the tags with `|` between them."""
        if column.kind.endswith("[]"):
            parts = f"list_transform({column.sql}::VARCHAR[], lambda t: replace(t, '|', '/'))"
            return _joined(parts)
        text = column.text
        if column.sequence:
            return _joined(f"string_split({text}, ' ')")
        filled, bars, commas, semicolons, lists = self._one(
            f"SELECT count(*) FILTER ({text} <> ''), count(*) FILTER (contains({text}, '|')),"
            f" count(*) FILTER (contains({text}, ',')), count(*) FILTER (contains({text}, ';')),"
            f" count(*) FILTER (starts_with({text}, '[') AND ends_with({text}, ']')) FROM {table.here}"
        )
        if filled and lists == filled:
            self.notes.append(f"{column.name} is read as lists in square brackets")
            return _joined(f"string_split(trim({text}, '[]'), ',')", " ''\"")
        mark = "|" if bars else "," if commas else ";" if semicolons else "|"
        if filled:
            self.notes.append(f"{column.name} is split at {mark!r}")
        return _joined(f"string_split({text}, '{mark}')")

    def _attributes(self, table: Table, used: set[Column | None]) -> dict[str, str]:
        """SQL-safe name to SQL of every other column that holds one value a row."""
        found: dict[str, str] = {}
        left: list[str] = []
        for column in table.columns:
            if column in used:
                continue
            expression = self._attribute(table, column)
            if expression is None:
                left.append(column.name)
            else:
                found[_safe(column.name, {*_TAKEN, *found}, self._reserved())] = expression
        if left:
            self.notes.append(f"{table.path.name}: {', '.join(left)} left out (empty, or lists and objects)")
        return found

    def _attribute(self, table: Table, column: Column) -> str | None:
        kind = column.kind.split("(")[0]
        if column.kind.endswith("]"):
            return None
        if kind == "BOOLEAN":
            return column.sql
        if kind in _WHOLE:
            return f"{column.sql}::BIGINT"
        if kind in _FLOATS:
            return f"CASE WHEN isfinite({column.sql}::DOUBLE) THEN {column.sql}::DOUBLE END"
        if kind not in _AS_TEXT and not kind.startswith("TIMESTAMP"):
            return None
        text = column.text
        if kind != "VARCHAR":
            return text
        # A leading zero makes it a code, not a number.
        filled, whole, number, truth = self._one(
            f"SELECT count({text}), bool_and(regexp_full_match({text}, '-?(0|[1-9]\\d{{0,17}})')),"
            f" bool_and(regexp_full_match({text}, '-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d{{1,2}})?')),"
            f" bool_and(lower({text}) IN ('true', 'false')) FROM {table.here}"
        )
        if not filled:
            return None
        cast = "BIGINT" if whole else "DOUBLE" if number else "BOOLEAN" if truth else None
        return text if cast is None else f"{text}::{cast}"

    # -- what goes with what

    def _check_match(self, role: Literal["item", "user"], rows: Rows, things: Things | None) -> None:
        if things is None:
            return
        kept = f"WHERE {rows.weight} >= {self._min_rating!r}" if self._min_rating is not None else ""
        key = getattr(rows, role)
        query = (
            f"FROM (SELECT {key} AS key, count(*) AS n FROM {rows.table.here} {kept} GROUP BY ALL)"
            f" ANTI JOIN (SELECT {things.key} AS key FROM {things.table.here}) USING (key)"
        )
        missing, concerned = self._one(f"SELECT count(*), coalesce(sum(n), 0) {query}")
        if not missing:
            return
        names = [name for (name,) in self._all(f"SELECT key {query} ORDER BY n DESC, key LIMIT 4")]
        (all_of_them,) = self._one(f"SELECT count(DISTINCT {key}) FROM {rows.table.here} {kept}")
        ours, theirs = rows.table.path.name, things.table.path.name
        if missing == all_of_them:
            there = [name for (name,) in self._all(f"SELECT {things.key} FROM {things.table.here} LIMIT 4")]
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
        found = self._all(
            f"SELECT {rows.user} AS u, {rows.item} AS i, count(*) AS n FROM {rows.table.here} {kept}"
            " GROUP BY u, i HAVING n > 1 ORDER BY n DESC, u, i LIMIT 5"
        )
        return [[str(value) for value in row] for row in found]

    # -- small things

    def _id(self, table: Table, column: Column) -> str:
        """SQL of an id as text, NULL where there is none; whole numbers that were stored as floats lose their ".0"."""
        kind = column.kind.split("(")[0]
        if column.kind.endswith("]") or kind in ("STRUCT", "MAP", "BLOB", "UNION"):
            raise CatalogueError(f"{table.path.name}: {column.name} holds {kind.lower()}s or lists and can be no id.")
        if kind not in _FLOATS:
            return column.text
        (whole,) = self._one(
            f"SELECT bool_and({column.sql} = floor({column.sql})) FROM {table.here}"
            f" WHERE isfinite({column.sql}::DOUBLE)"
        )
        as_text = f"{column.sql}::HUGEINT::VARCHAR" if whole else f"{column.sql}::VARCHAR"
        return f"CASE WHEN isfinite({column.sql}::DOUBLE) THEN {as_text} END"

    def _text(self, table: Table, column: Column) -> str:
        if column.kind.endswith("]") or column.kind.startswith(("STRUCT", "MAP")):
            raise CatalogueError(f"{table.path.name}: {column.name} holds lists or objects and can be no title.")
        return column.text

    def _refuse(self, table: Table, where: str, what: str, value: str = "NULL") -> None:
        """`CatalogueError` naming the first row for which `where` is true."""
        if not self._one(f"SELECT count(*) FROM {table.here} WHERE {where}")[0]:
            return
        row, found = self._one(
            f"SELECT n, shown FROM (SELECT row_number() OVER () AS n, {value} AS shown, {where} AS bad"
            f" FROM {table.here}) WHERE bad ORDER BY n LIMIT 1"
        )
        shown = "empty" if found is None else repr(found)
        raise CatalogueError(f"{table.path.name}, row {row} after the header: {what.format(shown)}.")

    def _guessed(self, file: str, chosen: dict[str, Column | None], table: Table, *, all_used: bool = False) -> None:
        self.guessed[file] = {role: column.name for role, column in chosen.items() if column is not None}
        unused = [column.name for column in table.columns if column not in chosen.values()]
        if unused and not all_used:
            self.notes.append(f"{table.path.name}: {', '.join(unused)} not used")

    def _reserved(self) -> set[str]:
        return {
            word
            for (word,) in self._all("SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'")
        }

    def _one(self, query: str) -> tuple[Any, ...]:
        return self._all(query)[0]

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()


def _joined(parts: str, trimmed: str = " ") -> str:
    clean = f"list_filter(list_transform({parts}, lambda t: trim(t, '{trimmed}')), lambda t: t <> '')"
    return f"array_to_string({clean}, '|')"


def _safe(name: str, taken: set[str], reserved: set[str]) -> str:
    """`name` as a column that SQL takes without quotes and that is not there yet."""
    safe = re.sub(r"\W+", "_", name.lower()).strip("_") or "column"
    if safe[0].isdigit() or safe in reserved or safe in _TAKEN:
        safe = f"_{safe}" if safe[0].isdigit() else f"{safe}_"
    unique, number = safe, 2
    while unique in taken:
        unique, number = f"{safe}_{number}", number + 1
    return unique
