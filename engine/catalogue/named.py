"""Concepts and cohorts that the analyst names, each an SQL condition: concepts.jsonl in a data set's folder.

A line holds the condition and, beside it, whom it matched in the catalogue of a given content hash; where that hash is
another, the condition is evaluated anew.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from engine.errors import CatalogueError
from engine.home import write_whole

Kind = Literal["concept", "cohort"]
FILE = "concepts.jsonl"


@dataclass(frozen=True)
class Named:
    """A set of items (a concept) or of users (a cohort) that a condition describes."""

    kind: Kind
    name: str
    where: str
    hash: str
    """Content hash of the catalogue that `members` was found in."""
    members: tuple[int, ...]
    """Item or user numbers, ascending."""


def own(folder: Path, kind: Kind) -> list[Named]:
    """What concepts.jsonl in `folder` holds of a kind, in the order of adding."""
    try:
        lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            found.append(Named(**{**entry, "members": tuple(map(int, entry["members"]))}))
        except (ValueError, TypeError, KeyError) as error:
            raise CatalogueError(
                f"{folder / FILE}, line {number} is damaged ({error}); correct or remove that line."
            ) from error
    return [entry for entry in found if entry.kind == kind]


def write(folder: Path, entries: list[Named]) -> None:
    """Keep `entries`, of both kinds, in place of what concepts.jsonl holds."""
    write_whole(folder / FILE, "".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries))
