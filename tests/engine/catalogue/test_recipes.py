"""Recipes: what ships is valid, and what is asked for must be known."""

from pathlib import Path

import pytest

from engine.catalogue.recipes import Recipe, recipe, recipes
from engine.errors import CatalogueError

TOML = """
title = "Small"
item_word = "film"
licence = "CC0"
licence_text = "free"
needs_assent = false
citation = "none"
item_attributes = []
user_attributes = []
"""


def test_every_recipe_that_ships_reads_and_has_its_sql() -> None:
    known = recipes()
    assert {"ml-1m", "demo"} <= set(known)
    for name, found in known.items():
        assert found.name == name
        assert found.sql(found.load).is_file()
        assert found.sql(found.concepts).is_file()


def test_ml_1m_needs_assent_to_a_licence_that_is_shown() -> None:
    found = recipe("ml-1m")
    assert found.needs_assent
    assert "commercial" in found.licence_text
    assert found.url == "https://files.grouplens.org/datasets/movielens/ml-1m.zip"


def test_the_demo_is_free_and_says_that_its_audience_is_simulated() -> None:
    found = recipe("demo")
    assert not found.needs_assent
    assert (found.simulated, found.notice) == (True, "simulated audience")


def test_an_unknown_data_set_is_answered_with_what_is_known_and_the_closest_name() -> None:
    with pytest.raises(
        CatalogueError, match=r"no data set 'ml1m'; known are demo, .*ml-1m, .*\. Did you mean ml-1m\?$"
    ):
        recipe("ml1m")


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (TOML + "colour = 1", r"dataset\.toml: colour: Extra inputs are not permitted"),
        (TOML, r"needs url \(or by_hand\), files and unpacked_bytes_limit"),
        (TOML + 'simulated = true\nload = "../../load.sql"', "a file of the recipe's own folder or of common/"),
        (
            TOML + 'simulated = true\nconcepts = "/etc/passwd"',
            "a file of the recipe's own folder or of common/",
        ),
        (TOML + 'url = "ftp://example.org/a.zip"', "url: String should match pattern"),
        ("title = ", "is not TOML"),
    ],
)
def test_a_recipe_with_a_fault_is_refused_in_one_sentence(tmp_path: Path, toml: str, message: str) -> None:
    (tmp_path / "dataset.toml").write_text(toml)
    with pytest.raises(CatalogueError, match=message):
        Recipe.read(tmp_path)
