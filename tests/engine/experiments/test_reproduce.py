"""The paper's tables and figures from a miniature in its own layout: what is trained, what is shown, what is kept."""

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import CatalogueError
from engine.experiments.published import published
from engine.experiments.reproduce import MAKERS, Order, needed, reproduce, write
from engine.experiments.trained import Wanted, plan, trained
from engine.home import Home
from engine.neurons.profile import most_active
from engine.run import Run, runs
from engine.steering.inputs import Ranking, concept_items


@pytest.fixture(scope="module")
def order(music_home: Home) -> Order:
    return Order(music_home, "lastfm-msd", ("mf",), (0,))


@pytest.mark.long
def test_table_1_has_its_four_columns_and_every_run_is_trained_once(order: Order) -> None:
    assert needed(order, "table1").startswith("5 of 5 runs have to be trained (3 recommenders), about")
    result = reproduce(order, "table1")
    assert needed(order, "table1") == "All 5 runs are here."
    before = {one["name"] for one in runs(order.home)}
    again = reproduce(order, "table1")
    assert {one["name"] for one in runs(order.home)} == before
    assert json.dumps(again.facts) == json.dumps(result.facts)
    for title in ("## MF on films: not run", "## NCF on films: not run", "## NCF on music: not run"):
        assert title in result.markdown
    assert "## MF on music (lastfm-msd)" in result.markdown
    (column,) = result.facts["columns"]
    assert [row["name"] for row in column["rows"]] == [row.name for row in published().music]
    printed = {row.name: row.mf for row in published().music}
    assert all(row["paper"] == (list(own) if (own := printed[row["name"]]) else None) for row in column["rows"])
    emo = next(row for row in column["rows"] if row["name"] == "Emo")
    assert emo["ours"]["best"] is None  # the miniature has no such tag, and that is no purity of 0
    assert "no such concept" in result.markdown


def test_a_cell_of_table_1_can_be_recomputed_from_the_run(order: Order) -> None:
    (column,) = reproduce(order, "table1").facts["columns"]
    run = trained(order.home, order.dataset, Wanted("mf", "best", 0))
    with run.catalogue() as catalogue:
        eligible = Ranking(catalogue, run.recommender).candidates.eligible
        metal = next(one.member for one in concept_items(catalogue, len(eligible)) if one.name == "metal")
    z = run.sae.encode(run.recommender.items.vectors, "items")
    tops = [most_active(z[:, j], eligible, 50) for j in range(z.shape[1])]
    by_neuron = [[metal[top[:depth]].mean() if len(top) >= depth else 0.0 for depth in (10, 20, 50)] for top in tops]
    best = by_neuron[int(np.argmax(np.mean(by_neuron, axis=1)))]
    row = next(row for row in column["rows"] if row["concept"] == "metal")
    assert [row["ours"]["best"][depth][0] for depth in ("10", "20", "50")] == pytest.approx(best)
    assert row["items"] == metal[eligible].sum()
    met = sum(
        row["ours"]["best"] is not None and row["ours"]["best"][depth][0] >= row["paper"][n] - 1e-9
        for row in column["rows"]
        if row["paper"]
        for n, depth in enumerate(("10", "20", "50"))
    )
    assert column["met"]["best"] == [met, 3 * sum(row["paper"] is not None for row in column["rows"])]


@pytest.mark.long
def test_another_model_joins_the_columns_that_were_kept(order: Order) -> None:
    write(reproduce(order, "table1"), order.folder)
    ncf = reproduce(Order(order.home, order.dataset, ("ncf",), (0,)), "table1")
    assert "## MF on music (lastfm-msd)" in ncf.markdown
    assert "## NCF on music (lastfm-msd)" in ncf.markdown
    assert [one["model"] for one in ncf.facts["columns"]] == ["ncf", "mf"]


def test_matched_sparsity_is_the_same_at_every_beta_and_the_free_one_is_the_papers_recipe(order: Order) -> None:
    result = reproduce(order, "figure4")
    free, matched = result.facts["curves"]
    assert (free["sparsity"], free["recipe"], matched["recipe"]) == ("free", "paper", "best")
    assert matched["beta"] == [0, 1, 2, 5, 10]
    assert np.ptp(matched["measures"]["l0_items"][0]) < 0.1
    assert np.ptp(free["measures"]["l0_items"][0]) > 0.1
    assert len(set(matched["measures"]["rbo"][0])) > 1
    assert result.facts["paper"] == {}  # the published points are of films
    assert [one.name for one in result.pictures] == ["figure4-mf"]


def test_table_1_shows_what_chance_ranges_over_and_baselines_on_the_papers_own_base(order: Order) -> None:
    result = reproduce(order, "table1")
    (column,) = result.facts["columns"]
    for variant in ("paper", "best", "best, the paper's m"):
        assert {f"{variant}: ICA", f"{variant}: PCA", f"{variant}: raw dimensions"} <= set(column["means"])
        mean, low, high = column["means"][f"{variant}: random directions, 95 % of draws"]["split-half"]["20"]
        assert low < mean < high  # over the draws: there is one seed
    assert column["means"]["paper: PCA"] != column["means"]["best, the paper's m: PCA"]
    assert "best, beta 1" in column["means"]
    assert trained(order.home, order.dataset, Wanted("mf", "best", 0, (("beta", 1.0),))).manifest["sae"]["beta"] == 1


@pytest.mark.long
def test_figure_2_draws_every_model_by_both_recipes(order: Order) -> None:
    both = replace(order, models=("mf", "ncf"))
    assert "4 runs" in needed(both, "figure2")
    result = reproduce(both, "figure2")
    kinds = [(one["model"], one["recipe"]) for one in result.facts["drawings"]]
    assert kinds == [("mf", "best"), ("mf", "paper"), ("ncf", "best"), ("ncf", "paper")]
    assert [one.name for one in result.pictures] == [f"figure2-{model}-{recipe}" for model, recipe in kinds]
    for one in result.facts["drawings"]:
        config = Run.open(order.home, one["run"]).manifest["config"]
        assert config["recommender"]["kind"] == one["model"]
        assert config["sae"]["variant"] == ("relu" if one["recipe"] == "paper" else "batchtopk")
        assert f"(run {one['run']})" in result.markdown


def test_figure_2_shows_means_beside_the_catalogues(order: Order) -> None:
    first = reproduce(order, "figure2").facts["drawings"][0]
    run = Run.open(order.home, first["run"])
    z = run.sae.encode(run.recommender.items.vectors, "items")
    with run.catalogue() as catalogue:
        eligible = Ranking(catalogue, run.recommender).candidates.eligible
        concepts = {one.name: one.member for one in concept_items(catalogue, len(eligible))}
    rows = [row for row in first["rows"] if row["panel"] == "mean activation of metal"]
    assert len(rows) == z.shape[1]
    np.testing.assert_allclose([row["value"] for row in rows], z[concepts["metal"] & eligible].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose([row["catalogue"] for row in rows], z[eligible].mean(axis=0), atol=1e-5)


def test_without_years_there_are_no_decades_and_figure_3_says_so(order: Order) -> None:
    result = reproduce(order, "figure3")
    assert "no years" in result.markdown
    assert not result.pictures


@pytest.mark.long
def test_matryoshka_is_shown_from_both_starts_with_a_test_of_the_trend(order: Order) -> None:
    result = reproduce(order, "matryoshka")
    starts = result.facts["models"]["mf"]
    kinds = ("best, random", "best, ica", "paper, random")
    assert set(starts) == {*kinds, *(f"{kind}, flat" for kind in kinds)}
    assert [one.name for one in result.pictures] == [f"matryoshka-mf-{kind.replace(', ', '-')}" for kind in kinds]
    for name, start in starts.items():
        run = Run.open(order.home, start["run"])
        assert len(run.sae.levels) == (0 if "flat" in name else 4)
        assert {neuron.level for neuron in run.neurons} == ({None} if "flat" in name else {0, 1, 2, 3})
        assert {row["level"] for row in start["rows"]} == {1, 2, 3, 4}
        assert set(start["trends"]) == {"audience", "concepts", "entropy", "popularity"}


def test_files_are_written_for_people_and_programs(order: Order, home: Home) -> None:
    result = reproduce(order, "figure2")
    files = write(result, home.root / "out")
    drawn = {f"figure2-mf-{recipe}.{kind}" for recipe in ("best", "paper") for kind in ("svg", "png")}
    assert {file.name for file in files} == {"figure2.json", "figure2.md", *drawn}
    assert json.loads((home.root / "out" / "figure2.json").read_text()) == json.loads(json.dumps(result.facts))
    assert (home.root / "out" / "figure2-mf-best.png").read_bytes().startswith(b"\x89PNG")


def test_equal_settings_are_the_same_run_and_a_base_is_used_again(order: Order) -> None:
    run = trained(order.home, order.dataset, Wanted("mf", "best", 0))
    assert trained(order.home, order.dataset, Wanted("mf", "best", 0)).name == run.name
    other = Wanted("mf", "best", 0, (("k_items", 3),))
    assert plan(order.home, order.dataset, [other]).bases == {
        other: plan(order.home, order.dataset, [other]).bases[other]
    }
    over = trained(order.home, order.dataset, other)
    assert over.manifest["config"]["base_hash"] == run.manifest["hashes"]["recommender.safetensors"]
    assert over.manifest["hashes"]["recommender.safetensors"] == run.manifest["hashes"]["recommender.safetensors"]
    assert over.manifest["sae"]["k_items"] == 3


def test_a_data_set_that_the_paper_says_nothing_of_is_refused(order: Order) -> None:
    for what in MAKERS:
        with pytest.raises(CatalogueError, match="no figures to set beside demo"):
            reproduce(Order(order.home, "demo", ("mf",), (0,)), what)
