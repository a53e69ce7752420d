"""Drawings: the same bytes for the same data, and every figure in words and in a table."""

import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from engine.experiments.drawing import Picture, picture
from engine.experiments.figures import (
    ConceptProfile,
    DecadeProfile,
    NeuronProfile,
    TagCounts,
    figure2,
    figure3,
    matryoshka,
)
from engine.experiments.frontier import MEASURES, BetaCurve, Tradeoff, figure4, front, pareto
from engine.experiments.matryoshka import Level, NeuronBreadth, Trend
from engine.experiments.published import published
from engine.neurons.profile import DecadeShare

HORROR = ConceptProfile("Horror", np.array([0.1, 2.5, 0.75]), np.array([0.2, 0.25, 0.3]))
SCI_FI = NeuronProfile(2, "Sci-Fi", ["Drama", "Sci-Fi", "War"], np.array([0.1, 3.4, np.nan]), 0.4)
ELECTRONIC = TagCounts(58, "electronic", 50, ["house", "electronic"], [20, 40], [2.0, 9.5])
EIGHTIES = DecadeProfile(13, None, [DecadeShare(1970, 10, 0.05, 0.1), DecadeShare(1980, 190, 0.95, 0.16)])
LEVELS = [
    Level(1, (NeuronBreadth(0, 0.5, 3, 2.0, 10.0, ("rock", "pop")), NeuronBreadth(1, 0.3, None, None, None, ()))),
    Level(2, (NeuronBreadth(2, 0.1, 1, 0.0, 40.0, ("melodic death metal",)),)),
]
POINTS = [
    Tradeoff("sharp", "SAE", 0.95, 0.6),
    Tradeoff("even", "SAE", 0.90, 0.8),
    Tradeoff("beaten", "SAE", 0.89, 0.7),
    Tradeoff("dense users", "SAE", 0.96, 0.99, passes_through=True),
]


def beta_curve(name: str = "free L0") -> BetaCurve:
    rising = np.linspace(0.2, 0.6, 5)
    return BetaCurve(name, (0, 1, 2, 5, 10), {key: np.stack([rising, rising + 0.1]) for key in MEASURES})


def draw_all() -> list[Picture]:
    return [
        figure2([HORROR], [SCI_FI], [ELECTRONIC]),
        figure3([EIGHTIES]),
        figure4("mf", [beta_curve()], published().figure4),
        pareto(POINTS),
        matryoshka(LEVELS, {"audience": Trend(-0.87, 0.33, 3)}),
    ]


@pytest.fixture(scope="module")
def every_picture() -> list[Picture]:
    return draw_all()


def texts(drawn: Picture) -> list[str]:
    """The words of the SVG, which must parse."""
    return [
        "".join(node.itertext()) for node in ElementTree.fromstring(drawn.svg).iter("{http://www.w3.org/2000/svg}text")
    ]


def test_every_figure_is_800_pixels_wide_labelled_and_has_a_table(every_picture: list[Picture]) -> None:
    for drawn in every_picture:
        assert drawn.png.startswith(b"\x89PNG")
        assert int.from_bytes(drawn.png[16:20]) == 800, drawn.name
        assert ElementTree.fromstring(drawn.svg).get("aria-label") == drawn.alt
        assert drawn.alt
        assert drawn.rows
        assert {len(row) for row in drawn.rows} == {len(drawn.columns)}


def test_the_same_data_give_the_same_bytes(every_picture: list[Picture]) -> None:
    for first, second in zip(every_picture, draw_all(), strict=True):
        assert first == second, first.name
    assert all(b"<dc:date>" not in drawn.svg for drawn in every_picture)


def test_drawing_needs_no_window_and_leaves_no_settings_behind() -> None:
    code = """
import sys, matplotlib
from engine.experiments.drawing import STYLE, picture
before = {name: matplotlib.rcParams[name] for name in STYLE}
picture("empty", 1, lambda figure: None, "nothing", (), ())
assert "matplotlib.pyplot" not in sys.modules
assert {name: matplotlib.rcParams[name] for name in STYLE} == before
assert any(before[name] != value for name, value in STYLE.items())
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_figures_does_not_import_matplotlib() -> None:
    code = "import sys, engine.experiments.figures, engine.experiments.frontier; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_figure_2_names_the_peak_and_the_runner_up() -> None:
    drawn = figure2([HORROR], [SCI_FI], [ELECTRONIC])
    assert "Horror: neuron 1 is the most active on average, 2.50 (catalogue 0.25), then neuron 2, 0.75." in drawn.alt
    assert "Neuron 2, Sci-Fi: most active on Sci-Fi, 3.40, then Drama, 0.10" in drawn.alt
    assert "electronic 40, house 20" in drawn.alt
    assert texts(drawn).count("largest") == 2  # what the colour of a bar means, above and in the middle


def test_a_concept_without_items_is_unknown_and_not_drawn() -> None:
    drawn = figure2([], [SCI_FI])
    assert ("mean activation of neuron 2", "War", None, 0.4) in drawn.rows
    assert "War" not in texts(drawn)
    assert "| War | – | 0.4 |" in drawn.markdown()


def test_figure_3_gives_the_decade_beside_the_catalogue() -> None:
    drawn = figure3([EIGHTIES])
    assert drawn.alt == "Neuron 13: 190 of its top 200 are from the 1980s (95%, catalogue 16%)."
    assert {"10", "190", "1970s", "1980s"} <= set(texts(drawn))


def test_a_neuron_without_active_items_has_a_panel_and_no_peak() -> None:
    silent = replace(EIGHTIES, decades=[replace(decade, count=0, share=0.0) for decade in EIGHTIES.decades])
    assert figure3([silent, DecadeProfile(3, None, [])]).alt == (
        "Neuron 13: no active item with a year. Neuron 3: no active item with a year."
    )


def test_figure_4_sets_the_papers_points_beside_ours_with_its_protocol() -> None:
    drawn = figure4("ncf", [beta_curve(), beta_curve("matched L0")], published().figure4)
    assert ("rbo", "published", 10, 0.748, None, None, 1) in drawn.rows
    assert not [row for row in drawn.rows if row[1] == "published" and row[0] == "monosemanticity_independent"]
    (ours,) = (row for row in drawn.rows if row[:3] == ("tau", "free L0", 0))
    assert ours[3:] == (pytest.approx(0.25), pytest.approx(0.2), pytest.approx(0.3), 2)
    assert "30 items, seen items kept" in drawn.alt
    assert "identical lists give 0.958" in drawn.alt
    assert "free L0 (2 seeds)" in texts(drawn)


def test_a_seed_that_is_missing_is_left_out_of_mean_and_band() -> None:
    values = np.array([[0.2, np.nan], [0.4, np.nan]])
    values[1, 0] = np.nan
    drawn = figure4("mf", [BetaCurve("one", (0, 10), {"rbo": values})], published().figure4)
    ours = [row[2:] for row in drawn.rows if row[1] == "one"]
    assert ours == [(0, 0.2, 0.2, 0.2, 1), (10, None, None, None, 0)]
    assert "one: 0.2 at beta 0, unknown at beta 10" in drawn.alt


@pytest.mark.parametrize("measured", [{"rbo": np.zeros((3, 4))}, {"rbo": np.zeros(5)}, {"sparkle": np.zeros((3, 5))}])
def test_a_curve_that_does_not_fit_its_betas_is_refused(measured: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="seeds × 5 betas"):
        figure4("mf", [BetaCurve("odd", (0, 1, 2, 5, 10), measured)], published().figure4)


def test_the_front_holds_what_nothing_beats_and_no_pass_through() -> None:
    assert [POINTS[at].label for at in front(POINTS)] == ["sharp", "even"]
    assert front([POINTS[0], POINTS[0]]) == [0, 1]
    assert front([POINTS[3]]) == []


def test_pareto_names_its_front_and_flags_pass_through() -> None:
    drawn = pareto(POINTS)
    assert "None beats these on both: sharp (0.950, 0.600); even (0.900, 0.800)." in drawn.alt
    assert [row[-2:] for row in drawn.rows] == [("no", "yes"), ("no", "yes"), ("no", "no"), ("yes", "no")]
    assert {"sharp", "even", "beaten", "dense users"} <= set(texts(drawn))


def test_labels_in_a_crowd_are_left_out_and_stay_in_the_table() -> None:
    crowd = [Tradeoff(f"point {at}", "SAE", 0.9, 0.8) for at in range(14)]
    drawn = pareto(crowd)
    assert len([text for text in texts(drawn) if text.startswith("point")]) < 14
    assert len(drawn.rows) == 14


def test_labels_stay_within_the_picture_and_off_the_whiskers_of_others() -> None:
    long = "a run with a long name, 0123"
    apart = [Tradeoff(f"{long}{at}", "SAE", 0.5 + 0.05 * at, 0.5 + 0.05 * at) for at in range(8)]
    drawn, width = pareto(apart), 72 * 8.0  # in the points that an SVG counts in
    for at in range(8):
        left, right = across(drawn, f"{long}{at}")
        assert left >= 0
        assert right <= width
    beside = Tradeoff("other", "SAE", 0.6, 0.52, purity_interval=(0.4, 0.8))
    drawn = pareto([Tradeoff("a name", "SAE", 0.5, 0.5), beside, Tradeoff("far", "SAE", 0.5, 1.0)])
    whisker = across(drawn, "other")[0] - 6  # its label stands 6 points to the right of it
    left, right = across(drawn, "a name")
    assert right < whisker or left > whisker


def across(drawn: Picture, label: str) -> tuple[float, float]:
    """Where a label of an SVG begins and ends, roughly."""
    (node,) = [
        node
        for node in ElementTree.fromstring(drawn.svg).iter("{http://www.w3.org/2000/svg}text")
        if "".join(node.itertext()) == label
    ]
    anchor, wide = str(node.get("style")).split("text-anchor: ")[1].split(";")[0], 4.9 * len(label)
    left = float(str(node.get("x"))) - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
    return left, left + wide


def test_levels_show_their_trend_their_examples_and_what_is_unknown() -> None:
    drawn = matryoshka(LEVELS, {"audience": Trend(-0.87, 0.33, 3)})
    assert "Share of users with it active by level: 0.40, 0.10" in drawn.alt
    assert "rank correlation with the level -0.87, permutation p 0.33" in drawn.alt
    assert "no trend to test" in drawn.alt
    assert (1, 1, 0.3, None, None, None, "") in drawn.rows
    assert any("melodic death metal" in text for text in texts(drawn))


def test_names_from_data_are_drawn_as_they_are_and_never_as_markup() -> None:
    odd = 'A$AP <b>x^2$ & \u202e"co" 日本'
    drawn = figure2([], [NeuronProfile(0, odd, [odd, "|pipe"], np.array([2.0, 1.0]), 0.5)])
    assert any("A$AP <b>x^2$ &" in text for text in texts(drawn))
    assert "\u202e" not in drawn.alt
    assert "\\|pipe" in drawn.markdown()


def test_nothing_to_draw_and_a_crooked_table_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        figure3([])
    with pytest.raises(ValueError, match="nothing to draw"):
        pareto([])
    with pytest.raises(ValueError, match="must have 2 values"):
        picture("crooked", 1, lambda _: None, "", ("a", "b"), [(1,)])
