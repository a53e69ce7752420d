"""What a name that was typed means: an item, a user or a concept. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import cast

from workbench.view import PageKind

Candidate = tuple[str, str]
"""A name, and the id of what it names where that is another text."""
KINDS: tuple[PageKind, ...] = ("concept", "item", "user")
EXAMPLES = 3
_YEAR = re.compile(r"\s*\(\d{4}\)$")


def with_kind(text: str) -> tuple[PageKind, str] | None:
    """The kind that stands before a name, as in "user 5", and the name; None where none does."""
    first, _, rest = text.strip().partition(" ")
    return (cast("PageKind", first.casefold()), rest.strip()) if first.casefold() in KINDS and rest.strip() else None


def meaning(
    text: str, found: Mapping[PageKind, Sequence[Candidate]], item_word: str, most: int
) -> tuple[PageKind, str] | str:
    """What `text` names, by its kind and name or id; else a sentence on what it may name, and how to say which.

    `found` is what there is of each kind whose name holds the text, `most` of a kind at the most. A concept of just
    that name comes first, then an item or user of just that id or name, then the only one that holds it.
    """
    exact = {kind: [one for one in found[kind] if _is(text, one)] for kind in KINDS}
    if exact["concept"]:
        return "concept", exact["concept"][0][0]
    by_id = [one for one in exact["item"] if text in one]
    exact["item"] = by_id if len(by_id) == 1 else exact["item"]
    fits = exact if exact["item"] or exact["user"] else found
    kinds = [kind for kind in KINDS if fits[kind]]
    if not kinds:
        return f"There is no {item_word}, user or concept {text!r} here; tab completes names."
    if len(kinds) == 1 and len(fits[kinds[0]]) == 1:
        name, id = fits[kinds[0]][0]
        return kinds[0], text if fits is exact else id if kinds[0] == "item" and id else name
    told = " and ".join(_told(kind, fits[kind], item_word, most) for kind in kinds)
    if len(kinds) == 1:
        return f"{text!r} may be {told}: type more of the name{', or an id' if kinds[0] == 'item' else ''}."
    ways = " or ".join(f"`{kind} {text}`" for kind in kinds)
    return f"{text!r} may be {told}: type {ways}, or a whole name."


def _is(text: str, one: Candidate) -> bool:
    """Whether something has just that id, or that name, whose year may be left out."""
    wanted, name = text.casefold(), one[0].casefold()
    return text == one[1] or wanted in (name, _YEAR.sub("", name))


def _told(kind: PageKind, ones: Sequence[Candidate], item_word: str, most: int) -> str:
    """How many there are of a kind, and which the first are."""
    word = item_word if kind == "item" else kind
    if len(ones) == 1:
        return f"the {word} {ones[0][0]}"
    count = f"{most} or more" if len(ones) >= most else str(len(ones))
    named = [f"{name} ({id})" if kind == "item" and id else name for name, id in ones[:EXAMPLES]]
    return f"{count} {word}s ({', '.join(named)}{', …' if len(ones) > EXAMPLES else ''})"
