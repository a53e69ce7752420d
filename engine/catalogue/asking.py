"""Asking a user's file: what a query answers, which row is the first that does not fit, what an id is as text."""

from typing import TYPE_CHECKING, Any

from engine.catalogue.guess import Columns
from engine.catalogue.user_files import Column, Table
from engine.errors import CatalogueError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FLOATS = ("FLOAT", "DOUBLE", "DECIMAL")


class Asker:
    """A connection to ask, the columns that the user named, and what is decided on the way."""

    def __init__(self, connection: "DuckDBPyConnection", columns: Columns) -> None:
        self.connection, self.columns = connection, columns
        self.notes: list[str] = []
        self.guessed: dict[str, dict[str, str]] = {}

    def one(self, query: str) -> tuple[Any, ...]:
        return self.all(query)[0]

    def all(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def id_of(self, table: Table, column: Column) -> str:
        """SQL of an id as text, NULL where there is none; whole numbers that were stored as floats lose their ".0"."""
        kind = column.kind.split("(")[0]
        if column.kind.endswith("]") or kind in ("STRUCT", "MAP", "BLOB", "UNION"):
            raise CatalogueError(f"{table.path.name}: {column.name} holds {kind.lower()}s or lists and can be no id.")
        if kind not in FLOATS:
            return column.text
        (whole,) = self.one(
            f"SELECT bool_and({column.sql} = floor({column.sql})) FROM {table.here}"
            f" WHERE isfinite({column.sql}::DOUBLE)"
        )
        as_text = f"{column.sql}::HUGEINT::VARCHAR" if whole else f"{column.sql}::VARCHAR"
        return f"CASE WHEN isfinite({column.sql}::DOUBLE) THEN {as_text} END"

    def _text(self, table: Table, column: Column) -> str:
        if column.kind.endswith("]") or column.kind.startswith(("STRUCT", "MAP")):
            raise CatalogueError(f"{table.path.name}: {column.name} holds lists or objects and can be no title.")
        return column.text

    def refuse(self, table: Table, where: str, what: str, value: str = "NULL") -> None:
        """`CatalogueError` naming the first row for which `where` is true."""
        if not self.one(f"SELECT count(*) FROM {table.here} WHERE {where}")[0]:
            return
        row, found = self.one(
            f"SELECT n, shown FROM (SELECT row_number() OVER () AS n, {value} AS shown, {where} AS bad"
            f" FROM {table.here}) WHERE bad ORDER BY n LIMIT 1"
        )
        shown = "empty" if found is None else repr(found)
        raise CatalogueError(f"{table.path.name}, row {row} after the header: {what.format(shown)}.")

    def record(self, file: str, chosen: dict[str, Column | None], table: Table, *, all_used: bool = False) -> None:
        self.guessed[file] = {role: column.name for role, column in chosen.items() if column is not None}
        unused = [column.name for column in table.columns if column not in chosen.values()]
        if unused and not all_used:
            self.notes.append(f"{table.path.name}: {', '.join(unused)} not used")
