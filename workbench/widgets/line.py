"""One row of text as spans with roles, and the figures that stand in it. Pure: no Textual here.

Text from data is only ever a span's text, never markup; widths are terminal cells, so wide characters align.
"""

import math

from rich.cells import cell_len, set_cell_size

Span = tuple[str, str]
"""A piece of text and its role: "", "dim", "strong", "good", "bad", "warn", "bar" or "key"."""

Line = tuple[Span, ...]

UNKNOWN = "–"
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def width_of(line: Line) -> int:
    """Cells that `line` takes."""
    return sum(cell_len(text) for text, _ in line)


def text_of(line: Line) -> str:
    """`line` without its roles."""
    return "".join(text for text, _ in line)


def fit(text: str, width: int) -> str:
    """`text` in exactly `width` cells: padded with spaces, or cut with an ellipsis."""
    if width <= 0:
        return ""
    size = cell_len(text)
    if size <= width:
        return text + " " * (width - size)
    return set_cell_size(text, width - 1) + "…"


def right(text: str, width: int) -> str:
    """`text` in exactly `width` cells, at the right."""
    size = cell_len(text)
    return " " * (width - size) + text if size <= width else fit(text, width)


def ends(left: Line, at_right: Line, width: int) -> Line:
    """`left` and `at_right` at the two ends of `width` cells; `left` is cut if both do not fit."""
    room = width - width_of(at_right)
    return (*cut(left, room), *at_right)


def cut(line: Line, width: int) -> Line:
    """`line` in exactly `width` cells."""
    spans: list[Span] = []
    for text, role in line:
        size = cell_len(text)
        if size > width:
            spans.append((fit(text, width), role))
            return tuple(spans)
        spans.append((text, role))
        width -= size
    return (*spans, (" " * width, ""))


def wrap(text: str, width: int) -> list[str]:
    """`text` in rows of at most `width` cells (2 at least), broken at spaces where there are any."""
    width = max(width, 2)
    rows: list[str] = []
    row = ""
    for word in text.split():
        joined = f"{row} {word}" if row else word
        if cell_len(joined) <= width:
            row = joined
            continue
        if row:
            rows.append(row)
        while cell_len(word) > width:
            head = set_cell_size(word, width).rstrip()
            rows.append(head)
            word = word[len(head) :]
        row = word
    return [*rows, row] if row else rows


def packed(pieces: list[str], width: int, between: str = " · ") -> list[str]:
    """`pieces` joined by `between` in rows of at most `width` cells; a piece is cut only if it alone is too wide."""
    rows: list[str] = []
    for piece in pieces:
        joined = f"{rows[-1]}{between}{piece}" if rows else piece
        if rows and cell_len(joined) <= width:
            rows[-1] = joined
        else:
            rows.append(piece if cell_len(piece) <= width else fit(piece, width))
    return rows


def bar(share: float, width: int) -> str:
    """`share` (0 to 1) as a bar of `width` cells in eighths; spaces if it is unknown."""
    if math.isnan(share):
        return " " * width
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return fit("█" * full + (_EIGHTHS[rest] if rest else ""), width)


def decimal(value: float, places: int = 2) -> str:
    """`value` with `places` decimals, or the sign for unknown."""
    return UNKNOWN if math.isnan(value) else f"{value:.{places}f}"


def percent(share: float) -> str:
    """A share of 1 as per cent; shares under one per cent keep a decimal."""
    if math.isnan(share):
        return UNKNOWN
    return f"{share:.1%}" if 0 < share < 0.01 else f"{share:.0%}"


def times(value: float) -> str:
    """A ratio such as lift, in at most five cells for what occurs."""
    return UNKNOWN if math.isnan(value) else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def small(value: float) -> str:
    """A p- or q-value: three decimals, or that it is below them."""
    return UNKNOWN if math.isnan(value) else "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")
