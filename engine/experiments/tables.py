"""The reproductions in words and Markdown tables: ours beside the paper's, with spread."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.experiments.ablation import MEASURES, Ablation
from engine.experiments.matryoshka import MEASURES as LEVEL_MEASURES
from engine.experiments.matryoshka import Level, Trend
from engine.experiments.published import published
from engine.neurons.standing import READINGS
from engine.text import counted

COLUMNS = (("films", "mf"), ("films", "ncf"), ("music", "mf"), ("music", "ncf"))
NAMES = {"mf": "MF", "ncf": "NCF", "films": "films", "music": "music"}
RECIPES = {
    "paper": "the paper's recipe",
    "best": "our recipe",
    "best, the paper's m": "our recipe, the paper's m",
    "best, beta 1": "our recipe, beta 1",
    "best, no biases": "our recipe, no biases",
}
"""Variants as a reader gets them: what is called the paper's recipe is trained here, what is published is its own."""
DEPTHS = ("10", "20", "50")
HEADS = {
    "ndcg10": "NDCG@10",
    "mpr": "MPR",
    "rbo": "RBO",
    "tau": "tau",
    "ndcg_kept": "NDCG kept",
    "monosemanticity": "monosemanticity",
    "monosemanticity_independent": "independent monosemanticity",
    "l0_items": "L0 items",
    "l0_users": "L0 users",
    "dead": "dead",
    "purity20": "purity@20",
}
"""Measures as the heads of columns."""
DIGITS = {"l0_items": 1, "l0_users": 1, "dead": 1}
"""Digits after the point of measures that are counts; others have three."""
Stored = Mapping[str, Any]
"""A column as JSON has it: depths are text."""


TABLE1 = (
    "Share of a neuron's 10, 20 and 50 most active items that carry the concept. Ours: each concept's purest "
    "neuron, chosen by these labels as in the paper (label-chosen), mean over seeds of the recommender; concepts "
    "are strict (90's Drama is the decade and the genre), items without training interactions are left out. "
    "published: the paper's own figures; the paper's recipe: trained here as the paper says. "
    "A star: the published figure is no multiple of 1/K. cap: the highest purity@50 that so few items allow."
)
"""What stands over the table."""


def table1(columns: Mapping[tuple[str, str], Stored]) -> str:
    """All four columns of Table 1; one that no data set here was run for reads "not run"."""
    facts = published()
    said = [
        "# Table 1: purity of concept neurons",
        "",
        TABLE1,
        "",
    ]
    for domain, model in COLUMNS:
        own = [one for (dataset, kind), one in columns.items() if facts.domain(dataset) == domain and kind == model]
        if not own:
            said += [f"## {NAMES[model]} on {domain}: not run", ""]
        for one in own:
            said += [f"## {NAMES[model]} on {domain} ({one['dataset']})", "", *table1_column(one), ""]
    return "\n".join(said) + "\n"


def table1_column(one: Stored) -> list[str]:
    """One model on one data set as lines of Markdown."""
    variants = list(one["neurons"])
    titles = [f"{recipe(variant)} (m {one['neurons'][variant]})" for variant in variants]
    lines = _rule(["concept", "items", "cap", "published", *titles])
    for row in one["rows"]:
        paper = (
            "–"
            if row["paper"] is None
            else " ".join(
                f"{value:.2f}{'*' if int(depth) in row['impossible'] else ''}"
                for depth, value in zip(DEPTHS, row["paper"], strict=True)
            )
        )
        cells = [_cells(row["ours"][variant]) for variant in variants]
        lines.append(_line([row["name"], _text(row["items"]), _two(row["cap50"]), paper, *cells]))
        if row["looser"]:
            cells = [_cells(row["ours_looser"][variant]) for variant in variants]
            lines.append(_line([f"{row['name']}, read as {row['looser']}", "", "", "", *cells]))
    cells = [_cells(one["popularity"][variant], digits=1) for variant in variants]
    paper = " ".join(f"{value:.2f}" for value in one["popularity_paper"])
    lines.append(_line(["popularity percentile", "", "", paper, *cells]))
    met = [f"{one['met'][variant][0]} of {one['met'][variant][1]}" for variant in variants]
    lines.append(_line(["filled cells met", "", "", "", *met]))
    lines += [
        "",
        f"Means over the table's concepts, {counted(len(one['seeds']), 'seed')}; lowest to highest in brackets, for "
        "random directions the range of 95 % of 100 draws:",
        "",
    ]
    lines += _rule(["", *(f"{name} @{depth}" for name in ("chosen", "split-half", "one-to-one") for depth in DEPTHS)])
    for name, readings in one["means"].items():
        cells = [
            _spread(readings[reading][depth])
            for reading in ("label-chosen", "split-half", "one-to-one")
            for depth in DEPTHS
        ]
        lines.append(_line([recipe(name), *cells]))
    lines += [
        "",
        "Our recipe less each baseline at equal candidates, purity@20: mean over bases, 95 % over concepts "
        "(each drawn with all its bases):",
        "",
    ]
    lines += _rule(["baseline", "chosen", "split-half", "one-to-one"])
    for name, readings in one["ahead"].items():
        cells = [_interval(readings[reading]) for reading in READINGS]
        lines.append(_line([name, *cells]))
    keys = list(next(iter(one["quality"].values())))
    lines += ["", "Recommender and fidelity (extrapolated RBO, unseen items, users not trained on):", ""]
    lines += _rule(["", *(HEADS[key] for key in keys)])
    for variant in variants:
        lines.append(
            _line([recipe(variant), *(_spread(one["quality"][variant][key], DIGITS.get(key, 3)) for key in keys)])
        )
    return lines


def figure4(found: Ablation) -> str:
    """The ablation as tables: the mean over seeds of every measure at every beta."""
    said = [
        "# Figure 4: what the weight of the prediction loss buys",
        "",
        "free: the autoencoder by the paper's recipe, whose sparsity moves with beta. matched: by our recipe, "
        "BatchTopK, the same L0 at every beta. Both read one recommender, trained by our recipe. Mean over seeds of "
        "the autoencoder, lowest to highest in brackets. The paper's RBO is cut off at the lists' end, and its NCF "
        "lists keep seen items.",
        "",
    ]
    for curve in found.curves:
        seeds = counted(len(curve.seeds), "seed")
        said += [f"## {NAMES[curve.model]}, L0 {curve.sparsity} (base {curve.base}, {seeds})", ""]
        said += _rule(["beta", *(HEADS[name] for name in MEASURES)])
        for n, beta in enumerate(curve.beta):
            cells = [_seeds([row[n] for row in curve.measures[name]], DIGITS.get(name, 3)) for name in MEASURES]
            said.append(_line([f"{beta:g}", *cells]))
        paper = found.paper.get(curve.model)
        if paper is not None and curve.sparsity == "free":
            most = f"Published, where the RBO of identical lists is {paper.rbo_of_identical_lists:.3f}:"
            said += ["", most, "", *_rule(["beta", "RBO", "tau", "monosemanticity"])]
            for n, beta in enumerate(found.paper_beta):
                said.append(
                    _line([f"{beta:g}", *(f"{v[n]:.3f}" for v in (paper.rbo, paper.tau, paper.monosemanticity))])
                )
        said.append("")
    return "\n".join(said) + "\n"


def recipe(name: str) -> str:
    """A variant of Table 1, or a baseline of one ("best: PCA"), as a reader gets it."""
    variant, colon, rest = name.partition(": ")
    return f"{RECIPES.get(variant, variant)}{colon}{rest}"


def matryoshka(start: str, run: str, levels: Sequence[Level], gone: Mapping[str, Trend]) -> str:
    """One start: the mean of each measure by level, and whether it goes with the level."""
    lines = [
        f"## {start[0].upper()}{start[1:]} (run {run})",
        "",
        *_rule(["", *(f"level {level.number}" for level in levels), "rho", "p"]),
    ]
    for name, of in LEVEL_MEASURES.items():
        trend = gone[name]
        means = [_two(level.mean(of)) for level in levels]
        lines.append(_line([name, *means, _two(trend.rho), "–" if trend.p is None else f"{trend.p:.3f}"]))
    return "\n".join([*lines, "", "rho: Spearman's with the level; p from permuted levels.", ""])


def _rule(titles: Sequence[str]) -> list[str]:
    return [_line(titles), _line(["---"] * len(titles))]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(by_depth: Mapping[str, Any] | None, digits: int = 2) -> str:
    if by_depth is None:
        return "no such concept"
    return " ".join("–" if by_depth[d] is None else f"{by_depth[d][0]:.{digits}f}" for d in DEPTHS)


def _spread(value: Sequence[float] | None, digits: int = 2) -> str:
    if value is None:
        return "–"
    mean, low, high = (f"{one:.{digits}f}" for one in value)
    return mean if low == high else f"{mean} [{low}, {high}]"


def _seeds(values: Sequence[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "–"
    return _spread((float(np.mean(known)), min(known), max(known)), digits)


def _interval(value: Sequence[float]) -> str:
    return f"{value[0]:+.3f} [{value[1]:+.3f}, {value[2]:+.3f}]"


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _text(value: object) -> str:
    return "–" if value is None else str(value)
