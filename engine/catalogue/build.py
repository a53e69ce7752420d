"""From raw files to catalogue.duckdb: a recipe's load.sql and concepts.sql, numbering, split, popularity, hash.

load.sql finds the raw folder in `getvariable('raw')` (with the slash at its end) and creates the tables
    staged_items(item_id, title, year, <item_attributes>)
    staged_users(user_id, <user_attributes>)
    staged_interactions(user_id, item_id, weight, time)
An interaction that is staged twice counts once, with its largest weight and its latest time; a time that is the
same everywhere is no time (NULL). A user's held-out items are those whose md5 of user, item and seed comes first.
concepts.sql sees the finished `items`, `users` and `interactions` and fills
    staged_concepts(concept, kind, item, support), support being how many stand behind it (NULL: it is no count).
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.catalogue.catalogue import FORMAT
from engine.catalogue.predicate import Config
from engine.catalogue.recipes import Recipe
from engine.errors import CatalogueError
from engine.progress import Progress
from engine.text import plain

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SPLIT_SEED = 0
HELD_OUT_FROM = 12
"""A user with fewer interactions keeps them all for training."""
TEST_ITEMS, VALIDATION_ITEMS = 5, 1


@dataclass(frozen=True)
class Source:
    """Where the raw files came from: `notice` says what a reader of results must know of it."""

    kind: str
    """download, archive, folder or simulated"""
    md5: str | None = None
    notice: str | None = None


def build(recipe: Recipe, raw: Path, target: Path, source: Source, progress: Progress) -> dict[str, Any]:
    """Build the file `target` from the raw files in `raw`; returns what its `meta` table says.

    Raises `CatalogueError` naming file and row when a raw file does not fit. The caller sees to it that a
    `target` that is not complete does not stay.
    """
    import duckdb
    from duckdb.sqltypes import VARCHAR

    config: Config = {
        "memory_limit": memory_limit(),
        "temp_directory": str(target.with_name("spill")),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    with _explained(recipe, "the catalogue"), duckdb.connect(str(target), config=config) as connection:
        connection.execute("SET enable_progress_bar = false")  # DuckDB's own, which it draws on standard output
        connection.create_function("plain", plain, [VARCHAR], VARCHAR)
        connection.execute("SET VARIABLE raw = ?", [f"{raw}/"])
        for name, value in recipe.parameters.items():
            connection.execute(f'SET VARIABLE "{name}" = ?', [value])
        progress(0.0, "reading the files")
        with _explained(recipe, "load.sql"):
            connection.execute(recipe.sql(recipe.load).read_text(encoding="utf-8"))
        _check_staged(connection, recipe)
        progress(0.4, "splitting")
        _make_tables(connection, recipe)
        progress(0.8, "concepts")
        with _explained(recipe, "concepts.sql"):
            connection.execute(
                "CREATE TEMP TABLE staged_concepts(concept VARCHAR, kind VARCHAR, item UINTEGER, support UINTEGER)"
            )
            connection.execute(recipe.sql(recipe.concepts).read_text(encoding="utf-8"))
            connection.execute(
                "CREATE TABLE concepts AS SELECT plain(concept) AS concept, kind, item, max(support) AS support"
                " FROM staged_concepts GROUP BY plain(concept), kind, item ORDER BY ALL"
            )
        _check(connection, recipe, _CONCEPT_CHECKS)
        progress(0.9, "hashing")
        meta = _meta(connection, recipe, source)
        connection.execute("CREATE TABLE meta(key VARCHAR, value VARCHAR)")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", [[k, json.dumps(v)] for k, v in meta.items()])
    progress(1.0, "done")
    return meta


def memory_limit() -> str:
    """How much DuckDB may hold before it spills to disk. 25 million interactions need no more than this."""
    given = os.environ.get("MONOSCOPE_MEMORY", "1GB")
    if not re.fullmatch(r"[1-9]\d*[MG]B", given):
        raise CatalogueError(f"MONOSCOPE_MEMORY is {given!r}; give it as a number and a unit, like 800MB or 4GB.")
    return given


def _make_tables(connection: "DuckDBPyConnection", recipe: Recipe) -> None:
    """items, users and interactions from what is staged, numbered in id order (numbers before names)."""
    for kind in ("item", "user"):
        connection.execute(
            f"CREATE TEMP TABLE {kind}_numbers AS SELECT {kind}_id, (row_number() OVER"
            f" (ORDER BY TRY_CAST({kind}_id AS HUGEINT) NULLS LAST, {kind}_id) - 1)::UINTEGER AS {kind}"
            f" FROM staged_{kind}s"
        )
    (times_differ,) = _row(connection, "SELECT min(time) < max(time) FROM staged_interactions")
    # md5 and not DuckDB's hash(): the split must be the same on every machine, version and thread count.
    connection.execute(
        f"""
        CREATE TABLE interactions AS
        WITH pairs AS (
            SELECT user_id, item_id, max(weight)::FLOAT AS weight, max(time)::TIMESTAMP AS time
            FROM staged_interactions GROUP BY user_id, item_id
        ), placed AS (
            SELECT *,
                count(*) OVER (PARTITION BY user_id) AS history,
                row_number() OVER (
                    PARTITION BY user_id ORDER BY md5(user_id || '|' || item_id || '|{SPLIT_SEED}'), item_id
                ) AS place
            FROM pairs
        )
        SELECT "user", item, weight, {"time" if times_differ else "NULL::TIMESTAMP AS time"},
            CASE WHEN history < {HELD_OUT_FROM} OR place > {TEST_ITEMS + VALIDATION_ITEMS} THEN 0
                WHEN place <= {TEST_ITEMS} THEN 2 ELSE 1 END::UTINYINT AS fold
        FROM placed JOIN user_numbers USING (user_id) JOIN item_numbers USING (item_id)
        ORDER BY "user", item
        """
    )
    connection.execute(
        f"""
        CREATE TABLE items AS
        SELECT item, item_id, plain(title) AS title, year::SMALLINT AS year,
            coalesce(popularity, 0)::UINTEGER AS popularity{_attributes(connection, "items", recipe.item_attributes)}
        FROM staged_items JOIN item_numbers USING (item_id)
        LEFT JOIN (SELECT item, count(*) AS popularity FROM interactions WHERE fold = 0 GROUP BY item) USING (item)
        ORDER BY item
        """
    )
    connection.execute(
        f"""
        CREATE TABLE users AS
        SELECT "user", user_id{_attributes(connection, "users", recipe.user_attributes)}
        FROM staged_users JOIN user_numbers USING (user_id) ORDER BY "user"
        """
    )


def _attributes(connection: "DuckDBPyConnection", table: str, names: tuple[str, ...]) -> str:
    types = _columns(connection, f"staged_{table}")
    return "".join(f', plain("{name}") AS "{name}"' if types[name] == "VARCHAR" else f', "{name}"' for name in names)


def _columns(connection: "DuckDBPyConnection", table: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}


def _row(connection: "DuckDBPyConnection", query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row


_STAGED_CHECKS = (
    ("SELECT item_id FROM staged_items GROUP BY item_id HAVING count(*) > 1", "item {0!r} stands there twice"),
    ("SELECT user_id FROM staged_users GROUP BY user_id HAVING count(*) > 1", "user {0!r} stands there twice"),
    ("SELECT 1 FROM staged_items WHERE coalesce(item_id, '') = ''", "an item has no id"),
    ("SELECT 1 FROM staged_users WHERE coalesce(user_id, '') = ''", "a user has no id"),
    (
        "SELECT item_id FROM staged_items WHERE coalesce(trim(title), '') = '' ORDER BY item_id",
        "item {0!r} has no title",
    ),
    (
        "SELECT item_id, user_id FROM staged_interactions ANTI JOIN staged_items USING (item_id) ORDER BY ALL",
        "an interaction of user {1!r} names item {0!r}, which is not among the items",
    ),
    (
        "SELECT user_id FROM staged_interactions ANTI JOIN staged_users USING (user_id) ORDER BY ALL",
        "an interaction names user {0!r}, who is not among the users",
    ),
    ("SELECT user_id FROM staged_interactions WHERE weight IS NULL", "an interaction of user {0!r} has no weight"),
)
_NO_INTERACTIONS = ("SELECT 1 WHERE NOT EXISTS (FROM staged_interactions)", "there is no interaction in it")
_CONCEPT_CHECKS = (
    (
        "SELECT concept FROM concepts GROUP BY concept HAVING count(DISTINCT kind) > 1 ORDER BY concept",
        "the concept {0!r} has two kinds",
    ),
    ("SELECT item FROM concepts ANTI JOIN items USING (item)", "a concept names item number {0}, which there is not"),
)


def _check_staged(connection: "DuckDBPyConnection", recipe: Recipe) -> None:
    expected = {
        "staged_items": ["item_id", "title", "year", *recipe.item_attributes],
        "staged_users": ["user_id", *recipe.user_attributes],
        "staged_interactions": ["user_id", "item_id", "weight", "time"],
    }
    for table, columns in expected.items():
        found = list(_columns(connection, table))
        if found != columns:
            raise CatalogueError(
                f"{recipe.title}: load.sql must make {table}({', '.join(columns)}), not ({', '.join(found)})."
            )
    _check(connection, recipe, _STAGED_CHECKS if recipe.interactions_optional else (*_STAGED_CHECKS, _NO_INTERACTIONS))


def _check(connection: "DuckDBPyConnection", recipe: Recipe, checks: tuple[tuple[str, str], ...]) -> None:
    for query, sentence in checks:
        if row := connection.execute(f"{query} LIMIT 1").fetchone():
            raise CatalogueError(f"{recipe.title} does not fit together: {sentence.format(*row)}.")


def _meta(connection: "DuckDBPyConnection", recipe: Recipe, source: Source) -> dict[str, Any]:
    facts = recipe.model_dump(
        include={"name", "title", "item_word", "licence", "citation", "simulated", "notice", "url", "parameters"}
    )
    counts = {
        f"n_{table}": _row(connection, f"SELECT count(*) FROM {table}")[0]
        for table in ("users", "items", "interactions")
    }
    return {
        **facts,
        **counts,
        "n_concepts": _row(connection, "SELECT count(DISTINCT concept) FROM concepts")[0],
        "source": source.kind,
        "source_md5": source.md5,
        "official_md5": recipe.md5,
        "source_notice": source.notice,
        "split_seed": SPLIT_SEED,
        "format": FORMAT,
        "hash": content_hash(connection),
    }


def content_hash(connection: "DuckDBPyConnection") -> str:
    """SHA-256 over ids, interactions with their folds, and concepts, all in their order by number.

    The same content has the same hash whatever the raw files' bytes, row order or machine.
    """
    digest = hashlib.sha256()
    for query in (
        "SELECT item_id FROM items ORDER BY item",
        'SELECT user_id FROM users ORDER BY "user"',
        "SELECT concept, kind, list(item ORDER BY item) FROM concepts GROUP BY concept, kind ORDER BY concept, kind",
    ):
        digest.update(json.dumps(connection.execute(query).fetchall()).encode())
    columns = {"user": "<u4", "item": "<u4", "weight": "<f4", "fold": "u1"}
    arrays = connection.execute(
        'SELECT "user", item, weight, fold FROM interactions ORDER BY "user", item'
    ).fetchnumpy()
    for column, layout in columns.items():
        digest.update(np.asarray(arrays[column], dtype=layout).tobytes())
    return digest.hexdigest()


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C in the middle of a DuckDB query as what it is."""
    import duckdb

    try:
        yield
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except RuntimeError as error:
        # DuckDB's client answers Ctrl-C in the middle of a query with a bare RuntimeError.
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from error
        raise


@contextmanager
def _explained(recipe: Recipe, what: str) -> Iterator[None]:
    """DuckDB's errors as one sentence, a malformed row with its file and line."""
    import duckdb

    try:
        with interruptible():
            yield
    except duckdb.Error as error:
        raise CatalogueError(f"{recipe.title}: {_sentence(str(error), what)}.") from error


def _sentence(message: str, what: str) -> str:
    lines = message.splitlines()
    line = re.search(r"CSV Error on Line: (\d+)", message)
    file = re.search(r"^\s*file = (.+)$", message, re.MULTILINE)
    if not line or not file:
        return f"{what}: {lines[0].rstrip('.')}"
    where = f"{Path(file[1]).name}, line {line[1]}"
    if fields := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message):
        return f"{where}: expected {fields[1]} fields, found {fields[2]}"
    if column := re.search(r'Error when converting column "(.+?)"\.(?: Could not convert string "(.*)" to)?', message):
        return f"{where}: {column[2] or ''!r} cannot be a value of {column[1]}"
    return f"{where}: {lines[min(2, len(lines) - 1)].rstrip('.')}"
