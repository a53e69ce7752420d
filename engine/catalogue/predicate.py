"""SQL that a user typed: one boolean expression over `items`, `users` or rows, answered by a process of its own.

The child (`python -m engine.catalogue.predicate`) reads a request and writes an answer, both JSON. It parses the
expression alone, runs the parsed tree and not the text, on a catalogue that is read-only and locked, under limits
of time, memory and files; the parent kills its process group when the time is up.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import PredicateError

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection

Config = dict[str, str | bool | int | float | list[str]]

LOCKED: Config = {
    "enable_external_access": False,
    "lock_configuration": True,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
    "temp_directory": "",
}
"""How every finished catalogue is opened; DuckDB refuses a second configuration in one process."""

SECONDS = 10.0
_ADDRESS_SPACE = 1536 << 20
_DUCKDB_MEMORY = "512MB"
_NUMBER = {"items": "item", "users": "user"}
_TABLES = frozenset({"items", "users", "interactions", "concepts"})
_POSITION = "position_in_rows"
_TABLE_FUNCTIONS = {"range", "generate_series", "unnest"}
_PLAIN_SELECT: dict[str, Any] = {
    "type": "SELECT_NODE",
    "modifiers": [],
    "cte_map": {"map": []},
    "where_clause": None,
    "group_expressions": [],
    "group_sets": [],
    "aggregate_handling": "STANDARD_HANDLING",
    "having": None,
    "sample": None,
    "qualify": None,
}


def matching(catalogue: Path, table: str, where: str, seconds: float = SECONDS) -> "np.ndarray":
    """int32 numbers, ascending, of the rows of `table` for which `where` is true.

    Raises `PredicateError` in one sentence; after `seconds` the child is killed.
    """
    return _numbers(_asked({"catalogue": str(catalogue), "table": table, "where": where, "seconds": seconds}))


def values_told(catalogue: Path, table: str, where: str, seconds: float = SECONDS) -> str:
    """What the columns that `where` names hold, for a sentence on a condition that matches nothing.

    "" where it names none. Raises as `matching` does.
    """
    request = {"catalogue": str(catalogue), "table": table, "where": where, "seconds": seconds, "values": True}
    return str(_asked(request)["values"])


def matching_rows(
    table: str, rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str], where: str, seconds: float = SECONDS
) -> "np.ndarray":
    """int32 positions, ascending, of the `rows` for which `where` is true; of them it can read the columns of `kinds`.

    `kinds` are SQL types by column and `table` what messages call the rows. Raises as `matching` does.
    """
    cells = [[row[name] for name in kinds] for row in rows]
    return _numbers(_asked({"table": table, "kinds": dict(kinds), "rows": cells, "where": where, "seconds": seconds}))


def _numbers(answer: Mapping[str, Any]) -> "np.ndarray":
    import numpy as np

    return np.array(answer["numbers"], dtype=np.int32)


def _asked(request: dict[str, Any]) -> dict[str, Any]:
    """The answer of a child process."""
    seconds = request["seconds"]
    try:
        question = json.dumps(request, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise PredicateError("The condition is not valid UTF-8 text.") from error
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "engine.catalogue.predicate"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    try:
        output, complaint = child.communicate(question, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise PredicateError(f"The condition took longer than {seconds:g} s and was stopped.") from None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    if child.returncode > 0:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise PredicateError(f"The condition could not be evaluated: {last}.")
    if child.returncode < 0:
        raise PredicateError("The condition asks for more memory or time than a condition may have.")
    answer: dict[str, Any] = json.loads(output)
    if "error" in answer:
        raise PredicateError(answer["error"])
    return answer


def _limit(seconds: float) -> None:
    import resource

    for what, limit in (
        (resource.RLIMIT_AS, _ADDRESS_SPACE),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, allowed = resource.getrlimit(what)
        most = limit if allowed == resource.RLIM_INFINITY else min(limit, allowed)
        resource.setrlimit(what, (most, most))


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    import duckdb

    from engine.catalogue import column_values

    table, where = request["table"], request["where"]
    config: Config = {**LOCKED, "threads": 1, "memory_limit": _DUCKDB_MEMORY}
    path = request.get("catalogue", ":memory:")
    with duckdb.connect(path, read_only="catalogue" in request, config=config) as connection:
        if "rows" in request:
            _load(connection, table, request["kinds"], request["rows"])
        columns = [name for name, *_ in connection.execute(f'DESCRIBE "{table}"').fetchall() if name != _POSITION]
        expression = parse(connection, where, _TABLES if "catalogue" in request else {table})
        parts = list(_objects(expression))
        if "values" in request:
            return {"values": column_values.told(connection, table, parts)}
        try:
            if "rows" in request:
                return {"numbers": _run(connection, table, expression, _POSITION)}
            from engine.catalogue.words import spell_out

            spelled = spell_out(connection, expression, table, Path(path).parent)
            return {"numbers": _run(connection, table, spelled, _NUMBER[table])}
        except duckdb.OutOfMemoryException as error:
            raise MemoryError from error
        except duckdb.Error as error:
            values = column_values.told(connection, table, parts)
            raise PredicateError(_sentence(str(error), table, columns, values)) from error


def _load(connection: "DuckDBPyConnection", table: str, kinds: Mapping[str, str], rows: list[list[Any]]) -> None:
    """A table of the rows beside their positions. Its name and columns are ours, never the user's."""
    declared = ", ".join(f'"{name}" {kind}' for name, kind in {**kinds, _POSITION: "INTEGER"}.items())
    connection.execute(f'CREATE TABLE "{table}" ({declared})')
    marks = ", ".join("?" * (len(kinds) + 1))
    if rows:
        filled = [[*row, position] for position, row in enumerate(rows)]
        connection.executemany(f'INSERT INTO "{table}" VALUES ({marks})', filled)


def parse(connection: "DuckDBPyConnection", where: str, tables: Collection[str] = _TABLES) -> dict[str, Any]:
    """The tree of `where`, which must be one expression that reads `tables` alone; runs nothing.

    It is parsed as `SELECT <where>`, which must select one thing and do nothing else. Raises `PredicateError`.
    """
    one = PredicateError("The condition must be one expression, such as year < 1970, and nothing beside it.")
    parsed = _tree(connection, f"SELECT {where}")
    if not where.strip() or parsed.get("error_type") == "not implemented":  # not a SELECT, or more than one
        raise one
    if parsed.get("error_type") == "out of memory":
        raise MemoryError
    if parsed["error"]:
        raise PredicateError(f"The condition does not parse: {_first_line(parsed['error_message'])}.")
    statements = parsed["statements"]
    node = statements[0]["node"]
    if (
        len(statements) != 1
        or any(node.get(key) != value for key, value in _PLAIN_SELECT.items())
        or node["from_table"]["type"] != "EMPTY"
        or len(node["select_list"]) != 1
        or node["select_list"][0]["alias"]
    ):
        raise one
    if statements[0]["named_param_map"]:
        raise PredicateError("The condition has a parameter (? or $); write the value itself.")
    _check_tables(node, tables)
    return node["select_list"][0]


def _check_tables(node: dict[str, Any], tables: Collection[str]) -> None:
    inner = list(_objects(node))
    named = {entry["key"].lower() for part in inner if "cte_map" in part for entry in part["cte_map"]["map"]}
    for part in inner:
        kind = part.get("type")
        if kind == "BASE_TABLE":
            table = ".".join(filter(None, (part["catalog_name"], part["schema_name"], part["table_name"])))
            if table.lower() not in {*tables, *named}:
                raise PredicateError(f"The condition reads {table!r}; it can read {', '.join(sorted(tables))}.")
        if kind == "TABLE_FUNCTION" and part["function"]["function_name"].lower() not in _TABLE_FUNCTIONS:
            raise PredicateError(f"The condition may not use {part['function']['function_name']}().")
        if kind == "SHOW_REF":
            raise PredicateError("The condition may not use DESCRIBE, SHOW or SUMMARIZE.")


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _run(connection: "DuckDBPyConnection", table: str, expression: dict[str, Any], number: str) -> list[int]:
    """Run the tree that was checked, not the text it came from."""

    def execute(statement: dict[str, Any]) -> "DuckDBPyConnection":
        # As a PRAGMA, because the table function of that name hides the error of what it runs.
        quoted = json.dumps(statement).replace("'", "''")
        return connection.execute(f"PRAGMA json_execute_serialized_sql('{quoted}')")

    typed = _tree(connection, f"SELECT true AS condition FROM {table} LIMIT 0")
    typed["statements"][0]["node"]["select_list"] = [{**expression, "alias": "condition"}]
    kind = str(execute(typed).description[0][1])
    if kind != "BOOLEAN":
        raise PredicateError(f"The condition gives {kind}, not true or false; compare it with something.")
    chosen = _tree(connection, f'SELECT "{number}" FROM {table} WHERE true ORDER BY "{number}"')
    chosen["statements"][0]["node"]["where_clause"] = expression
    return [row[0] for row in execute(chosen).fetchall()]


def _tree(connection: "DuckDBPyConnection", query: str) -> dict[str, Any]:
    row = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    assert row is not None
    tree: dict[str, Any] = json.loads(row[0])
    return tree


def _sentence(message: str, table: str, columns: list[str], values: str) -> str:
    """What does not fit; `values` is what the columns hold that the condition names."""
    there_are = f"the columns of {table} are {', '.join(columns)}"
    if missing := re.search(r'Referenced (?:column|table) "(.+?)" not found|column named "(.+?)"', message):
        name = missing[1] or missing[2]
        close = get_close_matches(name.lower(), columns, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        if f"'{name}'".casefold() in values.casefold():
            return f"There is no column {name!r}; a text needs quotes: {values}."
        return f"There is no column {name!r}{hint}; {there_are}."
    mixed = re.search(
        r"(?:Could not convert string|Cannot (?:compare|mix) values of type)(?!.*(?:DATE|TIME|BOOL))", message
    )
    if values and mixed:
        return f"The condition compares a text with a number: {values}."
    return f"The condition does not fit: {_first_line(message)}; {values or there_are}."


def _first_line(message: str) -> str:
    """Without the kind of error before it, and without the advice to change a setting, which is locked."""
    return re.sub(r"^[\w ]*Error: |\. Use \"SET .*", "", message.splitlines()[0]).rstrip(".!")


def main() -> None:
    """Answer the request on standard input: {"numbers": [...]}, {"values": text} or {"error": sentence}."""
    request = json.load(sys.stdin.buffer)
    _limit(request["seconds"])
    try:
        answer = _answer(request)
    except PredicateError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "The condition asks for more memory than a condition may have."}
    except RecursionError:
        answer = {"error": "The condition is nested too deeply."}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
