"""A document of blocks as files: Markdown with its pictures beside it, a page that needs nothing else, or its facts."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from engine import __version__
from engine.dated import exported
from engine.experiments.drawing import Picture
from engine.home import write_whole
from engine.report.blocks import Block, Code, Document, Drawing, Folded, Heading, Listing, Table, Words, as_markdown
from engine.report.html import environment, inline_svg, script_and_style, tidy
from engine.report.markdown import as_json
from engine.report.pictures import Figure

_FIGURE = re.compile(r"[-+]?[\d.,]+( ?%|\*)?(/[\d.,]+)?( [-+]?[\d.,]+\*?)*( \[.*\])?|\d+ (\(\d+\) )?of \d+|–|")
"""A cell of numbers, perhaps with an interval, or unknown."""
SORTABLE_ROWS = 4
"""Rows from which on a table can be sorted."""
LONGEST_WHOLE = 40
"""A longer word may break: a phone has no room for it."""


def as_page(document: Document) -> str:
    """The document as one HTML file: no network, its pictures within. Text never acts as markup."""
    headings = [block for block in document.blocks if isinstance(block, Heading) and block.level == 2]
    text = (
        environment()
        .get_template("blocks.html")
        .render(
            title=document.title,
            heading=unbroken(document.title),
            version=__version__,
            exported=exported(),
            contents=[(_anchor(block.text), block.text) for block in headings],
            blocks=_plain(document.blocks),
            sortable=SORTABLE_ROWS,
            **script_and_style(),
        )
    )
    return tidy(text) + "\n"


FORMATS: Mapping[str, Callable[[Document], str]] = {
    "html": as_page,
    "md": as_markdown,
    "json": lambda document: as_json(document.facts),
}


def write_document(document: Document, path: Path, kind: str) -> list[Path]:
    """Write one of `FORMATS` to `path`, and the pictures of a Markdown file beside it; returns what was written."""
    drawings = [block for block in document.blocks if isinstance(block, Drawing)] if kind == "md" else []
    files = {path: FORMATS[kind](document)}
    files |= {path.with_name(f"{drawing.name}.svg"): drawing.svg for drawing in drawings}
    for file, text in files.items():
        write_whole(file, text)
    return list(files)


def unbroken(text: str) -> Markup:
    """Text whose words stay whole: a browser would break a run's name at its hyphens."""
    return Markup(" ").join(
        Markup('<span class="w">{}</span>').format(one) if "-" in one and len(one) <= LONGEST_WHOLE else escape(one)
        for one in text.split(" ")
    )


def _plain(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """As the template takes them."""
    found: list[dict[str, Any]] = []
    section = ""
    for block in blocks:
        match block:
            case Heading(text, level):
                section = text
                found.append(
                    {"kind": "heading", "text": unbroken(text), "level": level, "anchor": _anchor(text) * (level == 2)}
                )
            case Words(text, strong):
                found.append({"kind": "words", "text": unbroken(text), "strong": strong})
            case Listing(items):
                found.append({"kind": "listing", "texts": [unbroken(item) for item in items]})
            case Table(header, rows):
                right = [all(_FIGURE.fullmatch(row[n]) for row in rows) for n in range(len(header))]
                cells = [[unbroken(cell) for cell in row] for row in (header, *rows)]
                found.append({"kind": "table", "header": cells[0], "rows": cells[1:], "right": right, "name": section})
            case Drawing(name, svg, alt, caption):
                picture = Picture(name, svg.encode(), b"", alt, (), ())
                found.append(
                    {
                        "kind": "drawing",
                        "svg": inline_svg(Figure(name, section, "", picture)),
                        "alt": alt,
                        "caption": caption,
                    }
                )
            case Code(text):
                found.append({"kind": "code", "lines": text.splitlines()})
            case Folded(title, inner, _):
                found.append({"kind": "folded", "title": title, "blocks": _plain(inner)})
    return found


def _anchor(text: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", text.lower()))
