"""What neurons respond to, drawn: the paper's Figures 2 and 3, and the levels of a Matryoshka dictionary.

Pure drawing: every function takes plain data and hands out a `Picture`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.experiments.drawing import (
    BLUE,
    INK,
    SKY,
    VERMILION,
    Picture,
    Value,
    grid,
    known,
    picture,
    shortened,
)
from engine.experiments.matryoshka import DEPTH, MEASURES, Level, Trend
from engine.neurons.profile import DecadeShare

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES_SHOWN = 18
"""Concepts or tags in one panel, the largest first; the table has all of them."""
Panel = tuple[float, Callable[["Axes"], None]]
"""Its height in inches, and what draws it."""


@dataclass(frozen=True)
class ConceptProfile:
    """Mean activation of every neuron over one concept's items and over the catalogue's (both m)."""

    concept: str
    means: np.ndarray
    catalogue: np.ndarray


@dataclass(frozen=True)
class NeuronProfile:
    """Mean activation of one neuron over the items of each concept (nan: it has none) and over the catalogue's."""

    neuron: int
    label: str | None
    concepts: Sequence[str]
    means: np.ndarray
    catalogue: float


@dataclass(frozen=True)
class TagCounts:
    """How many of a neuron's `depth` most active items carry each tag, and how many of any `depth` items would."""

    neuron: int
    label: str | None
    depth: int
    tags: Sequence[str]
    counts: Sequence[int]
    expected: Sequence[float]


@dataclass(frozen=True)
class DecadeProfile:
    """Decades among a neuron's most active items, from `engine.neurons.profile.decade_shares`."""

    neuron: int
    label: str | None
    decades: Sequence[DecadeShare]


def figure2(
    concepts: Sequence[ConceptProfile], neurons: Sequence[NeuronProfile], tags: Sequence[TagCounts] = ()
) -> Picture:
    """The paper's Figure 2: a concept across neurons (top), a neuron across concepts (middle), its tags (bottom)."""
    rows: list[tuple[Value, ...]] = []
    words, bands = [], []
    for profile in concepts:
        rows += [
            (f"mean activation of {profile.concept}", f"neuron {j}", known(mean), known(profile.catalogue[j]))
            for j, mean in enumerate(profile.means)
        ]
        first, second = np.argsort(-profile.means, kind="stable")[:2] if len(profile.means) > 1 else (0, 0)
        words.append(
            f"{profile.concept}: neuron {first} is the most active on average, {profile.means[first]:.2f} "
            f"(catalogue {profile.catalogue[first]:.2f}), then neuron {second}, {profile.means[second]:.2f}."
        )
    for one in neurons:
        names = [(name, known(mean)) for name, mean in zip(one.concepts, one.means, strict=True)]
        rows += [(f"mean activation of neuron {one.neuron}", name, mean, float(one.catalogue)) for name, mean in names]
        leading = sorted(((mean, name) for name, mean in names if mean is not None), key=lambda pair: -pair[0])[:2]
        described = ", then ".join(f"{name}, {mean:.2f}" for mean, name in leading)
        words.append(f"{_title(one.neuron, one.label)}: most active on {described} (catalogue {one.catalogue:.2f}).")
    for tagged in tags:
        triples = list(zip(tagged.tags, tagged.counts, tagged.expected, strict=True))
        rows += [(f"top {tagged.depth} of neuron {tagged.neuron}", tag, n, float(usual)) for tag, n, usual in triples]
        described = ", ".join(f"{tag} {n}" for tag, n, _ in sorted(triples, key=lambda triple: -triple[1])[:5])
        words.append(f"Tags among the top {tagged.depth} of {_title(tagged.neuron, tagged.label)}: {described}.")
    bands += _pairs([(1.9, _concept_panel(profile)) for profile in concepts])
    bands += _pairs([(_height(len(one.concepts)), _neuron_panel(one)) for one in neurons])
    bands += _pairs([(_height(len(tagged.tags)), _tags_panel(tagged)) for tagged in tags])
    return _stacked("figure2", bands, " ".join(words), ("panel", "name", "value", "catalogue"), rows)


def figure3(profiles: Sequence[DecadeProfile]) -> Picture:
    """The paper's Figure 3: decades among each neuron's most active items, beside the catalogue's share."""
    rows: list[tuple[Value, ...]] = []
    words = []
    for profile in profiles:
        total = sum(decade.count for decade in profile.decades)
        rows += [
            (profile.neuron, f"{decade.decade}s", decade.count, decade.share, decade.catalogue)
            for decade in profile.decades
        ]
        title = _title(profile.neuron, profile.label)
        if total == 0:
            words.append(f"{title}: no active item with a year.")
            continue
        most = max(profile.decades, key=lambda decade: decade.count)
        words.append(
            f"{title}: {most.count} of its top {total} are from the {most.decade}s "
            f"({most.share:.0%}, catalogue {most.catalogue:.0%})."
        )
    bands = _pairs([(2.3, _decade_panel(profile)) for profile in profiles])
    return _stacked("figure3", bands, " ".join(words), ("neuron", "decade", "count", "share", "catalogue"), rows)


def matryoshka(levels: Sequence[Level], trends: Mapping[str, Trend]) -> Picture:
    """Every neuron by level: its audience, breadth and popularity, with concepts of the neurons most used."""
    rows: list[tuple[Value, ...]] = [
        (level.number, *(one.neuron, one.audience, one.concepts, one.entropy, one.popularity), ", ".join(one.examples))
        for level in levels
        for one in level.neurons
    ]
    words = [
        f"{title} by level: "
        + ", ".join("unknown" if (mean := level.mean(MEASURES[key])) is None else f"{mean:.2f}" for level in levels)
        + f"; {_trend(trends.get(key))}."
        for key, title in _MEASURE_TITLES.items()
    ]
    panels: list[Panel] = [(2.2, _level_panel(levels, key, trends.get(key))) for key in _MEASURE_TITLES]
    bands = [*_pairs(panels), [(0.5 + 0.22 * len(levels), _examples_panel(levels))]]
    columns = ("level", "neuron", "audience", "concepts", "entropy", "popularity", "examples")
    return _stacked("matryoshka", bands, " ".join(words), columns, rows)


_MEASURE_TITLES = {
    "audience": "Share of users with it active",
    "concepts": f"Concepts above twice their base rate, top {DEPTH}",
    "entropy": f"Entropy of concepts in the top {DEPTH} (bits)",
    "popularity": f"Popularity percentile of the top {DEPTH} (0 = most popular)",
}


def _stacked(
    name: str,
    bands: Sequence[Sequence[Panel]],
    alt: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Value]],
) -> Picture:
    """Bands of one or two panels, one below the other; raises `ValueError` without any."""
    if not bands:
        raise ValueError(f"{name} has nothing to draw")
    heights = [max(height for height, _ in band) for band in bands]

    def draw(figure: "Figure") -> None:
        layout = figure.add_gridspec(len(bands), 2, height_ratios=heights)
        for row, band in enumerate(bands):
            for column, (_, panel) in enumerate(band):
                panel(figure.add_subplot(layout[row, column] if len(band) > 1 else layout[row, :]))

    return picture(name, sum(heights) + 0.2, draw, alt, columns, rows)


def _pairs(panels: Sequence[Panel]) -> list[list[Panel]]:
    return [list(panels[start : start + 2]) for start in range(0, len(panels), 2)]


def _height(names: int) -> float:
    return 0.75 + 0.17 * min(names, NAMES_SHOWN)


def _title(neuron: int, label: str | None) -> str:
    return f"Neuron {neuron}, {shortened(label)}" if label else f"Neuron {neuron}"


def _concept_panel(profile: ConceptProfile) -> Callable[["Axes"], None]:
    def draw(axes: "Axes") -> None:
        m = len(profile.means)
        peak = int(np.argmax(profile.means))
        colours = [VERMILION if j == peak else SKY for j in range(m)]
        axes.bar(range(m), profile.means, width=0.8, color=colours)
        axes.plot(range(m), profile.catalogue, color=INK, linewidth=1.1, marker=".", markersize=3, label="catalogue")
        axes.annotate(f"{peak}", (peak, profile.means[peak]), (0, 2), textcoords="offset points", ha="center", size=8)
        _largest(axes)
        axes.set(title=f"{shortened(profile.concept)} items", xlabel="neuron", ylabel="mean activation")
        axes.margins(x=0.01, y=0.12)
        axes.set_ylim(bottom=0)
        axes.legend(loc="best", handlelength=1.2)
        grid(axes)

    return draw


def _neuron_panel(profile: NeuronProfile) -> Callable[["Axes"], None]:
    def draw(axes: "Axes") -> None:
        named = [(float(mean), name) for name, mean in zip(profile.concepts, profile.means, strict=True)]
        found = sorted((pair for pair in named if np.isfinite(pair[0])), key=lambda pair: -pair[0])[:NAMES_SHOWN]
        _named_bars(axes, [name for _, name in found], [mean for mean, _ in found])
        axes.axvline(profile.catalogue, color=INK, linewidth=1.1, label="catalogue")
        _largest(axes)
        axes.set(title=_title(profile.neuron, profile.label), xlabel="mean activation")
        axes.legend(loc="lower right", handlelength=1.2)

    return draw


def _tags_panel(tagged: TagCounts) -> Callable[["Axes"], None]:
    def draw(axes: "Axes") -> None:
        found = sorted(
            zip(tagged.counts, tagged.tags, tagged.expected, strict=True), key=lambda triple: (-triple[0], triple[1])
        )[:NAMES_SHOWN]
        _named_bars(axes, [tag for _, tag, _ in found], [float(n) for n, _, _ in found])
        _expectation(axes, [usual for *_, usual in found], range(len(found)))
        title = f"Tags among the top {tagged.depth} of {_title(tagged.neuron, tagged.label).replace('N', 'n', 1)}"
        axes.set(title=title, xlabel=f"items of the top {tagged.depth}", xlim=(0, tagged.depth))
        axes.legend(loc="lower right")

    return draw


def _largest(axes: "Axes") -> None:
    """What the colour of one bar means, in the legend."""
    axes.plot([], [], linestyle="none", marker="s", color=VERMILION, label="largest")


def _expectation(axes: "Axes", x: Sequence[float], y: Sequence[float]) -> None:
    (marks,) = axes.plot(x, y, linestyle="none", marker="D", markersize=4.5, label="expected from the catalogue")
    marks.set(markerfacecolor="white", markeredgecolor=INK)


def _named_bars(axes: "Axes", names: Sequence[str], values: Sequence[float]) -> None:
    """Horizontal bars, the first on top and marked."""
    axes.barh(range(len(names)), values, height=0.75, color=[VERMILION, *[SKY] * (len(names) - 1)][: len(names)])
    axes.set_yticks(range(len(names)), [shortened(name, 22) for name in names])
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    grid(axes, "x")


def _decade_panel(profile: DecadeProfile) -> Callable[["Axes"], None]:
    def draw(axes: "Axes") -> None:
        places = range(len(profile.decades))
        counts = [decade.count for decade in profile.decades]
        total = sum(counts)
        most = counts.index(max(counts)) if total else -1
        axes.bar(places, counts, width=0.75, color=[VERMILION if at == most else SKY for at in places])
        expected = [decade.catalogue * total for decade in profile.decades]
        _expectation(axes, places, expected)
        room = 0.12 * max([*counts, *expected], default=0)
        for at, (n, usual) in enumerate(zip(counts, expected, strict=True)):
            covered = n - room / 3 < usual < n + room  # the mark would hide the number, which goes above it
            if n:
                axes.annotate(
                    str(n),
                    (at, max(n, usual) if covered else n),
                    (0, 5 if covered else 2),
                    textcoords="offset points",
                    ha="center",
                    size=8,
                )
        axes.set_xticks(places, [f"{decade.decade}s" for decade in profile.decades], size=8 if len(places) < 9 else 7)
        axes.set(title=_title(profile.neuron, profile.label), ylabel=f"items of the top {total}")
        axes.set_xlabel("◇ expected from the catalogue", size=8)
        axes.margins(x=0.02, y=0.14)
        axes.set_ylim(bottom=0)
        grid(axes)

    return draw


def _level_panel(levels: Sequence[Level], key: str, trend: Trend | None) -> Callable[["Axes"], None]:
    def draw(axes: "Axes") -> None:
        for level in levels:
            values = [value for one in level.neurons if (value := MEASURES[key](one)) is not None]
            # Side by side in the neurons' order, so that equal values stay apart.
            at = level.number + (np.arange(len(values)) - (len(values) - 1) / 2) * min(0.6 / max(len(values), 1), 0.08)
            axes.plot(at, values, "o", color=SKY, markersize=4.5, markeredgecolor=BLUE, markeredgewidth=0.6)
            if values:
                axes.hlines(float(np.mean(values)), level.number - 0.36, level.number + 0.36, color=VERMILION, lw=2)
        axes.set_xticks([level.number for level in levels])
        axes.set(xlabel="level", xlim=(0.5, len(levels) + 0.5))
        axes.set_title(f"{_MEASURE_TITLES[key]}\n{_trend(trend)}", size=8.5)
        axes.margins(y=0.08)
        if key != "entropy":
            axes.set_ylim(bottom=0)
        grid(axes)

    return draw


def _trend(trend: Trend | None) -> str:
    if trend is None or trend.rho is None or trend.p is None:
        return "no trend to test"
    return f"rank correlation with the level {trend.rho:+.2f}, permutation p {trend.p:.2g}"


def _examples_panel(levels: Sequence[Level]) -> Callable[["Axes"], None]:
    def draw(axes: "Axes") -> None:
        axes.set_axis_off()
        axes.set(xlim=(0, 1), ylim=(len(levels) - 0.5, -0.7))
        axes.set_title("Concepts of each level's most used neurons", size=8.5)
        for row, level in enumerate(levels):
            used = sorted(level.neurons, key=lambda one: -one.audience)
            named = [f"{one.neuron}: {', '.join(one.examples[:2])}" for one in used if one.examples][:4]
            axes.text(0, row, f"Level {level.number}", weight="bold", size=8.5, va="center")
            axes.text(0.09, row, shortened(" · ".join(named) or "none", 112), size=8, va="center")

    return draw
