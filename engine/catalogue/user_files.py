"""A file of the user's (CSV, TSV, Parquet, JSON Lines) as something DuckDB can select from, checked before use.

Text is UTF-8; where it is not, and cannot be damaged UTF-8 either, it is read as Latin-1 and that is said. No row is
ever dropped: what cannot be read stops the work with a sentence that names file and row.
"""

import codecs
import csv
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from engine.catalogue.encoding import encoding, open_binary
from engine.errors import CatalogueError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FORMATS = "CSV, TSV, Parquet or JSON Lines"
_RECBOLE = re.compile(r":(token|float|token_seq|float_seq)$")
_DELIMITERS = ("\t", "::", ",", ";", "|")
_FOREIGN = {
    b"PK\x03\x04": "is a zip archive or a spreadsheet: unpack it, or save the sheet as CSV",
    b"SQLite format 3": "is a database: export the table as CSV",
    b"\x89HDF": "is an HDF5 file: export the table as Parquet or CSV",
    b"BZh": "is compressed with bzip2: unpack it, or use gzip",
    b"\xfd7zXZ": "is compressed with xz: unpack it, or use gzip",
    b"(\xb5/\xfd": "is compressed with zstandard: unpack it, or use gzip",
    b"\xff\xfe": "is text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "is text in UTF-16: save it as UTF-8",
}


@dataclass(frozen=True)
class Column:
    """One column: `name` as the file has it, without RecBole's ":type"."""

    name: str
    sql: str
    """the quoted identifier under which `Table.source` gives it"""
    kind: str
    """DuckDB's type; text files give VARCHAR alone"""
    sequence: bool = False
    """RecBole's token_seq: words with spaces between"""

    @property
    def text(self) -> str:
        """SQL of the value as text, NULL where it is blank."""
        return f"nullif(trim({self.sql if self.kind == 'VARCHAR' else f'{self.sql}::VARCHAR'}), '')"


@dataclass(frozen=True)
class Table:
    """A readable file. `source` takes the place of a table in SQL and reads the file `{path}` names."""

    path: Path
    source: str
    """with "{path}" where the SQL expression of the path goes"""
    columns: tuple[Column, ...]
    rows: int
    sha256: str
    notes: tuple[str, ...] = ()
    staged: str | None = None
    """a table of the connection that holds the same rows, where reading the file again would be slow"""

    @property
    def pattern(self) -> str:
        """The path as DuckDB must be given it, which takes it for a pattern."""
        return escape(str(self.path))

    @property
    def here(self) -> str:
        """What to select from now: the staged rows, else `source` with the path written out."""
        return self.staged or self.source.replace("{path}", literal(self.pattern))


def literal(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def read(connection: "DuckDBPyConnection", path: Path) -> Table:
    """What `path` holds; `CatalogueError` naming the file, and the line where one is to blame."""
    path = path.expanduser().absolute()
    packed, head = _head(path)
    if head.startswith(b"PAR1"):
        return _parquet(connection, path)
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise CatalogueError(f"{path.name} {what}.")
    if b"\0" in head:
        raise CatalogueError(f"{path.name} is not a table of text; give {FORMATS}.")
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    is_json = start in (b"{", b"[")
    latin1, notes = encoding(path, packed)
    if is_json and latin1:
        raise CatalogueError(f"{path.name}: JSON must be UTF-8; {notes[0]}.")
    if is_json:
        return _json(connection, path, packed, array=start == b"[")
    return _text(connection, path, packed, latin1, notes)


def stage(connection: "DuckDBPyConnection", table: Table, role: str, columns: Sequence[Column]) -> Table:
    """`table` with the columns that matter parsed once and for all; Parquet is quick enough as it is."""
    if table.source.startswith("read_parquet"):
        return table
    chosen = ", ".join(column.sql for column in columns)
    connection.execute(f"CREATE TEMP TABLE survey_{role} AS SELECT {chosen} FROM {table.here}")
    return replace(table, staged=f"survey_{role}")


def _head(path: Path) -> tuple[bool, bytes]:
    """Whether the file is gzip, and how it (unpacked) begins."""
    if path.is_dir():
        raise CatalogueError(f"{path} is a folder; give one file ({FORMATS}).")
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with open_binary(path, packed) as file:
            head = file.read(1 << 16)
    except FileNotFoundError as error:
        raise CatalogueError(f"There is no file {path}.") from error
    except (OSError, EOFError) as error:
        raise CatalogueError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if not head.strip():
        raise CatalogueError(f"{path.name} is empty.")
    return packed, head


def sha256(path: Path) -> str:
    """The file's SHA-256."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parquet(connection: "DuckDBPyConnection", path: Path) -> Table:
    return _described(connection, path, "read_parquet({path})", [])


def _json(connection: "DuckDBPyConnection", path: Path, packed: bool, *, array: bool) -> Table:
    """JSON Lines, or one array of objects: scalars as text, lists as lists of text."""
    options = f"format = '{'array' if array else 'newline_delimited'}'"
    if packed:
        options += ", compression = 'gzip'"
    try:
        seen = _described(connection, path, f"read_json({{path}}, {options}, sample_size = -1)", [])
    except CatalogueError:
        if not array:
            _check_lines(path, packed)
        raise
    if [column.name for column in seen.columns] == ["json"]:
        raise CatalogueError(f"{path.name} must hold one JSON object on each line, with the same keys in each.")
    kinds = {column.name: _json_kind(column.kind) for column in seen.columns}
    types = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items())
    columns = tuple(Column(name, identifier(name), kind) for name, kind in kinds.items())
    return Table(path, f"read_json({{path}}, {options}, columns = {{{types}}})", columns, seen.rows, seen.sha256)


def _check_lines(path: Path, packed: bool) -> None:
    """`CatalogueError` naming the first line that is no JSON; DuckDB's numbers of lines are not to be relied on."""
    with open_binary(path, packed) as file:
        for number, line in enumerate(file, start=1):
            try:
                json.loads(line.decode("utf-8-sig") if line.strip() else "{}")
            except ValueError as error:
                raise CatalogueError(f"{path.name}, line {number} is not JSON: {error}.") from error


def _json_kind(kind: str) -> str:
    if kind.endswith("[]") and kind.count("[") == 1 and not kind.startswith(("STRUCT", "MAP")):
        return "VARCHAR[]"
    return kind if ("(" in kind and kind.startswith(("STRUCT", "MAP"))) or kind.endswith("[]") else "VARCHAR"


def _text(connection: "DuckDBPyConnection", path: Path, packed: bool, latin1: bool, notes: list[str]) -> Table:
    codec = "latin-1" if latin1 else "utf-8"
    header, second = _first_lines(path, packed, codec)
    delimiter = _delimiter(path, header)
    names = [name.strip() for name in _split(header, delimiter)]
    _check_header(path, header, names, second, delimiter)
    if not second:
        raise CatalogueError(f"{path.name} has a header and no rows.")
    columns = tuple(_text_column(name, place) for place, name in enumerate(names))
    given = ", ".join(f"{literal(name or f'column {place + 1}')}: 'VARCHAR'" for place, name in enumerate(names))
    options = f"delim = {literal(delimiter)}, header = true, auto_detect = false, columns = {{{given}}}"
    options += f", encoding = '{codec}'" + (", compression = 'gzip'" if packed else "")
    quoted = f"read_csv({{path}}, {options}, quote = '\"', escape = '\"')"
    bare = f"read_csv({{path}}, {options}, quote = '', escape = '')"
    if delimiter != ",":
        # Such files are often written without quoting: then a quote is a character, and may swallow line ends.
        try:
            found = _described(connection, path, quoted, notes)
        except CatalogueError:
            found = None
        if found is None or found.rows < _rows_at_least(path, packed):
            notes = [*notes, f"{path.name}: quotation marks are read as part of the text"]
            found = _described(connection, path, bare, notes)
            quoted = bare
    else:
        found = _described(connection, path, quoted, notes)
    return Table(path, quoted, columns, found.rows, found.sha256, tuple(notes))


def _first_lines(path: Path, packed: bool, codec: str) -> tuple[str, str]:
    """The header, and the first row that has anything in it ("" if there is none)."""
    with open_binary(path, packed) as file:
        lines = (line.decode("utf-8-sig" if codec == "utf-8" else codec).rstrip("\r\n") for line in file)
        header = next(lines)
        if not header.strip():
            raise CatalogueError(f"{path.name}: the first line is empty; it must name the columns.")
        return header, next((line for line in lines if line.strip()), "")


def _rows_at_least(path: Path, packed: bool) -> int:
    """How many lines after the header have anything in them."""
    with open_binary(path, packed) as file:
        return sum(bool(line.strip(b"\r\n")) for line in file) - 1


def _delimiter(path: Path, header: str) -> str:
    found = next((mark for mark in _DELIMITERS if mark in header), None)
    return found or ("\t" if path.name.removesuffix(".gz").endswith(".tsv") else ",")


def _split(line: str, delimiter: str) -> list[str]:
    return line.split(delimiter) if len(delimiter) > 1 else next(csv.reader([line], delimiter=delimiter))


def _check_header(path: Path, header: str, names: list[str], second: str, delimiter: str) -> None:
    if all(re.fullmatch(r"-?\d+(\.\d+)?", name) for name in names):
        example = delimiter.join(["user_id", "item_id", "rating", "timestamp"][: max(2, len(names))])
        raise CatalogueError(
            f"{path.name} has no header: its first line is {header[:60]!r}; add one that names the columns, such as "
            f"{example!r}."
        )
    lower = [name.lower() for name in names]  # as DuckDB compares them
    again = next((name for place, name in enumerate(names) if name and name.lower() in lower[:place]), None)
    if again is not None:
        raise CatalogueError(f"{path.name} has two columns called {again!r}; rename one of them.")
    if header and not header.isprintable() and "\t" not in header:
        raise CatalogueError(f"{path.name} is not a table of text; give {FORMATS}.")
    if len(names) == 1 and not second.startswith('"') and any(mark in second for mark in _DELIMITERS):
        raise CatalogueError(f"{path.name}: the first line names one column, {names[0]!r}, but rows have more.")


def _text_column(name: str, place: int) -> Column:
    kind = _RECBOLE.search(name)
    shown = _RECBOLE.sub("", name) or f"column {place + 1}"
    return Column(shown, identifier(name or shown), "VARCHAR", sequence=bool(kind and kind[1].endswith("_seq")))


def _described(connection: "DuckDBPyConnection", path: Path, source: str, notes: list[str]) -> Table:
    """The table behind `source`, read through once, so that a row that does not fit is found before it matters."""
    import duckdb

    here = source.replace("{path}", literal(escape(str(path))))
    try:
        described = connection.execute(f"DESCRIBE FROM {here}").fetchall()
        columns = tuple(Column(name, identifier(name), kind) for name, kind, *_ in described)
        (rows,) = connection.execute(f"SELECT count(*) FROM {here}").fetchall()[0]
        if not rows:
            raise CatalogueError(f"{path.name} has no rows.")
    except duckdb.Error as error:
        raise CatalogueError(f"{_sentence(path, str(error))}.") from error
    return Table(path, source, columns, rows, sha256(path), tuple(notes))


def _sentence(path: Path, message: str) -> str:
    """DuckDB's words on a row that does not fit, shortened to file, line and fault."""
    if line := re.search(r"CSV Error on Line: (\d+)", message):
        if fields := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message):
            return f"{path.name}, line {line[1]}: expected {fields[1]} fields, found {fields[2]}"
        lines = message.splitlines()
        return f"{path.name}, line {line[1]}: {lines[min(2, len(lines) - 1)].rstrip('.')}"
    if found := re.search(r"(?:at byte \d+ )?in line (\d+): (.+)", message):
        line_number = int(found[1])
        return f"{path.name}, line {line_number}: {found[2].rstrip('. ')}"
    return f"{path.name} cannot be read: {message.splitlines()[0].rstrip('.')}"


def sample(values: list[str], most: int = 3) -> str:
    """A few values for a sentence."""
    shown = ", ".join(json.dumps(value, ensure_ascii=False) for value in values[:most])
    return shown + (" ..." if len(values) > most else "")
