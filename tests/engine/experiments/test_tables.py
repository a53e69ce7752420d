"""Tables of the reproductions: who is who at their heads, and as many digits as a measure has."""

from typing import Any

from engine.experiments.ablation import MEASURES, Ablation, Curve
from engine.experiments.published import published
from engine.experiments.tables import HEADS, figure4, recipe, table1_column

BY_DEPTH = {"10": [0.9, 0.9, 0.9], "20": [0.8, 0.7, 0.9], "50": [0.6, 0.6, 0.6]}


def column() -> dict[str, Any]:
    """A column of Table 1 as JSON has it: one row, two variants, and a baseline of one."""
    variants = ("paper", "best, the paper's m")
    readings = dict.fromkeys(("label-chosen", "split-half", "one-to-one"), BY_DEPTH)
    row = {
        "name": "Horror",
        "looser": None,
        "items": 100,
        "cap50": 1.0,
        "paper": [1, 0.9, 0.8],
        "impossible": [20],
        "ours": dict.fromkeys(variants, BY_DEPTH),
    }
    return {
        "seeds": [0],
        "rows": [row],
        "neurons": dict.fromkeys(variants, 22),
        "means": dict.fromkeys((*variants, "paper: ICA"), readings),
        "popularity_paper": [4.35, 6.3, 6.34],
        "popularity": dict.fromkeys(variants, BY_DEPTH),
        "met": {key: [1, 3] for key in variants},
        "ahead": {"ICA": {reading: [0.1, 0.0, 0.2] for reading in readings}},
        "quality": {key: {"rbo": [0.6754] * 3, "l0_users": [8.634] * 3, "dead": [0.0] * 3} for key in variants},
    }


def test_what_is_published_and_what_is_trained_by_the_papers_recipe_have_two_names() -> None:
    lines = table1_column(column())
    assert lines[0] == (
        "| concept | items | cap | published | the paper's recipe (m 22) | our recipe, the paper's m (m 22) |"
    )
    first = [line.split("|")[1].strip() for line in lines if line.startswith("|")]
    assert first.count("the paper's recipe") == 2  # means and fidelity
    assert "the paper's recipe: ICA" in first
    assert not {"paper", "paper: ICA"} & set(first)
    assert "| Horror | 100 | 1.00 | 1.00 0.90* 0.80 |" in "\n".join(lines)
    assert [recipe(name) for name in ("best", "best, beta 1: PCA")] == ["our recipe", "our recipe, beta 1: PCA"]


def test_counts_of_neurons_have_one_digit_after_the_point() -> None:
    assert "| the paper's recipe | 0.675 | 8.6 | 0.0 |" in table1_column(column())
    measures = {name: [[0.12345, 10.221]] for name in MEASURES}
    curve = Curve("mf", "free", "paper", "demo", [0], [0.0, 10.0], measures)
    words = figure4(Ablation("demo", [curve], [0, 10], {"mf": published().figure4.of("mf")}, {}))
    assert f"| beta | {' | '.join(HEADS[name] for name in MEASURES)} |" in words
    assert "| 10 | 10.221 | 10.221 | 10.221 | 10.221 | 10.2 | 10.2 | 10.2 | 10.221 |" in words
    assert "Published, where the RBO of identical lists is 0.953:" in words
