"""Giving a name to a concept or a cohort, and taking it away again."""

from engine.catalogue.catalogue import Catalogue
from engine.catalogue.named import Kind, Named, own, write
from engine.errors import CatalogueError
from engine.text import plain

LONGEST_NAME = 64


def add(catalogue: Catalogue, kind: Kind, name: str, where: str) -> Named:
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
    found = catalogue.evaluated(Named(kind, name, where, catalogue.hash, ()))
    everything = catalogue.meta["n_items" if kind == "concept" else "n_users"]
    if not found.members or len(found.members) == everything:
        which = "every" if found.members else "no"
        told = catalogue.values_told("items" if kind == "concept" else "users", where)
        raise CatalogueError(f"The condition matches {which} {'item' if kind == 'concept' else 'user'}: {where}{told}.")
    everyone = [*own(catalogue.folder, "concept"), *own(catalogue.folder, "cohort"), found]
    write(catalogue.folder, everyone)
    catalogue.forget()
    return found


def remove(catalogue: Catalogue, kind: Kind, name: str) -> None:
    """Forget a concept or cohort of one's own; `CatalogueError` if there is none of that name."""
    everyone = [*own(catalogue.folder, "concept"), *own(catalogue.folder, "cohort")]
    kept = [entry for entry in everyone if not (entry.kind == kind and entry.name.lower() == name.lower())]
    if len(kept) == len(everyone):
        mine = ", ".join(entry.name for entry in everyone if entry.kind == kind) or "none"
        raise CatalogueError(f"There is no {kind} {name!r} of your own in {catalogue.name}; there are {mine}.")
    write(catalogue.folder, kept)
    catalogue.forget()
