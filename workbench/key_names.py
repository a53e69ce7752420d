"""Names of keys: as an analyst writes them, as Textual calls them, and as the screen shows them.

Standard library alone. Keys that a terminal sends as the same byte have one name: ctrl+i is tab.
"""

import unicodedata
from difflib import get_close_matches

MODIFIERS = ("alt", "ctrl", "shift")
_NAMED = (
    "escape tab enter space backspace delete insert up down left right home end pageup pagedown "
    + " ".join(f"f{number}" for number in range(1, 25))
).split()
_ALIASES = {
    "esc": "escape",
    "return": "enter",
    "del": "delete",
    "ins": "insert",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+[": "escape",
    "ctrl+left_square_bracket": "escape",
}
_RENAMED = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
"""Where Textual's name for a character is not its Unicode name."""
_SHOWN = {"escape": "esc", "pageup": "PgUp", "pagedown": "PgDn", "delete": "del", "insert": "ins"}


def textual_name(key: str) -> str | None:
    """What Textual calls the key that was written as a character, a name, or either with modifiers; None for no key."""
    if len(key) == 1:
        return _of_character(key)
    lower = key.lower()
    if lower in _ALIASES:
        return _ALIASES[lower]
    *before, last = lower.split("+")
    modifiers = sorted(set(before))
    if len(modifiers) < len(before) or not set(modifiers) <= set(MODIFIERS):
        return None
    base = _ALIASES.get(last, last) if last in _NAMED or last in _ALIASES else _base(last)
    if base is None:
        return None
    if "shift" in modifiers and base not in _NAMED:
        return base.upper() if modifiers == ["shift"] and len(base) == 1 and base.isalpha() else None
    name = "+".join([*modifiers, base])
    return _ALIASES.get(name, name)


def _base(name: str) -> str | None:
    """A character by itself or by its name."""
    if len(name) == 1:
        return _of_character(name)
    character = _character(name)
    return None if character is None else _of_character(character)


def _of_character(character: str) -> str | None:
    if character.isalnum():
        return character
    if character == " ":
        return "space"
    if not character.isprintable():
        return None
    name = unicodedata.name(character, "").lower().replace("-", "_").replace(" ", "_")
    named = _RENAMED.get(name, name)
    return named if named and _character(named) == character else None  # some names do not lead back


def _character(name: str) -> str | None:
    """The character that Textual means by a name."""
    original = next((old for old, new in _RENAMED.items() if new == name), name)
    for spelled in (original.replace("_", " "), original.replace("_", "-", 1).replace("_", " ")):
        try:
            found = unicodedata.lookup(spelled.upper())
        except KeyError:
            continue
        return found if len(found) == 1 and found.isprintable() and not found.isalnum() else None
    return None


def shown(key: str) -> str:
    """How footer and help write a key that Textual names so: ">", "PgDn", "ctrl+a"."""
    modifiers, _, last = key.rpartition("+")
    text = _SHOWN.get(last) or (last if len(last) == 1 or last in _NAMED else _character(last) or last)
    return f"{modifiers}+{text}" if modifiers else text


def written(key: str) -> str:
    """How a file of keys writes it, so that `textual_name` reads it back."""
    modifiers, _, last = key.rpartition("+")
    text = last if len(last) == 1 or last in _NAMED else _character(last) or last
    return f"{modifiers}+{text}" if modifiers else text


def nearest(key: str) -> str | None:
    """The name that was probably meant."""
    *modifiers, last = key.lower().split("+")
    close = get_close_matches(last, [*_NAMED, *_ALIASES, *_RENAMED.values()], 1)
    found = textual_name("+".join([*modifiers, close[0]])) if close else None
    return None if found is None else written(found)
