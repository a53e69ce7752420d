"""MovieLens 1M, built from an archive with the layout of the official one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.catalogue.catalogue import Catalogue
from engine.catalogue.fetch import fetch
from engine.errors import CatalogueError
from engine.home import Home
from engine.progress import silent

pytestmark = pytest.mark.real_data

RATED_OF_GENRE = {
    "Children's": 250, "Drama": 1493, "Action": 495, "Comedy": 1163, "Adventure": 281, "Documentary": 110,
    "Animation": 105, "Crime": 201, "Fantasy": 68, "Film-Noir": 44, "Mystery": 104, "Horror": 339, "Musical": 113,
    "Romance": 459, "Sci-Fi": 274, "Thriller": 485, "War": 141, "Western": 67,
}  # fmt: skip
"""Counts over the 3,706 rated films that the paper's authors print."""
RATED_OF_DECADE = {"Golden-Age": 570, "1960s": 187, "1970s": 240, "1980s": 592, "1990s": 2152, "2000s": 152}


def test_the_counts_are_those_of_the_official_readme(real: Catalogue) -> None:
    assert len(real.users().user_id) == 6040
    assert len(real.items().item_id) == 3883
    assert len(real.interactions().user) == 1_000_209
    assert len(np.unique(real.interactions().item)) == 3706


def test_each_user_holds_out_five_test_items_and_one_for_validation(real: Catalogue) -> None:
    assert np.bincount(real.interactions(2).user).tolist() == [5] * 6040
    assert np.bincount(real.interactions(1).user).tolist() == [1] * 6040


def test_genres_and_decades_of_rated_films_are_as_published(real: Catalogue) -> None:
    rated = np.unique(real.interactions().item)
    concepts = {concept.name: len(np.intersect1d(concept.items, rated)) for concept in real.concepts()}
    tolerance = 2 if real.meta["source_notice"] else 0  # an archive made anew may misplace a few ratings
    published = RATED_OF_GENRE | RATED_OF_DECADE
    assert {name: concepts[name] for name in published} == pytest.approx(published, abs=tolerance, rel=0)
    assert sum(concept.kind == "genre" for concept in real.concepts()) == 18


def test_no_film_is_lost_to_its_accents(real: Catalogue) -> None:
    titles = real.items().title
    assert sum(not title.isascii() for title in titles) == 50
    assert "City of Lost Children, The" in titles
    assert "Misérables, Les" in titles
    assert (real.items().year > 0).all()


def test_the_popular_head_is_a_twentieth_of_the_films(real: Catalogue) -> None:
    head = next(concept for concept in real.concepts() if concept.kind == "popularity")
    popularity = real.items().popularity
    assert len(head.items) == 194
    assert popularity[head.items].min() >= np.delete(popularity, head.items).max()


def test_cohorts_are_those_of_the_files(real: Catalogue) -> None:
    assert len(real.match_users("gender = 'F'")) == 1709
    assert len(real.match_users("age = 'under 18'")) == 222


FETCH = """
import resource, sys; from pathlib import Path
from engine.catalogue.fetch import fetch; from engine.home import Home; from engine.progress import silent
fetch(Home(Path(sys.argv[1])), "ml-1m", source=Path(sys.argv[2]), assent=True, progress=silent)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.long
def test_a_second_build_is_the_same_and_stays_under_two_gigabytes(real: Catalogue, home: Home, archives: Path) -> None:
    command = [sys.executable, "-c", FETCH, str(home.root), str(archives / "ml-1m.zip")]
    most_bytes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert most_bytes < 2e9
    with Catalogue.open(home, "ml-1m") as again:
        assert again.hash == real.hash


def test_the_archive_of_another_data_set_is_refused(home: Home, archives: Path) -> None:
    with pytest.raises(CatalogueError, match=r"has no ml-1m/movies\.dat"):
        fetch(
            home,
            "ml-1m",
            source=archives / "hetrec2011-lastfm-2k.zip",
            assent=True,
            progress=silent,
        )


def test_half_an_archive_is_refused(home: Home, archives: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.zip"
    half.write_bytes((archives / "ml-1m.zip").read_bytes()[: 1 << 20])
    with pytest.raises(CatalogueError, match="damaged or cut short"):
        fetch(home, "ml-1m", source=half, assent=True, progress=silent)
    assert list(home.datasets.iterdir()) == []
