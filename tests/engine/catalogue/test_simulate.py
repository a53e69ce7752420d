"""The demo's audience: drawn as tastes.toml says, and the same every time."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.catalogue.catalogue import Catalogue
from engine.catalogue.fetch import fetch
from engine.catalogue.recipes import recipe
from engine.catalogue.simulate import Planted, plant
from engine.errors import CatalogueError
from engine.home import Home
from engine.progress import silent


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant(recipe("demo").folder)


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("demo") / "home")
    fetch(home, "demo", source=None, assent=False, progress=silent)
    return home


def test_the_demo_is_a_data_set_like_any_other_and_says_it_is_simulated(demo_home: Home, planted: Planted) -> None:
    with Catalogue.open(demo_home, "demo") as catalogue:
        assert (catalogue.meta["simulated"], catalogue.meta["notice"]) == (True, "simulated audience")
        assert sorted(catalogue.users().user_id) == sorted(planted.viewer_id)
        assert sorted(catalogue.items().item_id) == sorted(planted.film_id)
        assert catalogue.users().attributes["age_band"] == planted.age_band
        seen = catalogue.interactions()
        histories = np.split(seen.item, np.flatnonzero(np.diff(seen.user)) + 1)
        film = {film: number for number, film in enumerate(planted.film_id)}
        place = np.array([film[item] for item in catalogue.items().item_id])
        for drawn, stored in zip(planted.histories, histories, strict=True):
            assert drawn.tolist() == sorted(place[stored].tolist())
        assert {"genre", "decade", "era", "genre-decade", "popularity"} == {c.kind for c in catalogue.concepts()}


def test_the_audience_is_the_same_every_time(demo_home: Home, home: Home) -> None:
    fetch(home, "demo", source=None, assent=False, progress=silent)
    with Catalogue.open(home, "demo") as one, Catalogue.open(demo_home, "demo") as two:
        assert one.hash == two.hash


def test_another_seed_draws_another_audience(planted: Planted, tmp_path: Path) -> None:
    folder = edited(tmp_path, lambda text: text.replace("seed = ", "seed = 9"))
    assert any(
        one.tolist() != two.tolist() for one, two in zip(plant(folder).histories, planted.histories, strict=True)
    )


def test_carriers_of_a_taste_weigh_one_on_average_and_a_level_is_centred(planted: Planted) -> None:
    for column in planted.W_ft.T:
        if (column >= 0).all():
            assert column[column > 0].mean() == pytest.approx(1)
        else:
            assert column.max() == pytest.approx(1)
            assert column.mean() == pytest.approx(0)


def test_viewers_see_more_of_what_they_like(planted: Planted) -> None:
    """Averaged over its holders, a taste's weight in the history is above that in everyone's."""
    seen_vf = np.zeros((len(planted.viewer_id), len(planted.film_id)))
    for viewer, history in enumerate(planted.histories):
        seen_vf[viewer, history] = 1 / len(history)
    weight_vt = seen_vf @ planted.W_ft
    for taste, name in enumerate(planted.taste):
        likes, dislikes = planted.S_vt[:, taste] > 0, planted.S_vt[:, taste] < 0
        everyone = weight_vt[:, taste].mean()
        assert weight_vt[likes, taste].mean() > everyone, name
        if dislikes.any():
            assert weight_vt[dislikes, taste].mean() < everyone, name


def test_popular_films_are_seen_more(planted: Planted) -> None:
    views = np.bincount(np.concatenate(planted.histories), minlength=len(planted.film_id))
    by_rank = views[np.argsort(planted.rank)]
    tenth = len(by_rank) // 10
    assert by_rank[:tenth].mean() > 2 * by_rank[-tenth:].mean()


def edited(tmp_path: Path, change: Callable[[str], str]) -> Path:
    folder = tmp_path / "demo"
    shutil.copytree(recipe("demo").folder, folder)
    file = folder / "tastes.toml"
    before = file.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    file.write_text(after, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("household = [", 'household = ["f9999", '), "'f9999', a film in the tier household"),
        (lambda text: text.replace("[audience]", "[audience]\ncolour = 1"), r"audience\.colour: Extra inputs"),
        (lambda text: text.replace("tastes_share = [", "tastes_share = [0.5, "), "tastes_share does not sum to 1"),
        (lambda text: text.replace("[ages.tilt]", '[ages.tilt]\n"of age" = {Horror = 2.0}'), "'of age', a group in"),
        (lambda text: text + "\n[countries.tilt.Atlantis]\nHorror = 2.0\n", "'Atlantis', a group in countries.tilt"),
        (lambda text: text.replace("without_taste = [", 'without_taste = ["Horror", '), "'Horror' is to be without"),
        (lambda text: text + text[text.rindex("[[taste]]") :], "two tastes have one name"),
        (lambda text: text.replace("seed = ", "seed "), "tastes.toml: Expected '='"),
    ],
)
def test_tastes_that_do_not_fit_are_one_sentence(tmp_path: Path, change: Callable[[str], str], message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        plant(edited(tmp_path, change))
