"""Concepts and cohorts that the analyst names, and the words that conditions may use."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.catalogue import named, naming
from engine.catalogue.catalogue import Catalogue
from engine.catalogue.fetch import fetch
from engine.errors import CatalogueError, PredicateError
from engine.home import Home
from engine.progress import silent
from engine.run import Run

from .conftest import small_archive


@pytest.fixture
def demo(demo_run: Run, home: Home) -> Iterator[Catalogue]:
    """The demo's catalogue in a home of its own, to name things in."""
    kept_by_others = shutil.ignore_patterns(named.FILE)
    shutil.copytree(demo_run.home.dataset("demo"), home.dataset("demo"), ignore=kept_by_others)
    with Catalogue.open(home, "demo") as catalogue:
        yield catalogue


def carriers(catalogue: Catalogue, name: str) -> np.ndarray:
    return next(concept.items for concept in catalogue.concepts() if concept.name == name)


def shares(catalogue: Catalogue, name: str) -> np.ndarray:
    """Each user's share of training and validation items in a concept, counted one by one; nan without history."""
    pairs, members = catalogue.interactions(0, 1), set(carriers(catalogue, name).tolist())
    hits, total = (np.zeros(len(catalogue.users().user_id)) for _ in range(2))
    for user, item in zip(pairs.user, pairs.item, strict=True):
        hits[user] += int(item) in members
        total[user] += 1
    return np.divide(hits, total, out=np.full(len(total), np.nan), where=total > 0)


@pytest.mark.parametrize("spelled", ["Horror", "horror", "HORROR"])
def test_share_is_the_share_of_the_history_that_carries_a_concept(demo: Catalogue, spelled: str) -> None:
    found = demo.match_users(f"share('{spelled}') >= 0.3")
    assert len(found) > 10
    assert found.tolist() == np.flatnonzero(shares(demo, "Horror") >= 0.3).tolist()


def test_words_combine_with_columns_and_with_each_other(demo: Catalogue) -> None:
    pairs = demo.interactions(0, 1)
    length = np.bincount(pairs.user, minlength=len(demo.users().user_id))
    first = demo.items().item_id[0]
    has_first = np.isin(np.arange(len(length)), pairs.user[pairs.item == 0])
    bands = np.array(demo.users().attributes["age_band"])
    band = str(bands[0])
    where = f"history() > 50 AND NOT seen('{first}') AND share('Horror') < share('Comedy') AND age_band = '{band}'"
    expected = (length > 50) & ~has_first & (shares(demo, "Horror") < shares(demo, "Comedy")) & (bands == band)
    assert demo.match_users(where).tolist() == np.flatnonzero(expected).tolist()


def test_the_history_holds_nothing_that_is_held_out(demo: Catalogue) -> None:
    held = demo.interactions(2)
    user, item = int(held.user[0]), demo.items().item_id[int(held.item[0])]
    assert user not in demo.match_users(f"seen('{item}')")


def test_has_is_membership_of_an_item(demo: Catalogue) -> None:
    both = np.intersect1d(carriers(demo, "Horror"), carriers(demo, "Comedy"))
    assert demo.match_items("has('Horror') AND has('comedy')").tolist() == both.tolist()


@pytest.mark.parametrize(
    ("table", "where", "message"),
    [
        ("users", "share('Horor') > 0", r"no concept 'Horor'\. Did you mean 'Horror'\?"),
        ("users", "share(age_band) > 0", r"share\(\) is written share\('Horror'\)"),
        ("users", "share('Horror', 'Comedy') > 0", r"share\(\) is written"),
        ("users", "share() > 0", r"share\(\) is written"),
        ("users", "share(NULL) > 0", r"share\(\) is written"),
        ("users", "share(3) > 0", r"share\(\) is written"),
        ("users", "share((SELECT 'Horror')) > 0", r"share\(\) is written"),
        ("users", "seen('nothing')", "no item with the id 'nothing'"),
        ("users", "history(1) > 0", r"history\(\) is written"),
        ("items", "share('Horror') > 0", "share.. is for conditions over users, and this one is over items"),
        ("users", "has('Horror')", "has.. is for conditions over items"),
        ("users", "share('Horror')", "gives DOUBLE, not true or false"),
        ("users", "share('x'' OR 1=1; DROP TABLE items; --') > 0", "There is no concept"),
        ("users", "EXISTS (SELECT 1 FROM word_0)", "reads 'word_0'; it can read"),
        ("users", "share('Horror') > 0 AND EXISTS (SELECT 1 FROM word_0_items)", "reads 'word_0_items'; it can read"),
        ("users", "share(repeat('x', 1000000000)) > 0", r"share\(\) is written"),
    ],
)
def test_a_word_that_is_misused_is_answered_in_one_sentence(
    demo: Catalogue, table: str, where: str, message: str
) -> None:
    with pytest.raises(PredicateError, match=message):
        demo.match_users(where) if table == "users" else demo.match_items(where)


def test_a_concept_of_ones_own_joins_the_others_and_serves_in_conditions(demo: Catalogue, home: Home) -> None:
    made = naming.add(demo, "concept", "Old horror", "has('Horror') AND year < 1980")
    assert np.array_equal(made.members, demo.match_items("has('Horror') AND year < 1980"))
    mine = next(concept for concept in demo.concepts() if concept.name == "Old horror")
    assert mine.kind == "own"
    assert demo.match_users("share('old HORROR') > 0.1").tolist() == (
        np.flatnonzero(shares(demo, "Old horror") > 0.1).tolist()
    )
    with Catalogue.open(home, "demo") as again:
        assert "Old horror" in [concept.name for concept in again.concepts()]
        assert again.hash == demo.hash
    naming.remove(demo, "concept", "old horror")
    assert "Old horror" not in [concept.name for concept in demo.concepts()]


def test_a_cohort_is_used_by_its_name(demo: Catalogue) -> None:
    naming.add(demo, "cohort", "Horror fans", "share('Horror') >= 0.3")
    assert [(cohort.name, cohort.where) for cohort in demo.cohorts()] == [("Horror fans", "share('Horror') >= 0.3")]
    assert demo.match_users(" horror fans ").tolist() == demo.match_users("share('Horror') >= 0.3").tolist()


@pytest.mark.parametrize(
    ("kind", "name", "where", "message"),
    [
        ("concept", "Horror", "year < 1970", "demo already has a concept 'Horror'"),
        ("concept", "", "year < 1970", "needs a name of 1 to 64 characters"),
        ("concept", "x" * 65, "year < 1970", "needs a name of 1 to 64 characters"),
        ("concept", "Nothing", "year < 0", "The condition matches no item: year < 0"),
        ("cohort", "Everybody", "true", "The condition matches every user: true"),
    ],
)
def test_what_cannot_be_named_is_refused_and_nothing_is_kept(
    demo: Catalogue, kind: named.Kind, name: str, where: str, message: str
) -> None:
    with pytest.raises(CatalogueError, match=message):
        naming.add(demo, kind, name, where)
    assert not (demo.folder / named.FILE).exists()


def test_control_characters_do_not_get_into_a_name(demo: Catalogue) -> None:
    assert "\x1b" not in naming.add(demo, "cohort", "Red\x1b[31m fans", "history() > 60").name


def test_what_is_named_survives_fetching_anew_and_is_evaluated_anew(home: Home, tmp_path: Path) -> None:
    fetch(home, "ml-1m", source=small_archive(tmp_path / "a.zip"), assent=True, progress=silent)
    with Catalogue.open(home, "ml-1m") as before:
        naming.add(before, "concept", "Early", "year <= 1990")
        first = next(concept.items for concept in before.concepts() if concept.name == "Early")
        ids = {before.items().item_id[item] for item in first}
    films = b"1::A new film (1980)::Comedy\n"
    from .conftest import small_files

    archive = small_archive(tmp_path / "b.zip", movies=films + small_files()["movies.dat"])
    fetch(home, "ml-1m", source=archive, assent=True, progress=silent)
    with Catalogue.open(home, "ml-1m") as after:
        second = next(concept.items for concept in after.concepts() if concept.name == "Early")
        assert {after.items().item_id[item] for item in second} == ids | {"1"}
        stored = json.loads((after.folder / named.FILE).read_text().splitlines()[0])
        assert stored["hash"] == after.hash


def test_a_damaged_line_is_named(demo: Catalogue) -> None:
    (demo.folder / named.FILE).write_text("{}\n")
    with pytest.raises(CatalogueError, match=r"concepts\.jsonl, line 1 is damaged"):
        demo.cohorts()


def test_a_concept_that_no_longer_fits_is_named_with_the_way_out(demo: Catalogue) -> None:
    stale = named.Named("concept", "Lost", "colour = 'red'", "another hash", ())
    named.write(demo.folder, [stale])
    with pytest.raises(CatalogueError, match=r"'Lost' of your own no longer fits demo: There is no column 'colour'"):
        demo.concepts()
    naming.remove(demo, "concept", "Lost")
    assert demo.concepts()
