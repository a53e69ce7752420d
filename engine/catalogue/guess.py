"""Which column of a user's file means what: by its name, said aloud, and overridden by an option."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from engine.catalogue.user_files import Column, Table
from engine.errors import CatalogueError

File = Literal["interactions", "items", "users"]
Role = Literal["user", "item", "weight", "time", "title", "year", "tags"]
NONE = "none"
"""What an option says to leave a column out that would be guessed."""

COUNTS = {"count", "counts", "plays", "playcount", "listens", "listencount", "clicks", "views", "quantity"}
"""Weights of these names are counts, never ratings."""

# Each line is tried in its turn; two columns of one line are ambiguous. Case and punctuation are ignored.
_NAMES: dict[Role, tuple[set[str], ...]] = {
    "user": (
        {"userid"},
        {"user", "users"},
        {"uid", "usr", "useridx"},
        {"customerid", "visitorid", "accountid", "memberid", "reviewerid", "listenerid", "viewerid", "playerid"},
        {"customer", "visitor", "account", "member", "reviewer", "listener", "viewer", "player"},
    ),
    "item": (
        {"itemid"},
        {"item", "items"},
        {"iid", "itemidx"},
        {
            "movieid", "filmid", "trackid", "songid", "productid", "artistid", "bookid", "articleid", "gameid",
            "appid", "businessid", "albumid", "recipeid", "videoid", "newsid", "asin", "parentasin", "isbn", "sku",
        },
        {"movie", "film", "track", "song", "product", "artist", "book", "article", "game", "app", "album", "video"},
    ),
    "weight": ({"rating", "ratings", "score", "stars", "weight", "preference", *COUNTS},),
    "time": ({"timestamp"}, {"time", "datetime", "ts", "unixtime", "unixreviewtime"}, {"date", "day"}),
    "title": ({"title"}, {"name"}, {"itemname", "itemtitle", "movietitle", "productname", "tracktitle", "trackname"}),
    "year": ({"year"}, {"releaseyear", "yearofrelease", "yearofpublication", "publicationyear"}),
    "tags": ({"tags", "tag", "genres", "genre", "categories", "category", "keywords"},),
}  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """What the user says of columns; None is left to guess, "none" is left out."""

    user: str | None = None
    item: str | None = None
    weight: str | None = None
    time: str | None = None
    title: str | None = None
    year: str | None = None
    tags: str | None = None


def squeezed(name: str) -> str:
    """`name` in lower case with letters and digits alone."""
    return re.sub(r"[\W_]+", "", name.lower())


def choose(table: Table, role: Role, columns: Columns, *, required: bool) -> Column | None:
    """The column of `table` for `role`: the one that the user named, else the one that its name tells.

    `CatalogueError` naming the file, its columns and the option: what was named is not there, two fit, none fits.
    """
    told: str | None = getattr(columns, role)
    option = f"--{role}-column"
    have = ", ".join(column.name for column in table.columns)
    if told == NONE and not required:
        return None
    if told is not None:
        found = _named(table.columns, told)
        if found is not None:
            return found
        raise CatalogueError(f"{table.path.name} has no column {told!r} for {option}; its columns are {have}.")
    for names in _NAMES[role]:
        fitting = [column for column in table.columns if squeezed(column.name) in names]
        if len(fitting) > 1:
            both = " or ".join(column.name for column in fitting)
            out = "" if required else f" (or {option} none)"
            raise CatalogueError(f"{table.path.name}: is the {role} {both}? Say which with {option}{out}.")
        if fitting:
            return fitting[0]
    if required:
        raise CatalogueError(
            f"{table.path.name}: none of its columns ({have}) looks like the {role}'s id; name it with {option}."
        )
    return None


def choose_key(table: Table, role: Literal["user", "item"], columns: Columns, other: Column | None) -> Column:
    """The id column of the items' or users' file: called as among the interactions (`other`), else guessed.

    A name that was given for the interactions need not be this file's too.
    """
    for name in (getattr(columns, role), other.name if other else None):
        if name is not None and (found := _named(table.columns, name)) is not None:
            return found
    if (bare := _named(table.columns, "id")) is not None and not any(
        squeezed(column.name) in names for names in _NAMES[role][:3] for column in table.columns
    ):
        return bare
    blank = Columns(**{at.name: None for at in fields(Columns)}) if other else columns
    found = choose(table, role, blank, required=True)
    assert found is not None
    return found


def _named(columns: Sequence[Column], name: str) -> Column | None:
    exact = next((column for column in columns if column.name == name), None)
    return exact or next((column for column in columns if squeezed(column.name) == squeezed(name)), None)


def item_word(column: str) -> str:
    """What one item is called, if the name of its id column tells: "movie" for movieId."""
    word = squeezed(column).removesuffix("id")
    return word if word in _NAMES["item"][-1] else "item"
