"""Which encoding a text is in: UTF-8, or Latin-1 said aloud; a damaged UTF-8 file is not taken for the latter."""

import codecs
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from engine.errors import CatalogueError

_BLOCK = 1 << 20


def open_binary(path: Path, packed: bool) -> IO[bytes]:
    """The file's bytes, unpacked if it is gzip."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if packed else open(path, "rb")


def _blocks(path: Path, packed: bool) -> Iterator[bytes]:
    try:
        with open_binary(path, packed) as file:
            while block := file.read(_BLOCK):
                yield block
    except (OSError, EOFError) as error:
        raise CatalogueError(f"{path.name} is damaged or cut short: {error}.") from error


def encoding(path: Path, packed: bool) -> tuple[bool, list[str]]:
    """Whether a text file is Latin-1, with what to say of it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in _blocks(path, packed):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return True, [_latin1(path, packed)]
    return False, []


def _latin1(path: Path, packed: bool) -> str:
    """What to say of a file that is not UTF-8; `CatalogueError` if some lines of it clearly are."""
    first = accented = controls = 0
    with open_binary(path, packed) as file:
        for number, line in enumerate(file, start=1):
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
                accented = accented or number
            except UnicodeDecodeError:
                first = first or number
            controls += any(0x80 <= byte < 0xA0 for byte in line)
    if accented:
        raise CatalogueError(
            f"{path.name}, line {first}: this line is not UTF-8, though others (line {accented}) are; mend it."
        )
    note = f"{path.name} is not UTF-8 (line {first} is the first that is not), so it is read as Latin-1"
    if controls:
        note += (
            f"; {controls} lines hold characters that Latin-1 lacks: if it is Windows-1252, convert it with "
            "`iconv -f windows-1252 -t utf-8`"
        )
    return note
