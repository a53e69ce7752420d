"""The files of items and of users: titles, years, tags, and every other column as an attribute."""

import re

from engine.catalogue.asking import FLOATS, Asker
from engine.catalogue.guess import NONE, choose, choose_key
from engine.catalogue.own_recipe import TRAILING_YEAR, Things
from engine.catalogue.user_files import Column, Table
from engine.errors import CatalogueError
from engine.text import counted

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_AS_TEXT = ("VARCHAR", "ENUM", "UUID", "DATE", "TIME", "UBIGINT", "HUGEINT", "UHUGEINT")
_TAKEN = {"item", "item_id", "title", "year", "popularity", "user", "user_id", "fold", "weight"}


class ThingSurvey(Asker):
    """What is read from the files of items and users."""

    def items(self, table: Table, pair: tuple[Column, Column] | None) -> Things:
        key = choose_key(table, "item", self.columns, pair[1] if pair else None)
        title = choose(table, "title", self.columns, required=False)
        year = choose(table, "year", self.columns, required=False)
        tags = choose(table, "tags", self.columns, required=False)
        self.record("items", {"item": key, "title": title, "year": year, "tags": tags}, table, all_used=True)
        item_id = self._key(table, key, "item")
        title_sql = "NULL"
        if title is None:
            have = ", ".join(column.name for column in table.columns)
            self.notes.append(f"no column of {table.path.name} ({have}) is a title, so ids serve; see --title-column")
        else:
            title_sql = self._text(table, title)
            (untitled,) = self.one(f"SELECT count(*) FROM {table.here} WHERE {title_sql} IS NULL")
            (odd,) = self.one(rf"SELECT count(*) FROM {table.here} WHERE regexp_matches({title_sql}, '[[:cntrl:]]')")
            if odd:
                self.notes.append(f"{counted(odd, 'title')} with control characters or line ends: they become spaces")
            if untitled:
                self.notes.append(f"{counted(untitled, 'item')} without a title: ids serve")
        year_sql, title_sql = self._year(table, year, title_sql)
        attributes = self._attributes(table, {key, title, year, tags})
        name = None
        if tags is not None:
            name = _safe(tags.name, {*_TAKEN, *attributes}, self._reserved())
            attributes = {name: self._tags(table, tags), **attributes}
        return Things(table, item_id, title_sql, year_sql, name, attributes)

    def users(self, table: Table, pair: tuple[Column, Column] | None) -> Things:
        key = choose_key(table, "user", self.columns, pair[0] if pair else None)
        self.record("users", {"user": key}, table, all_used=True)
        return Things(table, self._key(table, key, "user"), attributes=self._attributes(table, {key}))

    def _key(self, table: Table, column: Column, role: str) -> str:
        key = self.id_of(table, column)
        self.refuse(table, f"{key} IS NULL", f"{column.name} is empty")
        again = self.all(
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
            (unread,) = self.one(f"SELECT count(*) FROM {table.here} WHERE {text} IS NOT NULL AND {year} IS NULL")
            if unread:
                self.notes.append(f"{counted(unread, 'value')} of {column.name} are no year of four digits: unknown")
            return year, title
        if title == "NULL" or self.columns.year == NONE:
            return "NULL", title
        year = f"TRY_CAST(regexp_extract({title}, '{TRAILING_YEAR}', 1) AS SMALLINT)"
        (dated,) = self.one(f"SELECT count(*) FROM {table.here} WHERE {year} IS NOT NULL")
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
        filled, bars, commas, semicolons, lists = self.one(
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
        if kind in FLOATS:
            return f"CASE WHEN isfinite({column.sql}::DOUBLE) THEN {column.sql}::DOUBLE END"
        if kind not in _AS_TEXT and not kind.startswith("TIMESTAMP"):
            return None
        text = column.text
        if kind != "VARCHAR":
            return text
        # A leading zero makes it a code, not a number.
        filled, whole, number, truth = self.one(
            f"SELECT count({text}), bool_and(regexp_full_match({text}, '-?(0|[1-9]\\d{{0,17}})')),"
            f" bool_and(regexp_full_match({text}, '-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d{{1,2}})?')),"
            f" bool_and(lower({text}) IN ('true', 'false')) FROM {table.here}"
        )
        if not filled:
            return None
        cast = "BIGINT" if whole else "DOUBLE" if number else "BOOLEAN" if truth else None
        return text if cast is None else f"{text}::{cast}"

    def _reserved(self) -> set[str]:
        return {
            word
            for (word,) in self.all("SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'")
        }


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
