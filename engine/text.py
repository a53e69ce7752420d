"""Text from data or from a language model, made safe to show anywhere."""

import unicodedata

_FORMATTING = {"\u200d", "\u200c"}  # joiners that emoji, Persian and Indic titles need


def plain(text: str) -> str:
    """`text` without control characters, bidirectional overrides and line breaks (each becomes a space).

    Nothing else changes: brackets, accents, CJK and right-to-left letters stay as they are.
    """
    if text.isprintable():
        return text
    kept = (
        character
        if character in _FORMATTING or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        else " "
        for character in text
    )
    return "".join(kept).strip()


def counted(n: int, word: str) -> str:
    """ "1 row", "2,000 rows"."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"
