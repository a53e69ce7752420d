"""Interventions as tables and pictures: the dose along, what it moves and what it costs up, the published bars beside.

The published levels are of other autoencoders, so they have an axis of their own, above.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.experiments.doses import PAPER_BEFORE, K, Row, Way
from engine.experiments.drawing import BLUE, FAINT, INK, VERMILION, Picture, Value, grid, picture
from engine.experiments.interventions import DRAWS, LOVERS, LOVERS_ITEMS, Outcome
from engine.experiments.tables import NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAND = 2.6
"""Inches of one case."""
COLOURS = {"ours": BLUE, "paper's": VERMILION}
SERVED_AS = {"ours": "ours", "paper's": "the paper's way"}
"""Both ways of serving in words: both were measured here."""
SERVED = {
    "change": "the change of the code is added to the vector",
    "decoded": "what is edited is served decoded",
    "all-decoded": "everything is served decoded",
}
COLUMNS = (
    "case",
    "way",
    "level",
    "raw",
    "share",
    "lowest",
    "highest",
    "control",
    "rbo_rest",
    "ndcg10",
    "lost",
    "rank_change",
)


def tables(title: str, dataset: str, runs: Sequence[str], outcomes: Sequence[Outcome]) -> str:
    """Every case as Markdown: both ways, their three arms, and the published bars."""
    lines = [f"# {title}", "", f"{dataset}, runs: {', '.join(runs)}.", "", *_legend(outcomes), ""]
    for one in outcomes:
        lines += [f"## {NAMES[one.model]}: {one.title}", ""]
        if one.unknown is not None:
            lines += [f"Unknown: {one.unknown}.", ""]
        else:
            lines += [_what(one), ""]
            for way in one.ways:
                lines += [_how(way), "", *_rows(one, way), ""]
        lines += [_paper(one), ""]
    return "\n".join(lines)


def _legend(outcomes: Sequence[Outcome]) -> list[str]:
    goals = {one.case.goal for one in outcomes}
    said = [
        "A case sets one neuron, the purest for its concept (chosen by labels, as in Table 1), to each level.",
        "level: in p99 units of the neuron's own positive activations on the edited side; raw: the value itself.",
        "original: nothing edited. decoded: reconstruction only (ours: of the whole model; the paper's: of what it "
        "serves decoded). 95 %: bootstrap over users.",
        f"control: the same edit with a random other neuron, mean of {DRAWS}.",
    ]
    if goals - {"promote"}:
        said += [
            f"share: of the concept in the top {K}. rest: RBO of the list of all other items with what it was, "
            "1 is untouched.",
        ]
    if "promote" in goals:
        said += [
            f"has it: users with the item in the top {K} among those who had not met it and had it below rank {K} "
            f"(the paper's way: below {PAPER_BEFORE}, its own rule).",
            f"lost: of its training users with it in the top {K}, how many no longer have it there; rank: their mean "
            "change of rank, + is down (ours ranks it as if they had not met it).",
        ]
    said += [
        f"Lovers: the {LOVERS} users with the largest share of the concept in training, of those with "
        f"{LOVERS_ITEMS} items or more.",
        "Published levels are of other autoencoders: not the same scale.",
    ]
    return [f"- {line}" for line in said]


def _what(one: Outcome) -> str:
    named = "" if one.named else " Too impure to be named for it: only the purest there is."
    whose = f"{one.users} users" if one.case.goal != "promote" else f"the item; its audience is {one.users} users"
    itself = " The item carries the concept itself." if one.carries else ""
    neuron = f"Neuron {one.neuron} ({one.concept}, purity@20 {one.purity20:.2f})"
    return f"{neuron}, set in {whose}; one unit is {one.unit:.2f}.{named}{itself}"


def _how(way: Way) -> str:
    counted = ""
    if way.present is not None:
        counted = (
            f" {way.users} users counted; {way.present_had} of {way.present} training users had it in the top {K}."
        )
    named = SERVED_AS[way.name]
    return f"{named[0].upper()}{named[1:]}: {SERVED[way.serve]}, seen items {way.seen}.{counted}"


def _rows(one: Outcome, way: Way) -> list[str]:
    promoted = one.case.goal == "promote"
    titles = ["level", "raw", "has it" if promoted else "share", "95 %", "control"]
    titles += ["lost", "rank", "NDCG@10"] if promoted else ["rest", "NDCG@10"]
    lines = [titles, ["---"] * len(titles)]
    for name, row in [
        ("original", way.original),
        ("decoded", way.reconstruction),
        *((None, row) for row in way.levels),
    ]:
        share = ["–", "–"] if row.share is None else [f"{row.share[0]:.2f}", f"{row.share[1]:.2f}–{row.share[2]:.2f}"]
        cells = [name or f"{row.level:g}", _number(row.raw), *share, _number(row.control)]
        change = "–" if row.rank_change is None else f"{round(row.rank_change):+d}"
        cells += ["–" if row.lost is None else str(row.lost), change] if promoted else [_number(row.rbo_rest)]
        lines.append([*cells, _number(row.ndcg10, 3)])
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _paper(one: Outcome) -> str:
    dose = one.paper
    if dose is None:
        return f"Published: nothing for {NAMES[one.model]}."
    arms = [("unedited", dose.unedited), ("reconstructed", dose.original)]
    values = [f"{name} {value:.2f}" for name, value in arms if value is not None]
    values += [f"{level:g}: {share:.2f}" for level, share in zip(dose.levels, dose.shares, strict=True)]
    who = f"{dose.users} users, " if dose.users else ""
    return f"Published ({who}its own levels): {', '.join(values)}. Protocol: {dose.note}."


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def pictures(prefix: str, outcomes: Sequence[Outcome]) -> list[Picture]:
    """A picture for each group of cases and model; `prefix` begins its name. Unknown cases have none."""
    known = [one for one in outcomes if one.unknown is None]
    groups = dict.fromkeys((one.model, one.case.picture) for one in known)
    return [
        _picture(f"{prefix}{name}-{model}", [one for one in known if (one.model, one.case.picture) == (model, name)])
        for model, name in groups
    ]


def _picture(name: str, outcomes: Sequence[Outcome]) -> Picture:
    rows = [row for one in outcomes for way in one.ways for row in _way_rows(one, way)]
    for one in outcomes:
        if one.paper is not None:
            pairs = zip(one.paper.levels, one.paper.shares, strict=True)
            empty = (None,) * (len(COLUMNS) - 5)
            rows += [(one.title, "published", f"{level:g}", None, share, *empty) for level, share in pairs]

    def draw(figure: "Figure") -> None:
        layout = figure.add_gridspec(len(outcomes), 2, width_ratios=(3, 2))
        for band, one in enumerate(outcomes):
            _effect_panel(one)(figure.add_subplot(layout[band, 0]))
            _cost_panel(one)(figure.add_subplot(layout[band, 1]))
        handles = {
            line.get_label(): line
            for axes in figure.axes
            for line in axes.get_lines()
            if not str(line.get_label()).startswith("_")
        }
        figure.legend(
            handles.values(), [str(label) for label in handles], loc="outside lower left", ncols=3, fontsize=8.5
        )

    height = BAND * len(outcomes) + 0.6
    return picture(name, height, draw, " ".join(_words(one) for one in outcomes), COLUMNS, rows)


def _way_rows(one: Outcome, way: Way) -> list[tuple[Value, ...]]:
    arms = [("original", way.original), ("decoded", way.reconstruction), *((f"{r.level:g}", r) for r in way.levels)]
    return [
        (
            one.title,
            way.name,
            level,
            row.raw,
            *(row.share or (None, None, None)),
            row.control,
            row.rbo_rest,
            row.ndcg10,
            row.lost,
            row.rank_change,
        )
        for level, row in arms
    ]


def _words(one: Outcome) -> str:
    said = []
    for way in one.ways:
        first, last = way.original.share, way.levels[-1].share
        if first is not None and last is not None:
            level = f"{way.levels[-1].level:g}"
            said.append(
                f"{SERVED_AS[way.name]} {first[0]:.2f} unedited, {last[0]:.2f} at level {level} ({_cost_words(way)})"
            )
    if one.paper is not None:
        said.append(f"published {one.paper.shares[-1]:.2f} at its level {one.paper.levels[-1]:g}")
    return f"{NAMES[one.model]}, {one.title}: {'; '.join(said) or 'nobody to count'}."


def _cost_words(way: Way) -> str:
    last = way.levels[-1]
    if way.present_had is not None:
        return f"{last.lost} of {way.present_had} of its audience lose it"
    return f"RBO of the rest {_number(last.rbo_rest)}"


def _effect_panel(one: Outcome) -> Callable[["Axes"], None]:
    def draw(axes: "Axes") -> None:
        for way in one.ways:
            told = [(row.level or 0.0, *row.share) for row in way.levels if row.share is not None]
            if not told:
                continue
            level, share, low, high = np.array(told).T
            colour = COLOURS[way.name]
            marker = "o" if way.name == "ours" else "s"
            label = "ours: change added, unseen items" if way.name == "ours" else "paper's way: decoded, all items"
            axes.plot(level, share, color=colour, marker=marker, markersize=4.5, label=label)
            axes.fill_between(level, low, high, color=colour, alpha=0.16, linewidth=0)
            if one.case.goal != "promote" and way.original.share is not None:
                axes.axhline(way.original.share[0], color=colour, linewidth=0.9, linestyle=":", label="unedited")
        ours = [(row.level, row.control) for row in one.ways[0].levels if row.control is not None]
        if ours:
            axes.plot(*np.array(ours, float).T, color=FAINT, marker=".", linewidth=1.2, label=_CONTROL)
        _dose_axis(axes, one)
        axes.set_title(one.title)
        axes.set_xlabel(f"level, p99 units of neuron {one.neuron} (purity@20 {one.purity20:.2f})")
        axes.set_ylabel(f"share with it in top {K}" if one.case.goal == "promote" else f"share of top {K}")
        if one.paper is not None:
            axes.plot([], [], color=INK, linestyle="--", marker="x", linewidth=1.2, label="published, its own levels")
            above = axes.twiny()
            above.plot(one.paper.levels, one.paper.shares, color=INK, linestyle="--", marker="x", linewidth=1.2)
            above.set_xticks(one.paper.levels, [f"{level:g}" for level in one.paper.levels])
            above.spines["top"].set_visible(True)
            above.tick_params(axis="x", labelsize=7.5, pad=1)
            above.set_xlabel("published level (another scale)", size=7.5, labelpad=2)
            if one.case.goal == "suppress":
                above.invert_xaxis()

    return draw


_CONTROL = f"random other neuron, mean of {DRAWS}"


def _cost_panel(one: Outcome) -> Callable[["Axes"], None]:
    def draw(axes: "Axes") -> None:
        for way in one.ways:
            told = [(row.level or 0.0, value) for row in way.levels if (value := _cost(way, row)) is not None]
            if told:
                marker = "o" if way.name == "ours" else "s"
                axes.plot(*np.array(told).T, color=COLOURS[way.name], marker=marker, markersize=4.5)
            decoded = _cost(way, way.reconstruction)
            if decoded is not None:
                axes.axhline(decoded, color=COLOURS[way.name], linewidth=0.9, linestyle="-.", label=_DECODED)
        _dose_axis(axes, one)
        promoted = one.case.goal == "promote"
        axes.set_title("Its own audience that loses it" if promoted else "RBO of the rest with what it was")
        axes.set_ylabel("share of those who had it" if promoted else "RBO (1 = untouched)")

    return draw


_DECODED = "reconstruction only"


def _cost(way: Way, row: Row) -> float | None:
    if way.present_had is None:
        return row.rbo_rest
    return None if row.lost is None or not way.present_had else row.lost / way.present_had


def _dose_axis(axes: "Axes", one: Outcome) -> None:
    axes.set_ylim(-0.03, 1.03)
    axes.set_xticks(one.case.levels, [f"{level:g}" for level in one.case.levels])
    axes.set_xlabel("level")
    if one.case.goal == "suppress":
        axes.invert_xaxis()
    grid(axes)
