"""What the columns that a condition names hold, in words: "age is text: '18-24', '25-34'"."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS_TOLD, ALL_SHOWN, SOME_SHOWN, CELLS_OF_VALUE = 3, 12, 5, 30
"""How many columns are told; how many values of one, where there are no more; how many of more; how long each."""
_NUMBERS = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*")


def told(connection: "DuckDBPyConnection", table: str, parts: Iterable[Mapping[str, Any]]) -> str:
    """A sentence's part on each of the first columns of `table` that the `parts` of a parsed condition name.

    Of many texts those come first that hold one of the condition's. "" where it names no column.
    """
    parts = list(parts)
    kinds = {name: kind for name, kind, *_ in connection.execute(f'DESCRIBE "{table}"').fetchall()}
    by_name = {name.casefold(): name for name in kinds}
    references = sorted(
        (part for part in parts if part.get("class") == "COLUMN_REF"), key=lambda part: part.get("query_location", 0)
    )
    written = [str(part["column_names"][-1]).casefold() for part in references]
    found = list(dict.fromkeys(by_name[name] for name in written if name in by_name))[:COLUMNS_TOLD]
    texts = [str(part["text"]) for part in parts if part.get("kind") == "STRING" and part.get("text")]
    return "; ".join(_column(connection, table, name, kinds[name], texts) for name in found)


def _column(connection: "DuckDBPyConnection", table: str, name: str, kind: str, texts: Sequence[str]) -> str:
    quoted = name.replace('"', '""')
    if _NUMBERS.fullmatch(kind):
        least, most = _row(connection, f'SELECT min("{quoted}"), max("{quoted}") FROM "{table}"')
        return f"{name} is unknown everywhere" if least is None else f"{name} is a number, from {least} to {most}"
    if kind != "VARCHAR":
        return f"{name} is {kind}"
    (count,) = _row(connection, f'SELECT count(DISTINCT "{quoted}") FROM "{table}"')
    if not count:
        return f"{name} is unknown everywhere"
    few = count <= ALL_SHOWN
    if few:
        texts, order, most = [], "value", ALL_SHOWN
    else:
        holds = " OR ".join(["contains(lower(value), lower(?))"] * len(texts))
        order, most = f"{f'({holds}) DESC, ' if texts else ''}count(*) DESC, value", SOME_SHOWN
    rows = connection.execute(
        f'SELECT "{quoted}" AS value FROM "{table}" WHERE value IS NOT NULL GROUP BY value '
        f"ORDER BY {order} LIMIT {most}",
        texts,
    ).fetchall()
    values = ", ".join(_quoted(str(value)) for (value,) in rows)
    return f"{name} is text: {values}" if few else f"{name} is text: {values} and {count - SOME_SHOWN:,} more"


def _quoted(value: str) -> str:
    short = value if len(value) <= CELLS_OF_VALUE else value[: CELLS_OF_VALUE - 1] + "…"
    return "'" + short.replace("'", "''") + "'"


def _row(connection: "DuckDBPyConnection", query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row
