"""Values as bars, columns and curves made of characters. Pure; a figure stands beside or below whatever is drawn.

`in_ascii` makes a finished line readable where a terminal has no blocks or arrows: one character for one, so that
columns stay in place.
"""

import math
from collections.abc import Sequence

from rich.cells import cell_len

from workbench.widgets.line import Line, bar, right

LEVELS = " ▁▂▃▄▅▆▇█"
FEWEST_BAR_CELLS, MOST_BAR_CELLS = 4, 24
BINS = 10
"""Rows that a histogram is drawn in; bins that come in greater number are added up."""

_ASCII = str.maketrans(
    {
        **dict(zip("▁▂▃▄▅▆▇█", "._-:=+*#", strict=True)),
        **dict(zip("▏▎▍▌▋▊▉", "...--==", strict=True)),
        **dict(zip("●▸▲▼▴▾↕◂‹›│…·–→×τ✓✗“”", '*>^v^v|<<>|~.->xt+x""', strict=True)),
        **dict(zip("≤≥─└┤┼", "<>-+|+", strict=True)),
    }
)


def in_ascii(line: Line, encoding: str = "utf-8") -> Line:
    """`line` with our own signs in ASCII; letters of any script stay, question marks for those without encoding."""
    return tuple((encodable(text.translate(_ASCII), encoding), role) for text, role in line)


def encodable(text: str, encoding: str) -> str:
    """`text` with question marks, as wide, for what the encoding lacks."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(one if one.encode(encoding, "ignore") else "?" * cell_len(one) for one in text)
    return text


def shares(values: Sequence[float]) -> list[float]:
    """Sizes as shares of the largest, nan where unknown; all 0 where none is above it."""
    most = max((abs(value) for value in values if not math.isnan(value)), default=0.0)
    return [value if math.isnan(value) else abs(value) / most if most > 0 else 0.0 for value in values]


def bars(values: Sequence[float], cells: int) -> list[str]:
    """Each value as a bar; the largest fills `cells`. What is not 0 shows, however small."""
    return [bar(max(share, 1 / (8 * cells)) if share > 0 else share, cells) for share in shares(values)]


def columns(values: Sequence[float], height: int = 1) -> list[str]:
    """Values side by side, one cell each, in `height` rows from the top; what is not 0 shows, what is unknown does not.

    A negative value counts as 0.
    """
    above = [max(value, 0.0) if not math.isnan(value) else value for value in values]
    eighths = [
        0 if math.isnan(share) or share == 0 else max(1, round(share * height * 8)) for share in shares(above)
    ]  # fmt: skip
    return ["".join(LEVELS[min(max(n - 8 * row, 0), 8)] for n in eighths) for row in reversed(range(height))]


def histogram(edges: Sequence[float], counts: Sequence[int], word: str, width: int) -> list[Line]:
    """A head, then a row for each bin: from where to where, how many `word`, a bar. Nothing without bins."""
    if not counts or len(edges) != len(counts) + 1:
        return []
    each = math.ceil(len(counts) / BINS)
    starts = range(0, len(counts), each)
    sums = [sum(counts[at : at + each]) for at in starts]
    ranges = [f"{edges[at]:.2f}–{edges[min(at + each, len(counts))]:.2f}" for at in starts]
    first = max(len("activation"), *map(len, ranges))
    second = max(len(word), *(len(f"{n:,}") for n in sums))
    cells = min(MOST_BAR_CELLS, width - first - second - 4)
    drawn = bars([float(n) for n in sums], cells) if cells >= FEWEST_BAR_CELLS else [""] * len(sums)
    head = f"{right('activation', first)}  {right(word, second)}"
    return [
        ((head, "dim"),),
        *(
            ((f"{right(where, first)}  ", "dim"), (right(f"{n:,}", second), ""), ("  ", ""), (drawing, "bar"))
            for where, n, drawing in zip(ranges, sums, drawn, strict=True)
        ),
    ]


def curve(points: Sequence[tuple[str, float]], width: int, height: int = 4, places: int = 2) -> list[Line]:
    """Values in order as columns of `height` rows, the highest and the lowest in figures at the left, the names of the
    first and the last point below. An unknown value leaves a gap.

    The lowest value stands on the floor, so only differences show; the caller prints the values themselves.
    """
    known = [value for _, value in points if not math.isnan(value)]
    if not known:
        return []
    low, high = min(known), max(known)
    marks = [f"{high:.{places}f}", *[""] * (height - 2), f"{low:.{places}f}"][-height:]
    margin = max(map(len, marks)) + 1
    each = (width - margin) // len(points)
    if each < 1:
        return []
    # An eighth is kept for the lowest, so that it differs from a gap.
    floor = (high - low) / (8 * height - 1) if high > low else 1.0
    drawn = columns([value - low + floor for _, value in points], height)
    room = each * len(points)
    names = points[0][0], points[-1][0]
    gap = room - cell_len(names[0]) - cell_len(names[1])
    below = f"{names[0]}{' ' * gap}{names[1]}" if gap > 0 else ""
    return [
        *(
            ((f"{right(mark, margin - 1)} ", "dim"), ("".join(cell * each for cell in row), "bar"))
            for mark, row in zip(marks, drawn, strict=True)
        ),
        *([((" " * margin + below, "dim"),)] if below else []),
    ]
