"""What every figure shares: colours, axes, and how a drawing becomes bytes, words and a table.

Matplotlib through its object API and the Agg canvas: no window, no global state but the settings of one call, and the
same bytes for the same data (the SVG's ids are salted with its name, and no file holds a date).
"""

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from xml.sax.saxutils import quoteattr

import numpy as np

from engine.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Value = str | float | int | None

INK, FAINT, GRID = "#222222", "#6b6b6b", "#e4e4e4"
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
"""Okabe and Ito's colours, which people of every colour vision can tell apart; shapes and line styles say it again."""
MARKERS = ("o", "s", "^", "D", "v", "P")
WIDTH = 8.0
"""Inches; at `DOTS` an inch a figure is 800 pixels wide."""
DOTS = 100

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.parse_math": False,  # a title with two dollar signs is no formula
    "svg.fonttype": "none",  # words stay words: searchable, and set in a font that has their letters
}


@dataclass(frozen=True)
class Picture:
    """A figure as bytes, in words, and as the table of what it shows."""

    name: str
    svg: bytes
    png: bytes
    alt: str
    """What the figure shows, for someone who does not see it."""
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    """One value a column; None is unknown."""

    def markdown(self) -> str:
        """The table in Markdown; what is unknown is a dash."""
        lines = [self.columns, ("---",) * len(self.columns), *(tuple(map(_cell, row)) for row in self.rows)]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_VECTORS_ALONE: ContextVar[bool] = ContextVar("vectors_alone", default=False)


@contextmanager
def vectors_alone() -> Iterator[None]:
    """Pictures that are drawn within have an empty PNG, which is a quarter of the work."""
    token = _VECTORS_ALONE.set(True)
    try:
        yield
    finally:
        _VECTORS_ALONE.reset(token)


def picture(
    name: str,
    height: float,
    draw: Callable[["Figure"], None],
    alt: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Value]],
    width: float = WIDTH,
) -> Picture:
    """Let `draw` fill a figure `width` × `height` inches, and keep it in both formats.

    Raises `ValueError` if a row of the table does not fit its columns.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if any(len(row) != len(columns) for row in rows):
        raise ValueError(f"{name}: every row of the table must have {len(columns)} values")
    svg, png = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name, "svg.id": name}), warnings.catch_warnings():
        # A letter that the font lacks is a box in the PNG alone; the SVG and the table hold the word itself.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        figure = Figure(figsize=(width, height), dpi=DOTS, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        _settle(figure)
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None, "Title": name})
        if not _VECTORS_ALONE.get():
            figure.savefig(png, format="png", dpi=DOTS, metadata={"Software": None})
    alt = plain(alt)
    labelled = svg.getvalue().replace(b"<svg ", f'<svg role="img" aria-label={quoteattr(alt)} '.encode(), 1)
    return Picture(name, labelled, png.getvalue(), alt, tuple(columns), tuple(tuple(row) for row in rows))


def _settle(figure: "Figure") -> None:
    """Lay the figure out once, and round where its panels stand.

    The layout's solver differs in the last bits from call to call, and the SVG's ids are hashes of those numbers.
    """
    layout = figure.get_layout_engine()
    assert layout is not None
    layout.execute(figure)
    # With None, unlike "none", nothing is left that would have each file drawn twice.
    figure.set_layout_engine(None)
    for axes in figure.axes:
        left, bottom, width, height = (round(float(value), 4) for value in axes.get_position(original=True).bounds)
        axes.set_position((left, bottom, width, height))


def grid(axes: "Axes", axis: Literal["x", "y", "both"] = "y") -> None:
    """Faint lines across the values, none along the categories."""
    axes.grid(visible=True, axis=axis, color=GRID, linewidth=0.8)


def shortened(text: str, length: int = 28) -> str:
    """A name made safe to draw, cut to `length` characters."""
    text = plain(text)
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def known(value: float | np.floating | None) -> float | None:
    """A number for the table: None where it is not finite."""
    return float(value) if value is not None and np.isfinite(value) else None


def _cell(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return plain(str(value)).replace("|", "\\|")
