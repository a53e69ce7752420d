"""Files that other programs write: told apart by their content, read as named arrays or as a table, never executed."""

import csv
import json
import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import RunError

ID_NAMES = ("id", "ids", "user_id", "item_id", "user", "item", "userid", "itemid", "movieid", "movie_id", "uid", "iid",
            "user_ids", "item_ids", "__index_level_0__")  # fmt: skip
"""Names under which a column or an array holds ids, compared in lower case."""
BIAS_NAMES = ("bias", "biases", "user_bias", "item_bias", "user_biases", "item_biases")
FORMATS = ".npy, .npz, .parquet, .csv, .tsv or .safetensors"

_PICKLE = (
    "is a pickle, and opening a pickle runs whatever program is inside it: save the vectors alone, for instance "
    "np.save('users.npy', vectors), as docs/adopt.md shows for each framework."
)
_FOREIGN = {
    b"\x89HDF": "is an HDF5 file: save the vectors with np.save instead.",
    b"\x1f\x8b": "is compressed with gzip: unpack it first.",
    b"BZh": "is compressed with bzip2: unpack it first.",
    b"\xfd7zXZ": "is compressed with xz: unpack it first.",
    b"(\xb5/\xfd": "is compressed with zstandard: unpack it first.",
    b"Ix": "is a faiss index: save the vectors that it was built from with np.save.",
}


@dataclass(frozen=True)
class Table:
    """A table's columns (pyarrow arrays of one length) by name; without a header, "column 1" and so on."""

    names: list[str]
    columns: list[Any]
    header: bool

    def find(self, *names: str) -> int | None:
        """The column of the first of `names` that is there, in lower case and without RecBole's ":type"."""
        plain = [name.split(":")[0].strip().lower() for name in self.names]
        return next((plain.index(name) for name in names if name in plain), None)


def split_key(path: Path) -> tuple[Path, str | None]:
    """`file.npz#name` as file and name; a file that is really called so is itself."""
    if "#" in path.name and not path.exists():
        file, key = str(path).rsplit("#", 1)
        return Path(file), key
    return path, None


def kind_of(path: Path) -> str:
    """npy, npz, parquet, safetensors, json, jsonl (an object a line) or text, by content and whatever the name says.

    `RunError` for what must not be opened or cannot be read.
    """
    try:
        if path.is_dir():
            if any(path.glob("*.parquet")):
                return "parquet"
            raise RunError(f"{path} is a folder without .parquet files; give one file ({FORMATS}).")
        with path.open("rb") as file:
            head = file.read(4096)
            size = path.stat().st_size
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}).") from error
    if not head.strip():
        raise RunError(f"{path} is empty; export it again.")
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(b"PAR1"):
        return "parquet"
    if size > 10 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] <= size - 8:
        return "safetensors"
    named = path.suffix.lower() in {".pkl", ".pickle", ".joblib", ".pth", ".pt", ".ckpt"}
    if named or (head[0] == 0x80 and 2 <= head[1] <= 5):
        raise RunError(f"{path} {_PICKLE}")
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise RunError(f"{path} {what}")
    if b"\0" in head:
        raise RunError(f"{path} is none of the files that can be read ({FORMATS}); docs/adopt.md shows how to export.")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"[":
        return "json"
    return _kind_of_braces(head) if start == b"{" else "text"


def _kind_of_braces(head: bytes) -> str:
    try:
        json.loads(head.removeprefix(b"\xef\xbb\xbf").splitlines()[0])
    except ValueError:
        return "json"
    return "jsonl"


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise RunError(f"{path} is damaged ({error}); export it again.") from error
    if any(name.endswith("archive_format") for name in names):
        raise RunError(f"{path} is a program of torch.export, not vectors; as a scorer it goes to --trust-code.")
    if any(name.endswith(".pkl") for name in names):
        raise RunError(f"{path} {_PICKLE}")
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    raise RunError(f"{path} is an archive of other files; unpack it and give one of {FORMATS}.")


def read_arrays(path: Path, kind: str) -> dict[str, np.ndarray]:
    """The arrays of an npy (under the name ""), npz or safetensors file; bfloat16 and float8 come as float32."""
    from safetensors import SafetensorError

    try:
        if kind == "npy":
            return {"": np.load(path, allow_pickle=False)}
        if kind == "npz":
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        return _read_tensors(path)
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, SafetensorError) as error:
        if "allow_pickle" in str(error):
            raise RunError(
                f"{path} holds Python objects, which only a pickle can store and opening a pickle runs what is in it: "
                "save ids as np.array(ids, dtype=str) and vectors as float32."
            ) from error
        raise RunError(f"{path} is damaged ({str(error).splitlines()[0]}); export it again.") from error


def _read_tensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import safe_open

    with path.open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    header.pop("__metadata__", None)
    arrays: dict[str, np.ndarray] = {}
    known = {"F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"}
    with safe_open(path, framework="np") as stored:
        for name in [name for name, told in header.items() if told["dtype"] in known]:
            arrays[name] = stored.get_tensor(name)
    if len(arrays) < len(header):  # NumPy has no such numbers, torch has
        with safe_open(path, framework="pt") as stored:
            for name in header.keys() - arrays.keys():
                arrays[name] = stored.get_tensor(name).float().numpy()
    return {name: arrays[name] for name in header}


def read_json(path: Path) -> Any:
    """The value in a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise RunError(f"{path} is not JSON ({error}).") from error


def read_parquet(path: Path) -> Table:
    """A Parquet file, or a folder of the parts that Spark writes (in the order of their names)."""
    import pyarrow as pa
    from pyarrow import parquet

    parts = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    try:
        table = pa.concat_tables([parquet.ParquetFile(part).read() for part in parts]).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise RunError(
            f"{path} is damaged or not one table ({str(error).splitlines()[0]}); export it again."
        ) from error
    columns = [column.combine_chunks() for column in table.columns]
    columns = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in columns]
    return Table(table.column_names, columns, header=True)


def read_text(path: Path, id_column: str | None = None, leading: int = 1) -> Table:
    """Delimited text (tab, comma, semicolon or space), with a header or without one.

    The first `leading` columns and those with a name of `ID_NAMES` stay text, so that 007 keeps its zeros; a column of
    numbers is float64 and empty cells are null; any other column stays text.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    delimiter, first, second = _first_rows(path)
    header = _is_header(first, second, id_column, leading)
    names = [name.strip() for name in first] if header else [f"column {n + 1}" for n in range(len(first))]
    sample = second if header else first
    comma = next((cell for cell in sample[leading:] if re.fullmatch(r"-?\d+,\d+", cell)), None)
    if comma is not None:
        raise RunError(f"{path} writes {comma} with a decimal comma; write decimal points.")
    numeric = {
        n
        for n, cell in enumerate(sample)
        if n >= min(leading, len(first)) and n < len(names) and is_number(cell or "0")
        and not _is_id_name(names[n]) and names[n] != id_column
    }  # fmt: skip
    keys = [str(n) for n in range(len(names))]  # names may repeat
    try:
        table = arrow_csv.read_csv(
            path,
            arrow_csv.ReadOptions(column_names=keys, skip_rows=int(header), block_size=16 << 20),
            arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=False),
            arrow_csv.ConvertOptions(
                column_types={k: pa.float64() if n in numeric else pa.string() for n, k in enumerate(keys)},
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowException, OSError) as error:
        fault = _first_fault(path, delimiter, header, names, numeric) or str(error).splitlines()[0]
        raise RunError(f"{path}, {fault}.") from error
    return Table(names, [column.combine_chunks() for column in table.columns], header)


def _first_rows(path: Path) -> tuple[str, list[str], list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = next(line for line in file if line.strip())
            delimiter = next((mark for mark in "\t,; " if mark in line.strip("\r\n")), ",")
            second = next((line for line in file if line.strip()), "")
        first_row, second_row = csv.reader([line], delimiter=delimiter), csv.reader([second], delimiter=delimiter)
        return delimiter, next(first_row), next(second_row, [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path} is not text in UTF-8 ({error}); save it as UTF-8.") from error


def _is_header(first: list[str], second: list[str], id_column: str | None, leading: int) -> bool:
    names = [cell.split(":")[0].strip().lower() for cell in first]
    if id_column in first or any(name in ID_NAMES + BIAS_NAMES for name in names) or names[0] == "":
        return True
    if len(first) == 1:
        return not is_number(first[0]) and bool(second) and is_number(second[0])
    if names == [str(n) for n in range(len(names))]:  # pandas numbers columns so
        return True
    return not all(is_number(cell) or listed(cell) is not None or not cell.strip() for cell in first[leading:])


def _is_id_name(name: str) -> bool:
    return name.split(":")[0].strip().lower() in ID_NAMES


def is_number(cell: str) -> bool:
    """Whether `cell` reads as one number (nan and inf included)."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python alone reads 1_000


def listed(cell: str) -> list[float] | None:
    """The numbers of a cell like "[0.1, 0.2]" or "0.1 0.2", or None if it is something else."""
    try:
        return [float(part) for part in cell.strip().strip("[]").replace(",", " ").split()]
    except ValueError:
        return None


def _first_fault(path: Path, delimiter: str, header: bool, names: list[str], numeric: set[int]) -> str | None:
    """Where a text file stops being a table: one more pass, made only once reading has failed."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = (row for row in csv.reader(file, delimiter=delimiter) if row)
            for number, row in enumerate(rows, start=0 if header else 1):
                if number == 0:
                    continue
                if len(row) != len(names):
                    return f"row {number}: expected {len(names)} fields, found {len(row)}"
                for n in sorted(numeric):
                    if row[n] and not is_number(row[n]):
                        return f"row {number}, {names[n]}: {row[n][:40]!r} is not a number"
    except UnicodeDecodeError as error:
        return f"which must be text in UTF-8: {error}"
    return None
