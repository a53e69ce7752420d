"""The paper's figures are typed in by hand: sums and counts guard them."""

from pathlib import Path

import duckdb
import pytest
from pydantic import ValidationError

from engine.errors import CatalogueError
from engine.experiments.published import DEPTHS, Domain, Model, published

COLUMNS: list[tuple[Domain, Model]] = [("films", "mf"), ("films", "ncf"), ("music", "mf"), ("music", "ncf")]
SHIPPED = Path(__file__).parents[3] / "datasets" / "common"


@pytest.mark.parametrize(
    ("domain", "model", "rows", "sums"),
    [
        ("films", "mf", 15, (13.5, 13.03, 12.16)),
        ("films", "ncf", 14, (12.3, 11.9, 10.89)),
        ("music", "mf", 9, (8.65, 8.1, 6.86)),
        ("music", "ncf", 8, (7.75, 7.05, 5.54)),
    ],
)
def test_each_column_has_the_papers_rows_and_sums(
    domain: Domain, model: Model, rows: int, sums: tuple[float, float, float]
) -> None:
    filled = published().filled(domain, model)
    assert len(filled) == rows
    assert published().mean_purity(domain, model) == pytest.approx([total / rows for total in sums])


def test_the_table_has_sixteen_films_and_ten_kinds_of_music() -> None:
    assert [len(published().table1(domain)) for domain in ("films", "music")] == [16, 10]


def test_dashes_are_absent_and_not_zero() -> None:
    dashes = {
        (domain, model): {row.name for row in published().table1(domain) if row.purity(model) is None}
        for domain, model in COLUMNS
    }
    assert dashes == {
        ("films", "mf"): {"80's Comedy"},
        ("films", "ncf"): {"Action", "Adventure"},
        ("music", "mf"): {"Emo"},
        ("music", "ncf"): {"Trance", "Reggae"},
    }


def test_the_impossible_cells_are_exactly_those_that_are_no_multiple_of_one_over_k() -> None:
    found = {
        (domain, model, row.name, depth)
        for domain, model in COLUMNS
        for row in published().filled(domain, model)
        for depth, value in zip(DEPTHS, row.purity(model) or (), strict=True)
        if abs(value * depth - round(value * depth)) > 1e-9
    }
    assert found == {(cell.domain, cell.model, cell.name, cell.depth) for cell in published().impossible}
    assert len(found) == 4
    assert published().is_impossible("films", "mf", "Animation", 20)
    assert not published().is_impossible("films", "mf", "Animation", 50)


def test_a_popularity_neuron_is_less_popular_the_deeper_one_looks() -> None:
    for domain, model in COLUMNS:
        percentiles = published().popularity_neuron(domain, model)
        assert list(percentiles) == sorted(percentiles)
    assert published().popularity_neuron("music", "ncf") == (0.46, 0.74, 4.40)


def test_figure_4_has_thirty_numbers_and_fidelity_rises_with_beta() -> None:
    figure = published().figure4
    assert figure.beta == (0, 1, 2, 5, 10)
    lines = [line for one in (figure.mf, figure.ncf) for line in (one.rbo, one.tau, one.monosemanticity)]
    assert sum(map(len, lines)) == 30
    for one in (figure.mf, figure.ncf):
        assert list(one.rbo) == sorted(one.rbo)
        assert list(one.tau) == sorted(one.tau)
        assert max(one.monosemanticity) not in (one.monosemanticity[0], one.monosemanticity[-1])


def test_the_papers_rbo_cannot_reach_one() -> None:
    figure = published().figure4
    assert figure.mf.rbo_of_identical_lists == pytest.approx(0.9529, abs=1e-4)
    assert figure.ncf.rbo_of_identical_lists == pytest.approx(0.9576, abs=1e-4)
    assert (figure.of("mf").seen_items, figure.of("ncf").seen_items) == ("left out", "kept")


def concepts_of(sql: str, *statements: str) -> set[str]:
    """The names of the concepts that a shipped file of SQL makes of the tables that `statements` fill."""
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE staged_concepts(concept VARCHAR, kind VARCHAR, item UINTEGER, support UINTEGER)"
        )
        for statement in (*statements, (SHIPPED / sql).read_text(encoding="utf-8")):
            connection.execute(statement)
        return {name for (name,) in connection.execute("SELECT DISTINCT concept FROM staged_concepts").fetchall()}


def test_every_film_row_has_the_name_that_the_catalogue_gives() -> None:
    genres = "|".join(row.concept for row in published().films if row.looser is None and row.concept != "Golden-Age")
    filled = f"""CREATE TABLE items AS SELECT i::UINTEGER AS item, '{genres.replace("'", "''")}' AS genres,
        (1960 + i % 4 * 10)::SMALLINT AS year, 1 AS popularity FROM range(80) AS r(i)"""
    named = {name for row in published().films for name in (row.concept, row.looser) if name}
    assert named <= concepts_of("films.sql", filled)


def test_every_music_row_has_the_name_that_the_catalogue_gives() -> None:
    tags = [row.concept for row in published().music]
    items = "CREATE TABLE items AS SELECT 0::UINTEGER AS item, '0' AS item_id, 1 AS popularity"
    tagging = f"CREATE TABLE tagging AS SELECT '0' AS item_id, unnest({tags}) AS tag, 9 AS support"
    named = {name for row in published().music for name in (row.concept, row.looser) if name}
    assert named <= concepts_of("artists.sql", "SET VARIABLE min_tagged = 1", items, tagging)


def test_a_data_set_that_the_paper_does_not_know_is_named() -> None:
    assert published().domain("lastfm-2k") == "music"
    with pytest.raises(CatalogueError, match="no figures to set beside my-shop"):
        published().domain("my-shop")


def test_published_figures_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        published().films[0].mf = (1.0, 1.0, 1.0)
