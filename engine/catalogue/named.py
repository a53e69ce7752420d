"""Concepts and cohorts that the analyst names, each an SQL condition: concepts.jsonl in a data set's folder.

A line holds the condition and, beside it, whom it matched in the catalogue of a given content hash; where that hash is
another, the condition is evaluated anew.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.errors import CatalogueError
from engine.home import write_whole
from engine.text import plain

if TYPE_CHECKING:
    from engine.catalogue.catalogue import Catalogue

Kind = Literal["concept", "cohort"]
FILE = "concepts.jsonl"
LONGEST_NAME = 64


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


def current(catalogue: "Catalogue", kind: Kind) -> list[Named]:
    """`own` with the members that the conditions have in this very catalogue."""
    entries = own(catalogue.folder, kind)
    if all(entry.hash == catalogue.hash for entry in entries):
        return entries
    renewed = [entry if entry.hash == catalogue.hash else _evaluated(catalogue, entry) for entry in entries]
    other: Kind = "cohort" if kind == "concept" else "concept"
    _write(catalogue.folder, [*renewed, *own(catalogue.folder, other)])
    return renewed


def add(catalogue: "Catalogue", kind: Kind, name: str, where: str) -> Named:
    """Name what the SQL condition `where` matches, over items for a concept and over users for a cohort.

    Raises `CatalogueError` for a name that is taken or unusable and for a condition that matches nothing or
    everything, `PredicateError` for one that does not fit.
    """
    name = plain(name).strip()
    if not name or len(name) > LONGEST_NAME:
        raise CatalogueError(f"A {kind} needs a name of 1 to {LONGEST_NAME} characters.")
    taken = [concept.name for concept in catalogue.concepts()] if kind == "concept" else []
    taken += [entry.name for entry in own(catalogue.folder, kind)]
    if name.lower() in (one.lower() for one in taken):
        raise CatalogueError(f"{catalogue.name} already has a {kind} {name!r}; choose another name, or remove it.")
    found = _evaluated(catalogue, Named(kind, name, where, catalogue.hash, ()))
    everything = catalogue.meta["n_items" if kind == "concept" else "n_users"]
    if not found.members or len(found.members) == everything:
        which = "every" if found.members else "no"
        raise CatalogueError(f"The condition matches {which} {'item' if kind == 'concept' else 'user'}: {where}.")
    everyone = [*own(catalogue.folder, "concept"), *own(catalogue.folder, "cohort"), found]
    _write(catalogue.folder, everyone)
    catalogue.forget()
    return found


def remove(catalogue: "Catalogue", kind: Kind, name: str) -> None:
    """Forget a concept or cohort of one's own; `CatalogueError` if there is none of that name."""
    everyone = [*own(catalogue.folder, "concept"), *own(catalogue.folder, "cohort")]
    kept = [entry for entry in everyone if not (entry.kind == kind and entry.name.lower() == name.lower())]
    if len(kept) == len(everyone):
        mine = ", ".join(entry.name for entry in everyone if entry.kind == kind) or "none"
        raise CatalogueError(f"There is no {kind} {name!r} of your own in {catalogue.name}; there are {mine}.")
    _write(catalogue.folder, kept)
    catalogue.forget()


def _evaluated(catalogue: "Catalogue", entry: Named) -> Named:
    numbers = catalogue.match("items" if entry.kind == "concept" else "users", entry.where)
    return Named(entry.kind, entry.name, entry.where, catalogue.hash, tuple(numbers.tolist()))


def _write(folder: Path, entries: list[Named]) -> None:
    write_whole(folder / FILE, "".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries))
