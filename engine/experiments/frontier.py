"""What a readable code costs, drawn: the paper's Figure 4 (fidelity over beta), and purity against fidelity.

Pure drawing: every function takes plain data and hands out a `Picture`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.experiments.drawing import (
    FAINT,
    INK,
    MARKERS,
    PALETTE,
    Picture,
    Value,
    grid,
    known,
    picture,
    shortened,
)
from engine.experiments.published import Figure4, Model
from engine.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = {
    "rbo": "RBO of the top 30",
    "tau": "Kendall tau of the top 30",
    "monosemanticity": "Monosemanticity, as published",
    "monosemanticity_independent": "Monosemanticity, independent",
    "l0_items": "Active neurons an item (L0)",
    "l0_users": "Active neurons a user (L0)",
    "dead": "Dead neurons",
}
"""The panels of Figure 4, by key; the paper has the first three."""
MOST_LABELS, SMALL_GROUP = 16, 4
"""Points that are all named; of more, the front, the groups of at most so many points, and the best of the others."""
MODEL_NAMES = {"mf": "MF", "ncf": "NCF"}


@dataclass(frozen=True)
class BetaCurve:
    """One way of training over `beta`: for each key of `MEASURES` an array (seeds × betas), nan where unknown."""

    name: str
    beta: Sequence[float]
    measured: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Tradeoff:
    """One autoencoder, or baseline, as a point."""

    label: str
    group: str
    """Points of a group share colour and shape."""
    purity: float
    rbo: float
    passes_through: bool = False
    """Whether its user code has so many active neurons that it can pass the vector on unread: hollow, and no rival."""
    purity_interval: tuple[float, float] | None = None
    rbo_interval: tuple[float, float] | None = None
    """Ends of the 95 % intervals, drawn as whiskers where they are known."""


def figure4(model: Model, curves: Sequence[BetaCurve], paper: Figure4 | None) -> Picture:
    """The paper's Figure 4 for one recommender: our curves (mean and range over seeds) and the paper's points, if any.

    Raises `ValueError` for a curve whose arrays do not fit its betas.
    """
    for curve in curves:
        for key, values in curve.measured.items():
            if key not in MEASURES or values.ndim != 2 or values.shape[1] != len(curve.beta):
                raise ValueError(f"{curve.name}, {key}: expected a known measure, seeds × {len(curve.beta)} betas")
    published: dict[str, Sequence[float]] = {}
    beta: Sequence[float] = ()
    note = "30 items, seen items left out, extrapolated RBO\n(identical lists 1). Bands: lowest to highest seed."
    if paper is not None:
        theirs, beta = paper.of(model), paper.beta
        published = {"rbo": theirs.rbo, "tau": theirs.tau, "monosemanticity": theirs.monosemanticity}
        note = (
            f"The paper's lists have {theirs.list_length} items, seen items {theirs.seen_items};\n"
            f"its RBO is truncated: identical lists give {theirs.rbo_of_identical_lists:.3f}.\n"
            f"Ours: {note}"
        )
    rows: list[tuple[Value, ...]] = []
    words = [f"Fidelity, monosemanticity and sparsity over beta, {MODEL_NAMES[model]}."]
    for key, title in MEASURES.items():
        for curve in curves:
            if key in curve.measured:
                rows += _spread(key, curve)
                ends = [known(value) for value in _means(curve.measured[key])[[0, -1]]]
                words.append(f"{title}, {curve.name}: {_range(curve.beta, ends)}.")
        if key in published:
            rows += [
                (key, "published", at, value, None, None, 1) for at, value in zip(beta, published[key], strict=True)
            ]
            words.append(f"{title}, published: {_range(beta, [published[key][0], published[key][-1]])}.")
    words.append(note.replace("\n", " "))
    theirs_label = f"published, {MODEL_NAMES[model]} (one seed)" if paper is not None else None

    def draw(figure: "Figure") -> None:
        layout = figure.add_gridspec(4, 2)
        for at, (key, title) in enumerate(MEASURES.items()):
            axes = figure.add_subplot(layout[at // 2, at % 2])
            _beta_panel(axes, key, curves, (beta, published[key]) if key in published else None)
            axes.set_title(title)
            if at >= len(MEASURES) - 2:
                axes.set_xlabel("beta, weight of the prediction-level loss")
        _legend(figure.add_subplot(layout[3, 1]), curves, theirs_label, note)

    columns = ("measure", "curve", "beta", "mean", "lowest", "highest", "seeds")
    return picture(f"figure4-{model}", 8.6, draw, " ".join(words), columns, rows)


def pareto(points: Sequence[Tradeoff], purity_name: str = "purity@50") -> Picture:
    """Purity against RBO; the line joins the points that no other beats on both."""
    if not points:
        raise ValueError("pareto has nothing to draw")
    best = front(points)
    rows: list[tuple[Value, ...]] = [
        (
            one.label,
            one.group,
            one.purity,
            one.rbo,
            "yes" if one.passes_through else "no",
            "yes" if at in best else "no",
        )
        for at, one in enumerate(points)
    ]
    named = "; ".join(f"{points[at].label} ({points[at].purity:.3f}, {points[at].rbo:.3f})" for at in best)
    alt = f"{len(points)} points, {purity_name} against RBO. None beats these on both: {named}."

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        for place, group in enumerate(dict.fromkeys(one.group for one in points)):
            colour, marker = PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)]
            mine = [one for one in points if one.group == group]
            for one in sorted(mine, key=lambda one: one.passes_through):
                _whiskers(axes, one, colour)
                (mark,) = axes.plot(one.rbo, one.purity, marker, color=colour, markersize=7, zorder=3)
                mark.set(markerfacecolor="white" if one.passes_through else colour, markeredgewidth=1.4)
                mark.set_label(shortened(group, 40) if one is min(mine, key=lambda one: one.passes_through) else "_")
        if len(best) > 1:
            x, y = [points[at].rbo for at in best], [points[at].purity for at in best]
            axes.plot(x, y, color=FAINT, linewidth=1.1, linestyle="--", zorder=2, label="front")
        axes.set(xlabel="RBO of the top 30 (1 = every list unchanged)", ylabel=purity_name)
        axes.margins(0.08)
        grid(axes, "both")
        if any(one.passes_through for one in points):
            axes.plot([], [], "o", color=FAINT, markerfacecolor="white", label="hollow: can pass user vectors through")
        figure.legend(loc="outside lower left", ncols=3)
        _label(figure, axes, points, best)

    columns = ("label", "group", purity_name, "rbo", "passes_through", "front")
    return picture("pareto", 5.4, draw, alt, columns, rows)


def front(points: Sequence[Tradeoff]) -> list[int]:
    """Positions of the points that none equals or beats on both with one of them higher, by falling purity.

    A point that passes user vectors through neither joins nor beats the others. Of equal points all are kept.
    """
    rivals = [at for at, one in enumerate(points) if not one.passes_through]
    kept = [at for at in rivals if not any(_beats(points[other], points[at]) for other in rivals)]
    return sorted(kept, key=lambda at: (-points[at].purity, points[at].rbo))


def dominators(points: Sequence[Tradeoff], at: int) -> list[int]:
    """Positions of the points that equal or beat one on both, with one of them higher.

    None for a point that passes user vectors through.
    """
    rivals = [n for n, one in enumerate(points) if not one.passes_through]
    return [n for n in rivals if at in rivals and _beats(points[n], points[at])]


def _beats(one: Tradeoff, other: Tradeoff) -> bool:
    at_least = one.purity >= other.purity and one.rbo >= other.rbo
    return at_least and (one.purity > other.purity or one.rbo > other.rbo)


def _whiskers(axes: "Axes", one: Tradeoff, colour: str) -> None:
    if one.purity_interval is not None:
        axes.vlines(one.rbo, *one.purity_interval, color=colour, linewidth=1, alpha=0.6, zorder=2)
    if one.rbo_interval is not None:
        axes.hlines(one.purity, *one.rbo_interval, color=colour, linewidth=1, alpha=0.6, zorder=2)


def _means(values: np.ndarray) -> np.ndarray:
    """Mean over the seeds that are known; nan where none is."""
    count = np.isfinite(values).sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)


def _ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest known seed of each beta; nan where none is."""
    some = np.isfinite(values).any(axis=0)
    lowest = np.where(some, np.nan_to_num(values, nan=np.inf).min(axis=0, initial=np.inf), np.nan)
    return lowest, np.where(some, np.nan_to_num(values, nan=-np.inf).max(axis=0, initial=-np.inf), np.nan)


def _spread(key: str, curve: BetaCurve) -> list[tuple[Value, ...]]:
    values = np.asarray(curve.measured[key], np.float64)
    lowest, highest = _ends(values)
    return [
        (key, curve.name, beta, known(mean), known(low), known(high), int(np.isfinite(column).sum()))
        for beta, mean, low, high, column in zip(curve.beta, _means(values), lowest, highest, values.T, strict=True)
    ]


def _range(beta: Sequence[float], ends: Sequence[float | None]) -> str:
    first, last = ("unknown" if value is None else f"{value:.3g}" for value in ends)
    return f"{first} at beta {beta[0]:g}, {last} at beta {beta[-1]:g}"


def _beta_panel(
    axes: "Axes",
    key: str,
    curves: Sequence[BetaCurve],
    paper: tuple[Sequence[float], Sequence[float]] | None,
) -> None:
    for place, curve in enumerate(curves):
        if key in curve.measured:
            values = np.asarray(curve.measured[key], np.float64)
            colour = PALETTE[place % len(PALETTE)]
            axes.plot(curve.beta, _means(values), color=colour, marker=MARKERS[place % len(MARKERS)], markersize=4.5)
            axes.fill_between(np.array(curve.beta, float), *_ends(values), color=colour, alpha=0.18, linewidth=0)
    if paper is not None:
        axes.plot(*paper, color=INK, linestyle=":", marker="x", markersize=5, linewidth=1.3)
    axes.set_xticks(sorted({beta for curve in curves for beta in curve.beta} | set(paper[0] if paper else ())))
    axes.margins(x=0.03, y=0.1)
    if key in ("l0_items", "l0_users", "dead"):
        axes.set_ylim(0, max(axes.get_ylim()[1], 1))
    grid(axes)


def _legend(axes: "Axes", curves: Sequence[BetaCurve], paper: str | None, note: str) -> None:
    """The eighth panel: what the lines are, and how the paper's differ."""
    axes.set_axis_off()
    for place, curve in enumerate(curves):
        colour, marker = PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)]
        seeds = max((len(values) for values in curve.measured.values()), default=0)
        label = f"{shortened(curve.name, 40)} ({counted(seeds, 'seed')})"
        axes.plot([], [], color=colour, marker=marker, label=label)
    if paper is not None:
        axes.plot([], [], color=INK, linestyle=":", marker="x", label=paper)
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.05))
    axes.text(0.02, 0.02, note, size=7.5, color=FAINT, va="bottom", transform=axes.transAxes)


def _label(figure: "Figure", axes: "Axes", points: Sequence[Tradeoff], best: Sequence[int]) -> None:
    """Write labels where they cover no point and no other label; one without room is left out.

    The front's come first.
    """
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()
    # A reader's font can be wider than the one that measures here.
    inside = axes.get_window_extent().padded(-8)
    centres = axes.transData.transform([(one.rbo, one.purity) for one in points])
    taken = [Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in centres]
    lines = [Bbox(axes.transData.transform(ends)).padded(1) for one in points for ends in _whisker_ends(one)]
    others = [at for at in range(len(points)) if at not in best]
    if len(points) > MOST_LABELS:
        others = [at for group in dict.fromkeys(one.group for one in points) for at in _notable(points, group)]
    for at in dict.fromkeys([*best, *others]):
        # On the whiskers of another point a label would seem to be that one's: only where there is no other room.
        for dx, dy, ha, va, avoided in ((*place, on) for on in ([*taken, *lines], taken) for place in _PLACES):
            text = axes.annotate(
                shortened(points[at].label, 30),
                (points[at].rbo, points[at].purity),
                (dx, dy),
                textcoords="offset points",
                ha=ha,
                va=va,
                size=8,
                in_layout=False,
            )
            box = text.get_window_extent().padded(2)
            clear = not any(box.overlaps(other) for other in avoided)
            if clear and inside.contains(*box.p0) and inside.contains(*box.p1):
                taken.append(box)
                break
            text.remove()


def _whisker_ends(one: Tradeoff) -> list[list[tuple[float, float]]]:
    """Both ends of each whisker of a point."""
    found = []
    if one.purity_interval is not None:
        found.append([(one.rbo, end) for end in one.purity_interval])
    if one.rbo_interval is not None:
        found.append([(end, one.purity) for end in one.rbo_interval])
    return found


def _notable(points: Sequence[Tradeoff], group: str) -> list[int]:
    """The points of a small group, and the best on either axis of a large one."""
    mine = [at for at, one in enumerate(points) if one.group == group]
    if len(mine) <= SMALL_GROUP:
        return mine
    return [max(mine, key=lambda at: points[at].purity), max(mine, key=lambda at: points[at].rbo)]


_PLACES = (
    (8, 0, "left", "center"),
    (-8, 0, "right", "center"),
    (0, 8, "center", "bottom"),
    (0, -8, "center", "top"),
    (6, 7, "left", "bottom"),
    (-6, 7, "right", "bottom"),
    (6, -7, "left", "top"),
    (-6, -7, "right", "top"),
)
