"""The catalogue's content: numbering, titles, split, popularity, concepts, hash."""

import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from engine.catalogue.build import Source, build
from engine.catalogue.catalogue import Catalogue
from engine.catalogue.fetch import fetch, fetch_recipe
from engine.catalogue.recipes import Recipe, recipe
from engine.errors import CatalogueError
from engine.home import Home
from engine.progress import silent

from .conftest import HISTORIES, small_archive, small_files

BUILD_HASH = """
import sys; from pathlib import Path; import duckdb
from engine.catalogue.build import Source, build
from engine.catalogue.recipes import recipe
connect = duckdb.connect
duckdb.connect = lambda path, config: connect(path, config={**config, "threads": int(sys.argv[3])})
raw, target = Path(sys.argv[1]), Path(sys.argv[2])
print(build(recipe("ml-1m"), raw, target, Source("folder"), lambda share, text: None)["hash"])
"""


def test_items_are_numbered_in_id_order_and_keep_their_titles(small: Catalogue) -> None:
    items = small.items()
    assert items.item_id[:4] == ["5", "7", "29", "73"]
    assert items.title[1:4] == [
        "Seven (Se7en)",
        "City of Lost Children, The (Cité des enfants perdus, La)",
        "Misérables, Les",
    ]
    assert items.year[:4].tolist() == [1958, 1995, 1995, 1995]
    assert items.attributes["genres"][2] == "Adventure|Sci-Fi"


def test_titles_lose_their_control_characters(small: Catalogue) -> None:
    assert small.items().title[0] == "Plan 9 ( [31mRed )"


def test_a_title_without_a_year_is_kept_and_its_year_unknown(home: Home, tmp_path: Path) -> None:
    movies = small_files()["movies.dat"] + "9::Nanook, Año (1922) (restored)::Documentary\n".encode("latin-1")
    fetch(home, "ml-1m", source=small_archive(tmp_path / "a.zip", movies=movies), assent=True, progress=silent)
    with Catalogue.open(home, "ml-1m") as catalogue:
        place = catalogue.items().item_id.index("9")
        assert catalogue.items().title[place] == "Nanook, Año (1922) (restored)"
        assert catalogue.items().year[place] == -1
        assert not any(concept.kind == "decade" and place in concept.items for concept in catalogue.concepts())


def test_users_carry_labels_instead_of_codes(small: Catalogue) -> None:
    users = small.users()
    assert users.user_id == ["1", "2", "3", "10"]
    assert users.attributes == {
        "gender": ["F", "M", "M", "F"],
        "age": ["under 18", "56+", "25-34", "35-44"],
        "occupation": ["K-12 student", "self-employed", "scientist", "academic/educator"],
        "zip_code": ["48067", "70072", "55117", "95370-1234"],
    }


def test_users_with_twelve_interactions_hold_out_five_and_one_and_the_rest_none(small: Catalogue) -> None:
    train, validation, test = (Counter(small.interactions(fold).user.tolist()) for fold in (0, 1, 2))
    sizes = list(HISTORIES.values())
    assert [train[user] for user in range(4)] == [14, 6, 11, 8]
    assert [validation[user] for user in range(4)] == [1, 1, 0, 1]
    assert [test[user] for user in range(4)] == [5, 5, 0, 5]
    assert [train[user] + validation[user] + test[user] for user in range(4)] == sizes


def test_popularity_counts_training_interactions_alone(small: Catalogue) -> None:
    train = small.interactions(0)
    assert small.items().popularity.tolist() == np.bincount(train.item, minlength=24).tolist()
    assert small.items().popularity.sum() < len(small.interactions().item)


def test_folds_share_no_interaction_and_together_are_all(small: Catalogue) -> None:
    pairs = [set(zip(small.interactions(f).user, small.interactions(f).item, strict=True)) for f in (0, 1, 2)]
    assert not pairs[0] & pairs[1] | pairs[0] & pairs[2] | pairs[1] & pairs[2]
    everything = small.interactions()
    assert pairs[0] | pairs[1] | pairs[2] == set(zip(everything.user, everything.item, strict=True))


def test_an_interaction_that_stands_twice_counts_once_with_its_larger_weight(home: Home, tmp_path: Path) -> None:
    ratings = b"1::29::2::978300000\n1::29::4::978300001\n1::29::3::978300002\n"
    fetch(home, "ml-1m", source=small_archive(tmp_path / "a.zip", ratings=ratings), assent=True, progress=silent)
    with Catalogue.open(home, "ml-1m") as catalogue:
        assert catalogue.interactions().weight.tolist() == [4.0]


def moments(home: Home) -> list[object]:
    import duckdb

    with duckdb.connect(str(home.datasets / "ml-1m" / "catalogue.duckdb"), read_only=True) as connection:
        return [row[0] for row in connection.execute("SELECT DISTINCT time FROM interactions").fetchall()]


def test_a_time_that_is_the_same_everywhere_is_no_time(home: Home, tmp_path: Path, small_home: Home) -> None:
    assert moments(small_home) == [None]
    ratings = b"1::29::2::978300000\n1::73::4::978300001\n"
    fetch(home, "ml-1m", source=small_archive(tmp_path / "a.zip", ratings=ratings), assent=True, progress=silent)
    assert len(moments(home)) == 2


def test_concepts_are_genres_decades_and_what_the_recipe_adds(home: Home, tmp_path: Path) -> None:
    movies = small_files()["movies.dat"]
    movies += b"".join(f"{200 + n}::Punch {n} (199{n})::Action\n".encode() for n in range(9))
    movies += b"300::Old Punch (1927)::Action\n"
    fetch(home, "ml-1m", source=small_archive(tmp_path / "a.zip", movies=movies), assent=True, progress=silent)
    with Catalogue.open(home, "ml-1m") as catalogue:
        concepts = {concept.name: concept for concept in catalogue.concepts()}
        items = catalogue.items()
    named = {name: [items.item_id[item] for item in concepts[name].items] for name in concepts}
    assert named["Musical"] == ["73"]
    assert named["1950s"] == ["5"]
    assert named["Golden-Age"] == ["5", "300"]
    assert len(named["90's Action"]) == 9 + 2  # with Film 8 (1993) and Film 12 (1997)
    assert "20's Action" not in concepts
    assert "90's Horror" not in concepts, "a group of less than ten is no ground truth"
    assert len(named["Popular head"]) == int(0.05 * len(items.item_id))
    assert concepts["90's Action"].kind == "genre-decade"
    assert all(np.all(np.diff(concept.items) > 0) for concept in concepts.values())


def test_the_hash_is_of_the_content_and_not_of_the_files(home: Home, tmp_path: Path, small_home: Home) -> None:
    shuffled = {}
    for name, data in small_files().items():
        lines = data.splitlines(keepends=True)
        random.Random(1).shuffle(lines)
        shuffled[name.removesuffix(".dat")] = b"".join(lines).replace(b"\n", b"\r\n")
    fetch(home, "ml-1m", source=small_archive(tmp_path / "a.zip", **shuffled), assent=True, progress=silent)
    with Catalogue.open(home, "ml-1m") as one, Catalogue.open(small_home, "ml-1m") as two:
        assert one.hash == two.hash


@pytest.mark.parametrize(
    "change",
    [
        {"ratings": small_files()["ratings.dat"] + b"3::119::5::978300000\n"},
        {"movies": small_files()["movies.dat"].replace(b"Drama|Musical", b"Drama")},
        {"users": small_files()["users.dat"] + b"11::F::1::10::1\n"},
    ],
    ids=["interaction", "concept", "user"],
)
def test_the_hash_changes_with_the_content(
    home: Home, tmp_path: Path, small: Catalogue, change: dict[str, bytes]
) -> None:
    fetch(home, "ml-1m", source=small_archive(tmp_path / "a.zip", **change), assent=True, progress=silent)
    with Catalogue.open(home, "ml-1m") as other:
        assert other.hash != small.hash


def test_the_split_is_the_same_on_every_thread_count(small_home: Home, tmp_path: Path, small: Catalogue) -> None:
    raw = small_home.datasets / "ml-1m" / "raw"
    hashes = [
        subprocess.run(
            [sys.executable, "-c", BUILD_HASH, raw, tmp_path / f"{threads}.duckdb", threads],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for threads in ("1", "3")
    ]
    assert hashes == [small.hash, small.hash]


def test_the_held_out_items_are_those_whose_md5_comes_first(small: Catalogue) -> None:
    everything, test = small.interactions(), small.interactions(2)
    item_id = small.items().item_id
    for user, user_id in ((0, "1"), (1, "2"), (3, "10")):
        seen = [item_id[item] for item in everything.item[everything.user == user]]
        first = sorted(seen, key=lambda item: hashlib.md5(f"{user_id}|{item}|0".encode()).hexdigest())[:5]
        assert {item_id[item] for item in test.item[test.user == user]} == set(first)


def test_the_manifest_says_what_the_meta_table_says(small_home: Home, small: Catalogue) -> None:
    manifest = json.loads((small_home.datasets / "ml-1m" / "manifest.json").read_text())
    assert manifest == small.meta
    assert (manifest["n_users"], manifest["n_items"], manifest["n_interactions"]) == (4, 24, 57)


def own_recipe(folder: Path, load: str, concepts: str = "") -> Recipe:
    """A recipe that no Python knows."""
    folder.mkdir()
    (folder / "load.sql").write_text(load)
    (folder / "concepts.sql").write_text(concepts)
    (folder / "dataset.toml").write_text(
        'title = "Own"\nitem_word = "song"\nlicence = "CC0"\nlicence_text = ""\nneeds_assent = false\n'
        'citation = ""\nurl = "https://example.org/own.zip"\nfiles = ["plays.csv"]\n'
        'unpacked_bytes_limit = 1000\nitem_attributes = ["length"]\nuser_attributes = []\n'
    )
    return Recipe.read(folder)


LOAD = """
CREATE TEMP TABLE plays AS FROM read_csv(getvariable('raw') || 'plays.csv', header = true);
CREATE TEMP TABLE staged_items AS SELECT DISTINCT song AS item_id, song AS title, NULL AS year, 3 AS length FROM plays;
CREATE TEMP TABLE staged_users AS SELECT DISTINCT listener AS user_id FROM plays;
CREATE TEMP TABLE staged_interactions AS
SELECT listener AS user_id, song AS item_id, n AS weight, NULL AS time FROM plays;
"""


def test_a_new_recipe_needs_no_python(home: Home, tmp_path: Path) -> None:
    (tmp_path / "plays.csv").write_text("listener,song,n\nb,x,3\na,x,1\na,10,2\na,9,1\n")
    own = own_recipe(
        tmp_path / "own",
        LOAD,
        "INSERT INTO staged_concepts(concept, kind, item) SELECT 'X', 'tag', item FROM items WHERE title = 'x'",
    )
    fetch_recipe(home, own, source=tmp_path, assent=False, progress=silent)
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.items().item_id == ["9", "10", "x"]
        assert catalogue.items().year.tolist() == [-1, -1, -1]
        assert catalogue.items().attributes == {"length": [3, 3, 3]}
        assert catalogue.users().user_id == ["a", "b"]
        assert [(c.name, c.kind, c.items.tolist()) for c in catalogue.concepts()] == [("X", "tag", [2])]


@pytest.mark.parametrize(
    ("load", "concepts", "message"),
    [
        ("CREATE TABLE staged_items AS SELECT nonsense", "", "Own: load.sql: .*nonsense"),
        (LOAD.replace("3 AS length", "3 AS duration"), "", r"load\.sql must make staged_items\(.*length\)"),
        (LOAD, "INSERT INTO staged_concepts VALUES ('X', 'tag', 99, NULL)", "names item number 99"),
        (
            LOAD,
            "INSERT INTO staged_concepts VALUES ('X', 'tag', 0, NULL), ('X', 'genre', 0, NULL)",
            "'X' has two kinds",
        ),
    ],
)
def test_a_recipe_s_mistake_is_one_sentence(tmp_path: Path, load: str, concepts: str, message: str) -> None:
    (tmp_path / "plays.csv").write_text("listener,song,n\nb,x,3\n")
    with pytest.raises(CatalogueError, match=message):
        build(own_recipe(tmp_path / "own", load, concepts), tmp_path, tmp_path / "c.duckdb", Source("folder"), silent)


def test_a_home_with_odd_characters_in_its_path_builds(tmp_path: Path) -> None:
    home = Home(tmp_path / "a [home], with 'quotes' and *stars*")
    fetch(home, "ml-1m", source=small_archive(tmp_path / "a.zip"), assent=True, progress=silent)
    with Catalogue.open(home, "ml-1m") as catalogue:
        assert len(catalogue.items().item_id) == 24


def test_the_recipes_copied_elsewhere_name_no_path_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "ml-1m"
    shutil.copytree(recipe("ml-1m").folder, folder)
    for file in folder.iterdir():
        assert str(Path.cwd()) not in file.read_text()


def test_the_memory_of_a_build_can_be_set_and_changes_nothing(
    home: Home, tmp_path: Path, small: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = small_archive(tmp_path / "a.zip")
    monkeypatch.setenv("MONOSCOPE_MEMORY", "200MB")
    fetch(home, "ml-1m", source=archive, assent=True, progress=silent)
    with Catalogue.open(home, "ml-1m") as catalogue:
        assert catalogue.hash == small.hash
    monkeypatch.setenv("MONOSCOPE_MEMORY", "plenty")
    with pytest.raises(CatalogueError, match=r"MONOSCOPE_MEMORY is 'plenty'; .* like 800MB or 4GB"):
        fetch(home, "ml-1m", source=archive, assent=True, progress=silent)
