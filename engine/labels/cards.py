"""What a language model is shown of an item: the fields that the analyst chose, as one line of JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from engine.errors import LabelError
from engine.inspector import YEAR
from engine.text import plain

Field = Literal["title", "year", "concepts"]
FIELDS: tuple[Field, ...] = ("title", "year", "concepts")
TEXT_CHARACTERS, CONCEPTS_SHOWN = 200, 12


@dataclass(frozen=True)
class Cards:
    """Items by number: titles (with their year behind, if any), genres or tags, and the `fields` that are shown.

    Without its title an item cannot be known from elsewhere, so that a model has to go by the metadata.
    """

    titles: Sequence[str]
    concepts: Sequence[Sequence[str]]
    fields: tuple[Field, ...] = FIELDS

    @cached_property
    def word(self) -> str:
        """What is shown, in words."""
        return ", ".join(self.fields)

    def card(self, item: int) -> dict[str, Any]:
        """The chosen fields of one item; a year that is not known is left out."""
        card: dict[str, Any] = {}
        if "title" in self.fields:
            card["title"] = plain(YEAR.sub("", self.titles[item]))[:TEXT_CHARACTERS]
        if "year" in self.fields and (year := self._year(item)):
            card["year"] = year
        if "concepts" in self.fields:
            card["concepts"] = [plain(one)[:TEXT_CHARACTERS] for one in self.concepts[item][:CONCEPTS_SHOWN]]
        return card

    def decade(self, item: int) -> list[str]:
        """An item's decade, such as ["1980s"]; [] if its year is not known."""
        year = self._year(item)
        return [f"{year // 10 * 10}s"] if year else []

    def _year(self, item: int) -> int:
        found = YEAR.search(self.titles[item])
        return int(found.group().strip(" ()")) if found else 0

    def lines(self, items: Iterable[int]) -> str:
        """Cards of items, one a line."""
        return json_lines(self.card(item) for item in items)


def json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as JSON, one a line; no text in them can close a tag around them."""
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return lines.replace("<", "\\u003c").replace(">", "\\u003e")


def parse_fields(text: str) -> tuple[Field, ...]:
    """Fields from "title,year,concepts"; `LabelError` for another word, or where nothing is left to go by."""
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    unknown = next((word for word in words if word not in FIELDS), None)
    if unknown is not None or not {"title", "concepts"} & set(words):
        told = f"no field {unknown!r}" if unknown is not None else "neither title nor concepts"
        raise LabelError(
            f"--fields {text!r} has {told}: choose of {', '.join(FIELDS)}, at least one of title and concepts."
        )
    return tuple(field for field in FIELDS if field in words)
