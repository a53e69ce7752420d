"""A report as blocks: what is said, tabled and drawn, once for Markdown and once for a page."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.text import plain

_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Heading:
    """`level` 2 begins a section, 3 a part of one."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Words:
    """A paragraph; `strong` for what must not be missed."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Listing:
    """Sentences side by side."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A header and rows of text."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Drawing:
    """A picture: SVG for a page, its file `name`.svg for Markdown, and what it shows in words."""

    name: str
    svg: str
    alt: str
    caption: str = ""
    """What it is of, where it does not stand below a heading that says so."""


@dataclass(frozen=True)
class Code:
    """Lines for a shell, as they are typed."""

    text: str


@dataclass(frozen=True)
class Folded:
    """Blocks that a page shows when it is asked; Markdown names the `file` that has them."""

    title: str
    blocks: Sequence["Block"]
    file: str


Block = Heading | Words | Listing | Table | Drawing | Code | Folded


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    blocks: Sequence[Block]
    facts: dict[str, Any] = field(default_factory=dict)
    """What programs get."""


def as_markdown(document: Document) -> str:
    """The report as Markdown; pictures are files beside it. Text is made safe before it becomes a block."""
    parts = [f"# {document.title}", *(_markdown(block) for block in document.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Words(text, strong):
            return f"**{text}**" if strong else text
        case Listing(items):
            return "\n".join(f"- {one}" for one in items)
        case Table(header, rows):
            lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Drawing(name, _, alt, caption):
            return f"{caption}\n\n![{alt}]({name}.svg)" if caption else f"![{alt}]({name}.svg)"
        case Code(text):
            return f"```\n{text}\n```"
        case Folded(title, _, file):
            return f"{title}: [{file}]({file})"


def read_markdown(text: str, without_title: bool = True) -> list[Block]:
    """Blocks of Markdown that this product wrote: headings, lists, tables and paragraphs; pictures are left out.

    The heading of level 1 is left out too, unless it is wanted.
    """
    blocks: list[Block] = []
    for chunk in re.split(r"\n\s*\n", text.strip()):
        lines = chunk.splitlines()
        for kind, own in _runs(lines):
            blocks += _block(kind, own, without_title)
    return blocks


def _runs(lines: Sequence[str]) -> Iterable[tuple[str, list[str]]]:
    """Lines of one kind that follow each other."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        kind = "head" if line.startswith("#") else "table" if line.startswith("|") else "words"
        kind = "list" if line.startswith("- ") else "picture" if line.startswith("![") else kind
        if found and found[-1][0] == kind and kind not in ("head", "picture"):
            found[-1][1].append(line)
        else:
            found.append((kind, [line]))
    return found


def _block(kind: str, lines: Sequence[str], without_title: bool) -> list[Block]:
    if kind == "head":
        level = len(lines[0]) - len(lines[0].lstrip("#"))
        return [] if level == 1 and without_title else [Heading(lines[0].lstrip("#").strip(), max(3, level + 1))]
    if kind == "list":
        return [Listing([line[2:] for line in lines])]
    if kind == "table":
        rows = [[cell.strip().replace("\\|", "|") for cell in _CELL.split(line)[1:-1]] for line in lines]
        return [Table(rows[0], [row for row in rows[1:] if set("".join(row)) - {"-", ":"}])]
    return [] if kind == "picture" else [Words(" ".join(lines))]


def safe(text: object) -> str:
    """Text from data for a block: without control characters."""
    return plain(str(text))
