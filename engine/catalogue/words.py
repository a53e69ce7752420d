"""Words that a condition may use beside columns: has(), share(), seen() and history().

In the process that answers a condition each use becomes a small temporary table and a look-up in it, written into the
parsed tree; so a word costs one pass over the interactions, however many rows ask for it.

over items   has('Horror')     the item carries this concept
over users   share('Horror')   share of the user's history that carries it; NULL for a user without history
             seen('2571')      the item with this id is in the user's history
             history()         items in the user's history
History is training and validation; what is held out for tests is not in it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.catalogue.named import own
from engine.errors import PredicateError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_USAGE = {
    "has": ("items", "has('Horror'): the name of a concept in quotes"),
    "share": ("users", "share('Horror'): the name of a concept in quotes"),
    "seen": ("users", "seen('2571'): the id of an item in quotes"),
    "history": ("users", "history(), with nothing between the brackets"),
}
_HISTORY = "interactions WHERE fold < 2"


def spell_out(connection: "DuckDBPyConnection", expression: dict[str, Any], table: str, folder: Path) -> dict[str, Any]:
    """`expression` with each word replaced by a look-up. Raises `PredicateError` for a word that is misused."""
    holder = {"expression": expression}
    for number, (parent, key, node) in enumerate(list(_words(holder))):
        parent[key] = _replaced(connection, node, table, folder, f"word_{number}")
    return holder["expression"]


def _words(tree: Any) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
    """Each use of a word with the place in the tree that holds it, inner ones first."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, part in list(items):
        yield from _words(part)
        if isinstance(part, dict) and part.get("type") == "FUNCTION":
            path = part.get("qualified_name", {}).get("path", [part.get("function_name")])
            if len(path) == 1 and str(path[0]).lower() in _USAGE:
                yield tree, key, part


def _replaced(
    connection: "DuckDBPyConnection", node: dict[str, Any], table: str, folder: Path, name: str
) -> dict[str, Any]:
    word = str(node["function_name"]).lower()
    over, usage = _USAGE[word]
    if table != over:
        raise PredicateError(f"{word}() is for conditions over {over}, and this one is over {table}.")
    values = [argument["expression"] for argument in node["arguments"]]
    texts = [value["literal"].get("text") for value in values if value.get("class") == "CONSTANT"]
    quoted = all(value.get("literal", {}).get("kind") == "STRING" for value in values)
    if len(texts) != len(values) or len(values) != (word != "history") or not quoted or None in texts:
        raise PredicateError(f"{word}() is written {usage}.")
    lookup = _LOOKUPS[word](connection, name, folder, *texts)
    tree = connection.execute("SELECT json_serialize_sql(?)", [f"SELECT {lookup}"]).fetchone()
    assert tree is not None
    found: dict[str, Any] = json.loads(tree[0])["statements"][0]["node"]["select_list"][0]
    return {**found, "alias": node["alias"]}


def _has(connection: "DuckDBPyConnection", name: str, folder: Path, concept: str) -> str:
    _members(connection, name, folder, concept)
    return f'items.item IN (SELECT item FROM "{name}")'


def _share(connection: "DuckDBPyConnection", name: str, folder: Path, concept: str) -> str:
    _members(connection, f"{name}_items", folder, concept)
    connection.execute(
        f'CREATE TEMP TABLE "{name}" AS SELECT "user", avg((item IN (SELECT item FROM "{name}_items"))::INT) AS value '
        f'FROM {_HISTORY} GROUP BY "user"'
    )
    return f'(SELECT value FROM "{name}" WHERE "{name}"."user" = users."user")'


def _seen(connection: "DuckDBPyConnection", name: str, _folder: Path, item_id: str) -> str:
    row = connection.execute("SELECT item FROM items WHERE item_id = ?", [item_id]).fetchone()
    if row is None:
        raise PredicateError(f"There is no item with the id {item_id!r}, which seen() names.")
    connection.execute(f'CREATE TEMP TABLE "{name}" AS SELECT "user" FROM {_HISTORY} AND item = {int(row[0])}')
    return f'users."user" IN (SELECT "user" FROM "{name}")'


def _history(connection: "DuckDBPyConnection", name: str, _folder: Path) -> str:
    connection.execute(
        f'CREATE TEMP TABLE "{name}" AS SELECT "user", count(*) AS value FROM {_HISTORY} GROUP BY "user"'
    )
    return f'coalesce((SELECT value FROM "{name}" WHERE "{name}"."user" = users."user"), 0)'


_LOOKUPS: dict[str, Any] = {"has": _has, "share": _share, "seen": _seen, "history": _history}


def _members(connection: "DuckDBPyConnection", name: str, folder: Path, concept: str) -> None:
    """A temporary table of the items that carry `concept`, the recipe's or the analyst's own, whatever its case."""
    connection.execute(
        f'CREATE TEMP TABLE "{name}" AS SELECT DISTINCT item FROM concepts WHERE lower(concept) = lower(?)', [concept]
    )
    mine = [entry for entry in own(folder, "concept") if entry.name.lower() == concept.lower()]
    if mine:
        stamp = connection.execute("SELECT value FROM meta WHERE key = 'hash'").fetchone()
        if stamp is None or json.loads(stamp[0]) != mine[0].hash:
            raise PredicateError(f"The concept {mine[0].name!r} was named on other data; list the concepts once.")
        connection.execute(f'INSERT INTO "{name}" SELECT unnest(?::UINTEGER[])', [list(mine[0].members)])
    row = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()
    if row is not None and row[0]:
        return
    from difflib import get_close_matches

    known = [row[0] for row in connection.execute("SELECT DISTINCT concept FROM concepts").fetchall()]
    known += [entry.name for entry in own(folder, "concept")]
    close = get_close_matches(concept, known, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise PredicateError(f"There is no concept {concept!r}.{hint}")
