"""Data of a user's own: what is guessed, what is refused and in which words, and that formats make no difference."""

import gzip
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.catalogue.add import Added, add, add_ids, rebuild
from engine.catalogue.catalogue import Catalogue, datasets
from engine.catalogue.guess import Columns
from engine.errors import CatalogueError, HomeError
from engine.home import Home

USERS = [f"u{n}" for n in range(6)]
ITEMS = [f"i{n:02}" for n in range(30)]
PAIRS = [(user, item) for a, user in enumerate(USERS) for b, item in enumerate(ITEMS) if (a + b) % 2]


def item_rows() -> list[dict[str, Any]]:
    tags = ("Horror|Sci-Fi", "Comedy", "Drama|Romance")
    return [
        {"movieId": item, "title": f"Film {n}, The ({1980 + n})", "genres": tags[n % 3], "length": 90 + n}
        for n, item in enumerate(ITEMS)
    ]


def rating_rows() -> list[dict[str, Any]]:
    return [
        {"userId": user, "movieId": item, "rating": 1 + n % 5, "timestamp": 978300000 + n}
        for n, (user, item) in enumerate(PAIRS)
    ]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """`rows` in the format that the name says."""
    import pandas as pd

    table = pd.DataFrame(rows)
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        table.to_parquet(path, index=False)
    elif name.endswith(".jsonl"):
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_csv(path, index=False, sep="\t" if name.endswith(".tsv") else ",")
    return path


def text(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(content.encode(encoding))
    return path


def add_text(home: Home, path: Path, interactions: str, **more: Any) -> Added:
    return add(home, "own", interactions=text(path / "seen.csv", interactions), **more)


def refusal(home: Home, path: Path, interactions: str, **more: Any) -> str:
    with pytest.raises(CatalogueError) as refused:
        add_text(home, path, interactions, **more)
    assert not list(home.root.rglob("*")) or list(home.datasets.iterdir()) == []
    assert str(refused.value).endswith(".")
    return str(refused.value)


TINY = "user_id,item_id\na,1\nb,2\n"


def test_four_formats_give_one_catalogue(home: Home, tmp_path: Path) -> None:
    hashes = {}
    for kind in ("csv", "tsv", "parquet", "jsonl", "csv.gz", "jsonl.gz"):
        rows, items = (tmp_path / f"{stem}.{kind}" for stem in ("ratings", "movies"))
        name = kind.replace(".", "-")
        add(home, name, interactions=write(rows, rating_rows()), items=write(items, item_rows()))
        with Catalogue.open(home, name) as catalogue:
            hashes[kind] = catalogue.hash
            assert catalogue.items().attributes["length"][:2] == [90, 91]
            assert catalogue.items().attributes["genres"][0] == "Horror|Sci-Fi"
    assert len(set(hashes.values())) == 1, hashes


def test_what_is_guessed_is_told_and_the_content_is_right(home: Home, tmp_path: Path) -> None:
    done = add(
        home,
        "own",
        interactions=write(tmp_path / "ratings.csv", rating_rows()),
        items=write(tmp_path / "movies.csv", item_rows()),
    )
    assert done.guessed == {
        "interactions": {"user": "userId", "item": "movieId", "weight": "rating", "time": "timestamp"},
        "items": {"item": "movieId", "title": "title", "tags": "genres"},
    }
    said = ". ".join(done.notes)
    assert "every rating counts as a positive, 1 too; --min-rating 4 keeps the likes" in said
    assert "30 of 30 titles end with a year" in said
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.items().title[:2] == ["Film 0, The", "Film 1, The"]
        assert catalogue.items().year[:2].tolist() == [1980, 1981]
        assert catalogue.interactions().weight.tolist() == [float(row["rating"]) for row in rating_rows()]
        kinds = {concept.name: (concept.kind, len(concept.items)) for concept in catalogue.concepts()}
        assert kinds == {
            "Horror": ("tag", 10),
            "Sci-Fi": ("tag", 10),
            "Comedy": ("tag", 10),
            "Drama": ("tag", 10),
            "Romance": ("tag", 10),
            "1980s": ("decade", 10),
            "1990s": ("decade", 10),
            "2000s": ("decade", 10),
            "Popular head": ("popularity", 1),
        }
        assert catalogue.meta["item_word"] == "movie"


def test_a_tag_on_nine_items_is_no_concept(home: Home, tmp_path: Path) -> None:
    items = "id,name,tags\n" + "".join(f"{n},T{n},{'rare' if n < 9 else 'usual'}\n" for n in range(19))
    add_text(home, tmp_path, TINY, items=text(tmp_path / "items.csv", items))
    with Catalogue.open(home, "own") as catalogue:
        assert [(c.name, c.kind) for c in catalogue.concepts() if c.kind != "popularity"] == [("usual", "tag")]


def test_a_tag_that_is_called_like_a_decade_keeps_the_name(home: Home, tmp_path: Path) -> None:
    items = "id,title,year,tags\n" + "".join(f"{n},T{n},{1990 + n % 10},1990s\n" for n in range(12))
    add_text(home, tmp_path, TINY, items=text(tmp_path / "items.csv", items))
    with Catalogue.open(home, "own") as catalogue:
        kinds = [(concept.name, concept.kind) for concept in catalogue.concepts()]
    assert ("1990s", "tag") in kinds
    assert ("1990s", "decade") not in kinds


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('"a, b,,c "', "a|b|c"),
        ('"a | b,c |"', "a|b,c"),
        ("\"['a', 'b c']\"", "a|b c"),
        ("a;b", "a|b"),
        ("alone", "alone"),
    ],
)
def test_tags_are_split_trimmed_and_kept(home: Home, tmp_path: Path, cell: str, expected: str) -> None:
    items = text(tmp_path / "items.csv", f"item_id,title,keywords\n1,One,{cell}\n2,Two,\n")
    add_text(home, tmp_path, TINY, items=items)
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.items().attributes["keywords"] == [expected, None]


def test_lists_of_tags_need_no_splitting_and_nested_values_are_left_out_aloud(home: Home, tmp_path: Path) -> None:
    lines = [
        {"item": 1, "title": "One", "tags": ["x, y", " z|w "], "shape": {"w": 1}, "fair": True, "price": 1.5},
        {"item": 2, "title": "Two", "tags": None, "shape": None, "fair": False, "price": None},
    ]
    items = text(tmp_path / "items.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    done = add_text(home, tmp_path, TINY, items=items)
    assert any("shape left out" in note for note in done.notes)
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.items().attributes == {
            "tags": ["x, y|z/w", None],
            "fair": [True, False],
            "price": [1.5, None],
        }


def test_recbole_headers_are_understood(home: Home, tmp_path: Path) -> None:
    seen = text(
        tmp_path / "ml.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3\t4\n5\t6\t7\t8\n"
    )
    items = text(tmp_path / "ml.item", "item_id:token\tmovie_title:token_seq\tclass:token_seq\n2\tA B\tx y\n6\tC\tz\n")
    done = add(home, "own", interactions=seen, items=items, columns=Columns(tags="class"))
    assert done.guessed["interactions"]["time"] == "timestamp"
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.items().title == ["A B", "C"]
        assert catalogue.items().attributes == {"class": ["x|y", "z"]}


def test_attributes_get_names_that_sql_takes(home: Home, tmp_path: Path) -> None:
    items = text(
        tmp_path / "items.csv",
        "item_id,title,Year,Order,Zip Code,1st,popularity\n1,One,1999,5,007,a,9\n2,Two,x,6,10,b,8\n",
    )
    done = add_text(home, tmp_path, TINY, items=items)
    assert any("1 value of Year" in note for note in done.notes)
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.items().year.tolist() == [1999, -1]
        assert catalogue.items().attributes == {
            "order_": [5, 6],
            "zip_code": ["007", "10"],
            "_1st": ["a", "b"],
            "popularity_": [9, 8],
        }
        assert catalogue.match_items("order_ > 5 AND zip_code = '10'").tolist() == [1]


def test_user_columns_become_attributes(home: Home, tmp_path: Path) -> None:
    users = text(tmp_path / "users.csv", "id,age,city\nb,30,Bonn\na,,Åre\n")
    add_text(home, tmp_path, TINY, users=users)
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.users().user_id == ["a", "b"]
        assert catalogue.users().attributes == {"age": [None, 30], "city": ["Åre", "Bonn"]}


@pytest.mark.parametrize(
    ("times", "unit"),
    [
        (("1262426400", "1262430000"), "seconds"),
        (("1262426400000", "1262430000000"), "milliseconds"),
        (("2010-01-02T10:00:00Z", "2010-01-02 11:00:00"), None),
        (("2010-01-02T12:00:00+02:00", "2010-01-02T09:00:00-02:00"), None),
    ],
)
def test_times_in_any_usual_form_are_one_moment(
    home: Home, tmp_path: Path, times: tuple[str, str], unit: str | None
) -> None:
    done = add_text(home, tmp_path, f"user,item,time\na,1,{times[0]}\nb,2,{times[1]}\n")
    assert unit is None or f"time is read as {unit} since 1970" in done.notes
    assert moments(home) == ["2010-01-02 10:00:00", "2010-01-02 11:00:00"]


def moments(home: Home) -> list[str]:
    import duckdb

    with duckdb.connect(str(home.dataset("own") / "catalogue.duckdb"), read_only=True) as connection:
        return [
            str(moment) for (moment,) in connection.execute("SELECT time FROM interactions ORDER BY time").fetchall()
        ]


def test_min_rating_keeps_the_likes_and_counts_the_rest(home: Home, tmp_path: Path) -> None:
    done = add(home, "own", interactions=write(tmp_path / "r.csv", rating_rows()), min_rating=4)
    kept = [row["rating"] for row in rating_rows() if row["rating"] >= 4]
    assert done.interactions == len(kept)
    assert done.below_min_rating == len(PAIRS) - len(kept)
    assert done.below_samples[0] == ["u0", "i01", "1.0"]
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.interactions().weight.min() == 4


def test_plays_are_no_ratings(home: Home, tmp_path: Path) -> None:
    done = add_text(home, tmp_path, "user,artist,plays\na,x,1\nb,y,5\n")
    assert done.guessed["interactions"]["weight"] == "plays"
    assert not any("min-rating" in note for note in done.notes)


def test_repeated_rows_count_once_and_are_told(home: Home, tmp_path: Path) -> None:
    done = add_text(home, tmp_path, "user,item,plays\na,1,2\na,1,7\nb,2,1\n")
    assert (done.interactions, done.repeated, done.repeated_samples) == (2, 1, [["a", "1", "2"]])
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.interactions().weight.tolist() == [7, 1]


def test_latin_1_is_read_and_told(home: Home, tmp_path: Path) -> None:
    items = text(tmp_path / "items.csv", "item_id,title\n1,Plain\n2,Misérables\n", "latin-1")
    done = add_text(home, tmp_path, TINY, items=items)
    assert "items.csv is not UTF-8 (line 3 is the first that is not), so it is read as Latin-1" in done.notes
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.items().title == ["Plain", "Misérables"]


def test_one_damaged_line_in_utf_8_is_not_taken_for_latin_1(home: Home, tmp_path: Path) -> None:
    items = tmp_path / "items.csv"
    items.write_bytes("item_id,title\n1,Åre\n2,caf".encode() + b"\xe9\n")
    assert "items.csv, line 3: this line is not UTF-8, though others (line 2) are" in refusal(
        home, tmp_path, TINY, items=items
    )


def test_quotes_in_a_tsv_are_characters_and_swallow_no_rows(home: Home, tmp_path: Path) -> None:
    items = text(tmp_path / "items.tsv", 'item_id\ttitle\n1\t"Weird\n2\tAl"\n')
    add_text(home, tmp_path, TINY, items=items)
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.items().title == ['"Weird', 'Al"']


def test_a_quoted_line_end_in_a_csv_is_part_of_the_title(home: Home, tmp_path: Path) -> None:
    items = text(tmp_path / "a [1]*.csv", '\ufeffitem_id,title\r\n1,"Two\nlines, ""here"""\r\n2,One\r\n')
    done = add_text(home, tmp_path, TINY, items=items)
    assert "1 title with control characters or line ends: they become spaces" in done.notes
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.items().title == ['Two lines, "here"', "One"]


def test_whole_ids_that_were_stored_as_floats_match_text(home: Home, tmp_path: Path) -> None:
    seen = write(tmp_path / "r.parquet", [{"user": 1.0, "item": 10.0}, {"user": 2.0, "item": 11.0}])
    items = text(tmp_path / "items.csv", "item,title\n10,Ten\n11,Eleven\n")
    add(home, "own", interactions=seen, items=items)
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.users().user_id == ["1", "2"]


def test_items_that_only_interactions_name_stop_the_work_unless_allowed(home: Home, tmp_path: Path) -> None:
    items = text(tmp_path / "items.csv", "item_id,title\n1,One\n")
    said = refusal(home, tmp_path, TINY, items=items)
    assert '1 item of seen.csv ("2"; 1 interaction) is not in items.csv' in said
    assert "--allow-missing" in said
    add_text(home, tmp_path, TINY, items=items, allow_missing=True)
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.items().title == ["One", "2"]


def test_ids_that_do_not_meet_at_all_are_shown_side_by_side(home: Home, tmp_path: Path) -> None:
    items = text(tmp_path / "items.csv", "item_id,title\nt1,One\nt2,Two\n")
    said = refusal(home, tmp_path, TINY, items=items, allow_missing=True)
    assert 'here ids are like "1", "2", there like "t1", "t2"' in said


def test_items_alone_will_do(home: Home, tmp_path: Path) -> None:
    done = add(home, "own", items=write(tmp_path / "movies.csv", item_rows()))
    assert (done.users, done.items, done.interactions) == (0, 30, 0)
    assert any("give --users" in note for note in done.notes)
    with Catalogue.open(home, "own") as catalogue:
        assert {concept.kind for concept in catalogue.concepts()} == {"tag", "decade"}


def test_ids_alone_make_a_data_set(home: Home) -> None:
    add_ids(home, "bare", ["u,1", 'u"2'], ["7", "007", "b"])
    with Catalogue.open(home, "bare") as catalogue:
        assert sorted(catalogue.items().item_id) == ["007", "7", "b"]
        assert catalogue.items().title == catalogue.items().item_id
        assert sorted(catalogue.users().user_id) == ['u"2', "u,1"]
    assert rebuild(home, "bare").items == 3


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "seen.csv is empty"),
        ("user_id,item_id\n", "seen.csv has a header and no rows"),
        (
            "user_id,what\na,1\n",
            "none of its columns (user_id, what) looks like the item's id; name it with --item-column",
        ),
        ("who,item_id\na,1\n", "looks like the user's id; name it with --user-column"),
        ("1,1193,5,978300760\n1,661,3,978302109\n", "seen.csv has no header: its first line is '1,1193,5,978300760'"),
        ("user_id,item_id\na,1\n,2\n", "seen.csv, row 2 after the header: user_id is empty"),
        ("user_id,item_id\na,1\nb, \n", "seen.csv, row 2 after the header: item_id is empty"),
        ("user_id,item_id,rating\na,1,5\nb,2,NaN\n", "row 2 after the header: rating is 'NaN', which is no number"),
        ("user_id,item_id,rating\na,1,\nb,2,3\n", "row 1 after the header: rating is empty, which is no number"),
        ("user_id,item_id\na,1\nb,2,3\n", "seen.csv, line 3: expected 2 fields, found 3"),
        ("user,item\na,1\na,2\n", "all 2 rows have the same user (user is 'a'); if that is the wrong column"),
        (
            "user,track_id,artist_id\na,1,2\n",
            "seen.csv: is the item track_id or artist_id? Say which with --item-column",
        ),
        ("user,item,user\na,1,2\n", "seen.csv has two columns called 'user'"),
        ("user,item,time\na,1,yesterday\n", "time is 'yesterday', which is no time"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_sentence(
    home: Home, tmp_path: Path, content: str, sentence: str
) -> None:
    assert sentence in refusal(home, tmp_path, content + ("b,2,tomorrow\n" if "yesterday" in content else ""))


def test_an_unknown_column_is_named(home: Home, tmp_path: Path) -> None:
    said = refusal(home, tmp_path, TINY, columns=Columns(weight="rating"))
    assert said == "seen.csv has no column 'rating' for --weight-column; its columns are user_id, item_id."


def test_a_column_that_was_guessed_can_be_left_out(home: Home, tmp_path: Path) -> None:
    done = add_text(home, tmp_path, "user,item,rating\na,1,bad\nb,2,worse\n", columns=Columns(weight="none"))
    assert "there is no column of weights, so every interaction weighs 1" in done.notes


def test_a_min_rating_above_every_rating_says_how_far_they_go(home: Home, tmp_path: Path) -> None:
    said = refusal(home, tmp_path, "user,item,rating\na,1,2\nb,2,3\n", min_rating=4)
    assert said == "seen.csv: no interaction has rating >= 4; they go from 2 to 3."
    assert "--min-rating needs a column" in refusal(home, tmp_path, TINY, min_rating=4)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\x7fELF\x00\x01\x02\x00" * 50, "is not a table of text"),
        (b"PK\x03\x04rest", "is a zip archive or a spreadsheet"),
        ("user,item\n".encode("utf-16"), "is text in UTF-16"),
        (b'{"user": 1, "item": 2}\nnot json\n', "junk, line 2 is not JSON"),
        (b"PAR1 but no more", "junk cannot be read"),
        (gzip.compress(TINY.encode(), mtime=0)[:-12], "cannot be read"),
    ],
)
def test_junk_is_refused_in_one_sentence(home: Home, tmp_path: Path, data: bytes, sentence: str) -> None:
    (tmp_path / "junk").write_bytes(data)
    with pytest.raises(CatalogueError, match="junk") as refused:
        add(home, "own", interactions=tmp_path / "junk")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_and_a_folder_are_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="There is no file"):
        add(home, "own", interactions=tmp_path / "nothing.csv")
    with pytest.raises(CatalogueError, match="is a folder; give one file"):
        add(home, "own", interactions=tmp_path)
    with pytest.raises(CatalogueError, match="nothing to add"):
        add(home, "own")
    with pytest.raises(HomeError, match="cannot name a data set"):
        add(home, "../own", interactions=tmp_path)


def test_an_item_that_stands_there_twice_is_named_with_its_row(home: Home, tmp_path: Path) -> None:
    items = text(tmp_path / "items.csv", "item_id,title\n1,One\n2,Two\n1,Uno\n")
    assert "items.csv, row 3: item '1' stands there for the second time" in refusal(home, tmp_path, TINY, items=items)


def test_a_name_that_is_taken_is_refused_and_the_data_set_stays(home: Home, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="'ml-1m' is a data set that monoscope knows"):
        add(home, "ml-1m", interactions=text(tmp_path / "seen.csv", TINY))
    add_text(home, tmp_path, TINY)
    with pytest.raises(CatalogueError, match="already; choose another name, or add --replace"):
        add_text(home, tmp_path, TINY)
    with pytest.raises(CatalogueError, match="has a header and no rows"):
        add_text(home, tmp_path, "user,item\n", replace=True)
    with Catalogue.open(home, "own") as catalogue:
        assert catalogue.users().user_id == ["a", "b"]
    assert add_text(home, tmp_path, "user,item\na,1\nb,2\nc,3\n", replace=True).users == 3


def test_a_recipe_changed_by_hand_is_built_again(home: Home, tmp_path: Path) -> None:
    add(
        home, "own", interactions=write(tmp_path / "r.csv", rating_rows()), items=write(tmp_path / "m.csv", item_rows())
    )
    folder = home.dataset("own")
    facts = tomllib.loads((folder / "dataset.toml").read_text())
    assert facts["parameters"]["interactions_file"] == str(tmp_path / "r.csv")
    concepts = folder / "concepts.sql"
    concepts.write_text(
        concepts.read_text() + "INSERT INTO staged_concepts(concept, kind, item) SELECT 'Long', 'own', item FROM items"
        " WHERE length > 110;\n"
    )
    with open(tmp_path / "r.csv", "a") as file:
        file.write("u9,i00,3,978300000\n")
    done = rebuild(home, "own")
    assert "interactions: the file has changed since it was added" in done.notes
    assert done.users == 7
    with Catalogue.open(home, "own") as catalogue:
        assert [len(concept.items) for concept in catalogue.concepts() if concept.name == "Long"] == [9]


def test_own_data_sets_are_listed_and_a_broken_recipe_hides_none(home: Home, tmp_path: Path) -> None:
    add_text(home, tmp_path, TINY)
    (listed,) = [info for info in datasets(home) if info.name == "own"]
    assert (listed.state, listed.users, listed.interactions, listed.licence) == ("here", 2, 2, "your own data")
    with pytest.raises(CatalogueError, match="Did you mean own"):
        Catalogue.open(home, "owm")
    (home.dataset("own") / "dataset.toml").write_text("title = ")
    assert [info.state for info in datasets(home) if info.name == "own"] == ["damaged"]
